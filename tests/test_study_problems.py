"""Study problems: nothing is wrong with confidence, and what is wrong is called so."""

import numpy as np
from studies import check_kept_and_drawn, fast


def test_the_study_is_kept_and_drawn(tmp_path):
    check_kept_and_drawn("problems", tmp_path)


def test_nothing_is_wrong_with_confidence():
    study = fast("problems")
    assert {row["outcome"] for row in study.tables["estimates"]} <= {"solved", "wide", "not trusted"}
    assert [row["outcome"] for row in study.tables["best"]] == ["solved"] * 3


def test_a_number_that_is_wrong_is_called_wrong():
    from bayes_sandbox.records import Evidence
    from bayes_sandbox.studies.problems import outcome

    bound, standard = (Evidence(m, -3.0, 0.01, 1, 0.0, True, ()) for m in ("grid", "importance"))
    assert outcome(bound, 0.011, 0.02) == "wrong"
    assert outcome(standard, 0.011, 0.02) == "solved"
    assert outcome(standard, 0.041, 0.02) == "wrong"
    assert outcome(standard.demoted("why"), 0.5, 0.02) == "not trusted"
    assert outcome(standard, -np.inf, 0.02) == "wrong"

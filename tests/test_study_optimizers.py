"""Study optimizers: where each ends, at what rate, and where it fails."""

import pytest
from studies import check_kept_and_drawn, fast

from bayes_sandbox.studies.study import where


def test_the_study_is_kept_and_drawn(tmp_path):
    check_kept_and_drawn("optimizers", tmp_path)


def test_the_study_says_what_its_tables_hold():
    study = fast("optimizers")
    for landscape in {row["landscape"] for row in study.tables["paths"]}:
        for optimizer in {row["optimizer"] for row in where(study.tables["paths"], landscape=landscape)}:
            rows = where(study.tables["paths"], landscape=landscape, optimizer=optimizer)
            assert rows[-1]["loss_above"] < 0.6 * rows[0]["loss_above"], (landscape, optimizer)
            if optimizer in ("gradient_descent", "newton", "bfgs", "l_bfgs"):
                assert rows[-1]["distance"] < 0.01, (landscape, optimizer)
    for row in study.tables["rates"]:
        assert row["measured"] == pytest.approx(row["predicted"], rel=0.05)
    fall = {s: [r["loss_above"] for r in study.tables["regimes"] if r["share"] == s] for s in (0.2, 1.0, 1.9, 2.1)}
    assert fall[2.1][-1] > fall[2.1][0] > fall[0.2][-1] > fall[1.0][-1] > fall[1.9][-1]
    assert {r["case"] for r in study.tables["failures"]} == {"singular", "saddle", "too large a step"}
    last_losses = [r["loss_above"] for r in study.tables["trajectories"] if r["step"] == study.settings["num_steps"]]
    assert len(set(last_losses)) == 6
    assert set(study.plot()) == {"paths", "losses", "regimes", "trajectories", "hessian"}

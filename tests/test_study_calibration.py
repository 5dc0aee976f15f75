"""Study calibration: ranks, z-scores and coverage."""

import math

import pytest
from scipy import stats
from studies import check_kept_and_drawn, fast

from bayes_sandbox.studies.study import column, where


def test_the_study_is_kept_and_drawn(tmp_path):
    check_kept_and_drawn("calibration", tmp_path)


def test_simulated_ranks_are_uniform_but_for_laplace():
    study = fast("calibration")
    uniform = {row["way"]: row["uniform"] for row in study.tables["uniformity"]}
    assert uniform == {"grid": True, "laplace": False, "nuts": True}
    trusted = where(study.tables["coverage"], trusted=True)
    assert len(trusted) == 3
    assert all(row["covered"] for row in trusted)


def test_z_scores_are_those_of_a_standard_error():
    scores = where(fast("calibration").tables["scores"], trusted=True)
    z = column(scores, "gap") / column(scores, "error")
    assert len(z) == 10
    assert abs(z.mean()) < 4 / math.sqrt(10)
    assert 1e-4 < stats.chi2(10).cdf((z**2).sum()) < 1 - 1e-4
    (row,) = fast("calibration").tables["z"]
    assert row["mean_z"] == pytest.approx(z.mean())
    assert row["sd_z"] == pytest.approx(z.std(ddof=1))

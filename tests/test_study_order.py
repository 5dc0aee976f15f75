"""Study order: more terms fit better, and other judges turn."""

import numpy as np
from scipy import stats
from studies import check_kept_and_drawn, fast

from bayes_sandbox.studies.study import column, where


def test_the_study_is_kept_and_drawn(tmp_path):
    check_kept_and_drawn("order", tmp_path)


def test_more_terms_always_fit_the_training_data_better():
    rows = where(fast("order").tables["orders"], family="polynomial")
    assert (np.diff(column(rows, "training_loss")) < 0).all()
    for judge in ("evidence_loss", "loo_loss", "held_out_loss"):
        assert np.argmin(column(rows, judge)) > 0, judge  # a constant is too little


def test_the_evidence_of_a_regression_is_that_of_a_line_integral():
    """Given the noise the data are a normal: one integral over the noise, by hand."""
    from bayes_sandbox.problems.truths import integral_1d
    from bayes_sandbox.real_data import CEMENT

    (row,) = where(fast("order").tables["orders"], order="-")
    y = (CEMENT[:, 4] - 95)[np.arange(13) % 4 != 3]

    def log_f(noise):
        covariance = noise**2 * np.eye(len(y)) + 20.0**2
        return stats.multivariate_normal(np.zeros(len(y)), covariance).logpdf(y) + stats.halfnorm(scale=10).logpdf(
            noise
        )

    truth, _, _ = integral_1d(log_f, 1e-3, 100.0, [8.0, 15.0, 30.0])
    assert abs(row["log_evidence"] - truth) < 1e-5

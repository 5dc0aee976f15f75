"""Ridge in closed form, and the strength that its evidence chooses."""

import numpy as np
import pytest
import sklearn.linear_model
from regressions import REAL, diabetes
from scipy import stats

import bayes_sandbox as bs
from bayes_sandbox.regularization import choose_scales, fit_gaussian, from_loss


@pytest.mark.parametrize("wide", [False, True])
def test_the_closed_form_is_the_gaussians(wide):
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(5, 9) if wide else (30, 4)), rng.normal(size=5 if wide else 30) + 1
    tau, sigma = 1.4, 0.6
    fit = fit_gaussian(x, y, prior_scale=tau, scale=sigma)
    marginal = stats.multivariate_normal(cov=sigma**2 * np.eye(len(y)) + tau**2 * x @ x.T)
    assert fit.log_evidence == pytest.approx(marginal.logpdf(y), abs=1e-8)
    precision = x.T @ x / sigma**2 + np.eye(x.shape[1]) / tau**2
    np.testing.assert_allclose(fit.covariance, np.linalg.inv(precision), atol=1e-10)
    np.testing.assert_allclose(fit.mean, np.linalg.solve(precision, x.T @ y / sigma**2), atol=1e-10)
    assert fit.effective == pytest.approx(x.shape[1] - np.trace(fit.covariance) / tau**2)


def test_the_closed_form_is_the_sums_and_the_laplace_fits():
    x, y = diabetes()
    fit = fit_gaussian(x[:, :3], y, prior_scale=0.5, scale=0.8)
    model = from_loss("squared", "l2", x=x[:, :3], y=y, strength=0.8**2 / 0.5**2, scale=0.8, intercept=False)
    assert bs.fit_laplace(model).log_evidence == pytest.approx(fit.log_evidence, abs=1e-8)
    grid = bs.fit_grid(model)
    assert abs(grid.evidence.log_evidence - fit.log_evidence) < max(grid.evidence.error, 1e-8)
    np.testing.assert_allclose(grid.mean["w"], fit.mean, atol=1e-6)


@pytest.mark.parametrize("data", REAL)
def test_the_strength_by_evidence_is_bayesian_ridges(data):
    x, y = REAL[data]()
    theirs = sklearn.linear_model.BayesianRidge(
        alpha_1=0,
        alpha_2=0,
        lambda_1=0,
        lambda_2=0,
        tol=1e-12,
        max_iter=100_000,
        fit_intercept=False,
        compute_score=True,
    ).fit(x, y)
    mine = choose_scales(x, y)
    assert mine.scale**-2 == pytest.approx(theirs.alpha_, rel=1e-4)
    assert mine.prior_scale**-2 == pytest.approx(theirs.lambda_, rel=1e-4)
    assert mine.log_evidence == pytest.approx(theirs.scores_[-1], abs=1e-8 * abs(theirs.scores_[-1]) + 1e-7)
    np.testing.assert_allclose(mine.mean, theirs.coef_, atol=1e-5 * np.abs(theirs.coef_).max())
    known = choose_scales(x, y, scale=0.7)
    for factor in (0.9, 1.1):
        assert fit_gaussian(x, y, prior_scale=known.prior_scale * factor, scale=0.7).log_evidence < known.log_evidence

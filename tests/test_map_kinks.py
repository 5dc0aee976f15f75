"""The MAP of a density with corners, kinks and spheres: exact zeros, medians, multipliers."""

import numpy as np
import numpyro.distributions as dist
import pytest
import sklearn.linear_model
from regressions import EXACT, diabetes, fitted

import bayes_sandbox as bs
from bayes_sandbox.regularization import from_loss, weights


def test_a_group_is_zero_as_a_whole_and_only_where_it_should_be():
    x, y = diabetes()
    strength = 60.0
    w, b = fitted(from_loss("squared", "group_lasso", x=x, y=y, strength=strength, size=2))
    pull = (x.T @ (y - x @ np.ravel(w) - b)).reshape(5, 2)  # of the data on each group
    norms, zero = np.linalg.norm(pull, axis=1) / (strength * np.sqrt(2)), (w == 0).all(axis=1)
    assert zero.sum() == 2
    assert (norms[zero] < 1).all()
    np.testing.assert_allclose(norms[~zero], 1, rtol=1e-7)  # Karush–Kuhn–Tucker
    along = w[~zero] / np.linalg.norm(w[~zero], axis=1, keepdims=True)
    np.testing.assert_allclose(pull[~zero], strength * np.sqrt(2) * along, rtol=1e-5)


def test_a_constraint_is_a_penalty_whose_strength_the_data_choose():
    x, y = diabetes()
    model = from_loss("squared", "ball", x=x, y=y, radius=0.3, intercept=False)
    fit = bs.fit_map(model, num_starts=4)
    assert fit.converged
    assert fit.edges == ("‖w‖ = 0.3",)
    w = np.asarray(fit.params["w"])
    strength = (x.T @ (y - x @ w)) @ w / (w @ w)  # the multiplier
    ridge = sklearn.linear_model.Ridge(alpha=strength, fit_intercept=False, **EXACT).fit(x, y)
    np.testing.assert_allclose(w, ridge.coef_, atol=1e-8)
    free = bs.fit_map(from_loss("squared", "ball", x=x, y=y, radius=50.0, intercept=False), num_starts=4)
    assert free.edges == ()
    np.testing.assert_allclose(free.params["w"], np.linalg.lstsq(x, y)[0], rtol=1e-6)


def test_an_absolute_loss_has_its_median_and_an_unknown_scale_too():
    y = np.array([0.3, -1.0, 4.0, 7.0, 2.2])
    model = bs.Model({"m": dist.Normal(0, 1e6), "b": dist.HalfNormal(1e6)}, lambda m, b: dist.Laplace(m, b), observed=y)
    fit = bs.fit_map(model)
    assert fit.converged
    assert "kink" in fit.message
    assert float(fit.params["m"]) == pytest.approx(2.2, abs=1e-6)
    assert float(fit.params["b"]) == pytest.approx(np.abs(y - 2.2).mean(), rel=1e-6)
    even = bs.Model({"m": dist.ImproperUniform(dist.constraints.real, (), ())}, lambda m: dist.Laplace(m, 1.0), y[:4])
    assert 0.3 <= float(bs.fit_map(even).params["m"]) <= 4.0  # any point between is one


def test_a_fused_penalty_makes_exact_steps():
    y = np.r_[np.zeros(6), np.full(6, 3.0)] + 0.1 * np.sin(np.arange(12))
    model = from_loss("squared", "fused", x=np.eye(12), y=y, strength=1.0)
    fit = bs.fit_map(model, num_starts=2)
    assert fit.converged
    w = np.asarray(weights(fit.params))
    assert len(np.unique(w)) == 2  # a single step
    np.testing.assert_allclose(w[[0, -1]], [y[:6].mean() + 1 / 6, y[6:].mean() - 1 / 6], atol=1e-8)


def test_a_pole_at_zero_has_no_mode():
    x, y = diabetes()
    fit = bs.fit_map(from_loss("squared", "horseshoe", x=x, y=y, intercept=False), num_starts=2)
    assert not fit.converged


def test_the_level_of_fused_weights_takes_the_prior_that_it_is_given():
    y = np.array([1.0, 1.2, 3.0])
    model = from_loss("squared", "fused", x=np.eye(3), y=y, intercept=dist.Normal(0, 5))
    assert not model.improper
    assert bs.fit_grid(model).evidence.trusted
    assert from_loss("squared", "fused", x=np.eye(3), y=y).improper

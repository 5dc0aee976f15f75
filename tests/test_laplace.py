"""The record of a MAP fit, and the Gaussian at the mode."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import problems
import pytest
from scipy import special

import bayes_sandbox as bs
from bayes_sandbox.coordinates import coordinates_of

RNG = np.random.default_rng(8)
X = RNG.normal(size=(40, 5)) @ (np.eye(5) + 0.6 * np.eye(5, k=1))  # neighbours are correlated
TRUE_W = np.array([2.0, 0.0, -1.5, 0.0, 0.3])
Y = X @ TRUE_W + 0.8 * RNG.normal(size=40)
NOISE = 0.8


def linear(prior, x=X, y=Y, noise=NOISE) -> bs.Model:
    return bs.Model({"w": prior}, lambda w, x: dist.Normal(x @ w, noise), inputs={"x": x}, observed=y)


@pytest.fixture(scope="module")
def globe() -> bs.Model:
    return bs.Model({"p": dist.Uniform(0, 1)}, lambda p: dist.Binomial(9, p), observed=6)


# --- the record ---


@pytest.mark.parametrize("name", [pytest.param("noisy line", marks=pytest.mark.slow), "laplace pair", "nine of nine"])
def test_the_path_ends_at_the_params_and_rises(name):
    model = problems.model_of(name)
    fit = bs.fit_map(model)
    for param, steps in fit.path.items():
        np.testing.assert_allclose(steps[-1], fit.params[param], rtol=1e-6, atol=1e-9)
    heights = np.asarray(jax.vmap(model.log_joint)(fit.path))
    assert len(heights) > 1
    assert (np.diff(heights) > -1e-9 * (1 + np.abs(heights[1:]))).all()
    np.testing.assert_allclose(heights[-1], fit.log_joint, rtol=1e-9, atol=1e-12)


def test_the_same_seed_gives_the_same_answer(globe):
    one, two = bs.fit_map(globe, seed=3), bs.fit_map(globe, seed=jax.random.key(3))
    assert one.params["p"] == two.params["p"]
    assert one.num_evaluations == two.num_evaluations
    np.testing.assert_array_equal(one.path["p"], two.path["p"])


def test_wrong_options_are_refused(globe):
    with pytest.raises(ValueError, match="coordinates must be"):
        bs.fit_map(globe, coordinates="native")
    with pytest.raises(TypeError, match="seed must be"):
        bs.fit_map(globe, seed="zero")


# --- Laplace ---

GAUSSIAN = [
    n if n in ("regression", "ridge", "wide prior") else pytest.param(n, marks=pytest.mark.slow)
    for n in problems.names(every=["gaussian"], none=["improper"])
]


@pytest.mark.parametrize("name", GAUSSIAN)
def test_laplace_is_exact_on_a_gaussian(name):
    fit, problem = problems.laplace_of(name), problems.BY_NAME[name]
    assert fit.converged
    np.testing.assert_allclose(fit.log_evidence, problem.log_evidence, rtol=1e-12, atol=1e-8)
    for param, mean in problem.mean.items():
        np.testing.assert_array_less(np.abs(fit.params[param] - mean), 1e-6 * problem.sd[param])


@pytest.mark.parametrize("name", ["regression", "ridge", pytest.param("four weights", marks=pytest.mark.slow)])
def test_the_scale_is_the_cholesky_factor_of_the_inverse_hessian(name):
    """Not inv(chol(H)): its determinant is the same, so that Laplace would not notice and every finer rule would."""
    model, fit = problems.model_of(name), problems.laplace_of(name)
    hessian = -jax.hessian(coordinates_of(model).log_density)(jnp.asarray(fit.position))
    np.testing.assert_allclose(fit.scale @ fit.scale.T @ hessian, np.eye(model.dimension), atol=1e-5)
    np.testing.assert_array_equal(fit.scale, np.tril(fit.scale))
    wrong = np.linalg.inv(np.linalg.cholesky(hessian))
    assert np.abs(wrong @ wrong.T @ hessian - np.eye(model.dimension)).max() > 0.1  # the case can tell them apart


def test_laplace_draws_have_the_posteriors_covariance():
    problem, fit = problems.BY_NAME["regression"], problems.laplace_of("regression")
    n = 40_000
    draws = fit.sample(1, n)
    np.testing.assert_array_less(np.abs(draws.mean(axis=0) - problem.mean["w"]), 4 * problem.sd["w"] / np.sqrt(n))
    np.testing.assert_array_less(np.abs(draws.std(axis=0) / problem.sd["w"] - 1), 4 / np.sqrt(2 * n))
    hessian = -jax.hessian(coordinates_of(problems.model_of("regression")).log_density)(jnp.asarray(fit.position))
    expected = np.linalg.inv(hessian)
    correlation = expected / np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    np.testing.assert_allclose(np.corrcoef(draws.T), correlation, atol=4 / np.sqrt(n))


def test_laplace_of_a_beta_is_stirlings_formula():
    """log B(α, β) by its Gaussian: the unconstrained mode of Beta(α, β) is α/(α+β), its precision αβ/(α+β)."""
    fit = problems.laplace_of("coin")
    a, b = 3.0, 9.0
    height = a * np.log(a / (a + b)) + b * np.log(b / (a + b))
    expected = np.log(special.comb(10, 2)) + height + 0.5 * np.log(2 * np.pi * (a + b) / (a * b))
    np.testing.assert_allclose(fit.log_evidence, expected, rtol=1e-9)


def test_a_fit_is_silent_under_strict_warnings(globe):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bs.fit_map(globe)

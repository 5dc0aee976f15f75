"""Models and draws that once ended a fit with an exception of NumPy, SciPy or Python."""

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

import bayes_sandbox as bs
from bayes_sandbox.coordinates import coordinates_of
from bayes_sandbox.proposals import StudentMixture, standard
from bayes_sandbox.quadrature.choose import declined_sentence, fits
from bayes_sandbox.quadrature.posterior import _inverse
from bayes_sandbox.straightening import Affine, given_few


@pytest.mark.parametrize("dimension", [324, 1002, 100_000])
def test_a_grid_of_more_nodes_than_a_float_holds_is_declined(dimension: int) -> None:
    assert not fits(dimension, 1e7)
    sentence = declined_sentence(dimension, 1e7, 1e6)
    assert f"1e+{dimension * np.log10(9):.0f} nodes, more than" in sentence


def test_a_grid_of_few_nodes_is_told_as_before() -> None:
    assert fits(7, 9.0**7)
    assert not fits(8, 9.0**7)
    assert "along each of 23 axes has 8.9e+21 nodes, about" in declined_sentence(23, 1e7, 1e6)


def many_groups(num: int) -> bs.Model:
    theta = lambda mu, tau: dist.Normal(mu, tau).expand([num]).to_event(1)  # noqa: E731
    prior = {"mu": dist.Normal(0, 5), "tau": dist.HalfNormal(1), "theta": theta}
    return bs.Model(prior, lambda theta: dist.Normal(theta, 1), np.random.default_rng(0).normal(1, 1.2, num))


def test_a_hierarchy_of_a_thousand_groups_has_predicted_costs() -> None:
    assert all(np.isfinite(cost.num_evaluations) for cost in bs.predict_costs(many_groups(1000), budget=1.0))


FURTHER = pytest.mark.slow  # members of the same kinds, which take as long


@pytest.mark.slow
@pytest.mark.parametrize("concentration", [0.1, 0.01])
@pytest.mark.parametrize("y", [[[1.0, 1.01], [0.5, 0.49]], [[0.3, -0.2]]])
def test_a_correlation_that_may_be_one_has_a_grid(concentration: float, y: list[list[float]]) -> None:
    model = bs.Model(
        {"L": dist.LKJCholesky(2, concentration)}, lambda L: dist.MultivariateNormal(jnp.zeros(2), scale_tril=L), y
    )
    fit = bs.fit_grid(model, budget=2.0)
    assert set(fit.quantile(0.5)) == set(model.parameters)


@pytest.mark.parametrize("shape", [0.001, pytest.param(0.01, marks=FURTHER), pytest.param(0.1, marks=FURTHER)])
def test_a_location_that_may_underflow_has_a_grid(shape: float) -> None:
    model = bs.Model({"loc": dist.Gamma(shape, shape)}, lambda loc: dist.Normal(loc, 1), [1.0, 2.0, 1.5])
    fit = bs.fit_grid(model, budget=2.0)
    assert np.isfinite(fit.log_integral)


@pytest.mark.slow
def test_vague_random_effects_end_with_reasons() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=20)
    deaths = rng.binomial(20, 1 / (1 + np.exp(-0.3 - 0.5 * x)))
    effects = lambda precision: dist.Normal(0, 1 / jnp.sqrt(precision)).expand([20]).to_event(1)  # noqa: E731
    vague = {"a": dist.Normal(0, 1000), "b": dist.Normal(0, 1000), "precision": dist.Gamma(0.001, 0.001), "u": effects}
    model = bs.Model(vague, lambda a, b, u, x: dist.Binomial(20, logits=a + b * x + u), deaths, {"x": x})
    stuck = {n: np.ones((2, 30, *shape)) for n, shape in model.structure.shapes.items()}
    stuck["a"] = stuck["a"] + 1e-3 * rng.normal(size=(2, 30))
    found = bs.estimate_evidence(model, methods=["bridge"], draws=stuck, budget=5.0)
    assert not found[0].trusted
    assert found[0].warnings


def test_a_map_of_chains_that_hardly_moved_is_not_looked_for() -> None:
    model = many_groups(4)
    draws = np.zeros((40, model.dimension))
    draws[:, 0] = np.random.default_rng(0).normal(size=40)
    assert given_few(coordinates_of(model), draws, np.random.default_rng(1)) is None


def test_a_point_too_far_from_a_mixture_moves_no_component() -> None:
    x = np.random.default_rng(0).normal(size=(500, 2))
    x[0] = 1e200
    with np.errstate(over="ignore"):
        fitted = standard(2).fitted(x, np.full(500, 1 / 500))
    assert isinstance(fitted, StudentMixture)
    assert np.isfinite(fitted.weights).all()
    np.testing.assert_allclose(fitted.weights.sum(), 1.0)


def test_an_affine_map_passes_on_what_is_not_finite() -> None:
    z, _ = Affine(np.zeros(2), np.array([[1.0, 0.0], [0.5, 2.0]])).to_latent(np.array([[1.0, 2.0], [np.inf, 0.0]]))
    np.testing.assert_allclose(z[0], [1.0, 0.75])
    assert not np.isfinite(z[1]).all()


@pytest.mark.parametrize(
    "x", [[0.0, 1.0, 0.5, 0.7, 2.0], [0.0, 5e-324, 1e-310, 1e-300, 1.0, 2.0], [1.0, 1.0, 1.5, 2.0]]
)
def test_an_inverse_skips_nodes_that_rounding_put_out_of_order(x: list[float]) -> None:
    t = np.arange(float(len(x)))
    back = _inverse(t, np.array(x))(np.linspace(x[0], x[-1], 50))
    assert np.isfinite(back).all()
    assert (np.diff(back) >= 0).all()

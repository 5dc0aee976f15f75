"""The rounding error of a density: measured, near the true one, and part of every method's error."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import problems
import pytest
from scipy import special, stats

import bayes_sandbox as bs
from bayes_sandbox.coordinates import coordinates_of
from bayes_sandbox.counts import binomial_log_prob, log1p_minus, poisson_log_prob, stirling_remainder
from bayes_sandbox.rounding import MAGNIFIED, perturbed, scatter

RUNS = np.arange(9.0)


def measured(function, x) -> float:
    values = np.array([perturbed(function)(jnp.asarray(x), run) for run in RUNS])
    return float(scatter(values[:, None])[0])


CANCELLING = {  # function, argument, and the same to the digits of NumPy's long double or in a better form
    "a difference": (lambda x: (x + 1e8) - 1e8, 1 / 3, lambda x: x),
    "factorials": (
        lambda x: jax.lax.lgamma(x + 1e12) - jax.lax.lgamma(jnp.asarray(1e12)),
        0.3,
        lambda x: x * np.log(1e12),
    ),
    "squares": (lambda x: (1e6 + x) ** 2 - 1e12 - 2e6 * x, 0.7, lambda x: x * x),
    "a sum of many": (lambda x: jnp.sum(jnp.linspace(1e3, 2e3, 10001) * x) - 15001500.0 * x, 0.1, lambda x: 0.0),
}


@pytest.mark.parametrize("name", CANCELLING)
def test_the_scatter_is_the_error_to_a_factor_of_thirty(name: str) -> None:
    function, start, exact = CANCELLING[name]
    arguments = start + np.linspace(0, 0.1, 33)
    error = float(np.sqrt(np.mean([(float(function(jnp.asarray(x))) - exact(x)) ** 2 for x in arguments])))
    found = float(np.mean([measured(function, x) for x in arguments[::8]]))
    assert error / 10 < found < 30 * error


def test_a_clip_does_not_hide_a_lost_complement() -> None:
    assert measured(lambda p: jnp.log1p(-jnp.clip(p, 0.0, 1 - 2.0**-52)), 1.0) > 0.05
    assert measured(lambda p: jnp.log(p), 1.0) < 1e-15


def test_linear_algebra_shows_its_condition() -> None:
    hilbert = 1.0 / (np.arange(8)[:, None] + np.arange(8) + 1)
    near = lambda s: jnp.log(jnp.diag(jnp.linalg.cholesky(s * hilbert))).sum()  # noqa: E731
    assert 1e-9 < measured(near, 1.0) < 1e-4  # condition 1.5e10
    assert measured(lambda s: jnp.log(jnp.diag(jnp.linalg.cholesky(s * np.eye(8)))).sum(), 1.0) < 1e-14


@pytest.mark.parametrize("name", ["coin", "bimodal", "german tanks"])
def test_an_ordinary_density_is_good_to_fourteen_digits(name: str) -> None:
    coords = coordinates_of(problems.model_of(name))
    assert coords.rounding(np.zeros((3, coords.dimension))).error.max() < 1e-11


def test_data_below_the_spacing_of_float64_are_not_trusted() -> None:
    """Near 1e8 two float64s are 1.5e-8 apart: a standard deviation of 1e-8 cannot be resolved."""
    data = 1e8 + 1.5e-8 * np.array([-3.0, -1.0, 0.0, 1.0, 2.0, 4.0])
    model = bs.Model({"mu": dist.Normal(1e8, 1)}, lambda mu: dist.Normal(mu, 1e-8), observed=data)
    fit = bs.fit_grid(model)
    assert not fit.evidence.trusted
    for found in bs.estimate_evidence(model, methods=["laplace", "importance", "sparse"]):
        assert not found.trusted, found


def test_the_message_names_the_term() -> None:
    """Written out by hand, the binomial coefficient of 10¹⁵ loses all digits, and the sentence says where."""

    def likelihood(p):
        return dist.Binomial(10, p)

    def program(n: float, k: float) -> None:
        import numpyro

        p = numpyro.sample("p", dist.Uniform(0, 1))
        log_choose = jax.lax.lgamma(n + 1) - jax.lax.lgamma(k + 1) - jax.lax.lgamma(n - k + 1)
        numpyro.factor("by hand", log_choose + k * jnp.log(p) + (n - k) * jnp.log1p(-p))

    model = bs.Model.from_numpyro(program, 1e15, 5e14)
    for found in bs.estimate_evidence(model, methods=["grid", "importance", "laplace"]):
        assert not found.trusted, found
    assert any("'by hand' loses its digits" in w for w in bs.fit_grid(model).evidence.warnings)


def test_large_counts_do_not_cancel() -> None:
    ks, n = np.array([0.0, 1.0, 3.0, 40.0, 900.0, 4000.0, 9999.0, 10000.0]), 10000.0
    for p in (1e-4, 0.3, 0.9):
        found = binomial_log_prob(ks, n, p, 1 - p, np.log(p), np.log1p(-p))
        np.testing.assert_allclose(found, stats.binom.logpmf(ks, n, p), rtol=1e-10, atol=1e-9)
    np.testing.assert_allclose(poisson_log_prob(ks, 37.0), stats.poisson.logpmf(ks, 37.0), rtol=1e-10, atol=1e-9)
    # at the mode the probability is that of a normal to O(1/λ), whatever the size of λ
    for level in (1e10, 1e13, 1e15):
        assert float(poisson_log_prob(level, level)) == pytest.approx(-0.5 * np.log(2 * np.pi * level), abs=1e-10)


def test_the_pieces_of_large_counts() -> None:
    v = np.array([-0.9, -0.31, -0.29, -1e-3, 1e-9, 0.29, 0.31, 5.0])
    exact = [np.log1p(x) - x if abs(x) > 0.01 else -(x**2) / 2 + x**3 / 3 - x**4 / 4 + x**5 / 5 for x in v]
    np.testing.assert_allclose(log1p_minus(v), exact, rtol=1e-11)
    x = np.array([0.5, 1.0, 15.9, 16.1, 100.0])
    exact = special.gammaln(x + 1) - (x + 0.5) * np.log(x) + x - 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(stirling_remainder(x), exact, atol=3e-14)
    assert MAGNIFIED > 4  # a clip at one rounding is seen

"""Digits near the edges of a support: complements against exact logarithms; relabelling leaves every number."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from scipy import special, stats

import bayes_sandbox as bs
from bayes_sandbox.complements import completed
from bayes_sandbox.coordinates import coordinates_of
from bayes_sandbox.transforms import prior_draw

EDGES = {  # function of u, and its exact value at u
    "log p": (lambda u: jnp.log(jax.nn.sigmoid(u)), lambda u: float(special.log_expit(u))),
    "log(1 - p)": (lambda u: jnp.log(1 - jax.nn.sigmoid(u)), lambda u: float(special.log_expit(-u))),
    "log1p(-p)": (lambda u: jnp.log1p(-jax.nn.sigmoid(u)), lambda u: float(special.log_expit(-u))),
    "clipped": (
        lambda u: jnp.log1p(-jnp.clip(jax.nn.sigmoid(u), 2.2250738585072014e-308, 1 - 2.0**-52)),
        lambda u: float(special.log_expit(-u)),
    ),
    "odds": (lambda u: jnp.log(jax.nn.sigmoid(u) / (1 - jax.nn.sigmoid(u))), float),
    "an interval": (lambda u: jnp.log(5 - (2 + 3 * jax.nn.sigmoid(u))), lambda u: math.log(3) + special.log_expit(-u)),
    "a power": (lambda u: jnp.log(jnp.exp(u) ** -2.5), lambda u: -2.5 * u),
    "a root": (lambda u: jnp.log(1 / jnp.sqrt(jnp.exp(u))), lambda u: -u / 2),
    "1 - tanh²": (
        lambda u: jnp.log(1 - jnp.tanh(u) ** 2),
        lambda u: 2 * (math.log(2) - abs(u) - math.log1p(math.exp(-2 * abs(u)))),
    ),
    "a Cauchy's tail": (
        lambda u: jnp.log1p((jnp.exp(u) / 2.0) ** 2),
        lambda u: float(np.logaddexp(0.0, 2 * (u - math.log(2)))),
    ),
    "a product": (lambda u: jnp.log(jnp.prod(jnp.exp(jnp.stack([u, 2 * u, -u])))), lambda u: 2 * u),
}


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize("u", [-2000.0, -800.0, -50.0, -1.3, 0.4, 20.0, 40.0, 800.0, 2000.0])
def test_a_logarithm_has_its_digits_where_its_argument_has_none(name: str, u: float) -> None:
    function, exact = EDGES[name]
    assert float(completed(function)(jnp.asarray(u))) == pytest.approx(exact(u), rel=1e-13, abs=1e-300)


def test_without_complements_they_are_lost() -> None:
    assert not np.isfinite(float(EDGES["log(1 - p)"][0](jnp.asarray(50.0))))


@pytest.mark.parametrize("name", sorted(set(EDGES) - {"a Cauchy's tail"}))
def test_slopes_and_curvature_are_finite_and_right(name: str) -> None:
    function = completed(EDGES[name][0])
    for u in (-3.0, 0.7, 5.0):
        h = 1e-4
        slope, curvature = jax.grad(function)(u), jax.hessian(function)(u)
        ahead, here, back = (EDGES[name][1](u + k * h) for k in (1, 0, -1))
        assert float(slope) == pytest.approx((ahead - back) / (2 * h), rel=1e-5, abs=1e-6)
        assert float(curvature) == pytest.approx((ahead - 2 * here + back) / h**2, rel=1e-3, abs=1e-5)
    assert np.isfinite(jax.hessian(function)(600.0))
    assert np.isfinite(jax.grad(function)(-600.0))


def test_what_has_no_rule_is_computed_as_before() -> None:
    def function(u: jax.Array) -> jax.Array:
        p = jax.nn.sigmoid(u)
        return (
            jnp.sort(jnp.cumsum(p)) @ jnp.sin(p)
            + jax.nn.logsumexp(p)
            + jax.lax.scan(lambda c, x: (c + x, x), 0.0, p)[0]
        )

    u = jnp.array([0.3, -1.2, 4.0])
    assert float(completed(function)(u)) == pytest.approx(float(function(u)), rel=1e-14)


def test_what_stands_beside_a_zero_keeps_its_slope() -> None:
    def density(u: jax.Array) -> jax.Array:
        both = jnp.concatenate([u[:1], jnp.exp(u[1:])])
        return -(both[0] ** 2) + jnp.log(both[1])

    np.testing.assert_allclose(jax.grad(completed(density))(jnp.zeros(2)), [0.0, 1.0])


def test_differences_of_ordered_numbers_have_digits() -> None:
    prior = dist.TransformedDistribution(dist.Normal(0, 1).expand([3]), dist.transforms.OrderedTransform())

    def program() -> None:
        numpyro.sample("cuts", prior)
        numpyro.factor("nothing", 0.0)

    coords = coordinates_of(bs.Model.from_numpyro(program))
    for u in ([0.3, -30.0, -20.0], [0.3, 1.0, -60.0], [-4.0, -500.0, 2.0]):  # exp(−60) is nothing beside 3
        assert float(coords.log_density(jnp.array(u))) == pytest.approx(stats.norm.logpdf(u).sum(), rel=1e-12)


@pytest.mark.parametrize("size", [2, 3, 5])
def test_the_factor_of_a_correlation_has_the_logarithm_of_its_diagonal(size: int) -> None:
    def program() -> None:
        numpyro.sample("factor", dist.LKJCholesky(size, 0.1))
        numpyro.factor("nothing", 0.0)

    coords, num = coordinates_of(bs.Model.from_numpyro(program)), size * (size - 1) // 2
    far, farther = np.full(num, 30.0), np.full(num, 40.0)
    slope = float(coords.log_density(farther) - coords.log_density(far)) / 10
    assert np.isfinite(slope)
    assert slope < 0
    gradient = np.asarray(jax.grad(coords.log_density)(far))
    assert gradient.sum() == pytest.approx(slope, rel=1e-9)


@pytest.mark.parametrize("shape", [0.3, 0.1, 0.03, 0.01])
def test_relabelling_successes_leaves_every_number(shape: float) -> None:
    """p → 1 − p and k → n − k: the same evidence and moments by every method, to their own rounding."""
    fits = []
    for k in (4, 0):
        model = bs.Model({"p": dist.Beta(shape, shape)}, lambda p: dist.Binomial(4, p), observed=k)
        fits.append(bs.fit_grid(model))
    (one, other), exact = fits, special.betaln(shape + 4, shape) - special.betaln(shape, shape)
    for fit in fits:
        assert fit.converged
        assert fit.evidence.trusted
        assert fit.log_integral == pytest.approx(exact, abs=1e-11)
    assert float(one.mean["p"]) == pytest.approx(1 - float(other.mean["p"]), abs=1e-11)
    assert float(one.sd["p"]) == pytest.approx(float(other.sd["p"]), abs=1e-9)


def test_relabelling_shares_leaves_every_number() -> None:
    counts, a = np.array([4, 0, 1]), 0.05
    exact = float(stats.dirichlet_multinomial(np.full(3, a), 5).logpmf(counts))
    for order in ([0, 1, 2], [1, 2, 0], [2, 0, 1]):
        prior = {"p": dist.Dirichlet(jnp.full(3, a))}
        model = bs.Model(prior, lambda p: dist.Multinomial(5, p), observed=counts[order])
        fit = bs.fit_grid(model)
        assert fit.evidence.trusted
        assert fit.log_integral == pytest.approx(exact, abs=1e-10)


@pytest.mark.parametrize("seed", [0, *(pytest.param(s, marks=pytest.mark.slow) for s in range(1, 5))])
def test_every_estimator_of_relabelled_successes_is_honest(seed: int) -> None:
    a = 0.05
    exact = special.betaln(a + 3, a) - special.betaln(a, a)
    model = bs.Model({"p": dist.Beta(a, a)}, lambda p: dist.Binomial(3, p), observed=3)
    methods = ["laplace", "importance", "sparse", "rqmc", "tempering", "prior_average"]
    for found in bs.estimate_evidence(model, methods=methods, seed=seed):
        if found.trusted:
            assert abs(found.log_evidence - exact) < 4 * found.error, found


PRIORS = {
    "gamma": dist.Gamma(0.02, 3.0),
    "inverse gamma": dist.InverseGamma(0.02, 3.0),
    "beta": dist.Beta(0.02, 0.05),
    "Dirichlet": dist.Dirichlet(jnp.array([0.02, 0.5, 0.01])),
}


@pytest.mark.parametrize("name", PRIORS)
def test_prior_draws_are_positions_where_values_have_no_digits(name: str) -> None:
    fn = PRIORS[name]
    draws = np.asarray(jax.vmap(lambda key: prior_draw(fn, key)[0])(jax.random.split(jax.random.key(1), 4000)))
    assert np.isfinite(draws).all()

    def program() -> None:
        numpyro.sample("x", fn)
        numpyro.factor("nothing", 0.0)

    coords = coordinates_of(bs.Model.from_numpyro(program))
    flat = draws.reshape(len(draws), -1)
    # E[∂ log f/∂u] = 0 under a density f of u: the draws are from the one that quadrature sees
    slopes = np.asarray(jax.vmap(jax.grad(coords.log_density))(jnp.asarray(flat)))
    slopes = slopes[np.isfinite(slopes).all(axis=1)]  # of a value that overflows there is none
    assert len(slopes) > 0.999 * len(flat)
    assert (np.abs(slopes.mean(axis=0)) < 4.5 * slopes.std(axis=0) / np.sqrt(len(slopes))).all()

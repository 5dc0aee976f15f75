"""Densities that penalties and losses imply: their areas, their draws, their maps."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpyro.distributions import biject_to
from scipy import integrate, stats

from bayes_sandbox.regularization import ElasticNet, GroupLaplace, HorseshoeLike, Huber, UniformBall


@pytest.mark.parametrize(
    ("fn", "breaks"),
    [
        (Huber(1.0, 0.5, 1.35), [0.325, 1.675]),
        (Huber(-2.0, 3.0, 0.2), [-2.6, -1.4]),
        (ElasticNet(0.5, 2.0), [0.0]),
        (ElasticNet(3.0, 0.4), [0.0]),
        (HorseshoeLike(0.7), [0.0]),
        (GroupLaplace(0.8, 1), [0.0]),
    ],
)
def test_a_density_integrates_to_one_and_its_draws_follow_it(fn, breaks):
    def density(v):
        return float(jnp.exp(fn.log_prob(jnp.full(fn.event_shape, v))))

    draws = np.ravel(fn.sample(jax.random.key(3), (20_000,)))
    edges = [-np.inf, *np.quantile(draws, [0.02, 0.2, 0.5, 0.7, 0.95]), np.inf]
    shares = []
    for low, high in itertools.pairwise(edges):
        inner = [b for b in breaks if low < b < high]
        cuts = [low, *inner, high]
        shares.append(sum(integrate.quad(density, a, b, limit=400)[0] for a, b in itertools.pairwise(cuts)))
    assert sum(shares) == pytest.approx(1, abs=1e-6)
    expected = np.array([0.02, 0.18, 0.3, 0.2, 0.25, 0.05])
    assert np.abs(np.array(shares) - expected).max() < 4 * 0.5 / np.sqrt(20_000)


def test_a_group_is_a_multivariate_density():
    fn = GroupLaplace(0.6, 2)
    density = jax.jit(lambda a, b: jnp.exp(fn.log_prob(jnp.array([a, b]))))
    total = integrate.dblquad(lambda b, a: float(density(a, b)), -12, 12, -12, 12, epsabs=1e-3)[0]
    assert total == pytest.approx(1, abs=2e-3)
    radius = np.linalg.norm(fn.sample(jax.random.key(0), (20_000,)), axis=-1)
    assert stats.kstest(radius, stats.gamma(2, scale=0.6).cdf).pvalue > 1e-3


@pytest.mark.parametrize("size", [1, 2, 5])
def test_the_map_to_a_ball_has_its_jacobian(size):
    fn = UniformBall(1.7, size)
    transform = biject_to(fn.support)
    for u in np.random.default_rng(size).normal(0, 2, (5, size)):
        w = transform(u)
        assert bool(fn.support(w))
        np.testing.assert_allclose(transform.inv(w), u, rtol=1e-9)
        _, log_det = np.linalg.slogdet(jax.jacobian(transform)(u))
        assert float(transform.log_abs_det_jacobian(u, w)) == pytest.approx(log_det, abs=1e-9)
    radii = np.linalg.norm(fn.sample(jax.random.key(1), (20_000,)), axis=-1)
    assert stats.kstest((radii / 1.7) ** size, "uniform").pvalue > 1e-3

"""Does the compiler keep every term? A sum over thousands of points must be that of the points one by one.

jaxlib 0.12's CPU compiler hands reductions to YNNPACK, which takes log(c·s) for log(s) where both stand in one fusion
of 4096 elements or more: a normal likelihood then loses its ½ log 2π in silence.
"""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import stats

import bayes_sandbox as bs

OFFSETS = np.array([0.3, -1.2, 0.8])


@pytest.mark.parametrize("n", [2048, 4096, 8192])
def test_two_logarithms_in_one_reduction(n):
    @jax.jit
    @jax.vmap
    def compiled(s):
        return (OFFSETS - jnp.log(2.5 * s)).sum() + jnp.log(s)

    s = np.linspace(0.1, 3.0, n)
    np.testing.assert_allclose(compiled(s), OFFSETS.sum() - 3 * np.log(2.5 * s) + np.log(s), atol=1e-12)


def test_densities_of_many_points_are_those_of_one():
    model = bs.Model({"s": dist.LogNormal(0.4, 0.8)}, lambda s: dist.Normal(0.2, s), observed=OFFSETS)
    s = np.linspace(0.1, 3.0, 4096)
    together = jax.jit(jax.vmap(lambda v: model.log_joint({"s": v})))(s)
    apart = [float(model.log_joint({"s": v})) for v in s[::1024]]
    np.testing.assert_allclose(together[::1024], apart, rtol=1e-12)


def test_many_observations_with_scales_of_their_own():
    """One point, five thousand observations: the reduction is over the data."""
    errors = np.linspace(0.5, 2.0, 5000)
    y = np.sin(np.arange(5000.0))
    model = bs.Model(
        {"s": dist.LogNormal(0.0, 1.0)},
        lambda s, errors: dist.Normal(0.2, s * errors),
        inputs={"errors": errors},
        observed=y,
    )
    s = 1.3
    expected = stats.norm(0.2, s * errors).logpdf(y).sum() + stats.lognorm(1.0).logpdf(s)
    np.testing.assert_allclose(jax.jit(lambda v: model.log_joint({"s": v}))(s), expected, rtol=1e-12)

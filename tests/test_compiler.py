"""Does the compiler keep every term? A sum over thousands of points must be that of the points one by one.

jaxlib 0.12's CPU compiler hands reductions to YNNPACK, which takes log(c·s) for log(s) where both stand in one fusion
of 4096 elements or more: a normal likelihood then loses its ½ log 2π in silence.
"""

import subprocess
import sys

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


def test_a_process_that_used_jax_first_is_protected_where_we_compile():
    """The flag comes too late for the process; what the package compiles carries its own."""
    code = (
        "import os; os.environ.pop('XLA_FLAGS', None)\n"
        "import jax; jax.config.update('jax_enable_x64', True); jax.jit(lambda x: x + 1)(1.0)\n"
        "import numpy as np, numpyro.distributions as dist, bayes_sandbox as bs\n"
        "model = bs.Model({'s': dist.LogNormal(0.4, 0.8)}, lambda s: dist.Normal(0.2, s), observed=[0.3, -1.2, 0.8])\n"
        "fit = bs.fit_grid(model)\n"
        "assert fit.converged, fit.message\n"
        "print(fit.evidence.log_evidence)\n"
    )
    late = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    model = bs.Model({"s": dist.LogNormal(0.4, 0.8)}, lambda s: dist.Normal(0.2, s), observed=OFFSETS)
    assert float(late) == pytest.approx(bs.fit_grid(model).evidence.log_evidence, abs=1e-9)

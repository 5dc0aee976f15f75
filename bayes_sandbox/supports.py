"""Where does a density end? NumPyro's log_prob does not always look."""

from typing import Any

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.distributions import constraints


def log_prob_inside(site: Any, log_prob: jax.Array) -> jax.Array:
    """Log densities with −∞ outside the closed support; masked entries keep their zero."""
    fn = site["fn"]
    inside = _closed(fn.support)(jnp.asarray(site["value"]))
    if isinstance(fn, dist.MaskedDistribution):
        inside = inside | ~jnp.asarray(fn._mask)
    return jnp.where(inside, log_prob, -jnp.inf)


def log_prob_at_edge(site: Any, log_prob: jax.Array) -> jax.Array:
    """Log densities with 0 · ∞ on an edge (a Gamma(1, ·) at zero) replaced by the limit from inside."""
    fn, value = site["fn"], jnp.asarray(site["value"])
    support = fn.support
    while isinstance(support, constraints.independent):
        support = support.base_constraint
    lower, upper = getattr(support, "lower_bound", -jnp.inf), getattr(support, "upper_bound", jnp.inf)
    if isinstance(support, type(constraints.simplex)):
        lower = 0.0
    tiny, eps = jnp.finfo(value.dtype).tiny, jnp.finfo(value.dtype).eps
    inner = jnp.maximum(value, lower + jnp.maximum(tiny, eps * jnp.abs(lower)))
    inner = jnp.where(jnp.isfinite(upper), jnp.minimum(inner, upper - eps * jnp.abs(upper)), inner)
    with numpyro.validation_enabled(False):
        limit = fn.log_prob(jnp.where(jnp.isfinite(inner), inner, value))
    return jnp.where(jnp.isnan(log_prob), limit, log_prob)


def _closed(support: Any) -> Any:
    """The support with its edges: a mode may sit on one, and a density there is its limit."""
    if isinstance(support, constraints.independent):
        return constraints.independent(_closed(support.base_constraint), support.reinterpreted_batch_ndims)
    if isinstance(support, constraints.greater_than):
        return constraints.greater_than_eq(support.lower_bound)
    if isinstance(support, constraints.less_than):
        return constraints.less_than_eq(support.upper_bound)
    return support

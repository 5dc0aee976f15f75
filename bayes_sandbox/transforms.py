"""NumPyro's smooth maps from the real line to a support: values, Jacobians, and draws from a prior as positions.

Nothing here knows a model. What a float64 rounds away near an edge is told to `complements`.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from numpyro.distributions import biject_to, constraints

from .distances import with_log, with_steps
from .sites import bare

WIDEST = 1e250  # an interval: exp(−745) times its width is nothing, the smallest logistic above zero


def is_finite(support: Any) -> bool:
    """Whether a support is an interval or a simplex: bounded, and mapped to by a logistic."""
    while isinstance(support, constraints.independent):
        support = support.base_constraint
    bounds = getattr(support, "lower_bound", None), getattr(support, "upper_bound", None)
    return isinstance(support, type(constraints.simplex)) or all(b is not None for b in bounds)


def is_bounded(support: Any) -> bool:
    """Whether a support is anything but the whole line."""
    transform = biject_to(support)
    while isinstance(transform, dist.transforms.IndependentTransform):
        transform = transform.base_transform
    return not isinstance(transform, dist.transforms.IdentityTransform)


def prior_draw(fn: Any, key: Any) -> tuple[jax.Array, jax.Array]:
    """Return a draw of a distribution as (unconstrained position, value).

    Gamma, beta, Dirichlet, lognormal and LKJ distributions are drawn in logarithms (Marsaglia & Tsang 2000, in log
    space): their values may pile up on an edge of the support, their positions do not. A partial correlation of column
    k of LKJ(η) in d dimensions is 2b − 1, b ~ Beta(β, β), β = η + (d − 2 − k)/2 (Lewandowski, Kurowicka & Joe 2009).
    """
    transform, plain, shape = biject_to(fn.support), bare(fn), tuple(fn.shape())
    position: Any = None
    if isinstance(plain, dist.Gamma):
        position = jax.random.loggamma(key, plain.concentration, shape) - jnp.log(plain.rate)
    elif isinstance(plain, dist.InverseGamma):
        position = jnp.log(plain.rate) - jax.random.loggamma(key, plain.concentration, shape)
    elif isinstance(plain, dist.Beta):
        shapes = jnp.stack(jnp.broadcast_arrays(plain.concentration1, plain.concentration0), axis=-1)
        logs = jax.random.loggamma(key, shapes, (*shape, 2))
        position = logs[..., 0] - logs[..., 1]
    elif isinstance(plain, dist.Dirichlet):
        logs = jax.random.loggamma(key, plain.concentration, shape)
        rest = jax.lax.cumlogsumexp(logs, axis=logs.ndim - 1, reverse=True)
        position = logs[..., :-1] - rest[..., 1:] + jnp.log(jnp.arange(shape[-1] - 1, 0, -1.0))
    elif isinstance(plain, dist.LogNormal):
        position = plain.loc + plain.scale * jax.random.normal(key, shape)
    elif isinstance(plain, dist.LKJCholesky):
        _, columns = np.tril_indices(shape[-1], -1)
        beta = jnp.asarray(plain.concentration)[..., None, None] + ((shape[-1] - 2 - columns) / 2)[:, None]
        logs = jax.random.loggamma(key, beta, (*shape[:-2], len(columns), 2))
        position = (logs[..., 0] - logs[..., 1]) / 2
    if position is None:
        value = fn(rng_key=key)
        return transform.inv(value), value
    return position, to_support(fn.support, position)[0]


def to_support(support: Any, part: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the value in a support at unconstrained coordinates, and log|J|, a scalar."""
    while isinstance(support, constraints.independent):
        support = support.base_constraint
    if isinstance(support, type(constraints.corr_cholesky)):
        return _correlation_factor(part)
    transform = biject_to(support)
    value = transform(part)
    log_det = jnp.sum(transform.log_abs_det_jacobian(part, value))
    if _is_too_wide(support):
        value = support.lower_bound + jnp.exp(math.log(_width(support)) + jax.nn.log_sigmoid(part))
    if isinstance(support, type(constraints.ordered_vector)):
        value = value if part.ndim > 1 else with_steps(value, part[1:])
    return value, log_det


def _width(support: Any) -> float:
    return float(np.asarray(support.upper_bound) - np.asarray(support.lower_bound))


def _is_too_wide(support: Any) -> bool:
    """Whether an interval is so wide that the logistic is zero where the distance from the lower end is not."""
    bounds = getattr(support, "lower_bound", None), getattr(support, "upper_bound", None)
    plain = all(isinstance(b, int | float | np.ndarray | np.generic) and np.ndim(b) == 0 for b in bounds)
    return plain and _width(support) > WIDEST


def _correlation_factor(part: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the Cholesky factor of a correlation matrix, with the logarithms of its elements, and log|J|.

    Row i is `Lᵢⱼ = tanh(uᵢⱼ) Π_{k<j} sech(uᵢₖ)` and `Lᵢᵢ = Π_{k<i} sech(uᵢₖ)` (Lewandowski, Kurowicka & Joe 2009).
    """
    size = (1 + math.isqrt(1 + 8 * part.shape[-1])) // 2
    rows, columns = np.tril_indices(size, -1)
    u = jnp.zeros((*part.shape[:-1], size, size)).at[..., rows, columns].set(part)
    below, upper = np.tril(np.ones((size, size), bool), -1), np.triu(np.ones((size, size), bool), 1)
    log_sech = jnp.where(below, math.log(2.0) - jax.nn.softplus(2.0 * u) + u, 0.0)
    so_far = jnp.cumsum(log_sech, axis=-1) - log_sech
    value = jnp.where(below, jnp.tanh(u), jnp.eye(size)) * jnp.exp(so_far)
    value = jnp.where(upper, 0.0, value)
    known = jnp.where(below & (value != 0), jnp.abs(value), 1.0)  # no slope of log 0
    log = jnp.where(below, jnp.where(value == 0, -jnp.inf, jnp.log(known)), jnp.where(upper, -jnp.inf, so_far))
    return with_log(value, log), jnp.sum(jnp.where(below, so_far + 2.0 * log_sech, 0.0))

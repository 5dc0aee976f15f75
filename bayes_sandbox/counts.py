"""Log probabilities of large counts without cancellation (Loader 2000, Fast and Accurate Computation of Binomial
Probabilities).

log C(n, k) + k log p + (n − k) log(1 − p) is a difference of numbers near n log n: for n = 10¹⁵ all digits are lost.
With the deviance D(x, m) = x log(x/m) + m − x and the remainder of Stirling's formula, δ(x) = log x! − (x + ½) log x +
x − ½ log 2π, nothing large is left:

    log Poisson(k; λ) = −δ(k) − D(k, λ) − ½ log 2πk,
    log Binomial(k; n, p) = δ(n) − δ(k) − δ(n − k) − D(k, np) − D(n − k, nq) − ½ log(2πk(n − k)/n).
"""

import copy
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from numpyro.distributions.discrete import BinomialLogits, BinomialProbs
from numpyro.primitives import Messenger

LARGE = 1e4  # a count from which on the terms of NumPyro's formulas lose more than four digits
NEAR, NUM_TERMS = 0.3, 12  # |v| below which log(1 + v) − v is summed as a series, to 1e-16 of itself
STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360)
SMALL = 16.0  # below which the remainder of Stirling's formula is taken from its definition


def log1p_minus(v: Any) -> jax.Array:
    """Return log(1 + v) − v for v > −1, with all digits near zero.

    >>> round(float(log1p_minus(1e-9)) / -5e-19, 6)
    1.0
    """
    v = jnp.asarray(v, float)
    near = jnp.abs(v) < NEAR
    small = jnp.where(near, v, 0.0)
    r = small / (2.0 + small)
    series = sum(r ** (2 * j) / (2 * j + 1) for j in range(1, NUM_TERMS))
    far = jnp.where(near, 1.0, v)
    return jnp.where(near, r * (2.0 * series - small), jnp.log1p(far) - far)


def deviance(x: Any, mean: Any) -> jax.Array:
    """Return x log(x/m) + m − x for x > 0 and m > 0."""
    return -x * log1p_minus((mean - x) / x)


def stirling_remainder(x: Any) -> jax.Array:
    """Return log x! − (x + ½) log x + x − ½ log 2π for x > 0."""
    x = jnp.asarray(x, float)
    large, small = jnp.maximum(x, SMALL), jnp.clip(x, 1e-300, SMALL)
    series = sum(c / large ** (2 * j + 1) for j, c in enumerate(STIRLING))
    exact = jax.lax.lgamma(small + 1.0) - (small + 0.5) * jnp.log(small) + small - 0.5 * np.log(2 * np.pi)
    return jnp.where(x < SMALL, exact, series)


def poisson_log_prob(k: Any, rate: Any) -> jax.Array:
    """Return log Poisson(k; λ)."""
    k = jnp.asarray(k, float)
    some = jnp.where(k > 0, k, 1.0)
    inside = -stirling_remainder(some) - deviance(some, rate) - 0.5 * jnp.log(2 * np.pi * some)
    return jnp.where(k > 0, inside, -rate)


def binomial_log_prob(k: Any, n: Any, p: Any, q: Any, log_p: Any, log_q: Any) -> jax.Array:
    """Return log Binomial(k; n, p), with q = 1 − p and the logarithms of both given in all their digits."""
    k, n = jnp.asarray(k, float), jnp.asarray(n, float)
    within = (k > 0) & (k < n)
    some, all_ = jnp.where(within, k, 1.0), jnp.where(within, n, 2.0)
    rest = all_ - some
    remainders = stirling_remainder(all_) - stirling_remainder(some) - stirling_remainder(rest)
    inside = remainders - deviance(some, all_ * p) - deviance(rest, all_ * q)
    inside = inside - 0.5 * jnp.log(2 * np.pi * some * (rest / all_))
    return jnp.where(within, inside, jnp.where(k > 0, n * log_p, n * log_q))


class _Poisson(dist.Poisson):
    def log_prob(self, value: Any) -> jax.Array:
        return poisson_log_prob(value, jnp.asarray(self.rate, float))


class _BinomialProbs(BinomialProbs):
    def log_prob(self, value: Any) -> jax.Array:
        p = jnp.asarray(self.probs, float)
        return binomial_log_prob(value, self.total_count, p, 1.0 - p, jnp.log(p), jnp.log1p(-p))


class _BinomialLogits(BinomialLogits):
    def log_prob(self, value: Any) -> jax.Array:
        x = jnp.asarray(self.logits, float)
        p, q = jax.nn.sigmoid(x), jax.nn.sigmoid(-x)
        return binomial_log_prob(value, self.total_count, p, q, -jax.nn.softplus(-x), -jax.nn.softplus(x))


STABLE: dict[type, type] = {dist.Poisson: _Poisson, BinomialProbs: _BinomialProbs, BinomialLogits: _BinomialLogits}
WRAPPERS = (dist.Independent, dist.ExpandedDistribution, dist.MaskedDistribution)


class LargeCounts(Messenger):
    """Has the log probability of large observed counts computed without cancellation."""

    def process_message(self, msg: Any) -> None:
        if msg["type"] == "sample" and msg["is_observed"] and _is_large(msg["value"]):
            msg["fn"] = _stable(msg["fn"])


def _is_large(value: Any) -> bool:
    if isinstance(value, jax.core.Tracer) or not hasattr(value, "dtype") or value.dtype.kind not in "iuf":
        return False
    return bool(value.size and np.nanmax(np.asarray(value)) >= LARGE)


def _stable(fn: Any) -> Any:
    """Return the same distribution, with the stable log probability where there is one."""
    if isinstance(fn, WRAPPERS):
        inner = _stable(fn.base_dist)
        if inner is fn.base_dist:
            return fn
        fn = copy.copy(fn)
        fn.base_dist = inner
    elif type(fn) in STABLE:
        fn = copy.copy(fn)
        fn.__class__ = STABLE[type(fn)]
    return fn

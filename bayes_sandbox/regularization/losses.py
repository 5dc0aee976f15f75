"""Which likelihood is this loss? A loss is a −log density up to a factor and a constant, or it is no loss of data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpyro.distributions as dist

from .distributions import Huber, huber, softplus

NO_OPTIONS: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True)
class Loss:
    """A loss l(f, y) of a prediction f, and the likelihood p(y|f) ∝ exp(−weight · l) that it is.

    `options` are numbers that the loss needs beside f and y, with their usual values; `scaled` says whether the
    likelihood has a scale, which a loss leaves out; `power` is that of the scale in the weight, scale^(−power).
    `law` is None where exp(−l) is the density of no data.
    """

    name: str
    formula: str
    law_name: str
    value: Callable[..., jax.Array]
    law: Callable[..., dist.Distribution] | None
    power: int = 0
    options: Mapping[str, float] = NO_OPTIONS
    note: str = ""

    @property
    def scaled(self) -> bool:
        """Whether the likelihood has a scale."""
        return self.power > 0

    def weight(self, scale: float = 1.0) -> float:
        """Return what the loss is to be multiplied by to be a −log likelihood: 1/σ², 1/b or 1."""
        return float(scale) ** -self.power


def _squared(f: Any, y: Any, scale: Any = 1.0) -> jax.Array:
    return (y - f) ** 2 / 2


def _absolute(f: Any, y: Any, scale: Any = 1.0) -> jax.Array:
    return jnp.abs(y - f)


def _huber(f: Any, y: Any, scale: Any = 1.0, threshold: Any = 1.35) -> jax.Array:
    return scale**2 * huber((y - f) / scale, threshold)


def _pinball(f: Any, y: Any, scale: Any = 1.0, quantile: Any = 0.5) -> jax.Array:
    return (y - f) * (quantile - (y < f))


def _logistic(f: Any, y: Any, scale: Any = 1.0) -> jax.Array:
    return softplus(f) - y * f


def _multinomial(f: Any, y: Any, scale: Any = 1.0) -> jax.Array:
    return jax.nn.logsumexp(f, axis=-1) - jnp.take_along_axis(f, jnp.asarray(y)[..., None], axis=-1)[..., 0]


def _poisson(f: Any, y: Any, scale: Any = 1.0) -> jax.Array:
    return jnp.exp(f) - y * f


def _hinge(f: Any, y: Any, scale: Any = 1.0) -> jax.Array:
    return jnp.maximum(0.0, 1 - (2 * y - 1) * f)


_ALL = (
    Loss(
        "squared",
        "½ (y − f)²",
        "Normal(f, σ)",
        _squared,
        lambda f, scale: dist.Normal(f, scale),
        power=2,
    ),
    Loss(
        "absolute",
        "|y − f|",
        "Laplace(f, b)",
        _absolute,
        lambda f, scale: dist.Laplace(f, scale),
        power=1,
    ),
    Loss(
        "huber",
        "σ² ρ((y − f)/σ), ρ(z) = z²/2 up to t, t|z| − t²/2 beyond",
        "Huber(f, σ, t)",
        _huber,
        lambda f, scale, threshold: Huber(f, scale, threshold),
        power=2,
        options=MappingProxyType({"threshold": 1.35}),
        note="a normal core with exponential tails",
    ),
    Loss(
        "quantile",
        "(y − f)(q − [y < f])",
        "AsymmetricLaplaceQuantile(f, b, q)",
        _pinball,
        lambda f, scale, quantile: dist.AsymmetricLaplaceQuantile(f, scale, quantile),
        power=1,
        options=MappingProxyType({"quantile": 0.5}),
        note="half the absolute loss at q = ½",
    ),
    Loss(
        "logistic",
        "log(1 + eᶠ) − y f",
        "Bernoulli(logits=f)",
        _logistic,
        lambda f, scale: dist.Bernoulli(logits=f),
        note="y is 0 or 1",
    ),
    Loss(
        "multinomial",
        "log Σₖ exp fₖ − f_y",
        "Categorical(logits=f)",
        _multinomial,
        lambda f, scale: dist.Categorical(logits=f),
        note="one column of weights for each class",
    ),
    Loss(
        "poisson",
        "eᶠ − y f",
        "Poisson(eᶠ)",
        _poisson,
        lambda f, scale: dist.Poisson(jnp.exp(f)),
        note="half the Poisson deviance, up to a term without f",
    ),
    Loss(
        "hinge",
        "max(0, 1 − (2y − 1) f)",
        "none",
        _hinge,
        None,
        note="not a log likelihood: exp(−l) summed over y = 0, 1 depends on f, so it is the probability of no data",
    ),
)
LOSSES: Mapping[str, Loss] = MappingProxyType({loss.name: loss for loss in _ALL})

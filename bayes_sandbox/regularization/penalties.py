"""Which prior is this penalty? A penalty is a −log density up to a factor and a constant."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from numpyro.distributions import constraints

from .distributions import ElasticNet, GroupLaplace, HorseshoeLike, UniformBall, norm


@dataclass(frozen=True)
class Penalty:
    """A penalty h(w), and the prior p(w) ∝ exp(−λ h) that it is, λ in nats: a loss that is a −log likelihood.

    `prior` takes λ, the shape of w and the options, and returns the distribution of w; `scale_name` is what the prior
    calls its own scale, and `power` says how that follows from λ: scale = λ^(−1/power).
    """

    name: str
    formula: str
    prior_name: str
    value: Callable[..., jax.Array]
    prior: Callable[..., dist.Distribution]
    scale_name: str = ""
    power: int = 1
    options: Mapping[str, Any] = MappingProxyType({})
    note: str = ""

    def scale(self, strength: float) -> float:
        """Return the scale of the prior whose −log density is strength · h."""
        return float(strength) ** (-1 / self.power)

    def strength(self, scale: float) -> float:
        """Return λ in nats of a prior of this scale."""
        return float(scale) ** -self.power


def _each(one: dist.Distribution, shape: tuple[int, ...]) -> dist.Distribution:
    """Return the same prior for every weight."""
    return one.expand(shape).to_event(len(shape)) if shape else one


def _l2(strength: Any, shape: tuple[int, ...]) -> dist.Distribution:
    return _each(dist.Normal(0.0, 1 / jnp.sqrt(strength)), shape)


def _l1(strength: Any, shape: tuple[int, ...]) -> dist.Distribution:
    return _each(dist.Laplace(0.0, 1 / jnp.asarray(strength, float)), shape)


def _elastic_net(strength: Any, shape: tuple[int, ...], l1_ratio: float) -> dist.Distribution:
    if l1_ratio == 0:
        return _l2(strength, shape)
    if l1_ratio == 1:
        return _l1(strength, shape)
    prior = ElasticNet(1 / (strength * l1_ratio), 1 / jnp.sqrt(strength * (1 - l1_ratio)))
    return _each(prior, shape)


def _group(strength: Any, shape: tuple[int, ...], size: int | None) -> dist.Distribution:
    """Return one corner for each run of `size` weights; all of them by default."""
    (num,) = shape
    size = num if size is None else size
    prior = GroupLaplace(1 / (strength * np.sqrt(size)), size)
    return prior if size == num else prior.expand((num // size,)).to_event(1)


def _grouped(w: Any, size: int | None) -> jax.Array:
    return jnp.reshape(w, (-1, jnp.size(w) if size is None else size))


def _student_t(strength: Any, shape: tuple[int, ...], scale: float) -> dist.Distribution:
    """−log t = (ν + 1)/2 log(1 + w²/(ν s²)): a strength is the exponent, and ν s² is kept at the scale's square."""
    df = 2 * strength - 1
    return _each(dist.StudentT(df, 0.0, scale / jnp.sqrt(df)), shape)


def _horseshoe(strength: Any, shape: tuple[int, ...], scale: float) -> dist.Distribution:
    return _each(HorseshoeLike(scale), shape)


def _flat(strength: Any, shape: tuple[int, ...]) -> dist.Distribution:
    return dist.ImproperUniform(constraints.real, (), shape)


def _non_negative(strength: Any, shape: tuple[int, ...]) -> dist.Distribution:
    return dist.ImproperUniform(constraints.nonnegative, (), shape)


def _ball(strength: Any, shape: tuple[int, ...], radius: float) -> dist.Distribution:
    return UniformBall(radius, shape[0])


def _steps(w: Any) -> jax.Array:
    return jnp.diff(jnp.asarray(w))


def _sum_squares(w: Any) -> jax.Array:
    return jnp.sum(jnp.square(w)) / 2


_ALL = (
    Penalty("none", "0", "flat (improper)", lambda w: jnp.zeros(()), _flat, note="no evidence: not a density"),
    Penalty("l2", "½ ‖w‖²", "Normal(0, τ)", _sum_squares, _l2, "τ", 2, note="ridge, weight decay"),
    Penalty(
        "l1",
        "‖w‖₁",
        "Laplace(0, b)",
        lambda w: jnp.sum(jnp.abs(w)),
        _l1,
        "b",
        note="lasso: the mode is sparse, the posterior mean is not",
    ),
    Penalty(
        "elastic_net",
        "r ‖w‖₁ + (1 − r) ½ ‖w‖²",
        "ElasticNet(b, τ)",
        lambda w, l1_ratio: l1_ratio * jnp.sum(jnp.abs(w)) + (1 - l1_ratio) * _sum_squares(w),
        _elastic_net,
        options=MappingProxyType({"l1_ratio": 0.5}),
        note="1/b = λ r, 1/τ² = λ (1 − r)",
    ),
    Penalty(
        "group_lasso",
        "Σ_g √k ‖w_g‖",
        "GroupLaplace(b, k)",
        lambda w, size: jnp.sum(jnp.sqrt(_grouped(w, size).shape[1]) * norm(_grouped(w, size))),
        _group,
        options=MappingProxyType({"size": None}),
        note="1/b = λ √k; zero by whole groups",
    ),
    Penalty(
        "student_t",
        "Σ log(1 + w²/s²)",
        "StudentT(2λ − 1, 0, s/√(2λ − 1))",
        lambda w, scale: jnp.sum(jnp.log1p(jnp.square(w / scale))),
        _student_t,
        options=MappingProxyType({"scale": 1.0}),
        note="λ > ½ or it is no density; λ = 1 is Cauchy's; not convex: several modes",
    ),
    Penalty(
        "horseshoe",
        "−Σ log log(1 + s²/w²)",
        "HorseshoeLike(s)",
        lambda w, scale: -jnp.sum(jnp.log(jnp.log1p(jnp.square(scale / w)))),
        _horseshoe,
        options=MappingProxyType({"scale": 1.0}),
        note="λ = 1; −∞ at zero, where the mode always is; its posterior is well behaved",
    ),
    Penalty(
        "non_negative",
        "0 if w ≥ 0, else ∞",
        "flat on w ≥ 0 (improper)",
        lambda w: jnp.where(jnp.all(jnp.asarray(w) >= 0), 0.0, jnp.inf),
        _non_negative,
        note="HalfNormal with l2, Exponential with l1",
    ),
    Penalty(
        "fused",
        "Σ |wⱼ₊₁ − wⱼ|",
        "random walk with Laplace(0, b) steps",
        lambda w: jnp.sum(jnp.abs(_steps(w))),
        _l1,
        "b",
        note="a prior of steps; the level has one of its own",
    ),
    Penalty(
        "smooth",
        "½ Σ (wⱼ₊₁ − wⱼ)²",
        "random walk with Normal(0, τ) steps",
        lambda w: _sum_squares(_steps(w)),
        _l2,
        "τ",
        2,
        note="a prior of steps; the level has one of its own",
    ),
    Penalty(
        "ball",
        "0 if ‖w‖ ≤ δ, else ∞",
        "UniformBall(δ)",
        lambda w, radius: jnp.where(norm(jnp.ravel(w)) <= radius, 0.0, jnp.inf),
        _ball,
        options=MappingProxyType({"radius": 1.0}),
        note="the constraint form: the same solutions as l2, with a δ that depends on the data",
    ),
)
PENALTIES: Mapping[str, Penalty] = MappingProxyType({penalty.name: penalty for penalty in _ALL})
STEPPED = ("fused", "smooth")  # a prior of differences

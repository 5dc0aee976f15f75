"""What do prior and data say of the weights of a curve, for any prior, in milliseconds? A product of lines.

A polynomial through real data, y = Φ w + ε, ε ~ Normal(0, σ). Its columns are orthonormal on the points that are used,
ΦᵀΦ = n I, so that the likelihood is a product over weights,

    p(y|w) = C ∏ⱼ exp(−(wⱼ − ŵⱼ)² / 2s²),    ŵ = Φᵀy/n,    s = σ/√n,    C = (2πσ²)^(−n/2) exp(−‖y − Φŵ‖² / 2σ²),

and with a prior that is one too, so are the posterior and the evidence, p(y) = C ∏ⱼ Zⱼ: d integrals along lines
instead of one over a space, each as exact as a line allows. A Riemann sum of k nodes along each of d axes is a product
of d sums of k terms by the same algebra: its value is shown where its kᵈ terms could never be summed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax.scipy.special import logsumexp

from .compiler import compiled
from .errors import UserError, suggestion
from .model import Model
from .real_data import ACCELERATIONS, IMPACT_TIMES
from .regularization.distributions import ElasticNet

MOST_WEIGHTS, MOST_NODES = 12, 40
FEWEST_POINTS, MOST_POINTS = 20, len(IMPACT_TIMES)
REACH = 6.0  # a grid across a law reaches so many of its scales to either side
BOXES = ("prior", "posterior")  # what a Riemann sum is laid across
STEPS = (1, 1.25, 1.6, 2, 2.5, 3.15, 4, 5, 6.3, 8)  # ten to a decade, as preferred numbers go
SCALES = np.array([step * 10**decade for decade in range(3) for step in STEPS] + [1000.0])  # τ, in g
TIMES = np.linspace(IMPACT_TIMES[0], IMPACT_TIMES[-1], 201)


@dataclass(frozen=True)
class Family:
    """A prior of one weight, of scale τ."""

    label: str
    prior: Callable[[Any], dist.Distribution]


FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "l2": Family("Normal(0, τ)", lambda t: dist.Normal(0.0, t)),
        "l1": Family("Laplace(0, τ)", lambda t: dist.Laplace(0.0, t)),
        "elastic_net": Family("ElasticNet(τ, τ)", lambda t: ElasticNet(t, t)),
        "student_t": Family("StudentT(3, 0, τ)", lambda t: dist.StudentT(3.0, 0.0, t)),
        "box": Family("Uniform(−τ, τ)", lambda t: dist.Uniform(-t, t)),
    }
)


@dataclass(frozen=True)
class Setting:
    """Where the sliders of the model stand: the prior's family and scale τ, the noise σ, n points, d weights."""

    family: str = "l2"
    scale: float = 50.0
    noise: float = 25.0
    num_points: int = 60
    num_weights: int = 6

    def __post_init__(self) -> None:
        _known("family", self.family, FAMILIES)
        for name in ("scale", "noise"):
            if not getattr(self, name) > 0:
                raise UserError(f"{name} is {getattr(self, name)}; expected more than zero")
        _within("num_points", self.num_points, FEWEST_POINTS, MOST_POINTS)
        _within("num_weights", self.num_weights, 1, MOST_WEIGHTS)


@dataclass(frozen=True)
class Grid:
    """A Riemann sum: so many nodes along each axis, across the prior or the posterior."""

    num_nodes: int = 10
    box: str = "prior"

    def __post_init__(self) -> None:
        _known("box", self.box, BOXES)
        _within("num_nodes", self.num_nodes, 1, MOST_NODES)

    def log_sum(self, scene: "Scene") -> float:
        """Return log p(y) as this sum gives it."""
        return float(scene.sums[BOXES.index(self.box), self.num_nodes - 1])

    def edges(self, scene: "Scene", weight: int) -> np.ndarray:
        """Return where the bars of the sum begin and end along one weight's line."""
        at = BOXES.index(self.box)
        return np.linspace(scene.low[at, weight], scene.high[at, weight], self.num_nodes + 1)


def _known(what: str, name: str, names: Any) -> None:
    if name not in names:
        raise UserError(f"there is no {what} '{name}'{suggestion(name, list(names))}; expected {', '.join(names)}")


def _within(what: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise UserError(f"{what} is {value}; expected {low} to {high}")


class Scene(NamedTuple):
    """All that is drawn, in g; arrays over weights are d long, curves follow `TIMES`.

    `sums` is log p(y) by Riemann sums of 1, 2, … nodes an axis, across the prior and across the posterior; `evidences`
    is log p(y) and `fits` log p(y|mode) of every family at every one of `SCALES`.
    """

    estimate: Any  # ŵ, least squares
    width: Any  # s, of the likelihood of one weight
    mode: Any
    mean: Any
    sd: Any
    log_z: Any  # log ∫ prior × exp(−(w − ŵ)²/2s²) dw
    low: Any  # (2, d): where a Riemann sum begins, across the prior and the posterior
    high: Any
    log_evidence: Any
    error: Any  # of log_evidence: what a rule of fewer nodes along every line differs by, and rounding
    log_likelihood: Any  # at the mode
    sums: Any  # (2, most nodes)
    evidences: Any  # (families, scales)
    fits: Any
    curve_at_mode: Any
    curve_mean: Any
    curve_sd: Any

    @property
    def log_occam_factor(self) -> float:
        """The share of the evidence that the fit at the mode does not explain: log p(y) − log p(y|mode)."""
        return float(self.log_evidence - self.log_likelihood)


def scene_at(setting: Setting) -> Scene:
    """Return what there is to see where the sliders stand.

    Examples
    --------
    >>> seen = scene_at(Setting(family="l1", scale=20.0, num_weights=8))
    >>> int((seen.mode == 0).sum()), int((seen.mean == 0).sum())  # a mode has exact zeros, a mean has none
    (1, 0)
    """
    at = list(FAMILIES).index(setting.family)
    found = _scene(at, float(setting.scale), float(setting.noise), setting.num_points, setting.num_weights)
    shown = slice(setting.num_weights)
    scene = Scene(*(np.asarray(value) for value in found))
    narrow = {
        name: getattr(scene, name)[..., shown] for name in ("estimate", "mode", "mean", "sd", "log_z", "low", "high")
    }
    return scene._replace(**narrow)


def points(num_points: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the times and accelerations that are used: always the same ones, spread over all."""
    chosen = np.sort(_order()[:num_points])
    return IMPACT_TIMES[chosen], ACCELERATIONS[chosen]


def design(num_points: int, num_weights: int) -> np.ndarray:
    """Return Φ at these points, n × d, with ΦᵀΦ = n I."""
    used, _, _ = _columns(num_points)
    return np.asarray(used)[np.sort(_order()[:num_points]), :num_weights]


def model_of(setting: Setting) -> Model:
    """Return the same model as any other: what the page shows is what `fit_grid` finds."""
    features = design(setting.num_points, setting.num_weights)
    prior = FAMILIES[setting.family].prior(setting.scale)
    return Model(
        {"w": prior.expand([setting.num_weights]).to_event(1)},
        lambda w: dist.Normal(features @ w, setting.noise),
        observed=points(setting.num_points)[1],
        name="curve",
    )


def log_prior(family: str, scale: float, w: Any) -> np.ndarray:
    """Return the log density of a family's prior at weights; −inf outside its support."""
    return np.asarray(_log_prior(FAMILIES[family], scale, np.asarray(w)))


@cache
def densities_a_second(num_weights: int = 6, num: int = 2**17) -> float:
    """Return how many densities of such a model this machine computes in a second: measured, the best of three."""
    import time

    model = model_of(Setting(num_weights=num_weights))
    nodes = jnp.asarray(np.random.default_rng(0).normal(size=(num, num_weights)) * 50)
    many = compiled(lambda w: jnp.max(jax.vmap(model.log_joint)({"w": w})))
    many(nodes).block_until_ready()
    best = np.inf
    for _ in range(3):
        began = time.perf_counter()
        many(nodes).block_until_ready()
        best = min(best, time.perf_counter() - began)
    return num / best


@cache
def _order() -> np.ndarray:
    """Return all points in an order whose beginnings are spread over time."""
    num = len(IMPACT_TIMES)
    return np.argsort(np.modf(np.arange(num) * (np.sqrt(5) - 1) / 2)[0], kind="stable")


def _columns(num_points: Any) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return the columns at all points, zero where one is not used, the same at `TIMES`, and which are used."""
    rank = jnp.asarray(np.argsort(_order()))
    used = rank < num_points
    raw = jnp.asarray(_chebyshev(IMPACT_TIMES))
    q, r = jnp.linalg.qr(jnp.where(used[:, None], raw, 0.0))
    unit = jnp.sqrt(num_points) * jnp.sign(jnp.diag(r))
    there = jax.scipy.linalg.solve_triangular(r, jnp.asarray(_chebyshev(TIMES)).T, trans=1).T
    return q * unit, there * unit, used


def _chebyshev(times: np.ndarray) -> np.ndarray:
    middle, half = (IMPACT_TIMES[-1] + IMPACT_TIMES[0]) / 2, (IMPACT_TIMES[-1] - IMPACT_TIMES[0]) / 2
    return np.polynomial.chebyshev.chebvander((times - middle) / half, MOST_WEIGHTS - 1)


def _log_prior(family: Family, scale: Any, w: Any) -> jax.Array:
    prior = family.prior(scale)
    inside = prior.support(w)
    return jnp.where(inside, prior.log_prob(jnp.where(inside, w, 0.0)), -jnp.inf)


@compiled
def _scene(at: Any, scale: Any, noise: Any, num_points: Any, num_weights: Any) -> Scene:
    """Return the scene for all weights; every family is integrated at every scale, for the curves over τ."""
    columns, there, used = _columns(num_points)
    y = jnp.where(used, jnp.asarray(ACCELERATIONS), 0.0)
    estimate = columns.T @ y / num_points
    width = noise / jnp.sqrt(num_points)
    kept = jnp.arange(MOST_WEIGHTS) < num_weights
    rest = jnp.sum(y**2) - num_points * jnp.sum(jnp.where(kept, estimate**2, 0.0))
    constant = -num_points / 2 * jnp.log(2 * jnp.pi * noise**2) - rest / (2 * noise**2)

    def total(each: jax.Array) -> jax.Array:
        return constant + jnp.sum(jnp.where(kept, each, 0.0), axis=-1)

    def log_fit(lines: _Line) -> jax.Array:
        return -((lines.mode - estimate) ** 2) / (2 * width**2)

    def own(tree: Any) -> Any:
        return jax.tree.map(lambda *all_families: jnp.stack(all_families)[at], *tree)

    scales = jnp.append(jnp.asarray(SCALES), scale)
    each = [jax.vmap(lambda t, f=f: _lines(f, t, estimate, width))(scales) for f in FAMILIES.values()]
    found = own([jax.tree.map(lambda value: value[-1], lines) for lines in each])
    coarse = own([_lines(f, scale, estimate, width, COARSE) for f in FAMILIES.values()])
    boxes = [_boxes(name, scale, lines) for name, lines in zip(FAMILIES, each, strict=True)]
    sums = [_sums(f, scale, estimate, width, *box) for f, box in zip(FAMILIES.values(), boxes, strict=True)]
    low, high = own(boxes)
    mode, mean, var = (jnp.where(kept, each, 0.0) for each in (found.mode, found.mean, found.sd**2))
    return Scene(
        estimate=estimate,
        width=width,
        mode=found.mode,
        mean=found.mean,
        sd=found.sd,
        log_z=found.log_z,
        low=low,
        high=high,
        log_evidence=total(found.log_z),
        error=jnp.abs(total(coarse.log_z) - total(found.log_z)) + ROUNDING * jnp.abs(total(found.log_z)),
        log_likelihood=total(log_fit(found)),
        sums=total(own(sums)),
        evidences=jnp.stack([total(lines.log_z[:-1]) for lines in each]),
        fits=jnp.stack([total(log_fit(lines)[:-1]) for lines in each]),
        curve_at_mode=there @ mode,
        curve_mean=there @ mean,
        curve_sd=jnp.sqrt(there**2 @ var),
    )


class _Line(NamedTuple):
    mode: jax.Array
    mean: jax.Array
    sd: jax.Array
    log_z: jax.Array


FINE, COARSE = 10, 8  # nodes of a panel
ROUNDING = 1e-13  # of a sum of logarithms
_NEAR = np.concatenate([np.arange(1, 7) / 2, 4 * 2.0 ** np.arange(12)])  # of the prior's scale
_AROUND = np.geomspace(1e-3, 12, 16)  # of the likelihood's width


def _lines(family: Family, scale: Any, centres: Any, width: Any, order: int = FINE) -> _Line:
    return jax.vmap(lambda centre: _line(family, scale, centre, width, order))(centres)


def _line(family: Family, scale: Any, centre: Any, width: Any, order: int) -> _Line:
    """Return one weight's mode and moments, and the integral of prior × exp(−(w − centre)²/2 width²).

    Gauss–Legendre's rule on panels that end where the integrand has a kink or an edge (zero and ±τ) and are short where
    it has its mass: around the prior's centre, the likelihood's, and the mode.
    """

    def log_joint(w: Any) -> jax.Array:
        return _log_prior(family, scale, w) - (w - centre) ** 2 / (2 * width**2)

    mode = _mode(log_joint, scale, centre)
    around = jnp.concatenate([-jnp.asarray(_AROUND[::-1]), jnp.zeros(1), jnp.asarray(_AROUND)]) * width
    near = jnp.asarray(_NEAR) * scale
    ends = jnp.concatenate([-near, jnp.zeros(1), near, mode + around, centre + around])
    ends = jnp.sort(jnp.clip(ends, jnp.minimum(0, centre) - 12 * width, jnp.maximum(0, centre) + 12 * width))
    half = jnp.diff(ends)[:, None] / 2
    gauss, weights = np.polynomial.legendre.leggauss(order)
    nodes = (ends[1:] + ends[:-1])[:, None] / 2 + half * gauss
    # A panel of no length has no weight, but its nodes may lie on an edge.
    logs = jnp.where(half > 0, log_joint(nodes) + jnp.log(jnp.where(half > 0, half, 1.0) * weights), -jnp.inf)
    log_z = logsumexp(logs)
    share = jnp.exp(logs - log_z)
    mean = jnp.sum(share * nodes)
    return _Line(mode, mean, jnp.sqrt(jnp.sum(share * (nodes - mean) ** 2)), log_z)


def _mode(log_joint: Callable[[Any], jax.Array], scale: Any, centre: Any) -> jax.Array:
    """Return where a weight's posterior is highest: from zero to the likelihood's centre, both included."""
    share = jnp.linspace(0, 1, 33)
    edge = jnp.sign(centre) * jnp.minimum(jnp.abs(centre), scale)
    tried = jnp.append(jnp.concatenate([share, share**4, 1 - share**4]) * centre, edge)
    best = tried[jnp.argmax(log_joint(tried))]
    below = jnp.max(jnp.where(tried < best, tried, jnp.minimum(0, centre)))
    above = jnp.min(jnp.where(tried > best, tried, jnp.maximum(0, centre)))

    def halved(_: Any, ends: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        """One bisection for the zero of the slope."""
        low, high = ends
        rises = jax.grad(log_joint)((low + high) / 2) > 0
        return jnp.where(rises, (low + high) / 2, low), jnp.where(rises, high, (low + high) / 2)

    low, high = jax.lax.fori_loop(0, 50, halved, (below, above))
    corners = jnp.stack([best, (low + high) / 2])  # a kink or an edge is among those that were tried: it goes first
    return corners[jnp.argmax(log_joint(corners))]


def _boxes(name: str, scale: Any, lines: _Line) -> tuple[jax.Array, jax.Array]:
    """Return where sums begin and end for each weight: across the prior, across the posterior."""
    mean, sd = lines.mean[-1], lines.sd[-1]
    reach = jnp.full(MOST_WEIGHTS, scale if name == "box" else REACH * scale)
    low, high = jnp.stack([-reach, mean - REACH * sd]), jnp.stack([reach, mean + REACH * sd])
    return (jnp.maximum(low, -scale), jnp.minimum(high, scale)) if name == "box" else (low, high)


def _sums(family: Family, scale: Any, centre: Any, width: Any, low: Any, high: Any) -> jax.Array:
    """Return the log of midpoint sums along each weight's line: (2, most nodes, weights)."""
    num = jnp.arange(1, MOST_NODES + 1)[:, None, None]  # of nodes, then weights, then nodes
    at = jnp.arange(MOST_NODES)

    def across(low: Any, high: Any) -> jax.Array:
        step = (high - low)[:, None] / num
        nodes = low[:, None] + (at + 0.5) * step
        logs = _log_prior(family, scale, nodes) - (nodes - centre[:, None]) ** 2 / (2 * width**2)
        return logsumexp(jnp.where(at < num, logs, -jnp.inf), axis=-1) + jnp.log(step[..., 0])

    return jax.vmap(across)(low, high)

"""The posterior from a grid: a curve for each component, quantiles, and draws with their effective sample size."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import numpy as np
from scipy.interpolate import CubicSpline, PchipInterpolator

from ..arguments import probabilities
from ..compiler import compiled
from ..coordinates import Coordinates
from .frames import Frame, Share
from .integral import Integral, TensorIntegral
from .rules import Axis, gauss_hermite, sinh_trapezoid
from .subdivision import Points
from .summing import Summer

FINE = 2001  # points of a curve
NUM_KDE_POINTS = 501  # of a curve estimated from draws
MIN_STEP = 1e-140  # of a component's range: the slope over a smaller step, squared, is beyond float64
TOLD = 100  # roundings from one node to the next
COARSE = 0.01  # of the mass, between two neighbours on a curve
NUM_CHAINS, NUM_DRAWS = 4, 1000
NUM_PROPOSED = 2**14, 2**16  # random points that check a sum, and that draws are chosen from: at least, at most
MESH = 2**14, 2**18  # nodes of the interpolant that they are drawn from
FEWEST_ALONG = 12  # of them, along each axis
REACH = 6.5  # standard deviations to either side of a hump
JOINT = 81**2  # points of a joint density
UNRESOLVED = 0.1  # of the mass, missing from or added to a joint density on even points
NOTABLE = 1e-3  # of the integral: less may be the interpolant's fault, where the grid is coarse
MOST_REVEALED = 8
UNSEEN = 2.0  # in log density, above what lies between the nodes around it


@dataclass(frozen=True)
class Marginal:
    """p(θⱼ | D) as a curve: `density` and `cdf` at `x`, the user's units; the curve integrates to one.

    `mass` is the integral of the curve before it was normalised, over the evidence found by the main sum: how far
    two different sums agree. It is NaN where the component has no axis of its own and the curve is drawn from draws.
    """

    x: np.ndarray
    density: np.ndarray
    cdf: np.ndarray
    mass: float

    def quantile(self, probability: np.ndarray | float) -> np.ndarray:
        """Return the value below which this much of the posterior lies: one for each probability."""
        probability = probabilities(probability, "probability")
        keep = np.r_[True, np.diff(self.cdf) > 0]
        return np.asarray(np.interp(probability, self.cdf[keep], self.x[keep]))


def axis_marginal(
    coords: Coordinates, summer: Summer, integral: TensorIntegral, component: int, num_nodes: float
) -> Marginal:
    """Return the marginal of a component that one position coordinate alone sets: one further sum on its own axis."""
    return led_marginal(coords, summer, integral.frame, axes_for(integral, num_nodes), component, integral.log_value)


def led_marginal(
    coords: Coordinates,
    summer: Summer,
    frame: Frame,
    axes: tuple[Axis, ...],
    component: int,
    log_value: float,
    share: Share | None = None,
) -> Marginal:
    """Return the curve of a component, its mass relative to `log_value`, from a sum over the first axis and the rest.

    The frame is re-ordered so that the first z alone moves the component.
    """
    frame, fine = frame.led_by(int(coords.own_axis[component])), axes[0]
    sums = summer.run(frame, axes, "marginals", share)
    held = sums.axes[0, : len(fine)] / sums.total
    mass = float(np.exp(sums.log_total - log_value))
    positions = np.broadcast_to(frame.centre, (len(fine), len(frame.centre))).copy()
    positions += np.outer(fine.nodes, frame.scale[:, 0])
    x, slope = along(coords, component, positions, frame.scale[:, 0])
    return _curve(np.asarray(x), np.asarray(slope), fine, held, mass)


@partial(compiled, static_argnums=0)
def along(coords: Coordinates, component: Any, positions: Any, direction: Any) -> tuple[jax.Array, jax.Array]:
    """Return a component of the params at positions (n, d), and its slope along a direction."""

    def value(position: jax.Array) -> tuple[jax.Array, jax.Array]:
        params, slopes = jax.jvp(coords.constrain_flat, (position,), (direction,))
        return params[component], slopes[component]

    return jax.vmap(value)(positions)


def axes_of_a_hump(dimension: int, num_nodes: float, reach: float = REACH) -> tuple[Axis, ...]:
    """Return a fine axis for the component and Gauss–Hermite for the rest, as fine as the budget allows."""
    fine = sinh_trapezoid(-reach, reach, float(np.arcsinh(reach)) / 32)
    k = max((k for k in (5, 7, 9, 11, 13, 15) if len(fine) * k ** (dimension - 1) <= num_nodes), default=5)
    return fine, *(gauss_hermite(k),) * (dimension - 1)


def axes_for(integral: TensorIntegral, num_nodes: float) -> tuple[Axis, ...]:
    """Return a fine axis for the component and axes for the rest, as fine as the budget allows."""
    dimension, reach = len(integral.span), float(np.abs(integral.span).max())
    if integral.whitened:
        return axes_of_a_hump(dimension, num_nodes, reach)
    t = float(np.arcsinh(reach))
    fine = sinh_trapezoid(-reach, reach, max(min(t / 64, integral.step), t / 2048))
    allowed = (num_nodes / len(fine)) ** (1 / max(dimension - 1, 1))
    step = max(integral.step, 2 * t / max(allowed, 8))
    return fine, *(sinh_trapezoid(-reach, reach, step),) * (dimension - 1)


def _curve(x: np.ndarray, slope: np.ndarray, axis: Axis, share: np.ndarray, mass: float) -> Marginal:
    """Interpolate log density smoothly between nodes and read it off on a grid that a trapezoid integrates well."""
    t = np.arcsinh(axis.nodes)
    step = t[1] - t[0]
    keep = share > max(share.max() * 1e-14, 1e-300)
    t, x, slope, share = t[keep], x[keep], np.abs(slope[keep]), share[keep]
    if x[-1] < x[0]:
        t, x, slope, share = -t[::-1], x[::-1], slope[::-1], share[::-1]
    if not np.ptp(x) > 0:  # every node is the same number to float64: there is no curve
        return _point(x[0])
    log_g = CubicSpline(t, np.log(share / step))  # density of t
    dense = np.linspace(t[0], t[-1], 8 * FINE)
    cumulative = CubicSpline(dense, np.exp(log_g(dense))).antiderivative()(dense)
    cumulative /= cumulative[-1]
    # No further than where neighbours are told apart: near 1 a float64 has 1e-16, near 0 it has 1e-300.
    told = t[np.gradient(x) > TOLD * np.spacing(np.abs(x))]
    ends = (told[0], told[-1]) if len(told) > 1 else (t[0], t[-1])
    low, high = np.clip(np.interp([1e-9, 1 - 1e-9], cumulative, dense), *ends)
    x_of_t, t_of_x = PchipInterpolator(t, x), _inverse(t, x)
    inner = np.interp([0.25, 0.75], cumulative, dense)
    long = (x_of_t(high) - x_of_t(low)) > 60 * (x_of_t(inner[1]) - x_of_t(inner[0]))
    xs = np.linspace(x_of_t(low), x_of_t(high), FINE)
    ts = t_of_x(xs)
    # Evenly in x, unless a tail is long or much lies between two neighbours: at an edge where the density has no bound.
    if long or np.diff(np.interp(ts, dense, cumulative)).max() > COARSE:
        ts = np.linspace(low, high, 4 * FINE)
        xs = x_of_t(ts)
    sloping = slope > 0  # a value that has reached its edge has no slope
    log_slope = CubicSpline(t[sloping], np.log(slope[sloping] * np.cosh(t[sloping])))
    density = np.exp(log_g(ts) - log_slope(ts))
    cdf = np.interp(ts, dense, cumulative)
    return Marginal(xs, density * (cdf[-1] - cdf[0]) / np.trapezoid(density, xs), cdf, mass)


def _inverse(t: np.ndarray, x: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return t as a function of x, from the nodes at which x exceeds all x before by more than `MIN_STEP` of its range.

    Rounding makes x fall between neighbours near an edge, and slopes over smaller steps overflow.
    """
    origin, size = x[0], x[-1] - x[0]
    unit = (x - origin) / size
    rising = np.r_[True, unit[1:] > np.maximum.accumulate(unit)[:-1] + MIN_STEP]
    t_of_unit = PchipInterpolator(unit[rising], t[rising])
    return lambda at: np.asarray(t_of_unit((at - origin) / size))


@dataclass(frozen=True)
class Joint:
    """p(θ₁, θ₂ | D) of a model with two parameters of their own axes: `density` (len(x), len(y)); else all empty."""

    x: np.ndarray
    y: np.ndarray
    density: np.ndarray


def joint(coords: Coordinates, integral: Integral, marginals: list[Marginal]) -> Joint:
    """Return the joint density of the user's two parameters over the range that holds all but 1e-4 of each.

    Empty where so few points do not hold the mass: contours of a ridge that falls between them would be a picture of
    the points.
    """
    nothing = Joint(np.zeros(0), np.zeros(0), np.zeros((0, 0)))
    if coords.dimension != 2 or len(marginals) != 2 or (coords.own_axis < 0).any():
        return nothing
    size = math.isqrt(coords.worth(JOINT, JOINT))
    x, y = (np.linspace(float(m.quantile(5e-5)), float(m.quantile(1 - 5e-5)), size) for m in marginals)
    points = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1)
    params = coords.unflatten(points)
    positions = coords.unconstrain_many(params, points.shape[:2])
    parts = coords.log_parts_many(positions)
    density = np.exp(parts[..., 0] + parts[..., 1] - integral.log_value)
    mass = density.sum() * (x[1] - x[0]) * (y[1] - y[0])
    return Joint(x, y, density) if abs(mass - 1) < UNRESOLVED else nothing


def drawn_marginal(draws: np.ndarray) -> Marginal:
    """Return the marginal of a component without an axis of its own, by a kernel density of the grid's draws."""
    from scipy.stats import gaussian_kde

    flat = draws.reshape(-1)
    if not np.isfinite(flat).all() or flat.min() == flat.max():
        return _point(flat[0])
    x = np.linspace(flat.min(), flat.max(), NUM_KDE_POINTS)
    density = gaussian_kde(flat)(x)
    cdf = np.cumsum(density)
    return Marginal(x, density / np.trapezoid(density, x), cdf / cdf[-1], np.nan)


def _point(x: float) -> Marginal:
    """Return the marginal of a component that has one value only."""
    unknown = np.full(NUM_KDE_POINTS, np.nan)
    return Marginal(np.full(NUM_KDE_POINTS, x), unknown, unknown, np.nan)


@dataclass(frozen=True)
class Drawn:
    """Positions drawn from the posterior, their ESS, and what points that are no nodes say of the sum.

    `log_evidence` is the integral by random points; `unseen` the share of it that points known beforehand reveal
    where the nodes saw nothing, and `revealed` the highest of these and of all draws; `doubts` are about the check
    itself, and `lost` is the share of the integral where float64 cannot tell a parameter from its edge, if not yet
    charged.
    """

    positions: np.ndarray  # (chain, draw, dimension)
    ess: float
    log_evidence: float
    standard_error: float
    unseen: float
    revealed: np.ndarray  # (n, dimension)
    doubts: tuple[str, ...] = ()
    lost: float = 0.0


@dataclass(frozen=True)
class Interpolant:
    """The multilinear interpolant of a density over a grid that fits in memory, in t with z = sinh t."""

    coords: Coordinates
    integral: TensorIntegral
    heights: np.ndarray  # at the nodes, relative to the peak
    peak: float
    lower: np.ndarray
    step: np.ndarray

    @property
    def saturated_share(self) -> float:
        """The share of it at nodes where float64 cannot tell a parameter from its edge."""
        heavy = np.flatnonzero(self.heights.ravel() > 1e-12)
        index = np.stack(np.unravel_index(heavy, self.heights.shape), axis=-1)
        there = self.integral.frame.position(np.sinh(self.lower + self.step * index))
        return float(self.heights.ravel()[heavy][self.coords.saturated(there)].sum() / self.heights.sum())

    def sample(self, rng: np.random.Generator, num: int) -> tuple[np.ndarray, np.ndarray]:
        """Return positions (num, d) and their log density."""
        cell = rng.choice(self.heights.size, size=num, p=self.heights.reshape(-1) / self.heights.sum())
        index = np.stack(np.unravel_index(cell, self.heights.shape), axis=-1)
        where = index + rng.random(index.shape) - rng.random(index.shape)  # triangular on (−1, 1)
        t = self.lower + self.step * where
        log_q = np.log(_interpolate(self.heights, where)) - np.log(self.heights.sum()) - np.log(self.step).sum()
        frame = self.integral.frame
        return frame.position(np.sinh(t)), log_q - np.log(np.cosh(t)).sum(axis=-1) - frame.log_det

    def log_density_at(self, positions: np.ndarray) -> np.ndarray:
        """Return the log of the interpolated density at positions (n, d)."""
        frame = self.integral.frame
        t = np.arcsinh(frame.inverse(positions))
        log_g = self.peak + np.log(_interpolate(self.heights, (t - self.lower) / self.step))
        return np.asarray(log_g - np.log(np.cosh(t)).sum(axis=1) - frame.log_det)

    def unseen(self, points: Points) -> tuple[float, np.ndarray]:
        """Return the share of the integral in cells of the grid where a point stands far above their corners, and the
        highest of these points."""
        points, frame = points.finite(), self.integral.frame
        t = np.arcsinh(frame.inverse(points.positions))
        log_g = points.log_density + np.log(np.cosh(t)).sum(axis=1) + frame.log_det
        where = (t - self.lower) / self.step
        over = log_g - self.peak > np.log(_interpolate(self.heights, where)) + UNSEEN
        log_mass = np.minimum(log_g + np.log(self.step).sum(), points.log_density + points.log_reach)[over]
        _, cell = np.unique(np.floor(where[over]), axis=0, return_inverse=True)
        most = np.full(cell.max() + 1 if len(cell) else 0, -np.inf)
        np.maximum.at(most, cell, log_mass)
        highest = np.flatnonzero(over)[np.argsort(-points.log_density[over])[:MOST_REVEALED]]
        return float(np.exp(np.minimum(most - self.integral.log_value, 50.0)).sum()), points.positions[highest]

    def choose(
        self, rng: np.random.Generator, points: Points, x: np.ndarray, log_q: np.ndarray, log_f: np.ndarray
    ) -> tuple[Drawn, np.ndarray]:
        """Draw, by their weights, from positions x (n, d) proposed with these densities; return which were taken, too.

        The weights' mean is an estimate of the evidence at random points, none of them a node: a sum that missed
        something between its nodes is contradicted by it.
        """
        log_weight = log_f - log_q
        weight = np.exp(log_weight - log_weight.max())
        mean, num = weight.mean(), len(x)
        kept = rng.choice(num, size=NUM_CHAINS * NUM_DRAWS, p=weight / weight.sum())
        (seen, known), (drawn_anew, new) = (self.unseen(p) for p in (points, Points(x, log_f, np.full(num, np.inf))))
        drawn = Drawn(
            positions=x[kept].reshape(NUM_CHAINS, NUM_DRAWS, -1),
            ess=float(weight.sum() ** 2 / (weight**2).sum() / num * NUM_CHAINS * NUM_DRAWS),
            log_evidence=float(log_weight.max() + np.log(mean)),
            standard_error=float(weight.std() / mean / np.sqrt(num)),
            unseen=max(seen, drawn_anew if drawn_anew > NOTABLE else 0.0),
            revealed=np.concatenate([known, new, x[np.argsort(-log_f)[:MOST_REVEALED]]]),
        )
        return drawn, kept


def interpolant(coords: Coordinates, integral: TensorIntegral, max_nodes: int) -> Interpolant:
    """Return the interpolant over where the mass is, on at most so many nodes, evenly spaced in t."""
    dimension, frame = len(integral.span), integral.frame
    per_axis = int(min(max_nodes ** (1 / dimension), 4096))
    lower, upper = np.arcsinh(integral.span).T
    step = (upper - lower) / (per_axis - 1)
    mesh = np.meshgrid(*(low + by * np.arange(per_axis) for low, by in zip(lower, step)), indexing="ij")
    t = np.stack(mesh, axis=-1)
    values = _bounded(coords.log_density_many(frame.position(np.sinh(t))))
    log_g = values + np.log(np.cosh(t)).sum(axis=-1) + frame.log_det
    return Interpolant(coords, integral, np.exp(log_g - log_g.max()), float(log_g.max()), lower, step)


def draw_from_grid(
    coords: Coordinates, integral: TensorIntegral, points: Points, rng: np.random.Generator, max_nodes: int, num: int
) -> Drawn:
    """Draw from the interpolant of the density over a grid that fits in memory, and weigh by the truth."""
    proposal = interpolant(coords, integral, max_nodes)
    x, log_q = proposal.sample(rng, num)
    drawn, _ = proposal.choose(rng, points, x, log_q, _bounded(coords.log_density_many(x)))
    return replace(drawn, lost=proposal.saturated_share)


def _bounded(log_density: np.ndarray) -> np.ndarray:
    """Return log densities with −∞ for +∞: a parameter that underflows to an edge of its support has no density."""
    return np.where(log_density == np.inf, -np.inf, log_density)


def _interpolate(heights: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Return the multilinear interpolant at fractional indices (n, d); zero outside the grid."""
    base = np.floor(where).astype(int)
    fraction, total = where - base, np.zeros(len(where))
    shape = np.array(heights.shape)
    for corner in np.ndindex(*(2,) * heights.ndim):
        index = base + np.array(corner)
        inside = ((index >= 0) & (index < shape)).all(axis=1)
        weight = np.prod(np.where(np.array(corner), fraction, 1 - fraction), axis=1)
        total[inside] += weight[inside] * heights[tuple(index[inside].T)]
    return np.maximum(total, 1e-300)

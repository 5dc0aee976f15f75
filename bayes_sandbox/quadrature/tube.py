"""A sum along a ridge: a trapezoid in s, and Gauss–Hermite across each slice in its own frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.interpolate import CubicSpline, interp1d
from scipy.special import gammaln

from ..batches import chunk_size
from ..coordinates import NUM_PARTS, Coordinates
from ..optimization import Hump
from ..optimization.surface import Framed, Surface
from .integral import Integral, Tolerance
from .ladder import remaining
from .ridge import Ridge, Slice, directions
from .rules import gauss_hermite
from .summing import Frame

DF = 5.0  # of the Student-t's that random points are drawn from, across the ridge
FEWEST_SLICES, MOST_SLICES = 12, 2**12
RUNGS = (1, 5, 9, 15, 21)  # nodes across, along each axis
WILD = 0.1  # nats between the first two rungs, at which a slice is no Gaussian
MOST_TRIED = 4
WIDER = 1.3  # of the profile's spread: random points reach a little further


@dataclass(frozen=True)
class Tube:
    """The ridge as a map (s, ζ) → z = c(s) + B L(s) ζ, with log mass of each slice, all interpolated in s."""

    ridge: Ridge
    slices: Sequence[Slice]

    @cached_property
    def s(self) -> np.ndarray:
        return np.array([p.s for p in self.slices])

    @cached_property
    def centre(self) -> CubicSpline:
        return CubicSpline(self.s, np.array([p.mode for p in self.slices]))

    @cached_property
    def factor(self) -> interp1d:
        return interp1d(self.s, np.array([p.factor for p in self.slices]), axis=0)

    @cached_property
    def log_mass(self) -> CubicSpline:
        return CubicSpline(self.s, np.array([p.log_mass for p in self.slices]))

    def at(self, s: np.ndarray) -> "Tube":
        """Return the tube with slices at these s, each climbed to from the interpolated mode."""
        found = [self.ridge.slice_at(guess) for guess in self.centre(s)]
        return Tube(self.ridge, [p for p in found if p is not None])

    # --- as a density to draw from: s by the profile, ζ from a Student-t ---

    @cached_property
    def _table(self) -> tuple[np.ndarray, np.ndarray]:
        """Return edges of s and the chance of each interval between them."""
        edges = np.linspace(self.s[0], self.s[-1], 1025)
        middle = (edges[1:] + edges[:-1]) / 2
        height = self.log_mass(middle)
        weight = np.exp((height - height.max()) / WIDER)
        return edges, weight / weight.sum()

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Return n draws of z (n, d)."""
        edges, chance = self._table
        which = rng.choice(len(chance), size=n, p=chance)
        s = edges[which] + rng.random(n) * (edges[1] - edges[0])
        d = self.ridge.across.shape[1]
        zeta = rng.standard_normal((n, d)) * np.sqrt(DF / rng.chisquare(DF, size=(n, 1)))
        return self.centre(s) + np.einsum("nij,nj->ni", self.factor(s), zeta) @ self.ridge.across.T

    def log_density(self, z: np.ndarray) -> np.ndarray:
        """Return the log density of z (n, d); −∞ beyond the ends of the ridge."""
        edges, chance = self._table
        s = z @ self.ridge.direction
        inside = (s > edges[0]) & (s < edges[-1])
        s = np.clip(s, edges[0], edges[-1])
        off, factor = (z - self.centre(s)) @ self.ridge.across, self.factor(s)
        zeta = np.linalg.solve(factor, off[..., None])[..., 0]
        d = off.shape[1]
        log_det = np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
        constant = gammaln((DF + d) / 2) - gammaln(DF / 2) - 0.5 * d * np.log(DF * np.pi)
        across = constant - log_det - (DF + d) / 2 * np.log1p((zeta**2).sum(axis=1) / DF)
        which = np.minimum(np.searchsorted(edges, s, side="right") - 1, len(chance) - 1)
        with np.errstate(divide="ignore"):
            along = np.log(chance[which] / (edges[1] - edges[0]))
        return np.where(inside, along + across, -np.inf)


@dataclass(frozen=True)
class TubeIntegral(Integral):
    """A sum along a ridge, and moments of the params, flat; as a proposal it draws positions."""

    frame: Frame
    tube: Tube
    mean: np.ndarray
    sd: np.ndarray

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        return self.frame.position(self.tube.sample(rng, n))

    def log_density(self, x: np.ndarray) -> np.ndarray:
        return self.tube.log_density(self.frame.inverse(x)) - self.frame.log_det


@dataclass(frozen=True)
class _Sums:
    log_total: float
    mean: np.ndarray
    square: np.ndarray  # about the origin given


def sum_along(
    coords: Coordinates, hump: Hump, tolerance: Tolerance, max_nodes: float, floor: float
) -> TubeIntegral | None:
    """Follow a mode's ridge in the most promising direction and sum along it; None where no slice is near a Gaussian.

    The error is what halving the step and climbing a rung leave open, and what lies beyond the ends of the ridge.
    """
    frame = Frame(hump.position, hump.scale)
    surface = Framed(Surface(coords.log_density), frame.centre, frame.scale)
    start = np.zeros(len(frame.centre))
    axes = frame.scale / np.linalg.norm(frame.scale, axis=1, keepdims=True)
    for direction in directions(surface, start, axes)[:MOST_TRIED]:
        slices = Ridge(surface, direction).follow(start)
        if len(slices) < FEWEST_SLICES or not _ends(slices):
            continue
        found = _climb(coords, frame, Tube(Ridge(surface, direction), slices), tolerance, max_nodes, floor)
        if found is not None:
            return found
    return None


def _ends(slices: Sequence[Slice]) -> bool:
    """Whether the ridge was followed to where nothing is left, at both ends."""
    highest = max(p.log_mass for p in slices)
    return max(slices[0].log_mass, slices[-1].log_mass) < highest - 25


def _climb(
    coords: Coordinates, frame: Frame, tube: Tube, tolerance: Tolerance, max_nodes: float, floor: float
) -> TubeIntegral | None:
    """Halve the step along until it settles, then climb the ladder across."""
    size, along = 64, list[float]()
    grid = tube
    while size <= MOST_SLICES:
        grid = tube.at(np.linspace(tube.s[0], tube.s[-1], size))
        if len(grid.slices) < size:
            return None
        along.append(_sum(coords, frame, grid, 1).log_total)
        if len(along) > 1 and abs(along[-1] - along[-2]) < tolerance.fine / 4:
            break
        size *= 2
    gap, across, sums, k = abs(along[-1] - along[-2]), list[float](), None, 0
    for k in RUNGS:
        if len(grid.slices) * float(k) ** (coords.dimension - 1) > max_nodes:
            break
        sums = _sum(coords, frame, grid, k)
        across.append(sums.log_total)
        if len(across) == 2 and abs(across[1] - across[0]) > WILD * coords.dimension:
            return None
        if remaining(across) < tolerance.fine:
            break
    if sums is None or len(across) < 3:
        return None
    ends = sum(float(np.exp(p.log_mass + frame.log_det - across[-1])) for p in (tube.slices[0], tube.slices[-1]))
    error = max(remaining(across), floor) + gap + ends
    settled = bool(error < tolerance.enough)
    d, used = coords.dimension, RUNGS[len(across) - 1]
    return TubeIntegral(
        rule=f"{len(grid.slices)} slices along a ridge, Gauss–Hermite {used}^{d - 1} across each",
        why="a curved ridge that is nearly a Gaussian given one direction",
        log_value=across[-1],
        error=float(error),
        settled=settled,
        unresolved="" if settled else f"slices along the ridge leave {error:.1e} open",
        num_nodes=len(grid.slices) * used ** (d - 1),
        edge_mass=ends,
        num_bad=0,
        frame=frame,
        tube=grid,
        mean=sums.mean,
        sd=np.sqrt(np.maximum(sums.square - (sums.mean - coords.flat_at(frame.centre)) ** 2, 0.0)),
    )


def _sum(coords: Coordinates, frame: Frame, tube: Tube, k: int) -> _Sums:
    """Return log ∫ f and moments of the params, by k Gauss–Hermite nodes across every slice."""
    d = coords.dimension
    axis = gauss_hermite(k)
    mesh = np.stack(np.meshgrid(*[axis.nodes] * (d - 1), indexing="ij"), axis=-1).reshape(-1, d - 1)
    log_w = np.sum(np.meshgrid(*[axis.log_weights] * (d - 1), indexing="ij"), axis=0).reshape(-1)
    step = tube.s[1] - tube.s[0]
    origin, chunk = coords.flat_at(frame.centre), chunk_size()
    peak, total, first, second = -np.inf, 0.0, np.zeros(len(origin)), np.zeros(len(origin))
    per = max(chunk // len(mesh), 1)
    for begin in range(0, len(tube.slices), per):
        part = tube.slices[begin : begin + per]
        z = np.concatenate([p.mode + mesh @ (tube.ridge.across @ p.factor).T for p in part])
        weights = [log_w + np.log(np.diag(p.factor)).sum() for p in part]
        found = coords.everything_many(frame.position(z))
        log_f = found[:, :NUM_PARTS].sum(axis=1)
        terms = np.where(np.isfinite(log_f), log_f, -np.inf) + np.concatenate(weights) + np.log(step) + frame.log_det
        top = max(peak, float(terms.max()))
        if not np.isfinite(top):
            continue
        old, p = np.exp(peak - top), np.exp(terms - top)
        off = np.where(p[:, None] > 0, found[:, NUM_PARTS:] - origin, 0.0)
        peak, total = top, total * old + p.sum()
        first, second = first * old + p @ off, second * old + p @ off**2
    if total == 0:
        return _Sums(-np.inf, origin, second)
    return _Sums(float(peak + np.log(total)), origin + first / total, second / total)

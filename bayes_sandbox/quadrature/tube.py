"""A sum along a ridge: a trapezoid in s, and Gauss–Hermite across each slice in its own frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.interpolate import CubicSpline, interp1d

from ..coordinates import Coordinates
from ..optimization import Hump
from ..optimization.surface import Framed, Surface
from .integral import Tolerance
from .ridge import Ridge, Slice, directions
from .slices import (
    WIDER,
    Slices,
    SlicesIntegral,
    climb_across,
    covers,
    draw_across,
    frame_of_highest,
    log_across,
    record,
)
from .summing import Frame

FEWEST_SLICES, MOST_SLICES = 12, 2**12
MOST_TRIED = 4


@dataclass(frozen=True)
class Tube:
    """The ridge as a map (s, ζ) → z = c(s) + B L(s) ζ, with log mass of each slice, all interpolated in s.

    As a density to draw from: s by the profile, ζ from a Student-t.
    """

    ridge: Ridge
    slices: Sequence[Slice]

    @cached_property
    def s(self) -> np.ndarray:
        return np.array([p.s[0] for p in self.slices])

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

    @property
    def on_a_lattice(self) -> Slices:
        """The slices as nodes of a trapezoid, if they are evenly spaced."""
        return Slices(self.ridge, self.slices, float(np.log(self.s[1] - self.s[0])))

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
        return np.asarray(self.centre(s) + draw_across(rng, self.factor(s)) @ self.ridge.across.T)

    def log_density(self, z: np.ndarray) -> np.ndarray:
        """Return the log density of z (n, d); −∞ beyond the ends of the ridge."""
        edges, chance = self._table
        s = z @ self.ridge.along[:, 0]
        inside = (s > edges[0]) & (s < edges[-1])
        s = np.clip(s, edges[0], edges[-1])
        across = log_across((z - self.centre(s)) @ self.ridge.across, self.factor(s))
        which = np.minimum(np.searchsorted(edges, s, side="right") - 1, len(chance) - 1)
        with np.errstate(divide="ignore"):
            along = np.log(chance[which] / (edges[1] - edges[0]))
        return np.where(inside, along + across, -np.inf)


def sum_along(
    coords: Coordinates, humps: Sequence[Hump], tolerance: Tolerance, max_nodes: float, floor: float
) -> SlicesIntegral | None:
    """Follow the highest mode's ridge in the most promising direction and sum along it.

    None where no slice is near a Gaussian, or another mode is not on the ridge. The error is what halving the step and
    climbing a rung leave open, and what lies beyond the ends of the ridge.
    """
    frame = frame_of_highest(humps)
    surface = Framed(Surface(coords.log_density), frame.centre, frame.scale)
    start = np.zeros(len(frame.centre))
    for along in directions(surface, start, frame.directions)[:MOST_TRIED]:
        ridge = Ridge(surface, along.columns)
        slices = ridge.follow(start)
        if len(slices) < FEWEST_SLICES or not _ends(slices):
            continue
        tube = Tube(ridge, slices)
        found = _climb(coords, frame, tube, tolerance, max_nodes, floor) if covers(tube, frame, humps) else None
        if found is not None:
            return found
    return None


def _ends(slices: Sequence[Slice]) -> bool:
    """Whether the ridge was followed to where nothing is left, at both ends."""
    highest = max(p.log_mass for p in slices)
    return max(slices[0].log_mass, slices[-1].log_mass) < highest - 25


def _climb(
    coords: Coordinates, frame: Frame, tube: Tube, tolerance: Tolerance, max_nodes: float, floor: float
) -> SlicesIntegral | None:
    """Halve the step along until it settles, then climb the ladder across."""
    size, along = 64, list[float]()
    grid = tube
    while size <= MOST_SLICES:
        grid = tube.at(np.linspace(tube.s[0], tube.s[-1], size))
        if len(grid.slices) < size:
            return None
        along.append(grid.on_a_lattice.sum(coords, frame, 1).log_total)
        if len(along) > 1 and abs(along[-1] - along[-2]) < tolerance.fine / 4:
            break
        size *= 2
    across = climb_across(coords, frame, grid.on_a_lattice, tolerance, max_nodes)
    if across is None:
        return None
    log_ends = np.logaddexp(tube.slices[0].log_mass, tube.slices[-1].log_mass)
    ends = float(np.exp(log_ends + frame.log_det - across.sums.log_total))
    error = max(across.error, floor) + abs(along[-1] - along[-2]) + ends
    why = "a curved ridge that is nearly a Gaussian given one direction"
    where = "along a ridge"
    return record(where, why, coords, frame, grid.on_a_lattice, across, error, ends, tolerance, grid)

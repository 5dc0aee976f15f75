"""A sum along a ridge: a trapezoid in s, and Gauss–Hermite across each slice in its own frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy.interpolate import CubicSpline, interp1d

from .integral import Tolerance
from .ridge import Ridge, Slice
from .slices import WIDER, Slices, SlicesIntegral, Start, draw_across, log_across

FEWEST_SLICES, FIRST_SLICES, MOST_SLICES = 12, 64, 2**12
MOST_TRIED = 4


@dataclass(frozen=True)
class Tube:
    """The ridge as a map (s, ζ) → z = c(s) + B L(s) ζ, with log mass of each slice, all interpolated in s.

    As a density to draw from: s by the profile, ζ from a Student-t.
    """

    start: Start
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
        return Tube(self.start, self.ridge, [p for p in found if p is not None])

    @property
    def on_a_lattice(self) -> Slices:
        """The slices as nodes of a trapezoid, if they are evenly spaced."""
        return Slices(self.start, self.ridge, self.slices, float(np.log(self.s[1] - self.s[0])))

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


def sum_along(start: Start, tolerance: Tolerance, max_nodes: float, floor: float) -> SlicesIntegral | None:
    """Follow the highest mode's ridge in the most promising direction and sum along it.

    None where no slice is near a Gaussian, or another mode is not on the ridge. The error is what halving the step and
    climbing a rung leave open, and what lies beyond the ends of the ridge.
    """
    for along in start.along(1)[:MOST_TRIED]:
        ridge = Ridge(start.surface, along.columns)
        slices = ridge.follow(start.origin)
        if len(slices) < FEWEST_SLICES or not _ends(slices):
            continue
        tube = Tube(start, ridge, slices)
        found = _climb(tube, tolerance, max_nodes, floor) if start.is_covered(tube) else None
        if found is not None:
            return found
    return None


def _ends(slices: Sequence[Slice]) -> bool:
    """Whether the ridge was followed to where nothing is left, at both ends."""
    highest = max(p.log_mass for p in slices)
    return max(slices[0].log_mass, slices[-1].log_mass) < highest - 25


def _climb(tube: Tube, tolerance: Tolerance, max_nodes: float, floor: float) -> SlicesIntegral | None:
    """Halve the step along until it settles, then climb the ladder across; None where halving does not help."""
    size, along, gaps = FIRST_SLICES, list[float](), list[float]()
    grid = tube
    while size <= MOST_SLICES:
        grid = tube.at(np.linspace(tube.s[0], tube.s[-1], size))
        if len(grid.slices) < size:
            return None
        along.append(grid.on_a_lattice.sum(1).log_total)
        gaps = [abs(b - a) for a, b in pairwise(along)]
        if gaps and gaps[-1] < tolerance.fine / 4:
            break
        if len(gaps) > 2 and gaps[-1] > gaps[-2] / 4:  # nor is it smooth along the ridge
            return None
        size *= 2
    slices = grid.on_a_lattice
    across = slices.climb(tolerance, max_nodes)
    if across is None:
        return None
    ends = slices.share(float(np.logaddexp(tube.slices[0].log_mass, tube.slices[-1].log_mass)), across)
    return slices.record(across, max(across.error, floor) + gaps[-1] + ends, ends, tolerance, grid)

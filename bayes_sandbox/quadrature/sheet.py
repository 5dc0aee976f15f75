"""A sum over a curved sheet: a lattice in two directions, and Gauss–Hermite across each slice in its own frame."""

from collections import deque
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.interpolate import CloughTocher2DInterpolator, LinearNDInterpolator
from scipy.special import logsumexp

from .integral import Tolerance
from .ridge import Ridge, Slice
from .slices import WIDER, Slices, SlicesIntegral, Start, draw_across, log_across

STEPS = (0.8, 0.5)  # of the lattice, in standard deviations at the mode
SHIFT = np.array([0.48, 0.265])  # of the second lattice, in steps: no simple fraction, aliases along no diagonal agree
MOST_SLICES = 6000
LEFT = 0.05  # of the change of curvature, across the best two directions: more, and slices are no Gaussians
DEEP = 10.0  # nats: how far down a sheet has to go on; what it ends at below is charged
DEPTH = 32.0  # nats below the highest slice, at which nothing is left
AROUND = [np.array(p) for p in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1), (1, -1), (-1, 1))]

Node = tuple[int, int]


@dataclass(frozen=True)
class Sheet:
    """Slices at the nodes (i, j) of a lattice, s = origin + step (i, j).

    As a density to draw from: a node by its mass, s within its square, what is across from a Student-t; centres and
    scales in between are interpolated.
    """

    start: Start
    ridge: Ridge
    step: float
    slices: dict[Node, Slice]
    log_missing: float  # mass beside nodes that no slice was found at

    @property
    def on_a_lattice(self) -> Slices:
        return Slices(self.start, self.ridge, list(self.slices.values()), float(2 * np.log(self.step)))

    @cached_property
    def _s(self) -> np.ndarray:
        return np.array([p.s for p in self.slices.values()])

    @cached_property
    def _centre(self) -> CloughTocher2DInterpolator:
        return CloughTocher2DInterpolator(self._s, np.array([p.mode for p in self.slices.values()]))

    @cached_property
    def _factor(self) -> LinearNDInterpolator:
        return LinearNDInterpolator(self._s, np.array([p.factor for p in self.slices.values()]))

    @cached_property
    def inner(self) -> set[Node]:
        """The nodes all around which there are slices."""
        return {n for n in self.slices if all((n[0] + i, n[1] + j) in self.slices for i, j in AROUND)}

    @cached_property
    def _chance(self) -> dict[Node, float]:
        nodes = sorted(self.inner)
        log_mass = np.array([self.slices[n].log_mass for n in nodes]) / WIDER
        return dict(zip(nodes, np.exp(log_mass - logsumexp(log_mass))))

    @property
    def log_edge(self) -> float:
        """Return the log mass of the outermost slices, and beside those that are missing."""
        outermost = [p.log_mass for node, p in self.slices.items() if node not in self.inner]
        return float(np.logaddexp(logsumexp(outermost), self.log_missing))

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Return n draws of z (n, d)."""
        nodes = list(self._chance)
        which = rng.choice(len(nodes), size=n, p=list(self._chance.values()))
        corners = np.array([self.slices[node].s for node in nodes])
        s = corners[which] + self.step * (rng.random((n, 2)) - 0.5)
        return np.asarray(self._centre(s) + draw_across(rng, self._factor(s)) @ self.ridge.across.T)

    def log_density(self, z: np.ndarray) -> np.ndarray:
        """Return the log density of z (n, d); −∞ beyond the edges of the sheet."""
        s = z @ self.ridge.along
        nearest = np.floor((s - self.slices[0, 0].s) / self.step + 0.5).clip(-MOST_SLICES, MOST_SLICES).astype(int)
        chance = np.array([self._chance.get((i, j), 0.0) for i, j in nearest.tolist()])
        inside = np.flatnonzero(chance)
        found = np.full(len(z), -np.inf)
        off = (z[inside] - self._centre(s[inside])) @ self.ridge.across
        found[inside] = np.log(chance[inside]) - 2 * np.log(self.step) + log_across(off, self._factor(s[inside]))
        return found


def sum_over(start: Start, tolerance: Tolerance, max_nodes: float, floor: float) -> SlicesIntegral | None:
    """Follow the highest mode's sheet in the two most promising directions and sum over it.

    None where no slice is near a Gaussian, or another mode is not on the sheet. The error is how far two lattices,
    shifted against each other, and the last rungs of the ladder differ, and what lies beyond the edges of the sheet.
    """
    along = start.along(2)[0]
    if along.left > LEFT:
        return None
    ridge, sheet, gap = Ridge(start.surface, along.columns), None, np.inf
    for step in STEPS:
        sheet = _spread(start, ridge, np.zeros(2), step)
        other = _spread(start, ridge, SHIFT * step, step) if sheet and start.is_covered(sheet) else None
        if sheet is None or other is None:
            return None
        gap = abs(sheet.on_a_lattice.sum(1).log_total - other.on_a_lattice.sum(1).log_total)
        if gap < tolerance.fine / 4:
            break
    assert sheet is not None
    slices = sheet.on_a_lattice
    across = slices.climb(tolerance, max_nodes)
    if across is None:
        return None
    edge = slices.share(sheet.log_edge, across)
    return slices.record(across, max(across.error, floor) + gap + edge, edge, tolerance, sheet)


def _spread(start: Start, ridge: Ridge, s: np.ndarray, step: float) -> Sheet | None:
    """Return slices from s outwards, to where nothing is left; None where the sheet ends or folds before."""
    middle = ridge.slice_at(start.origin + ridge.along @ s)
    if middle is None:
        return None
    slices, highest = {(0, 0): middle}, middle.log_mass
    failed, front = dict[Node, float](), deque([(0, 0)])
    while front and len(slices) < MOST_SLICES:
        node = front.popleft()
        here = slices[node]
        if here.log_mass < highest - DEPTH:
            continue
        for move in AROUND[:4]:
            there = node[0] + int(move[0]), node[1] + int(move[1])
            if there in slices:
                continue
            found = _reach(ridge, here, step * move)
            if found is None:
                failed[there] = max(here.log_mass, failed.get(there, -np.inf))
                continue
            slices[there], highest = found, max(highest, found.log_mass)
            front.append(there)
    missing = [mass for node, mass in failed.items() if node not in slices]
    if front or max(missing, default=-np.inf) > highest - DEEP:
        return None
    sheet = Sheet(start, ridge, step, slices, float(np.logaddexp.reduce(missing)) if missing else -np.inf)
    return sheet if (0, 0) in sheet.inner else None  # so narrow that the lattice has but one node on it


def _reach(ridge: Ridge, here: Slice, ds: np.ndarray, halvings: int = 3) -> Slice | None:
    """Return the slice at s + ds; where a step is too long for the climb, in two halves of it."""
    found = ridge.slice_at(ridge.ahead(here, ds))
    if found is None and halvings:
        middle = _reach(ridge, here, ds / 2, halvings - 1)
        found = None if middle is None else _reach(ridge, middle, ds / 2, halvings - 1)
    return found

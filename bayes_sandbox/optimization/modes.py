"""Many climbs, one verdict: the distinct modes, and what kind of highest point there is, if any."""

from dataclasses import dataclass

import numpy as np

from ..coordinates import Coordinates
from ..model import Model
from .balls import Balls, ball_sites
from .climb import Climb, Kind, climb
from .corners import Split, cornered
from .edges import edge_coordinates, far_out, settle_on_edge
from .kinks import Kinks, kinked
from .surface import LARGEST_HESSIAN, Density, Surface

SAME = 0.1  # two ends nearer than this, in standard deviations of the mode, are one mode
OFTEN = 3  # hits after which a mode is no chance find
MATTERS = 10.0  # nats below the highest
FEWEST_LOST = 8  # climbs that met no mode, but a density without bound, after which no other is begun
REMEMBERED = 4  # searches
MODES = (Kind.PEAK, Kind.EDGE, Kind.CORNER)


@dataclass(frozen=True)
class Search:
    """What many climbs found: distinct modes from the highest down, how often each was hit, and every end."""

    modes: tuple[Climb, ...]
    hits: tuple[int, ...]
    ends: tuple[Climb, ...]
    num_evaluations: int

    @property
    def best(self) -> Climb | None:
        """The highest end, whatever its kind; None where no start had a finite density."""
        return min(self.ends, key=lambda end: end.value, default=None)

    @property
    def trouble(self) -> Climb | None:
        """The end that denies that the highest mode is the highest point, or None.

        A density without bound anywhere is one; so is an end at least as high as every mode that is not a mode.
        """
        unbounded = [end for end in self.ends if end.kind is Kind.UNBOUNDED]
        if unbounded:
            return min(unbounded, key=lambda end: end.value)
        top = self.modes[0].value if self.modes else np.inf
        rivals = [e for e in self.ends if e.kind not in (*MODES, Kind.SADDLE) and e.value <= top + 1e-6]
        return min(rivals, key=lambda end: end.value, default=None)


def search(model: Model, coords: Coordinates, density: Density, starts: np.ndarray, at_least: int) -> Search:
    """Climb `density` (a function of the position) from starts (n, dimension) and sort what was found.

    After `at_least` climbs it goes on only while there are several modes and one of them was hit by chance; after half
    of them it stops where they rose without bound and met no mode. The MAP and the Laplace fit of one seed ask for the
    same search: it is remembered.
    """
    key = (density, starts.tobytes(), at_least)
    if key not in coords.searches:
        while len(coords.searches) >= REMEMBERED:
            coords.searches.pop(next(iter(coords.searches)))
        coords.searches[key] = _searched(model, coords, density, starts, at_least)
    found: Search = coords.searches[key]
    return found


def _searched(model: Model, coords: Coordinates, density: Density, starts: np.ndarray, at_least: int) -> Search:
    edges = edge_coordinates(coords)
    surface = Surface(density, far=far_out(edges))
    if density not in coords.climbers:
        sites = ball_sites(model) if density == coords.log_joint else []  # with its Jacobian a density ends inside
        balls = Balls(model, coords, sites) if sites else None
        coords.climbers[density] = _rough(model, coords, density), balls
    rough, balls = coords.climbers[density]
    ends: list[Climb] = []
    modes, hits = list[Climb](), list[int]()
    for last in (max(at_least // 2, 1), *range(at_least, len(starts) + at_least, max(at_least, 1))):
        ends += [_one(surface, start, rough, edges, balls) for start in starts[len(ends) : last]]
        kinds = {end.kind for end in ends}
        if len(ends) >= FEWEST_LOST and Kind.UNBOUNDED in kinds and kinds.isdisjoint(MODES):
            break
        if len(ends) < min(at_least, len(starts)):
            continue
        modes, hits = _distinct(surface, [end for end in ends if end.kind in MODES])
        if len(modes) == len(ends) or not _by_chance(modes, hits):
            break
    return Search(tuple(modes), tuple(hits), tuple(ends), surface.num_evaluations)


def _by_chance(modes: list[Climb], hits: list[int]) -> bool:
    """Whether a mode that may matter was hit so seldom that others may have been missed."""
    return len(modes) > 1 and any(n < OFTEN for m, n in zip(modes, hits) if m.value < modes[0].value + MATTERS)


def _rough(model: Model, coords: Coordinates, density: Density) -> Kinks | Split | None:
    """Return what climbs a density with kinks, or with corners alone; None for a smooth one."""
    if kinked(model) and model.dimension <= LARGEST_HESSIAN:
        return Kinks(model, coords, density)
    return Split(model, coords, density) if cornered(model) else None


def _one(
    surface: Surface, start: np.ndarray, rough: Kinks | Split | None, edges: np.ndarray, balls: Balls | None
) -> Climb:
    end = rough.climb(surface, start) if rough else climb(surface, start)
    if end.kind is Kind.SADDLE:
        end = climb(surface, end.position + 0.3 * end.direction)
    if end.kind not in MODES and balls:
        end = balls.settle(surface, end) or end
    if end.kind not in MODES and edges.any():
        return settle_on_edge(surface, end, edges) or end
    return end


def _distinct(surface: Surface, ends: list[Climb]) -> tuple[list[Climb], list[int]]:
    modes: list[Climb] = []
    hits: list[int] = []
    for end in sorted(ends, key=lambda end: end.value):
        for i, mode in enumerate(modes):
            if _same(surface, mode, end):
                hits[i] += 1
                break
        else:
            modes.append(end)
            hits.append(1)
    return modes, hits


def _same(surface: Surface, one: Climb, other: Climb) -> bool:
    if abs(one.value - other.value) > 1e-4:
        return False
    gap = other.position - one.position
    if one.kind is not Kind.PEAK:
        return bool(np.abs(gap).max() < 1e-4 * (1 + np.abs(one.position).max()))
    return bool(gap @ surface.hessian(one.position) @ gap < SAME**2)

"""A mode on the edge of a support: found by pinning the coordinates that ran there and climbing in the rest."""

import numpy as np

from ..coordinates import Coordinates
from .climb import Climb, Kind, climb
from .surface import Climbable, Surface

AT_EDGE = 700.0  # exp(−700) is all but zero, and still a number: a density at zero itself may be 0 · ∞
BY_EDGE = 60.0  # near enough for every digit, and derivatives are still numbers
BEYOND = 1e6  # far beyond AT_EDGE
NEAR = 20.0  # a coordinate this far out is within 2e-9 of its edge


def far_out(edges: np.ndarray) -> np.ndarray:
    """Return, for each coordinate, the distance at which a climb has left every scale a model could mean: exp(±300).

    Coordinates that are the user's own have no such distance: their unit may be anything.
    """
    return np.where(edges.any(axis=1), 300.0, np.inf)


def edge_coordinates(coords: Coordinates) -> np.ndarray:
    """Return, for each position coordinate, whether (−∞, +∞) is a finite edge of the support: booleans (d, 2)."""
    found = np.zeros((coords.dimension, 2), bool)
    for side, sign in enumerate((-1.0, 1.0)):
        near, far = (np.eye(coords.dimension) * sign * u for u in (40.0, AT_EDGE))
        one, other = (coords.flat_many(p) for p in (near, far))
        found[:, side] = np.isfinite(other).all(axis=1) & (np.abs(one - other).max(axis=1) < 1e-9)
    return found


class Pinned:
    """A surface with some coordinates held: the same questions, asked of the free ones."""

    def __init__(self, surface: Climbable, position: np.ndarray, held: np.ndarray):
        self._surface, self._base, self.free = surface, position.copy(), ~held
        self.far = np.broadcast_to(surface.far, position.shape)[~held]

    def full(self, part: np.ndarray) -> np.ndarray:
        position = np.broadcast_to(self._base, (*part.shape[:-1], len(self._base))).copy()
        position[..., self.free] = part
        return position

    def value(self, part: np.ndarray) -> float:
        return self._surface.value(self.full(part))

    def gradient(self, part: np.ndarray) -> np.ndarray:
        return self._surface.gradient(self.full(part))[self.free]

    def hessian(self, part: np.ndarray) -> np.ndarray:
        return self._surface.hessian(self.full(part))[np.ix_(self.free, self.free)]

    def values(self, parts: np.ndarray) -> np.ndarray:
        return self._surface.values(self.full(parts))


def settle_on_edge(surface: Surface, ran: Climb, edges: np.ndarray) -> Climb | None:
    """Pin what ran to an edge, climb in the rest, and return the mode there; None where there is no such edge.

    The mode counts only if no point a little inside is higher; a density that rises without bound towards the edge
    comes back as unbounded.
    """
    position = ran.position.copy()
    towards = np.where(position > 0, 1, 0)
    flat = np.abs(np.diag(surface.hessian(position))) < 1e-4
    running = edges[np.arange(len(position)), towards] & (flat | (np.abs(position) > NEAR)) & (np.abs(position) > 4)
    if not running.any():
        return None
    sides = np.sign(position[running])
    position[running] = sides * np.maximum(BY_EDGE, np.abs(position[running]))
    path = ran.path
    if not running.all() and np.isfinite(surface.value(position)):
        inner = Pinned(surface, position, running)
        rest = climb(inner, position[inner.free])
        if rest.kind is not Kind.PEAK:
            return None
        position = inner.full(rest.position)
        path = np.concatenate([path, inner.full(rest.path)])
    position[running] = sides * AT_EDGE
    path = np.concatenate([path, [position]])
    return _at_edge(surface, position, running, path)


def _at_edge(surface: Surface, position: np.ndarray, running: np.ndarray, path: np.ndarray) -> Climb | None:
    """Step back from each pinned edge: is it the top, is it beaten from inside, or is it infinitely high?"""
    value, pinned = surface.value(position), running * np.sign(position)
    for j in np.flatnonzero(running):
        probes = np.repeat(position[None], 4, axis=0)
        probes[:, j] = np.sign(position[j]) * np.array([4.0, 10.0, NEAR, 37.0])
        heights = surface.values(probes)
        if heights[2] - min(heights[3], value) > 1e-3:
            return Climb(position, value, path, Kind.UNBOUNDED, pinned)
        if not np.isfinite(value) or (heights < value - 1e-9 * (1 + abs(value))).any():
            return None
    return Climb(position, value, path, Kind.EDGE, pinned)


def edge_names(coords: Coordinates, names: list[str], at: Climb) -> list[str]:
    """Return a phrase for each parameter that sits on an edge, e.g. 'theta = 1'."""
    if np.abs(at.position).max() > BEYOND:  # on the sphere of a ball, which is no single coordinate's edge
        return on_spheres(coords, names, at)
    near, edge = at.position.copy(), at.position
    pinned = at.direction != 0
    near[pinned] = np.sign(edge[pinned]) * 3.0
    moved = np.abs(coords.flat_at(near) - snapped(coords, at)) > 0
    own = np.isin(coords.own_axis, np.flatnonzero(pinned))
    values = snapped(coords, at)
    chosen = own if own.any() else moved & (np.abs(values) < 1e-12)
    return [f"{names[i]} = {values[i]:g}" for i in np.flatnonzero(chosen)]


def on_spheres(coords: Coordinates, names: list[str], at: Climb) -> list[str]:
    """Return '‖w‖ = 0.3' for each vector that lies on the sphere of its ball."""
    params = coords.params_at(at.position)
    pinned = coords.split(at.direction)
    return [f"‖{n}‖ = {np.linalg.norm(v):g}" for n, v in params.items() if np.all(np.asarray(pinned[n]) != 0)]


def snapped(coords: Coordinates, at: Climb) -> np.ndarray:
    """Return the flat params with the last rounding error of a pinned edge removed: 1, not 0.9999999999999998."""
    values = coords.flat_at(at.position)
    pinned = (
        np.isin(coords.own_axis, np.flatnonzero(at.direction)) if at.kind is Kind.EDGE else np.zeros(len(values), bool)
    )
    rounded = np.array([float(f"{v:.12g}") for v in values])
    return np.where(pinned & (np.abs(values) > 1e-300), rounded, np.where(pinned, 0.0, values)) + 0.0  # no −0

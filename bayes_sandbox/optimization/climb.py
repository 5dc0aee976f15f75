"""From one start to a stationary point with SciPy, and what kind of point it is."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum

import numpy as np
from scipy.linalg import eigh
from scipy.optimize import OptimizeResult, minimize

from .surface import LARGEST_HESSIAN, Climbable

MAX_STEPS = 400
NUDGE = 0.3  # in predicted standard deviations: near enough for a true peak to look quadratic


# What SciPy raises where a derivative is not finite; the last where its first factorisation fails.
_STOPS = (ValueError, np.linalg.LinAlgError, UnboundLocalError)
_NEWTON = {"gtol": 1e-9, "max_trust_radius": 1e9}


class Kind(Enum):
    """What the surface does around a point where a climb stopped."""

    PEAK = "peak"
    EDGE = "edge"  # the highest point, on an edge of the support; `direction` marks what is pinned
    CORNER = "corner"  # the highest point, where the density has a corner; `direction` marks the exact zeros
    FLAT = "flat"
    RISING = "rising"  # to one side it keeps rising, ever more slowly, towards infinity or an edge
    UNBOUNDED = "unbounded"
    SADDLE = "saddle"
    STUCK = "stuck"


@dataclass(frozen=True)
class Climb:
    """One climb: where it ended, how high, and the steps it took. `direction` is the odd one, where there is one."""

    position: np.ndarray
    value: float  # −log density at the end
    path: np.ndarray  # (steps, dimension)
    kind: Kind
    direction: np.ndarray


def climb(surface: Climbable, start: np.ndarray) -> Climb:
    """Climb from one start, then look around."""
    path = walk(surface, start)
    kind, direction = look_around(surface, path[-1], path)
    return Climb(path[-1], surface.value(path[-1]), path, kind, direction)


def walk(surface: Climbable, start: np.ndarray) -> np.ndarray:
    """Return the steps (steps, dimension) of a trust-region Newton method (Conn, Gould & Toint 2000) from one start."""
    path = [np.asarray(start, float)]

    def keep(intermediate_result: OptimizeResult) -> None:
        path.append(np.array(intermediate_result.x))
        if (np.abs(path[-1]) > surface.far).any():
            raise StopIteration

    # A derivative that is not finite, or exactly zero at the start, ends the walk where it stands.
    with np.errstate(all="ignore"), suppress(*_STOPS):
        _minimize(surface, path[0], keep)
    position = polish(surface, path[-1])
    if not np.array_equal(position, path[-1]):
        path.append(position)
    return np.array(path)


def _minimize(surface: Climbable, start: np.ndarray, keep: Callable[[OptimizeResult], None]) -> None:
    newton = len(start) <= LARGEST_HESSIAN
    minimize(
        surface.value,
        start,
        jac=surface.gradient,
        hess=surface.hessian if newton else None,
        method="trust-exact" if newton else "L-BFGS-B",
        callback=keep,
        options={"maxiter": MAX_STEPS, **(_NEWTON if newton else {"maxfun": 20 * MAX_STEPS})},
    )


def polish(surface: Climbable, position: np.ndarray) -> np.ndarray:
    """Take the last few Newton steps, which a relative gradient tolerance leaves undone."""
    if len(position) > LARGEST_HESSIAN:
        return position
    for _ in range(4):
        try:
            step = np.linalg.solve(surface.hessian(position), surface.gradient(position))
        except np.linalg.LinAlgError:
            return position
        # Only where the end is near: a long step is no polish.
        if not np.isfinite(step).all() or np.abs(step).max() > 1e-3 * (1 + np.abs(position).max()):
            return position
        if surface.value(position - step) > surface.value(position):
            return position
        position = position - step
    return position


def look_around(surface: Climbable, position: np.ndarray, path: np.ndarray) -> tuple[Kind, np.ndarray]:
    """Return the kind of a stopping point and the direction that makes it so."""
    if surface.value(position) == -np.inf:
        return Kind.UNBOUNDED, _drift(path)
    if not np.isfinite(surface.value(position)) or not np.isfinite(surface.gradient(position)).all():
        return Kind.STUCK, _drift(path)
    kind, direction = _shape(surface, position)
    if kind is not Kind.PEAK and _keeps_gaining(surface, path):
        return Kind.UNBOUNDED, _drift(path)
    return kind, direction


def _shape(surface: Climbable, position: np.ndarray) -> tuple[Kind, np.ndarray]:
    """Measure the surface at ±0.3 predicted standard deviations along each eigenvector of its Hessian.

    A peak falls off to both sides, whatever the units; a flat direction does nothing; a mode at infinity still rises.
    """
    value = surface.value(position)
    hessian = surface.hessian(position)
    if not np.isfinite(hessian).all():
        return Kind.STUCK, np.zeros_like(position)
    curvatures, axes = eigh(hessian)
    largest = max(np.abs(curvatures).max(), 1e-300)
    spreads = 1 / np.sqrt(np.maximum(np.abs(curvatures), 1e-16 * largest))
    reach = NUDGE * np.minimum(spreads, 1e6)
    # Not beyond the edge itself, where 0 · ∞ would look like a wall.
    plus = surface.values(np.clip(position + reach[:, None] * axes.T, -surface.far, surface.far)) - value
    minus = surface.values(np.clip(position - reach[:, None] * axes.T, -surface.far, surface.far)) - value
    kind, direction = _judge(plus, minus, axes, 1e-10 * (1 + abs(value)))
    left = np.abs(axes.T @ surface.gradient(position)) * reach  # what is still to gain within the nudge
    if kind is Kind.PEAK and left.max() > 1e-3:
        return Kind.STUCK, axes[:, left.argmax()]
    return kind, direction


def _judge(plus: np.ndarray, minus: np.ndarray, axes: np.ndarray, rounding: float) -> tuple[Kind, np.ndarray]:
    """Return the kind that the rises along each axis, in both senses, make."""
    expected = NUDGE**2 / 2  # of a quadratic
    for j in np.argsort(np.minimum(plus, minus)):
        low, high = sorted((plus[j], minus[j]))
        if low > 0.05 * expected:
            continue
        if abs(low) <= rounding and abs(high) <= rounding:
            return Kind.FLAT, axes[:, j]
        if low < -rounding and high < -rounding:
            return Kind.SADDLE, axes[:, j]
        return Kind.RISING, axes[:, j] if plus[j] < minus[j] else -axes[:, j]
    return Kind.PEAK, np.zeros(len(axes))


def _keeps_gaining(surface: Climbable, path: np.ndarray) -> bool:
    """Whether the last third of a long climb gained as steadily as the third before: a height without bound."""
    if len(path) < 20:
        return False
    third = min(len(path) // 3, 12)
    heights = surface.values(path[[-1 - 2 * third, -1 - third, -2, -1]])
    if not np.isfinite(heights).all():  # the way led through a region of no density
        return False
    early, late, last = heights[0] - heights[1], heights[1] - heights[3], heights[2] - heights[3]
    return bool(late > 1e-2 and late > 0.3 * early and last > 0.05 * late / third)


def _drift(path: np.ndarray) -> np.ndarray:
    return path[-1] - path[max(0, len(path) - 10)]

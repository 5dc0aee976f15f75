"""Charts: the unit cube laid over all positions, so that cells can be cut out of it.

Along each axis a point t of (0, 1) stands for a number x of the whole line; the position is `centre + scale x`. An axis
of a finite support is taken as it is, x = log t/(1 − t), which is the support itself as an interval; any other reaches
to infinity through x = a w/(1 − w²) with w = 2t − 1, under which algebraic tails stay bounded and Gaussian ones vanish.
"""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from .frames import Frame

REACH = 2.5  # a: half of the cube lies within ±1.7 of the frame's standard deviations
EDGE = 1e-300  # t at which x of a native axis is still finite


@dataclass(frozen=True)
class Chart:
    """An affine frame and, for each axis, whether its support is finite and taken as it is."""

    frame: Frame
    native: np.ndarray

    def arrays(self) -> tuple[Any, ...]:
        """Return what `place` needs, as one argument of a compiled program."""
        return self.frame.centre, self.frame.scale, self.frame.log_det, self.native

    def line(self, t: np.ndarray, rest: np.ndarray, axis: np.ndarray) -> np.ndarray:
        """Return x at t = 1 − rest along the given axes."""
        return np.asarray(_line(self.native[axis], np.maximum(t, EDGE), np.maximum(rest, EDGE), np))

    def log_slope(self, t: np.ndarray, axis: int) -> np.ndarray:
        """Return log dx/dt at points t along one axis."""
        return np.asarray(_log_slope(self.native[axis], np.maximum(t, EDGE), np.maximum(1 - t, EDGE), np))

    def cube(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (t, 1 − t) of x (n, d), each with all its digits."""
        with np.errstate(over="ignore"):
            logistic = 1 / (1 + np.exp(-x)), 1 / (1 + np.exp(x))
        root = np.hypot(REACH, 2 * x)  # w = 2x/(a + root) solves x w² + a w − x = 0
        near = (REACH + REACH**2 / (root + 2 * np.abs(x))) / (REACH + root) / 2  # (1 − |w|)/2, no digits cancelled
        real = np.where(x < 0, near, 1 - near), np.where(x < 0, 1 - near, near)
        return tuple(np.clip(np.where(self.native, a, b), EDGE, 1.0) for a, b in zip(logistic, real))  # type: ignore[return-value]

    def log_volume(self, x: np.ndarray) -> np.ndarray:
        """Return the log volume of positions for each unit of the cube's, at x (n, d)."""
        t, rest = self.cube(x)
        return self.frame.log_det + np.asarray(_log_slope(self.native, t, rest, np)).sum(axis=-1)


def place(chart: Any, t: Any, rest: Any) -> tuple[Any, Any]:
    """Return (position, log volume element) at t = 1 − rest of shape (d,)."""
    centre, scale, log_det, native = chart
    return centre + scale @ _line(native, t, rest, jnp), log_det + _log_slope(native, t, rest, jnp).sum()


def _line(native: Any, t: Any, rest: Any, xp: Any) -> Any:
    return xp.where(native, xp.log(t) - xp.log(rest), REACH * (t - rest) / (4 * t * rest))


def _log_slope(native: Any, t: Any, rest: Any, xp: Any) -> Any:
    """Return log dx/dt: 1/t(1 − t), and 2a(1 + w²)/(1 − w²)² with 1 − w² = 4t(1 − t)."""
    log_spread = xp.log(t) + xp.log(rest)
    compact = xp.log(2 * REACH * (1 + (t - rest) ** 2)) - 2 * (log_spread + 2 * np.log(2.0))
    return xp.where(native, -log_spread, compact)

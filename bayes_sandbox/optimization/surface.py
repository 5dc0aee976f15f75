"""The surface to climb: a log density with its gradient and Hessian, compiled once and used by every start."""

from collections.abc import Callable
from typing import Any, Protocol

import jax
import numpy as np

from ..compiler import compiled

Density = Callable[[jax.Array], jax.Array]


class Climbable(Protocol):
    """What a climb asks of a surface."""

    far: Any

    def value(self, position: np.ndarray) -> float: ...
    def gradient(self, position: np.ndarray) -> np.ndarray: ...
    def hessian(self, position: np.ndarray) -> np.ndarray: ...
    def values(self, positions: np.ndarray) -> np.ndarray: ...


class Surface:
    """−f, its gradient and its Hessian at one point, each point evaluated once; a value that is NaN counts as +∞.

    Examples
    --------
    >>> surface = Surface(lambda u: -((u - 3.0) ** 2).sum())
    >>> surface.value(np.array([1.0])), surface.gradient(np.array([1.0])).tolist()
    (4.0, [-4.0])
    """

    def __init__(self, density: Density, far: np.ndarray | float = np.inf):
        self.far = far  # how far out, coordinate by coordinate, a climb has run away
        self._all = compiled(lambda u: (density(u), jax.grad(density)(u), jax.jacfwd(jax.grad(density))(u)))
        self._heights = compiled(jax.vmap(density))
        self._last: tuple[bytes, float, np.ndarray, np.ndarray] | None = None
        self.num_evaluations = 0

    def _at(self, position: np.ndarray) -> tuple[bytes, float, np.ndarray, np.ndarray]:
        key = np.asarray(position, float).tobytes()
        if self._last is None or self._last[0] != key:
            value, gradient, hessian = (np.asarray(x) for x in self._all(position))
            self.num_evaluations += 1
            height = -float(value)
            self._last = (key, np.inf if np.isnan(height) else height, -gradient, -hessian)
        return self._last

    def value(self, position: np.ndarray) -> float:
        return self._at(position)[1]

    def gradient(self, position: np.ndarray) -> np.ndarray:
        return self._at(position)[2]

    def hessian(self, position: np.ndarray) -> np.ndarray:
        hessian = self._at(position)[3]
        return (hessian + hessian.T) / 2

    def values(self, positions: Any) -> np.ndarray:
        """Return −f at many positions (n, d), in one compiled call for each n."""
        self.num_evaluations += len(positions)
        values = -np.asarray(self._heights(np.asarray(positions, float)))
        return np.where(np.isnan(values), np.inf, values)

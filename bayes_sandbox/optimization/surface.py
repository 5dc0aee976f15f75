"""The surface to climb: a log density with its gradient and Hessian, compiled once and used by every start."""

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import jax
import numpy as np

from ..batches import in_batches
from ..compiler import compiled

Density = Callable[[jax.Array], jax.Array]
FEW, AT_ONCE = 32, 4  # positions in one call, and evaluated at once: mostly two are asked for
LARGEST_HESSIAN = 250  # beyond this many coordinates the d×d Hessian costs more than quasi-Newton's extra steps


class Climbable(Protocol):
    """What a climb asks of a surface."""

    far: Any

    def value(self, position: np.ndarray) -> float: ...
    def gradient(self, position: np.ndarray) -> np.ndarray: ...
    def hessian(self, position: np.ndarray) -> np.ndarray: ...
    def values(self, positions: np.ndarray) -> np.ndarray: ...


class Surface:
    """−f, its gradient and its Hessian at one point, each point evaluated once; a value that is NaN counts as +∞.

    The Hessian comes along with the gradient where coordinates are few, and when it is asked for where they are many.
    Surfaces of one density share what was compiled for it.

    Examples
    --------
    >>> surface = Surface(lambda u: -((u - 3.0) ** 2).sum())
    >>> surface.value(np.array([1.0])), surface.gradient(np.array([1.0])).tolist()
    (4.0, [-4.0])
    """

    def __init__(self, density: Density, far: np.ndarray | float = np.inf):
        self.far = far  # how far out, coordinate by coordinate, a climb has run away
        self._density = density
        self._last: tuple[bytes, float, np.ndarray, np.ndarray | None] | None = None
        self.num_evaluations = 0

    def _at(self, position: np.ndarray, curved: bool = False) -> tuple[bytes, float, np.ndarray, np.ndarray | None]:
        position = np.asarray(position, float)
        key, curved = position.tobytes(), curved or len(position) <= LARGEST_HESSIAN
        if self._last is None or self._last[0] != key or (curved and self._last[3] is None):
            ask = _derivatives if curved else _slope
            value, gradient, *hessian = (np.asarray(x) for x in ask(self._density, position))
            self.num_evaluations += 1
            height = -float(value)
            self._last = (key, np.inf if np.isnan(height) else height, -gradient, -hessian[0] if hessian else None)
        return self._last

    def value(self, position: np.ndarray) -> float:
        return self._at(position)[1]

    def gradient(self, position: np.ndarray) -> np.ndarray:
        return self._at(position)[2]

    def hessian(self, position: np.ndarray) -> np.ndarray:
        hessian = self._at(position, curved=True)[3]
        assert hessian is not None
        return (hessian + hessian.T) / 2

    def values(self, positions: Any) -> np.ndarray:
        """Return −f at many positions (n, d)."""
        self.num_evaluations += len(positions)
        values = -in_batches(self._density, AT_ONCE, FEW)(positions)
        return np.where(np.isnan(values), np.inf, values)


class Framed:
    """A surface in the coordinates z of an affine frame, position = centre + scale z: by the chain rule."""

    far: Any = np.inf

    def __init__(self, surface: Surface, centre: np.ndarray, scale: np.ndarray):
        self._surface, self._centre, self._scale = surface, centre, scale

    @property
    def num_evaluations(self) -> int:
        return self._surface.num_evaluations

    def value(self, z: np.ndarray) -> float:
        return self._surface.value(self._centre + self._scale @ z)

    def gradient(self, z: np.ndarray) -> np.ndarray:
        return self._scale.T @ self._surface.gradient(self._centre + self._scale @ z)

    def hessian(self, z: np.ndarray) -> np.ndarray:
        return self._scale.T @ self._surface.hessian(self._centre + self._scale @ z) @ self._scale

    def values(self, z: np.ndarray) -> np.ndarray:
        return self._surface.values(self._centre + z @ self._scale.T)


@partial(compiled, static_argnums=0)
def _derivatives(density: Density, position: Any) -> tuple[jax.Array, jax.Array, jax.Array]:
    return density(position), jax.grad(density)(position), jax.jacfwd(jax.grad(density))(position)


@partial(compiled, static_argnums=0)
def _slope(density: Density, position: Any) -> tuple[jax.Array, jax.Array]:
    return jax.value_and_grad(density)(position)

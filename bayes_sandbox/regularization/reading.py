"""What a program holds at a point of its parameters, and how its numbers are called."""

from typing import Any

import jax
import numpy as np

from ..coordinates import Coordinates

NUM_POINTS = 3  # at which what is said of a model is checked
MANY = "sᵢ"  # stands for numbers that differ from one element to the next
MIXED = "·"  # stands for what depends on several parameters, or on one in another way than being it


def points_of(coords: Coordinates) -> list[dict[str, jax.Array]]:
    """Return a few points of the prior's support, near the middle of the unconstrained coordinates."""
    rng = np.random.default_rng(0)
    return [coords.constrain(u) for u in rng.normal(0, 0.5, (NUM_POINTS, coords.dimension))]


def read(values: list[Any], points: list[Any]) -> str:
    """Return what an argument is, from its values at several points: a number, a parameter, or a dot.

    >>> read([2.0, 2.0], [{"tau": 1.0}, {"tau": 3.0}]), read([1.0, 3.0], [{"tau": 1.0}, {"tau": 3.0}])
    ('2', 'tau')
    """
    arrays = [np.asarray(v) for v in values]
    if all(np.array_equal(a, arrays[0]) for a in arrays[1:]):
        same = arrays[0].size and (arrays[0] == arrays[0].flat[0]).all()
        return f"{arrays[0].flat[0]:.6g}" if same else MANY
    for name in points[0]:
        if all(_equal(a, np.asarray(p[name])) for a, p in zip(arrays, points)):
            return name
    return MIXED


def number(values: list[Any]) -> float | None:
    """Return the one number that an argument is at all points and in all elements, to every digit; else None.

    >>> number([0.25, 0.25]), number([1.0, 3.0])
    (0.25, None)
    """
    arrays = [np.asarray(v) for v in values]
    first = arrays[0].flat[0] if arrays[0].size else np.nan
    return float(first) if all((a == first).all() for a in arrays) else None


def is_known(text: str) -> bool:
    """Whether what was read is a number, or numbers.

    >>> is_known("1.5e-07"), is_known("sᵢ"), is_known("tau")
    (True, True, False)
    """
    try:
        float(text)
    except ValueError:
        return text == MANY
    return True


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    try:
        return bool(np.allclose(a, np.broadcast_to(b, a.shape), rtol=1e-12, atol=0))
    except ValueError:
        return False

"""What is a component called, and how does a distribution read in a line?"""

from typing import Any

import jax
import numpy as np

from .sites import bare


def labels(name: str, shape: tuple[int, ...]) -> list[str]:
    """Return the components of a parameter as ArviZ labels them.

    >>> labels("mu", ()), labels("S", (1, 2))
    (['mu'], ['S[0, 0]', 'S[0, 1]'])
    """
    if not shape:
        return [name]
    return [f"{name}[{', '.join(map(str, index))}]" for index in np.ndindex(*shape)]


def describe(name: str, fn: Any) -> str:
    """Return 'mu ~ Normal(loc=0, scale=10)'; an array shows its shape, and what depends on parameters a dot."""
    shape = tuple(fn.shape())
    fn = bare(fn)
    shown = [f"{name}={_brief(getattr(fn, name))}" for name in fn.arg_constraints if hasattr(fn, name)]
    size = f", shape {shape}" if shape else ""
    return f"{name} ~ {type(fn).__name__}({', '.join(shown)}){size}"


def _brief(value: Any) -> str:
    if isinstance(value, jax.core.Tracer):
        return "·"
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        return type(value).__name__
    same = array.size and (array == array.flat[0]).all()
    return f"{array.flat[0]:.4g}" if same else f"array{array.shape}"

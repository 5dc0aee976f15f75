"""Data and inputs as a caller passes them: checked for what JAX would misread, and copied.

What the data mean to a likelihood (shape, support, missing values) is checked in `inspection`.
"""

import copy
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .errors import ModelError

LONG_DOUBLES = (np.longdouble, np.clongdouble)


def as_array(value: Any, role: str) -> Any:
    """Return a copy of data or of an input as a JAX array; a scalar input stays a Python number.

    Raises
    ------
    ModelError
        For what is no array of real numbers that JAX can hold, and for an input with NaN.

    Examples
    --------
    >>> as_array([1, 2], "observed").tolist(), as_array(np.float64(3.0), "input 'n'")
    ([1, 2], 3.0)
    """
    _require_unmasked(value, role)
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        text = " ".join(str(error).split())
        raise ModelError(f"{role} must be an array of numbers, and NumPy cannot make one of it: {text}") from error
    _require_real(array, role)
    if role != "observed" and array.dtype.kind == "f" and np.isnan(array).any():
        raise ModelError(f"{role} has {int(np.isnan(array).sum())} NaN; drop these rows")
    # Scalars stay Python numbers, usable as sizes; arrays become JAX's, which a parameter may index. On a CPU
    # jnp.asarray may share the caller's memory; jnp.array never does.
    return jnp.array(array) if array.ndim or role == "observed" else array.item()


def owned(value: Any, role: str) -> Any:
    """Return an argument of a program with every array in it copied, also within lists, tuples, sets and dicts.

    The copies of NumPy arrays cannot be written to: a program that changes its data in place would be a different
    program each time it runs.

    Raises
    ------
    ModelError
        For a masked array whose mask would be lost, and for numbers that JAX cannot hold.

    Examples
    --------
    >>> y = np.zeros(2)
    >>> kept = owned({"y": [y]}, "argument 'data' of the program")
    >>> y[0] = 1.0
    >>> kept["y"][0].tolist()
    [0.0, 0.0]
    """
    if isinstance(value, dict):
        items = {k: owned(v, role) for k, v in value.items()}
        return items if type(value) is dict else _refilled(value, items)
    if isinstance(value, tuple) and hasattr(value, "_fields"):  # a named tuple
        return type(value)(*(owned(v, role) for v in value))
    if type(value) in (list, tuple, set):
        return type(value)(owned(v, role) for v in value)
    _require_unmasked(value, role)
    if isinstance(value, np.ndarray | np.generic) and value.dtype.type in LONG_DOUBLES:
        raise ModelError(_long_double(role))
    if isinstance(value, np.ndarray):
        array = np.array(value)
        array.setflags(write=False)
        return array
    if hasattr(value, "__array__") and not isinstance(value, jax.Array | np.generic):  # pandas, xarray, other libraries
        return copy.deepcopy(value)
    return value


def owned_distribution(entry: Any) -> Any:
    """Return a distribution that shares no NumPy array with its caller; any other entry as it stands.

    NumPyro keeps the arrays that it is given.
    """
    if callable(entry) and not hasattr(entry, "log_prob"):
        return entry
    leaves = jax.tree.leaves(entry)
    if not any(isinstance(leaf, np.ndarray) and leaf.ndim for leaf in leaves):
        return entry
    return jax.tree.map(lambda leaf: np.array(leaf) if isinstance(leaf, np.ndarray) else leaf, entry)


def _refilled(value: dict[Any, Any], items: dict[Any, Any]) -> dict[Any, Any]:
    found = copy.copy(value)
    found.update(items)
    return found


def _require_unmasked(value: Any, role: str) -> None:
    if isinstance(value, np.ma.MaskedArray) and np.ma.getmaskarray(value).any():
        raise ModelError(
            f"{role} is a masked array, whose {int(np.ma.getmaskarray(value).sum())} masked value(s) would count as "
            "data; fill them with a valid value (array.filled(0)), pass seen=~array.mask as an input, and return "
            "distribution.mask(seen) from the likelihood"
        )


def _require_real(array: np.ndarray, role: str) -> None:
    if array.dtype.type in LONG_DOUBLES:
        raise ModelError(_long_double(role))
    if array.dtype.kind == "c":
        raise ModelError(
            f"{role} must be an array of real numbers, got dtype {array.dtype}; pass real and imaginary parts"
        )
    if array.dtype.kind == "O" and (missing := sum(map(_is_missing, array.flat))):
        raise ModelError(
            f"{role} must be an array of numbers, got {missing} missing value(s) (None or NA); drop these rows, or "
            "fill them and mask them in the likelihood (distribution.mask)"
        )
    if array.dtype.kind not in "biuf":
        raise ModelError(
            f"{role} must be an array of numbers, got dtype {array.dtype}; convert it, for example with "
            "numpy.asarray(..., float)"
        )


def _is_missing(item: Any) -> bool:
    return item is None or type(item).__name__ in ("NAType", "NaTType") or (isinstance(item, float) and item != item)


def _long_double(role: str) -> str:
    return f"{role} holds long doubles, which JAX does not have; pass array.astype(float)"

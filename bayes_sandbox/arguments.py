"""Validators for the arguments of public functions and methods.

Each returns the argument in a plain type or raises an `ArgumentError`, whose sentence says what was expected, what came
and what to do. What a model must satisfy is checked in `program` and `inspection`, not here.
"""

import math
import operator
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .errors import ArgumentError, ArgumentTypeError, suggestion

MAX_SHOWN = 60  # characters of a value that an error sentence repeats
REAL_KINDS = "iuf"  # NumPy's kinds of real numbers; a boolean is not one


def integer(value: Any, name: str, *, at_least: int | None = None, example: int | None = None) -> int:
    """Return an integer; a boolean, a float and a string are refused.

    Parameters
    ----------
    value
        The argument as it was given.
    name
        What the argument is called in the sentence.
    at_least
        The smallest value allowed; any integer by default.
    example
        A value that the sentence suggests; `at_least` by default.

    Raises
    ------
    ArgumentTypeError
        If `value` is not an integer.
    ArgumentError
        If `value` is below `at_least`.

    Examples
    --------
    >>> integer(np.int64(3), "num_chains", at_least=1)
    3
    """
    bound = "" if at_least is None else f" of at least {at_least}"
    value_of = "" if " " in name else f"{name}="  # "each of dimensions" cannot be written in a call
    advice = f"pass for example {value_of}{next((v for v in (example, at_least) if v is not None), 0)}"
    try:
        found = None if _is_boolean(value) else operator.index(value)
    except TypeError:
        found = None
    if found is None:
        raise ArgumentTypeError(f"{name} must be an integer{bound}, got {shown(value)}; {advice}")
    if at_least is not None and found < at_least:
        raise ArgumentError(f"{name} must be an integer{bound}, got {shown(value)}; {advice}")
    return found


def number(value: Any, name: str) -> float:
    """Return a finite real number as a float.

    >>> number(np.float32(0.5), "value")
    0.5
    """
    found = _real(value, name, "a finite number")
    if not math.isfinite(found):
        raise ArgumentError(f"{name} must be a finite number, got {shown(value)}; pass for example {name}=1.0")
    return found


def positive(value: Any, name: str, *, infinite: bool = False, example: float = 1.0) -> float:
    """Return a positive number as a float.

    Parameters
    ----------
    value
        The argument as it was given.
    name
        What the argument is called in the sentence.
    infinite
        Whether infinity, for "no limit", is allowed; False by default.
    example
        A value that the sentence suggests; 1.0 by default.

    Examples
    --------
    >>> positive(60, "budget"), positive(math.inf, "budget", infinite=True)
    (60.0, inf)
    """
    wanted = "a positive number" if infinite else "a positive finite number"
    found = _real(value, name, wanted)
    if not found > 0 or (math.isinf(found) and not infinite):
        raise ArgumentError(f"{name} must be {wanted}, got {shown(value)}; pass for example {name}={example:g}")
    return found


def probabilities(value: Any, name: str) -> np.ndarray:
    """Return numbers between 0 and 1 as an array of their own shape; a single number has shape ().

    >>> probabilities([0.1, 0.9], "probability").tolist()
    [0.1, 0.9]
    """
    found = numbers(value, name)
    if not ((found >= 0) & (found <= 1)).all():
        worst = found[~((found >= 0) & (found <= 1))].flat[0]
        raise ArgumentError(f"{name} must lie between 0 and 1, got {worst:g}; pass for example {name}=0.5")
    return found


def numbers(value: Any, name: str, *, at_least_one: bool = False) -> np.ndarray:
    """Return finite real numbers as a float array of their own shape.

    >>> numbers([1, 2], "scales").tolist()
    [1.0, 2.0]
    """
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        array = np.asarray(None)
    if array.dtype.kind not in REAL_KINDS and array.size:
        raise ArgumentTypeError(f"{name} must be numbers, got {shown(value)}; pass a number or an array of numbers")
    if at_least_one and not array.size:
        raise ArgumentError(f"{name} must be at least one number, got none; pass for example {name}=[1.0]")
    found = array.astype(float)
    if not np.isfinite(found).all():
        bad = found[~np.isfinite(found)].flat[0]
        raise ArgumentError(f"{name} must be finite numbers, got {bad:g}; leave out what is not finite")
    return found


def positions(value: Any, name: str, dimension: int) -> np.ndarray:
    """Return unconstrained points of shape (…, dimension) as a float array.

    >>> positions([[1, 2]], "draws", 2).shape
    (1, 2)
    """
    found = numbers(value, name)
    if found.ndim < 1 or found.shape[-1] != dimension:
        raise ArgumentError(
            f"{name} must be unconstrained points of shape (..., {dimension}), got shape {found.shape}; "
            "pass for example the positions of a NUTSFit"
        )
    return found


def one_of(value: Any, name: str, choices: Collection[str]) -> str:
    """Return a name that is one of the choices.

    >>> one_of("map", "method", ("map", "grid"))
    'map'
    """
    known = ", ".join(map(repr, choices))
    if not isinstance(value, str):
        raise ArgumentTypeError(f"{name} must be one of {known}, got {shown(value)}; pass one of these names")
    if value not in choices:
        raise ArgumentError(f"{name} must be one of {known}, got {shown(value)}{suggestion(value, choices)}")
    return value


def names(
    value: Any, name: str, choices: Collection[str], unknown: Callable[[str], Exception], *, empty: bool = False
) -> list[str]:
    """Return a list of names, each of them one of the choices and there once; a string is one name.

    Parameters
    ----------
    value
        A name, or an iterable of names.
    name
        What the argument is called in the sentence.
    choices
        The names that exist.
    unknown
        Makes the exception for a name that does not exist.
    empty
        Whether no name at all is allowed; False by default.

    Examples
    --------
    >>> names("map", "methods", ("map", "grid"), KeyError)
    ['map']
    """
    found = [value] if isinstance(value, str) else listed(value, name, "names")
    for one in found:
        if not isinstance(one, str):
            known = ", ".join(choices)
            raise ArgumentTypeError(f"{name} must be names, got {shown(one)} among them; choose among {known}")
        if one not in choices:
            raise unknown(one)
    if not found and not empty:
        raise ArgumentError(f"{name} must be at least one name, got none; choose among {', '.join(choices)}")
    return list(dict.fromkeys(found))


def listed(value: Any, name: str, what: str) -> list[Any]:
    """Return the items of an iterable that is neither text nor a mapping."""
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise ArgumentTypeError(f"{name} must be a list of {what}, got {shown(value)}; pass for example a list")
    try:
        return list(value)
    except TypeError as error:  # an array of no dimension says that it is iterable
        raise ArgumentTypeError(
            f"{name} must be a list of {what}, got {shown(value)}; pass for example a list"
        ) from error


def integers(value: Any, name: str, *, at_least: int) -> tuple[int, ...]:
    """Return integers, at least one of them, none below `at_least`.

    >>> integers(range(1, 4), "dimensions", at_least=1)
    (1, 2, 3)
    """
    found = tuple(integer(one, f"each of {name}", at_least=at_least) for one in listed(value, name, "integers"))
    if not found:
        raise ArgumentError(f"{name} must be at least one integer, got none; pass for example {name}=[{at_least}]")
    return found


def flag(value: Any, name: str) -> bool:
    """Return a boolean.

    >>> flag(True, "progress")
    True
    """
    if not _is_boolean(value):
        raise ArgumentTypeError(f"{name} must be True or False, got {shown(value)}; pass {name}=True or {name}=False")
    return bool(value)


def mapping(value: Any, name: str, what: str) -> dict[Any, Any]:
    """Return a mapping as a dict.

    >>> mapping({"mu": 0.0}, "at", "parameter name -> value")
    {'mu': 0.0}
    """
    if not isinstance(value, Mapping):
        raise ArgumentTypeError(f"{name} must be a mapping of {what}, got {shown(value)}; pass for example a dict")
    return dict(value)


def text(value: Any, name: str) -> str:
    """Return text that is not empty.

    >>> text("coin", "name")
    'coin'
    """
    if not isinstance(value, str):
        raise ArgumentTypeError(f"{name} must be text, got {shown(value)}; pass for example {name}='model'")
    if not value.strip():
        raise ArgumentError(f"{name} must be text that is not empty, got {shown(value)}; leave {name} out or name it")
    return value


def folder(value: Any, name: str) -> Path:
    """Return the path of a folder, which need not exist yet.

    >>> folder("runs/coin", "folder").parts
    ('runs', 'coin')
    """
    if not isinstance(value, str | os.PathLike):
        raise ArgumentTypeError(f"{name} must be the path of a folder, got {shown(value)}; pass a string or a Path")
    path = os.fspath(value)
    if not isinstance(path, str) or not path or "\0" in path:
        raise ArgumentError(f"{name} must be the path of a folder, got {shown(path)}; pass for example 'runs/model'")
    if Path(path).exists() and not Path(path).is_dir():
        raise ArgumentError(f"{name} must be a folder, got the file {shown(path)}; choose another path")
    return Path(path)


def instance[Kind](value: Any, name: str, kind: type[Kind], advice: str) -> Kind:
    """Return an object of one class.

    >>> instance(2.5, "step", float, "pass a float")
    2.5
    """
    if not isinstance(value, kind):
        raise ArgumentTypeError(f"{name} must be {_with_article(kind.__name__)}, got {shown(value)}; {advice}")
    return value


def shown(value: Any) -> str:
    """Return a value as a sentence shows it: short values as they are written, others by their type.

    >>> shown(2.5), shown(None), shown(np.zeros(3)), shown({"a": 1}), shown("x" * 99)[:5]
    ('2.5', 'None', 'an array of shape (3,)', 'a dict', "'xxxx")
    """
    if isinstance(value, np.generic) and value.dtype.kind in "biufc":
        value = value.item()
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        written = repr(value)
        return written if len(written) <= MAX_SHOWN else f"{written[: MAX_SHOWN - 3]}..."
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"an array of shape {tuple(value.shape)}"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, list | tuple) and not value:
        return f"an empty {type(value).__name__}"
    return _with_article(type(value).__name__)


def _with_article(word: str) -> str:
    return f"{'an' if word[:1].lower() in 'aeiou' else 'a'} {word}"


def _is_boolean(value: Any) -> bool:
    return isinstance(value, bool | np.bool_) or getattr(value, "dtype", None) == np.bool_


def _real(value: Any, name: str, wanted: str) -> float:
    """Return one real number as a float; a boolean, text, complex numbers and arrays of several are refused."""
    is_number = isinstance(value, int | float | np.number) or (hasattr(value, "dtype") and np.shape(value) == ())
    try:
        if not is_number or _is_boolean(value) or np.asarray(value).dtype.kind == "c":
            raise TypeError
        return float(value)
    except (TypeError, ValueError):
        raise ArgumentTypeError(f"{name} must be {wanted}, got {shown(value)}; pass for example {name}=1.0") from None
    except OverflowError:
        raise ArgumentError(
            f"{name} must be {wanted}, got {shown(value)}, which no float holds; pass a smaller number"
        ) from None

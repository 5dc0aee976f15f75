"""Reading a study's tables."""

from typing import Any

import numpy as np

Row = dict[str, Any]
Tables = dict[str, list[Row]]


def columns(rows: list[Row], *names: str) -> list[np.ndarray]:
    """Return columns of a table as floats; None becomes NaN.

    >>> columns([{"x": 1, "y": None}, {"x": 2, "y": 3.0}], "x", "y")
    [array([1., 2.]), array([nan,  3.])]
    """
    return [np.array([np.nan if row[name] is None else row[name] for row in rows], float) for name in names]


def where(rows: list[Row], **equal: Any) -> list[Row]:
    """Return the rows whose columns have these values."""
    return [row for row in rows if all(row[name] == value for name, value in equal.items())]


def distinct(rows: list[Row], name: str) -> list[Any]:
    """Return what a column holds, each once, in the order of the table."""
    return list(dict.fromkeys(row[name] for row in rows))

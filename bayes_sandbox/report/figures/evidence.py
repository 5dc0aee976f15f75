"""What does each method say of log p(D), how sure is it, and what did it cost?"""

import math
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..numbers import count, duration, number
from .style import BLACK, COLOURS, GREY, new_figure

LONG = 1e-6  # of a value: a span so narrow makes tick labels so long that few fit
Row = dict[str, Any]


def evidence(tree: xr.DataTree, doc: dict[str, Any]) -> Figure | None:
    """Return the ladder of estimates: values on the left, quoted errors and distances from the best on the right.

    The right axis is logarithmic: a grid's 1e-9 and Laplace's 5 have no linear axis in common.
    """
    rows = [row for row in doc["evidence"] if row["log_evidence"] is not None]
    if not rows:
        return None
    figure = new_figure(8.6, 0.5 * len(rows) + 1.7)
    values, errors = figure.subplots(1, 2, sharey=True, width_ratios=[1.2, 1])
    for at, row in enumerate(rows):
        _value(values, at, row)
        _error(errors, at, row, doc["best"])
    names = [f"{r['method']}\n{count(r['num_evaluations'])} eval., {duration(number(r['seconds']))}" for r in rows]
    values.set(yticks=range(len(rows)), yticklabels=names, xlabel="log p(D)", ylim=(len(rows) - 0.5, -0.5))
    values.set_xlim(*_limits(rows))
    values.locator_params(axis="x", nbins=2 if np.ptp(values.get_xlim()) < LONG * abs(rows[0]["log_evidence"]) else 5)
    errors.set(xscale="log", xlabel="error, in nats (log scale)")
    errors.margins(x=0.1)
    for axes in (values, errors):
        axes.grid(axis="y", color="#dddddd", lw=0.8)
        axes.set_axisbelow(True)
    figure.legend(handles=_legend(rows), loc="outside upper center", ncols=4)
    return figure


def _value(axes: Axes, at: int, row: Row) -> None:
    colour, error = _colour(row), number(row["error"])
    if math.isfinite(error):
        axes.errorbar(row["log_evidence"], at, xerr=error, color=colour, capsize=3, lw=1.6)
    axes.plot(row["log_evidence"], at, "o", ms=8, mew=1.8, color=colour, mfc=colour if row["trusted"] else "white")


def _error(axes: Axes, at: int, row: Row, best: Row | None) -> None:
    colour, error = _colour(row), number(row["error"])
    if math.isfinite(error) and error > 0:
        axes.plot(error, at, "o", ms=8, mew=1.8, color=colour, mfc=colour if row["trusted"] else "white")
    if best is not None and best["method"] != row["method"]:
        away = abs(row["log_evidence"] - best["log_evidence"])
        if away > 0:
            axes.plot(away, at, "x", ms=7, mew=1.8, color=BLACK)


def _limits(rows: list[Row]) -> tuple[float, float]:
    """Return limits that hold every value, and every error bar that does not dwarf the distances between them."""
    values = np.array([row["log_evidence"] for row in rows])
    errors = np.nan_to_num([number(row["error"]) for row in rows])
    reach = max(np.ptp(values), float(np.median(errors)), 1e-9)
    low = max((values - errors).min(), values.min() - 1.5 * reach)
    high = min((values + errors).max(), values.max() + 1.5 * reach)
    return low - 0.1 * reach, high + 0.1 * reach


def _colour(row: Row) -> str:
    return COLOURS.get(row["method"], GREY)


def _legend(rows: list[Row]) -> list[Line2D]:
    look: dict[str, Any] = {"ls": "", "marker": "o", "ms": 8, "mew": 1.8, "color": GREY}
    handles = [Line2D([], [], label="trusted", **look), Line2D([], [], label="not trusted", mfc="white", **look)]
    return [
        *handles,
        Line2D([], [], ls="", marker="x", ms=7, mew=1.8, color=BLACK, label="distance from the recommended"),
    ]

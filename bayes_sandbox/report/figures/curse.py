"""Why not always a grid? Nodes and time at nine nodes an axis, by the number of parameters."""

import math
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..numbers import AGE_OF_UNIVERSE, DAY, SECOND, YEAR, count, typeset
from .style import BLUE, GREEN, GREY, VERMILION, new_figure

MARKS = ((SECOND, "a second"), (DAY, "a day"), (YEAR, "a year"), (AGE_OF_UNIVERSE, "the age of the universe"))
BLANK = {"facecolor": "white", "edgecolor": "none", "pad": 1}
CROWDED = 0.06  # of the axis: a point nearer to its neighbour has no room for a label
GPU = 500  # times this machine's densities per second: one H100 against two CPU cores in float64, measured
WIDEST = 40  # parameters along the axis: a model with more is marked at its end


def curse(tree: xr.DataTree, doc: dict[str, Any]) -> Figure | None:
    """Return the time of a grid against the number of parameters, with this model's and what it took in fact marked."""
    rows = [row for row in doc["lesson"]["nodes"] if row["seconds"] is not None]
    if len(rows) < 2:
        return None
    figure = new_figure(7.2, 4.0)
    axes = figure.subplots()
    dimension = doc["model"]["dimension"]
    reach = min(max(rows[-1]["dimension"], dimension), WIDEST)
    xs, logs = np.array([[row["dimension"], math.log10(row["seconds"])] for row in rows]).T
    line = np.poly1d(np.polyfit(xs, logs, 1))  # exact: every further axis multiplies by the same number
    axes.semilogy([1, reach], 10.0 ** line([1, reach]), color=BLUE, lw=1.2)
    axes.semilogy([1, reach], 10.0 ** line([1, reach]) / GPU, color=BLUE, lw=1.2, ls=":", label=f"{GPU} times faster")
    axes.semilogy(xs, 10.0**logs, "o", color=BLUE, ms=7)
    for row, left in zip(rows, [-math.inf, *xs]):
        if row["dimension"] - left > CROWDED * reach:
            at = (row["dimension"], row["seconds"])
            axes.annotate(
                typeset(f"{count(row['nodes'])} nodes"), at, (9, -4), textcoords="offset points", va="top", bbox=BLANK
            )
    _human_times(axes, on_the_left=dimension > reach / 2)
    _mark(axes, dimension, reach, line)
    _own(axes, doc, min(dimension, reach))
    figure.legend(loc="outside upper center", ncols=3)
    axes.set(xlabel="number of parameters", ylabel="seconds, at nine nodes an axis", xlim=(0, reach * 1.17))
    axes.set_ylim(bottom=rows[0]["seconds"] / 1000)
    axes.set_xticks([row["dimension"] for row in rows])
    return figure


def _human_times(axes: Axes, *, on_the_left: bool) -> None:
    """Draw the lines a person can compare with, named on the side where the model's mark is not."""
    for seconds, name in MARKS:
        axes.axhline(seconds, color=GREY, lw=0.8, ls=":")
        at, side = (0.01, "left") if on_the_left else (0.99, "right")
        axes.text(at, seconds * 1.8, name, transform=axes.get_yaxis_transform(), ha=side, color=GREY)


def _mark(axes: Axes, dimension: int, reach: int, line: np.poly1d) -> None:
    if dimension > reach:
        text, at = f"this model: {dimension} parameters, beyond the right edge", reach
    else:
        text, at = f"this model: {dimension} parameter{'s' * (dimension != 1)}", dimension
        axes.plot(at, 10.0 ** line(at), "D", color=VERMILION, ms=9, mfc="none", mew=2, zorder=4)
    axes.axvline(at, color=VERMILION, lw=1.2, ls="--", label=text)


def _own(axes: Axes, doc: dict[str, Any], at: float) -> None:
    """Mark what the recommended estimate of this model in fact took, draws that it needed included."""
    best = doc["best"]
    rows = [row for row in doc["evidence"] if best is not None and row["method"] == best["method"]]
    if rows and rows[0]["seconds"]:
        label = f"its evidence, by {best['method']}"
        axes.plot(at, rows[0]["seconds"], "*", color=GREEN, ms=14, mec="white", zorder=5, label=label)

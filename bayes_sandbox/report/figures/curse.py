"""Why not always a grid? Nodes and time at nine nodes an axis, by the number of parameters."""

import math
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ..numbers import AGE_OF_UNIVERSE, DAY, SECOND, YEAR, count
from .style import BLUE, GREY, VERMILION, new_figure

MARKS = ((SECOND, "a second"), (DAY, "a day"), (YEAR, "a year"), (AGE_OF_UNIVERSE, "the age of the universe"))
WIDEST = 40  # parameters along the axis: a model with more is marked at its end


def curse(tree: xr.DataTree, doc: dict[str, Any]) -> Figure | None:
    """Return the time of a grid against the number of parameters, with this model's marked."""
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
    axes.semilogy(xs, 10.0**logs, "o", color=BLUE, ms=7)
    for row in rows:
        axes.annotate(
            f"{count(row['nodes'])} nodes", (row["dimension"], row["seconds"]), (9, -4), textcoords="offset points", va="top"
        )
    for seconds, name in MARKS:
        axes.axhline(seconds, color=GREY, lw=0.8, ls=":")
        axes.annotate(name, (0.01, seconds), (0, 2), xycoords=("axes fraction", "data"), textcoords="offset points", color=GREY)
    _mark(axes, dimension, reach, line)
    axes.set(xlabel="number of parameters", ylabel="seconds, nine nodes an axis", xlim=(0, reach * 1.17))
    axes.set_xticks([row["dimension"] for row in rows])
    return figure


def _mark(axes: Any, dimension: int, reach: int, line: np.poly1d) -> None:
    if dimension > reach:
        text, at = f"this model: {dimension} parameters, beyond the right edge", reach
    else:
        text, at = f"this model: {dimension} parameter{'s' * (dimension != 1)}", dimension
        axes.plot(at, 10.0 ** line(at), "D", color=VERMILION, ms=9, mfc="none", mew=2, zorder=4)
    axes.axvline(at, color=VERMILION, lw=1.2, ls="--", label=text)
    axes.legend(loc="lower right")

"""The posterior learns; the product of predictions ends in one number."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..figures.style import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILION, new_figure
from .columns import Row, Tables, columns, distinct, where

SHADES = (BLUE, VERMILION, GREEN, ORANGE, PURPLE)
MARKS = ("o", "s", "^", "D", "v")


def _look(order: int) -> tuple[str, str]:
    """Return colour and mark; those of the data's own order are no other's."""
    at = order if order == 0 else 1 + (order - 1) % (len(SHADES) - 1)
    return SHADES[at], MARKS[at]


def _label(order: int) -> str:
    return "as the data are" if order == 0 else f"shuffled {order}"


def evidence(tables: Tables) -> Figure:
    """Draw the cumulated log evidence of each order, and each step's prediction by two routes."""
    figure = new_figure(9.0, 3.6)
    left, right = figure.subplots(1, 2, width_ratios=[1.5, 1])
    steps = tables["steps"]
    for order in distinct(steps, "order"):
        rows = where(steps, order=order)
        n, value, step, drawn, noise = columns(
            rows, "count", "log_evidence", "log_prediction", "log_prediction_by_draws", "standard_error"
        )
        colour, mark = _look(order)
        left.plot(n, value, mark, ls="-", color=colour, ms=6, mfc="none", mew=1.6, label=_label(order))
        right.errorbar(step, drawn - step, yerr=2 * noise, fmt=mark, color=colour, mfc="none", capsize=2)
    left.set(xlabel="observations so far", ylabel="log p(D so far)")
    last = max(row["count"] for row in steps)
    ends = [row["log_evidence"] for row in steps if row["count"] == last]
    left.annotate(
        f"all end at {np.mean(ends):.6f} ± {np.ptp(ends) / 2:.0e}".replace("-", "−"),
        (last, ends[0]),
        (-40, 0),
        textcoords="offset points",
        ha="right",
        va="center",
        arrowprops={"arrowstyle": "-", "color": GREY},
    )
    right.axhline(0, color=BLACK, lw=0.9)
    right.set(xlabel="log p(next | so far), by two evidences", ylabel="by draws, minus that")
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=5)
    return figure


def learning(tables: Tables) -> Figure:
    """Draw mean ± sd of each component against n, and the sds on logarithmic axes beside n^(−1/2)."""
    names = distinct(tables["learning"], "component")[:3]
    figure = new_figure(9.0, 3.0 * len(names) + 0.5)
    panels = figure.subplots(len(names), 2, squeeze=False)
    for name, (left, right) in zip(names, panels):
        rows = where(tables["learning"], component=name)
        for order in distinct(rows, "order"):
            n, mean, sd = columns(where(rows, order=order), "count", "mean", "sd")
            colour, mark = _look(order)
            shifted = n * 1.05 ** (order - 1)  # side by side, not on top of one another
            left.errorbar(shifted, mean, yerr=sd, fmt=mark, color=colour, mfc="none", capsize=2, lw=1.2)
            right.plot(n, sd, mark, ls="-", color=colour, mfc="none", ms=6, label=_label(order))
        _root(right, rows)
        left.set(xscale="log", xlabel="observations so far", ylabel=f"{name}: mean ± sd")
        right.set(xscale="log", yscale="log", xlabel="observations so far", ylabel=f"sd of {name}")
    figure.legend(*panels[0][1].get_legend_handles_labels(), loc="outside upper center", ncols=6)
    return figure


def _root(axes: Axes, rows: list[Row]) -> None:
    n, sd = columns(where(rows, order=0), "count", "sd")
    axes.plot(n, sd[-1] * np.sqrt(n[-1] / n), ":", color=BLACK, lw=1.4, label="1/√n")


FIGURES = {
    "evidence": (
        evidence,
        "Left: log p(D) as the same observations arrive in different orders: the paths differ, the end does not. "
        "Right: each step predicted from draws of the posterior so far, beside the ratio of two evidences; "
        "bars are two standard errors.",
    ),
    "learning": (
        learning,
        "The first three components. Left: the posterior of each order as it learns. Right: its width, beside the law "
        "1/√n (dotted).",
    ),
}

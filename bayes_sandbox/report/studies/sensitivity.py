"""How far each component moves as prior or likelihood is raised to a power."""

import numpy as np
from matplotlib.figure import Figure

from ..figures.style import BLUE, GREY, VERMILION, new_figure
from ..numbers import brief, number
from .columns import Tables, columns, distinct, where

MOST = 4  # components
LOOKS = {"prior": (BLUE, "o", "prior"), "likelihood": (VERMILION, "s", "likelihood")}


def powers(tables: Tables) -> Figure:
    """Draw mean and sd of each component against the power, by refits (marks) and by weights (lines)."""
    names = distinct(tables["powers"], "component")[:MOST]
    psense = {row["component"]: row for row in tables["psense"]}
    figure = new_figure(9.2, 2.7 * len(names) + 0.6)
    panels = figure.subplots(len(names), 2, squeeze=False, sharex=True)
    for name, (left, right) in zip(names, panels):
        for half, (colour, mark, label) in LOOKS.items():
            rows = sorted(where(tables["powers"], component=name, half=half), key=lambda row: row["power"])
            power, *moments = columns(rows, "power", "mean_refit", "mean_weighted", "sd_refit", "sd_weighted")
            for axes, (refit, weighted) in ((left, moments[:2]), (right, moments[2:])):
                axes.plot(power, refit, mark, color=colour, ms=7, mfc="none", mew=1.8, label=f"{label}: new sum")
                axes.plot(power, weighted, "-", color=colour, lw=1.4, label=f"{label}: old draws, weighted")
        for axes, what in ((left, "mean"), (right, "sd")):
            axes.axvline(1, color=GREY, lw=0.9, ls=":")
            axes.set(ylabel=f"{what} of {name}", xscale="log")
            ticks = [p for p in np.unique(power) if p in (0.5, 1.0, 2.0)]
            axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
            axes.minorticks_off()
        row = psense.get(name)
        if row is not None:
            prior, likelihood = (brief(number(row[half]), 2) for half in LOOKS)
            left.set_title(f"{name}: psense prior {prior}, likelihood {likelihood}", loc="left")
    for axes in panels[-1]:
        axes.set_xlabel("power")
    figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


FIGURES = {
    "powers": (
        powers,
        "The first four components of the posterior as its prior, or its likelihood, is raised to a power: marks are "
        "new sums, lines are the draws of the one posterior, weighted. Steep prior lines are a prior that matters; "
        "prior and likelihood both steep, and against one another, are a conflict of the two.",
    ),
}

"""Four judges of how many terms a model needs, on one axis."""

import numpy as np
from matplotlib.figure import Figure

from ..figures.style import BLUE, GREEN, GREY, VERMILION, new_figure
from .columns import Tables, columns, distinct, where

LOOKS = {
    "evidence_loss": (BLUE, "o", "-", "−log p(D)"),
    "loo_loss": (GREEN, "s", "-", "−LOO"),
    "held_out_loss": (VERMILION, "D", "--", "loss on what was held out"),
    "training_loss": (GREY, "v", ":", "loss in training"),
}
NAMES = {
    "polynomial": ("order of the polynomial", "A motorcyclist's head in a crash"),
    "predictors": ("compounds in the regression", "Heat of hardening cement"),
    "components": ("components of the mixture", "Velocities of galaxies"),
}


def orders(tables: Tables) -> Figure:
    """Draw, for each family, the four losses against the order; each one's best is filled."""
    families = distinct(tables["orders"], "family")
    widths = [max(len(where(tables["orders"], family=name)), 4) for name in families]
    figure = new_figure(1.5 + min(0.42 * sum(widths), 13.0), 4.2)
    panels = figure.subplots(1, len(families), squeeze=False, width_ratios=widths)[0]
    for axes, name in zip(panels, families):
        rows = where(tables["orders"], family=name)
        for judge, (colour, mark, line, label) in LOOKS.items():
            (loss,) = columns(rows, judge)
            axes.plot(loss, ls=line, marker=mark, color=colour, mfc="white", ms=6, label=label)
            if np.isfinite(loss).any():
                best = int(np.nanargmin(loss))
                axes.plot(best, loss[best], mark, color=colour, ms=9)
        what, title = NAMES[name]
        axes.set_xticks(range(len(rows)), [row["order"] for row in rows], rotation=90 if name == "predictors" else 0)
        axes.set(xlabel=what, title=title)
        axes.margins(x=0.08)
    panels[0].set_ylabel("nats an observation: lower is better")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


FIGURES = {
    "orders": (
        orders,
        "Four judges of the same models, fitted to the same part of real data; each judge's choice is filled. The "
        "loss in training all but always falls, the others turn. A compound is named by its number, - is none.",
    ),
}

"""Weights and losses along the strength of a penalty."""

import numpy as np
from matplotlib.figure import Figure

from ..figures.style import BLACK, BLUE, GREEN, GREY, ORANGE, VERMILION, new_figure
from .columns import Tables, columns, distinct, where

TITLES = {"l2": "L2: a normal prior", "l1": "L1: a Laplace prior"}
LOOKS = {
    "evidence_loss": (BLUE, "o", "-", "−log p(D)"),
    "loo_loss": (GREEN, "s", "-", "−LOO"),
    "cross_validation_loss": (ORANGE, "^", "-", "cross-validation"),
    "held_out_loss_map": (VERMILION, "D", "--", "held out: MAP"),
    "held_out_loss_predictive": (VERMILION, "d", ":", "held out: predictive"),
    "training_loss_map": (GREY, "v", "--", "training: MAP"),
    "training_loss_predictive": (GREY, "x", ":", "training: predictive"),
}
SHOWN = 6  # weights, from the first


def paths(tables: Tables) -> Figure:
    """Draw the MAP of each weight, and its posterior mean and interval, against the strength."""
    penalties = distinct(tables["weights"], "penalty")
    figure = new_figure(1.6 + 4.4 * len(penalties), 4.0)
    colours = (BLUE, VERMILION, GREEN, ORANGE, BLACK, GREY)
    for axes, penalty in zip(figure.subplots(1, len(penalties), sharey=True, squeeze=False)[0], penalties):
        components = distinct(where(tables["weights"], penalty=penalty), "component")[:SHOWN]
        for component, colour in zip(components, colours):
            rows = where(tables["weights"], penalty=penalty, component=component)
            strength, highest, mean, low, high = columns(rows, "strength", "map", "mean", "low", "high")
            axes.fill_between(strength, low, high, color=colour, alpha=0.12, lw=0)
            axes.plot(strength, mean, "--", color=colour, lw=1.4)
            axes.plot(strength, highest, "-", color=colour, lw=1.6, label=component)
            zero = highest == 0
            axes.plot(strength[zero], highest[zero], "o", color=colour, ms=5, mfc="white")
        axes.axhline(0, color=GREY, lw=0.6)
        axes.set(xscale="log", xlabel="strength λ: the prior narrows to the right", title=TITLES[penalty])
    first = figure.axes[0]
    first.set_ylabel("weight")
    first.plot([], [], "-", color=BLACK, label="MAP")
    first.plot([], [], "--", color=BLACK, label="posterior mean")
    first.plot([], [], "o", color=BLACK, mfc="white", label="exactly zero")
    figure.legend(*first.get_legend_handles_labels(), loc="outside right upper")
    return figure


def scores(tables: Tables) -> Figure:
    """Draw every judge's loss against the strength; its choice is filled."""
    penalties = distinct(tables["scores"], "penalty")
    figure = new_figure(1.6 + 4.4 * len(penalties), 4.0)
    panels = figure.subplots(1, len(penalties), sharey=True, squeeze=False)[0]
    for axes, penalty in zip(panels, penalties):
        rows = where(tables["scores"], penalty=penalty)
        for judge, (colour, mark, line, label) in LOOKS.items():
            strength, loss = columns(rows, "strength", judge)
            axes.plot(strength, loss, ls=line, marker=mark, color=colour, mfc="white", ms=5, lw=1.3, label=label)
            if np.isfinite(loss).any() and not judge.startswith("training"):
                best = int(np.nanargmin(loss))
                axes.plot(strength[best], loss[best], mark, color=colour, ms=8)
        for row in where(tables["chosen"], penalty=penalty, judge="the evidence, in closed form"):
            axes.axvline(row["strength"], color=BLUE, lw=0.8, ls=":")
        axes.set(xscale="log", xlabel="strength λ", title=TITLES[penalty])
    panels[0].set_ylabel("nats an observation: lower is better")
    panels[0].set_ylim(top=_highest(tables))
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper")
    return figure


def _highest(tables: Tables) -> float:
    """Return where to cut the picture: cross-validation of a high polynomial knows no bounds."""
    (others,) = columns(
        [{"loss": row[j]} for row in tables["scores"] for j in LOOKS if j != "cross_validation_loss"], "loss"
    )
    low, high = np.nanmin(others), np.nanmax(others)
    return float(high + 0.1 * (high - low))


FIGURES = {
    "paths": (
        paths,
        "The first six weights as the penalty grows. Solid: the MAP, which is the penalised fit; dashed, with the "
        "middle 90 %: the posterior. Under L1 weights of the MAP are exactly zero, one after the other; no posterior "
        "mean is.",
    ),
    "scores": (
        scores,
        "Judges of the strength, each one's choice filled: the evidence and LOO, nothing held out; cross-validation; "
        "the loss on what was held out. Below them the loss in training: the distance is the generalisation gap. "
        "Dotted: the strength of the highest evidence, in closed form. Cut off where only cross-validation goes on.",
    ),
}

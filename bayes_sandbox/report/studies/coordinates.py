"""Sums that an integral is the limit of; one posterior in several coordinates; cells and their images."""

import numpy as np
from matplotlib.figure import Figure

from ..figures.style import BLACK, BLUE, GREEN, GREY, SKY, VERMILION, new_figure
from .columns import Tables, columns, distinct, where

ARROW = 0.35  # of a basis vector, in the picture


def sums(tables: Tables) -> Figure:
    """Draw a sum as rectangles, and its error as there are more of them."""
    names = distinct(tables["sums"], "integrand")
    figure = new_figure(9.6, 3.2)
    panels = figure.subplots(1, 3)
    for axes, name in zip(panels, names):
        left, width, height = columns(where(tables["bars"], integrand=name), "left", "width", "height")
        axes.bar(left, height, width, align="edge", color=SKY, alpha=0.6, ec="white")
        axes.plot(left + width / 2, height, "o", color=BLUE, ms=4)
        axes.set(title=name, xlabel="x" if name.startswith("−") else "θ", ylim=(0, None))
    for name, colour in zip(names, (BLUE, VERMILION)):
        for rule, line in (("left", ":"), ("midpoint", "-")):
            n, error = columns(where(tables["sums"], integrand=name, rule=rule), "num_cells", "error")
            panels[2].plot(n, error, line, marker="o", ms=4, color=colour, label=f"{name}, {rule}")
    panels[2].set(xscale="log", yscale="log", xlabel="rectangles", title="error of the sum")
    figure.legend(*panels[2].get_legend_handles_labels(), loc="outside right upper")
    return figure


def charts(tables: Tables) -> Figure:
    """Draw the posterior in every coordinate, its mode, and the Gaussian at it."""
    rows = tables["charts"]
    figure = new_figure(12.4, 3.2)
    for axes, row in zip(figure.subplots(1, len(rows)), rows):
        u, posterior = columns(where(tables["curves"], chart=row["chart"]), "u", "posterior")
        axes.fill_between(u, posterior, color=SKY, alpha=0.5)
        axes.plot(u, posterior, "-", color=BLUE, lw=1.6)
        gaussian = np.exp(-row["curvature"] * (u - row["mode_u"]) ** 2 / 2) * posterior.max()
        axes.plot(u, gaussian, "--", color=VERMILION, lw=1.2)
        axes.axvline(row["mode_u"], color=BLACK, lw=0.8, ls=":")
        share = row["laplace"] / row["exact"]
        title = f"{row['chart']}: mode at θ = {row['mode']:.3f}\nLaplace says {share:.3f} of the area"
        axes.set(title=title, xlabel=row["formula"], ylim=(0, None))
    return figure


def cells(tables: Tables) -> Figure:
    """Draw a few cells of (r, angle), their images in the plane, and the basis vectors there."""
    figure = new_figure(8.6, 3.8)
    flat, plane = figure.subplots(1, 2)
    radii, angles = np.meshgrid(np.linspace(0.25, 1.75, 7), np.linspace(0, np.pi / 2 + 0.2, 43))
    for axes, x, y in ((flat, radii, angles), (plane, radii * np.cos(angles), radii * np.sin(angles))):
        axes.plot(x, y, color=GREY, lw=0.6)
        axes.plot(x[::7].T, y[::7].T, color=GREY, lw=0.6)
    for row in tables["cells"]:
        r, a = row["r"], row["angle"]
        x, y = r * np.cos(a), r * np.sin(a)
        for (dx, dy), (fx, fy), colour in (
            ((row["dx_dr"], row["dy_dr"]), (1, 0), VERMILION),
            ((row["dx_dangle"], row["dy_dangle"]), (0, 1), GREEN),
        ):
            arrow = {"arrowstyle": "->", "color": colour, "lw": 1.6}
            flat.annotate("", (r + ARROW * fx, a + ARROW * fy), (r, a), arrowprops=arrow)
            plane.annotate("", (x + ARROW * dx, y + ARROW * dy), (x, y), arrowprops=arrow)
        plane.annotate(f"det {row['determinant']:.1f}", (x, y), (4, -10), textcoords="offset points", fontsize=8)
    flat.set(xlim=(0.2, 2.0), xlabel="r", ylabel="angle", title="unit vectors of r and angle")
    plane.set(xlabel="x", ylabel="y", title="their images: columns of the Jacobian matrix", aspect="equal")
    return figure


FIGURES = {
    "sums": (
        sums,
        "An integral is a sum: eight rectangles under the lecture's parabola (5⅓) and under the coin's p(D, θ), whose "
        "area is p(D), and the error as rectangles are added.",
    ),
    "charts": (
        charts,
        "One posterior in four coordinates, each time with the Jacobian: the area under the curve is the same, the "
        "mode (dotted) is another point, and so is the Gaussian at it (dashed) and the evidence that it says.",
    ),
    "cells": (
        cells,
        "Polar coordinates: the columns of the Jacobian matrix are what unit vectors of r and of the angle become; its "
        "determinant, r, is what a small cell's area is multiplied by.",
    ),
}

"""How do the parameters move together, and which way did the optimizer climb?"""

from itertools import combinations
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .components import component, fitted, moving, posterior_draws, sampled
from .curves import coordinate, identity, modes, window
from .style import BLACK, COLOURS, new_figure

MOST_PARAMETERS = 4
MASSES = (0.5, 0.9, 0.99)  # of the posterior inside each contour
MOST_POINTS = 3000


def joint(tree: xr.DataTree, doc: dict[str, Any]) -> Figure | None:
    """Return a panel for each pair of the first parameters: draws, grid contours, Laplace ellipse, the climb."""
    labels = moving(tree, doc)[:MOST_PARAMETERS]
    if len(labels) < 2:
        return None
    size = len(labels) - 1
    figure = new_figure(6.4 if size == 1 else 3.1 * size, 5.4 if size == 1 else 2.6 * size + 0.6)
    panels = figure.subplots(size, size, squeeze=False, sharex="col", sharey="row")
    for axes in panels.reshape(-1):
        axes.set_visible(False)
    shown: dict[str, Any] = {}
    for column, row in combinations(range(len(labels)), 2):
        axes = panels[row - 1, column]
        axes.set_visible(True)
        _panel(axes, tree, doc, labels[column], labels[row], shown)
    for row in range(size):
        panels[row, 0].set_ylabel(labels[row + 1])
        panels[-1, row].set_xlabel(labels[row])
    figure.legend(shown.values(), shown.keys(), loc="outside upper center", ncols=3)
    return figure


def _panel(axes: Axes, tree: xr.DataTree, doc: dict[str, Any], x: str, y: str, shown: dict[str, Any]) -> None:
    _draws(axes, tree, doc, x, y, shown)
    _contours(axes, tree, x, y, shown)
    _ellipse(axes, tree, x, y, shown)
    if fitted(doc, "map").get("converged"):
        _climb(axes, tree, doc, x, y, shown)
    axes.set(xlim=_margin(*window(tree, doc, x)), ylim=_margin(*window(tree, doc, y)))
    axes.locator_params(nbins=5)


def _draws(axes: Axes, tree: xr.DataTree, doc: dict[str, Any], x: str, y: str, shown: dict[str, Any]) -> None:
    points = np.stack([np.ravel(posterior_draws(tree, label)) for label in (x, y)])
    thinned = points[:, :: -(-points.shape[1] // MOST_POINTS)]
    way, name = ("nuts", "NUTS draws") if sampled(doc) else ("grid", "draws through the grid")
    axes.scatter(thinned[0], thinned[1], s=4, color=COLOURS[way], alpha=0.25, linewidths=0, rasterized=True)
    shown[name] = _dot(COLOURS[way], "o", 5)
    if "sample_stats" in tree.children and "diverging" in tree["sample_stats"]:
        bad = points[:, np.ravel(tree["sample_stats"]["diverging"]).astype(bool)]
        if bad.size:
            axes.scatter(bad[0], bad[1], s=16, color=BLACK, marker="x", linewidths=1, zorder=4, rasterized=True)
            shown["divergent"] = _dot(BLACK, "x", 5)


def _contours(axes: Axes, tree: xr.DataTree, x: str, y: str, shown: dict[str, Any]) -> None:
    if "grid" not in tree.children or "joint_density" not in tree["grid"]:
        return
    grid = tree["grid"].dataset
    if list(grid["component"].values) != [x, y]:
        return
    density = np.asarray(grid["joint_density"])
    heights = np.sort(density, axis=None)[::-1]
    held = np.cumsum(heights) / heights.sum()
    levels = sorted({float(heights[np.searchsorted(held, mass)]) for mass in MASSES})
    axes.contour(grid["joint_x"], grid["joint_y"], density.T, levels=levels, colors=COLOURS["grid"], linewidths=1.6)
    shown["grid: 50, 90, 99 % inside"] = Line2D([], [], color=COLOURS["grid"], lw=1.6)


def _ellipse(axes: Axes, tree: xr.DataTree, x: str, y: str, shown: dict[str, Any]) -> None:
    """Draw the Laplace Gaussian's 90 % ellipse, where its coordinates are the user's own."""
    if "laplace" not in tree.children or not (identity(tree, x) and identity(tree, y)):
        return
    at = [at for label in (x, y) if (at := coordinate(tree, label)) is not None]
    laplace = tree["laplace"].dataset
    centre, scale = np.asarray(laplace["position"])[at], np.asarray(laplace["scale"])[at]
    if not np.isfinite(scale).all():
        return
    angle = np.linspace(0, 2 * np.pi, 200)
    radius = np.sqrt(-2 * np.log(1 - 0.9))  # of 90 % of a Gaussian in two dimensions
    ring = radius * np.linalg.cholesky(scale @ scale.T) @ [np.cos(angle), np.sin(angle)]
    axes.plot(*(centre[:, None] + ring), color=COLOURS["laplace"], lw=1.8, ls=(0, (5, 2)))
    shown["Laplace Gaussian: 90 %"] = Line2D([], [], color=COLOURS["laplace"], lw=1.8, ls=(0, (5, 2)))


def _climb(axes: Axes, tree: xr.DataTree, doc: dict[str, Any], x: str, y: str, shown: dict[str, Any]) -> None:
    colour = COLOURS["map"]
    path = [component(tree["map"], label, "_path") if "map" in tree.children else None for label in (x, y)]
    if path[0] is not None and path[1] is not None:
        axes.plot(path[0], path[1], color=colour, lw=1, marker=".", ms=4, alpha=0.8)
        shown["the optimizer's path"] = Line2D([], [], color=colour, lw=1, marker=".", ms=4)
    at, other = modes(doc, x), modes(doc, y)
    looks: dict[str, dict[str, Any]] = {
        "map": {"label": "MAP", "marker": "*", "ms": 10},
        # hollow and larger, so that both are seen where they coincide
        "map_unconstrained": {"label": "mode, unconstrained", "marker": "D", "ms": 11, "mfc": "none", "mew": 1.8},
    }
    for way, look in looks.items():
        if way in at and way in other:
            shown[look["label"]] = axes.plot(
                at[way], other[way], ls="", color=COLOURS[way], zorder=5, clip_on=False, **look
            )[0]


def _dot(colour: str, marker: str, size: float) -> Line2D:
    return Line2D([], [], ls="", marker=marker, ms=size, color=colour)


def _margin(low: float, high: float) -> tuple[float, float]:
    room = 0.04 * (high - low)
    return low - room, high + room

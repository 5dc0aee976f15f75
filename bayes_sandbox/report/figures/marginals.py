"""What does each component's posterior look like, by every way that has one?"""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .components import draws_of, moving, sampled
from .curves import Curve, grid_curve, laplace_curve, modes, smooth, window
from .style import COLOURS, MOST_COMPONENTS, new_figure, shape_of

LOOKS: dict[str, dict[str, Any]] = {
    "prior": {"label": "prior", "lw": 1.4, "ls": (0, (1, 1))},
    "laplace": {"label": "Laplace Gaussian", "lw": 1.6, "ls": (0, (5, 2))},
    "grid": {"label": "grid (quadrature)", "lw": 4, "alpha": 0.4},  # wide, so that NUTS stays visible on top
    "nuts": {"label": "NUTS draws", "lw": 1.4},
    "map": {"label": "MAP, in your coordinates", "lw": 1.6},
    "map_unconstrained": {"label": "mode, unconstrained coordinates", "lw": 1.6, "ls": (0, (3, 2))},
}


def marginals(tree: xr.DataTree, doc: dict[str, Any]) -> Figure | None:
    """Return one panel for each component with every curve there is, and the two modes as lines."""
    labels = moving(tree, doc)[:MOST_COMPONENTS]
    if not labels:
        return None
    rows, columns = shape_of(len(labels))
    figure = new_figure(max(3.4 * columns, 6.4), 2.5 * rows + 0.9)
    panels = figure.subplots(rows, columns, squeeze=False).reshape(-1)
    shown: dict[str, Any] = {}
    for axes, label in zip(panels, labels):
        _panel(axes, tree, doc, label, shown)
    for axes in panels[len(labels) :]:
        axes.set_axis_off()
    order = [name for name in LOOKS if name in shown]
    columns = 3 if len(order) > 4 or columns == 1 else len(order)
    figure.legend(
        [shown[n] for n in order], [LOOKS[n]["label"] for n in order], loc="outside upper center", ncols=columns
    )
    return figure


def _panel(axes: Axes, tree: xr.DataTree, doc: dict[str, Any], label: str, shown: dict[str, Any]) -> None:
    low, high = window(tree, doc, label)
    top = 0.0
    for name, curve in _curves(tree, doc, label, low, high).items():
        if curve is not None:
            shown[name] = axes.plot(*curve, color=COLOURS[name], **LOOKS[name])[0]
            if name != "prior":
                top = max(top, _height(*curve, low, high))
    for name, at in modes(doc, label).items():
        if low <= at <= high:
            shown[name] = axes.axvline(at, color=COLOURS[name], **LOOKS[name])
    axes.set(xlim=_with_edges(low, high), ylim=(0, 1.08 * top), title=label, yticks=[], ylabel="density")
    axes.locator_params(axis="x", nbins=5)


def _height(x: np.ndarray, density: np.ndarray, low: float, high: float) -> float:
    """Return how high a curve goes within a window; at an edge where it has no bound, what all but a sliver reaches.

    >>> x = np.linspace(0, 1, 10_001)
    >>> _height(x, x**2, 0, 1), _height(x, 1 / np.sqrt(x + 1e-12), 0, 1) < 20
    (1.0, True)
    """
    inside = density[(x >= low) & (x <= high)]
    if not inside.size:
        return 0.0
    most = float(np.quantile(np.interp(np.linspace(low, high, 401), x, density, left=0.0, right=0.0), 0.97))
    at_an_end = density.argmax() in (0, len(density) - 1)
    return 1.5 * most if at_an_end and inside.max() > 5 * most else float(inside.max())


def _curves(tree: xr.DataTree, doc: dict[str, Any], label: str, low: float, high: float) -> dict[str, Curve | None]:
    return {
        "prior": smooth(draws_of(tree, "prior", label), low, high),
        "laplace": laplace_curve(tree, label, low, high),
        "grid": grid_curve(tree, label),
        "nuts": smooth(draws_of(tree, "posterior", label), low, high) if sampled(doc) else None,
    }


def _with_edges(low: float, high: float) -> tuple[float, float]:
    """Return a window a little wider, so that a line on an edge of the support is not half hidden by the frame."""
    room = 0.015 * (high - low)
    return low - room, high + room

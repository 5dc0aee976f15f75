"""What is there to see? Every figure of a report that applies, by name."""

from collections.abc import Callable
from typing import Any

import xarray as xr
from matplotlib.figure import Figure

from .curse import curse
from .evidence import evidence
from .joint import joint
from .marginals import marginals
from .occam import occam
from .predictive import posterior_predictive, prior_predictive
from .sampler import energy, rank, trace
from .style import house_style

DRAWERS: tuple[Callable[[xr.DataTree, dict[str, Any]], Figure | None], ...] = (
    marginals,
    joint,
    rank,
    trace,
    energy,
    prior_predictive,
    posterior_predictive,
    evidence,
    occam,
    curse,
)


def figures(tree: xr.DataTree, doc: dict[str, Any]) -> dict[str, Figure]:
    """Return the figures that a run's draws and document allow, by name, in the order of the report.

    They belong to nobody else: pyplot does not know them, and its settings are as before.
    """
    with house_style():
        drawn = {draw.__name__: draw(tree, doc) for draw in DRAWERS}
        found = {name: figure for name, figure in drawn.items() if figure is not None}
        for figure in found.values():
            figure.draw_without_rendering()  # makes every tick while the house's settings hold
    return found

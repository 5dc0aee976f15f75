"""Did the chains mix? ArviZ's own pictures of it."""

from typing import Any

import arviz_plots as azp
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from .components import fitted, flat_draws, moving, sampled
from .style import BLUE, COLOURS, MOST_COMPONENTS, VERMILION, adopt, shape_of


def rank(tree: xr.DataTree, doc: dict[str, Any]) -> Figure | None:
    """Return ArviZ's rank plot of the components that mix worst; traces where there is only one chain."""
    if not sampled(doc):
        return None
    labels = worst(moving(tree, doc), doc)
    if not labels:
        return None
    draws = flat_draws(tree, labels)
    rows, columns = shape_of(len(labels))
    size = (max(3.2 * columns, 6.4), 2.1 * rows + 0.4)
    options = {"col_wrap": columns, "figure_kwargs": {"figsize": size}}
    if draws["posterior"].sizes["chain"] > 1:
        return _legible(adopt(azp.plot_rank(draws, **options)))
    return _legible(adopt(azp.plot_trace(draws, **options)))


def worst(labels: list[str], doc: dict[str, Any]) -> list[str]:
    """Return the components with the largest R-hat, in the model's order."""
    r_hat = fitted(doc, "nuts").get("r_hat", {})
    kept = sorted(labels, key=lambda label: -(r_hat.get(label) or 0.0))[:MOST_COMPONENTS]
    return [label for label in labels if label in kept]


def energy(tree: xr.DataTree, doc: dict[str, Any]) -> Figure | None:
    """Return ArviZ's energy plot: both curves alike where the momentum moves the chain freely between levels."""
    if "sample_stats" not in tree.children or "energy" not in tree["sample_stats"]:
        return None
    if not np.isfinite(tree["sample_stats"]["energy"]).all():
        return None
    stats = xr.DataTree.from_dict({"sample_stats": tree["sample_stats"].to_dataset()})
    plot = azp.plot_energy(
        stats,
        aes={"color": ["energy"]},
        color=[COLOURS["nuts"], VERMILION],
        visuals={"bfmi_points": {"color": BLUE}, "ref_line": {"color": VERMILION}},
        figure_kwargs={"figsize": (7.6, 3.2)},
    )
    return _legible(adopt(plot))


def _legible(figure: Figure) -> Figure:
    for axes in figure.axes:
        axes.title.set_fontsize(10.5)
        axes.tick_params(labelsize=9)
        axes.xaxis.label.set_fontsize(9.5)
        axes.yaxis.label.set_fontsize(9.5)
    return figure

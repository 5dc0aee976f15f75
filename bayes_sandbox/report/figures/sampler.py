"""Did the chains mix? ArviZ's own pictures of it."""

from collections.abc import Callable
from typing import Any

import arviz_plots as azp
import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ...variable_names import to_site
from .components import fitted, flat_draws, moving, sampled
from .style import BLUE, COLOURS, MOST_COMPONENTS, VERMILION, adopt, shape_of

CHAINS = ["#00402F", "#009E73", "#66C9AD", "#8A8A8A"]  # shades of NUTS's own colour, told apart by lightness
MOST_DRAWS = 4000  # of a component: ArviZ's test of 40,000 ranks takes ten seconds each, and the file grows with them


def rank(tree: xr.DataTree, doc: dict[str, Any]) -> Figure | None:
    """Return ArviZ's rank plot of the components that mix worst; nothing where one chain has no other to agree with."""
    return _chains(tree, doc, azp.plot_rank) if _num_chains(tree) > 1 else None


def trace(tree: xr.DataTree, doc: dict[str, Any]) -> Figure | None:
    """Return ArviZ's trace plot of the components that mix worst, where there is a single chain."""
    return _chains(tree, doc, azp.plot_trace) if _num_chains(tree) == 1 else None


def _num_chains(tree: xr.DataTree) -> int:
    return tree["posterior"].sizes["chain"] if "posterior" in tree.children else 0


def _chains(tree: xr.DataTree, doc: dict[str, Any], plot: Callable[..., Any]) -> Figure | None:
    labels = worst(moving(tree, doc), doc) if sampled(doc) else []
    if not labels:
        return None
    draws = _thinned(flat_draws(tree, labels))
    rows, columns = shape_of(len(labels))
    size = (max(3.2 * columns, 6.4), 2.1 * rows + 0.4)
    return _legible(adopt(plot(draws, col_wrap=columns, color=CHAINS, figure_kwargs={"figsize": size})))


def _thinned(draws: xr.DataTree) -> xr.DataTree:
    sizes = draws["posterior"].sizes
    return draws.isel(draw=slice(None, None, -(-sizes["chain"] * sizes["draw"] // MOST_DRAWS)))


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
    figure = _legible(adopt(plot))
    figure.axes[0].yaxis.set_major_locator(MaxNLocator(integer=True))
    figure.axes[0].set_xlabel("E-BFMI")
    figure.axes[0].set_title("")
    figure.axes[1].set_xlabel("energy: distance from its mean, and its steps")
    return figure


def _legible(figure: Figure) -> Figure:
    for axes in figure.axes:
        axes.set_title(to_site(axes.get_title()))
        for text in list(axes.texts):  # ArviZ writes its test over the curves
            axes.set_title(f"{axes.get_title()}: {text.get_text().replace('(', ' (')}")
            text.remove()
        axes.title.set_fontsize(10)
        axes.tick_params(labelsize=9)
        axes.xaxis.label.set_fontsize(9.5)
        axes.yaxis.label.set_fontsize(9.5)
    return figure

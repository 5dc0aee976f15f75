"""Could the model have produced these data? What it predicts, beside what was seen."""

from typing import Any

import arviz_plots as azp
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ...variable_names import to_site
from .style import BLACK, BLUE, GREY, adopt, new_figure

MOST_INTERVALS = 40  # observations that are still told apart along an axis
MOST_BARS = 40
NUM_REPLICATES = 50
SHOWN = (0.005, 0.995)  # of what is predicted: a heavy tail would squeeze the rest into one line


def prior_predictive(tree: xr.DataTree, doc: dict[str, Any]) -> Figure | None:
    """Return what the prior alone predicts."""
    return _predictive(tree, "prior_predictive", GREY)


def posterior_predictive(tree: xr.DataTree, doc: dict[str, Any]) -> Figure | None:
    """Return what the posterior predicts."""
    return _predictive(tree, "posterior_predictive", BLUE)


def _predictive(tree: xr.DataTree, group: str, colour: str) -> Figure | None:
    """Choose a picture by how many numbers were observed: one, some, or many; the first site stands for all."""
    if group not in tree.children or "observed_data" not in tree.children:
        return None
    for name, observed in tree["observed_data"].data_vars.items():
        predicted = tree[group].dataset.get(name)
        if predicted is not None and predicted.shape[2:] == observed.shape:
            return _site(to_site(str(name)), np.asarray(predicted), np.asarray(observed), group, colour)
    return None


def _site(name: str, predicted: np.ndarray, observed: np.ndarray, group: str, colour: str) -> Figure:
    seen = observed.reshape(-1)
    there = np.isfinite(seen.astype(float))  # a masked observation may be NaN
    draws, seen = predicted.reshape(*predicted.shape[:2], -1)[..., there], seen[there]
    if seen.size == 1:
        return _totals(draws[..., 0], float(seen[0]), name, colour)
    if seen.dtype.kind in "biu" and set(np.unique(seen)) <= {0, 1} and seen.size > MOST_INTERVALS:
        return _totals(draws.sum(axis=-1), float(seen.sum()), f"number of ones in {name}, of {seen.size}", colour)
    coords = dict(zip(("chain", "draw", "observation"), map(np.arange, draws.shape)))
    predictions = xr.Dataset({"y": (tuple(coords), draws)}, coords=coords)
    seen_set = xr.Dataset({"y": (("observation",), seen)}, coords={"observation": coords["observation"]})
    tree = xr.DataTree.from_dict({group: predictions, "observed_data": seen_set})
    return (_intervals if seen.size <= MOST_INTERVALS else _distribution)(tree, group, name, draws, seen, colour)


def _totals(draws: np.ndarray, seen: float, name: str, colour: str) -> Figure:
    """Draw how often each value is predicted, and a line at the one that was seen."""
    figure = new_figure(6.4, 3.0)
    axes = figure.subplots()
    values, counts = np.unique(draws, return_counts=True)
    if draws.dtype.kind in "biu" and len(values) <= MOST_BARS:
        axes.bar(values, counts / draws.size, width=0.8, color=colour, alpha=0.55, label="predicted")
        axes.set_ylabel("share of draws")
    else:
        low, high = _range(draws, np.array([seen]))
        axes.hist(
            np.ravel(draws), bins=40, range=(low, high), density=True, color=colour, alpha=0.55, label="predicted"
        )
        axes.set_ylabel("density")
    axes.axvline(seen, color=BLACK, lw=2, label=f"observed: {seen:g}")
    axes.set_xlabel(name)
    axes.xaxis.set_major_locator(MaxNLocator(integer=draws.dtype.kind in "biu"))
    _legend(figure, axes)
    return figure


def _intervals(tree: xr.DataTree, group: str, name: str, draws: np.ndarray, seen: np.ndarray, colour: str) -> Figure:
    visuals = {
        "trunk": {"color": colour},
        "twig": {"color": colour},
        "prediction_markers": {"color": colour},
        "observed_markers": False,
        "xlabel": False,
        "ylabel": False,
    }
    options: dict[str, Any] = {"point_estimate": "median", "figure_kwargs": {"figsize": (6.4, 3.2)}}  # Cauchy: no mean
    figure = adopt(azp.plot_ppc_interval(tree, group=group, visuals=visuals, **options))
    axes = figure.axes[0]
    axes.plot(np.arange(seen.size), seen, "D", color=BLACK, mec="white", ms=6, zorder=4, label="observed")
    axes.plot([], [], "o", color=colour, label="predicted: median")
    axes.plot([], [], color=colour, lw=3, label="50 %")
    axes.plot([], [], color=colour, lw=3, alpha=0.5, label="89 %")
    axes.set(xlabel="observation", ylabel=name)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _legend(figure, axes)
    return figure


def _distribution(tree: xr.DataTree, group: str, name: str, draws: np.ndarray, seen: np.ndarray, colour: str) -> Figure:
    options: dict[str, Any] = {
        "kind": "ecdf",
        "num_samples": min(NUM_REPLICATES, draws.shape[0] * draws.shape[1]),
        "visuals": {"predictive_dist": {"color": colour}, "observed_dist": {"color": BLACK, "width": 2}},
        "figure_kwargs": {"figsize": (6.4, 3.2)},
    }
    figure = adopt(azp.plot_ppc_dist(tree, group=group, **options))
    axes = figure.axes[0]
    axes.plot([], [], color=BLACK, lw=2, label="observed")
    axes.plot([], [], color=colour, alpha=0.5, label=f"predicted, {options['num_samples']} times")
    axes.set(xlim=_range(draws, seen), xlabel=name, ylabel="share below", title="")
    _legend(figure, axes)
    return figure


def _range(draws: np.ndarray, seen: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(draws, SHOWN)
    return min(low, seen.min()), max(high, seen.max())


def _legend(figure: Figure, axes: Axes) -> None:
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=4)

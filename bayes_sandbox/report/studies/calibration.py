"""z-scores, bounds, and the uniformity of simulated ranks."""

import arviz_plots as azp
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ..figures.style import BLACK, BLUE, GREY, VERMILION, adopt, new_figure
from ..numbers import brief, typeset
from .columns import Tables, columns, distinct, where

WAYS = {"grid": "grid", "laplace": "Laplace", "nuts": "NUTS"}


def scores(tables: Tables) -> Figure | None:
    """Draw the z-scores of each stochastic estimator, problem by problem, beside where they should be."""
    rows = where(tables["scores"], trusted=True)
    methods = distinct(rows, "method")
    if not methods:
        return None
    names = distinct(rows, "problem")
    figure = new_figure(3.0 + 2.1 * len(methods), 0.42 * len(names) + 1.6)
    panels = figure.subplots(1, len(methods), sharex=True, sharey=True, squeeze=False)[0]
    for axes, method in zip(panels, methods):
        for at, name in enumerate(names):
            found = where(rows, method=method, problem=name)
            if not found:
                continue
            gap, error = columns(found, "gap", "error")
            jitter = np.random.default_rng(0).uniform(-0.25, 0.25, len(gap))
            axes.plot(np.clip(gap / error, -5, 5), at + jitter, ".", color=BLUE, ms=4, alpha=0.5)
            mean, sd = columns(where(tables["z"], method=method, problem=name), "mean_z", "sd_z")
            axes.errorbar(mean, [at], xerr=sd, fmt="D", color=BLACK, ms=5, mfc="white", capsize=4, zorder=4)
        for line in (-1, 0, 1):
            axes.axvline(line, color=GREY, lw=0.9, ls="-" if line == 0 else ":")
        axes.set(title=method, xlabel="z", xlim=(-5.2, 5.2))
    panels[0].set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.4, -0.6))
    return figure


def coverage(tables: Tables) -> Figure | None:
    """Draw the true gap of each sum against the error it gave."""
    rows = [row for row in tables["coverage"] if row["error"] is not None and row["gap"] is not None]
    if not rows:
        return None
    methods = distinct(rows, "method")
    figure = new_figure(3.0 * len(methods) + 0.8, 3.4)
    panels = figure.subplots(1, len(methods), sharex=True, sharey=True, squeeze=False)[0]
    for axes, method in zip(panels, methods):
        for trusted, face in ((True, BLUE), (False, "white")):
            gap, error = columns(where(rows, method=method, trusted=trusted), "gap", "error")
            axes.plot(np.maximum(error, 1e-14), np.maximum(gap, 1e-14), "o", ms=6, color=BLUE, mfc=face)
        axes.plot([1e-14, 1e2], [1e-14, 1e2], color=VERMILION, lw=1.2)
        axes.set(xscale="log", yscale="log", title=method, xlabel="error given")
    panels[0].set_ylabel("true error")
    panels[-1].plot([], [], "o", color=BLUE, label="trusted")
    panels[-1].plot([], [], "o", color=BLUE, mfc="white", label="not trusted")
    panels[-1].plot([], [], color=VERMILION, label="below: a bound")
    figure.legend(*panels[-1].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def uniformity(tables: Tables) -> Figure:
    """Draw ArviZ's difference between the ECDF of the shares below the truth and that of a uniform."""
    shares = {label: columns(where(tables["pit"], way=way), "pit")[0] for way, label in WAYS.items()}
    chain = xr.Dataset({k: (("chain", "draw"), v[None]) for k, v in shares.items()})
    tree = xr.DataTree.from_dict({"prior_sbc": chain})
    visuals = {"ecdf_lines": {"color": BLUE}, "suspicious_points": {"color": VERMILION}, "p_value_text": False}
    collection = azp.plot_ecdf_pit(tree, visuals=visuals, figure_kwargs={"figsize": (9.0, 3.0)})
    figure = adopt(collection)
    reach = 1.15 * max(_furthest(values) for values in shares.values())
    for axes, (way, label) in zip(figure.axes, WAYS.items()):
        (row,) = where(tables["uniformity"], way=way)
        axes.set_title(typeset(f"{label}: p = {brief(row['p_value'], 2)}"))
        axes.set_ylim(-reach, reach)
        axes.set_xlabel("share of the posterior below the truth")
        axes.tick_params(labelsize=9)
    figure.axes[0].set_ylabel("ECDF minus the uniform's")
    return figure


def _furthest(values: np.ndarray) -> float:
    """Return the largest difference between the ECDF and the uniform's."""
    ordered = np.sort(values)
    return float(np.abs(np.arange(1, len(ordered) + 1) / len(ordered) - ordered).max())


FIGURES = {
    "scores": (
        scores,
        "Each dot is a repeat that trusts itself: (log evidence − truth) / standard error, drawn at ±5 if beyond. "
        "The diamond and its bars are mean and sd: a standard error is one where they lie on the three lines.",
    ),
    "coverage": (
        coverage,
        "Each dot is one posterior with a known evidence. Below the line the error given is a bound; "
        "zeros are drawn at 1e-14.",
    ),
    "uniformity": (
        uniformity,
        "Simulation-based calibration: parameters from the prior, data from them, and the share of the posterior below "
        "the parameter, which is uniform if the posterior is right (and if a method returns the prior). ArviZ marks "
        "stretches that its own test finds suspicious; p is Kolmogorov and Smirnov's.",
    ),
}

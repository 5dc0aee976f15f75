"""Cost against dimension, error against cost, and where the mass is."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator

from ..figures.style import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION, new_figure
from ..numbers import AGE_OF_UNIVERSE, MINUTE
from .columns import Row, Tables, columns, distinct, where

LOOKS = {
    "riemann": (VERMILION, "s", "Riemann sum over the prior"),
    "gauss_hermite": (BLUE, "o", "Gauss–Hermite at the mode"),
    "smolyak": (SKY, "^", "sparse grid"),
    "prior_average": (ORANGE, "v", "average over the prior"),
    "laplace": (BLACK, "x", "Laplace"),
    "grid": (BLUE, "*", "fit_grid"),
    "rqmc": (PURPLE, "P", "rqmc"),
    "importance": (SKY, "D", "importance"),
    "bridge": (GREEN, "o", "bridge"),
    "tempering": (GREEN, "<", "tempering"),
    "nested": (GREY, ">", "nested"),
}
FILLED = ("grid", "importance", "bridge", "nested", "tempering", "rqmc")
FAMILIES = {
    "rates": "rates: skewed",
    "collinear": "collinear: Gaussian, correlated",
    "shares": "shares: skewed, bounded",
}
PLAIN = ("riemann", "gauss_hermite", "smolyak", "prior_average")
FLOOR = 1e-12  # nats: where a sum of float64s ends
LOG, SEEN = "log₁₀ of the share", 5e-3  # a share that 20,000 draws still tell without a bias
TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
NONE = 0.5  # where on the axis a method stands that reached no dimension
MOST_LINES = 7  # dimensions in one panel


def reach(tables: Tables) -> Figure:
    """Draw, for each method, the largest number of parameters at which it was within the tolerance in the time."""
    rows = tables["leaves"]
    methods = sorted(distinct(rows, "method"), key=lambda m: max(r["reaches"] for r in where(rows, method=m)))
    families = distinct(rows, "family")
    figure = new_figure(7.6, 1.3 + 0.34 * len(methods))
    axes = figure.subplots()
    apart = np.linspace(0.2, -0.2, len(families)) if len(families) > 1 else [0.0]
    for family, shift, (colour, mark) in zip(families, apart, ((BLUE, "o"), (VERMILION, "s"), (GREEN, "^"))):
        for y, method in enumerate(methods):
            for row in where(rows, family=family, method=method):
                at = max(row["reaches"], NONE)
                axes.plot([NONE, at], [y + shift] * 2, "-", color=colour, lw=1.0, alpha=0.5)
                axes.plot(at, y + shift, mark, color=colour, ms=6, mfc=colour if row["reaches"] else "none")
        axes.plot([], [], mark, color=colour, label=FAMILIES[family])
    axes.set_yticks(range(len(methods)), [LOOKS[m][2] for m in methods])
    largest = max(row["dimension"] for row in tables["reach"])
    ticks = [t for t in TICKS if t <= largest and t != 500]  # no room
    axes.set(xscale="log", xlim=(0.8 * NONE, 1.3 * max(largest, 2)), xlabel="largest number of parameters reached")
    axes.set_xticks([NONE, *ticks], ["none", *map(str, ticks)])
    axes.xaxis.set_minor_locator(NullLocator())
    figure.legend(loc="outside right upper")
    return figure


def cost(tables: Tables) -> Figure:
    """Draw the seconds to the tolerance against the dimension as measured, and below what they would be beyond."""
    families = distinct(tables["reach"], "family")
    figure = new_figure(1.2 + 4.0 * len(families), 7.6)
    measured, beyond = figure.subplots(2, len(families), sharex=True, sharey="row", squeeze=False)
    largest = max(row["dimension"] for row in tables["reach"])
    ticks = [t for t in TICKS if t <= max(largest, 12)]
    for top, bottom, family in zip(measured, beyond, families):
        for method in distinct(where(tables["reach"], family=family), "method"):
            _measured(top, tables, family, method)
            _beyond(bottom, tables, family, method)
        for axes in (top, bottom):
            _marks(axes)
            axes.set(xscale="log", yscale="log", xlim=(0.85, max(1.3 * largest, 12)))
            axes.set_xticks(ticks, [str(t) for t in ticks])
            axes.xaxis.set_minor_locator(NullLocator())
        bottom.set(ylim=(1e-1, 1e20), xlabel="number of parameters")
        top.set_title(FAMILIES[family])
    measured[0].set_ylabel("seconds to the tolerance, measured")
    beyond[0].set_ylabel("seconds, extrapolated")
    top = measured[0]
    top.plot([], [], "--", color=GREY, label="beyond what was measured")
    for row in tables["extrapolated"][:1]:
        faster = 10 ** (row["log10_seconds"] - row["log10_seconds_gpu"])
        top.plot([], [], ":", color=GREY, label=f"the same, {faster:.0f} times faster")
    figure.legend(*top.get_legend_handles_labels(), loc="outside right upper")
    return figure


def _measured(axes: Axes, tables: Tables, family: str, method: str) -> None:
    colour, mark, label = LOOKS[method]
    got = where(tables["reach"], family=family, method=method, reached=True)
    d, seconds = columns(got, "dimension", "seconds")
    face = colour if method in FILLED else "none"
    axes.plot(d, seconds, mark, ls="-", lw=1.2, color=colour, mfc=face, ms=6, mew=1.4, label=label, zorder=3)


def _beyond(axes: Axes, tables: Tables, family: str, method: str) -> None:
    colour, mark, _ = LOOKS[method]
    rows = where(tables["extrapolated"], family=family, method=method)
    got = where(tables["reach"], family=family, method=method, reached=True)
    if not (rows and got):
        return
    d, seconds = columns(got, "dimension", "seconds")
    axes.plot(d, seconds, mark, ls="-", lw=1.2, color=colour, mfc="none", ms=5, zorder=3)
    x, here, gpu = columns(rows, "dimension", "log10_seconds", "log10_seconds_gpu")
    past = x >= d.max()
    axes.plot(x[past], 10 ** np.minimum(here[past], 40), "--", color=colour, lw=1.2)
    axes.plot(x[past], 10 ** np.minimum(gpu[past], 40), ":", color=colour, lw=1.4)


def _marks(axes: Axes) -> None:
    high = axes.get_ylim()[1]
    for seconds, name in ((MINUTE, "a minute"), (AGE_OF_UNIVERSE, "the age of the universe")):
        if seconds < 10 * high or seconds == MINUTE:
            axes.axhline(seconds, color=GREY, lw=0.8)
            axes.text(
                0.98, seconds * 1.1, name, color=GREY, ha="right", va="bottom", transform=axes.get_yaxis_transform()
            )


def error(tables: Tables) -> Figure | None:
    """Draw errors against densities, and against seconds: of plain sums by dimension, of the estimators as points."""
    family = distinct(tables["runs"], "family")[0]
    runs = where(tables["runs"], family=family)
    climbed = [row for row in runs if row["num_evaluations"] and (row["resolution"] or row["method"] == "smolyak")]
    methods = [m for m in PLAIN if where(climbed, method=m)]
    others = [row for row in runs if row["method"] not in PLAIN and row["gap"] is not None]
    if not (methods or others):
        return None
    figure = new_figure(1.4 + 2.9 * (len(methods) + bool(others)), 6.0)
    panels = figure.subplots(2, len(methods) + bool(others), sharex="row", sharey=True, squeeze=False)
    dimensions = distinct(climbed, "dimension")[:MOST_LINES]
    shades = _shades(len(dimensions))
    for x, row in zip(("num_evaluations", "seconds"), panels):
        for axes, method in zip(row, methods):
            for d, shade in zip(dimensions, shades):
                cost, gap = columns(where(climbed, method=method, dimension=d), x, "gap")
                axes.plot(cost, np.maximum(gap, FLOOR), "o-", color=shade, ms=4, lw=1.4)
        if others:
            _points(row[-1], others, x)
        for axes in row:
            axes.set(xscale="log", yscale="log", xlabel="seconds" if x == "seconds" else "densities")
    for axes, method in zip(panels[0], methods):
        axes.set_title(LOOKS[method][2])
    for axes in panels[:, 0]:
        axes.set_ylabel(f"error of log p(D), nats ({family})")
    for d, shade in zip(dimensions, shades):
        panels[0][0].plot([], [], "o-", color=shade, label=f"{d}")
    figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside right upper", title="parameters")
    return figure


def _points(axes: Axes, rows: list[Row], x: str) -> None:
    """Draw the estimators, each in its own mark, all dimensions alike; what is not trusted is hollow."""
    for method in distinct(rows, "method"):
        colour, mark, label = LOOKS[method]
        for hollow in (False, True):  # a method that does not judge itself is not hollow
            cost, gap = columns([r for r in where(rows, method=method) if (r["trusted"] is False) == hollow], x, "gap")
            face, name = ("none", None) if hollow else (colour, label)
            axes.plot(cost, np.maximum(gap, FLOOR), mark, color=colour, mfc=face, ms=6, label=name)
    if x == "num_evaluations":
        axes.set_title("estimators, all dimensions")
        axes.legend(fontsize=7.5, loc="best")


def _shades(num: int) -> list[tuple[float, float, float]]:
    """Return blues from light to dark: order needs no colour wheel."""
    light, dark = np.array([0.62, 0.79, 0.92]), np.array([0.02, 0.12, 0.32])
    return [tuple(light + (dark - light) * i / max(num - 1, 1)) for i in range(num)]


def geometry(tables: Tables) -> Figure:
    """Draw what a grid, a walk from the mode, an average over the prior and a ball would meet."""
    rows = tables["geometry"]
    d, share, distance, effective, measured, ball, in_ball = columns(
        rows,
        "dimension",
        "log10_share",
        "distance",
        "log10_effective",
        "measured_effective",
        "log10_ball",
        "measured_ball",
    )
    figure = new_figure(9.6, 5.6)
    (cells, away), (draws, volume) = figure.subplots(2, 2, sharex=True)
    cells.plot(d, share, "o-", color=BLUE, ms=5)
    cells.set(ylabel=LOG, title="Share of a grid's cells that hold 99 % of the mass")
    away.plot(d, distance, "o-", color=VERMILION, ms=5, label="mean over the posterior")
    away.plot(d, np.sqrt(d), ":", color=BLACK, label="√d")
    away.set(yscale="log", title="Distance of the mass from the mode, in sds")
    away.legend()
    for axes, exact, found, title in (
        (draws, effective, measured, "Share of prior draws that an average rests on"),
        (volume, ball, in_ball, "Volume of a ball, as a share of its cube"),
    ):
        axes.plot(d, exact, "-", color=GREEN, label="exact")
        seen = found > SEEN
        axes.plot(d[seen], np.log10(found[seen]), "D", color=GREEN, mfc="none", ms=6, label="measured")
        axes.set(ylabel=LOG, title=title, xlabel="number of parameters")
        axes.legend()
    away.yaxis.set_minor_formatter(NullFormatter())
    cells.set_xscale("log")
    ticks = [t for t in TICKS if t <= d.max()]
    cells.set_xticks(ticks, [str(t) for t in ticks])
    cells.xaxis.set_minor_locator(NullLocator())
    return figure


FIGURES = {
    "reach": (
        reach,
        "The largest number of parameters up to which each method was within the tolerance in the time allowed, and, "
        "where it judges itself, trusted that it was. Hollow: not even one.",
    ),
    "cost": (
        cost,
        "Above, seconds until log p(D) is within the tolerance and stays there, on this machine, compilation "
        "included. Below, dashed: what some sums would "
        "need in more dimensions, by the factor that each further one cost so far and at the best rate so far; dotted: "
        "on a machine as much faster as one GPU is. A curve that ends was not within the tolerance in the time "
        "allowed, or did not trust itself.",
    ),
    "error": (
        error,
        "The first family: the error as more densities (top) and seconds (bottom) are spent. Plain sums, a line for "
        "each of the first seven numbers of parameters; Laplace and the estimators as they are, hollow where they do "
        "not trust themselves.",
    ),
    "geometry": (
        geometry,
        "Why: cells, distances, draws and volumes for the posterior of so many rates.",
    ),
}

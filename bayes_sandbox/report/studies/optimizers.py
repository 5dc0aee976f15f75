"""Ways down: over their surfaces, against steps, gradients and seconds; step sizes; the cost of a Hessian."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from ..figures.style import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION, new_figure
from .columns import Row, Tables, columns, distinct, where

LOOKS = {
    "random_search": (GREY, ":", "random search"),
    "gradient_descent": (VERMILION, "-", "gradient descent"),
    "momentum": (ORANGE, "-", "momentum"),
    "adam": (PURPLE, "-", "Adam"),
    "sgd": (SKY, "-", "stochastic descent"),
    "newton": (BLACK, "--", "Newton"),
    "bfgs": (BLUE, "--", "BFGS"),
    "l_bfgs": (GREEN, "--", "L-BFGS"),
}
TITLES = {
    "bowl": "a bowl",
    "beale": "Beale's function",
    "rosenbrock": "Rosenbrock's banana",
    "bioassay": "−log posterior: bioassay",
    "cement": "−log posterior: cement",
}
FLOOR = 1e-12
LEVELS = 14


def paths(tables: Tables) -> Figure:
    """Draw every way over its surface."""
    names = distinct(tables["paths"], "landscape")
    across = min(len(names), 3)
    down = -(-len(names) // across)
    figure = new_figure(1.6 + 3.4 * across, 3.4 * down)
    panels = figure.subplots(down, across, squeeze=False).reshape(-1)
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    for axes, name in zip(panels, names):
        _surface(axes, where(tables["surfaces"], landscape=name))
        for optimizer in distinct(where(tables["paths"], landscape=name), "optimizer"):
            colour, line, _ = LOOKS[optimizer]
            x, y = columns(where(tables["paths"], landscape=name, optimizer=optimizer), "x0", "x1")
            axes.plot(x, y, line, color=colour, lw=1.4)
            axes.plot(x[-1], y[-1], "o", color=colour, ms=5, mec="white", mew=0.6)
        axes.set_title(TITLES[name])
    for optimizer in distinct(tables["paths"], "optimizer"):
        colour, line, label = LOOKS[optimizer]
        panels[0].plot([], [], line, color=colour, label=label)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper")
    return figure


def _surface(axes: Axes, rows: list[Row]) -> None:
    x, y, loss = columns(rows, "x0", "x1", "loss_above")
    side = len(np.unique(x))
    shape = (side, -1)
    heights = np.log10(np.maximum(loss, 1e-3)).reshape(shape)
    axes.contour(x.reshape(shape), y.reshape(shape), heights, levels=LEVELS, colors=GREY, linewidths=0.5, alpha=0.6)
    axes.set(xlim=(x.min(), x.max()), ylim=(y.min(), y.max()))


def losses(tables: Tables) -> Figure:
    """Draw the loss above the lowest against steps, against gradients, and against seconds."""
    names = distinct(tables["paths"], "landscape")
    figure = new_figure(10.0, 1.2 + 2.1 * len(names))
    panels = figure.subplots(len(names), 3, sharey="row", squeeze=False)
    for row, name in zip(panels, names):
        for axes, x in zip(row, ("step", "num_gradients", "seconds")):
            for optimizer in distinct(where(tables["paths"], landscape=name), "optimizer"):
                colour, line, label = LOOKS[optimizer]
                cost, loss = columns(where(tables["paths"], landscape=name, optimizer=optimizer), x, "loss_above")
                axes.plot(
                    np.maximum(cost, 1e-5 if x == "seconds" else 0),
                    np.maximum(loss, FLOOR),
                    line,
                    color=colour,
                    lw=1.4,
                    label=label,
                )
            axes.set_yscale("log")
            axes.set_xscale("log" if x == "seconds" else "symlog")
            axes.set_xlim(left=1e-5 if x == "seconds" else 0)
            axes.set_ylim(bottom=FLOOR / 3)
        row[0].set_ylabel(TITLES[name])
    for axes, label in zip(panels[-1], ("steps", "gradients", "seconds, compilation not included")):
        axes.set_xlabel(label)
    panels[0][1].set_title("loss above the lowest")
    handles = {label: h for row in panels for h, label in zip(*row[0].get_legend_handles_labels())}
    figure.legend(handles.values(), handles.keys(), loc="outside right upper")
    return figure


def regimes(tables: Tables) -> Figure:
    """Draw what the size of a step does on a bowl."""
    shares = distinct(tables["regimes"], "share")
    figure = new_figure(8.6, 3.4)
    way, fall = figure.subplots(1, 2)
    for share, colour, line in zip(shares, (BLUE, GREEN, ORANGE, VERMILION), ("-", "--", "-.", ":")):
        step, loss, x, y = columns(where(tables["regimes"], share=share), "step", "loss_above", "x0", "x1")
        fall.plot(step, np.maximum(loss, FLOOR), line, color=colour, lw=1.6, label=f"{share:g} / largest curvature")
        way.plot(x, y, line, color=colour, lw=1.4, marker="o", ms=2.5)
    surface = where(tables["surfaces"], landscape="bowl")
    if surface:
        _surface(way, surface)
    way.set_title("the way, on a bowl of condition 25")
    fall.set(yscale="log", xlabel="steps", title="loss above the lowest")
    fall.legend(title="step size")
    return figure


def trajectories(tables: Tables) -> Figure:
    """Draw the ways that stochastic descent takes with other random numbers."""
    figure = new_figure(8.6, 3.4)
    way, fall = figure.subplots(1, 2)
    surface = where(tables["surfaces"], landscape="cement")
    if surface:
        _surface(way, surface)
    for number, colour in zip(
        distinct(tables["trajectories"], "trajectory"), (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY)
    ):
        step, loss, x, y = columns(where(tables["trajectories"], trajectory=number), "step", "loss_above", "x0", "x1")
        way.plot(x, y, "-", color=colour, lw=0.9)
        fall.plot(step, np.maximum(loss, FLOOR), "-", color=colour, lw=0.9, label=f"seed {number}")
    way.set_title("stochastic descent: one data set, six ways")
    fall.set(yscale="log", xlabel="steps", title="loss above the lowest")
    figure.legend(*fall.get_legend_handles_labels(), loc="outside right upper")
    return figure


def hessian(tables: Tables) -> Figure:
    """Draw what a gradient, a Hessian and a solve cost as parameters are added."""
    d, gradient, full, solve, size, small = columns(
        tables["hessian"],
        "dimension",
        "seconds_gradient",
        "seconds_hessian",
        "seconds_solve",
        "bytes_hessian",
        "bytes_l_bfgs",
    )
    figure = new_figure(8.6, 3.4)
    seconds, memory = figure.subplots(1, 2)
    for y, colour, mark, label in (
        (gradient, VERMILION, "o", "gradient"),
        (full, BLUE, "s", "Hessian"),
        (solve, BLACK, "^", "solve H Δx = −∇f"),
    ):
        seconds.plot(d, y, "-", marker=mark, color=colour, ms=5, label=label)
    memory.plot(d, size, "-s", color=BLUE, ms=5, label="Hessian: d²")
    memory.plot(d, small, "-o", color=GREEN, ms=5, label="five pairs of L-BFGS: 10 d")
    for axes, title in ((seconds, "seconds"), (memory, "bytes")):
        axes.set(xscale="log", yscale="log", xlabel="number of parameters", title=title)
        axes.legend()
        axes.yaxis.set_minor_formatter(NullFormatter())
    return figure


FIGURES = {
    "paths": (
        paths,
        "Every optimizer's way from one start; a dot where it ended. Lines of the surface are of the logarithm of the "
        "loss above the lowest. A posterior is drawn in the position that it is climbed in.",
    ),
    "losses": (
        losses,
        "The same ways: the loss above the lowest against steps, against gradients (a try of random search counts as "
        "one, a step of stochastic descent as the share of the data that it saw), and against seconds. Newton's steps "
        "also ask for a Hessian each.",
    ),
    "regimes": (
        regimes,
        "Gradient descent with four step sizes, in units of one over the largest curvature: slow, quick, swinging just "
        "short of two, leaving just beyond.",
    ),
    "trajectories": (
        trajectories,
        "Stochastic descent, two observations a step, one start, other random numbers: the training algorithm's own "
        "randomness. It comes near quickly and then stays as far off as its step is long.",
    ),
    "hessian": (
        hessian,
        "Why not Newton always: seconds for a gradient, a Hessian and a linear solve, and what has to be kept.",
    ),
}

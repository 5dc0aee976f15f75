"""What do all figures share? One colour for each method, legible text, and no trace in pyplot."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import matplotlib
from cycler import cycler
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Okabe & Ito (2008): told apart by people with any of the common colour blindnesses.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILION, PURPLE, GREY = "#0072B2", "#D55E00", "#CC79A7", "#6E6E6E"

COLOURS = {
    "prior": GREY,
    "map": VERMILION,
    "map_unconstrained": PURPLE,
    "laplace": ORANGE,
    "grid": BLUE,
    "nuts": GREEN,
    "bridge": GREEN,  # a function of NUTS's draws
    "importance": SKY,
}

MOST_COMPONENTS = 12
CSS_PIXELS = 96  # of an inch

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.labelsize": 10,
    "axes.titleweight": "normal",
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#444444",
    "axes.prop_cycle": cycler(color=[BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, BLACK, GREY]),
    "figure.constrained_layout.use": True,
    "figure.facecolor": "white",
    "figure.dpi": 100,
    "savefig.dpi": 160,  # of the layers that are rasterised inside an SVG
    "svg.hashsalt": "bayes_sandbox",  # the same figure gives the same bytes
    "path.simplify_threshold": 1.0,
    "axes.formatter.useoffset": False,
}


@dataclass(frozen=True)
class Picture:
    """A figure as an SVG, and its natural width in pixels."""

    svg: bytes
    width: int


@contextmanager
def house_style() -> Iterator[None]:
    """Draw with the house's settings, and leave the caller's as they were."""
    with matplotlib.rc_context(cast(Any, STYLE)):
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of so many inches that pyplot does not know."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def adopt(collection: Any) -> Figure:
    """Return the figure of an ArviZ plot, taken out of pyplot, which would keep it open."""
    from matplotlib import pyplot

    figure: Figure = collection.viz["figure"].item()
    pyplot.close(figure)
    FigureCanvasAgg(figure)
    return figure


def shape_of(num_panels: int, most_columns: int = 3) -> tuple[int, int]:
    """Return rows and columns for so many panels.

    >>> shape_of(1), shape_of(4), shape_of(12, 4)
    ((1, 1), (2, 3), (3, 4))
    """
    columns = min(num_panels, most_columns)
    return -(-num_panels // columns), columns


def picture(figure: Figure) -> Picture:
    """Return a figure as an SVG without date or address, so that the same run gives the same bytes."""
    sink = io.BytesIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with house_style():
        figure.savefig(sink, format="svg", metadata=nothing)
    return Picture(sink.getvalue(), round(figure.get_figwidth() * CSS_PIXELS))

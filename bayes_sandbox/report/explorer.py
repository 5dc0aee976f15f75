"""What does one stand of the sliders look like? A weight, the curve, the evidence against τ, the error of a grid."""

import base64
import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..explorer import BOXES, FAMILIES, MOST_NODES, SCALES, TIMES, Grid, Scene, Setting, log_prior, points
from .figures.style import BLACK, BLUE, COLOURS, GREEN, GREY, ORANGE, SKY, VERMILION, house_style
from .numbers import RAISED, brief, count, duration, plus_minus, typeset

FLOOR = 1e-10  # below this an error is as good as none
LOWERED = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
PLACE = (0.13, 0.145, 0.835, 0.765)  # left, bottom, width and height of the axes in a picture
BELOW = 60.0  # nats under the highest evidence that are shown


@dataclass(frozen=True)
class Picture:
    """A figure as a PNG, and what it shows in one sentence."""

    png: bytes
    words: str

    @property
    def source(self) -> str:
        """The address of the figure in a page that holds it."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


def draw_weight(setting: Setting, scene: Scene, grid: Grid, weight: int) -> Picture:
    """Draw prior, likelihood and posterior of one weight (the last one, if there are fewer), and the bars of a sum."""
    return _picture(lambda axes: _weight(axes, setting, scene, grid, min(weight, setting.num_weights - 1)))


def draw_curve(setting: Setting, scene: Scene) -> Picture:
    """Draw the data, the curve at the MAP, and what the posterior says of curves and of new points."""
    return _picture(lambda axes: _curve(axes, setting, scene))


def draw_evidence(setting: Setting, scene: Scene) -> Picture:
    """Draw log p(D) of every prior, and the fit at the MAP, against τ."""
    return _picture(lambda axes: _evidence(axes, setting, scene))


def draw_error(setting: Setting, scene: Scene, grid: Grid, densities_a_second: float) -> Picture:
    """Draw the error of a Riemann sum against its nodes along each axis, and say what it would cost."""
    return _picture(lambda axes: _error(axes, setting, scene, grid, densities_a_second))


def _picture(fill: Callable[[Axes], str]) -> Picture:
    """Draw one picture, in a place that is fixed: one found anew at every move would be slow, and jump."""
    with house_style():
        figure = Figure(figsize=(5.6, 3.7))
        figure.set_layout_engine("none")
        FigureCanvasAgg(figure)
        words = fill(figure.add_axes(PLACE))
        sink = io.BytesIO()
        figure.savefig(sink, format="png", dpi=130, pil_kwargs={"compress_level": 1})
    return Picture(sink.getvalue(), typeset(words))


def _weight(axes: Axes, setting: Setting, scene: Scene, grid: Grid, j: int) -> str:
    centre, width = float(scene.estimate[j]), float(scene.width)
    mode, mean, sd = float(scene.mode[j]), float(scene.mean[j]), float(scene.sd[j])
    reach = min(2.5 * setting.scale, 3 * (abs(centre) + 4 * width))
    low, high = min(centre - 4 * width, mean - 5 * sd, -reach), max(centre + 4 * width, mean + 5 * sd, reach)
    w = np.union1d(np.linspace(low, high, 501), np.linspace(mean - 6 * sd, mean + 6 * sd, 301))
    w = np.union1d(w, centre + width * np.linspace(-4, 4, 81))
    w = w[(w >= low) & (w <= high)]

    def likelihood(w: np.ndarray) -> np.ndarray:
        return np.asarray(np.exp(-((w - centre) ** 2) / (2 * width**2)))

    def posterior(w: np.ndarray) -> np.ndarray:
        logs = np.asarray(log_prior(setting.family, setting.scale, w)) - (w - centre) ** 2 / (2 * width**2)
        return np.asarray(np.exp(logs - scene.log_z[j]))

    edges = grid.edges(scene, j)
    nodes = (edges[1:] + edges[:-1]) / 2
    heights = posterior(nodes)
    axes.bar(nodes, heights, np.diff(edges), color=SKY, alpha=0.35, edgecolor=SKY, lw=0.8, label="a sum of such bars")
    seen = nodes[(nodes >= low) & (nodes <= high)]
    axes.plot(seen, np.zeros_like(seen), "|", color=BLUE, ms=7, clip_on=False)
    axes.plot(w, np.exp(log_prior(setting.family, setting.scale, w)), color=COLOURS["prior"], label="prior")
    axes.plot(
        w, likelihood(w) / (math.sqrt(2 * math.pi) * width), color=ORANGE, ls="--", label="likelihood, as a density"
    )
    axes.plot(w, posterior(w), color=GREEN, lw=2, label="posterior")
    axes.axvline(mode, color=VERMILION, lw=1.2, label="its mode, the MAP")
    top = 1.25 * max(posterior(w).max(), likelihood(w).max() / (math.sqrt(2 * math.pi) * width))
    axes.set(xlim=(low, high), ylim=(0, top), xlabel=f"w{_sub(j)}, in g", ylabel="density")
    axes.set_title(f"One weight of {setting.num_weights}: prior × likelihood ∝ posterior")
    axes.legend(loc="upper left" if mode > (low + high) / 2 else "upper right", fontsize=8)
    least_squares = f"least squares {brief(centre)} ± {brief(width)}"
    return f"Weight {j}: mode {brief(mode)}, mean {brief(mean)} ± {brief(sd)}; {least_squares}"


def _curve(axes: Axes, setting: Setting, scene: Scene) -> str:
    times, seen = points(setting.num_points)
    mean, sd = scene.curve_mean, scene.curve_sd
    apart = 1.645 * np.stack([sd, np.hypot(sd, setting.noise)])
    axes.fill_between(
        TIMES, mean - apart[1], mean + apart[1], color=GREEN, alpha=0.10, lw=0, label="90 % of new points"
    )
    axes.fill_between(TIMES, mean - apart[0], mean + apart[0], color=GREEN, alpha=0.30, lw=0, label="90 % of curves")
    axes.plot(times, seen, "o", color=GREY, ms=3.5, mew=0, label=f"{setting.num_points} data")
    axes.plot(TIMES, mean, color=GREEN, lw=1.8, label="posterior mean")
    axes.plot(TIMES, scene.curve_at_mode, color=VERMILION, lw=1.2, ls="--", label="at the MAP")
    axes.set(xlim=(TIMES[0], TIMES[-1]), ylim=(-200, 150), xlabel="ms after the impact", ylabel="acceleration, in g")
    axes.set_title(
        f"The curve: {setting.num_weights} weight{'s' * (setting.num_weights > 1)}, noise {setting.noise:g} g"
    )
    axes.legend(loc="lower right", fontsize=8, ncols=2)
    return f"A curve of {setting.num_weights} weights through {setting.num_points} data, with bands of 90 %"


def _evidence(axes: Axes, setting: Setting, scene: Scene) -> str:
    own = list(FAMILIES).index(setting.family)
    for other in np.delete(scene.evidences, own, axis=0):
        axes.plot(SCALES, other, color=GREY, lw=0.8, alpha=0.7)
    axes.plot([], [], color=GREY, lw=0.8, label="other priors")
    axes.plot(SCALES, scene.evidences[own], color=BLUE, lw=2, label=f"log p(D), {FAMILIES[setting.family].label}")
    axes.plot(SCALES, scene.fits[own], color=VERMILION, lw=1.2, ls="--", label="log p(D | MAP)")
    axes.plot([setting.scale] * 2, [scene.log_evidence, scene.log_likelihood], color=BLACK, lw=1)
    axes.plot(setting.scale, scene.log_evidence, "o", color=BLUE, ms=8, mec="white")
    top = max(scene.evidences[own].max(), scene.log_evidence)
    axes.annotate(
        typeset(f" Occam: {scene.log_occam_factor:.1f} "),
        (setting.scale, np.clip((scene.log_evidence + scene.log_likelihood) / 2, top - BELOW + 3, None)),
        va="center",
        ha="left" if setting.scale < 30 else "right",
    )
    axes.set(xscale="log", xlim=(SCALES[0], SCALES[-1]), xlabel="τ, the prior's scale, in g", ylabel="nats")
    axes.set_xticks([1, 10, 100, 1000], ["1", "10", "100", "1000"], minor=False)
    axes.set_xticks([], minor=True)
    axes.set_ylim(top - BELOW, scene.fits[own].max() + 6)
    axes.set_title("The fit only rises with τ; the evidence has a summit")
    axes.legend(loc="lower right", fontsize=8)
    here = f"{float(scene.log_evidence):.2f} at τ = {brief(setting.scale)}"
    return f"log p(D) is {here}, {brief(top - scene.log_evidence)} under its summit"


def _error(axes: Axes, setting: Setting, scene: Scene, grid: Grid, densities_a_second: float) -> str:
    num, told = np.arange(1, MOST_NODES + 1), max(FLOOR, float(scene.error))  # no error is told below that
    for at, (box, colour) in enumerate(zip(BOXES, (GREY, BLUE), strict=True)):
        error = np.maximum(np.abs(scene.sums[at] - scene.log_evidence), told)
        axes.semilogy(num, error, color=colour, lw=2 if grid.box == box else 1, label=f"across the {box}")
    k = grid.num_nodes
    found = max(abs(grid.log_sum(scene) - float(scene.log_evidence)), told)
    axes.plot(k, found, "o", color=COLOURS["grid"] if grid.box == "posterior" else GREY, ms=8, mec="white")
    axes.axvline(k, color=VERMILION, lw=0.8, ls=":")
    axes.set(
        xlim=(1, MOST_NODES), ylim=(FLOOR / 2, 1e6), xlabel="nodes along each axis", ylabel="error of log p(D), in nats"
    )
    decades = np.arange(-10, 7, 4)
    axes.set_yticks(10.0**decades, [f"10{str(n).translate(RAISED)}" for n in decades], minor=False)
    axes.set_yticks([], minor=True)
    axes.set_title(typeset(cost(setting, grid, densities_a_second)))
    axes.legend(loc="upper right", fontsize=8)
    return f"A sum of {cost(setting, grid, densities_a_second)}: its error is {brief(found, 2)} nats"


def cost(setting: Setting, grid: Grid, densities_a_second: float) -> str:
    """Return what a grid would cost: its densities, and their time on this machine."""
    densities = float(grid.num_nodes) ** setting.num_weights
    power = f"{grid.num_nodes}{str(setting.num_weights).translate(RAISED)}"
    return f"{power} = {count(densities)} densities, {duration(densities / densities_a_second)}"


def numbers(setting: Setting, scene: Scene, grid: Grid) -> dict[str, str]:
    """Return what is written beside the pictures, by its name."""
    by_sum, evidence = grid.log_sum(scene), float(scene.log_evidence)
    said = {
        "log p(D)": plus_minus(evidence, float(scene.error)),
        "log p(D | MAP)": f"{float(scene.log_likelihood):.3f}",
        "log Occam factor": f"{scene.log_occam_factor:.3f}",
        "log p(D) by the sum": f"{by_sum:.3f}",
        "error of the sum": brief(by_sum - evidence, 2),
        "weights at zero, MAP": f"{int((scene.mode == 0).sum())} of {setting.num_weights}",
    }
    return {name: typeset(value) for name, value in said.items()}


def _sub(j: int) -> str:
    return str(j).translate(LOWERED)

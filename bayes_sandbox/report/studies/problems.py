"""The whole table on one page: what came of every method on every problem."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..figures.style import BLUE, GREY, ORANGE, VERMILION, new_figure
from .columns import Row, Tables, distinct

# From the best to the worst: of several seeds the worst is shown.
LOOKS = {
    "solved": (BLUE, "s", BLUE),
    "wide": (ORANGE, "D", "white"),
    "not trusted": (GREY, "o", "white"),
    "wrong": (VERMILION, "X", VERMILION),
}
ROWS = 44  # problems in one column of the page


def outcomes(tables: Tables) -> Figure:
    """Draw a mark for each problem and method: solved, wide, not trusted, wrong."""
    rows = [*tables["estimates"], *tables["best"]]
    names = distinct(sorted(rows, key=lambda row: row["dimension"]), "problem")
    methods = distinct(rows, "method")
    blocks = [names[i : i + ROWS] for i in range(0, len(names), ROWS)]
    height = 0.19 * max(map(len, blocks)) + 1.6
    figure = new_figure(0.5 + (2.6 + 0.32 * len(methods)) * len(blocks), height)
    panels = figure.subplots(1, len(blocks), squeeze=False)[0]
    for axes, block in zip(panels, blocks):
        _block(axes, [row for row in rows if row["problem"] in block], block, methods)
        axes.set_ylim(max(len(blocks[0]), 8) - 0.4, -0.6)
    for label, (colour, mark, face) in LOOKS.items():
        panels[0].plot([], [], mark, color=colour, mfc=face, ls="", label=label)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


def _block(axes: Axes, rows: list[Row], names: list[str], methods: list[str]) -> None:
    order = list(LOOKS)
    worst: dict[tuple[str, str], str] = {}
    for row in rows:
        key = (row["problem"], row["method"])
        worst[key] = max(worst.get(key, "solved"), row["outcome"], key=order.index)
    for (name, method), came in worst.items():
        colour, mark, face = LOOKS[came]
        axes.plot(methods.index(method), names.index(name), mark, color=colour, mfc=face, ms=6, mew=1.3)
    axes.set_yticks(range(len(names)), names, fontsize=7.5)
    axes.set_xticks(range(len(methods)), methods, rotation=90, fontsize=8)
    axes.set(xlim=(-0.6, len(methods) - 0.4))
    axes.axvline(len(methods) - 1.5, color=GREY, lw=0.8)
    axes.tick_params(length=0)
    axes.xaxis.tick_top()
    for spine in axes.spines.values():
        spine.set_visible(False)


FIGURES = {
    "outcomes": (
        outcomes,
        "Every problem with a known evidence, by number of parameters. Solved: trusted and within the tolerance. Wide: "
        "trusted, and its error says that it is not. Not trusted: with a reason, in the table. Wrong: trusted, and off "
        "by more than its error. The last column is what compare recommends; of several seeds the worst is drawn.",
    ),
}

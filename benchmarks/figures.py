"""Pictures of the tables in `benchmarks/results`: a picture shows what a table says, and nothing is measured here."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from bayes_sandbox.report.figures.style import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION, house_style

from .scaling import exponents

METHODS = {  # of the tables: what readers know them as, and a colour for each
    "bayes_sandbox": ("bayes_sandbox", BLUE),
    "bayes_sandbox_compare": ("bayes_sandbox", BLUE),
    "numpyro": ("NumPyro", ORANGE),
    "blackjax": ("blackjax", SKY),
    "pymc": ("PyMC", VERMILION),
    "nutpie": ("nutpie", GREEN),
    "plain_bridge": ("a bridge to one Gaussian", ORANGE),
    "dynesty": ("dynesty", VERMILION),
    "ultranest": ("UltraNest", PURPLE),
    "nautilus": ("nautilus", GREEN),
    "pymc_smc": ("PyMC SMC", SKY),
    "scipy_cubature": ("SciPy cubature", BLACK),
}
EXACT = 1e-12  # what is nearer to the truth is drawn here
Rows = list[dict[str, str]]


def evidence(tables: Sequence[Rows]) -> Figure:
    """Error against seconds, a point for each posterior that a method finished in its time."""
    figure = Figure(figsize=(9, 4.2))
    titles = ("one to five parameters", "six to thirty parameters")
    for ax, rows, title in zip(figure.subplots(1, 2, sharey=True), tables, titles):
        for method in dict.fromkeys(row["method"] for row in rows):
            own = [row for row in rows if row["method"] == method]
            done = [row for row in own if row["gap"] not in ("", "nan")]
            name, colour = METHODS[method]
            gap = [max(abs(float(row["gap"])), EXACT) for row in done]
            seconds = [float(row["seconds"]) for row in done]
            ours = method.startswith("bayes_sandbox")
            look = {"s": 34 if ours else 20, "marker": "o" if ours else "D", "zorder": 3 if ours else 2}
            label = f"{name} ({len(done)} of {len(own)})"
            ax.scatter(seconds, gap, color=colour, label=label, edgecolor="white", linewidth=0.5, **look)
        ax.set(xscale="log", yscale="log", xlabel="seconds, from the call to the answer", title=title)
        _plain(ax.xaxis)
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, handletextpad=0.1, columnspacing=1.0)
        ax.grid(alpha=0.2)
    figure.axes[0].set_ylabel("|log evidence − truth|, nats")
    return figure


def sampling(tables: Sequence[Rows]) -> Figure:
    """Smallest bulk ESS a second, ours over each peer's, posterior by posterior."""
    (rows,) = tables
    names, peers = _unique(rows, "posterior"), [m for m in _unique(rows, "method") if m != "bayes_sandbox"]
    figure = Figure(figsize=(9, 0.7 + 0.3 * len(names)))
    for ax, kind in zip(figure.subplots(1, 2, sharey=True), ("cold", "warm")):
        for peer in peers:
            label, colour = METHODS[peer]
            spots = [(r, i) for i, name in enumerate(names) if (r := _ratio(rows, name, peer, kind)) is not None]
            if not spots:  # it never converged
                continue
            mean = np.exp(np.mean([np.log(r) for r, _ in spots]))
            ax.scatter(*zip(*spots), color=colour, s=26, label=f"{label} (mean {mean:.2g})", zorder=3)
        ax.axvline(1, color=GREY, linewidth=1)
        ax.set(xscale="log", title=f"{kind}: a {'first' if kind == 'cold' else 'further'} call")
        ax.set_xlabel("effective draws a second, ours over theirs")
        _plain(ax.xaxis)
        ax.set_yticks(
            range(len(names)), [name.replace(":columns=6", ", 6 columns").replace("_", " ") for name in names]
        )
        ax.grid(alpha=0.2)
        ax.legend(
            loc="upper center",
            bbox_to_anchor=(0.5, -1.0 / len(names) - 0.08),
            ncols=2,
            handletextpad=0.1,
            columnspacing=1.0,
        )
    figure.axes[0].invert_yaxis()
    return figure


def growth(tables: Sequence[Rows]) -> Figure:
    """Seconds and memory against what grows."""
    (rows,) = tables
    done = [{**row, **{k: float(row[k]) for k in ("size", "seconds", "memory")}} for row in rows if not row["note"]]
    slopes, whats = exponents([{**row, "note": ""} for row in done]), _unique(rows, "what")
    figure = Figure(figsize=(9, 4.6))
    above, below = figure.subplots(2, len(whats), sharex="col", sharey="row")
    for upper, lower, what in zip(above, below, whats):
        for way, colour in zip(_unique([row for row in rows if row["what"] == what], "way"), (BLUE, VERMILION)):
            own = [row for row in done if (row["what"], row["way"]) == (what, way)]
            size = [row["size"] for row in own]
            label = f"{way}: exponent {slopes[what, way][0]:.2f}" if (what, way) in slopes else way
            upper.plot(size, [row["seconds"] for row in own], "o-", color=colour, label=label, markersize=4)
            lower.plot(size, [row["memory"] for row in own], "o-", color=colour, markersize=4)
        upper.set(xscale="log", yscale="log")
        upper.legend(loc="upper left", fontsize=8, handlelength=1.2)
        lower.set(yscale="log", xlabel=what)
        for ax in (upper, lower):
            ax.grid(alpha=0.2)
    above[0].set_ylabel("seconds, compiled")
    below[0].set_ylabel("memory, MiB")
    return figure


def _plain(axis: Any) -> None:
    """Write numbers as people do, three to a decade at most where it is one decade only."""
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low < 100 else (1.0,)))
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def _unique(rows: Rows, column: str) -> list[str]:
    return list(dict.fromkeys(row[column] for row in rows))


def _ratio(rows: Rows, name: str, peer: str, kind: str) -> float | None:
    from .sampling import ratios

    numbers: list[Any] = [
        {**row, **{c: float(row[c]) for c in ("cold", "warm", "cold_ess", "warm_ess") if row[c]}}
        for row in rows
        if row["posterior"] == name
    ]
    return ratios(numbers, peer)[name].get(kind)


PICTURES: dict[str, tuple[Callable[[Sequence[Rows]], Figure], tuple[str, ...]]] = {
    "evidence": (evidence, ("peers", "peers_deep")),
    "sampling": (sampling, ("sampling",)),
    "growth": (growth, ("scaling",)),
}


def draw(name: str, tables: Sequence[Rows], out: Path) -> None:
    """Draw one of the pictures into a folder."""
    with house_style():
        PICTURES[name][0](tables).savefig(out / f"results_{name}.png", dpi=110)

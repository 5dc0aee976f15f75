"""The page of results: what the tables in `benchmarks/results` say, in a page of `docs` and its pictures.

    python -m benchmarks.page [--tables FOLDER] [--out FOLDER]

Nothing is measured here. What there is no table for is left out.
"""

import argparse
import csv
import math
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from bayes_sandbox.studies.dimension import GPU

from .figures import METHODS, PICTURES, Rows, draw
from .sampling import ratios
from .scaling import exponents

HERE = Path(__file__).parent
FURTHEST = 3.0  # standard errors that an honest answer is off by, at most
PER_AXIS = 7  # nodes


def evidence(few: Rows, many: Rows) -> Iterator[str]:
    """How near, how soon, and how honest is a log evidence, ours and the peers'?"""
    yield "## Evidence: how near, how soon, how honest"
    yield (
        "Each method alone in a fresh process, on posteriors whose evidence is known, with its own defaults and two "
        "minutes (one minute beyond five parameters); seconds from the call to the answer, with compilation, without "
        "imports (`python -m benchmarks.peers`). *Dishonest* is an answer further from the truth than three of the "
        "errors quoted with it."
    )
    for title, rows in (("one to five parameters", few), ("six to thirty parameters", many)):
        head = [title, "answered", "within 0.1 nats", "within 0.001", "seconds, median (most)", "dishonest"]
        yield _table(head, [_answers(rows, method) for method in _unique(rows, "method")])
    yield "![Error against seconds, posterior by posterior](results_evidence.png)"


def _answers(rows: Rows, method: str) -> list[str]:
    own = [row for row in rows if row["method"] == method]
    done = [row for row in own if row["gap"] not in ("", "nan")]
    gap, error, seconds = (np.array([float(row[c]) for row in done]) for c in ("gap", "error", "seconds"))
    gap = np.abs(gap)
    # An error that is a bound, or far below rounding, is not asked for more digits than log p(D) has.
    far = int((gap > FURTHEST * np.maximum(error, 1e-12)).sum())
    spent = f"{np.median(seconds):.1f} ({seconds.max():.0f})" if len(done) else "—"
    within = [f"{int((gap < most).sum())}" for most in (0.1, 0.001)]
    return [METHODS[method][0], f"{len(done)} of {len(own)}", *within, spent, str(far)]


def sampling(rows: Rows) -> Iterator[str]:
    """How many draws that count does a second give, ours over the peers'?"""
    peers, names = [m for m in _unique(rows, "method") if m != "bayes_sandbox"], _unique(rows, "posterior")
    numbers = [{**row, **{c: float(row[c] or 0) for c in ("cold", "warm", "cold_ess", "warm_ess")}} for row in rows]
    seeds = len(_unique(rows, "seed"))
    yield "## Draws that count, a second"
    yield (
        "Smallest bulk ESS over all parameters, divided by the seconds from the call to the DataTree; ours over "
        f"theirs, medians of {seeds} seeds, each in a fresh process (`python -m benchmarks.sampling`). *Cold* has the "
        "compiler in it, *warm* is the next call in the same process. Everybody's defaults, of blackjax its first "
        "example: four chains of 1000. A dash: R-hat above 1.05 there, or not done in five minutes."
    )
    for kind in ("cold", "warm"):
        found = {peer: ratios(numbers, peer) for peer in peers}
        body = [[_spoken(n), *(_times(found[p][n].get(kind)) for p in peers)] for n in names]
        means = [_mean([found[p][n][kind] for n in names if kind in found[p][n]]) for p in peers]
        yield _table([f"{kind}: ours over", *(METHODS[p][0] for p in peers)], [*body, ["**geometric mean**", *means]])
    far = [float(row["z"]) for row in rows if row["z"] and not row["note"]]
    yield (
        f"The same posterior: over all {len(far)} runs and all their parameters, means differ from ours of the same "
        f"seed by {max(far):.1f} standard errors at most."
    )
    yield "![Effective draws a second, ours over theirs](results_sampling.png)"


def growth(rows: Rows) -> Iterator[str]:
    """What does more cost?"""
    yield "## Cost as the work grows"
    yield (
        "Seconds of a second call and peak memory, each size in a process of its own (`python -m benchmarks.scaling`); "
        "exponents over the upper half of the sizes. *Observations* and *parameters* are those of a linear regression."
    )
    done = [{**row, **{c: float(row[c]) for c in ("size", "seconds", "memory")}} for row in rows if not row["note"]]
    body = []
    for (what, way), (seconds, memory) in exponents(done).items():
        own = [row for row in done if (row["what"], row["way"]) == (what, way)]
        lowest, most = own[0], own[-1]
        body.append(
            [
                f"{what}, by {way}",
                f"{_power(lowest['size'])} to {_power(most['size'])}",
                f"{lowest['seconds']:.3g} to {most['seconds']:.3g}",
                f"{seconds:.2f}",
                f"{lowest['memory']:.0f} to {most['memory']:.0f}",
                f"{memory:.2f}",
            ]
        )
    yield _table(["what grows", "from, to", "seconds", "exponent", "MiB", "exponent"], body)
    yield "![Seconds and memory against what grows](results_growth.png)"


def startup(rows: Rows) -> Iterator[str]:
    """How long until something is there?"""
    yield "## Start"
    yield "Fresh processes, medians of five with the least and the largest (`python -m benchmarks.startup`)."
    body = [[r["what"], f"{r['seconds']} ({r['least']}–{r['largest']})", r["over_libraries"]] for r in rows]
    yield _table(["until", "seconds", "over the libraries"], body)


def accelerator() -> Iterator[str]:
    """What would a faster machine buy?"""
    yield "## What speed buys"
    yield (
        f"A tensor grid of n nodes an axis has nᵈ of them: s times the speed buys log s / log n dimensions. At "
        f"{PER_AXIS} nodes an axis, which smooth posteriors need, "
        + " and ".join(f"{g:g} times buys {math.log(g) / math.log(PER_AXIS):.1f}" for g in (10.0, GPU))
        + f"; {GPU:g} is what one H100 gave over two cores of a CPU when the study of dimension was made, on its own "
        "density. "
        "The path that keeps nodes and sums on the device is run by tests on a CPU; its speed on a GPU has not been "
        "measured here since."
    )


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _wrapped(part: str) -> str:
    return part if part[0] in "|!#" else textwrap.fill(part, 120, break_long_words=False, break_on_hyphens=False)


def _unique(rows: Rows, column: str) -> list[str]:
    return list(dict.fromkeys(row[column] for row in rows))


def _spoken(name: str) -> str:
    script, _, settings = name.partition(":")
    return script.replace("_", " ") + (f", {' '.join(reversed(settings.split('=')))}" if settings else "")


def _times(ratio: float | None) -> str:
    return "—" if ratio is None else f"{ratio:.3g}"


def _mean(found: list[float]) -> str:
    return f"**{math.exp(np.mean(np.log(found))):.3g}**" if found else "—"


def _power(size: float) -> str:
    exponent = math.log10(size)
    return f"1e{exponent:.0f}" if size >= 1e4 and abs(exponent - round(exponent)) < 1e-9 else f"{size:g}"


PARTS: tuple[tuple[Callable[..., Iterator[str]], tuple[str, ...]], ...] = (
    (evidence, ("peers", "peers_deep")),
    (sampling, ("sampling",)),
    (growth, ("scaling",)),
    (startup, ("startup",)),
    (accelerator, ()),
)
FIRST = (
    "# Results beside the peers",
    "Written by `python -m benchmarks.page` from the tables in [benchmarks/results](../benchmarks/results), all of "
    "machines of two cores without a GPU. Seconds are those machines'; ratios travel better. What the engine keeps of "
    "a bare kernel's speed, and what is done about it, is in [scale.md](scale.md).",
)


def page(tables: dict[str, Rows]) -> str:
    """Return the page, in Markdown."""
    told = [(make, [tables[n] for n in needed]) for make, needed in PARTS if set(needed) <= set(tables)]
    parts = [part for make, own in told for part in make(*own)]
    return "\n\n".join(map(_wrapped, [*FIRST, *parts])) + "\n"


def main() -> None:
    """Write the page and draw its pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, default=HERE / "results")
    parser.add_argument("--out", type=Path, default=HERE.parent / "docs")
    options = parser.parse_args()
    tables: dict[str, Rows] = {}
    for table in {table for _, needed in PARTS for table in needed}:
        path = options.tables / f"{table}.csv"
        if path.is_file():
            tables[table] = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
        else:
            print(f"left out: there is no {path.name}", file=sys.stderr)
    (options.out / "results.md").write_text(page(tables), encoding="utf-8")
    for name, (_, needed) in PICTURES.items():
        if set(needed) <= set(tables):
            draw(name, [tables[table] for table in needed], options.out)


if __name__ == "__main__":
    main()

"""What was found, for a terminal of 80 columns?"""

import io
import math
import textwrap
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from .numbers import NONE, number, plus_minus, probability
from .tables import Document, best_sentence, evidence_rows, parameter_rows

WIDTH = 80
MOST_ROWS = 12
PARAMETER_COLUMNS = ("parameter", "MAP", "mode(u)", "grid", "NUTS", "MCSE", "agree?")
SPARED = (), ("MCSE",), ("MCSE", "mode(u)")  # columns, where names need their room: "agree?" knows the first
MODES = {True: "MAP and mode(u): the mode in your coordinates and in unconstrained ones", False: "MAP: the mode"}
LEGEND = (
    "{modes}; grid and NUTS: mean ± sd; agree?: the distance of the means in MCSEs. "
    "A mode moves under a change of variables; an integral does not"
)


def summary(doc: Document) -> str:
    """Return a run's document as text: the model, its parameters, its evidence, then every alert."""
    model = doc["model"]
    head = (
        f"{model['name']}: {_many(model['dimension'], 'parameter')}, {_many(model['num_observations'], 'observation')}"
    )
    parts = [head, _parameters(doc)]
    if doc["evidence"]:
        parts.append(_rendered(_evidence(doc)))
    parts += [_wrapped(best_sentence(doc)), *(_wrapped(f"! {warning}") for warning in doc["warnings"])]
    return "\n".join(part for part in parts if part) + "\n"


def models_summary(doc: Document) -> str:
    """Return a comparison of models as text: a row for each, the checks, then every alert."""
    table = _table(("model", "log p(D) ± error", "p(model | D)", "elpd LOO ± se", "p LOO"))
    for row in doc["models"]:
        elpd, se, p = (number(row[key]) for key in ("elpd_loo", "se_loo", "p_loo"))
        table.add_row(
            row["name"],
            plus_minus(number(row["log_evidence"]), number(row["error"])),
            probability(number(row["probability"]), number(row["probability_error"])),
            f"{elpd:.1f} ± {se:.1f}" if math.isfinite(elpd) else NONE,
            f"{p:.1f}" if math.isfinite(p) else NONE,
        )
    checks = [
        f"Savage–Dickey, {c['smaller']} against {c['larger']}: log Bayes factor "
        f"{plus_minus(number(c['log_bayes_factor']), number(c['error']))}."
        for c in doc["savage_dickey"]
    ]
    best = f"Most probable: {doc['best']}." if doc["best"] else "No model has a probability."
    alerts = [_wrapped(f"! {warning}") for warning in doc["warnings"]]
    return "\n".join([_rendered(table), _wrapped(best), *map(_wrapped, checks), *alerts]) + "\n"


def _parameters(doc: Document) -> str:
    """Return the table of parameters and what its columns mean; where it is too wide some make room for names."""
    for spared in SPARED:
        columns = [c for c in PARAMETER_COLUMNS if c not in spared]
        table = _parameter_table(doc, columns)
        if _fits(table):
            break
    legend = _wrapped(LEGEND.format(modes=MODES["mode(u)" in columns]))
    return "\n".join(part for part in (_rendered(table), _more(doc), legend) if part)


def _parameter_table(doc: Document, columns: Sequence[str]) -> Table:
    table = _table(columns)
    for row in parameter_rows(doc)[:MOST_ROWS]:
        shown = (row.label, row.point(row.map), row.point(row.map_unconstrained), row.grid, row.nuts, row.mcse_text)
        cells = dict(zip(PARAMETER_COLUMNS, (*shown, row.verdict)))
        table.add_row(*(Text(cells[name]) for name in columns))
    return table


def _more(doc: Document) -> str:
    hidden = len(doc["model"]["parameters"]) - MOST_ROWS
    return f"… and {hidden} more in summary.csv" if hidden > 0 else ""


def _evidence(doc: Document) -> Table:
    table = _table(("method", "log p(D) ± error", "evaluations", "time", "trusted"))
    for row in evidence_rows(doc):
        table.add_row(*(Text(row[key]) for key in ("method", "value", "evaluations", "time", "trusted")))
    return table


def _table(columns: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for at, name in enumerate(columns):
        # Only names may be broken over lines: a number in two pieces is misread.
        table.add_column(
            name, justify="right" if at else "left", overflow="fold", no_wrap=at > 0, min_width=None if at else 8
        )
    return table


def _rendered(table: Table) -> str:
    """Return a table as plain text, whatever terminal or environment there is."""
    sink = io.StringIO()
    _console(sink, WIDTH).print(table)
    return "\n".join(line.rstrip() for line in sink.getvalue().splitlines())


def _fits(table: Table) -> bool:
    """Whether a table has room without breaking a name."""
    console = _console(io.StringIO(), 10 * WIDTH)
    return Measurement.get(console, console.options, table).maximum <= WIDTH


def _console(sink: io.StringIO, width: int) -> Console:
    return Console(file=sink, width=width, color_system=None, force_terminal=False, force_jupyter=False, _environ={})


def _wrapped(sentence: str) -> str:
    return textwrap.fill(sentence, WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"

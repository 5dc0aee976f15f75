"""How is a study kept, and how is it read? A folder with its document, its tables, its figures and one page."""

import csv
import importlib
import io
import json
import os
import textwrap
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ..errors import UserError
from .figures.style import house_style, picture
from .numbers import brief, duration, typeset
from .page import data_uri, template

STUDY, TABLES, PLOTS, PAGE = "study.json", "tables", "plots", "study.html"
MOST_ROWS = 200  # of a table on the page; the CSV file has all
DPI = 160
Document = dict[str, Any]


def summary(doc: Document) -> str:
    """Return what a study found as text, 80 columns wide."""
    lines = [f"{doc['study']}: {doc['question']}", *(f"- {finding}" for finding in doc["findings"])]
    return "\n".join(textwrap.fill(typeset(line), 79, subsequent_indent="  ") for line in lines) + "\n"


def figures(doc: Document) -> dict[str, Figure]:
    """Return every figure that a study's tables allow, by name."""
    drawn = {}
    with house_style():
        for name, (draw, _) in _drawings(doc).items():
            figure = draw(doc["tables"])
            if figure is not None:
                figure.draw_without_rendering()
                drawn[name] = figure
    return drawn


def write_study(doc: Document, folder: Path) -> Path:
    """Write a study's document, tables, figures (SVG and PNG) and page; return the page's path."""
    for part in (folder / TABLES, folder / PLOTS):
        part.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f"{STUDY}.part"
    unfinished.write_text(json.dumps(doc, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(unfinished, folder / STUDY)
    for stale in [*(folder / TABLES).glob("*.csv"), *(folder / PLOTS).glob("*.[sp][vn]g")]:
        stale.unlink()  # another study, or another setting, may have left them
    for name, rows in doc["tables"].items():
        _write_table(rows, folder / TABLES / f"{name}.csv")
    svgs = {}
    for name, figure in figures(doc).items():
        drawn = picture(figure)
        (folder / PLOTS / f"{name}.svg").write_bytes(drawn.svg)
        (folder / PLOTS / f"{name}.png").write_bytes(_png(figure))
        svgs[name] = drawn
    page = folder / PAGE
    page.write_text(_render(doc, svgs), encoding="utf-8")
    return page


def redraw_study(folder: Path) -> Path:
    """Draw a kept study again, without doing any of its tasks; return its page's path."""
    try:
        doc = json.loads((folder / STUDY).read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{folder / STUDY} cannot be read ({error}); run the study again") from error
    return write_study(doc, folder)


def _drawings(doc: Document) -> dict[str, Any]:
    """Return name → (draw, caption) of a study's figures."""
    drawings: dict[str, Any] = importlib.import_module(
        f".studies.{doc['study'].replace('-', '_')}", __package__
    ).FIGURES
    return drawings


def _png(figure: Figure) -> bytes:
    """Return a figure as a PNG, laid out as it was drawn before: finding the layout takes most of the time."""
    sink = io.BytesIO()
    figure.set_layout_engine("none")
    with house_style():
        figure.savefig(sink, format="png", dpi=DPI, metadata={"Software": None})
    return sink.getvalue()


def _write_table(rows: list[dict[str, Any]], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as sink:
        table = csv.DictWriter(sink, list(rows[0]) if rows else [])
        table.writeheader()
        table.writerows(rows)


def _render(doc: Document, drawn: dict[str, Any]) -> str:
    captions = {name: caption for name, (_, caption) in _drawings(doc).items()}
    shown = {
        name: {
            "uri": data_uri(one),
            "width": one.width,
            "caption": captions[name],
        }
        for name, one in drawn.items()
    }
    tables = {name: _cells(rows) for name, rows in doc["tables"].items()}
    settings = ", ".join(f"{k} = {v}" for k, v in doc["settings"].items())
    page = template("study.html.jinja")
    return page.render(doc=doc, figures=shown, tables=tables, settings=settings, took=duration(doc["seconds"]))


def _cells(rows: list[dict[str, Any]]) -> dict[str, Any]:
    shown = [[_cell(value) for value in row.values()] for row in rows[:MOST_ROWS]]
    return {"head": list(rows[0]) if rows else [], "rows": shown, "hidden": max(len(rows) - MOST_ROWS, 0)}


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return brief(value, 5)
    return "—" if value is None else str(value)

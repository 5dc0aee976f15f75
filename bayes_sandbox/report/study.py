"""How is a study kept, and how is it read? A folder with its document, its tables, its figures and one page."""

import csv
import importlib
import io
import json
import pkgutil
import re
import textwrap
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ..errors import UserError
from ..folders import MARKER, STUDY_KIND, RunFolder, StorageError
from . import studies
from .figures.style import house_style, picture
from .numbers import brief, duration, typeset
from .page import data_uri, template
from .structure import STUDY_SCHEMA, ReportError, StructureError, check_structure, read_document

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


def write_study(doc: Document, folder: Path | RunFolder, *, force: bool = False) -> Path:
    """Write a study's document, tables, figures (SVG and PNG) and page; return the page's path.

    Parameters
    ----------
    doc : dict
        The document of a study, `Study.to_dict()`.
    folder : Path or RunFolder
        A new or empty folder, or the folder of an earlier study, which is replaced.
    force : bool, default False
        Whether to accept a folder with other files. Files of others stay as they are.
    """
    if not isinstance(folder, RunFolder):
        with RunFolder.create(folder, STUDY_KIND, force=force) as opened:
            return write_study(doc, opened)
    folder.check_free((STUDY, PAGE))
    folder.write(STUDY, json.dumps(doc, indent=1, allow_nan=False) + "\n")
    return _draw(folder, doc)


def _draw(folder: RunFolder, doc: Document) -> Path:
    """Draw everything, and only then write it."""
    files = {f"{TABLES}/{name}.csv": _table(rows).encode() for name, rows in doc["tables"].items()}
    drawn = {}
    for name, figure in figures(doc).items():
        drawn[name] = picture(figure)
        files |= {f"{PLOTS}/{name}.svg": drawn[name].svg, f"{PLOTS}/{name}.png": _png(figure)}
    page = _render(doc, drawn)
    folder.check_free((*files, PAGE))
    for stale in {*folder.listed(TABLES), *folder.listed(PLOTS)} - files.keys():
        folder.remove(stale)  # of another study, or of other settings
    for name, content in files.items():
        folder.write(name, content)
    return folder.write(PAGE, page)


def redraw_study(folder: Path) -> Path:
    """Draw a kept study again, without doing any of its tasks; return its page's path.

    Raises
    ------
    ReportError
        If the document of the study is missing or damaged.
    """
    path = folder / STUDY
    if not path.is_file():
        raise ReportError(f"{folder} holds no {STUDY}: is it the folder of a study?")
    doc = read_document(path)
    try:
        check_structure(doc, STUDY_SCHEMA, STUDY)
        _check_names(doc)
    except StructureError as error:
        raise ReportError(f"{path} is not the document of a study ({error}); run the study again") from error
    has_marker = (folder / MARKER).exists()
    with (
        RunFolder.existing(folder, STUDY_KIND)
        if has_marker
        else RunFolder.create(folder, STUDY_KIND, force=True) as opened
    ):
        try:
            return _draw(opened, doc)
        except (UserError, StorageError):
            raise
        except Exception as error:  # a document that has the structure of a study may still lack columns or values
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            raise ReportError(f"the study in {folder} is damaged ({reason}); run the study again") from error


def _check_names(doc: Document) -> None:
    """Check what becomes the name of a module or of a file."""
    known = {module.name.replace("_", "-") for module in pkgutil.iter_modules(studies.__path__)}
    if doc["study"] not in known:
        raise StructureError(f"there is no study {doc['study'][:40]!r}")
    for name, rows in doc["tables"].items():
        if not re.fullmatch(r"[A-Za-z0-9_]+", name):
            raise StructureError(f"{name[:40]!r} is not the name of a table")
        if any(row.keys() != rows[0].keys() for row in rows):
            raise StructureError(f"the rows of the table {name} have different columns")


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


def _table(rows: list[dict[str, Any]]) -> str:
    """Return rows as CSV."""
    sink = io.StringIO(newline="")
    table = csv.DictWriter(sink, list(rows[0]) if rows else [])
    table.writeheader()
    table.writerows(rows)
    return sink.getvalue()


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

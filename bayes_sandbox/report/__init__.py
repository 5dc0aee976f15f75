"""How is a run kept, and how is it read? A folder with its data, and everything that is drawn from them.

`run.json` (the contract's document) and `posterior.nc` (ArviZ's groups) are the run; `summary.csv`, `plots/` and
`report.html` are drawn from these two alone, so that `redraw` needs no model and no new fit.
"""

import csv
import io
import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..folders import MARKER, RUN_KIND, FolderError, RunFolder, StorageError
from .captions import CAPTIONS
from .structure import ReportError, StructureError, check_structure, read_document, run_schema
from .tables import ParameterRow, parameter_rows

if TYPE_CHECKING:
    import xarray as xr

    from ..comparison import Comparison

__all__ = ["OUTPUTS", "ReportError", "netcdf", "redraw", "write_run"]

RUN, POSTERIOR, SUMMARY, PLOTS, REPORT = "run.json", "posterior.nc", "summary.csv", "plots", "report.html"
OUTPUTS = (RUN, POSTERIOR, SUMMARY, REPORT, *(f"{PLOTS}/{name}.svg" for name in CAPTIONS))


def write_run(result: "Comparison", folder: Path | RunFolder, *, force: bool = False) -> Path:
    """Write a comparison to a folder; return the path of its report.

    Both data files are complete before anything is drawn: an interruption later costs figures, not fits. The two never
    belong to different runs.

    Parameters
    ----------
    result : Comparison
        What to write.
    folder : Path or RunFolder
        A new or empty folder, or the folder of an earlier run, which is replaced.
    force : bool, default False
        Whether to accept a folder with other files. Files of others stay as they are.
    """
    if not isinstance(folder, RunFolder):
        with RunFolder.create(folder, RUN_KIND, force=force) as opened:
            return write_run(result, opened)
    folder.check_free(OUTPUTS)
    document = result.to_dict()
    text, draws = json.dumps(document, indent=1, allow_nan=False) + "\n", netcdf(result.to_datatree())
    folder.write_set(
        {
            POSTERIOR: lambda path: path.write_bytes(draws),
            RUN: lambda path: path.write_text(text, encoding="utf-8"),
        }
    )
    return _draw(folder, *_read(folder.path))


def netcdf(tree: "xr.DataTree") -> bytes:
    """Return a DataTree as the content of a netCDF file. HDF5 itself crashes where it finds the disk full."""
    content: Any = tree.to_netcdf(engine="h5netcdf")
    return bytes(content)


def redraw(folder: Path) -> Path:
    """Draw a run again from its `run.json` and `posterior.nc`; return the path of its report.

    Raises
    ------
    ReportError
        If either file is missing or damaged.
    """
    path = Path(folder)
    document, tree = _read(path)
    has_marker = (path / MARKER).exists()
    with RunFolder.existing(path, RUN_KIND) if has_marker else RunFolder.create(path, RUN_KIND, force=True) as opened:
        opened.check_free(set(OUTPUTS) - {RUN, POSTERIOR})
        try:
            return _draw(opened, document, tree)
        except (FolderError, StorageError):
            raise
        except Exception as error:  # a document that has the structure of a run may still hold contradicting values
            raise ReportError(f"the run in {folder} is damaged ({_in_words(error)}); run the model again") from error


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _draw(folder: RunFolder, document: dict[str, Any], tree: "xr.DataTree") -> Path:
    from .figures import figures
    from .figures.style import picture
    from .page import render

    summary = _summary(document)
    pictures = {name: picture(figure) for name, figure in figures(tree, document).items()}
    page = render(document, pictures)
    folder.write(SUMMARY, summary)
    for name in CAPTIONS:
        if name in pictures:
            folder.write(f"{PLOTS}/{name}.svg", pictures[name].svg)
        else:
            folder.remove(f"{PLOTS}/{name}.svg")  # an earlier run in the same folder may have had it
    return folder.write(REPORT, page)


def _read(folder: Path) -> tuple[dict[str, Any], "xr.DataTree"]:
    import xarray as xr

    for name in (RUN, POSTERIOR):
        if not (folder / name).is_file():
            raise ReportError(f"{folder} holds no {name}: is it the folder of a run, as `run --out` leaves it?")
    document = read_document(folder / RUN)
    try:
        check_structure(document, run_schema(), RUN)
        with xr.open_datatree(folder / POSTERIOR, engine="h5netcdf") as stored:
            tree = stored.load()
    except StructureError as error:
        raise ReportError(f"{folder / RUN} is not the document of a run ({error}); run the model again") from error
    except Exception as error:  # HDF5 raises many kinds of errors for a damaged file
        raise ReportError(f"the run in {folder} cannot be read ({_in_words(error)}); run the model again") from error
    return document, tree


def _summary(document: dict[str, Any]) -> str:
    """Return every component by every method as CSV, not rounded; an empty cell where a method says nothing."""
    names = [field.name for field in fields(ParameterRow) if field.name != "comparable"]
    sink = io.StringIO(newline="")
    table = csv.writer(sink)
    table.writerow(["parameter", *names[1:], "agree"])
    for row in parameter_rows(document):
        values = [asdict(row)[name] for name in names]
        cells = ["" if value != value else value for value in values]
        table.writerow([*cells, "" if row.agree is None else row.agree])
    return sink.getvalue()

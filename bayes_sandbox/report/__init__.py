"""How is a run kept, and how is it read? A folder with its data, and everything that is drawn from them.

`run.json` (the contract's document) and `posterior.nc` (ArviZ's groups) are the run; `summary.csv`, `plots/` and
`report.html` are drawn from these two alone, so that `redraw` needs no model and no new fit.
"""

import csv
import json
import os
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UserError
from .captions import CAPTIONS
from .tables import ParameterRow, parameter_rows

if TYPE_CHECKING:
    import xarray as xr

    from ..comparison import Comparison

RUN, POSTERIOR, SUMMARY, PLOTS, REPORT = "run.json", "posterior.nc", "summary.csv", "plots", "report.html"


class ReportError(UserError):
    """A folder that holds no run that can be read. The sentence says what is missing and what to do."""


def write_run(result: "Comparison", folder: Path) -> Path:
    """Write a comparison as a run's folder; return the path of its report.

    The two data files are complete before anything is drawn: an interruption later costs pictures, not fits.
    """
    folder.mkdir(parents=True, exist_ok=True)
    doc, posterior = folder / f"{RUN}.part", folder / f"{POSTERIOR}.part"
    doc.write_text(json.dumps(result.to_dict(), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    result.to_datatree().to_netcdf(posterior, engine="h5netcdf")
    os.replace(doc, folder / RUN)
    os.replace(posterior, folder / POSTERIOR)
    return redraw(folder)


def redraw(folder: Path) -> Path:
    """Draw a run again from its `run.json` and `posterior.nc`; return the path of its report.

    Raises
    ------
    ReportError
        Where either file is missing or cannot be read.
    """
    folder = Path(folder)
    doc, tree = _read(folder)
    from .figures import figures
    from .figures.style import picture
    from .page import render

    _write_summary(doc, folder / SUMMARY)
    pictures = {name: picture(figure) for name, figure in figures(tree, doc).items()}
    _write_plots({name: drawn.svg for name, drawn in pictures.items()}, folder / PLOTS)
    report = folder / REPORT
    report.write_text(render(doc, pictures), encoding="utf-8")
    return report


def _write_plots(svgs: dict[str, bytes], plots: Path) -> None:
    plots.mkdir(exist_ok=True)
    for name in CAPTIONS:
        path = plots / f"{name}.svg"
        if name in svgs:
            path.write_bytes(svgs[name])
        else:
            path.unlink(missing_ok=True)  # an earlier run in the same folder may have had it


def _read(folder: Path) -> tuple[dict[str, Any], "xr.DataTree"]:
    import xarray as xr

    for name in (RUN, POSTERIOR):
        if not (folder / name).is_file():
            raise ReportError(f"{folder} holds no {name}: is it the folder of a run, as `run --out` leaves it?")
    try:
        doc = json.loads((folder / RUN).read_text(encoding="utf-8"))
        with xr.open_datatree(folder / POSTERIOR, engine="h5netcdf") as stored:
            tree = stored.load()
    except (OSError, ValueError) as error:
        raise ReportError(f"the run in {folder} cannot be read ({error}); run the model again") from error
    if not (isinstance(doc, dict) and {"model", "fits", "evidence", "lesson"} <= doc.keys()):
        raise ReportError(f"{folder / RUN} is not the document of a run; run the model again")
    return doc, tree


def _write_summary(doc: dict[str, Any], path: Path) -> None:
    """Write every component by every way, not rounded; an empty cell where a way says nothing."""
    names = [field.name for field in fields(ParameterRow) if field.name != "comparable"]
    with path.open("w", newline="", encoding="utf-8") as sink:
        table = csv.writer(sink)
        table.writerow(["parameter", *names[1:], "agree"])
        for row in parameter_rows(doc):
            values = [asdict(row)[name] for name in names]
            cells = ["" if value != value else value for value in values]
            table.writerow([*cells, "" if row.agree is None else row.agree])

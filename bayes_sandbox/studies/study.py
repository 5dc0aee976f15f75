"""What every study is made of: tasks, each done once and kept, and a record of the tables they fill."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from .. import arguments
from ..checkpoints import NO_CHECKPOINTS, Checkpoints, cached, require_checkpoints
from ..document import plain
from ..errors import UserError, suggestion
from ..model import Model
from ..progress import progress_of
from ..quadrature import GridFit, fit_grid
from ..workers import run_tasks
from . import STUDIES

Row = dict[str, Any]
Table = list[Row]


@dataclass(frozen=True)
class Study:
    """An experiment over many models: the tables that answer its question, and what they say in sentences.

    `tables` are name → rows of one shape, plain numbers and words, not rounded: every number of a figure is in one.
    `findings` are read off the tables, whatever they hold.
    """

    name: str
    tables: dict[str, Table]
    findings: tuple[str, ...]
    settings: dict[str, Any]
    seconds: float

    @property
    def question(self) -> str:
        """What was asked."""
        return STUDIES[self.name]

    def summary(self) -> str:
        """Return the findings as text, 80 columns wide."""
        from ..report.study import summary

        return summary(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Return the study as plain values; what is not finite is None."""
        return {
            "study": self.name,
            "question": self.question,
            "findings": list(self.findings),
            "settings": plain(self.settings),
            "seconds": self.seconds,
            "tables": plain(self.tables),
        }

    def to_datatree(self) -> Any:
        """Return an xarray DataTree with a group for each table, its rows along the dim `row`."""
        from ..datatree import tables_datatree

        return tables_datatree(self.tables)

    def plot(self) -> dict[str, Any]:
        """Return every figure, by name, as matplotlib figures."""
        from ..report.study import figures

        return figures(self.to_dict())

    def report(self, folder: str | Path, *, force: bool = False) -> Path:
        """Write study.json, tables/*.csv, plots/*.svg, plots/*.png and study.html; return the page's path.

        A folder with files that this package did not write is refused unless `force` is given; they are kept anyway.
        """
        from ..report.study import write_study

        return write_study(self.to_dict(), arguments.folder(folder, "folder"), force=force)


def check_options(seed: Any, fast: Any, progress: Any, checkpoints: Any) -> int:
    """Return the seed of a study, which counts up from it; raise `ArgumentError` for what every study is given."""
    require_checkpoints(checkpoints)
    arguments.flag(fast, "fast")
    arguments.flag(progress, "progress")
    return arguments.integer(seed, "seed", at_least=0)


def chosen(value: Any, name: str, known: Collection[str], what: str) -> tuple[str, ...]:
    """Return names of what there is; raise `UserError` for one that does not exist."""

    def unknown(one: str) -> UserError:
        return UserError(f"{name}: there is no {what} {one!r}{suggestion(one, known)}")

    return tuple(arguments.names(value, name, known, unknown))


def _each(task: Any, found: Table) -> bool:
    return True


class Tasks:
    """Does the tasks of a study; a finished one is kept, and recalled instead of done again."""

    def __init__(self, checkpoints: Checkpoints = NO_CHECKPOINTS, progress: bool = False, executor: Any = None):
        self._checkpoints, self._progress, self._executor = checkpoints, progress, executor

    def rows[Task](
        self,
        label: str,
        tasks: Sequence[Task],
        do: Callable[[Task], Table],
        wanted: Callable[[Task, Table], bool] = _each,
    ) -> Table:
        """Return the rows of all tasks that are wanted after those before them.

        `str(task)` is the name that a task is kept under. Where every task is wanted, an executor may do them.
        """
        if wanted is _each:
            how = {
                "executor": self._executor,
                "checkpoints": self._checkpoints,
                "progress": self._progress,
                "label": label,
            }
            return list(chain.from_iterable(run_tasks(do, tasks, **how)))
        found: Table = []
        with progress_of(self._progress).task(label, len(tasks)) as advance:
            for task in tasks:
                if wanted(task, found):
                    found += cached(self._checkpoints, f"{label}:{task}", partial(do, task))
                advance(1, str(task))
        return found


def summed(model: Model, seed: int) -> GridFit:
    """Return a grid's fit, or raise `UserError` where a grid declines: several studies stand on sums."""
    fit = fit_grid(model, seed=seed)
    if fit.skipped:
        raise UserError(f"this study sums over a grid, and {model.name!r} cannot be summed: {fit.skipped}")
    return fit


def doubts(rows: Table) -> list[str]:
    """Return a sentence that counts the rows whose evidence is not trusted; none where all are."""
    doubted = sum(not row["trusted"] for row in rows)
    return [f"{doubted} of {len(rows)} sums are not trusted, nor what rests on them below"] if doubted else []


def quick[Setting](fast: bool, given: Setting, usual: Setting, small: Setting) -> Setting:
    """Return the small setting where a fast study was asked for and nothing else was said.

    >>> quick(True, 9, 9, 4), quick(True, 7, 9, 4), quick(False, 9, 9, 4)
    (4, 7, 9)
    """
    return small if fast and given == usual else given


def column(rows: Table, name: str) -> np.ndarray:
    """Return a column of a table as floats; None becomes NaN."""
    return np.array([np.nan if row[name] is None else row[name] for row in rows], float)


def where(rows: Table, **equal: Any) -> Table:
    """Return the rows whose columns have these values."""
    return [row for row in rows if all(row[name] == value for name, value in equal.items())]


def slope(x: Any, y: Any) -> float:
    """Return the least-squares slope of y in x: of logarithms, the exponent of a power law.

    >>> round(slope(np.log([1.0, 10.0, 100.0]), np.log([2.0, 20.0, 200.0])), 12)
    1.0
    """
    return float(np.polyfit(np.asarray(x, float), np.asarray(y, float), 1)[0])

"""What every table shares: the arguments of its command, its processes, its CSV file."""

import argparse
import csv
import json
import multiprocessing
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def arguments(what: str) -> argparse.ArgumentParser:
    """Return a parser of what all tables are asked for; `what` is the module's docstring."""
    parser = argparse.ArgumentParser(description=what, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[""], help="problems whose name contains one of these words")
    parser.add_argument("--out", type=Path, help="a CSV file, written as rows come")
    parser.add_argument("--processes", type=int, default=2)
    return parser


def wanted(problems: Sequence[Any], options: argparse.Namespace) -> list[str]:
    """Return the names of the problems that were asked for."""
    return [p.name for p in problems if any(word in p.name for word in options.only)]


def rows_of(
    make: Callable[[Any], list[Row]],
    jobs: Sequence[Any],
    fields: Sequence[str],
    options: argparse.Namespace,
    jobs_a_process: int | None = None,
) -> Iterator[list[Row]]:
    """Yield the rows of each job as they come from processes of their own, written to the CSV file by then."""
    out = options.out.open("w", newline="") if options.out else sys.stdout
    writer = csv.DictWriter(out, fields)
    writer.writeheader()
    spawn = multiprocessing.get_context("spawn")
    with spawn.Pool(options.processes, maxtasksperchild=jobs_a_process) as pool:
        for rows in pool.imap_unordered(make, jobs):
            writer.writerows(rows)
            out.flush()
            yield rows


def written(rows: Iterable[Row], fields: Sequence[str], out: Path | None) -> list[Row]:
    """Return the rows, written to a CSV file (or the terminal) as they come."""
    file, found = out.open("w", newline="") if out else sys.stdout, []
    writer = csv.DictWriter(file, fields)
    writer.writeheader()
    for row in rows:
        writer.writerow(row)
        file.flush()
        found.append(row)
    return found


def row_of_process(module: str, args: Sequence[str], limit: float, nothing: Row) -> Row:
    """Return the row that `python -m module --child …` prints as JSON, or `nothing` with why there is none."""
    command = [sys.executable, "-m", module, "--child", *args]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=True)
        return dict(json.loads(done.stdout.strip().splitlines()[-1]))
    except subprocess.TimeoutExpired:
        note = f"not done in {limit:g} s"
    except subprocess.CalledProcessError as failure:
        note = (failure.stderr.strip().splitlines() or [f"ended with {failure.returncode}"])[-1][:120]
    return nothing | {"note": note}

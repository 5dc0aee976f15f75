"""How does each way to the evidence fare as parameters are added? Measured up to a budget, extrapolated beyond."""

import time
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import jax
import numpy as np

from ..arguments import integer, listed, positive
from ..checkpoints import NO_CHECKPOINTS, Checkpoints
from ..errors import UserError
from ..evidence import estimate_with
from ..evidence.workbench import Workbench
from ..problems import Problem
from .families import FAMILIES, LARGEST
from .geometry import geometry_row
from .ladders import LADDERS
from .study import Row, Study, Table, Tasks, check_options, chosen, column, quick, slope, where

DIMENSIONS = (1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100, 200, 500, 1000)
OTHERS = ("grid", "rqmc", "importance", "bridge", "tempering", "nested")
METHODS = (*LADDERS, *OTHERS)
BUDGET = 60.0  # seconds
GPU = 500.0  # times this machine's densities per second: one H100 against two CPU cores, float64, measured
UNAIDED = ("riemann", "prior_average")  # which need no mode
EXPONENTIAL = ("riemann", "gauss_hermite", "prior_average")  # whose cost each further parameter multiplies
GROWING = 1.05  # a factor that can be told from one
FINE = 1e-4  # of the tolerance: an error that ends a curve
FRACTION = 0.05  # of the budget, for rungs beyond the tolerance
LEAST = 0.1  # seconds, left to an estimator that then says what it would need
HOPELESS = 2  # dimensions in a row that a method did not reach: it is not asked again


def study_dimension(
    *,
    families: Sequence[str] = tuple(FAMILIES),
    dimensions: Sequence[int] = DIMENSIONS,
    methods: Sequence[str] = METHODS,
    tolerance: float = 0.02,
    budget: float = BUDGET,
    seed: int = 0,
    fast: bool = False,
    checkpoints: Checkpoints = NO_CHECKPOINTS,
    progress: bool = False,
) -> Study:
    """Add parameters to posteriors of known evidence, and ask every method for it.

    Plain sums climb, rung by rung, until they are within the tolerance or the next rung would not fit the budget:
    `riemann` over the box of the prior, `gauss_hermite` about the mode, both with so many nodes along every axis;
    `smolyak`'s sparse grid; `prior_average`, whose error is a root mean square over repeats; and `laplace`, one node.
    The house's estimators run once, as they are, each by itself: they share the modes, whose time is counted for all,
    and nothing else. A method *reaches* a dimension if it is within the tolerance in the budget, compilation included,
    and, where it judges itself, trusts its answer. What three of the sums would need beyond is extrapolated from what
    they needed, at the best rate that was measured.

    Beside it, where the mass of one of these posteriors lies: the share of grid cells that hold 99 % of it, its
    distance from the mode, the share of prior draws that an average rests on, and the volume of a ball in a cube.

    Parameters
    ----------
    families
        Among `rates` (skewed), `collinear` (Gaussian, correlated), `shares` (skewed, bounded).
    methods
        Plain sums and estimators.
    tolerance, budget
        Nats, and seconds for one method in one dimension.
    fast
        One family in up to four dimensions, four methods, three seconds.

    Returns
    -------
    Study
        Tables `runs` (a row for each method, dimension and rung), `reach` (the cheapest run within the tolerance),
        `leaves` (where each method leaves it), `extrapolated` (seconds beyond), `geometry`. Asserted of the fast
        setting: nodes grow by one factor with each axis; a prior average's error falls like N^(−1/2); distance grows
        like √d; the shares of cells and of draws fall exponentially.

    Raises
    ------
    UserError
        For a family or a method that does not exist, or dimensions that are none.

    Examples
    --------
    >>> from bayes_sandbox.studies import study_dimension
    >>> study = study_dimension(families=["rates"], dimensions=[1, 2], methods=["gauss_hermite"], budget=5.0)
    >>> [row["reached"] for row in study.tables["reach"]]
    [True, True]
    """
    started = time.perf_counter()
    seed = check_options(seed, fast, progress, checkpoints)
    tolerance = positive(tolerance, "tolerance", example=0.02)
    budget = positive(budget, "budget", infinite=True, example=BUDGET)
    families = quick(fast, chosen(families, "families", FAMILIES, "family"), tuple(FAMILIES), ("rates",))
    dimensions = _checked(quick(fast, tuple(listed(dimensions, "dimensions", "integers")), DIMENSIONS, (1, 2, 4)))
    methods = quick(
        fast,
        chosen(methods, "methods", METHODS, "method"),
        METHODS,
        ("riemann", "gauss_hermite", "prior_average", "laplace"),
    )
    budget = quick(fast, budget, BUDGET, 3.0)
    tasks = Tasks(checkpoints, progress)
    jobs = [(family, d, method) for family in families for d in dimensions for method in methods]
    runs = tasks.rows(
        "method", jobs, lambda job: _runs(*job, tolerance, budget, seed), lambda job, done: _hopeful(job, done, budget)
    )
    reach = [_cheapest(where(runs, family=f, dimension=d, method=m)) for f, m, d in _asked(runs)]
    tables = {
        "runs": runs,
        "reach": reach,
        "leaves": _leaves(reach),
        "extrapolated": _extrapolated(reach, max(dimensions)),
        "geometry": tasks.rows("geometry", dimensions, lambda d: [geometry_row(d, seed)]),
    }
    settings = {"families": list(families), "dimensions": list(dimensions), "methods": list(methods)}
    settings |= {"tolerance": tolerance, "budget": budget, "seed": seed, "fast": fast}
    seconds = time.perf_counter() - started
    return Study("dimension", tables, tuple(_findings(tables, budget)), settings, seconds)


def _checked(dimensions: Sequence[int]) -> tuple[int, ...]:
    """Return dimensions from the least on, each once."""
    if not dimensions or any(not 1 <= integer(d, "each of dimensions") <= LARGEST for d in dimensions):
        raise UserError(f"expected dimensions from 1 to {LARGEST}, got {list(dimensions)}")
    return tuple(sorted({int(d) for d in dimensions}))


# --- one method in one dimension ---


def _hopeful(job: tuple[str, int, str], found: Table, budget: float) -> bool:
    """Whether a method reached one of the last few dimensions it was asked for, and the last one in time."""
    family, _, method = job
    rows = where(found, family=family, method=method)
    last = list(dict.fromkeys(row["dimension"] for row in rows))[-HOPELESS:]
    if last and min(row["seconds"] for row in where(rows, dimension=last[-1])) > budget:
        return False
    return len(last) < HOPELESS or any(row["reached"] for row in rows if row["dimension"] in last)


class _Prepared(NamedTuple):
    problem: Problem
    bench: Workbench
    compiling: float  # seconds that the density took to compile
    climbing: float  # and the modes to be found


@cache
def _prepared(family: str, d: int, budget: float, seed: int) -> _Prepared:
    """Return what all methods share in one dimension; the last one only is kept."""
    _prepared.cache_clear()
    jax.clear_caches()
    problem = FAMILIES[family](d)
    bench = Workbench(problem.make(), seed=seed, budget=budget)
    began = time.perf_counter()
    bench.coords.log_density_many(np.zeros((1, d)))
    between = time.perf_counter()
    bench.laplace  # noqa: B018 - made when first asked for
    return _Prepared(problem, bench, between - began, time.perf_counter() - between)


def _runs(family: str, d: int, method: str, tolerance: float, budget: float, seed: int) -> Table:
    """Return a row for each rung that a method climbed, or for the one estimate it made."""
    found = _prepared(family, d, budget, seed)
    base = {"family": family, "dimension": d, "method": method}
    if method in LADDERS:
        return [base | row for row in _climbed(found, method, tolerance, budget)]
    return [base | _estimated(found, method, tolerance, budget)]


def _climbed(found: _Prepared, method: str, tolerance: float, budget: float) -> Table:
    """Return rungs until the error is far below the tolerance, or the time that a picture of it is worth is over.

    A rung has reached the tolerance if every later one stays within it: the first to come near may be luck.
    """
    before = found.compiling + (0.0 if method in UNAIDED else found.climbing)
    rows: Table = []
    for rung in LADDERS[method](found.bench, budget - before):
        gaps = np.abs(np.atleast_1d(rung.log_evidence) - found.problem.log_evidence)
        gap = float(np.sqrt(np.mean(gaps**2))) if np.isfinite(gaps).all() else np.inf
        rows.append(_row(rung.resolution, rung.num_evaluations, before + rung.seconds, gap))
        settled = len(rows) > 1 and max(row["gap"] for row in rows[-2:]) <= tolerance
        if settled and (gap < FINE * tolerance or rung.seconds > FRACTION * budget):
            break
    stays = True
    for row in reversed(rows):
        stays = stays and row["gap"] <= tolerance
        row["reached"] = bool(stays and row["seconds"] <= budget)
    return rows or [_row(0, 0, before, np.inf) | {"reached": False}]


def _estimated(found: _Prepared, method: str, tolerance: float, budget: float) -> Row:
    """Return what one estimator makes of it, on a workbench of its own that knows the modes and nothing else."""
    before = found.compiling + found.climbing
    bench = Workbench(found.bench.model, seed=found.bench.seed, budget=max(budget - before, LEAST))
    bench.__dict__["laplace"] = found.bench.laplace
    began = time.perf_counter()
    estimate = estimate_with(bench, method)
    seconds = before + time.perf_counter() - began
    gap = abs(estimate.log_evidence - found.problem.log_evidence)
    row = _row(0, estimate.num_evaluations, seconds, gap)
    reached = bool(estimate.trusted and max(gap, estimate.error) <= tolerance and seconds <= budget)
    return row | {"error": estimate.error, "trusted": estimate.trusted, "reached": reached}


def _row(resolution: int, num: float, seconds: float, gap: float) -> Row:
    return {
        "resolution": resolution,
        "num_evaluations": float(num),
        "seconds": float(seconds),
        "gap": float(gap),
        "error": None,
        "trusted": None,
    }


# --- what the runs say ---


def _asked(runs: Table) -> list[tuple[str, str, int]]:
    return list(dict.fromkeys((row["family"], row["method"], row["dimension"]) for row in runs))


def _cheapest(rows: Table) -> Row:
    """Return the cheapest run within the tolerance; where there is none, the last one, which did not get there."""
    reached = [row for row in rows if row["reached"]]
    return min(reached, key=lambda row: row["num_evaluations"]) if reached else rows[-1]


def _leaves(reach: Table) -> Table:
    """Return, for each family and method, the largest dimension reached and the first not reached."""
    found = []
    for family, method in dict.fromkeys((row["family"], row["method"]) for row in reach):
        rows = where(reach, family=family, method=method)
        missed = [row["dimension"] for row in rows if not row["reached"]]
        first = min(missed, default=None)
        got = [row["dimension"] for row in rows if row["reached"] and (first is None or row["dimension"] < first)]
        found.append({"family": family, "method": method, "reaches": max(got, default=0), "leaves": first})
    return found


def _extrapolated(reach: Table, furthest: int) -> Table:
    """Return the seconds that some sums would need in every dimension: nodes grow by one factor with each axis.

    At the best rate that was met: a density costs more as parameters are added, which makes these too few.
    """
    found = []
    for row in _leaves(reach):
        rows = where(reach, family=row["family"], method=row["method"], reached=True)
        if row["method"] not in EXPONENTIAL or len(rows) < 2:
            continue
        log_nodes = np.polyfit(column(rows, "dimension"), np.log(column(rows, "num_evaluations")), 1)
        if np.exp(log_nodes[0]) < GROWING:
            continue
        rate = max(r["num_evaluations"] / r["seconds"] for r in rows)
        for d in sorted({*range(1, 41), *np.geomspace(1, furthest, 60).round().astype(int).tolist()}):
            nodes = float(np.polyval(log_nodes, d)) / np.log(10)
            seconds = nodes - np.log10(rate)
            found.append(
                {
                    "family": row["family"],
                    "method": row["method"],
                    "dimension": d,
                    "log10_nodes": nodes,
                    "log10_seconds": seconds,
                    "log10_seconds_gpu": seconds - np.log10(GPU),
                    "factor": float(np.exp(log_nodes[0])),
                }
            )
    return found


def _findings(tables: dict[str, Table], budget: float) -> list[str]:
    said = []
    for family in dict.fromkeys(row["family"] for row in tables["leaves"]):
        rows = where(tables["leaves"], family=family)
        each = [f"{r['method']} {_until(r)}" for r in rows]
        said.append(f"{family}, largest dimension reached in {budget:g} s: {', '.join(each)}")
    seen = set()
    for row in tables["extrapolated"]:
        key = (row["family"], row["method"])
        if key not in seen:
            seen.add(key)
            more = np.log(GPU) / np.log(row["factor"])
            said.append(
                f"{row['method']} on {row['family']}: nodes × {row['factor']:.1f} with each parameter; "
                f"{GPU:g} times the speed buys {more:.1f} more"
            )
    exponents = _prior_exponents(tables["runs"])
    if exponents:
        said.append(f"the error of a prior average falls like N^{np.median(exponents):.2f}")
    g = tables["geometry"]
    if len(g) > 2:
        d = column(g, "dimension")
        away = slope(np.log(d), np.log(column(g, "distance")))
        cells, draws = (10 ** -slope(d, column(g, name)) for name in ("log10_share", "log10_effective"))
        said += [
            f"the mass is at a distance from the mode that grows like d^{away:.2f}",
            f"with each parameter the share of cells that hold 99 % of the mass falls {cells:.1f}-fold, and the share "
            f"of prior draws that count {draws:.1f}-fold",
        ]
    return said


def _until(row: Row) -> str:
    return f"{row['reaches']}" + ("+" if row["leaves"] is None else "")


def _prior_exponents(runs: Table) -> list[float]:
    """Return the exponent of the error in the number of draws, for each family and dimension with rungs enough."""
    found = []
    for family, method, d in _asked(runs):
        rows = [r for r in where(runs, family=family, dimension=d, method=method) if np.isfinite(r["gap"])]
        if method == "prior_average" and len(rows) > 2:
            found.append(slope(np.log(column(rows, "num_evaluations")), np.log(column(rows, "gap"))))
    return found

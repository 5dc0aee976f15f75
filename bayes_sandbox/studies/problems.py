"""Which problems does each estimator solve, and is it ever wrong with confidence?"""

import gc
import time
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import numpy as np

from .. import problems
from ..arguments import instance, integer, listed
from ..checkpoints import NO_CHECKPOINTS, Checkpoints
from ..comparison import METHODS as FITS
from ..comparison import compare
from ..errors import UserError, suggestion
from ..evidence import check_methods
from ..records import Evidence
from .study import Row, Study, Table, Tasks, check_options, where

OUTCOMES = ("solved", "wide", "not trusted", "wrong")
BOUNDS = {"laplace", "grid", "sparse"}  # whose error bounds the gap; the others' is a standard error
SIGMAS = 4.0  # standard errors, beyond which a trusted number is wrong
SAMPLE = ("coin", "bimodal", "dice")


def study_problems(
    *,
    names: Sequence[str] | str = "",
    methods: Iterable[str] | None = None,
    num_seeds: int = 1,
    seed: int = 0,
    fast: bool = False,
    checkpoints: Checkpoints = NO_CHECKPOINTS,
    executor: Any = None,
    progress: bool = False,
) -> Study:
    """Compare every way on every problem whose evidence is known, as a user would: `compare(model, seed=…)` untouched.

    Each estimate is *solved* (trusted, and within the problem's tolerance: 0.02 nats, 0.1 for hierarchies, funnels and
    beyond fifty parameters), *wide* (trusted, and within its own error but not the tolerance), *not trusted*, or
    *wrong*: trusted, and off by more than its error (a sum) or four of them (a standard error). Where the evidence is
    infinite, not to be trusted is to have solved it.

    Parameters
    ----------
    names
        Problems whose names contain one of these words; all of them by default.
    methods
        Estimators; by default those of `compare`.
    num_seeds
        How often, each time with a new model and the next seed.
    fast
        Three easy problems, without NUTS.
    executor
        Who does the tasks: see `run_tasks`. A number is so many processes.

    Returns
    -------
    Study
        Table `estimates`, a row for each problem, seed and method, and `best` for what `compare` recommends. Asserted
        of the fast setting, and over the whole table by the benchmarks: nothing is wrong.

    Examples
    --------
    >>> from bayes_sandbox.studies import study_problems
    >>> study = study_problems(names=["coin"], methods=["grid"], fast=True)
    >>> [row["outcome"] for row in study.tables["estimates"]]
    ['solved']
    """
    started = time.perf_counter()
    seed = check_options(seed, fast, progress, checkpoints)
    num_seeds = integer(num_seeds, "num_seeds", at_least=1)
    words = (
        [names]
        if isinstance(names, str)
        else [
            instance(n, "each of names", str, "pass parts of names") for n in listed(names, "names", "parts of names")
        ]
    )
    wanted = None if methods is None else check_methods(methods)
    fits: Sequence[str] = FITS
    if fast:
        fits, wanted = ("map", "grid"), wanted or ["laplace", "grid", "importance"]
    known = [p.name for p in problems.every() if p.log_evidence == p.log_evidence]
    chosen = [name for name in known if any(word in name for word in words)]
    if fast and not any(words):
        chosen = list(SAMPLE)
    if not chosen:
        raise UserError(f"no problem has {' or '.join(map(repr, words))} in its name{suggestion(words[0], known)}")
    jobs = [(name, seed + i) for i in range(num_seeds) for name in chosen]
    rows = Tasks(checkpoints, progress, executor).rows("problem", jobs, lambda job: _rows(*job, fits, wanted))
    tables = {"estimates": [row for row in rows if row["method"] != "best"], "best": where(rows, method="best")}
    settings = {"names": words, "methods": wanted, "num_seeds": num_seeds, "seed": seed, "fast": fast}
    seconds = time.perf_counter() - started
    return Study("problems", tables, tuple(_findings(tables)), settings, seconds)


def _rows(name: str, seed: int, fits: Sequence[str], methods: list[str] | None) -> Table:
    """Return a row for each estimate of one problem, and one for the best of them."""
    problem = problems.find(name)
    began = time.perf_counter()
    found = compare(problem.make(), methods=fits, evidence=methods, seed=seed)
    whole = time.perf_counter() - began
    common = {"whole_seconds": whole, "nuts_seconds": found.nuts.seconds if found.nuts is not None else None}
    rows = [_row(problem, seed, e.method, e) | common for e in found.evidence]
    rows.append(_row(problem, seed, "best", found.best or _nothing(found.evidence)) | common)
    del found
    jax.clear_caches()
    gc.collect()
    return rows


def _nothing(estimates: Sequence[Evidence]) -> Evidence:
    why = [f"{e.method}: {e.warnings[0]}" for e in estimates if e.warnings]
    return Evidence("none", np.nan, np.inf, 0, 0.0, False, tuple(why) or ("nothing was estimated",))


def _row(problem: problems.Problem, seed: int, label: str, found: Evidence) -> Row:
    gap = -np.inf if np.isinf(problem.log_evidence) else found.log_evidence - problem.log_evidence
    return {
        "problem": problem.name,
        "dimension": problem.dimension,
        "tags": " ".join(sorted(problem.tags)),
        "seed": seed,
        "method": label,
        "chosen": found.method,
        "gap": gap,
        "error": found.error,
        "tolerance": problem.tolerance,
        "trusted": found.trusted,
        "outcome": outcome(found, gap, problem.tolerance),
        "num_evaluations": found.num_evaluations,
        "seconds": found.seconds,
        "note": "; ".join(found.warnings),
    }


def outcome(found: Evidence, gap: float, tolerance: float) -> str:
    """Return what came of an estimate that is this far from the truth.

    >>> outcome(Evidence("grid", -2.4, 1e-9, 9, 0.1, True, ()), 1e-6, 0.02)
    'wrong'
    >>> outcome(Evidence("bridge", -2.4, 0.01, 9, 0.1, True, ()), 0.03, 0.02)
    'wide'

    An infinite evidence is solved by an estimate that does not trust itself.

    >>> outcome(Evidence("grid", -2.4, 1e-9, 9, 0.1, False, ("the integral diverges",)), -np.inf, 0.02)
    'solved'
    """
    if not found.trusted:
        return "solved" if np.isinf(gap) else "not trusted"
    if abs(gap) > found.error * (1.0 if found.method in BOUNDS else SIGMAS):
        return "wrong"
    return "solved" if abs(gap) <= tolerance else "wide"


def _findings(tables: dict[str, Table]) -> list[str]:
    said = []
    for label, rows in (("what compare recommends", tables["best"]), *_by_method(tables["estimates"])):
        counts = {o: sum(row["outcome"] == o for row in rows) for o in OUTCOMES}
        each = ", ".join(f"{n} {o}" for o, n in counts.items() if n or o == "wrong")
        said.append(f"{label}: {each}, of {len(rows)}")
    wrong = [f"{r['method']} on {r['problem']} (seed {r['seed']})" for r in where(tables["estimates"], outcome="wrong")]
    if wrong:
        said.append(f"wrong with confidence: {', '.join(wrong)}")
    whole = sorted(row["whole_seconds"] for row in tables["best"])
    if whole:
        said.append(f"seconds for one problem, all ways: median {whole[len(whole) // 2]:.1f}, largest {whole[-1]:.1f}")
    return said


def _by_method(rows: Table) -> Iterable[tuple[str, Any]]:
    return [(m, where(rows, method=m)) for m in dict.fromkeys(row["method"] for row in rows)]

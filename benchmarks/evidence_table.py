"""Are the errors of `compare` errors, where no grid can go? Posteriors of 6 to 200 parameters with a known evidence.

    python -m benchmarks.evidence_table [--seeds 0 1 2 3 4] [--only WORD …] [--out FILE.csv]

Each row is one estimate of one problem and seed, from a fresh model, `bs.compare(model, seed=seed)` untouched. *Wrong*:
a trusted number off by more than four of its errors. *Solved*: the best one is within 0.02 nats, 0.1 for hierarchies,
funnels and beyond fifty parameters. `whole` and `nuts` are the seconds of the whole comparison and of its sampling,
`compiled` and `nuts_compiled` those of them in which XLA compiled. A comparison should take at most five times its
sampling, beside what else it compiles.
"""

import gc
import sys
import time
from contextlib import nullcontext
from typing import Any

from .tables import Row, arguments, rows_of, wanted

FIELDS = (
    "problem",
    "dimension",
    "seed",
    "method",
    "best",
    "gap",
    "error",
    "trusted",
    "tolerance",
    "whole",
    "nuts",
    "compiled",
    "nuts_compiled",
    "note",
)
SIGMAS = 4
COMPILING = ("/jax/core/compile/jaxpr_to_mlir_module_duration", "/jax/core/compile/backend_compile_duration")


class _Compiling:
    """The seconds in which XLA compiled: in all, and while NUTS ran."""

    def __init__(self) -> None:
        import jax

        from bayes_sandbox import comparison
        from bayes_sandbox.evidence import workbench

        self.seconds = self.nuts = 0.0
        # NUTS is timed with its own compilation: nothing of it may be done beside something else.
        self._beside, comparison.compiled_beside = comparison.compiled_beside, lambda *args: nullcontext()
        jax.monitoring.register_event_duration_secs_listener(self._listen)
        self._fit_nuts = workbench.fit_nuts
        workbench.fit_nuts = self._timed

    def _listen(self, event: str, seconds: float, **_: object) -> None:
        if event in COMPILING:
            self.seconds += seconds

    def _timed(self, *args: Any, **options: Any) -> Any:
        before = self.seconds
        try:
            return self._fit_nuts(*args, **options)
        finally:
            self.nuts += self.seconds - before

    def close(self) -> None:
        import jax

        from bayes_sandbox import comparison
        from bayes_sandbox.evidence import workbench

        comparison.compiled_beside = self._beside
        jax.monitoring.unregister_event_duration_listener(self._listen)
        workbench.fit_nuts = self._fit_nuts


def _one(job: tuple[str, int]) -> list[Row]:
    import jax

    import bayes_sandbox as bs
    from bayes_sandbox import problems

    name, seed = job
    problem = problems.find(name)
    compiling = _Compiling()
    began = time.perf_counter()
    found = bs.compare(problem.make(), seed=seed)
    whole = time.perf_counter() - began
    compiling.close()
    rows = [
        {
            "problem": name,
            "dimension": problem.dimension,
            "seed": seed,
            "method": e.method,
            "best": found.best is not None and e.method == found.best.method,
            "gap": e.log_evidence - problem.log_evidence,
            "error": e.error,
            "trusted": e.trusted,
            "tolerance": problem.tolerance,
            "whole": round(whole, 1),
            "nuts": round(found.nuts.seconds, 1) if found.nuts else "",
            "compiled": round(compiling.seconds, 1),
            "nuts_compiled": round(compiling.nuts, 1),
            "note": "; ".join(e.warnings),
        }
        for e in found.evidence
    ]
    del found
    jax.clear_caches()
    gc.collect()
    return rows


def main() -> None:
    """Run the table and say what it came to."""
    parser = arguments(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    options = parser.parse_args()
    from bayes_sandbox import problems

    jobs = [(name, seed) for seed in options.seeds for name in wanted(problems.many(), options)]
    _summarise([row for rows in rows_of(_one, jobs, FIELDS, options) for row in rows], len(jobs))


def _summarise(rows: list[Row], num: int) -> None:
    best = [r for r in rows if r["best"]]
    solved = [r for r in best if abs(r["gap"]) < r["tolerance"]]
    wrong = [r for r in rows if r["trusted"] and abs(r["gap"]) > SIGMAS * r["error"]]
    print(f"{num} comparisons, {len(solved) / num:.1%} solved, {len(wrong)} trusted numbers wrong", file=sys.stderr)
    seconds = sorted({(r["problem"], r["seed"]): r["whole"] for r in rows}.values())
    print(f"seconds: median {seconds[len(seconds) // 2]}, largest {seconds[-1]}", file=sys.stderr)
    ratios = sorted({(r["problem"], r["seed"]): _times_nuts(r) for r in rows if r["nuts"]}.values())
    middle = ratios[len(ratios) // 2]
    print(f"times NUTS, less what else it compiles: median {middle:.1f}, largest {ratios[-1]:.1f}", file=sys.stderr)
    for row in wrong:
        print("WRONG", row, file=sys.stderr)
    missing = {(r["problem"], r["seed"]) for r in rows} - {(r["problem"], r["seed"]) for r in solved}
    for problem, seed in sorted(missing):
        print("not solved:", problem, "seed", seed, file=sys.stderr)


def _times_nuts(row: Row) -> float:
    return (row["whole"] - (row["compiled"] - row["nuts_compiled"])) / row["nuts"]


if __name__ == "__main__":
    main()

"""Is the error of fit_grid an error? The whole table of problems with known evidence, default settings, several seeds.

    python -m benchmarks.problem_table [--seeds 0 1 2 3 4] [--only WORD …] [--out FILE.csv]

Each row is one problem and one seed from a fresh model, compilation included, on one of two processes. *Honest*: the
error given is at least the true one wherever the fit is trusted. *Solved*: trusted, and within 1e-5 of the truth where
the posterior is smooth, 1e-3 where it is not. An infinite evidence is solved by not trusting the fit.
"""

import gc
import sys
import time

from .tables import Row, arguments, rows_of, wanted

SMOOTH, ROUGH = 1e-5, 1e-3
COLUMNS = ("problem", "dimension", "smooth", "seed", "gap", "error", "converged", "trusted", "densities", "seconds")
FIELDS = (*COLUMNS, "message")


def _one(job: tuple[str, int]) -> list[Row]:
    import jax

    import bayes_sandbox as bs
    from bayes_sandbox import problems

    name, seed = job
    problem = problems.find(name)
    model = problem.make()
    began = time.perf_counter()
    fit = bs.fit_grid(model, seed=seed)
    seconds = time.perf_counter() - began
    del model
    jax.clear_caches()
    gc.collect()
    row = {
        "problem": name,
        "dimension": problem.dimension,
        "smooth": problem.smooth,
        "seed": seed,
        "gap": float("inf") if problem.log_evidence == float("inf") else abs(fit.log_integral - problem.log_evidence),
        "error": fit.error,
        "converged": fit.converged,
        "trusted": fit.evidence.trusted,
        "densities": fit.num_evaluations,
        "seconds": round(seconds, 2),
        "message": fit.message,
    }
    return [row]


def is_solved(row: Row) -> bool:
    if row["gap"] == float("inf"):
        return not row["trusted"] and not row["converged"]
    return bool(row["trusted"] and row["gap"] < (SMOOTH if row["smooth"] else ROUGH))


def is_honest(row: Row) -> bool:
    return bool(row["gap"] <= row["error"] or not (row["trusted"] or row["converged"]))


def main() -> None:
    """Run the table and say what it came to."""
    parser = arguments(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    options = parser.parse_args()
    from bayes_sandbox import problems

    known = [p for p in problems.few() if p.log_evidence == p.log_evidence]  # an improper prior has none
    jobs = [(name, seed) for seed in options.seeds for name in wanted(known, options)]
    _summarise([row for rows in rows_of(_one, jobs, FIELDS, options) for row in rows])


def _summarise(rows: list[Row]) -> None:
    seconds = sorted(row["seconds"] for row in rows)
    print(f"{len(rows)} fits, {sum(map(is_solved, rows)) / len(rows):.1%} solved", file=sys.stderr)
    print(f"seconds: median {seconds[len(seconds) // 2]}, largest {seconds[-1]}", file=sys.stderr)
    print(f"under 3 s: {sum(s < 3 for s in seconds) / len(seconds):.0%}", file=sys.stderr)
    for row in rows:
        if not is_honest(row):
            print("DISHONEST", row, file=sys.stderr)
        elif not is_solved(row):
            print("not solved", row, file=sys.stderr)
        elif row["seconds"] > 20:
            print("slow", row, file=sys.stderr)


if __name__ == "__main__":
    main()

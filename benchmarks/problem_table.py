"""Is the error of fit_grid an error? The whole table of problems with known evidence, default settings, several seeds.

    python -m benchmarks.problem_table [--seeds 0 1 2 3 4] [--only WORD …] [--out FILE.csv]

Each row is one problem and one seed from a fresh model, compilation included, on one of two processes. *Honest*: the
error given is at least the true one wherever the fit is trusted. *Solved*: trusted, and within 1e-5 of the truth where
the posterior is smooth, 1e-3 where it is not.
"""

import argparse
import csv
import gc
import multiprocessing
import sys
import time
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent.parent / "tests"
SMOOTH, ROUGH = 1e-5, 1e-3
COLUMNS = ("problem", "dimension", "smooth", "seed", "gap", "error", "converged", "trusted", "densities", "seconds")
FIELDS = (*COLUMNS, "message")


def _one(job: tuple[str, int]) -> dict[str, Any]:
    sys.path.insert(0, str(TESTS))
    import jax
    import problems

    import bayes_sandbox as bs

    name, seed = job
    problem = problems.BY_NAME[name]
    model = problem.make()
    began = time.perf_counter()
    fit = bs.fit_grid(model, seed=seed)
    seconds = time.perf_counter() - began
    del model
    jax.clear_caches()
    gc.collect()
    return {
        "problem": name,
        "dimension": problem.dimension,
        "smooth": is_smooth(problem),
        "seed": seed,
        "gap": abs(fit.log_integral - problem.log_evidence),
        "error": fit.error,
        "converged": fit.converged,
        "trusted": fit.evidence.trusted,
        "densities": fit.num_evaluations,
        "seconds": round(seconds, 2),
        "message": fit.message,
    }


def is_smooth(problem: Any) -> bool:
    """Whether the table calls the posterior smooth; its first half does so by not naming what is rough."""
    rough = {"step", "void", "kink", "plateau", "pole", "cornered", "edge", "corner", "laplace"}
    return "smooth" in problem.tags or not problem.tags & rough


def is_solved(row: dict[str, Any]) -> bool:
    return bool(row["trusted"] and row["gap"] < (SMOOTH if row["smooth"] else ROUGH))


def is_honest(row: dict[str, Any]) -> bool:
    return bool(row["gap"] <= row["error"] or not (row["trusted"] or row["converged"]))


def main() -> None:
    """Run the table and say what it came to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--only", nargs="+", default=[""], help="problems whose name contains one of these words")
    parser.add_argument("--out", type=Path, help="a CSV file, written row by row")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    sys.path.insert(0, str(TESTS))
    import problems

    known = [p for p in problems.TABLE if p.log_evidence == p.log_evidence]  # an improper prior has none
    chosen = [p.name for p in known if any(word in p.name for word in options.only)]
    jobs = [(name, seed) for seed in options.seeds for name in chosen]
    rows, out = [], options.out.open("w", newline="") if options.out else sys.stdout
    writer = csv.DictWriter(out, FIELDS)
    writer.writeheader()
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        for row in pool.imap_unordered(_one, jobs):
            rows.append(row)
            writer.writerow(row)
            out.flush()
    _summarise(rows)


def _summarise(rows: list[dict[str, Any]]) -> None:
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

"""Are standard errors standard errors? z-scores of every stochastic estimator over many seeds.

    python -m benchmarks.calibration [--methods importance bridge …] [--seeds 100] [--only WORD …] [--out FILE.csv]

Eight posteriors with a known evidence. Draws are exact and independent, as a perfect sampler's would be, so that what
is looked at is the estimator. z = (log evidence − truth) / error should have a mean of 0 and a standard deviation of 1.
"""

import sys
import time
from typing import Any

import numpy as np

from .tables import Row, arguments, rows_of

FIELDS = ("problem", "dimension", "method", "seed", "gap", "error", "trusted", "seconds")
PROBLEMS = (
    "needle 3d",
    "collinear regression 6d",
    "regression with unknown noise 7d",
    "edges 9d",
    "shares 10d",
    "rates 12d",
    "two that touch 12d",
    "collinear regression 30d",
)
METHODS = ("importance", "bridge", "tempering", "nested", "rqmc")
CHAINS, DRAWS = 4, 1000


def _one(job: tuple[str, str, int]) -> list[Row]:
    """Return the rows of one problem and method, over all seeds: one model, compiled once."""
    import bayes_sandbox as bs
    from bayes_sandbox import problems
    from bayes_sandbox.evidence import estimate_with
    from bayes_sandbox.evidence.workbench import Workbench

    name, method, num = job
    problem = problems.find(name)
    model, rows = problem.make(), []
    laplace = bs.fit_laplace(model)
    for seed in range(num):
        exact = problem.route.draw(np.random.default_rng(seed), CHAINS * DRAWS)
        bench = Workbench(model, seed=seed, draws=_by_name(model, exact), budget=600.0)
        bench.__dict__["laplace"] = laplace
        began = time.perf_counter()
        found = estimate_with(bench, method)
        rows.append(
            {
                "problem": name,
                "dimension": problem.dimension,
                "method": method,
                "seed": seed,
                "gap": found.log_evidence - problem.log_evidence,
                "error": found.error,
                "trusted": found.trusted,
                "seconds": round(time.perf_counter() - began, 2),
            }
        )
    return rows


def _by_name(model: Any, flat: np.ndarray) -> dict[str, np.ndarray]:
    params, start = {}, 0
    for name, shape in model.structure.shapes.items():
        size = int(np.prod(shape))
        params[name] = flat[:, start : start + size].reshape(CHAINS, DRAWS, *shape)
        start += size
    return params


def main() -> None:
    """Run them all, or what was asked for."""
    parser = arguments(__doc__)
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    parser.add_argument("--seeds", type=int, default=100)
    options = parser.parse_args()
    names = [p for p in PROBLEMS if any(word in p for word in options.only)]
    jobs = [(name, method, options.seeds) for method in options.methods for name in names]
    for rows in rows_of(_one, jobs, FIELDS, options, jobs_a_process=1):
        z = np.array([r["gap"] / r["error"] for r in rows if r["trusted"]])
        said = f"mean {z.mean():+.2f}, sd {z.std(ddof=1):.2f}, largest {np.abs(z).max():.1f}" if len(z) > 1 else ""
        print(f"{rows[0]['method']:12s} {rows[0]['problem']:34s} {len(z)} trusted: z {said}", file=sys.stderr)


if __name__ == "__main__":
    main()

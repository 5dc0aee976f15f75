"""How many draws that count does a second of NUTS give? Smallest bulk ESS a second, ours and NumPyro's defaults.

    python -m benchmarks.sampling [--only WORD …] [--repeats 5] [--out FILE.csv]

Each row is one posterior, one method and one seed, in a process of its own. *Cold* is the first call, from the model to
the draws, compilation included; *warm* the next call in the same process, with another seed. NumPyro's defaults are
its NUTS on the same program, four chains (vectorised: what its default falls back to, one after another, is slower
still), 1000 steps of warm-up and 1000 draws. Ours is `fit_nuts(model)`. Whoever has an R-hat above 1.05 has no draws
that count: the row says so, and is no part of the means.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .tables import Row, arguments, row_of_process, written

MODELS = Path(__file__).parents[1] / "models"
NAMES = (
    "bioassay",
    "breast_cancer:columns=6",
    "breast_cancer",
    "challenger",
    "coal_mining",
    "diabetes",
    "dyestuff",
    "eight_schools",
    "fabric",
    "lasso",
    "normal",
    "outliers",
    "puromycin",
    "stack_loss",
    "stopping",
)
FEW = ("bioassay", "eight_schools")
FIELDS = ("posterior", "dimension", "method", "seed", "cold", "warm", "cold_ess", "warm_ess", "rhat", "note")
GOOD = 1.05  # R-hat
Draws = dict[str, np.ndarray]
CHAINS, WARMUP, SAMPLES = 4, 1000, 1000


def model_of(name: str) -> Any:
    """Return the model of a script in `models/`, by its name and settings."""
    from bayes_sandbox.scripts import load_script, model_of

    script, _, settings = name.partition(":")
    path = MODELS / f"{script}.py"
    return model_of(load_script(path), path, tuple(settings.split(",")) if settings else ())


def ours(model: Any) -> Callable[[int], Draws]:
    import bayes_sandbox as bs

    return lambda seed: bs.fit_nuts(model, seed=seed).draws


def numpyro_defaults(model: Any) -> Callable[[int], Draws]:
    import jax
    from numpyro.infer import MCMC, NUTS

    # One object, as a user would keep it: its second run finds what the first compiled.
    mcmc = MCMC(
        NUTS(model._program),
        num_warmup=WARMUP,
        num_samples=SAMPLES,
        num_chains=CHAINS,
        chain_method="vectorized",
        progress_bar=False,
    )

    def run(seed: int) -> Draws:
        mcmc.run(jax.random.key(seed), *model._args, **model._kwargs)
        found = mcmc.get_samples(group_by_chain=True)
        return {name: np.asarray(found[name]) for name in model.structure.shapes}

    return run


METHODS = {"bayes_sandbox": ours, "numpyro": numpyro_defaults}


def judged(draws: Draws) -> tuple[float, float]:
    """Return the smallest bulk ESS and the largest R-hat of all parameters."""
    from bayes_sandbox.diagnostics import diagnose

    names = [name for name, v in draws.items() for _ in range(int(np.prod(v.shape[2:], dtype=int)))]
    stats = {"diverging": np.zeros(next(iter(draws.values())).shape[:2], bool)}
    found = diagnose([f"{n}{i}" for i, n in enumerate(names)], draws, stats)
    return min(found.ess_bulk.values()), max(found.r_hat.values())


def child(name: str, method: str, seed: int) -> None:
    """Sample twice and print the row as JSON."""
    import numpyro  # noqa: F401  imports are not timed

    import bayes_sandbox as bs

    bs.fit_nuts  # noqa: B018  nor is this one
    model = model_of(name)
    began = time.perf_counter()
    run = METHODS[method](model)
    first = run(seed)
    cold = time.perf_counter() - began
    began = time.perf_counter()
    second = run(seed + 100)
    warm = time.perf_counter() - began
    (cold_ess, cold_rhat), (warm_ess, warm_rhat) = judged(first), judged(second)
    rhat = max(cold_rhat, warm_rhat)
    row = {
        "posterior": name,
        "dimension": model.dimension,
        "method": method,
        "seed": seed,
        "cold": round(cold, 2),
        "warm": round(warm, 2),
        "cold_ess": round(cold_ess),
        "warm_ess": round(warm_ess),
        "rhat": round(rhat, 3),
        "note": "" if rhat < GOOD else "did not converge",
    }
    print(json.dumps(row))


def measured(name: str, method: str, seed: int, limit: float = 300) -> Row:
    """Return the row of a fresh process."""
    nothing = dict.fromkeys(FIELDS, "") | {"posterior": name, "method": method, "seed": seed}
    return row_of_process("benchmarks.sampling", (name, method, str(seed)), limit, nothing)


def ratios(rows: list[Row], peer: str = "numpyro") -> dict[str, dict[str, float]]:
    """Return, for each posterior, ours over the peer's: ESS a second cold and warm, medians over seeds."""
    found: dict[str, dict[str, float]] = {}
    for name in dict.fromkeys(row["posterior"] for row in rows):
        each = {}
        for kind in ("cold", "warm"):
            speed = {
                method: [
                    row[f"{kind}_ess"] / row[kind]
                    for row in rows
                    if row["posterior"] == name and row["method"] == method and not row["note"]
                ]
                for method in ("bayes_sandbox", peer)
            }
            if all(speed.values()):
                each[kind] = float(np.median(speed["bayes_sandbox"]) / np.median(speed[peer]))
        found[name] = each
    return found


def main() -> None:
    """Run the table and say what it came to."""
    parser = arguments(__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--child", nargs=3, help="one row, in this process")
    options = parser.parse_args()
    if options.child:
        name, method, seed = options.child
        child(name, method, int(seed))
        return
    names = [name for name in NAMES if any(word in name for word in options.only)]
    jobs = [(name, method, seed) for name in names for seed in range(options.repeats) for method in METHODS]
    rows = written((measured(*job) for job in jobs), FIELDS, options.out)
    told = ratios(rows)
    for kind in ("cold", "warm"):
        each = {name: r[kind] for name, r in told.items() if kind in r}
        if each:
            mean, low = float(np.exp(np.mean(np.log(list(each.values()))))), min(each, key=lambda n: each[n])
            print(
                f"{kind}: ours over NumPyro's defaults {mean:.2f} in the geometric mean of {len(each)}, "
                f"least {each[low]:.2f} ({low})",
                file=sys.stderr,
            )


if __name__ == "__main__":
    main()

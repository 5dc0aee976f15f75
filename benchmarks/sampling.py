"""How many draws that count does a second of NUTS give? Smallest bulk ESS a second, ours beside the peers'.

    python -m benchmarks.sampling [--only WORD …] [--repeats 5] [--methods …] [--out FILE.csv]
    python -m uv run --project benchmarks/peers python -m benchmarks.sampling …    (with PyMC and nutpie)

Each row is one posterior, one method and one seed, in a process of its own, one after the other. *Cold* is the first
call, from the model to the DataTree, compilation included; *warm* the next call in the same process on the same model,
with another seed. Ours is `fit_nuts(model)`, left alone. NumPyro's defaults are its NUTS on the same program, four
chains (vectorised: what its default falls back to, one after another, is slower still), 1000 steps of warm-up and 1000
draws; that its second call compiles its loop again is how NumPyro 0.22 is. PyMC, nutpie and blackjax have the same four
chains of 1000 and their own warm-up: 1000 steps (nutpie: 400). Whoever has an R-hat above 1.05 has no draws that
count: the row says so, and is no part of the means.
"""

import importlib.util
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
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
FIELDS = ("posterior", "dimension", "method", "seed", "cold", "warm", "cold_ess", "warm_ess", "rhat", "z", "note")
GOOD = 1.05  # R-hat
CHAINS, WARMUP, SAMPLES = 4, 1000, 1000
Run = Callable[[int], Any]  # from a seed to a DataTree


def model_of(name: str) -> Any:
    """Return the model of a script in `models/`, by its name and settings."""
    from bayes_sandbox.scripts import load_script, model_of

    script, _, settings = name.partition(":")
    path = MODELS / f"{script}.py"
    return model_of(load_script(path), path, tuple(settings.split(",")) if settings else ())


def ours(model: Any, name: str) -> Run:
    import bayes_sandbox as bs

    return lambda seed: bs.fit_nuts(model, seed=seed).to_datatree()


def numpyro_defaults(model: Any, name: str) -> Run:
    import arviz_base
    import jax
    from numpyro.infer import MCMC, NUTS

    # One object, as a user would keep it.
    mcmc = MCMC(
        NUTS(model._program),
        num_warmup=WARMUP,
        num_samples=SAMPLES,
        num_chains=CHAINS,
        chain_method="vectorized",
        progress_bar=False,
    )

    def run(seed: int) -> Any:
        mcmc.run(jax.random.key(seed), *model._args, **model._kwargs)
        return arviz_base.from_numpyro(mcmc)

    return run


def blackjax_windows(model: Any, name: str) -> Run:
    """Its window adaptation and NUTS on our density, as its first example has it, chains under `vmap`."""
    import arviz_base
    import blackjax
    import jax
    import numpy as np

    from bayes_sandbox.coordinates import coordinates_of

    coords = coordinates_of(model)

    def chain(key: Any) -> Any:
        start, adapting, going_on = jax.random.split(key, 3)
        position = jax.random.uniform(start, (model.dimension,), minval=-2.0, maxval=2.0)
        adapt = blackjax.window_adaptation(blackjax.nuts, coords.log_density)
        (state, parameters), _ = adapt.run(adapting, position, num_steps=WARMUP)
        step = blackjax.nuts(coords.log_density, **parameters).step

        def transition(state: Any, key: Any) -> Any:
            state, _ = step(key, state)
            return state, state.position

        return jax.lax.scan(transition, state, jax.random.split(going_on, SAMPLES))[1]

    chains = jax.jit(jax.vmap(chain))
    constrained = jax.jit(jax.vmap(jax.vmap(coords.constrain)))

    def run(seed: int) -> Any:
        draws = constrained(chains(jax.random.split(jax.random.key(seed), CHAINS)))
        return arviz_base.from_dict({"posterior": {k: np.asarray(v) for k, v in draws.items()}})

    return run


def pymc_defaults(model: Any, name: str) -> Run:
    import logging

    import pymc as pm

    logging.getLogger("pymc").setLevel(logging.ERROR)
    theirs = _in_pymc(name)

    def run(seed: int) -> Any:
        with theirs:
            return pm.sample(SAMPLES, tune=WARMUP, chains=CHAINS, random_seed=seed, progressbar=False)

    return run


def nutpie_defaults(model: Any, name: str) -> Run:
    import nutpie

    compiled = []  # as its users keep it

    def run(seed: int) -> Any:
        if not compiled:
            compiled.append(nutpie.compile_pymc_model(_in_pymc(name)))
        return nutpie.sample(compiled[0], draws=SAMPLES, chains=CHAINS, seed=seed, progress_bar=False)

    return run


def _in_pymc(name: str) -> Any:
    """Return the same posterior as PyMC's users would write it."""
    from bayes_sandbox.scripts import load_script, parse_settings

    from .peers.programs import program

    script, _, settings = name.partition(":")
    path = MODELS / f"{script}.py"
    return program(script, load_script(path), **parse_settings(tuple(settings.split(",")) if settings else ()))


METHODS = {
    "bayes_sandbox": ours,
    "numpyro": numpyro_defaults,
    "blackjax": blackjax_windows,
    "pymc": pymc_defaults,
    "nutpie": nutpie_defaults,
}
HERE = tuple(m for m in METHODS if m not in ("pymc", "nutpie") or importlib.util.find_spec(m))


def judged(tree: Any, names: Any) -> tuple[float, float, np.ndarray, np.ndarray]:
    """Return the smallest bulk ESS and the largest R-hat of the model's parameters, their means and MCSEs."""
    from bayes_sandbox.diagnostics import diagnose

    draws = {name: np.asarray(tree["posterior"][name].values) for name in names}
    labels = [f"{name}{i}" for name, v in draws.items() for i in range(int(np.prod(v.shape[2:], dtype=int)))]
    found = diagnose(labels, draws, {})
    mean = np.concatenate([v.mean(axis=(0, 1)).ravel() for v in draws.values()])
    mcse = np.array(list(found.mcse_mean.values()))
    return min(found.ess_bulk.values()), max(found.r_hat.values()), mean, mcse


def child(name: str, method: str, seed: int) -> None:
    """Sample twice and print the row as JSON."""
    import arviz_base
    import numpyro  # imports are not timed

    import bayes_sandbox as bs

    for module in {"pymc": ["pymc"], "nutpie": ["pymc", "nutpie"], "blackjax": ["blackjax"]}.get(method, []):
        importlib.import_module(module)
    assert None not in (arviz_base, numpyro, bs.fit_nuts)
    warnings.simplefilter("ignore")
    model = model_of(name)
    began = time.perf_counter()
    run = METHODS[method](model, name)
    first = run(seed)
    cold = time.perf_counter() - began
    began = time.perf_counter()
    second = run(seed + 100)
    warm = time.perf_counter() - began
    names = list(model.structure.shapes)
    one, two = judged(first, names), judged(second, names)
    rhat = max(one[1], two[1])
    row = {
        "posterior": name,
        "dimension": model.dimension,
        "method": method,
        "seed": seed,
        "cold": round(cold, 3),
        "warm": round(warm, 3),
        "cold_ess": round(one[0]),
        "warm_ess": round(two[0]),
        "rhat": round(rhat, 3),
        "note": "" if rhat < GOOD else "did not converge",
        "means": [*((one[2] + two[2]) / 2)],
        "mcses": [*(np.hypot(one[3], two[3]) / 2)],
    }
    print(json.dumps(row))


def measured(name: str, method: str, seed: int, limit: float = 300) -> Row:
    """Return the row of a fresh process."""
    nothing = dict.fromkeys(FIELDS, "") | {"posterior": name, "method": method, "seed": seed}
    return row_of_process("benchmarks.sampling", (name, method, str(seed)), limit, nothing)


def compared(rows: Iterable[Row]) -> Iterator[Row]:
    """Yield rows with `z`: how far a method's means are from those of ours with the same seed, in errors, at most."""
    ours: dict[tuple[str, int], Row] = {}
    for row in rows:
        means, mcses = row.pop("means", None), row.pop("mcses", None)
        if means is not None:
            mine = ours.setdefault((row["posterior"], row["seed"]), {"means": means, "mcses": mcses})
            error = np.hypot(mcses, mine["mcses"])
            row["z"] = round(float(np.max(np.abs(np.subtract(means, mine["means"])) / error)), 1)
        yield row


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


def summary(rows: list[Row], peer: str) -> Iterator[str]:
    """Yield a line for cold calls and one for warm: the geometric mean over posteriors of ours over the peer's."""
    told = ratios(rows, peer)
    for kind in ("cold", "warm"):
        each = {name: r[kind] for name, r in told.items() if kind in r}
        if each:
            mean, low = float(np.exp(np.mean(np.log(list(each.values()))))), min(each, key=lambda n: each[n])
            yield (
                f"{kind}: ours over {peer} {mean:.2f} in the geometric mean of {len(each)}, "
                f"least {each[low]:.2f} ({low})"
            )


def main() -> None:
    """Run the table and say what it came to."""
    parser = arguments(__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(HERE))
    parser.add_argument("--child", nargs=3, help="one row, in this process")
    options = parser.parse_args()
    if options.child:
        name, method, seed = options.child
        child(name, method, int(seed))
        return
    names = [name for name in NAMES if any(word in name for word in options.only)]
    jobs = [(name, method, seed) for name in names for seed in range(options.repeats) for method in options.methods]
    rows = written(compared(measured(*job) for job in jobs), FIELDS, options.out)
    for peer in [m for m in options.methods if m != "bayes_sandbox"]:
        for line in summary(rows, peer):
            print(line, file=sys.stderr)


if __name__ == "__main__":
    main()

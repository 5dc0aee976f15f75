"""Are the errors errors, and the posteriors posteriors? z-scores, coverage, and simulation-based calibration."""

import time
from collections.abc import Sequence
from functools import cache
from typing import Any

import jax
import numpy as np
import numpyro.distributions as dist
from scipy import special, stats

from .. import problems
from ..arguments import instance, integer, listed
from ..checkpoints import NO_CHECKPOINTS, Checkpoints
from ..coordinates import coordinates_of
from ..evidence import check_methods, estimate_with
from ..evidence.workbench import Workbench
from ..model import Model
from ..optimization import LaplaceFit, fit_laplace
from ..quadrature import fit_grid
from ..sampling import fit_nuts
from ..seeds import as_rng
from .study import Study, Table, Tasks, check_options, column, quick, where

SCORED = (
    "needle 3d",
    "collinear regression 6d",
    "regression with unknown noise 7d",
    "edges 9d",
    "shares 10d",
    "rates 12d",
    "two that touch 12d",
    "collinear regression 30d",
)
STOCHASTIC = ("importance", "bridge", "rqmc", "tempering", "nested", "prior_average")
DETERMINISTIC = ("laplace", "grid", "sparse")
WAYS = ("grid", "laplace", "nuts")
CHAINS, DRAWS = 4, 1000
NUM_SEEDS, NUM_TRIALS = 100, 10
BLOCK = 10  # seeds in one task
REJECTED = 1e-3  # the p-value of a uniform below which a posterior is said to fail
PATIENCE = 600.0  # seconds for one estimate


def _problems(names: Any) -> tuple[str, ...]:
    """Return the names of problems; whether there are any is known once all problems are made."""
    return tuple(
        instance(n, "each of names", str, "pass names of problems") for n in listed(names, "names", "problems")
    )


def study_calibration(
    *,
    methods: Sequence[str] = STOCHASTIC,
    names: Sequence[str] | None = None,
    num_seeds: int = NUM_SEEDS,
    num_trials: int = NUM_TRIALS,
    seed: int = 0,
    fast: bool = False,
    checkpoints: Checkpoints = NO_CHECKPOINTS,
    executor: Any = None,
    progress: bool = False,
) -> Study:
    """Hold the errors of estimators, and the posteriors of fits, against what is known.

    A standard error is one if z = (log evidence − truth) / error has mean 0 and sd 1 over repeats; where a problem can
    give exact, independent draws, as a perfect sampler's would be, they are used, so that what is looked at is the
    estimator. The error of a sum is a bound: it should cover the truth always. With θ from the prior and data from θ,
    the share of a right posterior below θ is uniform (Cook, Gelman & Rubin 2006; Talts et al. 2018): necessary, not
    sufficient, for a method that returned the prior would pass. All data sets of the coin that is tossed here are few:
    each is fitted once, and thousands of pairs (θ, data) are read off these fits. NUTS's draws are far more than the
    pairs, so that what they share among pairs of one data set hardly counts.

    Parameters
    ----------
    methods
        Stochastic estimators to score.
    names
        Problems (of `bayes_sandbox.problems`) to score them on, by default eight of 3 to 30 parameters.
    num_seeds
        Repeats of each.
    num_trials
        Tosses of the coin: so many, and one more, data sets.
    fast
        One estimator on one problem, ten seeds, two data sets.
    executor
        Who does the tasks: see `run_tasks`. A number is so many processes.

    Returns
    -------
    Study
        Tables `scores` (a row for each estimate), `z` (for each method and problem), `coverage` (for each sum), `pit`
        (for each simulated θ and way) and `uniformity` (a p-value for each way). Asserted of the fast setting: the grid
        and NUTS are uniform, Laplace, whose posterior here is skewed, is not.

    Examples
    --------
    >>> from bayes_sandbox.studies import study_calibration
    >>> study = study_calibration(methods=(), names=(), num_trials=1)
    >>> [row["way"] for row in study.tables["uniformity"] if row["uniform"]]
    ['grid', 'nuts']
    """
    started = time.perf_counter()
    seed = check_options(seed, fast, progress, checkpoints)
    chosen = tuple(check_methods(methods, empty=True))
    methods = check_methods(quick(fast, chosen, STOCHASTIC, ("importance",)), empty=True)
    scored = ("coin",) if fast and names is None else SCORED if names is None else _problems(names)
    num_seeds = integer(num_seeds, "num_seeds", at_least=1)
    num_trials = integer(num_trials, "num_trials", at_least=1)
    num_seeds, num_trials = quick(fast, num_seeds, NUM_SEEDS, BLOCK), quick(fast, num_trials, NUM_TRIALS, 1)
    for name in scored:
        problems.find(name)
    tasks = Tasks(checkpoints, progress, executor)
    jobs = [(n, m, i) for n in scored for m in methods for i in range(0, num_seeds, BLOCK)]
    known = [p.name for p in problems.few() if np.isfinite(p.log_evidence)]
    covered = ("coin",) if fast else tuple(known[::4]) if scored else ()
    pit = tasks.rows("coin with heads", range(num_trials + 1), lambda heads: _posterior(heads, num_trials, seed))
    scores = tasks.rows("scores", jobs, lambda job: _scores(*job, min(BLOCK, num_seeds - job[2]), seed))
    tables = {
        "scores": scores,
        "z": _z_scores(scores),
        "coverage": tasks.rows("coverage", covered, lambda name: _coverage(name, seed)),
        "pit": pit,
        "uniformity": _uniformity(pit),
    }
    settings = {"methods": list(methods), "names": list(scored), "num_seeds": num_seeds, "num_trials": num_trials}
    settings |= {"seed": seed, "fast": fast}
    seconds = time.perf_counter() - started
    return Study("calibration", tables, tuple(_findings(tables)), settings, seconds)


# --- z-scores ---


@cache
def _prepared(name: str) -> tuple[problems.Problem, Model, LaplaceFit]:
    """Return a problem, its model and its modes, made once: programs of the one before are let go."""
    _prepared.cache_clear()
    jax.clear_caches()
    problem = problems.find(name)
    model = problem.make()
    return problem, model, fit_laplace(model)


def _scores(name: str, method: str, first: int, num: int, seed: int) -> Table:
    problem, model, laplace = _prepared(name)
    rows: Table = []
    for i in range(first, first + num):
        repeat = seed + i
        draws = None
        if hasattr(problem.route, "draw"):
            draws = _by_name(model, problem.route.draw(np.random.default_rng(repeat), CHAINS * DRAWS))
        bench = Workbench(model, seed=repeat, draws=draws, budget=PATIENCE)
        bench.__dict__["laplace"] = laplace
        found = estimate_with(bench, method)
        rows.append(
            {
                "problem": name,
                "dimension": problem.dimension,
                "method": method,
                "seed": repeat,
                "gap": found.log_evidence - problem.log_evidence,
                "error": found.error,
                "trusted": found.trusted,
                "seconds": round(found.seconds, 3),
            }
        )
    return rows


def _z_scores(scores: Table) -> Table:
    """Return mean and sd of z over the trusted estimates of each method on each problem."""
    found = []
    for method, name in dict.fromkeys((row["method"], row["problem"]) for row in scores):
        rows = where(scores, method=method, problem=name)
        trusted = where(rows, trusted=True)
        z = column(trusted, "gap") / column(trusted, "error")
        mean, sd = (z.mean(), z.std(ddof=1)) if len(z) > 1 else (np.nan, np.nan)
        counts = {"num": len(rows), "num_trusted": len(z)}
        found.append({"method": method, "problem": name, **counts, "mean_z": float(mean), "sd_z": float(sd)})
    return found


def _by_name(model: Model, flat: np.ndarray) -> dict[str, np.ndarray]:
    params = coordinates_of(model).unflatten(flat)
    return {name: value.reshape(CHAINS, DRAWS, *value.shape[1:]) for name, value in params.items()}


# --- coverage ---


def _coverage(name: str, seed: int) -> Table:
    problem = problems.find(name)
    bench = Workbench(problem.make(), seed=seed)
    if bench.model.improper:
        return []
    found = [estimate_with(bench, method) for method in DETERMINISTIC]
    return [
        {
            "problem": name,
            "dimension": problem.dimension,
            "method": e.method,
            "gap": abs(e.log_evidence - problem.log_evidence),
            "error": e.error,
            "trusted": e.trusted,
            "covered": bool(abs(e.log_evidence - problem.log_evidence) <= e.error),
        }
        for e in found
    ]


# --- simulation-based calibration ---

SHAPE = 0.5  # of the Beta prior on both sides: with few tosses, a posterior that leans far to one side
SIMULATED = 1000  # pairs of a probability and its data for each data set there is: far fewer than draws of NUTS


def _coin(heads: int, num: int) -> Model:
    return Model(
        {"p": dist.Beta(SHAPE, SHAPE)}, lambda p: dist.Binomial(num, p), observed=heads, name=f"{heads} of {num}"
    )


def _posterior(heads: int, num: int, seed: int) -> Table:
    """Return a row for each way and each simulated p whose data were this: the share of the posterior below p.

    Pairs come as they would from the prior: so many of each data set as its probability says, and p from Beta's
    conjugate posterior, which is what p given the data is.
    """
    model = _coin(heads, num)
    rng = as_rng(seed, f"sbc {heads} of {num}")
    expected = SIMULATED * (num + 1) * stats.betabinom(num, SHAPE, SHAPE).pmf(heads)
    truth = stats.beta(SHAPE + heads, SHAPE + num - heads).rvs(round(expected), random_state=rng)
    below = {way: share(model, truth, seed) for way, share in _SHARES.items()}
    return [
        {"heads": heads, "p": float(p), "way": way, "pit": float(value)}
        for way in WAYS
        for p, value in zip(truth, below[way])
    ]


def _grid_share(model: Model, truth: np.ndarray, seed: int) -> np.ndarray:
    curve = fit_grid(model, seed=seed).marginals["p"]
    inside = (curve.x > 0) & (curve.x < 1)
    # Between nodes as a function of the log odds: as one of p it is steep at an edge where the density has no bound.
    return np.interp(special.logit(truth), special.logit(curve.x[inside]), curve.cdf[inside], left=0.0, right=1.0)


def _laplace_share(model: Model, truth: np.ndarray, seed: int) -> np.ndarray:
    fit, coords = fit_laplace(model, seed=seed), coordinates_of(model)
    at = coords.unconstrain_many({"p": truth}, truth.shape)[:, 0]
    return np.asarray(stats.norm(fit.position[0], fit.scale[0, 0]).cdf(at))


def _nuts_share(model: Model, truth: np.ndarray, seed: int) -> np.ndarray:
    draws = np.sort(fit_nuts(model, num_samples=4000, seed=seed).draws["p"].reshape(-1))
    return (np.searchsorted(draws, truth) + 0.5) / (len(draws) + 1)


_SHARES: dict[str, Any] = {"grid": _grid_share, "laplace": _laplace_share, "nuts": _nuts_share}


def _uniformity(pit: Table) -> Table:
    rows = []
    for way in WAYS:
        values = column(where(pit, way=way), "pit")
        p = float(stats.kstest(values, "uniform").pvalue)
        rows.append({"way": way, "num": len(values), "p_value": p, "uniform": p > REJECTED})
    return rows


def _range(rows: Table, name: str) -> str:
    """Return a column's range in words, over problems."""
    values = column(rows, name)
    return f"{values[0]:.2f}" if len(values) == 1 else f"{values.min():.2f} to {values.max():.2f}"


def _findings(tables: dict[str, Table]) -> list[str]:
    said = []
    for method in dict.fromkeys(row["method"] for row in tables["z"]):
        rows = where(tables["z"], method=method)
        num, trusted = (sum(row[k] for row in rows) for k in ("num", "num_trusted"))
        told = [row for row in rows if row["num_trusted"] > 1]
        spread = f"; z has {_range(told, 'mean_z')} in the mean, an sd of {_range(told, 'sd_z')}" if told else ""
        said.append(f"{method}: {trusted} of {num} estimates trusted{spread}")
    for method in dict.fromkeys(row["method"] for row in tables["coverage"]):
        trusted = where(tables["coverage"], method=method, trusted=True)
        said.append(f"{method}: {sum(row['covered'] for row in trusted)} of {len(trusted)} trusted errors are bounds")
    for row in tables["uniformity"]:
        verdict, p = "no departure seen" if row["uniform"] else "not the posterior", row["p_value"]
        said.append(f"simulated ranks by {row['way']}: {verdict}, p = {p:.2g} over {row['num']} simulations")
    return said

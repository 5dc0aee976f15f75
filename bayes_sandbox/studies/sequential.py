"""Does it matter in which order data arrive? The evidence as a product of predictions, and a posterior that learns."""

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from scipy.special import logsumexp

from ..arguments import integer
from ..checkpoints import NO_CHECKPOINTS, Checkpoints
from ..compiler import compiled
from ..diagnostics import pareto_k
from ..document import flattened
from ..errors import UserError
from ..model import Model, require_model
from ..quadrature import GridFit
from ..seeds import as_rng
from ..variants import num_rows, with_observations
from .study import Row, Study, Table, Tasks, check_options, column, doubts, quick, slope, summed, where

LARGEST_PARETO_K = 0.7  # Vehtari et al. 2024
NUM_STEPS, NUM_ORDERS = 9, 3
FIRST = 8  # observations, before which the prior still has a say in how narrow the posterior is


def horse_kicks() -> Model:
    """Return deaths by horse kicks, 280 corps-years of the Prussian cavalry (von Bortkiewicz 1898), fewest first."""
    deaths = np.repeat([0, 1, 2, 3, 4], [144, 91, 32, 11, 2])
    return Model({"rate": dist.Gamma(1, 1)}, lambda rate: dist.Poisson(rate), observed=deaths, name="horse_kicks")


def study_sequential(
    model: Model | None = None,
    *,
    num_steps: int = NUM_STEPS,
    num_orders: int = NUM_ORDERS,
    seed: int = 0,
    fast: bool = False,
    checkpoints: Checkpoints = NO_CHECKPOINTS,
    progress: bool = False,
) -> Study:
    """Let the same data arrive in several orders, a few observations at a time, and fit after each arrival.

        p(y₁, …, yₙ) = Π p(yᵢ | y₁, …, yᵢ₋₁)

    The first order is that of the data, the others are random. Each prediction is found twice: as a ratio of two
    evidences, and as the likelihood of what comes next averaged over draws from the posterior so far, which know
    nothing of the later evidence; left out where a few draws would decide. However different the paths, all end in one
    number.

    Parameters
    ----------
    model
        One to five parameters, and observations along the first axis of the data and of every input of that length,
        independent of one another given the parameters;
        by default deaths by horse kicks, a gamma–Poisson model.
    num_steps, num_orders
        How many times data arrive, in numbers that grow geometrically; how many orders.
    fast
        Four arrivals in two orders.

    Returns
    -------
    Study
        Tables `steps` (one row for each order and arrival) and `learning` (one for each component besides).
        Asserted of the default: the paths end within their errors of one another, and the sd falls like n^(−1/2).

    Raises
    ------
    ModelError
        Where the data cannot be cut along their first axis, or the prior is improper.
    UserError
        For fewer than two arrivals, no order, or a posterior that a grid declines.

    Examples
    --------
    >>> from bayes_sandbox.studies import study_sequential
    >>> study_sequential(num_steps=2, num_orders=1).findings[0]
    '1 order of the same data: log p(D) differs by 0 at most'
    """
    started = time.perf_counter()
    seed = check_options(seed, fast, progress, checkpoints)
    num_steps, num_orders = integer(num_steps, "num_steps"), integer(num_orders, "num_orders")
    model = horse_kicks() if model is None else require_model(model)
    model.require_proper("have an evidence")
    num_steps, num_orders = quick(fast, num_steps, NUM_STEPS, 4), quick(fast, num_orders, NUM_ORDERS, 2)
    if num_steps < 2 or num_orders < 1:
        raise UserError(f"expected two arrivals and one order at least, got {num_steps} and {num_orders}")
    total = num_rows(model)
    counts = np.unique(np.geomspace(1, total, num_steps).round().astype(int)).tolist()
    orders = [np.arange(total)]
    orders += [as_rng(seed, f"order {i}").permutation(total) for i in range(1, num_orders)]

    def one(order: int) -> Table:
        return _path(model, orders[order], order, counts, seed)

    rows = Tasks(checkpoints, progress).rows("order", range(num_orders), one)
    tables = {
        "steps": [{k: v for k, v in row.items() if k != "learnt"} for row in rows],
        "learning": [learnt for row in rows for learnt in row["learnt"]],
    }
    settings = {"model": model.name, "num_steps": num_steps, "num_orders": num_orders, "seed": seed, "fast": fast}
    return Study("sequential", tables, tuple(_findings(tables)), settings, time.perf_counter() - started)


def _path(model: Model, order: np.ndarray, number: int, counts: list[int], seed: int) -> Table:
    """Return the rows of one order, one for each arrival."""
    found: Table = []
    before: GridFit | None = None
    reached, value = 0, 0.0
    for count in counts:
        fit = summed(with_observations(model, order[:count]), seed)
        predicted, noise = _prediction(with_observations(model, order[reached:count]), before, seed)
        found.append(_row(number, count, fit, fit.evidence.log_evidence - value, predicted, noise))
        before, reached, value = fit, count, fit.evidence.log_evidence
    return found


def _row(number: int, count: int, fit: GridFit, step: float, predicted: float, noise: float) -> Row:
    mean, sd = flattened(fit.mean), flattened(fit.sd)
    learnt = [{"order": number, "count": count, "component": k, "mean": mean[k], "sd": sd[k]} for k in mean]
    return {
        "order": number,
        "count": count,
        "log_evidence": fit.evidence.log_evidence,
        "error": fit.evidence.error,
        "trusted": fit.evidence.trusted,
        "log_prediction": step,
        "log_prediction_by_draws": predicted,
        "standard_error": noise,
        "learnt": learnt,
    }


def _prediction(following: Model, fit: GridFit | None, seed: int, num: int = 4096) -> tuple[float, float]:
    """Return log p(what follows | what came), averaged over draws of the posterior so far, and its standard error.

    NaN where a few draws decide the average.
    """
    if fit is None:
        draws: Any = following.sample_prior(seed, num)
        effective = float(num)
    else:
        draws = {k: np.asarray(v).reshape(-1, *v.shape[2:]) for k, v in fit.draws.items()}
        effective = fit.draws_ess
    many = compiled(jax.vmap(lambda p: sum(jnp.sum(v) for v in following.log_likelihood(p).values())), hasty=True)
    log_weights = np.asarray(many(draws))
    if not pareto_k(log_weights) < LARGEST_PARETO_K:  # what follows lies where the posterior so far has few draws
        return np.nan, np.nan
    weights = np.exp(log_weights - log_weights.max())
    noise = weights.std() / weights.mean() / np.sqrt(effective)
    return float(logsumexp(log_weights) - np.log(len(log_weights))), float(noise)


def _findings(tables: dict[str, Table]) -> list[str]:
    steps = tables["steps"]
    last = max(row["count"] for row in steps)
    ends = column(where(steps, count=last), "log_evidence")
    z = (column(steps, "log_prediction") - column(steps, "log_prediction_by_draws")) / column(steps, "standard_error")
    said = [
        *doubts(steps),
        f"{len(ends)} order{'s' * (len(ends) != 1)} of the same data: log p(D) differs by {np.ptp(ends):.1g} at most",
        f"{np.isfinite(z).sum()} of {len(z)} predictions could be made from draws, too: at most "
        f"{np.abs(z[np.isfinite(z)]).max(initial=0.0):.1f} standard errors from the ratio of two evidences",
    ]
    for component in dict.fromkeys(row["component"] for row in tables["learning"]):
        rows = [r for r in where(tables["learning"], component=component) if r["order"] and r["count"] >= FIRST]
        if len({r["count"] for r in rows}) > 1:
            exponent = slope(np.log(column(rows, "count")), np.log(column(rows, "sd")))
            said.append(
                f"in a random order the sd of {component} falls like n^{exponent:.2f} from {FIRST} observations on"
            )
    return said

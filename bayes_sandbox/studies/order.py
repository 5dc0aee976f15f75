"""How many terms, predictors or components does a model need? Evidence, LOO, training and held-out loss on one axis."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from scipy.special import logsumexp

from ..checkpoints import NO_CHECKPOINTS, Checkpoints
from ..comparison import compare
from ..compiler import compiled
from ..evidence import estimate_evidence
from ..model import Model
from ..quadrature import fit_grid
from ..real_data import ACCELERATIONS, CEMENT, GALAXIES, IMPACT_TIMES
from ..records import Evidence
from ..selection import LARGEST_PARETO_K, leave_one_out
from ..variants import with_observations
from .study import Row, Study, Table, Tasks, check_options, chosen, column, where

LARGEST_R_HAT = 1.01  # Vehtari et al. 2021
BATCH = 500  # draws at a time


def polynomial(order: int) -> Model:
    """Return a motorcyclist's acceleration as a polynomial of time, in Legendre's basis on the range of the data."""
    low, high = IMPACT_TIMES.min(), IMPACT_TIMES.max()
    basis = np.polynomial.legendre.legvander(2 * (IMPACT_TIMES - low) / (high - low) - 1, order)
    return Model(
        {"noise": dist.HalfNormal(50), "weights": dist.Normal(0, 50).expand([order + 1]).to_event(1)},
        lambda noise, weights, basis: dist.Normal(basis @ weights, noise),
        inputs={"basis": basis},
        observed=ACCELERATIONS,
        name=f"polynomial of order {order}",
    )


def cement(predictors: str) -> Model:
    """Return the heat of cement as a line in some of its four compounds, named by their numbers: `"14"`."""
    standard = (CEMENT[:, :4] - CEMENT[:, :4].mean(axis=0)) / CEMENT[:, :4].std(axis=0)
    design = np.column_stack([np.ones(len(CEMENT)), *(standard[:, int(i) - 1] for i in predictors if i != "-")])
    return Model(
        {"noise": dist.HalfNormal(10), "weights": dist.Normal(0, 20).expand([design.shape[1]]).to_event(1)},
        lambda noise, weights, design: dist.Normal(design @ weights, noise),
        inputs={"design": design},
        observed=CEMENT[:, 4] - 95,
        name=f"compounds {predictors}",
    )


def components(num: int) -> Model:
    """Return the velocities of galaxies, in 1000 km/s, as a mixture of normals of one scale."""
    speed = GALAXIES / 1000
    prior: dict[str, Any] = {"scale": dist.HalfNormal(5), "centre": dist.Normal(20, 10)}
    likelihood: Callable[..., Any] = lambda scale, centre: dist.Normal(centre, scale)  # noqa: E731
    if num > 1:
        prior["centre"] = dist.Normal(20, 10).expand([num]).to_event(1)
        prior["share"] = dist.Dirichlet(jnp.ones(num))
        likelihood = lambda scale, centre, share: dist.MixtureSameFamily(  # noqa: E731
            dist.Categorical(probs=share), dist.Normal(centre, scale)
        )
    return Model(prior, likelihood, observed=speed, name=f"{num} components")


def subsets(names: str) -> tuple[str, ...]:
    """Return all subsets of predictors, fewest first; `-` stands for none.

    >>> subsets("12")
    ('-', '1', '2', '12')
    """
    return tuple("".join(s) or "-" for s in chain(*(combinations(names, k) for k in range(len(names) + 1))))


@dataclass(frozen=True)
class Family:
    """Models of one data set, from few parameters to many; every so many observations are held out."""

    make: Callable[[Any], Model]
    orders: tuple[Any, ...]
    few: tuple[Any, ...]
    held_out_each: int


FAMILIES: Mapping[str, Family] = {
    "polynomial": Family(polynomial, (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20), (0, 2, 6), 2),
    "predictors": Family(cement, subsets("1234"), ("-", "1"), 4),
    "components": Family(components, (1, 2, 3, 4, 5), (1,), 3),
}


def study_order(
    *,
    families: Sequence[str] = tuple(FAMILIES),
    seed: int = 0,
    fast: bool = False,
    checkpoints: Checkpoints = NO_CHECKPOINTS,
    executor: Any = None,
    progress: bool = False,
) -> Study:
    """Add terms to a polynomial, predictors to a regression, components to a mixture, and ask four judges.

    Fitted to a part of real data: its log evidence and its LOO, nothing held out; the loss (minus the log predictive
    density, in nats an observation) on the data fitted and on those held out. The loss in training nearly always falls;
    the other three turn where more stops to help.

    Parameters
    ----------
    families
        Among `polynomial` (acceleration in a motorcycle crash), `predictors` (heat of cement), `components` (velocities
        of galaxies).
    fast
        Three polynomials, two regressions and one normal.
    executor
        Who does the tasks: see `run_tasks`. A number is so many processes.

    Returns
    -------
    Study
        Table `orders`, a row for each model. Asserted of the fast setting: the loss in training falls with every term;
        evidence, LOO and held-out loss agree that a constant is too little for the crash.

    Examples
    --------
    >>> from bayes_sandbox.studies import study_order
    >>> study = study_order(families=["predictors"], fast=True)
    >>> [row["order"] for row in study.tables["orders"]]
    ['-', '1']
    """
    started = time.perf_counter()
    seed = check_options(seed, fast, progress, checkpoints)
    families = chosen(families, "families", FAMILIES, "family")
    jobs = [(name, order) for name in families for order in (FAMILIES[name].few if fast else FAMILIES[name].orders)]
    tables = {"orders": Tasks(checkpoints, progress, executor).rows("model", jobs, lambda job: [_row(*job, seed)])}
    settings = {"families": list(families), "seed": seed, "fast": fast}
    return Study("order", tables, tuple(_findings(tables)), settings, time.perf_counter() - started)


def _row(name: str, order: Any, seed: int) -> Row:
    family = FAMILIES[name]
    whole = family.make(order)
    total = whole.num_observations
    out = np.arange(total) % family.held_out_each == family.held_out_each - 1
    train = with_observations(whole, ~out)
    found, draws, source = fitted(train, seed)
    loo, num = leave_one_out(train, draws), int((~out).sum())
    return {
        "family": name,
        "order": str(order),
        "dimension": whole.dimension,
        "num_observations": num,
        "num_held_out": total - num,
        "method": found.method,
        "log_evidence": found.log_evidence,
        "error": found.error,
        "trusted": found.trusted,
        **source,
        "elpd_loo": loo.elpd,
        "pareto_k": loo.worst_pareto_k,
        "evidence_loss": -found.log_evidence / num,
        "loo_loss": -loo.elpd / num,
        "training_loss": _loss(train, draws),
        "held_out_loss": _loss(with_observations(whole, out), draws),
    }


_NOTHING = Evidence("none", np.nan, np.inf, 0, 0.0, False, ("no estimate is trusted",))


def fitted(model: Model, seed: int) -> tuple[Evidence, Mapping[str, np.ndarray], Row]:
    """Return the best evidence, posterior draws, and where these are from: a grid that can be trusted, else NUTS.

    Where chains stay in one of many mirror images, as those of a mixture do, tempering may still tell.
    """
    grid = fit_grid(model, seed=seed)
    if grid.evidence.trusted:
        return grid.evidence, grid.draws, {"draws_from": "grid", "r_hat": None}
    found = compare(model, methods=["nuts"], seed=seed)
    assert found.nuts is not None
    best = found.best or estimate_evidence(model, methods=["tempering"], seed=seed)[0]
    source = {"draws_from": "nuts", "r_hat": max(found.nuts.diagnostics.r_hat.values())}
    return best if best.trusted else _NOTHING, found.nuts.draws, source


def _loss(model: Model, draws: Mapping[str, np.ndarray]) -> float:
    """Return −(1/n) Σ log p(yᵢ | D): the mean loss of predicting each of a model's observations from these draws."""
    many = compiled(jax.vmap(lambda p: next(iter(model.log_likelihood(p).values()))), hasty=True)
    flat = {k: np.asarray(v).reshape(-1, *np.shape(v)[2:]) for k, v in draws.items()}
    size = len(next(iter(flat.values()))) // BATCH * BATCH
    blocks = [np.asarray(many({k: v[i : i + BATCH] for k, v in flat.items()})) for i in range(0, size, BATCH)]
    return float(-np.mean(logsumexp(np.concatenate(blocks), axis=0) - np.log(size)))


JUDGES = {
    "evidence_loss": "the evidence",
    "loo_loss": "LOO",
    "held_out_loss": "what was held out",
    "training_loss": "the loss in training",
}


def _of(known: int, num: int) -> str:
    return "" if known == num else f" (of the {known} that have one)"


def _findings(tables: dict[str, Table]) -> list[str]:
    said = []
    for family in dict.fromkeys(row["family"] for row in tables["orders"]):
        rows = where(tables["orders"], family=family)
        known = {judge: [row for row in rows if np.isfinite(row[judge])] for judge in JUDGES}
        chosen = {j: known[j][int(np.argmin(column(known[j], j)))]["order"] for j in JUDGES if known[j]}
        each = [f"{order} by {JUDGES[j]}{_of(len(known[j]), len(rows))}" for j, order in chosen.items()]
        said.append(f"{family}: {', '.join(each)}")
    doubted = [row for row in tables["orders"] if not row["trusted"]]
    jumpy = [row for row in tables["orders"] if row["pareto_k"] > LARGEST_PARETO_K]
    num = len(tables["orders"])
    said.append(f"{len(doubted)} of {num} models have no evidence that can be trusted")
    said.append(f"{len(jumpy)} of {num} have a LOO that leans on few draws: Pareto's k above {LARGEST_PARETO_K}")
    apart = [row for row in tables["orders"] if row["r_hat"] is not None and not row["r_hat"] < LARGEST_R_HAT]
    if apart:
        names = ", ".join(f"{row['family']} {row['order']}" for row in apart)
        said.append(f"chains stay apart (R-hat above {LARGEST_R_HAT}): LOO and losses are of what they met: {names}")
    return said

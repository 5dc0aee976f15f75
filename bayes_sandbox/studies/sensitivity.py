"""How much does the answer hang on the prior, and how much on the likelihood? Power-scaling beside refits."""

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

import arviz_stats
import numpy as np
import numpyro.distributions as dist
import xarray as xr

from ..arguments import numbers
from ..checkpoints import NO_CHECKPOINTS, Checkpoints
from ..datatree import pointwise_datatree
from ..diagnostics import smoothed
from ..document import flattened
from ..errors import UserError
from ..model import Model, ModelError, require_model
from ..naming import labels
from ..quadrature import GridFit
from ..variable_names import to_site
from ..variants import with_powers
from .study import Study, Table, Tasks, check_options, column, doubts, quick, summed, where

HALVES = ("prior", "likelihood")
POWERS = (0.5, 0.7, 0.9, 1.1, 1.4, 2.0)
LARGEST_PARETO_K = 0.7  # Vehtari et al. 2024
DIGITS = 12
CONSTANT = 1e-12  # a range of log densities that is none
SENSITIVE = 0.05  # ArviZ's threshold (Kallioinen et al. 2024)


def bioassay() -> Model:
    """Return deaths among five animals at each of four log doses (Racine et al. 1986; Gelman et al., BDA, 3.7)."""
    prior = {"intercept": dist.Normal(0, 2), "slope": dist.Normal(0, 5)}
    return Model(
        prior,
        lambda intercept, slope, dose, n: dist.Binomial(n, logits=intercept + slope * dose),
        inputs={"dose": [-0.86, -0.30, -0.05, 0.73], "n": [5, 5, 5, 5]},
        observed=[0, 1, 3, 5],
        name="bioassay",
    )


def study_sensitivity(
    model: Model | None = None,
    *,
    powers: Sequence[float] = POWERS,
    seed: int = 0,
    fast: bool = False,
    checkpoints: Checkpoints = NO_CHECKPOINTS,
    progress: bool = False,
) -> Study:
    """Raise the prior, then the likelihood, to powers near one, and see how far the posterior moves.

        p_α(θ|D) ∝ p(D|θ) p(θ)^α   and   p(D|θ)^α p(θ)        (Kallioinen et al. 2024)

    Once by weighing draws of the one posterior anew, as ArviZ's `psense` does, and once by summing each powered
    posterior again. ArviZ's index and its diagnosis stand beside them.

    Parameters
    ----------
    model
        One to five parameters; by default the bioassay under priors that matter.
    powers
        α; one itself stands for nothing new.
    fast
        One half and twice.

    Returns
    -------
    Study
        Tables `psense` (a row for each component) and `powers` (for each component, half and power). Asserted of the
        default: weights and refits give the same means, wherever Pareto's k allows to use weights.

    Examples
    --------
    >>> from bayes_sandbox.studies import study_sensitivity
    >>> study = study_sensitivity(powers=[2.0])
    >>> [row["diagnosis"] != "✓" for row in study.tables["psense"]]
    [True, True]
    """
    started = time.perf_counter()
    seed = check_options(seed, fast, progress, checkpoints)
    powers = tuple(numbers(powers, "powers", at_least_one=True).ravel().tolist())
    if min(powers) <= 0:
        raise UserError(f"powers: expected positive powers, got {min(powers):g}; pass for example powers=[0.5, 2.0]")
    model = bioassay() if model is None else require_model(model)
    if not model.observed:
        raise ModelError(f"{model.name!r} has only numpyro.factor terms: no observation's likelihood can be weighed")
    powers = tuple(dict.fromkeys(float(p) for p in quick(fast, tuple(powers), POWERS, (0.5, 2.0)) if p != 1))
    base = summed(model, seed)
    tree = pointwise_datatree(model, base.draws)
    jobs = [(half, power) for half in HALVES for power in powers]
    tasks = Tasks(checkpoints, progress)
    powered = tasks.rows("power", jobs, lambda job: _powered(model, tree, base, *job, seed))
    tables = {
        "psense": tasks.rows("psense", ["all"], lambda _: _psense(tree)),
        "powers": [*_unpowered(tree, base), *powered],
    }
    settings = {"model": model.name, "powers": list(powers), "seed": seed, "fast": fast}
    seconds = time.perf_counter() - started
    return Study("sensitivity", tables, tuple(_findings(tables)), settings, seconds)


def _psense(tree: xr.DataTree) -> Table:
    if np.ptp(_log_part(tree, "prior")) < CONSTANT:  # nothing that a power could change
        found = arviz_stats.psense(tree, group="likelihood")
        each = _by_component({to_site(str(k)): np.asarray(v)[None, None] for k, v in found.data_vars.items()})
        flat = {"prior": 0.0, "diagnosis": "a flat prior"}
        return [{"component": k, "prior": 0.0, "likelihood": float(v[0])} | flat for k, v in each.items()]
    logging.disable(logging.WARNING)  # it announces what its diagnosis says
    try:
        found = arviz_stats.psense_summary(tree, round_to=DIGITS)
    finally:
        logging.disable(logging.NOTSET)
    return [
        {
            "component": to_site(str(label)),
            "prior": float(row["prior"]),
            "likelihood": float(row["likelihood"]),
            "diagnosis": str(row["diagnosis"]),
        }
        for label, row in found.iterrows()
    ]


def _log_part(tree: xr.DataTree, half: str) -> np.ndarray:
    """Return the log prior, or the log likelihood of all observations, of every draw."""
    group = tree[f"log_{half}"].data_vars.values()
    return np.ravel(sum(np.asarray(v).reshape(*v.shape[:2], -1).sum(axis=-1) for v in group))


def _draws(tree: xr.DataTree) -> dict[str, np.ndarray]:
    return _by_component({to_site(str(k)): np.asarray(v) for k, v in tree["posterior"].data_vars.items()})


def _unpowered(tree: xr.DataTree, base: GridFit) -> Table:
    """Return the rows of power one, which belong to both halves."""
    mean, sd = flattened(base.mean), flattened(base.sd)
    drawn = {k: (float(x.mean()), float(x.std())) for k, x in _draws(tree).items()}
    return [
        _row(k, half, 1.0, (mean[k], sd[k]), drawn[k], -np.inf) | {"trusted": _usable(base), "sd_unpowered": sd[k]}
        for half in HALVES
        for k in mean
    ]


def _powered(model: Model, tree: xr.DataTree, base: GridFit, half: str, power: float, seed: int) -> Table:
    """Return a row for each component: moments by a new sum, and by weights on the draws of the old one."""
    fit = summed(with_powers(model, **{half: power}), seed)
    weights, k_hat = smoothed((power - 1) * _log_part(tree, half))
    mean, sd, before = flattened(fit.mean), flattened(fit.sd), flattened(base.sd)
    draws = _draws(tree)
    return [
        _row(k, half, power, (mean[k], sd[k]), _moments(draws[k], weights), k_hat)
        | {"trusted": _usable(fit), "sd_unpowered": before[k]}
        for k in mean
    ]


def _usable(fit: GridFit) -> bool:
    """Whether a sum's moments stand: a powered prior has no evidence that could be trusted, but a sum that settles."""
    return fit.converged or fit.evidence.trusted


def _by_component(draws: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return draws (chain, draw, …) as one vector for each component."""
    return {
        label: flat
        for name, array in draws.items()
        for label, flat in zip(labels(name, array.shape[2:]), array.reshape(array.shape[0] * array.shape[1], -1).T)
    }


def _moments(x: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    mean = float(weights @ x)
    return mean, float(np.sqrt(weights @ (x - mean) ** 2))


def _row(component: str, half: str, power: float, refit: Any, weighted: Any, k_hat: float) -> dict[str, Any]:
    return {
        "component": component,
        "half": half,
        "power": power,
        "mean_refit": refit[0],
        "sd_refit": refit[1],
        "mean_weighted": weighted[0],
        "sd_weighted": weighted[1],
        "pareto_k": k_hat,
    }


def _findings(tables: dict[str, Table]) -> list[str]:
    said = doubts(tables["powers"])
    said += [
        f"{row['component']}: psense {row['prior']:.3f} to the prior, {row['likelihood']:.3f} to the likelihood"
        + (f": {row['diagnosis']}" if max(row["prior"], row["likelihood"]) > SENSITIVE else "")
        for row in tables["psense"]
    ]
    powered = [row for row in tables["powers"] if row["power"] != 1]
    usable = [row for row in powered if row["pareto_k"] < LARGEST_PARETO_K]
    gap = np.abs(column(usable, "mean_weighted") - column(usable, "mean_refit")) / column(usable, "sd_unpowered")
    said.append(
        f"weights and refits differ by {gap.max(initial=0.0):.2f} posterior sds in the mean at most, where Pareto's k "
        f"is below {LARGEST_PARETO_K}: {len(usable)} of {len(powered)}"
    )
    for half in HALVES:
        rows = where(powered, half=half, power=0.5)
        for row in rows:
            (one,) = where(tables["powers"], half=half, power=1.0, component=row["component"])
            moved = (row["mean_refit"] - one["mean_refit"]) / one["sd_unpowered"]
            said.append(f"half a {half} moves the mean of {row['component']} by {moved:+.2f} of its sds")
    return said

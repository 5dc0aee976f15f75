"""What does the width of a prior cost? Evidence, prediction and estimate against its scale, and Occam's factor."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpyro.distributions as dist

from ..arguments import number, numbers, positive, text
from ..checkpoints import NO_CHECKPOINTS, Checkpoints
from ..errors import ModelError, suggestion
from ..model import Model, require_model
from ..optimization import fit_map
from ..selection import leave_one_out
from ..variants import with_known
from .all_data_sets import evidence_table, winners
from .study import Study, Table, Tasks, check_options, column, doubts, slope, summed

SIGNIFICANT = 0.05  # a tail area that is commonly taken for a finding
FLAT = 30.0  # times the widest posterior sd, beyond which a prior counts as wide


def sleep() -> Model:
    """Return hours of sleep that ten patients gained by one drug over another (Student 1908; Cushny & Peebles 1905)."""
    gained = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
    return Model(
        {"mu": dist.Normal(0, 1), "sigma": dist.HalfNormal(5)},
        lambda mu, sigma: dist.Normal(mu, sigma),
        observed=gained,
        name="student_sleep",
    )


def study_prior_width(
    model: Model | None = None,
    *,
    parameter: str | None = None,
    value: float = 0.0,
    scales: Sequence[float] | None = None,
    seed: int = 0,
    fast: bool = False,
    checkpoints: Checkpoints = NO_CHECKPOINTS,
    executor: Any = None,
    progress: bool = False,
) -> Study:
    """Give one parameter a prior Normal(value, scale²) for ever wider scales, and fit the model under each.

        log p(D) = log p(D|θ_MAP) + log Occam factor        (MacKay 2003, chapter 28)

    A prior of width zero is the null hypothesis that the parameter *is* `value`; the log Bayes factor against it is
    drawn beside the tail area that a wide prior and a significance test agree on. Where the scale leaves the data
    behind, the evidence falls by one nat for each nat of log scale, while estimate and prediction (LOO) stay: Lindley's
    paradox. And why it must: the evidences of *all* data sets of a small problem, 512 of them, sum to one for every
    model, so that what it gives to some it has to take from others.

    Parameters
    ----------
    model, parameter
        A model, and one of its scalar parameters, by default the first; it may be any real number, as under a normal.
        Without a model Student's sleep data.
    value
        The centre of the prior, and the null hypothesis.
    scales
        The prior's scales; by default from the posterior sd divided by 100 to 10⁴ times it.
    fast
        Five scales.
    executor
        Who does the tasks: see `run_tasks`. A number is so many processes.

    Returns
    -------
    Study
        Tables `widths` (a row for each scale), `null`, `data_sets` (a row for each of 512) and `winners` (for each
        model). Asserted of the default: the slope −1, a Bayes factor that turns to the null though the tail area is
        below 0.05, sums of one.

    Raises
    ------
    ModelError
        Where there is no such scalar parameter, it is bounded, nothing is observed, or a prior is improper.

    Examples
    --------
    >>> from bayes_sandbox.studies import study_prior_width
    >>> found = study_prior_width(scales=[1.0, 10.0])
    >>> len(found.tables["data_sets"])
    512
    """
    started = time.perf_counter()
    seed = check_options(seed, fast, progress, checkpoints)
    value = number(value, "value")
    if scales is not None:
        scales = [positive(one, "each of scales") for one in numbers(scales, "scales", at_least_one=True).ravel()]
    model = sleep() if model is None else require_model(model)
    model.require_proper("have an evidence")
    if not model.observed:
        raise ModelError(f"{model.name!r} has only numpyro.factor terms: there is no observation to leave out")
    name = _scalar(model, parameter)
    tasks = Tasks(checkpoints, progress, executor)
    if scales is None:
        sd = tasks.rows("posterior", ["sd"], lambda _: [{"sd": float(summed(model, seed).sd[name])}])[0]["sd"]
        scales = sd * np.geomspace(1e-2, 1e4, 5 if fast else 13)
    null = tasks.rows("null", [name], lambda _: _null(model, name, value, seed))[0]
    widths = [float(s) for s in scales]
    rows = tasks.rows("scale", widths, lambda scale: _under(model, name, value, scale, seed))
    for row in rows:
        row["log_bayes_factor"] = row["log_evidence"] - null["log_evidence"]
    sets = tasks.rows("data sets", ["all"], lambda _: evidence_table())
    tables = {"widths": rows, "null": [null], "data_sets": sets, "winners": winners(sets)}
    settings = {"model": model.name, "parameter": name, "value": value, "scales": widths, "seed": seed, "fast": fast}
    findings = tuple(_findings(tables, name, value))
    return Study("prior-width", tables, findings, settings, time.perf_counter() - started)


def _scalar(model: Model, parameter: str | None) -> str:
    shapes = model.structure.shapes
    name = next(iter(shapes)) if parameter is None else text(parameter, "parameter")
    if name not in shapes:
        raise ModelError(f"there is no parameter {name!r}{suggestion(name, shapes)}")
    if shapes[name]:
        raise ModelError(f"the width of one scalar's prior is studied, and {name!r} has shape {shapes[name]}")
    support = model.site_distributions(model.structure.example)[name].support
    if not isinstance(support, type(dist.constraints.real)):
        raise ModelError(f"a normal prior of any width needs an unbounded parameter; {name!r} is {support}")
    return name


def _under(model: Model, name: str, value: float, scale: float, seed: int) -> Table:
    """Return the row of one scale."""
    wide = model.with_prior(**{name: dist.Normal(value, scale)})
    fit, top = summed(wide, seed), fit_map(wide, seed=seed)
    loo = leave_one_out(wide, fit.draws)
    curve = fit.marginals[name]
    below = float(np.interp(value, curve.x, curve.cdf, left=0.0, right=1.0))
    return [
        {
            "scale": scale,
            "log_evidence": fit.evidence.log_evidence,
            "error": fit.evidence.error,
            "trusted": fit.evidence.trusted,
            "log_likelihood_at_map": top.log_likelihood,
            "log_occam_factor": fit.evidence.log_evidence - top.log_likelihood,
            "mean": float(fit.mean[name]),
            "sd": float(fit.sd[name]),
            "tail_area": 2 * min(below, 1 - below),
            "elpd_loo": loo.elpd,
            "se_loo": loo.se,
        }
    ]


def _null(model: Model, name: str, value: float, seed: int) -> Table:
    """Return the row of the model in which the parameter is known."""
    if len(model.parameters) == 1:  # nothing is left to be summed over
        total = float(sum(np.sum(v) for v in model.log_likelihood({name: value}).values()))
        return [{"value": value, "log_evidence": total, "error": 0.0, "trusted": True, "elpd_loo": total}]
    known = with_known(model, **{name: value})
    fit = summed(known, seed)
    return [
        {
            "value": value,
            "log_evidence": fit.evidence.log_evidence,
            "error": fit.evidence.error,
            "trusted": fit.evidence.trusted,
            "elpd_loo": leave_one_out(known, fit.draws).elpd,
        }
    ]


def _findings(tables: dict[str, Table], name: str, value: float) -> list[str]:
    rows, sets = tables["widths"], tables["data_sets"]
    scale, evidence, elpd, factor = (column(rows, k) for k in ("scale", "log_evidence", "elpd_loo", "log_bayes_factor"))
    best, wide = int(np.argmax(evidence)), scale > FLAT * column(rows, "sd").max()
    said = doubts([*rows, *tables["null"]])
    said.append(f"log p(D) is highest at a prior scale of {scale[best]:.3g}, where {name} is {rows[best]['mean']:.3g}")
    if wide.sum() > 1:
        per_nat = slope(np.log(scale[wide]), evidence[wide])
        said.append(
            f"beyond a scale of {scale[wide].min():.3g}, each nat of log scale costs {-per_nat:.3f} nats of evidence; "
            f"LOO moves by {np.ptp(elpd[wide]):.2g} nats, the estimate by {np.ptp(column(rows, 'mean')[wide]):.2g}"
        )
    turned = (factor < 0) & (scale > scale[int(np.argmax(factor))])
    area = rows[int(np.argmax(scale))]["tail_area"]
    if turned.any() and factor.max() > 0 and area < SIGNIFICANT:
        said.append(
            f"Lindley: the tail area is {area:.2g}, and from a scale of {scale[turned].min():.3g} on the evidence "
            f"prefers {name} = {value:g}"
        )
    off = np.abs(column(tables["winners"], "total") - 1).max()
    said.append(f"the evidences of all {len(sets)} data sets sum to one for every model, to {off:.0e}")
    counts = [f"{row['model']} {row['num_best']}" for row in tables["winners"]]
    said.append(f"each model is the best of the four for some data sets: {', '.join(counts)}")
    return said

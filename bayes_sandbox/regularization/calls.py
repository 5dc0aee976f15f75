"""Which call of scikit-learn or statsmodels has the same mode?"""

from typing import Any

import numpy as np
import numpyro.distributions as dist

from ..model import Model
from ..sites import bare, is_masked
from .distributions import ElasticNet, Huber
from .libraries import CONVENTIONS, Convention
from .losses import LOSSES
from .penalties import PENALTIES
from .predictors import Predictor
from .reading import MANY, MIXED, is_known, number, read

LOSS_OF: dict[type, tuple[str, str]] = {  # family → loss, and its scale
    dist.Normal: ("squared", "scale"),
    Huber: ("huber", "scale"),
    dist.AsymmetricLaplaceQuantile: ("quantile", "scale"),
    dist.BernoulliLogits: ("logistic", ""),
    dist.BernoulliProbs: ("logistic", ""),
    dist.Poisson: ("poisson", ""),
}
PENALTY_OF: dict[type, str] = {dist.Normal: "l2", dist.Laplace: "l1", ElasticNet: "elastic_net"}


def library_calls(
    model: Model, traces: list[Any], points: list[Any], predictor: Predictor | None
) -> tuple[list[str], list[str]]:
    """Return calls, each fitting the columns of the model's prediction, and notes on what differs."""
    if predictor is None:
        return [], []
    (observed,) = model.structure.data
    likelihood = [bare(t[observed]["fn"]) for t in traces]
    intercepts = predictor.intercepts
    penalised = [n for n in predictor.columns if n not in intercepts]
    if type(likelihood[0]) not in LOSS_OF or len(penalised) != 1 or len(intercepts) > 1:
        return [], []
    if any(is_masked(traces[0][n]["fn"]) for n in (observed, *predictor.columns)):
        return [], []
    loss, scale_name = LOSS_OF[type(likelihood[0])]
    priors = [bare(t[penalised[0]]["fn"]) for t in traces]
    penalty = PENALTY_OF.get(type(priors[0]))
    scales = [getattr(f, scale_name) for f in likelihood] if scale_name else [1.0]
    scale, known = read(scales, points), number(scales)
    found = _strengths(penalty, priors)
    options = {k: number([getattr(f, k) for f in likelihood]) for k in LOSSES[loss].options}
    if penalty is None or found is None or scale in (MANY, MIXED) or None in options.values():
        return [], []
    ratio, strength = found
    num, options = model.num_observations, options | {"l1_ratio": ratio}
    calls = [
        _call(
            c,
            LOSSES[loss].power,
            strength,
            num,
            scale if known is None else known,
            options | {"l1_ratio": ratio},
            bool(intercepts),
        )
        for c in CONVENTIONS.values()
        if c.call and loss in c.losses and penalty in c.penalties
    ]
    return calls, _notes(traces, predictor, intercepts, scale, bool(np.any(predictor.offset)))


def _strengths(penalty: str | None, priors: list[Any]) -> tuple[float, float] | None:
    """Return (share of L1, λ in nats) of a prior that is the same everywhere and centred; None where it is not."""
    if penalty == "elastic_net":
        one, two = (number([getattr(p, a) for p in priors]) for a in ("laplace_scale", "normal_scale"))
        if one is None or two is None:
            return None
        l1, l2 = 1 / one, 1 / two**2
        return l1 / (l1 + l2), l1 + l2
    if penalty is None:
        return None
    loc, scale = (number([getattr(p, a) for p in priors]) for a in ("loc", "scale"))
    if loc != 0 or scale is None:
        return None
    return (1.0 if penalty == "l1" else 0.0), PENALTIES[penalty].strength(scale)


def _call(
    whose: Convention, power: int, strength: float, num: int, scale: float | str, options: Any, intercept: bool
) -> str:
    """Return a call with its strength as a number, or as an expression in a scale that is a parameter."""
    if not isinstance(scale, str):
        text = _brief(whose.theirs(strength * scale**power, num, scale))
    elif whose.name == "HuberRegressor":
        text = f"{_brief(strength)} * {scale}"
    else:  # λ of Σ l + λ h is strength · scale^power
        text = f"{_brief(whose.theirs(strength, num, 1.0))} * {scale}{'**2' if power == 2 else ''}"
    filled = whose.call.format(strength=text, **{k: _brief(v) for k, v in options.items()})
    if filled.startswith("sklearn") and not intercept:
        filled = filled[:-1] + ", fit_intercept=False)"
    return filled


def _brief(value: float) -> str:
    return f"{value:.10g}"


def _notes(traces: list[Any], predictor: Predictor, intercepts: list[str], scale: str, has_offset: bool) -> list[str]:
    notes = []
    if not is_known(scale):
        notes.append(f"the libraries hold {scale} fixed: put in its value at the mode")
    for name in intercepts:
        fn = bare(traces[0][name]["fn"])
        if not isinstance(fn, dist.ImproperUniform):
            kind = type(fn).__name__
            notes.append(
                f"{name} has a prior here ({kind}), and no penalty there: modes differ by as much as it matters"
            )
    if has_offset:
        notes.append("the prediction has a part that no parameter changes: subtract it from y first, or pass an offset")
    return notes

"""Which model? Log Bayes factors, posterior model probabilities, and leave-one-out beside them."""

import math
import warnings as python_warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import arviz_stats
import numpy as np
from scipy.special import log_softmax

from .arguments import flag, instance, listed, mapping
from .comparison import APART, Comparison, compare
from .datatree import pointwise_datatree
from .errors import EvidenceError, suggestion
from .model import Model
from .nesting import SavageDickey, savage_dickey
from .seeds import check_seed

LARGEST_PARETO_K = 0.7  # Vehtari et al. 2024
FEWEST = 2  # models


@dataclass(frozen=True)
class LOO:
    """Expected log predictive density of a new observation of each kind, by Pareto-smoothed leave-one-out."""

    elpd: float
    se: float
    p: float
    worst_pareto_k: float


@dataclass(frozen=True)
class ModelComparison:
    """Models of the same data side by side, in the order given.

    `log_evidence` and `error` (num_models,) are those of each comparison's best estimate, NaN and ∞ where none is
    trusted. `probabilities` are p(model | D) under `prior_probabilities`, NaN throughout where an evidence is missing;
    `probability_errors` is what the errors of the evidence leave open, to first order. `loo` is None for models without
    pointwise data or without draws. `nested` holds the Savage–Dickey checks asked for.
    """

    names: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    log_evidence: np.ndarray
    error: np.ndarray
    prior_probabilities: np.ndarray
    probabilities: np.ndarray
    probability_errors: np.ndarray
    loo: tuple[LOO | None, ...]
    nested: tuple[SavageDickey, ...]
    warnings: tuple[str, ...]

    def log_bayes_factor(self, one: str, other: str) -> tuple[float, float]:
        """Return log p(D | one) − log p(D | other) and its error."""
        i, j = self._index(one), self._index(other)
        return float(self.log_evidence[i] - self.log_evidence[j]), float(np.hypot(self.error[i], self.error[j]))

    @property
    def best(self) -> str | None:
        """The model with the highest probability; None where there are no probabilities."""
        return None if np.isnan(self.probabilities).any() else self.names[int(np.argmax(self.probabilities))]

    def _index(self, name: str) -> int:
        if name not in self.names:
            raise EvidenceError(f"there is no model {name!r}{suggestion(name, self.names)}")
        return self.names.index(name)

    def summary(self) -> str:
        """Return what was found as a table of text, 80 columns wide."""
        from .report.text import models_summary

        return models_summary(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers; what is not finite is None."""
        rows = []
        for i, (name, loo) in enumerate(zip(self.names, self.loo)):
            best = self.comparisons[i].best
            rows.append(
                {
                    "name": name,
                    "method": None if best is None else best.method,
                    "log_evidence": _plain(self.log_evidence[i]),
                    "error": _plain(self.error[i]),
                    "prior_probability": float(self.prior_probabilities[i]),
                    "probability": _plain(self.probabilities[i]),
                    "probability_error": _plain(self.probability_errors[i]),
                    "elpd_loo": None if loo is None else _plain(loo.elpd),
                    "se_loo": None if loo is None else _plain(loo.se),
                    "p_loo": None if loo is None else _plain(loo.p),
                }
            )
        checks = [
            {"smaller": s.smaller, "larger": s.larger, "log_bayes_factor": _plain(s.value), "error": _plain(s.error)}
            for s in self.nested
        ]
        return {"models": rows, "best": self.best, "savage_dickey": checks, "warnings": list(self.warnings)}


def compare_models(
    models: Sequence[Model | Comparison] | Mapping[str, Model | Comparison],
    *,
    prior_probabilities: Sequence[float] | None = None,
    nested: Mapping[tuple[str, str], Mapping[str, float]] | None = None,
    seed: Any = 0,
    progress: bool = False,
    **options: Any,
) -> ModelComparison:
    """Weigh models of the same data by their evidence.

    p(Mᵢ | D) ∝ p(D | Mᵢ) p(Mᵢ),   log BFᵢⱼ = log p(D | Mᵢ) − log p(D | Mⱼ)   (Kass & Raftery 1995)

    Parameters
    ----------
    models
        Models, or comparisons already made, under their own names or those of a mapping.
    prior_probabilities
        One for each model, positive; even by default.
    nested
        (smaller, larger) → the values of the larger model's parameters that make it the smaller one: a Savage–Dickey
        ratio (Dickey 1971) from the larger one's draws is then held against the two evidences. Its use supposes that
        the other parameters' prior in the smaller model is that of the larger one given these values.
    options
        Passed to `compare`.

    Raises
    ------
    EvidenceError
        Where the observed data differ, fewer than two models are given, or names or values do not fit.
    ModelError
        Where a prior is improper: that model has no evidence.

    Examples
    --------
    >>> import numpyro.distributions as dist
    >>> from bayes_sandbox import Model, compare_models
    >>> fair = Model({"p": dist.Beta(1000, 1000)}, lambda p: dist.Binomial(10, p), observed=2, name="fair")
    >>> open_ = fair.with_prior(p=dist.Beta(1, 1))
    >>> found = compare_models({"fair": fair, "open": open_}, methods=["grid"])
    >>> f"{found.log_bayes_factor('open', 'fair')[0]:.3f}"
    '0.720'
    """
    named = _named(models)
    check_seed(seed)
    flag(progress, "progress")
    weights = _prior(prior_probabilities, len(named))
    pairs = _pairs(nested, [name for name, _ in named])
    _require_same_data(named)
    done: dict[str, Comparison] = {}
    for name, one in named:
        done[name] = one if isinstance(one, Comparison) else compare(one, seed=seed, progress=progress, **options)
        if done[name].interrupted:  # somebody wants an end of it, not of this model alone
            raise KeyboardInterrupt
    best = [c.best for c in done.values()]
    log_evidence = np.array([np.nan if b is None else b.log_evidence for b in best])
    error = np.array([np.inf if b is None else b.error for b in best])
    probabilities, spread = _probabilities(log_evidence, error, weights)
    found = [_loo(c) for c in done.values()]
    checks = [
        savage_dickey(done[larger], at=at, seed=seed, smaller=smaller, larger=larger)
        for (smaller, larger), at in pairs.items()
    ]
    said = [*_said(done, log_evidence), *(w for name, loo in zip(done, found) for w in _doubts(name, loo))]
    for check in checks:
        said += _contradicted(check, list(done), log_evidence, error)
    return ModelComparison(
        names=tuple(done),
        comparisons=tuple(done.values()),
        log_evidence=log_evidence,
        error=error,
        prior_probabilities=weights,
        probabilities=probabilities,
        probability_errors=spread,
        loo=tuple(found),
        nested=tuple(checks),
        warnings=tuple(said),
    )


def _named(models: Any) -> list[tuple[str, Model | Comparison]]:
    if isinstance(models, Model | Comparison):
        raise EvidenceError("a comparison needs at least two models, got one; pass a list of models")
    given: list[tuple[str | None, Any]] = (
        [(None, m) for m in listed(models, "models", "models")]
        if not isinstance(models, Mapping)
        else [(instance(n, "each name of models", str, "pass text"), m) for n, m in models.items()]
    )
    named: list[tuple[str, Model | Comparison]] = []
    for name, one in given:
        if not isinstance(one, Model | Comparison):
            raise EvidenceError(
                f"expected models or comparisons, got {type(one).__name__}; wrap a NumPyro function with "
                "Model.from_numpyro"
            )
        base = name or (one if isinstance(one, Model) else one.model).name
        taken, label, number = {n for n, _ in named}, base, 1
        while label in taken:
            number += 1
            label = f"{base} ({number})"
        named.append((label, one))
    if len(named) < FEWEST:
        raise EvidenceError(f"a comparison needs at least two models, got {len(named)}")
    for _, one in named:
        _model(one).require_proper("be weighed by its evidence")
    return named


def _model(one: Model | Comparison) -> Model:
    return one if isinstance(one, Model) else one.model


def _require_same_data(named: Sequence[tuple[str, Model | Comparison]]) -> None:
    (first, one), *others = named
    for name, other in others:
        if _model(other).data_sha256 != _model(one).data_sha256:
            raise EvidenceError(
                f"{first!r} and {name!r} are of different data: their evidences are densities of different things, and "
                "their ratio says nothing; give every model the same observed values (a transformed or scaled outcome "
                "needs its Jacobian in the likelihood)"
            )


def _prior(given: Sequence[float] | None, num: int) -> np.ndarray:
    weights = np.full(num, 1 / num) if given is None else _floats(given)
    if weights.shape != (num,) or not (np.isfinite(weights) & (weights > 0)).all():
        raise EvidenceError(
            f"expected {num} positive prior probabilities, one for each model, got prior_probabilities={given!r}"
        )
    return np.asarray(weights / weights.sum())


def _floats(given: Any) -> np.ndarray:
    """Return numbers as floats, and NaN for what is none."""
    try:
        return np.asarray(given, float)
    except (TypeError, ValueError):
        return np.array(np.nan)


def _probabilities(log_evidence: np.ndarray, error: np.ndarray, prior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return p(model | D) and, to first order, what the errors of the log evidences make of it."""
    if np.isnan(log_evidence).any():
        return np.full(len(prior), np.nan), np.full(len(prior), np.nan)
    p = np.exp(log_softmax(log_evidence + np.log(prior)))
    slope = p[:, None] * (np.eye(len(p)) - p)  # of each probability in each log evidence
    return p, np.sqrt(slope**2 @ error**2)


def _said(done: Mapping[str, Comparison], log_evidence: np.ndarray) -> list[str]:
    said = [
        f"{name} has no trusted evidence, so that no model has a probability: "
        + (c.evidence[0].warnings[0] if c.evidence and c.evidence[0].warnings else "none was estimated")
        for (name, c), value in zip(done.items(), log_evidence)
        if np.isnan(value)
    ]
    if all(c.model.data_sha256 is None for c in done.values()):
        said.append("the models have factors alone: whether they are of the same data cannot be seen")
    return said


def _loo(done: Comparison) -> LOO | None:
    draws = _draws_of(done)
    return None if draws is None or not done.model.structure.data else leave_one_out(done.model, draws)


def _draws_of(done: Comparison) -> Mapping[str, np.ndarray] | None:
    """Return NUTS's draws, else the grid's."""
    if done.nuts is not None:
        return done.nuts.draws
    return done.grid.draws if done.grid is not None and not done.grid.skipped else None


def leave_one_out(model: Model, draws: Mapping[str, np.ndarray]) -> LOO:
    """Return PSIS-LOO from posterior draws, name → (chain, draw, …), summed over the model's observed sites.

    Σᵢ log p(yᵢ | y₋ᵢ), the density of each observation given all others (Vehtari, Gelman & Gabry 2017).
    """
    tree = pointwise_datatree(model, draws)
    elpd, variance, p, worst = 0.0, 0.0, 0.0, -math.inf
    for site in tree["log_likelihood"].data_vars:
        with python_warnings.catch_warnings():
            python_warnings.simplefilter("ignore")
            found = arviz_stats.loo(tree, var_name=site, pointwise=True)
        elpd, variance, p = elpd + float(found.elpd), variance + float(found.se) ** 2, p + float(found.p)
        worst = max(worst, float(np.max(found.pareto_k)))
    return LOO(elpd, math.sqrt(variance), p, worst)


def _doubts(name: str, loo: LOO | None) -> list[str]:
    """Return what a Pareto k has against it."""
    if loo is None or loo.worst_pareto_k < LARGEST_PARETO_K:
        return []
    return [
        f"LOO of {name}: Pareto k reaches {loo.worst_pareto_k:.2f} (should be below {LARGEST_PARETO_K}): one "
        "observation alone moves the posterior far"
    ]


def _pairs(nested: Any, known: Sequence[str]) -> dict[tuple[str, str], dict[str, float]]:
    """Return the pairs of nested models, with the values that make the larger model the smaller one."""
    found = {}
    for pair, at in mapping({} if nested is None else nested, "nested", "(smaller, larger) -> values").items():
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise EvidenceError(f"nested: expected a pair of names (smaller, larger), got {pair!r}; write a tuple")
        for name in pair:
            if name not in known:
                raise EvidenceError(f"nested: there is no model {name!r}{suggestion(name, known)}")
        found[pair] = mapping(at, f"nested[{pair!r}]", "parameter name -> value")
    return found


def _contradicted(check: SavageDickey, names: list[str], log_evidence: np.ndarray, error: np.ndarray) -> list[str]:
    i, j = names.index(check.smaller), names.index(check.larger)
    gap = log_evidence[i] - log_evidence[j]
    allowed = APART * math.sqrt(error[i] ** 2 + error[j] ** 2 + check.error**2)
    if abs(gap - check.value) <= allowed or math.isnan(gap):
        return []
    return [
        f"Savage–Dickey gives a log Bayes factor of {check.value:.3f} ± {check.error:.2g} for {check.smaller} against "
        f"{check.larger}, their evidences {gap:.3f}: one of them is wrong, or the priors do not nest"
    ]


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None

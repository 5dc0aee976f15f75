"""A Bayes factor of nested models without an evidence: how much of the posterior, and of the prior, lies at a value."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from arviz_stats.base import array_stats
from scipy.special import logsumexp

from .comparison import Comparison
from .coordinates import Coordinates, coordinates_of
from .errors import EvidenceError, suggestion
from .seeds import as_rng

NUM_LINES, NUM_POINTS = 400, 257  # draws through which a line is laid, and points on each
REACH = 9.0  # standard deviations to either side


@dataclass(frozen=True)
class SavageDickey:
    """log p(θ₀ | D) − log p(θ₀), the log Bayes factor of the smaller model against the larger, and its error."""

    smaller: str
    larger: str
    value: float
    error: float


def savage_dickey(
    done: Comparison, *, at: Mapping[str, float], seed: Any = 0, smaller: str = "smaller", larger: str = "larger"
) -> SavageDickey:
    """Return the Savage–Dickey density ratio at one value of one parameter (Dickey 1971).

    p(θ₀ | D) is the mean over draws of θ's density given all other parameters, each summed along a line through the
    draw (Gelfand & Smith 1990, section 2): far less noisy than a smoothed histogram. The prior's is found alike.

    Raises
    ------
    EvidenceError
        Without draws, for more than one parameter, or for one that has no coordinate of its own.
    """
    if done.nuts is None:
        raise EvidenceError("a Savage–Dickey ratio needs draws; compare with methods that include 'nuts'")
    coords, model = coordinates_of(done.model), done.model
    axis, target = _line(done, dict(at))
    rng = as_rng(seed, "savage-dickey")
    positions = done.nuts.positions
    chains, num = positions.shape[:2]
    kept = positions[:, :: max(chains * num // NUM_LINES, 1)]
    posterior = _log_conditional(coords, kept.reshape(-1, kept.shape[-1]), axis, target, prior_only=False)
    draws = coords.unconstrain_many(model.sample_prior(int(rng.integers(2**31)), NUM_LINES), (NUM_LINES,))
    prior = _log_conditional(coords, draws[np.isfinite(draws).all(axis=1)], axis, target, prior_only=True)
    above, noise = _log_mean(posterior.reshape(kept.shape[:2]))
    below, other = _log_mean(prior[None])
    return SavageDickey(smaller, larger, above - below, float(np.hypot(noise, other)))


def _line(done: Comparison, at: dict[str, float]) -> tuple[int, float]:
    """Return the coordinate that alone sets the parameter, and where it stands at the value asked for."""
    model, coords = done.model, coordinates_of(done.model)
    if len(at) != 1:
        raise EvidenceError(f"a Savage–Dickey ratio is of one parameter at one value, got {sorted(at)}")
    ((label, value),) = at.items()
    if label not in model.parameters:
        raise EvidenceError(f"{model.name!r} has no parameter {label!r}{suggestion(label, model.parameters)}")
    index = model.parameters.index(label)
    axis = int(coords.own_axis[index])
    if axis < 0:
        raise EvidenceError(f"{label!r} has no coordinate of its own: a Savage–Dickey ratio cannot be formed along it")
    assert done.nuts is not None
    flat = coords.flat_at(done.nuts.positions[0, 0]).copy()
    flat[index] = value
    target = float(coords.unconstrain_many(coords.unflatten(flat[None]), (1,))[0, axis])
    if not np.isfinite(target):
        raise EvidenceError(f"{label} = {value:g} is not inside the support of its prior")
    return axis, target


def _log_conditional(
    coords: Coordinates, positions: np.ndarray, axis: int, target: float, prior_only: bool
) -> np.ndarray:
    """Return, for each position (n, d), the log density of one coordinate at `target` given all others."""
    centre, spread = positions[:, axis].mean(), positions[:, axis].std()
    reach = max(REACH * spread, 1.2 * abs(target - centre))
    line = np.append(np.linspace(centre - reach, centre + reach, NUM_POINTS), target)
    points = np.repeat(positions[:, None], len(line), axis=1)
    points[:, :, axis] = line
    prior, likelihood, log_det = np.moveaxis(coords.log_parts_many(points), -1, 0)
    log_f = prior + log_det + (0.0 if prior_only else likelihood)
    log_f = np.where(np.isnan(log_f), -np.inf, log_f)
    total = logsumexp(log_f[:, :-1], axis=1) + np.log(line[1] - line[0])  # the ends hold nothing: a trapezoid
    return np.asarray(log_f[:, -1] - total)


def _log_mean(values: np.ndarray) -> tuple[float, float]:
    """Return the log of the mean of exp(values) (chain, draw) and its error."""
    peak = values.max()
    if not np.isfinite(peak):
        return -np.inf, np.inf
    weight = np.exp(values - peak)
    if weight.std() == 0:
        return float(peak + np.log(weight.mean())), 1e-12
    ess = float(array_stats.ess(weight, chain_axis=0, draw_axis=1, method="mean"))
    return float(peak + np.log(weight.mean())), float(weight.std() / weight.mean() / np.sqrt(max(ess, 1.0)))

"""A Bayes factor of nested models without an evidence: how much of the posterior, and of the prior, lies at a value."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from arviz_stats.base import array_stats
from scipy.special import logsumexp

from .arguments import instance, mapping, number
from .comparison import Comparison
from .coordinates import Coordinates, coordinates_of
from .errors import EvidenceError, suggestion
from .seeds import as_rng, check_seed

NUM_LINES, NUM_POINTS = 400, 513  # draws through which a line is laid, and points on each
FEWEST = 20.0  # draws, in effective number, that a mean density must rest on
FINEST, REACH = 1e-5, 500.0  # of the middle two thirds' width: the step beside a draw, and how far a line reaches


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
    draw (Gelfand & Smith 1990, section 2): far less noisy than a smoothed histogram. The prior's is found alike. The
    error is infinite where hardly a draw comes near the value: given the others, the parameter is known too well.

    Raises
    ------
    EvidenceError
        Without draws, for more than one parameter, or for one that has no coordinate of its own.
    """
    instance(done, "done", Comparison, "pass what compare(model) returned")
    values = {k: number(v, f"at[{k!r}]") for k, v in mapping(at, "at", "parameter name -> value").items()}
    check_seed(seed)
    if done.nuts is None:
        raise EvidenceError("a Savage–Dickey ratio needs draws; compare with methods that include 'nuts'")
    coords = coordinates_of(done.model)
    axis, target = _line(done, values)
    rng = as_rng(seed, "savage-dickey")
    positions = done.nuts.positions
    chains, num = positions.shape[:2]
    kept = positions[:, :: max(chains * num // NUM_LINES, 1)]
    flat = kept.reshape(-1, kept.shape[-1])
    above, noise = _mean(*_log_conditional(coords, flat, axis, target, prior_only=False), kept.shape[:2])
    draws = coords.prior_positions(int(rng.integers(2**31)), NUM_LINES)
    draws = draws[np.isfinite(draws).all(axis=1)]
    below, other = _mean(*_log_conditional(coords, draws, axis, target, prior_only=True), (1, len(draws)))
    return SavageDickey(smaller, larger, above - below, float(np.hypot(noise, other)))


def _line(done: Comparison, at: dict[str, float]) -> tuple[int, float]:
    """Return the coordinate that alone sets the parameter, and where it stands at the value asked for."""
    model, coords = done.model, coordinates_of(done.model)
    if len(at) != 1:
        raise EvidenceError(f"a Savage–Dickey ratio is of one parameter at one value, got {sorted(map(str, at))}")
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
) -> tuple[np.ndarray, np.ndarray]:
    """Return, for each position (n, d), the log density of one coordinate at `target` given all others, twice.

    Points are sinh-spaced about the draw itself, which lies in its own conditional density however narrow that is, and
    about the middle of all draws, where a draw from a long tail does not look; shares that sum to one divide the line
    between the two. The second time every other point is left out: how far that is off is how well the line was summed.
    """
    own = positions[:, axis]
    low, middle, high = np.quantile(own, [0.1587, 0.5, 0.8413])
    width = max(high - low, 1e-300)
    fine, reach = FINEST * width, max(REACH * width, *(3 * np.abs(np.append(target, own) - middle)))
    t = np.linspace(-1, 1, NUM_POINTS) * np.arcsinh(reach / fine)
    near, far = own[:, None] + fine * np.sinh(t), np.broadcast_to(middle + fine * np.sinh(t), (len(own), NUM_POINTS))
    line = np.concatenate([near, far], axis=1)
    from_own, from_middle = (line - own[:, None]) ** 2 + width**2 / 100, (line - middle) ** 2 + width**2 / 100
    share = np.where(np.arange(2 * NUM_POINTS) < NUM_POINTS, from_middle, from_own) / (from_own + from_middle)
    points = np.repeat(positions[:, None], 2 * NUM_POINTS + 1, axis=1)
    points[:, :-1, axis], points[:, -1, axis] = line, target
    prior, likelihood, log_det = np.moveaxis(coords.log_parts_many(points), -1, 0)
    log_f = prior + log_det + (0.0 if prior_only else likelihood)
    log_f = np.where(np.isnan(log_f), -np.inf, log_f)
    terms = log_f[:, :-1] + np.log(share) + np.tile(np.log(fine * np.cosh(t) * (t[1] - t[0])), 2)
    coarse = np.tile(np.arange(NUM_POINTS) % 2 == 0, 2)
    summed = logsumexp(terms, axis=1), logsumexp(terms[:, coarse], axis=1) + np.log(2)
    return log_f[:, -1] - summed[0], log_f[:, -1] - summed[1]


def _mean(fine: np.ndarray, coarse: np.ndarray, shape: tuple[int, ...]) -> tuple[float, float]:
    """Return the log of the mean density and its error: what draws leave open, and what the points of a line do."""
    value, noise = _log_mean(fine.reshape(shape))
    return value, float(noise + abs(value - _log_mean(coarse.reshape(shape))[0]))


def _log_mean(values: np.ndarray) -> tuple[float, float]:
    """Return the log of the mean of exp(values) (chain, draw) and its error."""
    peak = values.max()
    if not np.isfinite(peak):
        return -np.inf, np.inf
    weight = np.exp(values - peak)
    if weight.std() == 0:
        return float(peak + np.log(weight.mean())), 1e-12
    if weight.sum() ** 2 / (weight**2).sum() < FEWEST:  # given the others, hardly a draw comes near the value
        return float(peak + np.log(weight.mean())), np.inf
    ess = float(array_stats.ess(weight, chain_axis=0, draw_axis=1, method="mean"))
    return float(peak + np.log(weight.mean())), float(weight.std() / weight.mean() / np.sqrt(max(ess, 1.0)))

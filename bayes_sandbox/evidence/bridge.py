"""The evidence by bridge sampling: posterior draws on one side, a fitted proposal on the other."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, logsumexp

from ..diagnostics import pareto_k
from ..errors import SamplingError
from ..records import MAX_TRUSTED_ERROR, Evidence
from .routes import LatentMixture, Straightener, Whitener, mean_weight, straightener
from .workbench import Workbench

WIDENED = 1.4  # z-scores over repeated runs came out with an sd of 0.7 to 1.4: quote for the worst
FRESH = 2  # proposal draws for each posterior draw: they are independent, and cheaper
LARGEST_K_HAT = 0.7  # of the proposal's draws, for them to speak against the bridge
MANY_DIVERGENT = 0.005  # share of draws
EM_STEPS = 3
HEAVIER = 1.25  # times the scale, of a second proposal where there is no second map


@dataclass(frozen=True)
class _Half:
    """One bridge, and what its proposal's draws alone say: with wrong draws on the other side the two differ."""

    value: float
    error: float
    forward: float
    forward_error: float


def estimate(bench: Workbench) -> Evidence:
    """Return the optimal bridge estimate of Meng & Wong (1996), cross-fitted over blocks of chains.

    The proposal, a mixture of Student-t's in coordinates that are as nearly normal as they come, is fitted to one half
    of the chains and bridged to the other, and the reverse. The error follows Frühwirth-Schnatter (2004, section 3),
    with the effective sample size of the bridge function itself, widened to what repeated runs showed.
    """
    started = time.perf_counter()
    try:
        fit = bench.nuts
    except SamplingError as failure:
        return Evidence("bridge", np.nan, np.inf, 0, time.perf_counter() - started, False, (str(failure),))
    before, rng = bench.coords.num_evaluations, bench.rng("bridge")
    halves, others = [], []
    better = straightener(bench, fit.positions.reshape(-1, fit.positions.shape[-1]))
    maps: list[Whitener | Straightener] = [Whitener(bench), *([] if better is None else [better])]
    for train, held_out in _folds(fit.positions):
        best, second = _proposals(maps, train)
        halves.append(_bridge(bench, best, held_out, rng))
        others.append(_bridge(bench, second, held_out, rng))
    value = float(np.mean([h.value for h in halves]))
    error = WIDENED * float(np.hypot(halves[0].error, halves[1].error)) / 2
    num_evaluations = fit.num_evaluations + bench.coords.num_evaluations - before
    seconds = time.perf_counter() - started + fit.seconds
    if not np.isfinite(value) or not np.isfinite(error):
        why = "the bridge did not settle: draws and proposal do not overlap"
        return Evidence("bridge", np.nan, np.inf, num_evaluations, seconds, False, (why,))
    if fit.diagnostics.num_divergent:
        error *= 2 / WIDENED
    doubts = _doubts(bench, halves, others, value, error)
    return Evidence("bridge", value, max(error, 1e-12), num_evaluations, seconds, not doubts, tuple(doubts))


def _folds(positions: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (fit, bridge) blocks both ways round: chains apart where there are several, else early and late draws.

    Never alternate draws: those of NUTS are antithetic, and a proposal fitted to one half would know the other.
    """
    chains, draws = positions.shape[:2]
    if chains > 1:
        one, other = positions[: chains // 2], positions[chains // 2 :]
    else:
        one, other = positions[:, : draws // 2], positions[:, draws // 2 :]
    return [(one, other), (other, one)]


def _proposals(maps: Sequence[Whitener | Straightener], train: np.ndarray) -> tuple[LatentMixture, LatentMixture]:
    """Return the proposal of the highest likelihood for draws it was not fitted to, and the best by another map.

    The early draws of each chain fit, the late ones choose; what was chosen is fitted to all of them.
    """
    early, late = (part.reshape(-1, part.shape[-1]) for part in np.array_split(train, 2, axis=1))
    whole, ranked = train.reshape(-1, train.shape[-1]), []
    for one in maps:
        scores = [float(np.mean(p.at(late)[1])) for p in _candidates(one, early)]
        ranked.append((max(scores), int(np.argmax(scores)), one))
    chosen = [_candidates(one, whole)[which] for _, which, one in sorted(ranked, key=lambda r: -r[0])]
    if len(chosen) == 1:
        chosen.append(replace(chosen[0], mixture=chosen[0].mixture.widened(HEAVIER)))
    return chosen[0], chosen[1]


def _candidates(one: Whitener | Straightener, draws: np.ndarray) -> list[LatentMixture]:
    """Return mixtures in the latent space of a map: a standard one, the draws' moments, and these after EM."""
    straightening = one.fit(draws)
    z = straightening.to_latent(draws)[0]
    moments = climbed = one.moments(z)
    for _ in range(EM_STEPS):
        climbed = climbed.fitted(z, np.full(len(z), 1 / len(z)))
    return [LatentMixture(straightening, m) for m in (one.standard(), moments, climbed)]


def _bridge(bench: Workbench, proposal: LatentMixture, draws: np.ndarray, rng: np.random.Generator) -> _Half:
    """Iterate log r to the fixed point of the optimal bridge and return it with its standard error."""
    flat = draws.reshape(-1, draws.shape[-1])
    fresh, _, log_q = proposal.sample(rng, FRESH * len(flat))
    log_drawn = bench.coords.log_density_many(flat) - proposal.at(flat)[1]
    log_fresh = bench.coords.log_density_many(fresh) - log_q
    log_ratio = float(np.median(log_drawn))
    effective = min(_ess(log_drawn.reshape(draws.shape[:2])), len(flat))
    balance = np.log(effective / len(fresh))  # log s₁/s₂: draws count by what they are worth
    for _ in range(1000):
        upper = logsumexp(log_fresh - np.logaddexp(balance + log_fresh - log_ratio, 0.0)) - np.log(len(fresh))
        lower = logsumexp(-np.logaddexp(balance + log_drawn - log_ratio, 0.0)) - np.log(len(flat))
        new = upper - lower
        if not np.isfinite(new):
            return _Half(np.nan, np.inf, np.nan, np.inf)
        if abs(new - log_ratio) < 1e-10:
            break
        log_ratio = float(new)
    else:
        return _Half(np.nan, np.inf, np.nan, np.inf)
    top = expit(balance + log_fresh - log_ratio)  # ∝ f/(s₁f + s₂rq) at fresh draws
    bottom = expit(-(balance + log_drawn - log_ratio))  # ∝ q/(s₁f + s₂rq) at posterior draws
    variance = top.var(ddof=1) / top.mean() ** 2 / len(top)
    variance += bottom.var(ddof=1) / bottom.mean() ** 2 / _ess(bottom.reshape(draws.shape[:2]))
    forward, forward_error = mean_weight(log_fresh)
    if not pareto_k(log_fresh) < LARGEST_K_HAT:
        forward_error = np.inf
    return _Half(log_ratio, float(np.sqrt(variance)), forward, forward_error)


def _ess(values: np.ndarray) -> float:
    from arviz_stats.base import array_stats

    if values.std() == 0:
        return float(values.size)
    return max(float(array_stats.ess(values, chain_axis=0, draw_axis=1, method="mean")), 1.0)


def _doubts(bench: Workbench, halves: list[_Half], plain: list[_Half], value: float, error: float) -> list[str]:
    fit = bench.nuts
    total = fit.positions.shape[0] * fit.positions.shape[1]
    doubts = [c for c in fit.diagnostics.complaints if "divergent" not in c]
    if fit.diagnostics.num_divergent > MANY_DIVERGENT * total:
        doubts.append(f"{fit.diagnostics.num_divergent} of {total} transitions diverged: the draws miss a region")
    doubts += [s for s in bench.unvisited_modes(fit.positions, value) if s not in doubts]
    gap, noise = abs(halves[0].value - halves[1].value), np.hypot(halves[0].error, halves[1].error)
    if gap > 4 * noise + 1e-9:
        doubts.append(f"two halves of the chains differ by {gap:.3f}, {gap / noise:.1f} of their errors")
    for half in halves:
        gap, noise = abs(half.forward - half.value), np.hypot(half.forward_error, half.error)
        if gap > 4 * noise + 1e-9:
            doubts.append(
                f"the proposal's draws alone give {half.forward:.3f} instead of {half.value:.3f}: the draws given may "
                "not be from this posterior, or miss a part of it"
            )
            break
    second = float(np.mean([p.value for p in plain]))
    own = WIDENED * float(np.hypot(plain[0].error, plain[1].error)) / 2
    if not abs(second - value) < 4 * np.hypot(error, own) + 1e-9:
        doubts.append(f"another proposal gives {second:.3f} instead of {value:.3f} from the same draws")
    if error > MAX_TRUSTED_ERROR:
        doubts.append(f"the standard error is {error:.2f} (should be below {MAX_TRUSTED_ERROR})")
    return doubts


def num_predicted(bench: Workbench) -> float:
    """Return the densities it takes at most, before anything is known of the posterior."""
    fresh = 2 * 2 * (1 + FRESH) * bench.num_draws / 2  # two halves, two proposals each
    return bench.num_nuts_predicted + fresh

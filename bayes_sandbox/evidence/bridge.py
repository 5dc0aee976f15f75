"""The evidence by bridge sampling: posterior draws on one side, a fitted proposal on the other."""

import time
from dataclasses import dataclass

import numpy as np
from arviz_stats.base import array_stats
from scipy.special import expit, logsumexp

from ..errors import SamplingError
from ..proposals import StudentMixture, from_positions
from ..records import Evidence
from .workbench import Workbench

WIDENED = 1.4  # z-scores over repeated runs came out with an sd of 0.7 to 1.4: quote for the worst
LARGEST_ERROR = 0.1
MANY_DIVERGENT = 0.005  # share of draws


@dataclass(frozen=True)
class _Half:
    value: float
    error: float


def estimate(bench: Workbench) -> Evidence:
    """Return the optimal bridge estimate of Meng & Wong (1996), cross-fitted over blocks of chains.

    The proposal, a mixture of Student-t's with the draws' moments, is fitted to one half of the chains and bridged
    to the other, and the reverse. The error follows Frühwirth-Schnatter (2004, section 3), with the effective
    sample size of the bridge function itself, widened to what repeated runs showed.
    """
    started = time.perf_counter()
    try:
        fit = bench.nuts
    except SamplingError as failure:
        return Evidence("bridge", np.nan, np.inf, 0, time.perf_counter() - started, False, (str(failure),))
    halves, plain = [], []
    rng = bench.rng("bridge")
    for train, held_out in _folds(fit.positions):
        flat = train.reshape(-1, train.shape[-1])
        proposal = from_positions(flat)
        halves.append(_bridge(bench, proposal, held_out, rng))
        plain.append(_bridge(bench, _heavier(proposal), held_out, rng))
    value = float(np.mean([h.value for h in halves]))
    error = WIDENED * float(np.hypot(halves[0].error, halves[1].error)) / 2
    num_evaluations = fit.num_evaluations + 4 * fit.positions.shape[0] * fit.positions.shape[1]
    seconds = time.perf_counter() - started + fit.seconds
    if not np.isfinite(value) or not np.isfinite(error):
        why = "the bridge did not settle: draws and proposal do not overlap"
        return Evidence("bridge", np.nan, np.inf, num_evaluations, seconds, False, (why,))
    doubts = _doubts(bench, halves, plain, value, error)
    if fit.diagnostics.num_divergent:
        error *= 2 / WIDENED
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


def _heavier(proposal: StudentMixture) -> StudentMixture:
    """Return a clearly different proposal, to bridge the same draws a second way."""
    return StudentMixture(np.array([0.4, 0.6]), proposal.centres, proposal.scales * 1.25)


def _bridge(bench: Workbench, proposal: StudentMixture, draws: np.ndarray, rng: np.random.Generator) -> _Half:
    """Iterate log r to the fixed point of the optimal bridge and return it with its standard error."""
    flat = draws.reshape(-1, draws.shape[-1])
    fresh = proposal.sample(rng, len(flat))
    log_drawn = bench.coords.log_density_many(flat) - proposal.log_density(flat)
    log_fresh = bench.coords.log_density_many(fresh) - proposal.log_density(fresh)
    log_ratio = float(np.median(log_drawn))
    effective = min(_ess(log_drawn.reshape(draws.shape[:2])), len(flat))
    balance = np.log(effective / len(fresh))  # log s₁/s₂: draws count by what they are worth
    for _ in range(1000):
        upper = logsumexp(log_fresh - np.logaddexp(balance + log_fresh - log_ratio, 0.0)) - np.log(len(fresh))
        lower = logsumexp(-np.logaddexp(balance + log_drawn - log_ratio, 0.0)) - np.log(len(flat))
        new = upper - lower
        if not np.isfinite(new):
            return _Half(np.nan, np.inf)
        if abs(new - log_ratio) < 1e-10:
            break
        log_ratio = float(new)
    else:
        return _Half(np.nan, np.inf)
    top = expit(balance + log_fresh - log_ratio)  # ∝ f/(s₁f + s₂rq) at fresh draws
    bottom = expit(-(balance + log_drawn - log_ratio))  # ∝ q/(s₁f + s₂rq) at posterior draws
    variance = top.var(ddof=1) / top.mean() ** 2 / len(top)
    variance += bottom.var(ddof=1) / bottom.mean() ** 2 / _ess(bottom.reshape(draws.shape[:2]))
    return _Half(log_ratio, float(np.sqrt(variance)))


def _ess(values: np.ndarray) -> float:
    if values.std() == 0:
        return float(values.size)
    return max(float(array_stats.ess(values, chain_axis=0, draw_axis=1, method="mean")), 1.0)


def _doubts(bench: Workbench, halves: list[_Half], plain: list[_Half], value: float, error: float) -> list[str]:
    fit = bench.nuts
    total = fit.positions.shape[0] * fit.positions.shape[1]
    doubts = [c for c in fit.diagnostics.complaints if "divergent" not in c]
    if fit.diagnostics.num_divergent > MANY_DIVERGENT * total:
        doubts.append(f"{fit.diagnostics.num_divergent} of {total} transitions diverged: the draws miss a region")
    doubts += bench.unvisited_modes(fit.positions, value)
    gap, noise = abs(halves[0].value - halves[1].value), np.hypot(halves[0].error, halves[1].error)
    if gap > 4 * noise + 1e-9:
        doubts.append(f"two halves of the chains differ by {gap:.3f}, {gap / noise:.1f} of their errors")
    second = float(np.mean([p.value for p in plain]))
    own = WIDENED * float(np.hypot(plain[0].error, plain[1].error)) / 2
    if not abs(second - value) < 4 * np.hypot(error, own) + 1e-9:
        doubts.append(f"another proposal gives {second:.3f} instead of {value:.3f} from the same draws")
    if error > LARGEST_ERROR:
        doubts.append(f"the standard error is {error:.2f} (should be below {LARGEST_ERROR})")
    return doubts

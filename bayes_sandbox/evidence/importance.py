"""The evidence by importance sampling: fresh draws from a fitted proposal, and the k-hat of their weights."""

import time

import numpy as np

from ..diagnostics import pareto_k
from ..proposals import StudentMixture, from_humps, from_positions, joined
from ..records import Evidence
from .workbench import Workbench

ROUNDS, PER_ROUND, FINAL = 5, 4096, 16384
LARGEST_K_HAT = 0.7  # Vehtari et al. 2024: above it the error bar itself cannot be believed
SMALLEST_EFFICIENCY = 0.01
LARGEST_ERROR = 0.1


def estimate(bench: Workbench) -> Evidence:
    """Return log (1/n) Σ f(xᵢ)/q(xᵢ), xᵢ ~ q, with the delta-method standard error.

    q is a mixture of Student-t's over every mode found (and over draws, where some are at hand), adapted in a few
    rounds and then frozen, so that the final draws are independent of it.
    """
    started = time.perf_counter()
    proposal = _first(bench)
    if proposal is None:
        why = f"there is nothing to build a proposal on: {bench.laplace.message}, and no draws"
        return Evidence("importance", np.nan, np.inf, 0, time.perf_counter() - started, False, (why,))
    rng = bench.rng("importance")
    for _ in range(ROUNDS):
        x, log_weights = _weigh(bench, proposal, rng, PER_ROUND)
        if not np.isfinite(log_weights).any():
            break
        proposal = proposal.fitted(x, _clipped(log_weights))
    _, log_weights = _weigh(bench, proposal, rng, FINAL)
    return _judged(log_weights, FINAL + ROUNDS * PER_ROUND, time.perf_counter() - started)


def _first(bench: Workbench) -> StudentMixture | None:
    humps = bench.laplace.humps
    modes = from_humps(humps) if humps else None
    drawn = from_positions(_pooled(bench)) if bench.has_draws else None
    if modes is not None and drawn is not None:
        return joined(modes, drawn)
    return modes or drawn


def _pooled(bench: Workbench) -> np.ndarray:
    positions = bench.nuts.positions
    return positions.reshape(-1, positions.shape[-1])


def _weigh(
    bench: Workbench, proposal: StudentMixture, rng: np.random.Generator, n: int
) -> tuple[np.ndarray, np.ndarray]:
    x = proposal.sample(rng, n)
    return x, bench.coords.log_density_many(x) - proposal.log_density(x)


def _clipped(log_weights: np.ndarray) -> np.ndarray:
    """Weights for adaptation, the largest clipped to √n times the mean (Ionides 2008): one draw must not lead."""
    weight = np.exp(log_weights - log_weights.max())
    weight = np.minimum(weight, np.sqrt(len(weight)) * weight.mean())
    return weight / weight.sum()


def _judged(log_weights: np.ndarray, num_evaluations: int, seconds: float) -> Evidence:
    peak = log_weights.max()
    if not np.isfinite(peak):
        why = "no draw of the proposal had a finite density"
        return Evidence("importance", np.nan, np.inf, num_evaluations, seconds, False, (why,))
    weight = np.exp(log_weights - peak)
    n, mean = len(weight), weight.mean()
    error = max(float(weight.std(ddof=1) / mean / np.sqrt(n)), 1e-12)
    efficiency = float(weight.sum() ** 2 / (weight**2).sum() / n)
    k_hat = pareto_k(log_weights)
    doubts = []
    if not k_hat < LARGEST_K_HAT:
        doubts.append(f"Pareto k-hat is {k_hat:.2f} (should be below {LARGEST_K_HAT}): the proposal misses a tail")
    if efficiency < SMALLEST_EFFICIENCY:
        doubts.append(f"only {efficiency:.1%} of the draws count: the proposal does not fit")
    if error > LARGEST_ERROR:
        doubts.append(f"the standard error is {error:.2f} (should be below {LARGEST_ERROR})")
    value = float(peak + np.log(mean))
    return Evidence("importance", value, error, num_evaluations, seconds, not doubts, tuple(doubts))

"""The evidence as it is defined: the likelihood averaged over draws from the prior."""

import time

import numpy as np

from ..diagnostics import pareto_k
from ..progress import progress_of
from ..quadrature import affordable
from ..records import MAX_TRUSTED_ERROR, Evidence
from .importance import LARGEST_K_HAT
from .workbench import Workbench

BATCH = 2**14
LARGEST = 2**20  # draws
TOLERANCE = 3e-3
FEWEST_COUNT = 100.0  # draws that the average must rest on


def estimate(bench: Workbench) -> Evidence:
    """Return log (1/n) Σ p(D|θᵢ), θᵢ ~ p(θ), with its delta-method standard error.

    Unbiased, needs no tuning and knows no mode it must be told of; but where the data say much, next to none of the
    draws count, and the error is of the size of the answer. `effective` draws, (Σw)²/Σw², are how it shows.
    """
    started = time.perf_counter()
    most, _ = affordable(bench.coords, LARGEST, bench.budget.left)
    values: list[np.ndarray] = []
    rng = bench.rng("prior average")
    with progress_of(bench.progress).task("prior average", int(most)) as advance:
        while True:
            values.append(draw_log_likelihoods(bench, int(rng.integers(2**31))))
            done, so_far = len(values) * BATCH, np.concatenate(values)
            error = _error(so_far)
            advance(BATCH, f"log p(D) ≈ {np.logaddexp.reduce(so_far) - np.log(done):.3f} ± {error:.1g}")
            if error < TOLERANCE or done + BATCH > most or not bench.budget.left:
                break
    return _judged(np.concatenate(values), time.perf_counter() - started)


def draw_log_likelihoods(bench: Workbench, seed: int) -> np.ndarray:
    positions = bench.coords.prior_positions(seed, BATCH)
    inside = np.isfinite(positions).all(axis=1)
    values = bench.coords.log_parts_many(np.where(inside[:, None], positions, 0.0))[:, 1]
    values = np.where(inside & (values < np.inf), values, -np.inf)
    bench.saw(positions, values)
    return values


def _error(log_weights: np.ndarray) -> float:
    peak = log_weights.max()
    if not np.isfinite(peak):
        return np.inf
    weight = np.exp(log_weights - peak)
    return float(weight.std(ddof=1) / weight.mean() / np.sqrt(len(weight)))


def _judged(log_weights: np.ndarray, seconds: float) -> Evidence:
    n, peak = len(log_weights), log_weights.max()
    if not np.isfinite(peak):
        why = f"none of {n:,} prior draws had a finite likelihood"
        return Evidence("prior_average", np.nan, np.inf, n, seconds, False, (why,))
    weight = np.exp(log_weights - peak)
    error, effective, doubts = _error(log_weights), weight.sum() ** 2 / (weight**2).sum(), []
    if effective < FEWEST_COUNT:
        doubts.append(
            f"of {n:,} prior draws only {effective:.1f} count: the posterior is too small a part of the prior; "
            "use importance or bridge instead"
        )
    k_hat = pareto_k(log_weights)
    if not k_hat < LARGEST_K_HAT:
        doubts.append(f"Pareto k-hat is {k_hat:.2f} (should be below {LARGEST_K_HAT}): a few draws decide the average")
    if not error < MAX_TRUSTED_ERROR:
        doubts.append(f"the standard error is {error:.2f} (should be below {MAX_TRUSTED_ERROR})")
    value = float(peak + np.log(weight.mean()))
    return Evidence("prior_average", value, max(error, 1e-12), n, seconds, not doubts, tuple(doubts))


def num_predicted(bench: Workbench) -> float:
    """Return the densities it takes at most, before anything is known of the posterior."""
    return float(LARGEST)

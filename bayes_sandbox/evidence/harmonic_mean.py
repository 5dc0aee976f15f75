"""The harmonic mean of the likelihood: the worst estimator of the evidence there is, kept as the warning it is."""

import time

import numpy as np
from scipy.special import logsumexp

from ..errors import SamplingError
from ..records import Evidence
from .workbench import Workbench

NEVER = (
    "the harmonic mean of the likelihood converges too slowly to mean anything: its variance is infinite unless the "
    "prior is no wider than the posterior, and draws from a finite run never see the tails that decide it (Neal 2008)"
)


def estimate(bench: Workbench) -> Evidence:
    """Return −log mean 1/p(D|θᵢ) over posterior draws θᵢ (Newton & Raftery 1994), and no error that holds.

    `E[1/p(D|θ)]` under the posterior is 1/p(D), so that the formula is right; but the average is ruled by draws of low
    likelihood that no run is long enough to meet, and it hardly notices the prior's width, which the evidence pays for.
    """
    started = time.perf_counter()
    try:
        fit = bench.nuts
    except SamplingError as failure:
        return Evidence("harmonic_mean", np.nan, np.inf, 0, time.perf_counter() - started, False, (str(failure),))
    positions = fit.positions.reshape(-1, bench.coords.dimension)
    log_likelihood = bench.coords.log_parts_many(positions)[:, 1]
    value = float(np.log(len(positions)) - logsumexp(-log_likelihood))
    seconds = time.perf_counter() - started + fit.seconds
    return Evidence("harmonic_mean", value, np.inf, fit.num_evaluations + len(positions), seconds, False, (NEVER,))


def num_predicted(bench: Workbench) -> float:
    """Return the densities it takes at most, before anything is known of the posterior."""
    return bench.num_nuts_predicted + bench.num_draws

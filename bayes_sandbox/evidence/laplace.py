"""The evidence of a Gaussian at the mode, with an error measured by a finer method."""

import time

import numpy as np

from ..records import MAX_TRUSTED_ERROR, Evidence
from . import importance
from .workbench import Workbench

CHEAP_GRID = 3  # dimensions in which a grid costs next to nothing
NUM_CLIMBS, NUM_STEPS = 16, 60  # as a rule


def estimate(bench: Workbench) -> Evidence:
    """Return the Laplace evidence; its error is its distance to a trusted grid or importance estimate.

    Nothing inside a Laplace fit says how wrong it is: without a finer method the error is infinite.
    """
    started = time.perf_counter()
    fit = bench.laplace
    if not fit.converged:
        return Evidence("laplace", np.nan, np.inf, fit.num_evaluations, fit.seconds, False, (fit.message,))
    use_grid = bench.model.dimension <= CHEAP_GRID or "grid" in bench.__dict__
    finer = bench.grid.evidence if use_grid else bench.estimate("importance", importance.estimate)
    if use_grid and not finer.trusted:
        finer = bench.estimate("importance", importance.estimate)
    seconds = fit.seconds + time.perf_counter() - started
    if not finer.trusted:
        why = f"no finer method could tell how far off the Gaussian is ({finer.method}: {finer.warnings[0]})"
        return Evidence("laplace", fit.log_evidence, np.inf, fit.num_evaluations, seconds, False, (why,))
    slack = finer.error if finer.method == "grid" else 4 * finer.error
    error = float(max(abs(fit.log_evidence - finer.log_evidence) + slack, 1e-12))
    why = f"the Gaussian is off by up to {error:.2g} nats (should be below {MAX_TRUSTED_ERROR})"
    doubts = (why,) if error > MAX_TRUSTED_ERROR else ()
    return Evidence("laplace", fit.log_evidence, error, fit.num_evaluations, seconds, not doubts, doubts)


def num_predicted(bench: Workbench) -> float:
    """Return the densities it takes at most, before anything is known of the posterior."""
    return NUM_CLIMBS * NUM_STEPS * (bench.coords.dimension + 2.0)  # each with a gradient and a Hessian

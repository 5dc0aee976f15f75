"""What the cells come to, with everything that is charged to their error."""

import numpy as np

from .cutting import Aim, Cut, Cutting
from .integral import CellIntegral
from .job import Job
from .scouts import charts_for
from .stratified import Sample, by_misfit, sample
from .subdivision import Subdivision

AT_INFINITY = 0.1  # of the mass
LOST = 4.0  # times the mass where digits have run out may be missing there
HEAVIER = 3.0  # times: Student's density with a factor 1 + 10⁻⁶ |x|^2.9 needs 2.4 (tests/test_tails.py)
CHECKED = 2**16, 2**19  # random points that hold the cells to account


def by_cells(job: Job) -> CellIntegral:
    """Cut cells, and hold them against random points within them."""
    charts = charts_for(job.coords, job.prior, job.frame)
    aim = job.aim
    cut = Cutting(job.coords, job.measurer, charts, job.points, job.rng, job.progress).run(aim)
    found = cut.found
    size = int(np.clip(job.measurer.num_evaluations / 8, *CHECKED))
    check = sample(job.coords, found, by_misfit(found), size, job.rng)
    job.measurer.num_evaluations += size
    error = _charged(cut, check, job)
    settled = bool(error < aim.coarse and cut.calm and not found.edge_mass > AT_INFINITY)
    what = "random points within cells" if cut.sampled else "cells"
    chart = "the supports as they are" if found.chart.native.any() else "whitened and compactified coordinates"
    rule = f"{len(found.leaves):,} {what} in {chart}"
    return CellIntegral(
        rule=rule,
        why=_why_cells(job),
        log_value=cut.log_value,
        error=float(error),
        settled=settled,
        unresolved="" if settled else _unresolved(cut, error, aim),
        num_nodes=len(found.leaves) * len(found.measurer.rule),
        edge_mass=found.edge_mass,
        num_bad=0,  # charged to the error
        cut=cut,
        check=check,
    )


def _charged(cut: Cut, check: Sample, job: Job) -> float:
    """Return the error with all that is charged to it: nodes without a density, lost digits, a check that differs.

    A kink beside the face of a cell is seen by none of its nodes: the cells agree with their halves and are wrong.
    """
    error = max(cut.error + cut.found.bad_share + LOST * _lost(job, cut.found), job.floor)
    error += np.inf if cut.endless else _beyond_outermost(cut.found, job)
    gap = abs(check.log_value - cut.log_value)
    return error if gap < error + check.standard_error else gap + check.standard_error


def _beyond_outermost(found: Subdivision, job: Job) -> float:
    """Return what a tail that falls like |x|^(−1−q) may hold beyond what the outermost cells see.

    It is their mass over q, and more where a smaller and heavier component begins to show there.
    """
    slopes = [-tail.slope for tail in job.tails if tail.slope < 0]
    return found.edge_mass * (1 + HEAVIER / min(slopes)) if slopes else 0.0


def _lost(job: Job, found: Subdivision) -> float:
    """Return the share of the integral where float64 cannot tell a parameter from its edge."""
    heavy = found.mass > 1e-9 * found.total
    return float(found.mass[heavy][job.coords.saturated(found.centres()[heavy])].sum() / found.total)


def _why_cells(job: Job) -> str:
    if not job.laplace.converged:
        return "no Gaussian fits the highest point"
    return f"{len(job.humps)} modes" if len(job.humps) > 1 else "no smooth rule settled"


def _unresolved(cut: Cut, error: float, aim: Aim) -> str:
    if cut.found.edge_mass > AT_INFINITY:
        return f"{cut.found.edge_mass:.2g} of the integral lies in cells that reach to infinity: it may not be finite"
    if cut.endless:
        return (
            f"points around {len(cut.found.leaves):,} cells reveal mass in ever smaller ones: it may not be finite, "
            "as at a pole or where a component of a mixture shrinks onto a datum"
        )
    if not cut.calm:
        return f"random points around {len(cut.found.leaves):,} cells were still finding mass when the budget ended"
    return f"{len(cut.found.leaves):,} cells leave {error:.1e} open, more than {aim.coarse:.0e}"

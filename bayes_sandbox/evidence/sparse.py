"""The evidence by a sparse grid: Gauss–Hermite rules combined by Smolyak, whitened at the mode."""

import math
import time
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ..progress import progress_of
from ..proposals import HEAVY, from_humps
from ..quadrature import affordable
from ..quadrature.frames import Frame
from ..quadrature.job import weighty
from ..quadrature.smolyak import Level, SparseSum, num_points
from ..records import MAX_TRUSTED_ERROR, Evidence
from ..rounding import rounding_of_a_sum
from .rqmc import SMALLEST, Cloud, log_density
from .workbench import Workbench

TOLERANCE = 1e-5
LARGEST = 2e7  # densities, as many as a tensor grid may take
HIGHEST = 16  # levels: 65 nodes along an axis, the last 15 standard deviations out, where transforms begin to saturate
CHECK = 2 * SMALLEST  # densities of the smallest second route: its points, and as many draws of the prior
LARGEST_CHECK = 2**17  # points: enough for an error of a thousandth
LARGEST_SHARE = 1e-3  # of the mass that draws of the prior may find where an importance sample is thin: a long tail
SLOWEST = 0.9  # the ratio of a geometric series that is believed to be one
INSTEAD = "use rqmc, importance or bridge sampling instead"


def estimate(bench: Workbench) -> Evidence:
    """Return the logarithm of Smolyak's sum of f in coordinates whitened at the mode, at the first level that settled.

    The sum is exact for the Gaussian at the mode times polynomials of low total degree: it is made for one smooth hump.
    The error is what the last levels leave open, never below the rounding of a sum whose terms cancel. It is trusted
    only if randomised importance sampling, which shares neither nodes nor polynomials, does not contradict it.
    """
    started = time.perf_counter()
    why = _unsuited(bench)
    if why:
        return _declined(why, 0, started)
    d = bench.coords.dimension
    most, rate = affordable(bench.coords, LARGEST, bench.budget.left)
    needed = num_points(d, 1) + CHECK
    if needed > most:
        why = (
            f"the two lowest levels of a sparse grid in {d} dimensions and their check take {needed:,} densities, and "
            f"{most:,.0f} fit the budget at {rate:.1e} per second; raise the budget, or use laplace instead"
        )
        return _declined(why, 0, started)
    levels = _climb(bench, rate)
    if not np.isfinite(levels[-1].log_value):
        spent = levels[-1].num_points
        why = f"the sum of {spent:,} terms of both signs is no positive number: the posterior is far from a Gaussian"
        return _declined(f"{why}; {INSTEAD}", spent, started)
    return _judged(bench, levels, started)


def _unsuited(bench: Workbench) -> str:
    """Return why no sum at the mode would do, or nothing."""
    if not bench.laplace.converged:
        return bench.laplace.message
    humps = len(weighty(bench.laplace.humps))
    if humps > 1:
        return f"there are {humps} modes, and a sparse grid at one of them agrees with itself while wrong; {INSTEAD}"
    return ""


def _declined(why: str, num_evaluations: int, started: float) -> Evidence:
    return Evidence("sparse", np.nan, np.inf, num_evaluations, time.perf_counter() - started, False, (why,))


def _frame(bench: Workbench) -> Frame:
    return Frame(bench.laplace.position, bench.laplace.scale)


def _climb(bench: Workbench, rate: float) -> list[Level]:
    """Raise the level until it settles, or until the next one and the check do not fit."""
    d, frame, levels = bench.coords.dimension, _frame(bench), list[Level]()
    total = SparseSum(lambda z: log_density(bench, frame, z), d)
    deadline = time.perf_counter() + bench.budget.left - CHECK / rate
    while len(levels) <= HIGHEST:
        new = num_points(d, len(levels)) - total.num_points
        over = time.perf_counter() + new / rate > deadline or total.num_points + new > LARGEST
        if over and len(levels) > 1:
            break
        with progress_of(bench.progress).task(f"sparse grid, level {len(levels)}", new) as advance:
            level = total.raised(advance, deadline if len(levels) > 1 else math.inf)
        if level is None:
            break
        levels.append(level)
        if _error(bench, levels) < TOLERANCE:
            break
    return levels


def _error(bench: Workbench, levels: Sequence[Level]) -> float:
    floor = _floor(bench) * levels[-1].cancellation
    return max(remaining([level.log_value for level in levels]), floor)


def remaining(values: Sequence[float]) -> float:
    """Return what a sequence of levels leaves open: the larger of its last two differences, or what they go on to.

    Levels gain unevenly, so that the series is taken to be geometric in steps of two: with r the ratio of
    v(L) − v(L−2) to v(L−2) − v(L−4) there is r/(1 − r) of the former to go. Three times that is allowed for, because
    tails heavier than a Gaussian's make r grow: at 376 of 378 levels of smooth posteriors the truth was within it, at
    two 4 % beyond, and in the median at a third.

    >>> remaining([-7.0, -7.0]), round(remaining([0.5, 0.1, 0.02]), 2)  # one agreement may be luck
    (0.001, 1.44)
    """
    last = list(values[-5:])
    if len(last) < 2 or not np.isfinite(last[-3:]).all():
        return np.inf
    steps = [abs(b - a) for a, b in pairwise(last)]
    if len(last) < 3:
        return max(steps[-1], 1e-3)
    two, ratio = abs(last[-1] - last[-3]), 0.5
    if len(last) == 5 and np.isfinite(last[0]):
        ratio = min(two / max(abs(last[-3] - last[-5]), 1e-300), SLOWEST)
    return max(*steps[-2:], 3 * two * ratio / (1 - ratio))


def _judged(bench: Workbench, levels: list[Level], started: float) -> Evidence:
    value, error, doubts = levels[-1].log_value, _error(bench, levels), []
    if not error < MAX_TRUSTED_ERROR:
        doubts.append(f"level {len(levels) - 1} leaves {error:.1g} open, and the next one does not fit; {INSTEAD}")
    cloud = _check(bench, levels[-1].num_points)
    doubts += [f"the importance sample that checks it cannot be believed: {why}" for why in cloud.doubts(LARGEST_SHARE)]
    drawn, noise = cloud.mean()
    gap = abs(drawn - value)
    if gap > 5 * noise + error:
        doubts.append(f"{cloud.size:,} random points give {drawn:.4f} ± {noise:.1g}, the sparse grid {value:.4f}")
    elif gap > 2 * noise + error:  # too little to contradict it, too much to ignore
        error = gap - 2 * noise
    seconds, spent = time.perf_counter() - started, levels[-1].num_points + cloud.size + cloud.num_scouts
    return Evidence("sparse", value, float(error), spent, seconds, not doubts, tuple(doubts))


def _check(bench: Workbench, num_points: int) -> Cloud:
    """Return an importance sample from Student-t's at the mode, as large as the grid if time allows."""
    frame = _frame(bench)
    proposal = from_humps(bench.laplace.humps, HEAVY).whitened(frame.centre, frame.scale)
    cloud = Cloud(bench, frame, proposal, bench.rng("sparse"))
    cloud.grow()
    spent = cloud.grow()
    while cloud.size < min(num_points, LARGEST_CHECK) and 2 * spent < bench.budget.left:
        spent = cloud.grow()
    return cloud


def _floor(bench: Workbench) -> float:
    """Return what rounding leaves open in a sum whose terms do not cancel."""
    height = bench.laplace.humps[0].log_density
    return rounding_of_a_sum(height, bench.model.num_observations) + bench.rounding.floor


def num_predicted(bench: Workbench) -> float:
    """Return the densities it takes at most, before anything is known of the posterior."""
    return float(LARGEST)

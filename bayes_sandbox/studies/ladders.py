"""Plain sums for p(D), one rung after another: what every book begins with."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..evidence.prior_average import BATCH, draw_log_likelihoods
from ..evidence.workbench import Workbench
from ..quadrature import affordable
from ..quadrature.frames import Frame
from ..quadrature.rules import Axis, gauss_hermite
from ..quadrature.smolyak import SparseSum
from ..quadrature.summing import Summer

REACH = 4.5  # prior sds on either side of its mean: the box of a sum that knows nothing but the prior
STEPS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256)  # nodes along each axis of that box
DEGREES = (3, 5, 7, 9, 11, 15, 21, 31)  # nodes along each axis about the mode: a single one is Laplace's
LEVELS = 12
REPEATS = 8  # of a prior average, for the root mean square of its error
FEWEST = 2**6  # draws of its first rung
LARGEST = 2**20  # draws from the prior in all


class Rung(NamedTuple):
    """One sum: nodes along an axis (or level, or draws), densities, seconds, log p(D); several of it if random."""

    resolution: int
    num_evaluations: float
    seconds: float
    log_evidence: Any


Ladder = Iterator[Rung]


def _climbs(bench: Workbench, sizes: Sequence[int], seconds: float, total: Callable[[int], float]) -> Ladder:
    """Yield one tensor grid after another, each with so many nodes along every axis, while the next one fits."""
    d = bench.coords.dimension
    most, rate = affordable(bench.coords, np.inf, seconds)
    if float(sizes[0]) ** d > most:
        return
    began = time.perf_counter()
    total(sizes[0])
    compiling = time.perf_counter() - began
    for k in sizes:
        num = float(k) ** d
        if num / rate > seconds - compiling:
            return
        began = time.perf_counter()
        value = total(k)
        yield Rung(k, num, compiling + time.perf_counter() - began, value)


def laplace(bench: Workbench, seconds: float) -> Ladder:
    """The Gaussian at the mode: one node, and nothing to climb."""
    if bench.laplace.converged:
        yield Rung(1, bench.laplace.num_evaluations, 0.0, bench.laplace.log_evidence)


def riemann(bench: Workbench, seconds: float) -> Ladder:
    """Midpoint sums over the box of the prior: what someone does who knows no mode."""
    positions = bench.prior_positions(bench.rng("box"), 4096)
    frame = Frame(positions.mean(axis=0), np.diag(positions.std(axis=0)))
    summer, d = Summer(bench.coords), bench.coords.dimension

    def total(k: int) -> float:
        step = 2 * REACH / k
        axis = Axis(-REACH + step * (np.arange(k) + 0.5), np.full(k, np.log(step)))
        return summer.run(frame, [axis] * d).log_total

    return _climbs(bench, STEPS, seconds, total)


def gauss_hermite_ladder(bench: Workbench, seconds: float) -> Ladder:
    """Gauss–Hermite at the mode, whitened by its Hessian; nothing where no mode was found."""
    if not bench.laplace.converged:
        return iter(())
    frame, d = Frame(bench.laplace.position, bench.laplace.scale), bench.coords.dimension
    summer = Summer(bench.coords)
    return _climbs(bench, DEGREES, seconds, lambda k: summer.run(frame, [gauss_hermite(k)] * d).log_total)


def smolyak(bench: Workbench, seconds: float) -> Ladder:
    """Smolyak's combination of the same rules, level by level; a level holds all before it."""
    if not bench.laplace.converged:
        return
    frame = Frame(bench.laplace.position, bench.laplace.scale)
    log_det = frame.log_det
    total = SparseSum(lambda z: bench.coords.log_density_many(frame.position(z)) + log_det, bench.coords.dimension)
    began = time.perf_counter()
    for level in range(LEVELS):
        found = total.raised(deadline=began + seconds)
        if found is None:
            return
        yield Rung(level, found.num_points, time.perf_counter() - began, found.log_value)


def prior_average(bench: Workbench, seconds: float) -> Ladder:
    """Averages of the likelihood over 4^k draws from the prior, several of each size out of one pool that grows."""
    rng = bench.rng("prior average")
    draw_log_likelihoods(bench, int(rng.integers(2**31)))  # compiles
    began = time.perf_counter()
    pool, size = np.zeros(0), FEWEST
    while size * REPEATS <= LARGEST:
        while len(pool) < size * REPEATS:
            if time.perf_counter() > began + seconds:
                return
            pool = np.concatenate([pool, draw_log_likelihoods(bench, int(rng.integers(2**31)))])
        rate = len(pool) / (time.perf_counter() - began)
        blocks = pool[: size * REPEATS].reshape(REPEATS, size)
        yield Rung(size, size, size / rate, np.logaddexp.reduce(blocks, axis=1) - np.log(size))
        size *= 4


LADDERS: dict[str, Callable[[Workbench, float], Ladder]] = {
    "laplace": laplace,
    "riemann": riemann,
    "gauss_hermite": gauss_hermite_ladder,
    "smolyak": smolyak,
    "prior_average": prior_average,
}
assert BATCH >= FEWEST * REPEATS

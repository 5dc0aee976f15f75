"""Which rule for which posterior, what it will cost, and when not to start."""

import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ..coordinates import Coordinates
from ..devices import agreed, num_lanes, num_threads, side_by_side
from .cell_integral import by_cells
from .given import by_given
from .integral import Integral
from .job import Job
from .ladder import climb_ladder
from .mixture import climb_ladders
from .sheet import sum_over
from .slices import Start
from .trapezoid import trapezoid
from .tube import sum_along

USUAL_NODES = 9  # nodes per axis at which Gauss–Hermite settles on an ordinary smooth posterior
RULES = ("auto", "gauss-hermite", "trapezoid", "cells")
CELLS_UP_TO = 5  # dimensions
FEWEST = 1e5  # densities below which cells cannot show what they can do
MOST_MODES = 24
QUICK_TRAPEZOID = 2e6  # nodes, beyond which cells are the better way
MAX_EXPONENT = 300  # of ten: close to the largest float
MEASURED = 0.05  # seconds, of densities, that say how fast they are


def attempts(rule: str, job: Job) -> Iterator[Integral]:
    """Yield what each rule makes of it, the cheapest first, for as long as the caller is not content.

    One smooth mode: the trapezoid where dimensions are few, Gauss–Hermite where they are not. Several: Gauss–Hermite
    around each. A normal given few coordinates: a sum over these. All else, and whatever these did not settle, goes to
    cells.
    """
    d = job.model.dimension
    humps, auto = job.humps, rule == "auto"
    if job.frame is None:
        yield by_cells(job)
        return
    if auto and d > CELLS_UP_TO:
        yield from _if_any(by_given(job))
    if auto and d <= CELLS_UP_TO and 1 < len(job.all_humps) <= MOST_MODES:
        yield from _if_any(by_mixture(job))
    if rule == "trapezoid" or (auto and (d <= 3 or (d > CELLS_UP_TO and len(humps) != 1))):
        most = min(job.max_nodes, QUICK_TRAPEZOID) if auto and d <= CELLS_UP_TO else job.max_nodes
        yield from _if_any(by_trapezoid(job, most))
    if rule == "gauss-hermite" or (auto and d > 3 and len(humps) == 1 and job.laplace.converged):
        yield from _if_any(by_ladder(job))
    if auto and 1 < d <= CELLS_UP_TO:
        yield from _if_any(by_given(job))
    if auto and 1 < d <= CELLS_UP_TO and humps:
        yield from by_slices(job)
    if rule == "cells" or (auto and d <= CELLS_UP_TO and job.max_nodes >= FEWEST):
        yield by_cells(job)


def _if_any(integral: Integral | None) -> Iterator[Integral]:
    if integral is not None and np.isfinite(integral.log_value):
        yield integral


def by_trapezoid(job: Job, max_nodes: float) -> Integral | None:
    assert job.frame is not None
    return trapezoid(job.coords, job.summer, job.frame, job.humps, job.smooth, max_nodes, job.floor)


def by_ladder(job: Job) -> Integral | None:
    assert job.frame is not None
    return climb_ladder(job.summer, job.frame, job.smooth, job.max_nodes, job.floor)


def by_mixture(job: Job) -> Integral | None:
    tolerance = job.smooth if job.model.dimension > 3 else replace(job.smooth, enough=job.smooth.fine)
    return climb_ladders(job.summer, job.all_humps, tolerance, job.max_nodes / 2, job.floor)


def by_slices(job: Job) -> Iterator[Integral]:
    start = Start(job.coords, job.humps)
    for how in (sum_along, sum_over)[: job.model.dimension - 1]:
        before = start.surface.num_evaluations
        found = how(start, job.smooth, job.max_nodes / 2, job.floor)
        job.coords.num_evaluations += start.surface.num_evaluations - before  # climbs within slices cost densities, too
        yield from _if_any(found)


def affordable(coords: Coordinates, max_evaluations: float, budget: float) -> tuple[float, float]:
    """Return (nodes that fit, densities per second), the rate measured on a few batches after compilation."""
    most = coords.chunk if num_lanes() > 1 else max(coords.chunk // 4, coords.batch)
    points = np.zeros((coords.dimension, coords.chunk))
    coords.evaluate(points, 1).block_until_ready()
    began = time.perf_counter()
    coords.evaluate(points, 1).block_until_ready()
    size = int(np.clip(MEASURED * coords.batch / (time.perf_counter() - began), coords.batch, most))
    began = time.perf_counter()
    for _ in side_by_side(lambda _: coords.evaluate(points, size).block_until_ready(), range(num_threads())):
        coords.num_evaluations += size
    rate = agreed(num_threads() * size / max(time.perf_counter() - began, 1e-9))
    return min(max_evaluations, budget * rate), rate


def fits(dimension: int, max_nodes: float) -> bool:
    """Whether any rule could settle within the nodes allowed: one rung of the ladder that settles on smooth humps."""
    return bool(dimension * np.log(USUAL_NODES) <= np.log(max_nodes))


def declined_sentence(dimension: int, max_nodes: float, rate: float) -> str:
    """Return the sentence that is the curse of dimensionality."""
    exponent = dimension * np.log10(USUAL_NODES)  # the number itself may be beyond what a float holds
    number, about = f"1e+{exponent:.0f}", "more than"
    needed = 10.0 ** min(exponent, MAX_EXPONENT)
    if exponent < MAX_EXPONENT:
        number, about = f"{needed:.1e}", "about"
    return (
        f"a grid of {USUAL_NODES} nodes along each of {dimension} axes has {number} nodes, {about} "
        f"{_duration(needed / rate)} at {rate:.1e} densities per second, and {max_nodes:.1e} fit the budget; "
        "use bridge or importance sampling instead"
    )


def _duration(seconds: float) -> str:
    for size, unit in ((3.156e7, "years"), (86400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.2g} {unit}"
    return f"{seconds:.2g} seconds"

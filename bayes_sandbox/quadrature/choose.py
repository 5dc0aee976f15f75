"""Which rule for which posterior, what it will cost, and when not to start."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..batches import chunk_size
from ..coordinates import Coordinates
from ..model import Model
from ..optimization import Hump, LaplaceFit
from ..optimization.starts import starting_positions
from ..progress import Progress
from ..seeds import as_rng
from .cells import Measurer
from .cutting import Aim, Cut, Cutting
from .integral import CellIntegral, Integral
from .ladder import Sharpened, climb_ladder, climb_ladders
from .scouts import charts_for, first_points, prior_positions
from .stratified import Sample, by_misfit, sample
from .subdivision import Points, Subdivision
from .summing import Frame, Summer
from .trapezoid import trapezoid

USUAL_NODES = 9  # nodes per axis at which Gauss–Hermite settles on an ordinary smooth posterior
RULES = ("auto", "gauss-hermite", "trapezoid", "cells")
SMOOTH = 1e-6  # the tolerance where none is given and the error falls exponentially: it costs little
FINE, COARSE = 1e-5, 1e-4  # the same for cells: aimed at while it is cheap, and good enough after that
CHEAP_DENSITIES, CHEAP_SECONDS = 3e6, 5.0
CELLS_UP_TO = 5  # dimensions
AT_INFINITY = 0.1  # of the mass
FEWEST = 1e5  # densities below which cells cannot show what they can do
LOST = 4.0  # times the mass where digits have run out may be missing there
FAINT = 20.0  # nats below the most massive mode, at which a mode is left to the cells
MOST_MODES = 24
ROUGH, SECOND_ROUTE = 1e-3, 0.05  # how well cells should, and must, know the integral to confirm a sharper rule
CHECKED = 2**16, 2**19  # random points that hold the cells to account
QUICK_TRAPEZOID = 2e6  # nodes, beyond which cells are the better way


def weighty(humps: Sequence[Hump]) -> list[Hump]:
    """Return the modes whose Laplace mass could move the third digit of the evidence."""
    best = max((h.log_mass for h in humps), default=-np.inf)
    return [h for h in humps if h.log_mass > best - 7]


@dataclass(frozen=True)
class Job:
    """One integral to do: the model, where its modes are, how exact, and at what cost at most."""

    model: Model
    coords: Coordinates
    laplace: LaplaceFit
    tolerance: float | None
    max_nodes: float
    rate: float  # densities per second
    seed: Any
    draws: np.ndarray | None  # positions of a NUTS run, where there is one
    progress: Progress

    @cached_property
    def frame(self) -> Frame | None:
        return first_frame(self.model, self.coords, self.laplace, self.seed)

    @cached_property
    def prior(self) -> np.ndarray:
        return prior_positions(self.model, self.coords, self.seed)

    @cached_property
    def points(self) -> Points:
        """Where it is worth looking."""
        return first_points(self.coords, self.prior, self.laplace.humps, self.draws, self.seed)

    @cached_property
    def summer(self) -> Summer:
        return Summer(self.coords, progress=self.progress)

    @cached_property
    def measurer(self) -> Measurer:
        return Measurer(self.coords)

    @cached_property
    def rng(self) -> np.random.Generator:
        return as_rng(self.seed, "cells")

    @property
    def humps(self) -> list[Hump]:
        """The modes that matter."""
        return weighty(self.laplace.humps)

    @property
    def smooth(self) -> float:
        return SMOOTH if self.tolerance is None else self.tolerance

    @property
    def aim(self) -> Aim:
        cheap = min(CHEAP_DENSITIES, CHEAP_SECONDS * self.rate)
        if self.tolerance is None:
            return Aim(FINE, COARSE, cheap, self.max_nodes)
        return Aim(self.tolerance, self.tolerance, cheap, self.max_nodes)

    @property
    def floor(self) -> float:
        """What the digits of float64 leave open in log f: the error no rule can go below."""
        return 0.0 if self.frame is None else rounding(self.coords, self.frame, self.model)

    @property
    def num_evaluations(self) -> int:
        return self.summer.num_evaluations + self.measurer.num_evaluations + self.laplace.num_evaluations


def attempts(rule: str, job: Job) -> Iterator[Integral]:
    """Yield what each rule makes of it, the cheapest first, for as long as the caller is not content.

    One smooth mode: the trapezoid where dimensions are few, Gauss–Hermite where they are not. All else, and whatever
    these did not settle, goes to cells.
    """
    d = job.model.dimension
    humps, auto = job.humps, rule == "auto"
    if job.frame is None:
        yield by_cells(job)
        return
    if rule == "trapezoid" or (auto and (d <= 3 or (d > CELLS_UP_TO and len(humps) != 1))):
        most = min(job.max_nodes, QUICK_TRAPEZOID) if auto and d <= CELLS_UP_TO else job.max_nodes
        yield from _if_any(by_trapezoid(job, most))
    if rule == "gauss-hermite" or (auto and d > 3 and len(humps) == 1 and job.laplace.converged):
        yield from _if_any(by_ladder(job))
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


def by_cells(job: Job) -> Integral:
    """Cut cells; where there are several modes, let Gauss–Hermite around each of them sharpen what the cells found."""
    charts = charts_for(job.coords, job.prior, job.frame)
    cutting = Cutting(job.coords, job.measurer, charts, job.points, job.rng, job.progress)
    several = [h for h in job.laplace.humps if h.log_mass > job.laplace.humps[0].log_mass - FAINT]
    if 1 < len(several) <= MOST_MODES:
        sharp = climb_ladders(job.summer, several, job.smooth, job.max_nodes / 2, job.floor)
        if sharp is not None and sharp.settled:
            rough = cutting.run(Aim(ROUGH, ROUGH, job.aim.cheap, job.aim.cheap))
            gap = abs(sharp.log_value - rough.log_value)
            if rough.error < SECOND_ROUTE and gap < rough.error + sharp.error:
                return _cell_integral(job, rough, sharp)
    return _cell_integral(job, cutting.run(job.aim), None)


def _cell_integral(job: Job, cut: Cut, sharp: Sharpened | None) -> CellIntegral:
    found, aim = cut.found, job.aim
    size = int(np.clip(job.measurer.num_evaluations / 8, *CHECKED))
    check = sample(job.coords, found, by_misfit(found), size, job.rng)
    job.measurer.num_evaluations += size
    error = sharp.error if sharp is not None else _charged(cut, check, job)
    settled = sharp is not None or bool(error < aim.coarse and cut.calm and not found.edge_mass > AT_INFINITY)
    what = "random points within cells" if cut.sampled else "cells"
    chart = "the supports as they are" if found.chart.native.any() else "whitened and compactified coordinates"
    rule = f"{len(found.leaves):,} {what} in {chart}"
    return CellIntegral(
        rule=rule if sharp is None else f"{sharp.rule}, checked by {rule}",
        why=_why_cells(job),
        log_value=cut.log_value if sharp is None else sharp.log_value,
        error=float(error),
        settled=settled,
        unresolved="" if settled else _unresolved(cut, error, aim),
        num_nodes=len(found.leaves) * len(found.measurer.rule),
        edge_mass=found.edge_mass,
        num_bad=0,  # charged to the error
        cut=cut,
        check=check,
        moments=None if sharp is None else (sharp.mean, sharp.sd),
    )


def _charged(cut: Cut, check: Sample, job: Job) -> float:
    """Return the error with all that is charged to it: nodes without a density, lost digits, a check that differs.

    A kink beside the face of a cell is seen by none of its nodes: the cells agree with their halves and are wrong.
    """
    error = max(cut.error + cut.found.bad_share + LOST * _lost(job, cut.found), job.floor)
    gap = abs(check.log_value - cut.log_value)
    return error if gap < error + check.standard_error else gap + check.standard_error


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
    if not cut.calm:
        return f"random points around {len(cut.found.leaves):,} cells were still finding mass when the budget ended"
    return f"{len(cut.found.leaves):,} cells leave {error:.1e} open, more than {aim.coarse:.0e}"


def first_frame(model: Model, coords: Coordinates, laplace: LaplaceFit, seed: Any) -> Frame | None:
    """Return a frame to begin in: the Laplace fit, the mixture of several modes, or what a cloud of guesses shows.

    None where no guess had a finite density.
    """
    humps = weighty(laplace.humps)
    if laplace.converged and len(humps) == 1:
        return Frame(laplace.position, laplace.scale)
    if humps:
        return _of_mixture(humps)
    cloud = starting_positions(model, coords, seed, 1024)
    if len(cloud) < 2:
        return None
    heights = coords.log_density_many(cloud)
    weight = np.exp(np.maximum(heights - heights.max(), -700.0) / 8)  # flattened: one guess must not be all
    weight /= weight.sum()
    mean = weight @ cloud
    centred = cloud - mean
    covariance = (weight[:, None] * centred).T @ centred + 1e-3 * np.diag(cloud.var(axis=0) + 1e-12)
    return Frame(mean, np.linalg.cholesky(covariance))


def _of_mixture(humps: Sequence[Hump]) -> Frame:
    mass = np.array([h.log_mass for h in humps])
    weight = np.maximum(np.exp(mass - mass.max()), 0.05)
    weight /= weight.sum()
    centres = np.array([h.position for h in humps])
    mean = weight @ centres
    spread = (weight[:, None] * (centres - mean)).T @ (centres - mean)
    inside = sum(w * h.scale @ h.scale.T for w, h in zip(weight, humps))
    return Frame(mean, np.linalg.cholesky(spread + inside))


def rounding(coords: Coordinates, frame: Frame, model: Model) -> float:
    """Return what the digits of float64 leave open in log f: the error no rule can go below."""
    height = abs(float(coords.log_density_many(frame.centre[None])[0]))
    return float(np.finfo(float).eps * (64 + 4 * height + math.sqrt(model.num_observations + 1)))


def affordable(coords: Coordinates, max_evaluations: float, budget: float) -> tuple[float, float]:
    """Return (nodes that fit, densities per second), the rate measured on one batch after compilation."""
    size = max(chunk_size() // 4, coords.batch)
    points = np.zeros((chunk_size(), coords.dimension))
    coords.evaluate(points, 1).block_until_ready()
    began = time.perf_counter()
    coords.evaluate(points, size).block_until_ready()
    rate = size / max(time.perf_counter() - began, 1e-9)
    return min(max_evaluations, budget * rate), rate


def fits(dimension: int, max_nodes: float) -> bool:
    """Whether any rule could settle within the nodes allowed: one rung of the ladder that settles on smooth humps."""
    return float(USUAL_NODES) ** dimension <= max_nodes


def declined_sentence(dimension: int, max_nodes: float, rate: float) -> str:
    """Return the sentence that is the curse of dimensionality."""
    needed = float(USUAL_NODES) ** dimension
    return (
        f"a grid of {USUAL_NODES} nodes along each of {dimension} axes has {needed:.1e} nodes, about "
        f"{_duration(needed / rate)} at {rate:.1e} densities per second, and {max_nodes:.1e} fit the budget; "
        "use bridge or importance sampling instead"
    )


def _duration(seconds: float) -> str:
    for size, unit in ((3.156e7, "years"), (86400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.2g} {unit}"
    return f"{seconds:.2g} seconds"

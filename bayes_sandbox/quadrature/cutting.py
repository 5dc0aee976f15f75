"""Cell subdivision: any density in a few dimensions, smooth or not, one hump or many."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..coordinates import Coordinates
from ..progress import Progress, quiet
from .cells import Measurer
from .charts import Chart
from .scouts import border, halo, within
from .stratified import Sample, by_misfit, sample
from .subdivision import Points, Subdivision

FIRST_CELLS = 256
TRIAL = 0.03  # of all evaluations go into each chart before one is chosen
CALM = 2  # halos in a row that find nothing new
SHARED = 2048  # points each chart shows the others
SECOND_OPINION = 4e5  # evaluations after which random points are asked what the cells still lack
DIFFERS = 1.25  # standard errors between cells and points, beyond which the cells are taken to be off
STANDARD_ERRORS = 4.0  # what a bound takes of a standard error
HALO = 2**13, 2**16
PROBES, PROBED = 64, 2**18  # points in each cell that was cut beside a discovery, and in all of them
MOST_ROUNDS = 50
ENDLESS = 0.5  # of all evaluations, in one pursuit of what points discovered
SUSPICIOUS = 0.01  # of the integral, if a cell were as dense as the point found in it: more to come
BORDER = 2**19  # points across faces in one look around, at most


@dataclass(frozen=True)
class Cut:
    """What the cells came to: the integral, a bound on its relative error, and how far it can be believed.

    `calm`: the last halos found nothing new. `endless`: what points discovered was cut without end, as at a pole.
    `sampled`: the value is that of random points within the cells.
    """

    found: Subdivision
    log_value: float
    error: float
    calm: bool
    endless: bool
    sampled: bool


@dataclass(frozen=True)
class Aim:
    """How exact: `fine` while it takes fewer than `cheap` densities, `coarse` after that; `most` in all."""

    fine: float
    coarse: float
    cheap: float
    most: float

    def tolerance(self, spent: float) -> float:
        return self.fine if spent < self.cheap else self.coarse


class Cutting:
    """One integral on its way: several charts for a while, then the one that settles fastest.

    It refines, asks random points within the cells what is lacking, and looks around the cells for what they missed,
    until it is settled or spent; run again with another aim it goes on from where it was.
    """

    def __init__(
        self,
        coords: Coordinates,
        measurer: Measurer,
        charts: Sequence[Chart],
        points: Points,
        rng: np.random.Generator,
        progress: Progress = quiet,
    ):
        self._coords, self._measurer, self._rng, self._progress = coords, measurer, rng, progress
        self._charts, self._points = charts, points
        self._found: Subdivision | None = None
        self._milestone, self._calm, self._drifts = SECOND_OPINION, 0, (np.inf, np.inf)
        self._opinion: Sample | None = None
        self._most, self._endless = np.inf, False

    def run(self, aim: Aim) -> Cut:
        """Go on until the aim is reached and nothing new turns up, or its densities are spent."""
        measurer, self._most = self._measurer, aim.most
        with self._progress.task("cells", int(aim.most)) as advance:
            if self._found is None:
                self._found = self._best([self._trial(chart, aim) for chart in self._charts])
                advance(measurer.num_evaluations)
            while measurer.num_evaluations < aim.most:
                tolerance = aim.tolerance(measurer.num_evaluations)
                if self._calm >= CALM and self._error + 2 * sum(self._drifts) < tolerance:
                    break
                before = measurer.num_evaluations
                if not self._step(self._found, tolerance):
                    break
                so_far = f"log p(D) ≈ {self._found.log_value:.4f} ± {self._found.relative_error:.1g}"
                advance(measurer.num_evaluations - before, so_far)
        return self._result(self._found, aim.tolerance(measurer.num_evaluations))

    def _trial(self, chart: Chart, aim: Aim) -> Subdivision:
        measurer, start = self._measurer, self._measurer.num_evaluations
        found = Subdivision(measurer, chart, self._coords.flat_at(chart.frame.centre))
        found.halve_all(FIRST_CELLS)
        found.explain(self._points, keep=True)
        while found.relative_error > aim.fine and measurer.num_evaluations - start < TRIAL * aim.most:
            if not found.refine():
                break
        return found

    def _best(self, trials: list[Subdivision]) -> Subdivision:
        """Show every chart points of every other, and return the one with the smallest error then."""
        if len(trials) > 1:
            drawn = [self._sample(t, SHARED).points for t in trials if t.total > 0]
            for t in trials:
                for points in drawn:
                    t.explain(points)
        highest = max(t.log_value for t in trials)
        # A chart that misses mass looks settled: what it lacks of the others counts as its error.
        return min(trials, key=lambda t: t.relative_error + np.expm1(min(highest - t.log_value, 50.0)))

    @property
    def _error(self) -> float:
        assert self._found is not None
        return min(self._found.relative_error, self._opinion_error)

    @property
    def _opinion_error(self) -> float:
        return np.inf if self._opinion is None else STANDARD_ERRORS * self._opinion.standard_error

    def _step(self, found: Subdivision, tolerance: float) -> bool:
        """Refine until the tolerance is met or a milestone passed, then look around; False where nothing can be cut."""
        spent = self._measurer.num_evaluations
        if self._error < tolerance:
            self._look_around(found, tolerance)
        elif spent > self._milestone:
            self._milestone = 2 * spent
            self._look_around(found, tolerance)
            self._ask(found)
        else:
            return found.refine()
        return True

    def _look_around(self, found: Subdivision, tolerance: float) -> None:
        """Send out a halo, cut until its discoveries are seen, and note how far they moved the integral."""
        before = found.log_value
        size = int(np.clip(self._measurer.num_evaluations / 25, *HALO))
        revealed = found.explain(halo(self._coords, found, self._rng, size))
        across = border(self._coords, found, self._rng, BORDER)
        revealed += found.explain(across)
        self._measurer.num_evaluations += size + len(across.positions)
        self._uncover(found, tolerance / 1000)
        drift = abs(found.log_value - before)
        self._drifts = (self._drifts[1], drift)
        moved = drift > tolerance / 10 or revealed > SUSPICIOUS
        self._calm = 0 if moved else self._calm + 1
        if moved:
            self._opinion = None

    def _uncover(self, found: Subdivision, negligible: float) -> None:
        """Cut until what points saw is seen by nodes, and follow it into the cells that were left beside."""
        begun = self._measurer.num_evaluations
        for _ in range(MOST_ROUNDS):
            fresh = found.uncover(negligible)
            if not len(fresh) or self._measurer.num_evaluations > self._most:
                self._endless |= len(fresh) > 0 and self._measurer.num_evaluations - begun > ENDLESS * self._most
                return
            probes = within(self._coords, found, self._rng.permutation(fresh)[: PROBED // PROBES], PROBES, self._rng)
            self._measurer.num_evaluations += len(probes.positions)
            found.explain(probes)
        self._endless = True

    def _sample(self, found: Subdivision, size: int) -> Sample:
        self._measurer.num_evaluations += size
        return sample(self._coords, found, by_misfit(found), size, self._rng)

    def _ask(self, found: Subdivision) -> None:
        self._opinion = self._sample(found, int(np.clip(self._measurer.num_evaluations / 8, 2**14, 2**19)))
        found.explain(self._opinion.points)

    def _result(self, found: Subdivision, tolerance: float) -> Cut:
        if found.total > 0 and self._calm < CALM:
            self._look_around(found, tolerance)
            self._ask(found)
        value, error, sampled = found.log_value, self._error, False
        if self._opinion is not None and self._opinion_error < found.relative_error:
            # Points bound the error. Where they do not differ from the cells, these are the better value: smooth.
            gap = abs(found.log_value - self._opinion.log_value)
            sampled = gap > DIFFERS * self._opinion.standard_error
            value, error = (self._opinion.log_value, error) if sampled else (value, error + gap)
        error += 2 * sum(d for d in self._drifts if np.isfinite(d))
        return Cut(found, float(value), float(error), self._calm >= CALM, self._endless, bool(sampled))

"""One integral to do, and what has been learnt of it on the way."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..coordinates import ROUNDED_AT_ONCE, Coordinates
from ..model import Model
from ..optimization import Hump, LaplaceFit, climb_further
from ..optimization.starts import starting_positions
from ..progress import Progress
from ..rounding import Rounding, rounding_of_a_sum
from ..seeds import as_rng
from .cells import Measurer
from .cutting import Aim
from .frames import Frame
from .integral import Tolerance
from .scouts import around, first_points, prior_positions, unexplained
from .subdivision import Points
from .summing import Summer
from .tails import MAX_MODES, Tail, tails

SMOOTH = Tolerance(1e-6, 1e-5)  # where none is given and the error falls exponentially: it costs little
FINE, COARSE = 1e-5, 1e-4  # the same for cells: aimed at while it is cheap, and good enough after that
CHEAP_TERMS = 1e9  # densities times observations: the same on a machine at rest and on one under load
CHEAP_DENSITIES = 3e6
FAINT = 20.0  # nats below the most massive mode, at which a mode is left to the cells
MOST_CLIMBS = 8  # rounds of climbs from points that no mode explains


def weighty(humps: Sequence[Hump]) -> list[Hump]:
    """Return the modes whose Laplace mass could move the third digit of the evidence."""
    best = max((h.log_mass for h in humps), default=-np.inf)
    return [h for h in humps if h.log_mass > best - 7]


@dataclass
class Job:
    """One integral to do: the model, what is known of its modes by now, how exact, and at what cost at most."""

    model: Model
    coords: Coordinates
    laplace: LaplaceFit
    tolerance: float | None
    max_nodes: float
    seed: Any
    draws: np.ndarray | None  # positions of a NUTS run, where there is one
    progress: Progress
    single: bool = False  # densities of tensor sums in float32
    few: tuple[int, ...] | None = None  # coordinates given which the rest is a normal, as far as known beforehand

    def __post_init__(self) -> None:
        self._before = self.coords.num_evaluations

    def count_from(self, before: int) -> None:
        """Count densities from where the counter stood, before the job was made."""
        self._before = before

    @cached_property
    def frame(self) -> Frame | None:
        return first_frame(self.model, self.coords, self.laplace, self.seed)

    @cached_property
    def prior(self) -> np.ndarray:
        return prior_positions(self.model, self.coords, self.seed)

    @cached_property
    def points(self) -> Points:
        """Where it is worth looking."""
        known = [] if self.draws is None else [np.reshape(self.draws, (-1, self.coords.dimension))]
        return first_points(self.coords, self.prior, self.laplace.humps, [*known, self.laplace.probes], self.seed)

    def look_further(self) -> None:
        """Climb from points that the modes known do not explain, until no climb leads to a new one."""
        for _ in range(MOST_CLIMBS):
            starts = unexplained(self.points, self.laplace.humps)
            if not self.learn(starts):
                return

    def learn(self, starts: np.ndarray) -> bool:
        """Climb from these positions (n, dimension); return whether there was a mode not known before."""
        known = {id(h) for h in self.laplace.humps}
        if not len(starts):
            return False
        self.laplace = climb_further(self.model, self.laplace, starts)
        new = [h for h in self.laplace.humps if id(h) not in known]
        fresh = around(self.coords, [starts], new, as_rng(self.seed, f"mode {len(known)}"))
        self.points = self.points.and_these(fresh)
        if new:
            self.__dict__.pop("frame", None)
        return bool(new)

    @cached_property
    def tails(self) -> list[Tail]:
        """What the integrand still holds where float64 can follow it no further."""
        points = self.points.finite()
        highest = points.positions[np.argsort(-points.log_density)[:MAX_MODES]]
        return tails(self.coords, self.humps, highest)

    def diverges(self, log_value: float | None = None) -> list[str]:
        """Return why the integral may not exist, in a sentence each; its value is guessed where it is not known."""
        if log_value is None:
            log_value = max([h.log_mass for h in self.humps] + [tail.log_top for tail in self.tails], default=-np.inf)
        return [s for tail in self.tails if (s := tail.sentence(log_value))]

    @cached_property
    def summer(self) -> Summer:
        return Summer(self.coords, progress=self.progress, single=self.single)

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
    def all_humps(self) -> list[Hump]:
        """The modes of which a sum around each has to know."""
        return [h for h in self.laplace.humps if h.log_mass > self.laplace.humps[0].log_mass - FAINT]

    @property
    def smooth(self) -> Tolerance:
        return SMOOTH if self.tolerance is None else Tolerance(self.tolerance, self.tolerance)

    @property
    def aim(self) -> Aim:
        cheap = min(CHEAP_DENSITIES, CHEAP_TERMS / max(self.model.num_observations, 1))
        if self.tolerance is None:
            return Aim(FINE, COARSE, cheap, self.max_nodes)
        return Aim(self.tolerance, self.tolerance, cheap, self.max_nodes)

    @cached_property
    def rounding(self) -> Rounding:
        """What float64 rounding leaves open in log f, at points where the density is high."""
        points = self.points.finite()
        order = np.argsort(-points.log_density)
        high = order[points.log_density[order] > points.log_density.max(initial=-np.inf) - self.model.dimension / 2 - 3]
        high = high[:: max(len(high) // ROUNDED_AT_ONCE, 1)][:ROUNDED_AT_ONCE]
        return self.coords.rounding(points.positions[high])

    @property
    def floor(self) -> float:
        """The error no rule can go below: what float64 leaves open in log f and in its sum."""
        known = self.points.finite().log_density
        height = float(known.max()) if len(known) else 0.0
        return rounding_of_a_sum(height, self.model.num_observations) + self.rounding.floor

    @property
    def num_evaluations(self) -> int:
        """Densities of the sums, of every check and curve, and of the climbs."""
        return self.coords.num_evaluations - self._before + self.laplace.num_evaluations


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

"""Which rule for which posterior, what it will cost, and when not to start."""

import math
import time
from collections.abc import Sequence

import jax
import numpy as np

from ..coordinates import Coordinates
from ..model import Model
from ..optimization import Hump, LaplaceFit
from ..optimization.starts import starting_positions
from .ladder import Integral, climb_ladder
from .summing import Frame, Summer
from .trapezoid import trapezoid

USUAL_NODES = 9  # nodes per axis at which Gauss–Hermite settles on an ordinary smooth posterior
RULES = ("auto", "gauss-hermite", "trapezoid")


def weighty(humps: Sequence[Hump]) -> list[Hump]:
    """Return the modes whose Laplace mass could move the third digit of the evidence."""
    best = max((h.log_mass for h in humps), default=-np.inf)
    return [h for h in humps if h.log_mass > best - 7]


def first_frame(model: Model, coords: Coordinates, laplace: LaplaceFit, key: jax.Array) -> Frame | None:
    """Return a frame to begin in: the Laplace fit, the mixture of several modes, or what a cloud of guesses shows.

    None where no guess had a finite density.
    """
    humps = weighty(laplace.humps)
    if laplace.converged and len(humps) == 1:
        return Frame(laplace.position, laplace.scale)
    if humps:
        return _of_mixture(humps)
    cloud = starting_positions(model, coords, key, 1024)
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


def run_rule(
    rule: str,
    coords: Coordinates,
    summer: Summer,
    frame: Frame,
    humps: Sequence[Hump],
    tolerance: float,
    max_nodes: float,
    floor: float,
) -> Integral | None:
    """Run one rule, or choose: one hump in many dimensions climbs the ladder, all else is left to the trapezoid.

    The trapezoid makes no assumption about the shape and costs little up to three dimensions; the ladder is the
    cheaper one beyond, on one smooth hump, and agrees with itself while wrong on several.
    """
    dimension, single = len(frame.centre), len(weighty(humps)) == 1
    if rule == "gauss-hermite":
        return climb_ladder(summer, frame, tolerance, max_nodes, floor)
    if rule == "trapezoid" or dimension <= 3 or not single:
        return trapezoid(coords, summer, frame, humps, tolerance, max_nodes, floor)
    ladder = climb_ladder(summer, frame, tolerance, max_nodes, floor)
    if ladder is not None and ladder.settled:
        return ladder
    other = trapezoid(coords, summer, frame, humps, tolerance, max_nodes, floor)
    found = [i for i in (ladder, other) if i is not None]
    return min(found, key=lambda i: i.error, default=None)


def affordable(coords: Coordinates, max_evaluations: float, budget: float) -> tuple[float, float]:
    """Return (nodes that fit, densities per second), the rate measured on one batch after compilation."""
    batch = np.zeros((2048, coords.dimension))
    coords.log_density_many(batch)
    began = time.perf_counter()
    coords.log_density_many(batch)
    rate = 2048 / max(time.perf_counter() - began, 1e-9)
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

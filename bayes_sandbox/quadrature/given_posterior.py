"""The posterior of a normal given few coordinates: draws, and a curve for each component."""

from dataclasses import replace

import numpy as np
from scipy.special import ndtr

from .given import EXACT, LOSSY, GivenIntegral
from .job import Job
from .posterior import (
    UNSEEN,
    Drawn,
    Interpolant,
    Marginal,
    along,
    axes_for,
    drawn_marginal,
    interpolant,
    led_marginal,
)
from .steering import Steering
from .summing import Summer

NUM_PROPOSED = 2**12  # random points: draws are taken from them, and they check the sum
MESH = {1: 256, 2: 32**2, 3: 14**3}  # nodes of what these are proposed from
QUANTILES, BISECTIONS = (1e-9, 0.25, 0.5, 0.75, 1 - 1e-9), 80  # that a curve is laid out by
NUM_POINTS = 801  # of a curve


def draw_given(job: Job, integral: GivenIntegral) -> Drawn:
    """Draw what steers through its grid, and all else from its normal; random points check the grid, and the normal."""
    reduced, rng = integral.reduced, job.rng
    proposal = interpolant(reduced, integral.sum, MESH[reduced.dimension])
    h, log_q = proposal.sample(rng, NUM_PROPOSED)
    given = reduced.given_many(h, rng.standard_normal((len(h), len(reduced.rest))))
    drawn, kept = proposal.choose(rng, integral.known, h, log_q, given.log_mass)
    positions = given.positions[kept]
    off = job.coords.log_density_many(positions) - given.log_predicted[kept]
    off = np.where(given.rounding[kept] < LOSSY, off, 0.0)  # what lies there is charged already
    gap = float(abs(np.log(np.exp(np.minimum(off, 50.0)).mean())))
    reduced.charge()
    unseen = max(drawn.unseen, _unseen(proposal, integral))
    doubts = [f"what was integrated out is no normal: random points are off by {gap:.1g}"]
    return replace(
        drawn,
        positions=positions.reshape(*drawn.positions.shape[:2], -1),
        unseen=unseen,
        revealed=np.zeros((0, job.coords.dimension)),
        doubts=() if gap < integral.error + EXACT else tuple(doubts),
    )


def _unseen(proposal: Interpolant, integral: GivenIntegral) -> float:
    """Return the mass of points known beforehand, each with the volume it stands for, that the grid has nothing at."""
    known = integral.known
    over = known.log_density > proposal.log_density_at(known.positions) + UNSEEN
    log_mass = known.log_density[over] + known.log_reach[over] - integral.log_value
    return float(np.exp(np.minimum(log_mass, 50.0)).sum())


def given_marginal(integral: GivenIntegral, component: int, draws: np.ndarray) -> Marginal:
    """Return the marginal of a component: by a sum where it steers, as a mixture of normals where it does not."""
    reduced, frame = integral.reduced, integral.sum.frame
    own = int(reduced.whole.own_axis[component])
    if own < 0:
        return drawn_marginal(draws)
    if own in reduced.few:
        axes = axes_for(integral.sum, NUM_PROPOSED * reduced.dimension)
        curve = led_marginal(reduced, Summer(reduced), frame, axes, component, integral.log_value)
    else:
        weight, given = integral.mixed
        j, kept = int(np.searchsorted(reduced.rest, own)), weight > 1e-12 * weight.max()
        curve = _mixture(reduced, component, weight[kept], given.w[kept, j], given.sd[kept, j])
    reduced.charge()
    return curve


def _mixture(reduced: Steering, component: int, weight: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> Marginal:
    """Return the curve of a component whose own coordinate is a mixture of normals."""
    coords = reduced.whole
    own = int(coords.own_axis[component])
    low, first, middle, third, high = _quantiles(np.array(QUANTILES), weight / weight.sum(), mean, sd)
    scale = max(third - first, 1e-300)
    first_t, last_t = np.arcsinh((np.array([low, high]) - middle) / scale)
    u = middle + scale * np.sinh(np.linspace(first_t, last_t, NUM_POINTS))
    z = (u[:, None] - mean) / sd
    density = np.exp(-0.5 * z**2) @ (weight / (sd * np.sqrt(2 * np.pi)))
    cdf = ndtr(z) @ (weight / weight.sum())
    positions = np.broadcast_to(reduced.start, (NUM_POINTS, coords.dimension)).copy()
    positions[:, own] = u
    x, slope = (np.asarray(a) for a in along(coords, component, positions, np.eye(coords.dimension)[own]))
    density = density / np.maximum(np.abs(slope), 1e-300)
    if x[-1] < x[0]:
        x, density, cdf = x[::-1], density[::-1], 1 - cdf[::-1]
    mass = float(np.trapezoid(density, x))
    return Marginal(x, density / mass, cdf, mass)


def _quantiles(probability: np.ndarray, weight: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Return quantiles of a mixture of normals, by bisection."""
    low = np.full(len(probability), (mean - 40 * sd).min())
    high = np.full(len(probability), (mean + 40 * sd).max())
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        below = ndtr((middle[:, None] - mean) / sd) @ weight < probability
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2

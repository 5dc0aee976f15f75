"""A sum over the few coordinates that steer a posterior, the many others integrated out as the normal they are.

The trapezoid sees a density of one to three dimensions, whatever the dimension of the posterior. That the rest is a
normal is not assumed: at random points, from far inside to far outside, the density has to be what a normal would be.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import gammaln

from ..coordinates import Coordinates
from ..model import Model
from ..optimization import Hump
from ..optimization.starts import starting_positions
from .frames import Frame
from .integral import Integral, TensorIntegral
from .job import Job
from .rules import sinh_trapezoid
from .steering import Given, Steering, steering
from .subdivision import Points
from .summing import Summer
from .trapezoid import trapezoid

NUM_GUESSES, WIDEST = 512, 8.0  # points at which a normal is looked for, up to so many conditional sds from its mode
NUM_HIGHEST, NUM_OTHERS = 256, 2048  # points known beforehand that it is looked for at: the highest, and of all
EXACT = 1e-8  # of log f and of its quadratic: no difference
LOST = 4.0  # times the mass where rounding has lost the conditional normal
LOSSY = 1e-3  # of a conditional normal, lost by rounding
MIXED = {1: 128, 2: 22**2, 3: 10**3}  # normals of which a curve is made


@dataclass(frozen=True)
class GivenIntegral(Integral):
    """A sum over steering coordinates, and moments of the params, flat; NaN where a param has no axis of its own."""

    reduced: Steering
    sum: TensorIntegral  # over the steering coordinates
    known: Points  # of them
    mean: np.ndarray
    sd: np.ndarray

    @cached_property
    def mixed(self) -> tuple[np.ndarray, Given]:
        """Weights of normals whose mixture is the posterior, and these."""
        frame, k = self.sum.frame, self.reduced.dimension
        t, most = np.arcsinh(self.sum.span), round(MIXED[k] ** (1 / k))
        axes = [sinh_trapezoid(np.sinh(low), np.sinh(high), (high - low) / (most - 1)) for low, high in t]
        z = np.stack(np.meshgrid(*(a.nodes for a in axes), indexing="ij"), axis=-1).reshape(-1, k)
        log_w = np.sum(np.meshgrid(*(a.log_weights for a in axes), indexing="ij"), axis=0).reshape(-1)
        given = self.reduced.given_many(frame.position(z))
        weight = np.exp(given.log_mass + log_w + frame.log_det - self.log_value)
        return np.where(np.isfinite(weight), weight, 0.0), given


def steering_of(model: Model, coords: Coordinates, seed: Any) -> tuple[int, ...]:
    """Return the coordinates that steer a model; none where there are no such few."""
    cloud = starting_positions(model, coords, seed, NUM_GUESSES)
    return steering(coords, cloud) if len(cloud) else ()


def by_given(job: Job) -> GivenIntegral | None:
    """Sum over what steers; None where nothing does, where it is not exact, or where the first grid does not fit."""
    if job.few is None:
        job.few = steering_of(job.model, job.coords, job.seed)
    if not job.few:
        return None
    cloud = starting_positions(job.model, job.coords, job.seed, NUM_GUESSES)
    reduced = Steering(job.coords, job.few, cloud[job.coords.log_density_many(cloud).argmax()])
    found = _summed(job, reduced, cloud[:, reduced.few])
    reduced.charge()
    return found


def _summed(job: Job, reduced: Steering, guesses: np.ndarray) -> GivenIntegral | None:
    given, apart = _checked(job, reduced, guesses)
    known = None if apart is None else _explained(job, reduced)
    if apart is None or known is None:
        return None
    h, log_mass = np.concatenate([guesses, known[0]]), np.concatenate([given.log_mass, known[1]])
    usable = np.isfinite(log_mass)
    frame = _frame(h[usable], log_mass[usable])
    summer = Summer(reduced, progress=job.progress)
    most, humps = job.max_nodes / reduced.cost, [_projected(hump, reduced) for hump in job.laplace.humps]
    found = trapezoid(reduced, summer, frame, humps, job.smooth, most, job.floor, beyond_ends=False)
    if found is None or not np.isfinite(found.log_value):
        return None
    means = reduced.flat_at(found.frame.centre) + found.sums.value / found.sums.total
    p = reduced.num_params
    mean, within, lost = means[:p], means[p : 2 * p], LOST * float(means[-1])
    lost += _in_necks(job, reduced, found.log_value)
    if job.model.improper and lost > LOSSY:  # nobody knows how much there is
        return None
    between = found.sums.square[:p] / found.sums.total - (found.sums.value[:p] / found.sums.total) ** 2
    error = found.error + apart + lost
    settled = bool(error < job.smooth.enough)
    narrow = f"{lost:.1e} of it lies where a neck is too narrow for float64"
    unresolved = found.unresolved or ("" if settled else narrow)
    names, many = ", ".join(reduced.labels), len(reduced.rest)
    sd = np.sqrt(np.maximum(within + between, 0.0))
    own = job.coords.own_axis >= 0
    return GivenIntegral(
        rule=f"{found.rule} over {names}, the other {many} integrated out",
        why=f"exactly a normal given {names}",
        log_value=found.log_value,
        error=error,
        settled=settled,
        unresolved=unresolved,
        num_nodes=found.num_nodes,
        edge_mass=found.edge_mass,
        num_bad=found.num_bad,
        reduced=reduced,
        sum=found,
        known=Points(h[usable], log_mass[usable], _reach(h[usable])),
        mean=np.where(own, mean, np.nan),
        sd=np.where(own, sd, np.nan),
    )


def _checked(job: Job, reduced: Steering, h: np.ndarray) -> tuple[Given, float | None]:
    """Return what is known given h, and the most by which log f is off a normal near its mode; None: no normal."""
    zeta = job.rng.standard_normal((len(h), len(reduced.rest)))
    zeta *= np.exp(job.rng.uniform(np.log(0.1), np.log(WIDEST), len(h)))[:, None]
    given = reduced.given_many(h, zeta)
    off = np.abs(job.coords.log_density_many(given.positions) - given.log_predicted)
    usable = _usable(given)
    if not usable.any() or not (off <= _allowed(given))[usable].all():
        return given, None
    highest = usable & (given.log_mass > given.log_mass[usable].max() - 5)
    return given, float(off[highest].max())


def _explained(job: Job, reduced: Steering) -> tuple[np.ndarray, np.ndarray] | None:
    """Return h and its log mass at points known beforehand, modes, draws of the prior and of NUTS; None if the density
    is no normal at one of them."""
    points = job.points.finite()
    order = np.argsort(-points.log_density)
    some = np.unique(np.r_[order[:NUM_HIGHEST], order[:: max(len(order) // NUM_OTHERS, 1)]])
    x = points.positions[some]
    h = x[:, reduced.few]
    given = reduced.given_many(h, x[:, reduced.rest])
    off = np.abs(points.log_density[some] - given.log_predicted_at_x)
    return (h, given.log_mass) if (off <= _allowed(given))[_usable(given)].all() else None


def _in_necks(job: Job, reduced: Steering, log_value: float) -> float:
    """Return the share of the integral where a neck is too narrow for float64: what prior draws find there."""
    if job.model.improper:
        return 0.0
    some = job.prior[:NUM_OTHERS]
    rounding = reduced.given_many(some[:, reduced.few]).rounding
    lossy = ~(rounding < LOSSY)  # nor is NaN
    if not lossy.any():
        return 0.0
    log_likelihood = job.coords.log_parts_many(some[lossy])[:, 1]
    log_likelihood = np.where(np.isfinite(log_likelihood), log_likelihood, -np.inf)
    return float(np.exp(np.minimum(log_likelihood - log_value, 50.0)).sum() / len(some))


def _projected(hump: Hump, reduced: Steering) -> Hump:
    """Return a mode as seen by what steers: its marginal there."""
    covariance = (hump.scale @ hump.scale.T)[np.ix_(reduced.few, reduced.few)]
    return replace(hump, position=hump.position[reduced.few], scale=np.linalg.cholesky(covariance))


def _reach(h: np.ndarray) -> np.ndarray:
    """Return the log volume that each of many points (n, k) stands for: of the ball half-way to its neighbours."""
    k, spread = h.shape[1], h.std(axis=0) + 1e-300
    distance = cKDTree(h / spread).query(h / spread, k=2)[0][:, 1]
    log_ball = 0.5 * k * np.log(np.pi) - gammaln(0.5 * k + 1)
    with np.errstate(divide="ignore"):
        return np.asarray(log_ball + k * np.log(distance / 2) + np.log(spread).sum())


def _usable(given: Given) -> np.ndarray:
    return np.asarray(np.isfinite(given.log_mass) & (given.rounding < LOSSY))


def _allowed(given: Given) -> np.ndarray:
    """Return how far log f may be from a normal's by rounding alone."""
    return (EXACT + 100 * given.rounding) * given.size


def _frame(h: np.ndarray, log_mass: np.ndarray) -> Frame:
    """Return a frame to begin in, from guesses; the sum moves it to where the mass is."""
    weight = np.exp((log_mass - log_mass.max()) / 4)  # flattened: one guess must not be all
    weight /= weight.sum()
    mean = weight @ h
    covariance = (weight[:, None] * (h - mean)).T @ (h - mean) + np.diag(1e-3 * h.var(axis=0) + 1e-9)
    return Frame(mean, np.linalg.cholesky(covariance))

"""Gauss–Hermite across slices, each in its own frame: what sums along ridges and over sheets share."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import gammaln

from ..batches import chunk_size
from ..coordinates import NUM_PARTS, Coordinates
from ..optimization import Hump
from ..optimization.surface import Framed, Surface
from ..proposals import Proposal
from .frames import Frame
from .integral import Integral, Tolerance
from .ladder import remaining
from .ridge import Along, Ridge, Slice, bending, directions
from .rules import gauss_hermite

DF = 5.0  # of the Student-t's that random points are drawn from, across
WIDER = 1.3  # of the profile's spread: random points reach a little further
RUNGS = (1, 5, 9, 15, 21)  # nodes across, along each axis
PASSING = 12.0  # nats below the highest mode, in the density to draw from: another mode is off the ridge beyond
WORDS = {1: ("along a ridge", "one direction"), 2: ("over a sheet", "two directions")}
WILD = 0.1  # nats between the first two rungs, at which a slice is no Gaussian


@dataclass(frozen=True)
class SlicesIntegral(Integral):
    """A sum of slices, and moments of the params, flat; as a proposal it draws positions."""

    frame: Frame
    proposal: Proposal
    mean: np.ndarray
    sd: np.ndarray

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        return self.frame.position(self.proposal.sample(rng, n))

    def log_density(self, x: np.ndarray) -> np.ndarray:
        return self.proposal.log_density(self.frame.inverse(x)) - self.frame.log_det


@dataclass(frozen=True)
class SliceSums:
    """log ∫ f and moments of the params, the second about the frame's centre."""

    log_total: float
    mean: np.ndarray
    square: np.ndarray


@dataclass(frozen=True)
class Start:
    """The highest of some modes, whitened, z = 0: where ridges and sheets are followed from."""

    coords: Coordinates
    humps: Sequence[Hump]

    @cached_property
    def frame(self) -> Frame:
        highest = max(self.humps, key=lambda h: h.log_density)
        return Frame(highest.position, highest.scale)

    @cached_property
    def origin(self) -> np.ndarray:
        return np.zeros(self.coords.dimension)

    @cached_property
    def surface(self) -> Framed:
        return Framed(Surface(self.coords.log_density), self.frame.centre, self.frame.scale)

    @cached_property
    def _bending(self) -> np.ndarray:
        return bending(self.surface, self.origin, self.frame.directions)

    def along(self, k: int) -> list[Along]:
        """Return k directions to follow, the most promising choice of them first."""
        return directions(self._bending, self.frame.directions, k)

    def is_covered(self, proposal: Proposal) -> bool:
        """Whether the slices behind a proposal pass near all other modes."""
        others = [self.frame.inverse(h.position) for h in self.humps]
        heights = proposal.log_density(np.array([self.origin, *others]))
        return bool((heights > heights[0] - PASSING).all())


@dataclass(frozen=True)
class Across:
    """How far a ladder across slices came: nodes along each axis at its last rung, the sum there, what is left."""

    nodes: int
    sums: SliceSums
    error: float


@dataclass(frozen=True)
class Slices:
    """Slices at the nodes of a lattice of s, each with the same log volume."""

    start: Start
    ridge: Ridge
    members: Sequence[Slice]
    log_volume: float

    def sum(self, k: int) -> SliceSums:
        """Return log ∫ f and moments of the params, by k Gauss–Hermite nodes along each axis across every slice."""
        coords, frame = self.start.coords, self.start.frame
        across, axis = self.ridge.across, gauss_hermite(k)
        d = across.shape[1]
        mesh = np.stack(np.meshgrid(*[axis.nodes] * d, indexing="ij"), axis=-1).reshape(-1, d)
        log_w = np.sum(np.meshgrid(*[axis.log_weights] * d, indexing="ij"), axis=0).reshape(-1)
        origin, per = coords.flat_at(frame.centre), max(chunk_size() // len(mesh), 1)
        peak, total, first, second = -np.inf, 0.0, np.zeros(len(origin)), np.zeros(len(origin))
        for begin in range(0, len(self.members), per):
            part = self.members[begin : begin + per]
            z = np.concatenate([p.mode + mesh @ (across @ p.factor).T for p in part])
            weights = np.concatenate([log_w + np.log(np.diag(p.factor)).sum() for p in part])
            found = coords.everything_many(frame.position(z))
            log_f = found[:, :NUM_PARTS].sum(axis=1)
            terms = np.where(np.isfinite(log_f), log_f, -np.inf) + weights + self.log_volume + frame.log_det
            top = max(peak, float(terms.max()))
            if not np.isfinite(top):
                continue
            old, p = np.exp(peak - top), np.exp(terms - top)
            off = np.where(p[:, None] > 0, found[:, NUM_PARTS:] - origin, 0.0)
            peak, total = top, total * old + p.sum()
            first, second = first * old + p @ off, second * old + p @ off**2
        if total == 0:
            return SliceSums(-np.inf, origin, second)
        return SliceSums(float(peak + np.log(total)), origin + first / total, second / total)

    def climb(self, tolerance: Tolerance, max_nodes: float) -> Across | None:
        """Climb the ladder across; None where slices are no Gaussians, or three rungs do not fit."""
        values, found = list[float](), None
        for k in RUNGS:
            if len(self.members) * float(k) ** self.ridge.across.shape[1] > max_nodes:
                break
            sums = self.sum(k)
            values.append(sums.log_total)
            if len(values) == 2 and abs(values[1] - values[0]) > WILD * self.start.coords.dimension:
                return None
            found = Across(k, sums, remaining(values))
            if found.error < tolerance.fine:
                break
        return found if len(values) > 2 else None

    def share(self, log_mass: float, across: Across) -> float:
        """Return the share of the integral in slices of this log mass."""
        return float(np.exp(log_mass + self.log_volume + self.start.frame.log_det - across.sums.log_total))

    def record(
        self, across: Across, error: float, edge_mass: float, tolerance: Tolerance, proposal: Proposal
    ) -> SlicesIntegral:
        """Return what the sum came to."""
        d, k = self.ridge.along.shape
        where, given = WORDS[k]
        settled, sums, num = bool(error < tolerance.enough), across.sums, len(self.members)
        centre = self.start.coords.flat_at(self.start.frame.centre)
        return SlicesIntegral(
            rule=f"{num:,} slices {where}, Gauss–Hermite {across.nodes}^{d - k} across each",
            why=f"nearly a Gaussian given {given}",
            log_value=sums.log_total,
            error=float(error),
            settled=settled,
            unresolved="" if settled else f"slices {where} leave {error:.1e} open",
            num_nodes=num * across.nodes ** (d - k),
            edge_mass=edge_mass,
            num_bad=0,
            frame=self.start.frame,
            proposal=proposal,
            mean=sums.mean,
            sd=np.sqrt(np.maximum(sums.square - (sums.mean - centre) ** 2, 0.0)),
        )


def draw_across(rng: np.random.Generator, factor: np.ndarray) -> np.ndarray:
    """Return one draw (n, d) from a Student-t with each of these scales L (n, d, d)."""
    n, d = factor.shape[:2]
    zeta = rng.standard_normal((n, d)) * np.sqrt(DF / rng.chisquare(DF, size=(n, 1)))
    return np.asarray(np.einsum("nij,nj->ni", factor, zeta))


def log_across(off: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Return the log density of what `draw_across` draws, at (n, d)."""
    d = off.shape[1]
    zeta = np.linalg.solve(factor, off[..., None])[..., 0]
    log_det = np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
    constant = gammaln((DF + d) / 2) - gammaln(DF / 2) - 0.5 * d * np.log(DF * np.pi)
    return np.asarray(constant - log_det - (DF + d) / 2 * np.log1p((zeta**2).sum(axis=1) / DF))

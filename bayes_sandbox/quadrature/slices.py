"""Gauss–Hermite across slices, each in its own frame: what sums along ridges and over sheets share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import gammaln

from ..batches import chunk_size
from ..coordinates import NUM_PARTS, Coordinates
from ..optimization import Hump
from .integral import Integral, Tolerance
from .ladder import remaining
from .ridge import Ridge, Slice
from .rules import gauss_hermite
from .summing import Frame

DF = 5.0  # of the Student-t's that random points are drawn from, across
WIDER = 1.3  # of the profile's spread: random points reach a little further
RUNGS = (1, 5, 9, 15, 21)  # nodes across, along each axis
PASSING = 12.0  # nats below the highest mode, in the density to draw from: another mode is off the ridge beyond
WILD = 0.1  # nats between the first two rungs, at which a slice is no Gaussian


class Proposal(Protocol):
    """A density over the z of a frame that can be drawn from."""

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray: ...
    def log_density(self, z: np.ndarray) -> np.ndarray: ...


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
class Slices:
    """Slices at the nodes of a lattice of s, each with the same log volume."""

    ridge: Ridge
    members: Sequence[Slice]
    log_volume: float

    def sum(self, coords: Coordinates, frame: Frame, k: int) -> SliceSums:
        """Return log ∫ f and moments of the params, by k Gauss–Hermite nodes along each axis across every slice."""
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


@dataclass(frozen=True)
class Across:
    """How far a ladder across slices came: nodes along each axis at its last rung, the sum there, what is left."""

    nodes: int
    sums: SliceSums
    error: float


def climb_across(
    coords: Coordinates, frame: Frame, slices: Slices, tolerance: Tolerance, max_nodes: float
) -> Across | None:
    """Climb the ladder across; None where slices are no Gaussians, or three rungs do not fit."""
    values, found = list[float](), None
    for k in RUNGS:
        if len(slices.members) * float(k) ** slices.ridge.across.shape[1] > max_nodes:
            break
        sums = slices.sum(coords, frame, k)
        values.append(sums.log_total)
        if len(values) == 2 and abs(values[1] - values[0]) > WILD * coords.dimension:
            return None
        found = Across(k, sums, remaining(values))
        if found.error < tolerance.fine:
            break
    return found if len(values) > 2 else None


def record(
    where: str,
    why: str,
    coords: Coordinates,
    frame: Frame,
    slices: Slices,
    across: Across,
    error: float,
    edge_mass: float,
    tolerance: Tolerance,
    proposal: Proposal,
) -> SlicesIntegral:
    """Return what a sum over slices came to."""
    settled, d, num = bool(error < tolerance.enough), slices.ridge.across.shape[1], len(slices.members)
    centre = coords.flat_at(frame.centre)
    return SlicesIntegral(
        rule=f"{num:,} slices {where}, Gauss–Hermite {across.nodes}^{d} across each",
        why=why,
        log_value=across.sums.log_total,
        error=float(error),
        settled=settled,
        unresolved="" if settled else f"slices {where} leave {error:.1e} open",
        num_nodes=num * across.nodes**d,
        edge_mass=edge_mass,
        num_bad=0,
        frame=frame,
        proposal=proposal,
        mean=across.sums.mean,
        sd=np.sqrt(np.maximum(across.sums.square - (across.sums.mean - centre) ** 2, 0.0)),
    )


def frame_of_highest(humps: Sequence[Hump]) -> Frame:
    """Return the frame that whitens the highest mode, from which ridges and sheets are followed."""
    highest = max(humps, key=lambda h: h.log_density)
    return Frame(highest.position, highest.scale)


def covers(proposal: Proposal, frame: Frame, humps: Sequence[Hump]) -> bool:
    """Whether slices that were followed from the highest mode, z = 0, pass near all others."""
    heights = proposal.log_density(np.array([np.zeros(len(frame.centre)), *(frame.inverse(h.position) for h in humps)]))
    return bool((heights > heights[0] - PASSING).all())


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

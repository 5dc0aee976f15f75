"""The streaming log-sum-exp that every rule ends in: memory does not grow with the number of nodes.

A tensor grid is never laid out, but for a block of nodes at a time (`layout`). The density at a block is the program
that everything else uses; weighing it is one program for all models. What is left are sums over the rows and columns
of a matrix, which need no compiling: NumPy's on a CPU, and the device's own on an accelerator. Sums are kept relative
to the largest term met so far.
"""

import itertools
import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..batches import chunk_size
from ..compiler import compiled
from ..coordinates import NUM_PARTS, Coordinates
from ..devices import from_all
from ..progress import Progress, quiet
from .layout import Slab, Table, slabs
from .rules import Axis

LONGEST_AXIS = 2**20  # nodes on one axis are laid out in memory; tensor grids of them are not
DENSITY, LIKELIHOOD = (0, 1, 2), (1, 2)  # which parts of the log density are summed: all, or all but the prior
CHUNKS_AHEAD = 4  # sent to the device before waiting for the first


class Sums(NamedTuple):
    """Running sums of p = exp(log f + log w − peak) over nodes."""

    peak: Any  # the largest log term so far
    total: Any
    axes: Any  # (dimension, longest axis): the sum at each node of each axis
    z: Any  # (dimension,): Σ p z
    zz: Any  # (dimension, dimension): Σ p z zᵀ
    value: Any  # Σ p (v − origin)
    square: Any  # Σ p (v − origin)²
    num_nan: Any

    @property
    def log_total(self) -> float:
        return float(self.peak + np.log(self.total)) if float(self.total) > 0 else -math.inf


@dataclass(frozen=True)
class Frame:
    """An affine map z → position = centre + scale z."""

    centre: np.ndarray
    scale: np.ndarray

    @property
    def log_det(self) -> float:
        return float(np.linalg.slogdet(self.scale)[1])

    def position(self, z: np.ndarray) -> np.ndarray:
        return self.centre + z @ self.scale.T

    def inverse(self, position: np.ndarray) -> np.ndarray:
        return np.linalg.solve(self.scale, (position - self.centre).T).T

    @property
    def covariance(self) -> np.ndarray:
        return self.scale @ self.scale.T

    @property
    def directions(self) -> np.ndarray:
        """Unit vectors (d, d) in z: along which each position coordinate grows, all others left alone in the slice."""
        return np.asarray(self.scale / np.linalg.norm(self.scale, axis=1, keepdims=True))

    def moved(self, mean: np.ndarray, covariance: np.ndarray) -> "Frame":
        """Return the frame in which a density with these moments of z has mean 0 and covariance I."""
        return Frame(self.position(mean), np.linalg.cholesky(self.scale @ covariance @ self.scale.T))

    def led_by(self, j: int) -> "Frame":
        """Return a frame of the same covariance in which the first z alone sets position coordinate j."""
        order = np.r_[j, np.delete(np.arange(len(self.centre)), j)]
        factor = np.linalg.cholesky(self.covariance[np.ix_(order, order)])
        return Frame(self.centre, factor[np.argsort(order)])


class Share(NamedTuple):
    """One component's share r of a Gaussian mixture at each position: a partition of unity, Σ r = 1 everywhere."""

    index: Any
    log_weights: Any  # (k,)
    centres: Any  # (k, d)
    inverses: Any  # (k, d, d): of the Cholesky factors

    def log_at(self, position: Any) -> Any:
        z = jnp.einsum("kij,kj->ki", self.inverses, position - self.centres)
        log_parts = self.log_weights - 0.5 * (z**2).sum(axis=1)
        return log_parts[self.index] - jax.nn.logsumexp(log_parts)


class Summer:
    """Sums a density over tensor grids, in float64; `single` has the density itself in float32."""

    def __init__(
        self, coords: Coordinates, parts: tuple[int, ...] = DENSITY, progress: Progress = quiet, single: bool = False
    ):
        self._coords, self._parts, self._progress, self._single = coords, parts, progress, single
        self._host = _Host()
        self._origins: dict[bytes, np.ndarray] = {}

    def run(self, frame: Frame, axes: Sequence[Axis], label: str = "grid", share: Share | None = None) -> Sums:
        """Sum the density, or a share of it, over the tensor grid of `axes` in the frame's z."""
        running, turns = Running([len(axis) for axis in axes], self.origin(frame)), itertools.count()
        with self._progress.task(label, math.prod(map(len, axes))) as advance:
            for slab in slabs(axes, chunk_size()):
                running.open(slab)
                # Progress and Ctrl-C get their turn.
                for block in self._blocks(frame, slab, share, running.peak, turns):
                    running.add(block)
                    advance((block.rows.stop - block.rows.start) * len(slab.inner))
                running.close(slab)
        return _added(from_all(running.sums()))

    def origin(self, frame: Frame) -> np.ndarray:
        """Return the params that sums in this frame are relative to, flat."""
        key = frame.centre.tobytes()
        if key not in self._origins:
            self._origins[key] = self._coords.flat_at(frame.centre)
        return self._origins[key]

    def _blocks(
        self, frame: Frame, slab: Slab, share: Share | None, peak: float, turns: Iterator[int]
    ) -> Iterator["Block"]:
        """Weigh one block of rows after another, a few of them ahead of the one that is taken.

        Of several processes each does the blocks whose turn is its own.
        """
        chunk, num_leading, num_columns = chunk_size(), slab.outer.z.shape[1], len(slab.inner)
        outer = _affine(slab.outer, frame.scale[:, :num_leading], frame.centre, frame.log_det)
        inner = _affine(slab.inner, frame.scale[:, num_leading:], 0 * frame.centre, 0.0)
        side = self._host if on_host() else _Device()
        each, waiting = chunk // num_columns, deque[Placed]()
        side.peak = np.asarray(peak)
        for start in range(0, len(slab.outer), each):
            if next(turns) % jax.process_count() != jax.process_index():
                continue
            rows = slice(start, min(start + each, len(slab.outer)))
            laid, position, log_weight = side.place(chunk, outer[:, rows], inner)
            if share is not None:
                log_weight = log_weight + _log_shares(share, position)
            found = self._coords.evaluate(position, (rows.stop - rows.start) * num_columns, self._single)
            waiting.append(side.begun(self._parts, Placed(rows, found, log_weight, laid)))
            if len(waiting) > CHUNKS_AHEAD:
                yield side.weighed(self._parts, waiting.popleft())
        for placed in waiting:
            yield side.weighed(self._parts, placed)


class Placed(NamedTuple):
    """Some rows of a slab, placed, their densities asked for."""

    rows: slice
    found: Any
    log_weight: Any
    laid: Any  # where they lie, or what has been made of them


class Block(NamedTuple):
    """Some rows of a slab, weighed: p = exp(log f + log w − peak), and what was found at their nodes."""

    rows: slice
    peak: Any
    p: Any
    found: Any


def on_host() -> bool:
    """Whether arrays of the device are NumPy's to read, without a copy."""
    return jax.default_backend() == "cpu"


def _affine(table: Table, scale: np.ndarray, centre: np.ndarray, log_det: float) -> np.ndarray:
    """Return what each node of some axes adds to the position, and its log weight: (dimension + 1, n)."""
    return np.vstack([centre[:, None] + scale @ table.z.T, table.log_weight + log_det])


class _Host:
    """Blocks placed and weighed by NumPy, while the device is at the next ones; memory is used again.

    What is placed lies in (dimension + 2, chunk): positions, their log weights, and room for p.
    """

    def __init__(self) -> None:
        self.peak: Any = None
        self._free: list[np.ndarray] = []
        self._taken: np.ndarray | None = None

    def place(self, chunk: int, outer: np.ndarray, inner: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Lay out outer (d + 1, r) by inner (d + 1, w), then one point over and over, of weight zero."""
        num = outer.shape[1] * inner.shape[1]
        laid = self._free.pop() if self._free else np.empty((len(outer) + 1, chunk))
        np.add(outer[:, :, None], inner[:, None], out=laid[:-1, :num].reshape(*outer.shape, -1))
        laid[:-2, num:] = laid[:-2, :1]
        laid[-2, num:] = -np.inf
        return laid, laid[:-2], laid[-2]

    def begun(self, parts: tuple[int, ...], placed: Placed) -> Placed:
        return placed

    def weighed(self, parts: tuple[int, ...], placed: Placed) -> "Block":
        """Weigh a block, whose place is free again when the next one is asked for."""
        if self._taken is not None:
            self._free.append(self._taken)
        self._taken = placed.laid
        found, log_weight, p = np.asarray(placed.found), np.asarray(placed.log_weight), placed.laid[-1]
        with np.errstate(invalid="ignore"):
            np.add(found[parts[0]], found[parts[1]], out=p)
            for i in parts[2:]:
                p += found[i]
            p += log_weight
            highest = p.max()
            bad = None
            if not highest < np.inf:  # no number, or a density without bound
                log_f = sum(found[i] for i in parts)
                bad = ~(log_f < np.inf)
                p[bad] = -np.inf
                highest = p.max()
            self.peak = np.maximum(self.peak, highest)
            p -= self.peak if np.isfinite(self.peak) else 0.0
            np.exp(p, out=p)
            if bad is not None:
                p[bad & (log_weight > -np.inf)] = np.nan
        return Block(placed.rows, self.peak, p, found)


class _Device:
    """Blocks placed and weighed where the density is, one after the other."""

    peak: Any = None

    def place(self, chunk: int, outer: np.ndarray, inner: np.ndarray) -> tuple[Any, Any, Any]:
        return None, *_place_on_device(chunk, outer, inner)

    def begun(self, parts: tuple[int, ...], placed: Placed) -> Placed:
        self.peak, p = _weigh_on_device(parts, placed.found, placed.log_weight, self.peak)
        return placed._replace(laid=(self.peak, p))

    def weighed(self, parts: tuple[int, ...], placed: Placed) -> "Block":
        peak, p = placed.laid
        return Block(placed.rows, peak, p, placed.found)


@partial(compiled, static_argnums=0)
def _place_on_device(chunk: int, outer: Any, inner: Any) -> tuple[jax.Array, jax.Array]:
    laid = (outer[:, :, None] + inner[:, None]).reshape(len(outer), -1)
    padded = jnp.full((len(outer), chunk), laid[:, :1]).at[-1].set(-jnp.inf).at[:, : laid.shape[1]].set(laid)
    return padded[:-1], padded[-1]


@compiled
def _log_shares(share: Share, position: Any) -> jax.Array:
    return jax.vmap(share.log_at, in_axes=1)(position)


@partial(compiled, static_argnums=0)
def _weigh_on_device(parts: tuple[int, ...], found: Any, log_weight: Any, peak: Any) -> tuple[jax.Array, jax.Array]:
    """Return the peak so far and p relative to it, NaN where the density is no number."""
    log_f = sum(found[i] for i in parts)
    terms = jnp.where(log_f < jnp.inf, log_f + log_weight, -jnp.inf)  # not NaN, either
    peak = jnp.maximum(peak, terms.max())
    p = jnp.exp(terms - jnp.where(jnp.isfinite(peak), peak, 0.0))
    return peak, jnp.where((log_f < jnp.inf) | (log_weight == -jnp.inf), p, jnp.nan)


class Reduced(NamedTuple):
    """A block of p, summed."""

    columns: Any  # (1 + leading axes, columns): Σ p and Σ p z over its rows
    rows: Any
    value: Any  # Σ p (v − origin)
    square: Any


def _reduced(p: Any, found: Any, origin: Any, beside: Any, num_columns: int) -> Reduced:
    """Sum a block in plain algebra, on whichever side its arrays are: NumPy's, or one compiled for its shape."""
    block, off = p[: len(beside) * num_columns].reshape(len(beside), num_columns), found[NUM_PARTS:] - origin[:, None]
    return Reduced(beside.T @ block, block.sum(axis=1), off @ p, (off * off) @ p)


_reduced_on_device = partial(compiled, static_argnums=4)(_reduced)


class Running:
    """Sums so far, of everything relative to the largest term: whole, and within the slab that is open."""

    def __init__(self, counts: Sequence[int], origin: np.ndarray):
        d, self._origin = len(counts), origin
        self.peak, self._total, self._num_nan = -math.inf, np.zeros(()), 0
        self._axes, self._z, self._zz = np.zeros((d, max(counts))), np.zeros(d), np.zeros((d, d))
        self._value, self._square = np.zeros(len(origin)), np.zeros(len(origin))

    def open(self, slab: Slab) -> None:
        """Begin a slab."""
        self._beside = np.column_stack([np.ones(len(slab.outer)), slab.outer.z])  # what rows are multiplied with
        self._columns, self._rows = np.zeros((self._beside.shape[1], len(slab.inner))), np.zeros(len(slab.outer))

    def add(self, block: Block) -> None:
        """Add some rows."""
        self._raise_peak(float(block.peak))
        rest = (self._origin, self._beside[block.rows], self._columns.shape[1])
        if on_host():
            with np.errstate(invalid="ignore", over="ignore"):
                found = _reduced(np.asarray(block.p), np.asarray(block.found), *rest)
        else:
            found = Reduced(*map(np.asarray, _reduced_on_device(block.p, block.found, *rest)))
        if not all(np.isfinite(part).all() for part in found):
            found = self._with_care(block, rest)
        self._columns += found.columns
        self._rows[block.rows] = found.rows
        self._value += found.value
        self._square += found.square

    def _raise_peak(self, peak: float) -> None:
        if peak > self.peak:
            factor = math.exp(self.peak - peak)
            for kept in (*self._kept, self._columns, self._rows):
                kept *= factor
            self.peak = peak

    @property
    def _kept(self) -> tuple[np.ndarray, ...]:
        return self._total, self._axes, self._z, self._zz, self._value, self._square

    def _with_care(self, block: Block, rest: Any) -> Reduced:
        """Sum a block in which a p is NaN, which counts as zero, or a value overflows where p is zero: 0 · ∞ is 0."""
        p, found = np.asarray(block.p), np.asarray(block.found)
        bad = np.isnan(p)
        self._num_nan += int(bad.sum())
        p = np.where(bad, 0.0, p)
        with np.errstate(invalid="ignore", over="ignore"):
            return _reduced(p, np.where(p > 0, found, 0.0), *rest)

    def close(self, slab: Slab) -> None:
        """Add the slab to the whole."""
        (mass, *crossed), num_leading = self._columns, slab.outer.z.shape[1]
        parts = ((slab.outer, self._rows, slice(num_leading)), (slab.inner, mass, slice(num_leading, None)))
        self._total += mass.sum()
        for table, p, own in parts:
            self._z[own] += p @ table.z
            self._zz[own, own] += (p[:, None] * table.z).T @ table.z
            for axis, index in zip(self._axes[own], table.index.T):
                axis += np.bincount(index, weights=p, minlength=len(axis))
        between = np.reshape(crossed, (num_leading, len(mass))) @ slab.inner.z
        self._zz[:num_leading, num_leading:] += between
        self._zz[num_leading:, :num_leading] += between.T

    def sums(self) -> Sums:
        """Return the whole."""
        whole = (np.asarray(self.peak), *self._kept, np.asarray(self._num_nan))
        return Sums(**dict(zip(Sums._fields, whole)))


def _added(parts: Sequence[Sums]) -> Sums:
    """Add sums over parts of one grid."""
    whole = merge(parts)
    axes = sum(np.exp(p.peak - whole.peak) * p.axes for p in parts if float(p.total) > 0)
    return whole._replace(axes=axes) if len(parts) > 1 and float(whole.total) > 0 else whole


def merge(parts: Sequence[Sums]) -> Sums:
    """Add sums of grids that share a frame; axis sums, whose nodes differ, are those of the first."""
    peak = max(float(p.peak) for p in parts)
    if not np.isfinite(peak):
        return parts[0]
    factors = [np.exp(p.peak - peak) for p in parts]
    added = {
        field: sum(f * getattr(p, field) for f, p in zip(factors, parts))
        for field in ("total", "z", "zz", "value", "square")
    }
    return Sums(peak=peak, axes=factors[0] * parts[0].axes, num_nan=sum(p.num_nan for p in parts), **added)

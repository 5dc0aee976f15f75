"""The streaming log-sum-exp that every rule ends in: memory does not grow with the number of nodes.

A tensor grid is never laid out, but for a block of nodes at a time (`layout`). The density at a block is the program
that everything else uses; weighing it is one program for all models. What is left are sums over the rows and columns
of a matrix, which need no compiling: NumPy's on a CPU, block beside block on its cores, and the device's own on an
accelerator. Sums are kept relative to the largest term met so far.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..batches import done_with
from ..compiler import compiled
from ..coordinates import NUM_PARTS, Coordinates
from ..devices import from_all, side_by_side
from ..progress import Progress, quiet
from .layout import Slab, Table, slabs
from .rules import Axis

LONGEST_AXIS = 2**20  # nodes on one axis are laid out in memory; tensor grids of them are not
SMALL = 2**14  # nodes that are not worth two blocks
DENSITY, LIKELIHOOD = (0, 1, 2), (1, 2)  # which parts of the log density are summed: all, or all but the prior


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
        self._room: list[np.ndarray] = []  # laid out once, used again
        self._origins: dict[bytes, np.ndarray] = {}
        self._traced = False

    def run(self, frame: Frame, axes: Sequence[Axis], label: str = "grid", share: Share | None = None) -> Sums:
        """Sum the density, or a share of it, over the tensor grid of `axes` in the frame's z."""
        running, turns = Running([len(axis) for axis in axes], len(self.origin(frame))), itertools.count()
        with self._progress.task(label, math.prod(map(len, axes))) as advance:
            for slab in slabs(axes, self._coords.chunk):
                running.open(slab)
                # Progress and Ctrl-C get their turn.
                for block in self._blocks(frame, slab, share, turns):
                    running.add(block)
                    num = (block.rows.stop - block.rows.start) * len(slab.inner)
                    self._coords.num_evaluations += num
                    advance(num)
                running.close(slab)
        return _added(from_all(running.sums()))

    def origin(self, frame: Frame) -> np.ndarray:
        """Return the params that sums in this frame are relative to, flat."""
        key = frame.centre.tobytes()
        if key not in self._origins:
            self._origins[key] = self._coords.flat_at(frame.centre)
        return self._origins[key]

    def _blocks(self, frame: Frame, slab: Slab, share: Share | None, turns: Iterator[int]) -> Iterator["Block"]:
        """Sum one block of rows after another. Of several processes each does the blocks whose turn is its own."""
        chunk, batch = self._coords.chunk, self._coords.batch
        num_leading, num_columns = slab.outer.z.shape[1], len(slab.inner)
        outer = _affine(slab.outer, frame.scale[:, :num_leading], frame.centre, frame.log_det)
        inner = _affine(slab.inner, frame.scale[:, num_leading:], 0 * frame.centre, 0.0)
        beside, origin = np.column_stack([np.ones(len(slab.outer)), slab.outer.z]), self.origin(frame)
        side: _Host | _Device = _Host(self._room) if on_host() else _Device()

        def begun(rows: slice) -> Any:
            num = (rows.stop - rows.start) * num_columns
            placed = side.place(chunk, -(-num // batch) * batch, outer[:, rows], inner)
            if share is not None:
                placed = placed._replace(log_weight=placed.log_weight + _log_shares(share, placed.position))
            found = self._coords.evaluate(placed.position, num, self._single)
            return rows, side.summed(self._parts, placed, found, origin, beside[rows], num_columns)

        if not self._traced:  # here, not by a thread
            self._coords.evaluate(np.zeros((len(frame.centre), chunk)), 0, self._single)
            self._traced = True
        each = rows_at_once(len(slab.outer), num_columns, chunk)
        everyone = range(0, len(slab.outer), each)
        mine = (start for start in everyone if next(turns) % jax.process_count() == jax.process_index())
        for rows, summed in side_by_side(begun, (slice(i, min(i + each, len(slab.outer))) for i in mine)):
            yield Block(rows, *side.told(summed))


class Placed(NamedTuple):
    """Some rows of a slab, laid out: positions (d, chunk) and log weights."""

    position: Any
    log_weight: Any
    laid: Any = None  # the memory they lie in, if it is ours


class Reduced(NamedTuple):
    """Sums of a block of p = exp(log f + log w − peak)."""

    columns: Any  # (1 + leading axes, columns): Σ p and Σ p z over its rows
    rows: Any
    value: Any  # Σ p (v − origin)
    square: Any


class Block(NamedTuple):
    """Some rows of a slab, summed, and how many of their densities were no number."""

    rows: slice
    peak: float
    sums: Reduced
    num_nan: int


def rows_at_once(num_rows: int, num_columns: int, chunk: int) -> int:
    """Return how many rows of a slab are a block: what a chunk holds, or fewer, for an even number of equal blocks.

    Two cores are then done at the same time. How many cores there are has no say: the sum would depend on it.

    >>> rows_at_once(315, 315, 2**16)
    158
    """
    most = chunk // num_columns
    if not on_host() or num_rows * num_columns < SMALL:
        return most
    return -(-num_rows // (2 * -(-num_rows // (2 * most))))


def on_host() -> bool:
    """Whether arrays of the device are NumPy's to read, without a copy."""
    return jax.default_backend() == "cpu"


def _affine(table: Table, scale: np.ndarray, centre: np.ndarray, log_det: float) -> np.ndarray:
    """Return what each node of some axes adds to the position, and its log weight: (dimension + 1, n)."""
    return np.vstack([centre[:, None] + scale @ table.z.T, table.log_weight + log_det])


def _reduced(p: Any, found: Any, origin: Any, beside: Any, num_columns: int) -> Reduced:
    """Sum a block in plain algebra, on whichever side its arrays are: NumPy's, or one compiled for its shape."""
    block, off = p[: len(beside) * num_columns].reshape(len(beside), num_columns), found[NUM_PARTS:] - origin[:, None]
    return Reduced(beside.T @ block, block.sum(axis=1), off @ p, (off * off) @ p)


def _reduced_in(
    room: np.ndarray, p: np.ndarray, found: np.ndarray, origin: np.ndarray, beside: np.ndarray, num_columns: int
) -> Reduced:
    """Sum a block as `_reduced` does, one value after another, in memory that is there: in a fifth of the time."""
    block, moments = p.reshape(len(beside), num_columns), np.empty((2, len(origin)))
    for i, value in enumerate(found[NUM_PARTS:]):
        np.subtract(value, origin[i], out=room)
        moments[0, i] = np.einsum("n,n->", room, p)
        room *= room
        moments[1, i] = np.einsum("n,n->", room, p)
    return Reduced(beside.T @ block, block.sum(axis=1), *moments)


def _checked(sums: Reduced, p: Any, found: Any, *rest: Any) -> tuple[Reduced, int]:
    """Return sums that are numbers, and how many p were NaN, which counts as zero.

    A value may overflow where p is zero: 0 · ∞ is 0 here.
    """
    if all(np.isfinite(part).all() for part in sums):
        return sums, 0
    p, found = np.asarray(p), np.asarray(found)
    bad = np.isnan(p)
    p = np.where(bad, 0.0, p)
    with np.errstate(invalid="ignore", over="ignore"):
        return _reduced(p, np.where(p > 0, found, 0.0), *rest), int(bad.sum())


class _Host:
    """Blocks placed, weighed and summed by NumPy, each by whichever thread asked for its densities.

    What is placed lies in (dimension + 3, chunk): positions, their log weights, and room for p and what it weighs.
    """

    def __init__(self, room: list[np.ndarray]) -> None:
        self._room = room

    def place(self, chunk: int, asked: int, outer: np.ndarray, inner: np.ndarray) -> Placed:
        """Lay out outer (d + 1, r) by inner (d + 1, w), then one point over and over, as far as densities are asked."""
        num = outer.shape[1] * inner.shape[1]
        laid = self._room.pop() if self._room else np.zeros((len(outer) + 2, chunk))
        np.add(outer[:, :, None], inner[:, None], out=laid[:-2, :num].reshape(*outer.shape, -1))
        laid[:-2, num:asked] = laid[:-2, :1]
        return Placed(laid[:-3], laid[-3], laid)

    def summed(
        self, parts: tuple[int, ...], placed: Placed, found: Any, origin: Any, beside: Any, num_columns: int
    ) -> tuple[float, Reduced, int]:
        """Return the peak of a block, its sums, and how many densities were no number."""
        num, asked = len(beside) * num_columns, found
        found, log_weight, p = np.asarray(asked)[:, :num], np.asarray(placed.log_weight)[:num], placed.laid[-2, :num]
        with np.errstate(invalid="ignore", over="ignore"):
            np.add(found[parts[0]], found[parts[1]], out=p)
            for i in parts[2:]:
                p += found[i]
            p += log_weight
            peak = p.max()
            bad = None
            if not peak < np.inf:  # no number, or a density without bound
                bad = ~(sum(found[i] for i in parts) < np.inf)
                p[bad] = -np.inf
                peak = p.max()
            p -= peak if np.isfinite(peak) else 0.0
            np.exp(p, out=p)
            if bad is not None:
                p[bad & (log_weight > -np.inf)] = np.nan
            rest = origin, beside, num_columns
            sums, num_nan = _checked(_reduced_in(placed.laid[-1, :num], p, found, *rest), p, found, *rest)
        del found
        self._room.append(placed.laid)
        done_with(asked)
        return float(peak), sums, num_nan

    def told(self, summed: tuple[float, Reduced, int]) -> tuple[float, Reduced, int]:
        return summed


class _Device:
    """Blocks placed, weighed and summed where the density is, one after the other, while the host goes on."""

    def place(self, chunk: int, asked: int, outer: np.ndarray, inner: np.ndarray) -> Placed:
        """Lay out as on the host, to the end of the chunk: one program for all. What is beyond weighs nothing."""
        return Placed(*_place_on_device(chunk, outer, inner))

    def summed(self, parts: tuple[int, ...], placed: Placed, found: Any, *rest: Any) -> Any:
        peak, p = _weigh_on_device(parts, found, placed.log_weight)
        return peak, _reduced_on_device(p, found, *rest), p, found, *rest

    def told(self, summed: Any) -> tuple[float, Reduced, int]:
        """Wait for what `summed` has begun."""
        peak, sums, *whence = summed
        return float(peak), *_checked(Reduced(*map(np.array, sums)), *whence)


@partial(compiled, static_argnums=0)
def _place_on_device(chunk: int, outer: Any, inner: Any) -> tuple[jax.Array, jax.Array]:
    laid = (outer[:, :, None] + inner[:, None]).reshape(len(outer), -1)
    padded = jnp.full((len(outer), chunk), laid[:, :1]).at[-1].set(-jnp.inf).at[:, : laid.shape[1]].set(laid)
    return padded[:-1], padded[-1]


@compiled
def _log_shares(share: Share, position: Any) -> jax.Array:
    return jax.vmap(share.log_at, in_axes=1)(position)


@partial(compiled, static_argnums=0)
def _weigh_on_device(parts: tuple[int, ...], found: Any, log_weight: Any) -> tuple[jax.Array, jax.Array]:
    """Return the largest term and p relative to it, NaN where the density is no number."""
    log_f = sum(found[i] for i in parts)
    terms = jnp.where(log_f < jnp.inf, log_f + log_weight, -jnp.inf)  # not NaN, either
    peak = terms.max()
    p = jnp.exp(terms - jnp.where(jnp.isfinite(peak), peak, 0.0))
    return peak, jnp.where((log_f < jnp.inf) | (log_weight == -jnp.inf), p, jnp.nan)


_reduced_on_device = partial(compiled, static_argnums=4)(_reduced)


class Running:
    """Sums so far, of everything relative to the largest term: whole, and within the slab that is open."""

    def __init__(self, counts: Sequence[int], num_values: int):
        d = len(counts)
        self.peak, self._total, self._num_nan = -math.inf, np.zeros(()), 0
        self._axes, self._z, self._zz = np.zeros((d, max(counts))), np.zeros(d), np.zeros((d, d))
        self._value, self._square = np.zeros(num_values), np.zeros(num_values)

    def open(self, slab: Slab) -> None:
        """Begin a slab."""
        self._columns, self._rows = np.zeros((1 + slab.outer.z.shape[1], len(slab.inner))), np.zeros(len(slab.outer))

    def add(self, block: Block) -> None:
        """Add some rows."""
        self._num_nan += block.num_nan
        peak = max(self.peak, block.peak)
        if peak == -math.inf:
            return
        if peak > self.peak:
            for kept in (*self._kept, self._columns, self._rows):
                _scale(kept, math.exp(self.peak - peak))
            self.peak = peak
        if peak > block.peak:
            for part in block.sums:
                _scale(part, math.exp(block.peak - peak))
        self._columns += block.sums.columns
        self._rows[block.rows] = block.sums.rows
        self._value += block.sums.value
        self._square += block.sums.square

    @property
    def _kept(self) -> tuple[np.ndarray, ...]:
        return self._total, self._axes, self._z, self._zz, self._value, self._square

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


def _scale(sums: np.ndarray, factor: float) -> None:
    """Multiply in place; what is nothing beside the peak is nothing, even where it overflowed."""
    if factor > 0:
        sums *= factor
    else:
        sums.fill(0.0)


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

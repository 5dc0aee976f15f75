"""The streaming log-sum-exp that every rule ends in: memory does not grow with the number of nodes.

A tensor grid is never laid out. Node number i is unravelled into one index for each axis, a chunk of nodes at a time;
sums are kept relative to the largest term met so far. Placing nodes and adding terms are programs of their own,
compiled once for all models; the model's program is the one that everything else uses.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..batches import chunk_size
from ..compiler import compiled
from ..coordinates import NUM_PARTS, Coordinates
from ..progress import Progress, quiet
from .rules import Axis

LONGEST_AXIS = 2**20  # nodes on one axis are laid out in memory; tensor grids of them are not
DENSITY, LIKELIHOOD = (0, 1, 2), (1, 2)  # which parts of the log density are summed: all, or all but the prior
CHUNKS_AHEAD = 16  # sent to the device before waiting for it


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
    """Sums a density over tensor grids."""

    def __init__(self, coords: Coordinates, parts: tuple[int, ...] = DENSITY, progress: Progress = quiet):
        self._coords, self._parts, self._progress = coords, parts, progress

    def run(self, frame: Frame, axes: Sequence[Axis], label: str = "grid", share: Share | None = None) -> Sums:
        """Sum the density, or a share of it, over the tensor grid of `axes` in the frame's z."""
        size, chunk = _padded(max(map(len, axes))), chunk_size()
        nodes = np.zeros((len(axes), size))
        log_weights = np.full((len(axes), size), -np.inf)
        for j, axis in enumerate(axes):
            nodes[j, : len(axis)], log_weights[j, : len(axis)] = axis.nodes, axis.log_weights
        counts = np.array([len(axis) for axis in axes])
        grid = jax.device_put((frame.centre, frame.scale, frame.log_det, nodes, log_weights, counts, share))
        total = math.prod(int(n) for n in counts)
        origin, sums = self.origin(frame), _empty(len(axes), size, len(self._coords.flat_at(frame.centre)))
        with self._progress.task(label, total) as advance:
            for start in range(0, total, chunk):
                placed = _place(chunk, grid, start)
                found = self._coords.evaluate(placed.position, min(chunk, total - start))
                sums = _add(self._parts, placed, found, origin, sums)
                if start // chunk % CHUNKS_AHEAD == 0:  # progress and Ctrl-C get their turn
                    jax.block_until_ready(sums)
                advance(min(chunk, total - start))
        return Sums(*(np.asarray(x) for x in sums))

    def origin(self, frame: Frame) -> np.ndarray:
        """Return the params that sums in this frame are relative to, flat."""
        return self._coords.flat_at(frame.centre)


def _empty(dimension: int, size: int, num_values: int) -> Sums:
    shapes = ((), (), (dimension, size), (dimension,), (dimension, dimension), (num_values,), (num_values,))
    peak, *zeros = (np.zeros(shape) for shape in shapes)
    return Sums(*[peak - np.inf, *zeros, np.zeros((), int)])


def _padded(length: int) -> int:
    """One of few lengths, so that few programs are compiled."""
    return next(size for size in (256, 4096, 65536, LONGEST_AXIS) if length <= size)


class Placed(NamedTuple):
    """One chunk of a grid's nodes; a weight of −∞ marks what lies beyond the last of them."""

    position: Any
    z: Any
    log_weight: Any
    index: Any


@partial(compiled, static_argnums=0)
def _place(chunk: int, grid: Any, start: Any) -> Placed:
    centre, scale, log_det, nodes, log_weights, counts, share = grid
    number = start + jnp.arange(chunk)
    z, log_w, index = _unravel(number, nodes, log_weights, counts)
    position = centre + z @ scale.T
    if share is not None:
        log_w += jax.vmap(share.log_at)(position)
    return Placed(position, z, jnp.where(number < jnp.prod(counts), log_w + log_det, -jnp.inf), index)


@partial(compiled, static_argnums=0)
def _add(parts: tuple[int, ...], placed: Placed, found: Any, origin: Any, sums: Sums) -> Sums:
    log_f, z = sum(found[:, i] for i in parts), placed.z
    inside = placed.log_weight > -jnp.inf
    nan = jnp.isnan(log_f) | (log_f == jnp.inf)
    terms = jnp.where(inside & ~nan, log_f + placed.log_weight, -jnp.inf)
    peak = jnp.maximum(sums.peak, terms.max())
    safe = jnp.where(jnp.isfinite(peak), peak, 0.0)
    old, p = jnp.exp(sums.peak - safe), jnp.exp(terms - safe)
    # A value may overflow where the density has vanished: 0 · ∞ must stay 0.
    off = jnp.where(p[:, None] > 0, found[:, NUM_PARTS:] - origin, 0.0)
    rows = jnp.arange(z.shape[1])[:, None]
    return Sums(
        peak=peak,
        total=sums.total * old + p.sum(),
        axes=(sums.axes * old).at[rows, placed.index.T].add(p),
        z=sums.z * old + p @ z,
        zz=sums.zz * old + (p[:, None] * z).T @ z,
        value=sums.value * old + p @ off,
        square=sums.square * old + p @ off**2,
        num_nan=sums.num_nan + (nan & inside).sum(),
    )


def _unravel(number: Any, nodes: Any, log_weights: Any, counts: Any) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return the coordinates, log weights and axis indices of numbered nodes."""
    index = []
    for j in reversed(range(len(nodes))):
        index.append(number % counts[j])
        number = number // counts[j]
    stacked = jnp.stack(index[::-1], axis=1)
    axis = jnp.arange(len(nodes))
    return nodes[axis, stacked], log_weights[axis, stacked].sum(axis=1), stacked


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

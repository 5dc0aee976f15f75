"""The streaming log-sum-exp that every rule ends in: memory does not grow with the number of nodes.

A tensor grid is never laid out. Node number i is unravelled into one index for each axis, a block of nodes at a time,
inside one compiled loop; sums are kept relative to the largest term met so far.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..compiler import compiled
from ..progress import Progress, quiet
from .rules import Axis

LONGEST_AXIS = 2**20  # nodes on one axis are laid out in memory; tensor grids of them are not
Kernel = Callable[[jax.Array], tuple[jax.Array, jax.Array]]  # position -> (log density, values to average)


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
    """Sums a kernel over tensor grids, with one compiled program for each dimension and longest axis."""

    def __init__(self, kernel: Kernel, dimension: int, terms_per_node: int = 1, progress: Progress = quiet):
        self._kernel, self._dimension, self._progress = kernel, dimension, progress
        # One block should fit a core's cache with the terms of its likelihood.
        self._block = int(np.clip(2 ** round(math.log2(2**17 / max(terms_per_node, 1))), 128, 8192))
        self.num_evaluations = 0
        self.rate = np.nan  # densities per second, compilation left out

    def run(self, frame: Frame, axes: Sequence[Axis], label: str = "grid", share: Share | None = None) -> Sums:
        """Sum the kernel, or a share of it, over the tensor grid of `axes` in the frame's z."""
        size = _padded(max(map(len, axes)))
        nodes = np.zeros((len(axes), size))
        log_weights = np.full((len(axes), size), -np.inf)
        for j, axis in enumerate(axes):
            nodes[j, : len(axis)], log_weights[j, : len(axis)] = axis.nodes, axis.log_weights
        counts = np.array([len(axis) for axis in axes])
        grid = (frame.centre, frame.scale, frame.log_det, nodes, log_weights, counts, share)
        total = math.prod(int(n) for n in counts)
        self.num_evaluations += total
        sums, start, chunk = self._empty(size), 0, 1
        num_blocks = -(-total // self._block)
        with self._progress.task(label, total) as advance:
            while start < num_blocks:  # a chunk at a time, so that progress and Ctrl-C get their turn
                stop = min(start + chunk, num_blocks)
                began = time.perf_counter()
                sums = jax.block_until_ready(_add_blocks(self._kernel, self._block, grid, sums, start, stop))
                spent = time.perf_counter() - began
                if start:  # the first call may have compiled
                    self.rate = (stop - start) * self._block / spent
                    chunk = int(np.clip(chunk * 0.3 / max(spent, 1e-6), 1, 4 * chunk))
                advance(min((stop - start) * self._block, total))
                start = stop
        return Sums(*(np.asarray(x) for x in sums))

    def origin(self, frame: Frame) -> np.ndarray:
        """Return the values that sums in this frame are relative to."""
        return np.asarray(_values(self._kernel, frame.centre))

    def _empty(self, size: int) -> Sums:
        d = self._dimension
        num_values = jax.eval_shape(self._kernel, jnp.zeros(d))[1].shape[0]
        values = jnp.zeros(num_values)
        zero = jnp.zeros(())
        return Sums(
            -jnp.inf + zero,
            zero,
            jnp.zeros((d, size)),
            jnp.zeros(d),
            jnp.zeros((d, d)),
            values,
            values,
            jnp.zeros((), int),
        )


@partial(compiled, static_argnums=0)
def _values(kernel: Kernel, position: Any) -> Any:
    return kernel(position)[1]


def _padded(length: int) -> int:
    """One of few lengths, so that few programs are compiled."""
    return next(size for size in (32, 256, 4096, 65536, LONGEST_AXIS) if length <= size)


@partial(compiled, static_argnums=(0, 1))
def _add_blocks(kernel: Kernel, block: int, grid: Any, sums: Sums, start: Any, stop: Any) -> Sums:
    centre, scale, log_det, nodes, log_weights, counts, share = grid
    num_nodes = jnp.prod(counts)
    origin = kernel(centre)[1]

    def add(i: Any, sums: Sums) -> Sums:
        number = i * block + jnp.arange(block)
        z, log_w, index = _unravel(number, nodes, log_weights, counts)
        position = centre + z @ scale.T
        log_f, values = jax.vmap(kernel)(position)
        if share is not None:
            log_f += jax.vmap(share.log_at)(position)
        inside = number < num_nodes
        nan = jnp.isnan(log_f) | (log_f == jnp.inf)
        terms = jnp.where(inside & ~nan, log_f + log_w + log_det, -jnp.inf)
        peak = jnp.maximum(sums.peak, terms.max())
        safe = jnp.where(jnp.isfinite(peak), peak, 0.0)
        old, p = jnp.exp(sums.peak - safe), jnp.exp(terms - safe)
        # A value may overflow where the density has vanished: 0 · ∞ must stay 0.
        off = jnp.where(p[:, None] > 0, values - origin, 0.0)
        rows = jnp.arange(len(counts))[:, None]
        return Sums(
            peak=peak,
            total=sums.total * old + p.sum(),
            axes=(sums.axes * old).at[rows, index.T].add(p),
            z=sums.z * old + p @ z,
            zz=sums.zz * old + (p[:, None] * z).T @ z,
            value=sums.value * old + p @ off,
            square=sums.square * old + p @ off**2,
            num_nan=sums.num_nan + (nan & inside).sum(),
        )

    return jax.lax.fori_loop(start, stop, add, sums)


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

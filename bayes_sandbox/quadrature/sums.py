"""Sums so far: of a block of rows, of the slab that is open, of the whole, all relative to the largest term."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .layout import Slab


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


def added(parts: Sequence[Sums]) -> Sums:
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

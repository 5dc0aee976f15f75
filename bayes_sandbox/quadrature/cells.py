"""Cells of the unit cube: what the embedded rules measured on each, and the tree they were split along."""

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..compiler import compiled
from ..progress import Progress, quiet
from .charts import Chart, place
from .embedded import Embedded, embedded
from .summing import Kernel

CAPACITY = 4096  # cells measured in one call; fewer are a shorter loop of the same program


class Measures(NamedTuple):
    """What one rule saw on each cell; sums are of exp(log g − peak), means over the cell, with g the density of t."""

    peak: Any  # (n,): the highest log g among the nodes
    fine: Any  # (n,)
    crude: Any  # (n,)
    rough: Any  # (n, d)
    value: Any  # (n, k): of (v − origin) times the density
    square: Any  # (n, k)
    fit: Any  # (n, b): coefficients of the polynomial that stands for the integrand
    misfit: Any  # (n,): how far the nodes are from it, root mean square
    num_bad: Any  # (n,): nodes at which the density was NaN or +∞


class Measurer:
    """Applies the embedded rule to thousands of cells at once, in one compiled program for all charts and counts."""

    def __init__(self, kernel: Kernel, dimension: int, terms_per_node: int = 1, progress: Progress = quiet):
        self._kernel, self.rule, self._progress = kernel, embedded(dimension), progress
        points = float(np.clip(2**17 / max(terms_per_node, 1), 128, 8192))
        self._block = int(np.clip(2 ** round(math.log2(points / len(self.rule))), 1, CAPACITY))
        self.num_evaluations = 0

    def measure(
        self, chart: Chart, origin: np.ndarray, low: np.ndarray, rest: np.ndarray, width: np.ndarray
    ) -> Measures:
        """Return the measures of cells (n, d), in as many calls as they need."""
        self.num_evaluations += len(low) * len(self.rule)
        parts = []
        for start in range(0, len(low), CAPACITY):
            cells = np.stack([a[start : start + CAPACITY] for a in (low, rest, width)])
            count = cells.shape[1]
            padded = np.full((3, CAPACITY, low.shape[1]), 0.5)
            padded[:, :count] = cells
            num_blocks = -(-count // self._block)
            found = _measure(self._kernel, low.shape[1], self._block, chart.arrays(), origin, padded, num_blocks)
            parts.append([np.asarray(x)[:count] for x in found])
        return Measures(*(np.concatenate(column) for column in zip(*parts)))


@partial(compiled, static_argnums=(0, 1, 2))
def _measure(
    kernel: Kernel, dimension: int, block: int, chart: Any, origin: Any, cells: Any, num_blocks: Any
) -> Measures:
    rule = embedded(dimension)
    one = partial(_one_cell, kernel, rule, chart, origin)
    low, rest, width = cells
    shapes = jax.eval_shape(jax.vmap(one), low, rest, width)
    empty = Measures(*(jnp.zeros(s.shape, s.dtype) for s in shapes))

    def add(i: Any, out: Measures) -> Measures:
        cut = [jax.lax.dynamic_slice_in_dim(a, i * block, block) for a in (low, rest, width)]
        found = jax.vmap(one)(*cut)
        return Measures(*(jax.lax.dynamic_update_slice_in_dim(o, f, i * block, 0) for o, f in zip(out, found)))

    return jax.lax.fori_loop(0, num_blocks, add, empty)


def _one_cell(kernel: Kernel, rule: Embedded, chart: Any, origin: Any, low: Any, rest: Any, width: Any) -> Measures:
    t = low + width * (1 + rule.nodes) / 2
    complement = rest + width * (1 - rule.nodes) / 2
    position, log_volume = jax.vmap(partial(place, chart))(t, complement)
    log_f, values = jax.vmap(kernel)(position)
    bad = jnp.isnan(log_f) | (log_f == jnp.inf)
    log_g = jnp.where(bad, -jnp.inf, log_f + log_volume)
    peak = log_g.max()
    p = jnp.exp(log_g - jnp.where(jnp.isfinite(peak), peak, 0.0))
    off = jnp.where(p[:, None] > 0, values - origin, 0.0)
    fit = rule.projection @ p
    weighted = (rule.fine * p)[:, None]
    return Measures(
        peak=peak,
        fine=rule.fine @ p,
        crude=rule.crude @ p,
        rough=jnp.abs(rule.differences @ p).sum(axis=1),
        value=(weighted * off).sum(axis=0),
        square=(weighted * off**2).sum(axis=0),
        fit=fit,
        misfit=jnp.sqrt(jnp.mean((p - rule.basis(rule.nodes) @ fit) ** 2)),
        num_bad=bad.sum(),
    )

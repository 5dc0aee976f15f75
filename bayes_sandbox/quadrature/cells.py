"""Cells of the unit cube: what the embedded rules measured on each, and the tree they were split along."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..compiler import compiled
from ..coordinates import NUM_PARTS, Coordinates
from .charts import Chart, place
from .embedded import embedded


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
    """Applies the embedded rule to thousands of cells, as many at a time as a chunk of nodes holds."""

    def __init__(self, coords: Coordinates):
        self._coords, self.rule = coords, embedded(coords.dimension)
        self._capacity = coords.chunk // len(self.rule)
        self.num_evaluations = 0

    def measure(
        self, chart: Chart, origin: np.ndarray, low: np.ndarray, rest: np.ndarray, width: np.ndarray
    ) -> Measures:
        """Return the measures of cells (n, d), in as many calls as they need."""
        self.num_evaluations += len(low) * len(self.rule)
        parts, arrays = list[tuple[int, Measures]](), jax.device_put(chart.arrays())
        for start in range(0, len(low), self._capacity):
            cells = np.stack([a[start : start + self._capacity] for a in (low, rest, width)])
            count = cells.shape[1]
            padded = np.full((3, self._capacity, low.shape[1]), 0.5)
            padded[:, :count] = cells
            position, log_volume = _place_cells(self._coords.chunk, arrays, padded)
            self._coords.num_evaluations += count * len(self.rule)
            found = self._coords.evaluate(position, count * len(self.rule))
            parts.append((count, _reduce_cells(low.shape[1], self._capacity, found, log_volume, origin)))
        columns = zip(*([np.asarray(x)[:count] for x in found] for count, found in parts))
        return Measures(*map(np.concatenate, columns))


@partial(compiled, static_argnums=0)
def _place_cells(chunk: int, chart: Any, cells: Any) -> tuple[Any, Any]:
    """Return positions (d, chunk) of the nodes of all cells and their log volume elements; the last are padding."""
    rule = embedded(cells.shape[2])
    low, rest, width = cells[:, :, None, :]
    t = (low + width * (1 + rule.nodes) / 2).reshape(-1, cells.shape[2])
    complement = (rest + width * (1 - rule.nodes) / 2).reshape(-1, cells.shape[2])
    position, log_volume = jax.vmap(partial(place, chart))(t, complement)
    return jnp.pad(position.T, ((0, 0), (0, chunk - len(position))), mode="edge"), log_volume


@partial(compiled, static_argnums=(0, 1))
def _reduce_cells(dimension: int, capacity: int, found: Any, log_volume: Any, origin: Any) -> Measures:
    rule = embedded(dimension)
    size = capacity * len(rule)
    log_f = sum(found[i, :size] for i in range(NUM_PARTS))
    bad = jnp.isnan(log_f) | (log_f == jnp.inf)
    log_g = jnp.where(bad, -jnp.inf, log_f + log_volume).reshape(capacity, -1)
    values = found[NUM_PARTS:, :size].T.reshape(*log_g.shape, -1)
    peak = log_g.max(axis=1)
    p = jnp.exp(log_g - jnp.where(jnp.isfinite(peak), peak, 0.0)[:, None])
    off = jnp.where(p[..., None] > 0, values - origin, 0.0)
    fit = p @ rule.projection.T
    return Measures(
        peak=peak,
        fine=p @ rule.fine,
        crude=p @ rule.crude,
        rough=jnp.abs(jnp.einsum("jmn,cn->cjm", rule.differences, p)).sum(axis=2),
        value=jnp.einsum("n,cn,cnk->ck", rule.fine, p, off),
        square=jnp.einsum("n,cn,cnk->ck", rule.fine, p, off**2),
        fit=fit,
        misfit=jnp.sqrt(jnp.mean((p - fit @ rule.basis(rule.nodes).T) ** 2, axis=1)),
        num_bad=bad.reshape(capacity, -1).sum(axis=1),
    )

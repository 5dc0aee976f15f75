"""Random points within cells: what do cells and points say of each other?

Within a cell c the nodes fix a polynomial P with a known mean. A random point y of a cell chosen with probability q
tells how far P is off there, and

    ∫ g = Σ_c V_c mean(P_c) + E[V_c (g(y) − P_c(y))/q_c]

holds whatever P is: an unbiased second opinion, whose error is small where P is good or where what P misses is little.
"""

from dataclasses import dataclass

import numpy as np

from ..coordinates import Coordinates
from .scouts import evaluated
from .subdivision import Points, Subdivision

BATCH = 2**15


@dataclass(frozen=True)
class Sample:
    """Random points of cells: log (density · cell volume / q) of each, and their estimate of the integral."""

    points: Points
    log_weights: np.ndarray
    log_value: float
    standard_error: float  # of log_value


def sample(coords: Coordinates, found: Subdivision, chance: np.ndarray, size: int, rng: np.random.Generator) -> Sample:
    """Choose cells with these chances, systematically, and a point in each."""
    q = chance / chance.sum()
    picks = np.searchsorted(np.cumsum(q), (np.arange(size) + rng.random()) / size)
    picks = np.minimum(picks, len(q) - 1)
    cells = found.leaves[picks]
    share = rng.random((size, len(found.chart.native)))
    x = found.tree.inside(cells, share)
    points = evaluated(coords, found.chart.frame.position(x), np.full(size, np.inf))
    log_volume = np.log(found.tree.nodes.width[cells]).sum(axis=1)
    log_weights = points.log_density + found.chart.log_volume(x) + log_volume - np.log(q[picks])
    fitted = np.concatenate([_fitted(found, c, s) for c, s in zip(_cut(cells), _cut(share))])
    scale = np.exp(found.columns.log_scale[cells] - found.peak) / q[picks]
    off = np.exp(log_weights - found.peak) - np.where(scale > 0, fitted * scale, 0.0)
    base = found.columns.fit[found.leaves, 0] @ np.exp(found.columns.log_scale[found.leaves] - found.peak)
    total = base + off.mean()
    error = off.std() / np.sqrt(size)
    log_value = found.peak + np.log(total) if total > 0 else -np.inf
    return Sample(points, log_weights, float(log_value), float(error / total) if total > 0 else np.inf)


def _cut(array: np.ndarray) -> list[np.ndarray]:
    return np.array_split(array, -(-len(array) // BATCH))


def _fitted(found: Subdivision, cells: np.ndarray, share: np.ndarray) -> np.ndarray:
    basis = found.measurer.rule.basis(2 * share - 1)
    return np.asarray((basis * found.columns.fit[cells]).sum(axis=1))


def by_misfit(found: Subdivision) -> np.ndarray:
    """Return chances under which the estimate is sharpest: by what the polynomial misses, and a little everywhere."""
    missed = np.exp(found.columns.log_doubt[found.leaves] - found.peak)
    return 0.8 * _share(missed + found.hidden) + 0.15 * _share(found.mass) + 0.05 / len(missed)


def by_mass(found: Subdivision) -> np.ndarray:
    """Return chances under which the weights of the points are most even: draws of the posterior."""
    return 0.95 * _share(found.mass) + 0.05 / len(found.mass)


def _share(weight: np.ndarray) -> np.ndarray:
    weight = np.maximum(weight, 0.0)
    return weight / max(weight.sum(), 1e-300)

"""Where to look before and after cutting: points that know of mass which nodes might miss."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..coordinates import Coordinates
from ..model import Model
from ..optimization import Hump
from ..seeds import as_rng
from .charts import Chart
from .frames import Frame
from .subdivision import Points, Subdivision

NUM_PRIOR = 16384  # all draws from the prior are kept: the highest of them sit in the largest peaks only
NUM_GUESSES = 1024
SURPRISE = 7.0  # nats above what the modes known predict
MOST_SURPRISES, NUM_FURTHER = 2000, 6
APART = 0.3  # of the central 68 % of the points, along some axis
OFF_CENTRE = 0.21
NUM_CLOUD = 128  # draws around each mode, at each of two widths
NEGLIGIBLE = 1e-12
PER_FACE = 8
LARGER = 1.5  # times the volume of a cell: a neighbour worth a look
NOTABLE = 1e-8  # of the integral, in a neighbour that is as dense
NARROWEST, WIDEST = 0.5, 30.0  # displacements of the halo, in widths of the cell they start from


def prior_positions(model: Model, coords: Coordinates, seed: Any) -> np.ndarray:
    """Return draws from the prior, or wide guesses where it cannot be drawn from."""
    if model.improper:
        return as_rng(seed, "prior").uniform(-4, 4, size=(NUM_PRIOR, model.dimension))
    drawn = coords.prior_positions(seed, NUM_PRIOR)
    return drawn[np.isfinite(drawn).all(axis=1)]


def first_points(
    coords: Coordinates, prior: np.ndarray, humps: Sequence[Hump], known: Sequence[np.ndarray], seed: Any
) -> Points:
    """Return the prior's positions, wide guesses, what is `known` beforehand, and every mode in a cloud of draws.

    A mode lying on the face of a cell has neighbours whose nodes may all read zero; its cloud does not.
    """
    d, rng, most = coords.dimension, as_rng(seed, "scouts"), coords.worth(NUM_PRIOR, NUM_PRIOR)
    pools = [prior[:most], rng.uniform(-4, 4, size=(min(NUM_GUESSES, most), d)), *known]
    return around(coords, pools, humps, rng)


def around(coords: Coordinates, pools: Sequence[np.ndarray], humps: Sequence[Hump], rng: np.random.Generator) -> Points:
    """Return the positions of these pools, and of a cloud around each mode."""
    pools, reaches = list(pools), [np.full(len(pool), np.inf) for pool in pools]
    normal = rng.normal(size=(2, NUM_CLOUD, coords.dimension))
    for hump in humps:
        cloud = np.concatenate([normal[0], 2 * normal[1], np.zeros((1, coords.dimension))]) @ hump.scale.T
        pools.append(hump.position + cloud)
        reaches.append(np.full(len(cloud), hump.log_mass - hump.log_density))
    return evaluated(coords, np.concatenate(pools), np.concatenate(reaches))


def unexplained(points: Points, humps: Sequence[Hump]) -> np.ndarray:
    """Return positions, the highest first and apart from each other, with far more density than the modes' Gaussians.

    The far side of a skewed mode is among them; climbs from there lead to the mode itself, and cost little.
    """
    points = points.finite()
    if not humps or not len(points.positions):
        return np.zeros((0, points.positions.shape[1]))
    predicted = np.full(len(points.positions), -np.inf)
    for hump in humps:
        z = np.linalg.solve(hump.scale, (points.positions - hump.position).T)
        predicted = np.maximum(predicted, hump.log_density - 0.5 * (z**2).sum(axis=0))
    order = np.argsort(-points.log_density)
    order = order[points.log_density[order] > predicted[order] + SURPRISE]
    low, high = np.quantile(points.positions, [0.1587, 0.8413], axis=0)
    chosen: list[np.ndarray] = []
    for x in points.positions[order[:MOST_SURPRISES]] / np.maximum(high - low, 1e-300):
        if len(chosen) < NUM_FURTHER and all(np.abs(x - c).max() > APART for c in chosen):
            chosen.append(x)
    return np.array(chosen).reshape(-1, points.positions.shape[1]) * np.maximum(high - low, 1e-300)


def charts_for(coords: Coordinates, prior: np.ndarray, frame: Frame | None) -> list[Chart]:
    """Return the charts worth a trial.

    Finite supports as they are and the rest as wide as the prior, the most robust; finite supports as they are and the
    rest whitened; and everything whitened, far cheaper on a correlated peak inside.
    """
    finite, d = coords.finite_axes, coords.dimension
    none = np.zeros(d, bool)
    centre, width = _middle(prior)
    # Kinks and steps are found at medians: a first cut right beside one would hide it from every node.
    centre, width = np.where(finite, 0.0, centre + OFF_CENTRE * width), np.where(finite, 1.0, width)
    charts = [Chart(Frame(centre, np.diag(width)), finite)]
    if frame is not None:
        if finite.any() and not finite.all():
            free = frame.covariance[np.ix_(~finite, ~finite)]
            scale = np.eye(d)
            scale[np.ix_(~finite, ~finite)] = np.linalg.cholesky(free)
            charts.append(Chart(Frame(np.where(finite, 0.0, frame.centre), scale), finite))
        charts.append(Chart(frame, none))
    return charts


def _middle(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return medians and half-widths of the central 68 %: what heavy tails cannot spoil."""
    low, middle, high = np.quantile(positions, [0.1587, 0.5, 0.8413], axis=0)
    return middle, np.clip((high - low) / 2, 1e-300, None)


def evaluated(coords: Coordinates, positions: np.ndarray, log_reach: np.ndarray) -> Points:
    """Return the points with their log densities; −∞ where a position or a density is none."""
    inside = np.isfinite(positions).all(axis=1)
    heights = coords.log_density_many(np.where(inside[:, None], positions, 0.0))
    return Points(positions, np.where(inside & (heights < np.inf), heights, -np.inf), log_reach)


def halo(coords: Coordinates, found: Subdivision, rng: np.random.Generator, size: int) -> Points:
    """Return points displaced from heavy cells: along one axis, along all, and along the difference of two others.

    Mass that is connected with what was found, or lies in line with it, shows up in one of these.
    """
    weight = np.maximum(found.mass, 0)
    frontier = weight > NEGLIGIBLE * weight.sum()  # what is missed joins what was found at its thin ends
    kinds = (weight, np.sqrt(weight), frontier.astype(float))
    picks = rng.choice(len(weight), size, p=sum(w / w.sum() for w in kinds) / len(kinds))
    cells = found.leaves[picks]
    d = len(found.chart.native)
    x = found.tree.inside(cells, rng.random((size, d)))
    t, rest = found.chart.cube(x)
    width = found.tree.nodes.width[cells]
    step = np.exp(rng.uniform(np.log(NARROWEST), np.log(WIDEST), (size, 1))) * rng.normal(size=(size, d)) * width
    single = np.eye(d, dtype=bool)[rng.integers(d, size=size)]
    step = np.where((rng.random(size) < 0.5)[:, None] & ~single, 0.0, step)
    moved = _reflected(found, t, rest, step)
    quarter = size // 4
    heavy = rng.choice(len(weight), (2, quarter), p=weight / weight.sum())
    one, other = (found.tree.inside(found.leaves[h], np.full((quarter, d), 0.5)) for h in heavy)
    moved[:quarter] = x[:quarter] + rng.choice([0.1, 0.3, 1.0, 1.5], (quarter, 1)) * (one - other)
    positions = found.chart.frame.position(moved)
    return evaluated(coords, positions, np.full(size, np.inf))


def border(coords: Coordinates, found: Subdivision, rng: np.random.Generator, most: int) -> Points:
    """Return points just across the faces of heavy cells, where the neighbour is larger.

    A ridge that leaves a small cell goes on in the next one; where that is large its nodes may all miss it.
    """
    d, nodes = len(found.chart.native), found.tree.nodes
    heavy = np.flatnonzero(found.mass > NEGLIGIBLE * found.total)
    heavy = rng.permutation(heavy)[: most // (2 * d)]
    heavy = np.tile(heavy, int(np.clip(most // (2 * d * max(len(heavy), 1)), 1, PER_FACE)))
    cells = np.repeat(found.leaves[heavy], 2 * d)
    axis, side = np.tile(np.repeat(np.arange(d), 2), len(heavy)), np.tile([0, 1], d * len(heavy))
    share = rng.random((len(cells), d))
    rows, across = np.arange(len(cells)), 0.5 * rng.random(len(cells))
    share[rows, axis] = np.where(side, 1 + across, -across)
    low, width = nodes.low[cells, axis], nodes.width[cells, axis]
    rest = nodes.rest[cells, axis]
    inside = np.where(side, rest > width, low > width)
    x = found.tree.inside(cells[inside], share[inside])
    size, own = np.log(nodes.width).sum(axis=1), cells[inside]
    neighbour = size[found.tree.descend(x, np.zeros(len(x), int))]
    could_hide = found.columns.peak[own] + neighbour - found.log_value > np.log(NOTABLE)
    positions = found.chart.frame.position(x[could_hide & (neighbour > size[own] + np.log(LARGER))])
    return evaluated(coords, positions, np.full(len(positions), np.inf))


def within(coords: Coordinates, found: Subdivision, leaves: np.ndarray, count: int, rng: np.random.Generator) -> Points:
    """Return so many random points in each of these leaves."""
    cells = np.repeat(found.leaves[leaves], count)
    x = found.tree.inside(cells, rng.random((len(cells), len(found.chart.native))))
    return evaluated(coords, found.chart.frame.position(x), np.full(len(x), np.inf))


def _reflected(found: Subdivision, t: np.ndarray, rest: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Return x of t + step, thrown back at the faces of the cube."""
    step = np.clip(step, -0.5, 0.5)
    low, high = t + step, rest - step
    t = np.where(low < 0, -low, np.where(high < 0, 1 + high, low))
    rest = np.where(high < 0, -high, np.where(low < 0, 1 + low, high))
    return found.chart.line(t, rest, np.arange(t.shape[1]))

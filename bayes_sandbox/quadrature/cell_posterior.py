"""The posterior from cells: a curve for each component, and draws."""

import numpy as np

from .charts import Chart
from .cutting import FIRST_CELLS
from .integral import CellIntegral
from .job import Job
from .posterior import FINE, NUM_PROPOSED, Drawn, Marginal, along
from .stratified import by_mass, sample
from .subdivision import Points, Subdivision

CURVE_ERROR, CURVE_WRONG = 1e-3, 0.1  # a curve is looked at, not compared to six digits
INTERVALS, WITHIN = 600, 8  # of a curve, and points in each
NO_SHARE = 1e-10  # of the mass: what a curve need not resolve
TAIL = 1e-7  # of the mass, left out at either end of a curve


def draw_from_cells(job: Job, integral: CellIntegral, shape: tuple[int, int]) -> Drawn:
    """Draw cells by their mass and a point in each, keep points by their weight."""
    found = integral.cut.found
    proposed = sample(job.coords, found, by_mass(found), job.coords.worth(*NUM_PROPOSED), job.rng)
    weight = np.exp(proposed.log_weights - proposed.log_weights.max())
    size = shape[0] * shape[1]
    kept = job.rng.choice(len(weight), size=size, p=weight / weight.sum())
    return Drawn(
        positions=proposed.points.positions[kept].reshape(*shape, -1),
        ess=float(weight.sum() ** 2 / (weight**2).sum() / len(weight) * size),
        log_evidence=integral.check.log_value,
        standard_error=integral.check.standard_error,
        unseen=0.0,  # the cells were cut until they explained every point that was known
        revealed=np.zeros((0, job.model.dimension)),
    )


def cell_marginal(job: Job, integral: CellIntegral, component: int, num_nodes: float) -> Marginal | None:
    """Return the marginal of a component that one position coordinate alone sets: the polynomials of all cells, summed.

    Where the axes of the cells are not the component's, the integral is cut again, roughly, in a chart whose first
    axis is; how far its sum is from the main one is the curve's `mass`. None where that takes too much.
    """
    coords, j = job.coords, int(job.coords.own_axis[component])
    found, axis = integral.cut.found, j
    if not _aligned(found.chart, j):
        frame = found.chart.frame.led_by(j)
        chart = Chart(frame, np.zeros(len(frame.centre), bool))
        seen = sample(coords, found, by_mass(found), 4096, job.rng).points
        found, axis = _roughly(job, chart, job.points.and_these(seen), num_nodes), 0
        if found.relative_error > CURVE_WRONG:
            return None
    t, density, spacing = axis_density(found, axis)
    mass = float(np.exp(found.peak - integral.log_value) * (density * spacing).sum())
    frame = found.chart.frame
    x = found.chart.line(t, 1 - t, np.full(len(t), axis))
    direction = frame.scale[:, axis]
    theta, slope = (np.asarray(v) for v in along(coords, component, frame.centre + np.outer(x, direction), direction))
    slope = np.abs(slope) * np.exp(np.minimum(found.chart.log_slope(t, axis), 300.0))  # a tail reaching to infinity
    return _curve(theta, density * spacing, density / np.maximum(slope, 1e-300), mass)


def _roughly(job: Job, chart: Chart, points: Points, num_nodes: float) -> Subdivision:
    """Cut cells that explain these points, for as long as a curve is worth."""
    found = Subdivision(job.measurer, chart, job.coords.flat_at(chart.frame.centre))
    start = job.measurer.num_evaluations
    found.halve_all(FIRST_CELLS)
    found.explain(points, keep=True)
    while found.relative_error > CURVE_ERROR and job.measurer.num_evaluations - start < num_nodes:
        if not found.refine():
            break
    return found


def _aligned(chart: Chart, j: int) -> bool:
    """Whether one axis of the chart is position coordinate j, and nothing else."""
    off = chart.frame.scale - np.diag(np.diag(chart.frame.scale))
    return bool(not off[j].any() and not off[:, j].any())


def axis_density(found: Subdivision, axis: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return points of t along an axis, the integral over all others there (relative to the peak), and spacings."""
    heavy = found.leaves[found.mass > NO_SHARE * found.total]
    nodes, rule = found.tree.nodes, found.measurer.rule
    low, width = nodes.low[heavy, axis], nodes.width[heavy, axis]
    edges = np.unique(np.r_[low, low + width])
    edges = edges[np.unique(np.linspace(0, len(edges) - 1, INTERVALS).astype(int))]
    gaps = np.diff(edges)
    points = (edges[:-1, None] + gaps[:, None] * (np.arange(WITHIN) + 0.5) / WITHIN).ravel()
    spacing = np.repeat(gaps / WITHIN, WITHIN)
    alone = np.flatnonzero(np.delete(rule.powers, axis, axis=1).sum(axis=1) == 0)
    fits = found.columns.fit[heavy][:, alone[np.argsort(rule.powers[alone, axis])]]
    scale = np.exp(found.columns.log_scale[heavy] - found.peak)
    first, last = np.searchsorted(points, low), np.searchsorted(points, low + width)
    thin = last == first  # cells between two points: all their mass goes to the nearer
    near = np.clip(first[thin], 0, len(points) - 1)
    density = np.bincount(near, fits[thin, 0] * scale[thin], len(points)) / spacing
    for start in range(0, len(heavy), 2**13):
        part = slice(start, start + 2**13)
        which, cell = _ranges(first[part], last[part])
        s = 2 * (points[which] - low[part][cell]) / width[part][cell] - 1
        values = (np.polynomial.legendre.legvander(s, fits.shape[1] - 1) * fits[part][cell]).sum(axis=1)
        density += np.bincount(which, values * (scale[part] / width[part])[cell], len(points))
    return points, np.maximum(density, 0.0), spacing


def _ranges(first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return every index from first to last of each range, and the range it belongs to."""
    counts = last - first
    owner = np.repeat(np.arange(len(counts)), counts)
    offset = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    return first[owner] + offset, owner


def _curve(theta: np.ndarray, share: np.ndarray, density: np.ndarray, mass: float) -> Marginal:
    """Lay a curve on even points, or on points even in its mass where the tails are long."""
    if theta[-1] < theta[0]:
        theta, share, density = theta[::-1], share[::-1], density[::-1]
    cdf = (np.cumsum(share) - share / 2) / share.sum()
    keep = np.r_[True, np.diff(theta) > 0] & np.isfinite(density)
    theta, cdf, density = theta[keep], cdf[keep], density[keep]
    low, inner, outer, high = np.interp([TAIL, 0.25, 0.75, 1 - TAIL], cdf, theta)
    x = np.linspace(low, high, FINE)
    if high - low > 60 * (outer - inner):
        inside = theta[(theta >= low) & (theta <= high)]
        x = np.interp(np.linspace(0, 1, 4 * FINE), np.linspace(0, 1, len(inside)), inside)
    with np.errstate(over="ignore", invalid="ignore"):  # the slope between neighbours close to zero may overflow
        height = np.interp(x, theta, density)
    below = density[np.searchsorted(theta[:-1], x, side="right") - 1]
    height = np.where(np.isfinite(height), height, below)
    return Marginal(x, height / np.trapezoid(height, x), np.interp(x, theta, cdf), mass)

"""Cells refined where the error is: what is known of an integral from the cells cut so far, and what is not.

For each cell the error is taken at two levels: how far the sum of two halves fell from their whole, and how far the
embedded rules are apart. Errors are summed over cells without hoping that they cancel. Points with more density than
any node of their cell has seen are *hidden mass*: they are charged to the error until the cell has been cut finely
enough to see them.
"""

from dataclasses import dataclass, fields

import numpy as np

from .cells import Measurer, Measures
from .charts import Chart
from .tree import Columns, Tree

UNSEEN = 1.0  # a point this much above the highest node of its cell (in log density) is one that the nodes missed
WORST = 0.9  # the share of the error that is refined in one pass
MOST = 2048  # cells split in one pass
FLATTEST = 2.0**12  # the longest side of a cell over its shortest
EACH = 0.1
LARGEST = 300.0  # log of an error: sums of many must stay finite
INHERITED = 0.1  # of what a polynomial missed in a cell, its halves may still hide where their nodes see none of it
NO_POLYNOMIAL = 0.08  # root mean square misfit, of the highest node
JUMP = {1: 0.6, 2: 1.05}  # dimension → the most by which a jump puts a sum off, over the misfit: tests/test_cells.py
SMOOTH = 0.1  # of the embedded difference is charged even where halving changes nothing


@dataclass(frozen=True)
class Points:
    """Positions where the density is known: `log_reach` is the log volume that a point can speak for, +∞ if unknown."""

    positions: np.ndarray
    log_density: np.ndarray
    log_reach: np.ndarray

    def and_these(self, other: "Points") -> "Points":
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return Points(*map(np.concatenate, pairs))

    def finite(self) -> "Points":
        keep = np.isfinite(self.log_density) & np.isfinite(self.positions).all(axis=1)
        return Points(self.positions[keep], self.log_density[keep], self.log_reach[keep])


class Subdivision:
    """A chart cut into cells, measured, with the points that the cells must be able to explain."""

    def __init__(self, measurer: Measurer, chart: Chart, origin: np.ndarray):
        self.chart, self.measurer, self._origin = chart, measurer, origin
        self.tree = Tree(chart)
        nodes = self.tree.nodes
        first = measurer.measure(chart, origin, nodes.low, nodes.rest, nodes.width)
        with np.errstate(divide="ignore"):
            log_error = np.log(np.abs(first.fine - first.crude)) + first.peak
        log_doubt = np.log(first.misfit + 1e-300) + first.peak
        self.columns = Columns(log_scale=first.peak, log_error=log_error, log_doubt=log_doubt, **first._asdict())
        d = len(chart.native)
        zero = np.zeros(0)
        self._points = Columns(x=np.zeros((0, d)), log_g=zero, log_mass=zero, cell=zero.astype(int), unseen=zero > 0)
        self._refresh()

    # --- what is known ---

    def _refresh(self) -> None:
        """Recompute, for the leaves, mass, error and hidden mass relative to the highest term."""
        self.leaves = self.tree.leaves
        columns, points = self.columns, self._points
        unseen = np.flatnonzero(points.unseen)
        log_hidden = np.minimum(points.log_g[unseen] + self._log_volume(points.cell[unseen]), points.log_mass[unseen])
        log_scale = columns.log_scale[self.leaves]
        tops = [x.max() for x in (log_scale, log_hidden) if len(x)]
        self.peak = max((t for t in tops if np.isfinite(t)), default=0.0)
        hidden = np.zeros(len(self.tree.nodes))
        np.maximum.at(hidden, points.cell[unseen], np.exp(np.minimum(log_hidden - self.peak, LARGEST)))
        self.mass = columns.fine[self.leaves] * np.exp(log_scale - self.peak)
        self.spread = np.exp(
            np.minimum(columns.log_error[self.leaves] - self.peak, LARGEST)
        )  # what the rules leave open
        self.hidden = hidden[self.leaves]
        self.error = self.spread + self.hidden
        self.total = float(self.mass.sum())

    @property
    def log_value(self) -> float:
        return self.peak + np.log(self.total) if self.total > 0 else -np.inf

    @property
    def relative_error(self) -> float:
        """The summed error over the integral; +∞ where nothing was found."""
        return float(self.error.sum() / self.total) if self.total > 0 else np.inf

    @property
    def bad_share(self) -> float:
        """What nodes at which the density was NaN or infinite would hold if they were like the others of their cell."""
        bad = self.columns.num_bad[self.leaves] / len(self.measurer.rule)
        return float((self.mass * bad).sum() / self.total) if self.total > 0 else 0.0

    def centres(self) -> np.ndarray:
        """Return positions in the middle of the leaves."""
        half = np.full((len(self.leaves), len(self.chart.native)), 0.5)
        return self.chart.frame.position(self.tree.inside(self.leaves, half))

    @property
    def edge_mass(self) -> float:
        """The share of the integral in cells that reach to infinity."""
        nodes, endless = self.tree.nodes, ~self.chart.native
        touching = (nodes.low[self.leaves] == 0) | (nodes.rest[self.leaves] == 0)
        return float(self.mass[(touching & endless).any(axis=1)].sum() / self.total) if self.total > 0 else np.nan

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and sd of the params, flat."""
        weight = np.exp(self.columns.log_scale[self.leaves] - self.peak) / self.total
        shift = weight @ self.columns.value[self.leaves]
        variance = weight @ self.columns.square[self.leaves] - shift**2
        return self._origin + shift, np.sqrt(np.maximum(variance, 0))

    def _log_volume(self, cells: np.ndarray) -> np.ndarray:
        return np.asarray(np.log(self.tree.nodes.width[cells]).sum(axis=-1))

    # --- what must be explained ---

    def explain(self, points: Points, keep: bool = False) -> float:
        """Add points that the cells must explain; return the hidden mass they reveal, relative to the integral.

        Those that cells explain already are forgotten unless they are to be kept: there will be others.
        """
        points = points.finite()
        x = self.chart.frame.inverse(points.positions)
        log_g = points.log_density + self.chart.log_volume(x)
        cell = self.tree.descend(x, np.zeros(len(x), int))
        unseen = log_g > self.columns.peak[cell] + UNSEEN
        log_mass = points.log_density + points.log_reach
        before = self.hidden.sum()
        rows = np.arange(len(x)) if keep else np.flatnonzero(unseen)
        added = {"x": x, "log_g": log_g, "log_mass": log_mass, "cell": cell, "unseen": unseen}
        self._points.extend(**{name: column[rows] for name, column in added.items()})
        peak = self.peak
        self._refresh()
        revealed = self.hidden.sum() - before * np.exp(peak - self.peak)
        return float(revealed / self.total) if self.total > 0 else np.inf

    # --- refining ---

    def halve_all(self, num_cells: int) -> None:
        """Halve every leaf across its widest side until there are so many."""
        while len(self.leaves) < num_cells:
            self._split(self.leaves, np.argmax(self.tree.nodes.width[self.leaves], axis=1))

    def uncover(self, negligible: float) -> np.ndarray:
        """Split the cells that hide more than this share of the integral until their nodes see what the points saw.

        Return the new leaves, by their place among all leaves: what was hidden in one half may go on in the other.
        """
        first = len(self.tree.nodes)
        while True:
            hiding = np.flatnonzero(self.hidden > negligible * max(self.total, 0.0))
            axis, possible = self._axis(self.leaves[hiding], np.ones(len(hiding), bool))
            if not possible.any():
                return np.flatnonzero(self.leaves >= first)
            self._split(self.leaves[hiding][possible], axis[possible])

    def refine(self) -> bool:
        """Split the cells that hold most of the error; False where none can be split any more."""
        order = np.argsort(-self.error)
        sums = np.cumsum(self.error[order])
        count = min(int(np.searchsorted(sums, WORST * sums[-1])) + 1, MOST)
        worst = order[:count][self.error[order[:count]] > 0]
        cells = self.leaves[worst]
        axis, possible = self._axis(cells, self.hidden[worst] > self.spread[worst])
        if not possible.any():
            return False
        self._split(cells[possible], axis[possible])
        return True

    def _axis(self, cells: np.ndarray, blind: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the axis along which each cell is roughest, or widest where its nodes see nothing; and whether it can
        be halved at all: float64 must still tell the nodes apart."""
        nodes, rows = self.tree.nodes, np.arange(len(cells))
        width, rough = nodes.width[cells], self.columns.rough[cells].copy()
        tight = width < 1e-12 * np.minimum(nodes.low[cells] + width, nodes.rest[cells] + width)
        free = np.where(tight, 0.0, width)
        rough[tight] = -1.0
        axis, widest = np.argmax(rough, axis=1), np.argmax(free, axis=1)
        vague = blind | (rough[rows, axis] < 1e-13) | (free[rows, widest] > FLATTEST * width[rows, axis])
        return np.where(vague, widest, axis), ~tight.all(axis=1)

    def _split(self, cells: np.ndarray, axis: np.ndarray) -> None:
        children = self.tree.split(cells, axis)
        nodes = self.tree.nodes
        found = self.measurer.measure(
            self.chart, self._origin, nodes.low[children], nodes.rest[children], nodes.width[children]
        )
        log_scale = found.peak + self._log_volume(children)
        log_error = self._two_levels(cells, found, log_scale)
        log_doubt = np.log(found.misfit + 1e-300) + np.where(np.isfinite(log_scale), log_scale, -1e30)
        log_doubt = np.maximum(log_doubt, np.repeat(self.columns.log_doubt[cells], 2) + np.log(INHERITED / 2))
        self.columns.extend(log_scale=log_scale, log_error=log_error, log_doubt=log_doubt, **found._asdict())
        points = self._points
        moved = np.flatnonzero(nodes.axis[points.cell] >= 0)
        points.cell[moved] = self.tree.descend(points.x[moved], points.cell[moved])
        points.unseen[moved] = points.log_g[moved] > self.columns.peak[points.cell[moved]] + UNSEEN
        self._refresh()

    def _two_levels(self, cells: np.ndarray, found: Measures, log_scale: np.ndarray) -> np.ndarray:
        """Return the log errors of the children of these cells.

        The change from the whole to its halves is shared between them in proportion to their embedded differences, and
        a tenth goes to each: halves that read nothing may have lost what the whole saw. Of the differences themselves
        as much is charged as that change was of the parent's, at least a tenth. Where no polynomial fits, the density
        may jump between two nodes, and the sum be off by half the larger weight of the two.
        """
        columns, pairs = self.columns, log_scale.reshape(-1, 2)
        scale = np.maximum(columns.log_scale[cells], pairs.max(axis=1))
        scale = np.where(np.isfinite(scale), scale, -1e30)
        unit = np.exp(pairs - scale[:, None])
        parent = np.exp(columns.log_scale[cells] - scale)
        change = np.abs(columns.fine[cells] * parent - (found.fine.reshape(-1, 2) * unit).sum(axis=1))
        apart = np.abs(found.fine - found.crude).reshape(-1, 2) * unit
        before = np.abs(columns.fine[cells] - columns.crude[cells]) * parent
        share = EACH + (1 - 2 * EACH) * apart / np.maximum(apart.sum(axis=1, keepdims=True), 1e-300)
        rough = np.clip(3 * change / np.maximum(before, 1e-300), SMOOTH, 1.0)
        error = np.maximum(change[:, None] * share, rough[:, None] * apart)
        misfit = found.misfit.reshape(-1, 2)
        jump = JUMP.get(len(self.chart.native), 0.0) * np.where(misfit > NO_POLYNOMIAL, misfit, 0.0)
        error = np.maximum(error, jump * unit)
        with np.errstate(divide="ignore"):
            return np.asarray((np.log(error) + scale[:, None]).ravel())

"""The unit cube cut in halves, and halves of halves: which cell does a point lie in?

A cell is kept by its distance from both faces of the cube along each axis, `low` and `rest`, so that cells near either
face keep all their digits; cuts are kept as numbers x of the whole line for the same reason.
"""

from typing import Any

import numpy as np

from .charts import Chart


class Columns:
    """Arrays of one length that grow together, in doublings."""

    def __init__(self, **rows: np.ndarray):
        self._store = {name: np.array(row) for name, row in rows.items()}
        self._size = len(next(iter(rows.values())))

    def __len__(self) -> int:
        return self._size

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._store:
            raise AttributeError(name)
        return self._store[name][: self._size]

    def extend(self, **rows: np.ndarray) -> None:
        """Append rows to every column; columns and rows go by the same names."""
        added = len(next(iter(rows.values())))
        for name, row in rows.items():
            column = self._store[name]
            if self._size + added > len(column):
                longer = np.zeros((max(2 * len(column), self._size + added), *column.shape[1:]), column.dtype)
                longer[: self._size] = column[: self._size]
                self._store[name] = column = longer
            column[self._size : self._size + added] = row
        self._size += added


class Tree:
    """Every cell that ever was; the leaves are those that were not split."""

    def __init__(self, chart: Chart):
        self.chart, d = chart, len(chart.native)
        none = np.full(1, -1)
        self.nodes = Columns(
            low=np.zeros((1, d)), rest=np.zeros((1, d)), width=np.ones((1, d)), axis=none, left=none, cut=np.zeros(1)
        )

    @property
    def leaves(self) -> np.ndarray:
        return np.flatnonzero(self.nodes.axis < 0)

    def split(self, cells: np.ndarray, axis: np.ndarray) -> np.ndarray:
        """Halve each cell along its axis; return the children, left and right in turn."""
        nodes, n = self.nodes, len(cells)
        low, rest, width = (np.repeat(a[cells], 2, axis=0) for a in (nodes.low, nodes.rest, nodes.width))
        left, right = np.arange(0, 2 * n, 2), np.arange(1, 2 * n, 2)
        half = width[left, axis] / 2
        for side in (left, right):
            width[side, axis] = half
        rest[left, axis] += half
        low[right, axis] += half
        nodes.axis[cells], nodes.left[cells] = axis, len(nodes) + left
        nodes.cut[cells] = self.chart.line(low[right, axis], rest[left, axis], axis)
        none = np.full(2 * n, -1)
        children = len(nodes) + np.arange(2 * n)
        nodes.extend(low=low, rest=rest, width=width, axis=none, left=none, cut=np.zeros(2 * n))
        return children

    def descend(self, x: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Return the leaves that hold points x (n, d), known to lie in these cells."""
        cells, inner = cells.copy(), np.flatnonzero(self.nodes.axis[cells] >= 0)
        while len(inner):
            at = cells[inner]
            cells[inner] = self.nodes.left[at] + (x[inner, self.nodes.axis[at]] >= self.nodes.cut[at])
            inner = inner[self.nodes.axis[cells[inner]] >= 0]
        return cells

    def inside(self, cells: np.ndarray, share: np.ndarray) -> np.ndarray:
        """Return x of the points at these shares (n, d) of the way through each cell."""
        nodes = self.nodes
        t = nodes.low[cells] + nodes.width[cells] * share
        rest = nodes.rest[cells] + nodes.width[cells] * (1 - share)
        return self.chart.line(t, rest, np.arange(t.shape[1]))

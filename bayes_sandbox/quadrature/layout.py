"""How is a tensor grid walked through? In blocks: a few rows of its leading axes, times all nodes of its trailing ones.

Within a block a position is the sum of what its row adds and what its column adds; moments and the sums along each axis
follow from sums over rows and over columns. Nothing is as long as the grid.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .rules import Axis

WIDE, WIDEST = 128, 2**11  # columns that are enough; beyond so many, a chunk of whole rows would waste its end
MOST_ROWS = 2**16  # laid out at a time


@dataclass(frozen=True)
class Table:
    """The nodes of a tensor grid of some axes, in rows: their indices, coordinates and log weights."""

    index: np.ndarray  # (n, axes)
    z: np.ndarray  # (n, axes)
    log_weight: np.ndarray  # (n,)

    def __len__(self) -> int:
        return len(self.log_weight)


@dataclass(frozen=True)
class Slab:
    """The nodes in `outer`, of the leading axes, times those in `inner`, of the trailing axes."""

    outer: Table
    inner: Table


def slabs(axes: Sequence[Axis], chunk: int) -> Iterator[Slab]:
    """Cut a grid into slabs, no row of which is longer than a chunk.

    >>> from .rules import gauss_hermite
    >>> [(len(s.outer), len(s.inner)) for s in slabs([gauss_hermite(9)] * 5, 2**14)]
    [(81, 729)]
    """
    counts = [len(axis) for axis in axes]
    split = len(axes) - 1
    while split > 0 and math.prod(counts[split:]) < WIDE and math.prod(counts[split - 1 :]) <= WIDEST:
        split -= 1
    num_rows, width = math.prod(counts[:split]), math.prod(counts[split:])
    longest = chunk if num_rows == 1 else WIDEST
    for first in range(0, width, longest):
        inner = _table(axes[split:], first, min(first + longest, width))
        for row in range(0, num_rows, MOST_ROWS):
            yield Slab(_table(axes[:split], row, min(row + MOST_ROWS, num_rows)), inner)


def _table(axes: Sequence[Axis], start: int, stop: int) -> Table:
    """Return nodes number start … stop of a grid; of no axes, one node without coordinates."""
    number, index = np.arange(start, stop), []
    for axis in reversed(axes):
        number, at = np.divmod(number, len(axis))
        index.append(at)
    columns = np.array(index[::-1], int).reshape(len(axes), stop - start)
    z = np.array([axis.nodes[at] for axis, at in zip(axes, columns)]).reshape(columns.shape)
    log_weight = np.sum([axis.log_weights[at] for axis, at in zip(axes, columns)], axis=0) + np.zeros(stop - start)
    return Table(columns.T, z.T, log_weight)

"""The streaming log-sum-exp that every rule ends in: memory does not grow with the number of nodes.

A tensor grid is never laid out, but for a block of nodes at a time (`layout`). The density at a block is the program
that everything else uses; what is left is weighing, and sums over the rows and columns of a matrix (`blocks`): NumPy's
on a CPU, block beside block on its cores, and the device's own on an accelerator. Sums are kept relative to the largest
term met so far (`sums`).
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np

from ..coordinates import Coordinates
from ..devices import from_all, side_by_side
from ..progress import Progress, quiet
from .blocks import Device, Host, affine, log_shares, on_host, rows_at_once
from .frames import Frame, Share
from .layout import Slab, slabs
from .rules import Axis
from .sums import Block, Running, Sums, added

LONGEST_AXIS = 2**20  # nodes on one axis are laid out in memory; tensor grids of them are not
DENSITY, LIKELIHOOD = (0, 1, 2), (1, 2)  # which parts of the log density are summed: all, or all but the prior


class Summer:
    """Sums a density over tensor grids, in float64; `single` has the density itself in float32."""

    def __init__(
        self, coords: Coordinates, parts: tuple[int, ...] = DENSITY, progress: Progress = quiet, single: bool = False
    ):
        self._coords, self._parts, self._progress, self._single = coords, parts, progress, single
        self._room: list[np.ndarray] = []  # laid out once, used again
        self._origins: dict[bytes, np.ndarray] = {}
        self._traced = False

    def run(self, frame: Frame, axes: Sequence[Axis], label: str = "grid", share: Share | None = None) -> Sums:
        """Sum the density, or a share of it, over the tensor grid of `axes` in the frame's z."""
        running, turns = Running([len(axis) for axis in axes], len(self.origin(frame))), itertools.count()
        with self._progress.task(label, math.prod(map(len, axes))) as advance:
            for slab in slabs(axes, self._coords.chunk):
                running.open(slab)
                # Progress and Ctrl-C get their turn.
                for block in self._blocks(frame, slab, share, turns):
                    running.add(block)
                    num = (block.rows.stop - block.rows.start) * len(slab.inner)
                    self._coords.num_evaluations += num
                    advance(num)
                running.close(slab)
        return added(from_all(running.sums()))

    def origin(self, frame: Frame) -> np.ndarray:
        """Return the params that sums in this frame are relative to, flat."""
        key = frame.centre.tobytes()
        if key not in self._origins:
            self._origins[key] = self._coords.flat_at(frame.centre)
        return self._origins[key]

    def _blocks(self, frame: Frame, slab: Slab, share: Share | None, turns: Iterator[int]) -> Iterator[Block]:
        """Sum one block of rows after another. Of several processes each does the blocks whose turn is its own."""
        chunk, batch = self._coords.chunk, self._coords.batch
        num_leading, num_columns = slab.outer.z.shape[1], len(slab.inner)
        outer = affine(slab.outer, frame.scale[:, :num_leading], frame.centre, frame.log_det)
        inner = affine(slab.inner, frame.scale[:, num_leading:], 0 * frame.centre, 0.0)
        beside, origin = np.column_stack([np.ones(len(slab.outer)), slab.outer.z]), self.origin(frame)
        side: Host | Device = Host(self._room) if on_host() else Device()

        def begun(rows: slice) -> Any:
            num = (rows.stop - rows.start) * num_columns
            placed = side.place(chunk, -(-num // batch) * batch, outer[:, rows], inner)
            if share is not None:
                placed = placed._replace(log_weight=placed.log_weight + log_shares(share, placed.position))
            found = self._coords.evaluate(placed.position, num, self._single)
            return rows, side.summed(self._parts, placed, found, origin, beside[rows], num_columns)

        if not self._traced:  # here, not by a thread
            self._coords.evaluate(np.zeros((len(frame.centre), chunk)), 0, self._single)
            self._traced = True
        each = rows_at_once(len(slab.outer), num_columns, chunk)
        everyone = range(0, len(slab.outer), each)
        mine = (start for start in everyone if next(turns) % jax.process_count() == jax.process_index())
        for rows, summed in side_by_side(begun, (slice(i, min(i + each, len(slab.outer))) for i in mine)):
            yield Block(rows, *side.told(summed))

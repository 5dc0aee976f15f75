"""What there is to compute on: the devices of this process, side by side, and the other processes of the run.

Many points are cut into batches. The devices of a process share them, by one program over a mesh. In a run of several
processes, joined by `jax.distributed.initialize`, each takes its turn at the blocks of a large sum, and what they found
is added in the end: all have to make the same calls, with the same seeds. Nothing else has to be said; the same code
runs on one CPU and on many GPUs.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

LANE = "lane"  # the one axis of the mesh


@functools.cache
def mesh() -> jax.sharding.Mesh:
    """Return the devices of this process, in a row."""
    devices = jax.local_devices()
    return jax.sharding.Mesh(np.array(devices), (LANE,))


def num_lanes() -> int:
    """Return how many devices of this process share the work."""
    return int(mesh().size)


def agreed(value: float) -> float:
    """Return a number that was measured, as the first process measured it: all have to decide alike."""
    if jax.process_count() == 1:
        return value
    from jax.experimental import multihost_utils

    return float(multihost_utils.broadcast_one_to_all(jnp.asarray(value)))


def from_all(tree: Any) -> list[Any]:
    """Return what every process has, arrays of the same shapes; a list of one where there is one."""
    if jax.process_count() == 1:
        return [tree]
    from jax.experimental import multihost_utils

    gathered = jax.tree.map(np.asarray, multihost_utils.process_allgather(tree))
    return [jax.tree.map(lambda x, i=i: x[i], gathered) for i in range(jax.process_count())]

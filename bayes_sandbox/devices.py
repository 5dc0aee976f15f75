"""What there is to compute on: the devices of this process, a CPU's cores, and the other processes of the run.

Many points are cut into batches. The devices of a process share them, by one program over a mesh. Where there is one
device, a CPU, threads take turns at them: a program on a few thousand points hardly uses more than a core. In a run of
several processes, joined by `jax.distributed.initialize`, each takes its turn at the blocks of a large sum, and what
they found is added in the end: all have to make the same calls, with the same seeds. Nothing else has to be said; the
same code runs on one CPU and on many GPUs.
"""

import functools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

LANE = "lane"  # the one axis of the mesh
MOST_THREADS = 16  # beyond, they wait for Python and for memory


@functools.cache
def mesh() -> jax.sharding.Mesh:
    """Return the devices of this process, in a row."""
    devices = jax.local_devices()
    return jax.sharding.Mesh(np.array(devices), (LANE,))


def num_lanes() -> int:
    """Return how many devices of this process share the work."""
    return int(mesh().size)


@functools.cache
def num_threads() -> int:
    """Return how many threads give this process's device something to do.

    Where it is a CPU, one more than it has cores: one of them is always between two calls.
    """
    if jax.default_backend() != "cpu" or num_lanes() > 1:
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores + 1, MOST_THREADS)


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(num_threads(), "bayes_sandbox")


def side_by_side[Item, Found](do: Callable[[Item], Found], items: Iterable[Item]) -> Iterator[Found]:
    """Yield do(item), item after item, while threads are at the next few.

    What `do` runs must have been traced before: NumPyro's handlers are one stack, of one thread at a time.

    >>> list(side_by_side(abs, [-2, 1, -3]))
    [2, 1, 3]
    """
    waiting = deque[Future[Found]]()
    try:
        for item in items:
            waiting.append(_threads().submit(do, item))
            if len(waiting) > 2 * num_threads() + 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for late in waiting:
            late.cancel()


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

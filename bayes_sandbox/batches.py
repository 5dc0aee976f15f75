"""Many points through a function of one: one compiled program, a loop over batches that fit a core's cache."""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec

from .compiler import compiled
from .devices import LANE, mesh, num_lanes, side_by_side
from .rewriting import rewritten

Function = Callable[[jax.Array], jax.Array]  # a point (d,) → a scalar or an array


@functools.cache
def chunk_size(numbers_per_point: int = 32) -> int:
    """Return how many points go to the device in one call, when each gives so many numbers.

    Enough to be worth the call, few enough for memory and for progress.
    """
    numbers, least, most = (2**19, 2**12, 2**16) if jax.default_backend() == "cpu" else (2**24, 2**14, 2**19)
    return num_lanes() * int(np.clip(2 ** round(math.log2(numbers / numbers_per_point)), least, most))


@functools.cache
def batch_size(terms_per_point: int) -> int:
    """Return how many points are evaluated at once, when each has so many terms: what a core's cache holds."""
    terms, most = (2**17, 2**13) if jax.default_backend() == "cpu" else (2**26, 2**19)
    return int(np.clip(2 ** round(math.log2(terms / max(terms_per_point, 1))), 16, most))


@functools.partial(compiled, static_argnums=(0, 1))
def evaluate(function: Function, batch: int, points: Any, num_batches: Any) -> jax.Array:
    """Return the function at the first `num_batches` batches of points (d, n), zero at the rest; n a multiple.

    Points are columns, and so are the results (…, n): whatever is asked of all points lies together in memory.

    Several devices share the batches, the first of them first.
    """
    lanes, (_, num) = num_lanes(), points.shape
    if lanes == 1 or num % (lanes * batch):
        return _evaluate(function, batch, points, num_batches)
    held = num // (lanes * batch)
    each = jnp.clip(num_batches - held * jnp.arange(lanes), 0, held)
    across = jax.eval_shape(jax.vmap(function, in_axes=1, out_axes=-1), points).ndim - 1
    lane, lanes_last = PartitionSpec(LANE), PartitionSpec(*[None] * across, LANE)

    def one(points: Any, num_batches: Any) -> jax.Array:
        return _evaluate(function, batch, points, num_batches[0])

    specs: dict[str, Any] = {"in_specs": (PartitionSpec(None, LANE), lane), "out_specs": lanes_last}
    return jax.shard_map(one, mesh=mesh(), check_vma=False, **specs)(points, each)


def _evaluate(function: Function, batch: int, points: Any, num_batches: Any) -> jax.Array:
    columns = jax.vmap(function, in_axes=1, out_axes=-1)
    shape, many = jax.eval_shape(columns, points), rewritten(columns)

    def add(i: Any, out: Any) -> Any:
        found = many(jax.lax.dynamic_slice_in_dim(points, i * batch, batch, 1))
        return jax.lax.dynamic_update_slice_in_dim(out, found, i * batch, out.ndim - 1)

    return jax.lax.fori_loop(0, num_batches, add, jnp.zeros(shape.shape, shape.dtype))


def in_batches(function: Function, batch: int, chunk: int | None = None) -> Callable[[Any], np.ndarray]:
    """Return the function of any number of points (…, d); functions that are equal share their program.

    >>> in_batches(jnp.sum, batch=4)(np.ones((2, 3, 5)))
    array([[5., 5., 5.],
           [5., 5., 5.]])
    """

    def many(points: Any) -> np.ndarray:
        points = np.asarray(points, float)
        rows, size = points.reshape(-1, points.shape[-1]), chunk or chunk_size()
        if not len(rows):
            shape = jax.eval_shape(function, jax.ShapeDtypeStruct(rows.shape[1:], float)).shape
            return np.zeros(points.shape[:-1] + shape)

        def some(start: int) -> np.ndarray:
            block = rows[start : start + size]
            # Padding repeats the last point: a program may not like numbers of its own.
            padded = np.concatenate([block, np.broadcast_to(block[-1:], (size - len(block), block.shape[1]))])
            found = np.asarray(evaluate(function, batch, padded.T, -(-len(block) // batch)))
            return np.moveaxis(found[..., : len(block)], -1, 0)

        if len(rows) <= size:
            results = [some(0)]
        else:
            evaluate(function, batch, np.zeros((rows.shape[1], size)), 0)  # traced here, before threads ask for it
            results = [*side_by_side(some, range(0, len(rows), size))]
        stacked = np.concatenate(results)
        return stacked.reshape(points.shape[:-1] + stacked.shape[1:])

    return many

"""Many points through a function of one: one compiled program, a loop over batches that fit a core's cache."""

import functools
import math
from collections import deque
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec

from .compiler import compiled
from .devices import LANE, mesh, num_lanes, num_threads, side_by_side
from .rewriting import rewritten

Function = Callable[[jax.Array], jax.Array]  # a point (d,) → a scalar or an array
FEWEST = 2  # points evaluated at once: one alone would be another program, without the loop over points
SHARED = 64  # batches that are worth more than one thread
MOST_SPARE = 8  # shapes of results that are kept to be written over
_spare: dict[Any, deque[jax.Array]] = {}


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
    return int(np.clip(2 ** round(math.log2(terms / max(terms_per_point, 1))), FEWEST, most))


def evaluate(function: Function, batch: int, points: Any, num_batches: Any) -> jax.Array:
    """Return the function at the first `num_batches` batches of points (d, n), whatever at the rest; n a multiple.

    Points are columns, and so are the results (…, n): whatever is asked of all points lies together in memory.
    Whoever needs them no longer may say so (`done_with`). Several devices share the batches, the first of them first.
    """
    lanes, (_, num) = num_lanes(), points.shape
    if lanes > 1 and num % (lanes * batch) == 0:
        return _shared(function, batch, points, num_batches)
    if jax.default_backend() != "cpu":
        return _afresh(function, batch, points, num_batches)
    shape = _shape(function, points.shape)
    try:
        room: Any = _spare[shape.shape, shape.dtype].pop()
    except LookupError:
        room = np.zeros(shape.shape, shape.dtype)
    found: jax.Array = _over(function, batch, points, num_batches, room)
    return found


def done_with(found: jax.Array) -> None:
    """Let a later `evaluate` write over these results, which nobody may ask again. NumPy's views of them are safe.

    Memory that the system has to clear costs as much as a cheap density. Of a view that is left a copy is made first.
    """
    if jax.default_backend() == "cpu" and num_lanes() == 1:
        key = found.shape, found.dtype
        if key not in _spare and len(_spare) >= MOST_SPARE:
            _spare.pop(next(iter(_spare)), None)
        _spare.setdefault(key, deque(maxlen=num_threads() + 1)).append(found)


@functools.lru_cache(maxsize=256)
def _shape(function: Function, shape: tuple[int, ...]) -> Any:
    return jax.eval_shape(_columns(function), jax.ShapeDtypeStruct(shape, float))


def _columns(function: Function) -> Callable[[Any], jax.Array]:
    return jax.vmap(function, in_axes=1, out_axes=-1)


def _fill(function: Function, batch: int, points: Any, num_batches: Any, out: Any) -> jax.Array:
    many = rewritten(_columns(function))

    def add(i: Any, out: Any) -> Any:
        found = many(jax.lax.dynamic_slice_in_dim(points, i * batch, batch, 1))
        return jax.lax.dynamic_update_slice_in_dim(out, found, i * batch, out.ndim - 1)

    return jax.lax.fori_loop(0, num_batches, add, out)


def _fill_new(function: Function, batch: int, points: Any, num_batches: Any) -> jax.Array:
    shape = jax.eval_shape(_columns(function), points)
    return _fill(function, batch, points, num_batches, jnp.zeros(shape.shape, shape.dtype))


_over = functools.partial(compiled, static_argnums=(0, 1), donate_argnums=4)(_fill)
_afresh = functools.partial(compiled, static_argnums=(0, 1))(_fill_new)


@functools.partial(compiled, static_argnums=(0, 1))
def _shared(function: Function, batch: int, points: Any, num_batches: Any) -> jax.Array:
    lanes = num_lanes()
    held = points.shape[1] // (lanes * batch)
    each = jnp.clip(num_batches - held * jnp.arange(lanes), 0, held)
    across = jax.eval_shape(_columns(function), points).ndim - 1
    lane, lanes_last = PartitionSpec(LANE), PartitionSpec(*[None] * across, LANE)

    def one(points: Any, num_batches: Any) -> jax.Array:
        return _fill_new(function, batch, points, num_batches[0])

    specs: dict[str, Any] = {"in_specs": (PartitionSpec(None, LANE), lane), "out_specs": lanes_last}
    return jax.shard_map(one, mesh=mesh(), check_vma=False, **specs)(points, each)


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

        num_batches = -(-len(rows) // batch)
        each = size if num_batches < SHARED else min(size, batch * -(-num_batches // num_threads()))

        def some(start: int) -> np.ndarray:
            block = rows[start : start + each]
            # Padding repeats the last point: a program may not like numbers of its own.
            padded = np.concatenate([block, np.broadcast_to(block[-1:], (size - len(block), block.shape[1]))])
            found = evaluate(function, batch, padded.T, -(-len(block) // batch))
            kept = np.moveaxis(np.asarray(found)[..., : len(block)], -1, 0).copy()
            done_with(found)
            return kept

        if len(rows) <= each:
            results = [some(0)]
        else:
            evaluate(function, batch, np.zeros((rows.shape[1], size)), 0)  # traced here, before threads ask for it
            results = [*side_by_side(some, range(0, len(rows), each))]
        stacked = np.concatenate(results)
        return stacked.reshape(points.shape[:-1] + stacked.shape[1:])

    return many

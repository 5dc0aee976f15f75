"""One block of a tensor grid: placed, weighed and summed, by NumPy on a CPU, or on the device where the density is."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..batches import done_with
from ..compiler import compiled
from ..coordinates import NUM_PARTS
from .frames import Share
from .layout import Table
from .sums import Reduced

SMALL = 2**14  # nodes that are not worth two blocks


class Placed(NamedTuple):
    """Some rows of a slab, laid out: positions (d, chunk) and log weights."""

    position: Any
    log_weight: Any
    laid: Any = None  # the memory they lie in, if it is ours


def rows_at_once(num_rows: int, num_columns: int, chunk: int) -> int:
    """Return how many rows of a slab are a block: what a chunk holds, or fewer, for an even number of equal blocks.

    Two cores are then done at the same time. How many cores there are has no say: the sum would depend on it.

    >>> rows_at_once(315, 315, 2**16)
    158
    """
    most = chunk // num_columns
    if not on_host() or num_rows * num_columns < SMALL:
        return most
    return -(-num_rows // (2 * -(-num_rows // (2 * most))))


def on_host() -> bool:
    """Whether arrays of the device are NumPy's to read, without a copy."""
    return jax.default_backend() == "cpu"


def affine(table: Table, scale: np.ndarray, centre: np.ndarray, log_det: float) -> np.ndarray:
    """Return what each node of some axes adds to the position, and its log weight: (dimension + 1, n)."""
    return np.vstack([centre[:, None] + scale @ table.z.T, table.log_weight + log_det])


def _reduced(p: Any, found: Any, origin: Any, beside: Any, num_columns: int) -> Reduced:
    """Sum a block in plain algebra, on whichever side its arrays are: NumPy's, or one compiled for its shape."""
    block, off = p[: len(beside) * num_columns].reshape(len(beside), num_columns), found[NUM_PARTS:] - origin[:, None]
    return Reduced(beside.T @ block, block.sum(axis=1), off @ p, (off * off) @ p)


def _reduced_in(
    room: np.ndarray, p: np.ndarray, found: np.ndarray, origin: np.ndarray, beside: np.ndarray, num_columns: int
) -> Reduced:
    """Sum a block as `_reduced` does, one value after another, in memory that is there: in a fifth of the time."""
    block, moments = p.reshape(len(beside), num_columns), np.empty((2, len(origin)))
    for i, value in enumerate(found[NUM_PARTS:]):
        np.subtract(value, origin[i], out=room)
        moments[0, i] = np.einsum("n,n->", room, p)
        room *= room
        moments[1, i] = np.einsum("n,n->", room, p)
    return Reduced(beside.T @ block, block.sum(axis=1), *moments)


def _checked(sums: Reduced, p: Any, found: Any, *rest: Any) -> tuple[Reduced, int]:
    """Return sums that are numbers, and how many p were NaN, which counts as zero.

    A value may overflow where p is zero: 0 · ∞ is 0 here.
    """
    if all(np.isfinite(part).all() for part in sums):
        return sums, 0
    p, found = np.asarray(p), np.asarray(found)
    bad = np.isnan(p)
    p = np.where(bad, 0.0, p)
    with np.errstate(invalid="ignore", over="ignore"):
        return _reduced(p, np.where(p > 0, found, 0.0), *rest), int(bad.sum())


class Host:
    """Blocks placed, weighed and summed by NumPy, each by whichever thread asked for its densities.

    What is placed lies in (dimension + 3, chunk): positions, their log weights, and room for p and what it weighs.
    """

    def __init__(self, room: list[np.ndarray]) -> None:
        self._room = room

    def place(self, chunk: int, asked: int, outer: np.ndarray, inner: np.ndarray) -> Placed:
        """Lay out outer (d + 1, r) by inner (d + 1, w), then one point over and over, as far as densities are asked."""
        num = outer.shape[1] * inner.shape[1]
        laid = self._room.pop() if self._room else np.zeros((len(outer) + 2, chunk))
        np.add(outer[:, :, None], inner[:, None], out=laid[:-2, :num].reshape(*outer.shape, -1))
        laid[:-2, num:asked] = laid[:-2, :1]
        return Placed(laid[:-3], laid[-3], laid)

    def summed(
        self, parts: tuple[int, ...], placed: Placed, found: Any, origin: Any, beside: Any, num_columns: int
    ) -> tuple[float, Reduced, int]:
        """Return the peak of a block, its sums, and how many densities were no number."""
        num, asked = len(beside) * num_columns, found
        found, log_weight, p = np.asarray(asked)[:, :num], np.asarray(placed.log_weight)[:num], placed.laid[-2, :num]
        with np.errstate(invalid="ignore", over="ignore"):
            np.add(found[parts[0]], found[parts[1]], out=p)
            for i in parts[2:]:
                p += found[i]
            p += log_weight
            peak = p.max()
            bad = None
            if not peak < np.inf:  # no number, or a density without bound
                bad = ~(sum(found[i] for i in parts) < np.inf)
                p[bad] = -np.inf
                peak = p.max()
            p -= peak if np.isfinite(peak) else 0.0
            np.exp(p, out=p)
            if bad is not None:
                p[bad & (log_weight > -np.inf)] = np.nan
            rest = origin, beside, num_columns
            sums, num_nan = _checked(_reduced_in(placed.laid[-1, :num], p, found, *rest), p, found, *rest)
        del found
        self._room.append(placed.laid)
        done_with(asked)
        return float(peak), sums, num_nan

    def told(self, summed: tuple[float, Reduced, int]) -> tuple[float, Reduced, int]:
        return summed


class Device:
    """Blocks placed, weighed and summed where the density is, one after the other, while the host goes on."""

    def place(self, chunk: int, asked: int, outer: np.ndarray, inner: np.ndarray) -> Placed:
        """Lay out as on the host, to the end of the chunk: one program for all. What is beyond weighs nothing."""
        return Placed(*_place_on_device(chunk, outer, inner))

    def summed(self, parts: tuple[int, ...], placed: Placed, found: Any, *rest: Any) -> Any:
        peak, p = _weigh_on_device(parts, found, placed.log_weight)
        return peak, _reduced_on_device(p, found, *rest), p, found, *rest

    def told(self, summed: Any) -> tuple[float, Reduced, int]:
        """Wait for what `summed` has begun."""
        peak, sums, *whence = summed
        return float(peak), *_checked(Reduced(*map(np.array, sums)), *whence)


@partial(compiled, static_argnums=0)
def _place_on_device(chunk: int, outer: Any, inner: Any) -> tuple[jax.Array, jax.Array]:
    laid = (outer[:, :, None] + inner[:, None]).reshape(len(outer), -1)
    padded = jnp.full((len(outer), chunk), laid[:, :1]).at[-1].set(-jnp.inf).at[:, : laid.shape[1]].set(laid)
    return padded[:-1], padded[-1]


@compiled
def log_shares(share: Share, position: Any) -> jax.Array:
    return jax.vmap(share.log_at, in_axes=1)(position)


@partial(compiled, static_argnums=0)
def _weigh_on_device(parts: tuple[int, ...], found: Any, log_weight: Any) -> tuple[jax.Array, jax.Array]:
    """Return the largest term and p relative to it, NaN where the density is no number."""
    log_f = sum(found[i] for i in parts)
    terms = jnp.where(log_f < jnp.inf, log_f + log_weight, -jnp.inf)  # not NaN, either
    peak = terms.max()
    p = jnp.exp(terms - jnp.where(jnp.isfinite(peak), peak, 0.0))
    return peak, jnp.where((log_f < jnp.inf) | (log_weight == -jnp.inf), p, jnp.nan)


_reduced_on_device = partial(compiled, static_argnums=4)(_reduced)

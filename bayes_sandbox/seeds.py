"""One seed in, one typed key or one NumPy generator out."""

import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .arguments import shown
from .errors import ArgumentTypeError

MIN_JAX_SEED, MAX_JAX_SEED = -(2**63), 2**63 - 1  # jax.random.key takes a signed integer of 64 bits


def as_key(seed: Any) -> jax.Array:
    """Return a typed JAX key from an integer or a key.

    JAX takes integers of 64 bits; NumPy's `SeedSequence` makes a key of those that have more.

    >>> as_key(3) == jax.random.key(3)
    Array(True, dtype=bool)
    >>> bool(as_key(2**70) == as_key(2**70)), bool(as_key(2**70) == as_key(-(2**70)))
    (True, False)
    """
    if _is_integer(seed):
        if MIN_JAX_SEED <= seed <= MAX_JAX_SEED:
            return jax.random.key(int(seed))
        words = np.random.SeedSequence([abs(int(seed)), int(seed < 0)]).generate_state(2, np.uint32)
        return jax.random.wrap_key_data(jnp.asarray(words))
    if isinstance(seed, jax.Array) and jnp.issubdtype(seed.dtype, jax.dtypes.prng_key) and seed.shape == ():
        return seed
    if isinstance(seed, jax.Array) and seed.dtype == jnp.uint32 and seed.shape == (2,):
        return jax.random.wrap_key_data(seed)  # what jax.random.PRNGKey makes
    raise ArgumentTypeError(
        f"seed must be an integer or one JAX key, got {shown(seed)}; pass for example seed=0 or seed=jax.random.key(0)"
    )


def check_seed(seed: Any) -> None:
    """Raise `ArgumentTypeError` for what is neither an integer nor one JAX key."""
    if not _is_integer(seed):  # an integer is one without a program that makes the key
        as_key(seed)


def as_rng(seed: Any, use: str) -> np.random.Generator:
    """Return a NumPy generator for one use of a seed; each use has a stream of its own.

    What need not run on a device is drawn by NumPy: JAX compiles a program for every shape it draws.

    >>> bool(as_rng(3, "x").normal() == as_rng(as_key(3), "x").normal())
    True
    """
    return np.random.default_rng([*_words(seed), zlib.crc32(use.encode())])


def _is_integer(seed: Any) -> bool:
    return isinstance(seed, int | np.integer) and not isinstance(seed, bool)


def _words(seed: Any) -> list[int]:
    """Return the two words of a key; those of a small integer are known without a program that makes it."""
    if _is_integer(seed) and 0 <= seed < 2**32:
        return [0, int(seed)]
    return np.asarray(jax.random.key_data(as_key(seed))).tolist()

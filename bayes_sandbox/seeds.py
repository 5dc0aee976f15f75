"""One seed in, one typed key or one NumPy generator out."""

import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def as_key(seed: Any) -> jax.Array:
    """Return a typed JAX key from an integer or a key.

    >>> as_key(3) == jax.random.key(3)
    Array(True, dtype=bool)
    """
    if isinstance(seed, int | np.integer) and not isinstance(seed, bool):
        return jax.random.key(int(seed))
    if isinstance(seed, jax.Array) and jnp.issubdtype(seed.dtype, jax.dtypes.prng_key):
        return seed
    if isinstance(seed, jax.Array) and seed.dtype == jnp.uint32 and seed.ndim == 1:
        return jax.random.wrap_key_data(seed)  # what jax.random.PRNGKey makes
    raise TypeError(f"seed must be an integer or a JAX key (jax.random.key), got {type(seed).__name__}")


def as_rng(seed: Any, use: str) -> np.random.Generator:
    """Return a NumPy generator for one use of a seed; each use has a stream of its own.

    What need not run on a device is drawn by NumPy: JAX compiles a program for every shape it draws.

    >>> bool(as_rng(3, "x").normal() == as_rng(as_key(3), "x").normal())
    True
    """
    return np.random.default_rng([*np.asarray(jax.random.key_data(as_key(seed))).tolist(), zlib.crc32(use.encode())])

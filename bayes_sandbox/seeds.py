"""One seed in, one typed key out."""

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

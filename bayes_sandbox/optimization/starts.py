"""Where climbs begin: draws from the prior, and wide guesses where the prior cannot be drawn from or is too vague."""

import jax
import numpy as np

from ..coordinates import Coordinates
from ..model import Model


def starting_positions(model: Model, coords: Coordinates, key: jax.Array, num_starts: int) -> np.ndarray:
    """Return `num_starts` positions of finite density: half wide guesses, half prior draws where there are any.

    Fewer come back where fewer have a finite density; an empty array means none had.
    """
    guess_key, prior_key = jax.random.split(key)
    wide = np.asarray(jax.random.uniform(guess_key, (32 * num_starts, model.dimension), minval=-2, maxval=2))
    origin = np.zeros((1, model.dimension))
    pools = [np.concatenate([origin, wide])]
    if not model.improper:
        draws = model.sample_prior(prior_key, 32 * num_starts)
        pools.append(coords.unconstrain_many(draws, (32 * num_starts,)))
    chosen = [_finite(coords, pool)[: -(-num_starts // len(pools))] for pool in pools]
    return np.concatenate(chosen)[:num_starts] if any(map(len, chosen)) else chosen[0]


def _finite(coords: Coordinates, positions: np.ndarray) -> np.ndarray:
    rows = positions[np.isfinite(positions).all(axis=1)]
    return rows[np.isfinite(coords.log_density_many(rows))] if len(rows) else rows

"""Where climbs begin: draws from the prior, and wide guesses where the prior cannot be drawn from or is too vague."""

from typing import Any

import numpy as np

from ..coordinates import Coordinates
from ..model import Model
from ..seeds import as_rng


def starting_positions(model: Model, coords: Coordinates, seed: Any, num_starts: int) -> np.ndarray:
    """Return `num_starts` positions of finite density: half wide guesses, half prior draws where there are any.

    Fewer come back where fewer have a finite density; an empty array means none had.
    """
    rng = as_rng(seed, "starts")
    wide = rng.uniform(-2, 2, size=(32 * num_starts, model.dimension))
    origin = np.zeros((1, model.dimension))
    pools = [np.concatenate([origin, wide])]
    if not model.improper:
        draws = model.sample_prior(int(rng.integers(2**31)), 32 * num_starts)
        pools.append(coords.unconstrain_many(draws, (32 * num_starts,)))
    chosen = [_finite(coords, pool)[: -(-num_starts // len(pools))] for pool in pools]
    return np.concatenate(chosen)[:num_starts] if any(map(len, chosen)) else chosen[0]


def _finite(coords: Coordinates, positions: np.ndarray) -> np.ndarray:
    rows = positions[np.isfinite(positions).all(axis=1)]
    return rows[np.isfinite(coords.log_density_many(rows))] if len(rows) else rows

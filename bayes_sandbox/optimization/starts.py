"""Where climbs begin: draws from the prior, and wide guesses where the prior cannot be drawn from or is too vague."""

from typing import Any

import numpy as np

from ..coordinates import Coordinates
from ..model import Model
from ..seeds import as_rng

POOL = 8  # draws for each start wanted: many may have no density
MORE = 8  # times as many starts as usual, where there are several modes


def starting_positions(model: Model, coords: Coordinates, seed: Any, num_starts: int) -> np.ndarray:
    """Return `num_starts` positions of finite density: wide guesses and prior draws, where there are any, in turn.

    Fewer come back where fewer have a finite density; an empty array means none had.
    """
    rng = as_rng(seed, "starts")
    pool_size = POOL * num_starts
    wide = rng.uniform(-2, 2, size=(pool_size, model.dimension))
    origin = np.zeros((1, model.dimension))
    pools = [np.concatenate([origin, wide])]
    if not model.improper:
        pools.append(coords.prior_positions(int(rng.integers(2**31)), pool_size))
    chosen = [_finite(coords, pool, -(-num_starts // len(pools))) for pool in pools]
    turn = np.concatenate([np.arange(len(c)) for c in chosen])
    return np.concatenate(chosen)[np.argsort(turn, kind="stable")][:num_starts]


def _finite(coords: Coordinates, positions: np.ndarray, num: int) -> np.ndarray:
    """Return the first `num` of positions (n, d) that have a finite density, asking no more than it takes."""
    rows = positions[np.isfinite(positions).all(axis=1)]
    found = rows[:0]
    for start in range(0, len(rows), num):
        some = rows[start : start + num]
        found = np.concatenate([found, some[np.isfinite(coords.log_density_many(some))]])
        if len(found) >= num:
            break
    return found[:num]

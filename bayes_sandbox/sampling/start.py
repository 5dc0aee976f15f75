"""Where chains begin, and in which space: whitened by the Laplace fit, where a Gaussian is a fair picture."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..coordinates import Coordinates
from ..diagnostics import pareto_k
from ..errors import SamplingError
from ..model import Model
from ..optimization import LaplaceFit
from ..optimization.starts import starting_positions
from ..optimization.surface import Surface
from ..seeds import as_rng

POOL, SPREAD = 1024, 64  # prior draws, and how many of the likeliest chains may start from
FARTHEST = 1e4  # of a position: beyond it a trajectory runs out of digits
GOOD_K_HAT = 1.0  # beyond which weights have no mean: a Gaussian is no fair picture, though a poor proposal may be
WEIGHTY = 7.0  # nats below the most massive mode, down to which a mode counts
FEW = 4  # starts that many chains share
LARGEST_IDENTITY = 100  # coordinates, beyond which products with it cost more than compiling a program without


@dataclass(frozen=True)
class Start:
    """The space u = centre + scale z that is sampled, where chains begin in it, and why there.

    `whitening` is (centre, scale), the identity where no Gaussian fits, and None where there are too many coordinates.
    `z` is (chain, dimension), with the potential −f there (chain,) and its gradient (chain, dimension).
    """

    whitening: tuple[np.ndarray, np.ndarray] | None
    z: np.ndarray
    potential: np.ndarray
    gradient: np.ndarray
    whitened: bool
    message: str


def start_of(model: Model, coords: Coordinates, laplace: LaplaceFit, seed: Any, num_chains: int) -> Start:
    """Return where so many chains begin.

    Raises
    ------
    SamplingError
        Where no start has a finite density.
    """
    num, whitening = num_starts(num_chains), identity(coords.dimension)
    whitened, message = _is_good(coords, laplace, seed)
    if whitened:
        whitening = laplace.position, laplace.scale
        positions = laplace.sample(seed, num)
        far = _dispersed(model, coords, seed, len(positions[1::2]))
        positions[1 : 2 * len(far) : 2] = far
    else:
        positions = starting_positions(model, coords, seed, max(num, 8))
        # The origin comes first in the list: keep spread-out starts before it, and one at each mode before these.
        positions = np.concatenate([_at_modes(laplace, seed, num), np.roll(positions, -1, axis=0)])
    z, potential, gradient = (np.repeat(x, num_chains // num, axis=0) for x in _sloping(model, coords, positions, num))
    if whitening is not None:
        z, gradient = np.linalg.solve(whitening[1], (z - whitening[0]).T).T, gradient @ whitening[1]
    return Start(whitening, z, potential, gradient, whitened, message)


def _at_modes(laplace: LaplaceFit, seed: Any, num: int) -> np.ndarray:
    """Return a draw from each of the most massive modes, where there are several: at most so many."""
    weighty = [h for h in laplace.humps if h.log_mass > laplace.humps[0].log_mass - WEIGHTY][:num]
    normal = as_rng(seed, "starts at modes").standard_normal((len(weighty), len(laplace.position)))
    if len(weighty) < 2:
        return normal[:0]
    return np.array([h.position + h.scale @ z for h, z in zip(weighty, normal)])


def _sloping(model: Model, coords: Coordinates, positions: np.ndarray, num: int) -> tuple[np.ndarray, ...]:
    """Return so many of the positions with −f and its gradient there, both finite; fewer are taken several times."""
    surface, good = Surface(coords.log_density), []
    for position in positions:
        value, gradient = surface.value(position), surface.gradient(position)
        if np.isfinite(value) and np.isfinite(gradient).all():
            good.append((position, value, gradient))
        if len(good) == num:
            break
    if not good:
        raise SamplingError(
            f"NUTS cannot start on {model.name!r}: no prior draw and no wide guess had a finite density and gradient; "
            "check that the data are possible under the prior, or use the grid"
        )
    return tuple(np.array([good[i % len(good)][k] for i in range(num)]) for k in range(3))


def identity(dimension: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the whitening that changes nothing, in the shapes of one that does: one program serves both."""
    return (np.zeros(dimension), np.eye(dimension)) if dimension <= LARGEST_IDENTITY else None


def num_starts(num_chains: int) -> int:
    """Return from how many points so many chains start: of many, several from each, one after the other.

    Chains that share a start are a superchain, whose means can be compared though every chain is short.
    """
    return FEW if num_chains >= 2 * FEW and num_chains % FEW == 0 else num_chains


def _is_good(coords: Coordinates, laplace: LaplaceFit, seed: Any) -> tuple[bool, str]:
    """Whether a Gaussian at the mode is a fair picture of the posterior, and the sentence that says so."""
    if not laplace.converged:
        return False, f"plain NUTS: {laplace.message}"
    weighty = [h for h in laplace.humps if h.log_mass > laplace.humps[0].log_mass - WEIGHTY]
    if len(weighty) > 1:
        return False, f"plain NUTS: {len(weighty)} modes, and whitening by one would starve the others"
    points = laplace.sample(seed, 4000)
    residual = np.linalg.solve(laplace.scale, (points - laplace.position).T)
    k_hat = pareto_k(coords.log_density_many(points) + 0.5 * (residual**2).sum(axis=0))
    if not k_hat < GOOD_K_HAT:
        return False, f"plain NUTS: a Gaussian at the mode does not fit the posterior (Pareto k-hat {k_hat:.2f})"
    return True, f"whitened by the Laplace fit (Pareto k-hat {k_hat:.2f})"


def _dispersed(model: Model, coords: Coordinates, seed: Any, num: int) -> np.ndarray:
    """Return at most so many starts that know nothing of the mode: prior draws, any of the likeliest sixteenth.

    Chains that all begin at one mode agree on it, whatever else there is.
    """
    if model.improper or num == 0:
        return np.zeros((0, coords.dimension))
    rng = as_rng(seed, "dispersed")
    pool = coords.prior_positions(int(rng.integers(2**31)), POOL)
    pool = pool[np.isfinite(pool).all(axis=1)]
    likelihood = coords.log_parts_many(pool)[:, 1] if len(pool) else np.zeros(0)
    good = np.isfinite(likelihood) & (np.abs(pool) < FARTHEST).all(axis=1)
    if good.sum() < SPREAD:
        return np.zeros((0, coords.dimension))
    ranked = np.flatnonzero(good)[np.argsort(-likelihood[good])]
    return pool[rng.choice(ranked[:SPREAD], size=num, replace=False)]

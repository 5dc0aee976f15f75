"""Following a ridge: the conditional mode of all other coordinates as one of them moves, and which one that should be.

A banana, a funnel or a curved ridge is no Gaussian, but given the one coordinate that bends or widens it the rest
nearly is. Everything happens in the z of a frame, position = centre + scale z; a slice is where v·z = s.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import null_space
from scipy.optimize import least_squares

from ..optimization.surface import Framed

DEPTH = 40.0  # nats below the highest slice, at which a ridge has come to its end
FIRST_STEP, LONGEST_STEP, MOST_STEPS = 0.05, 0.5, 400
CHANGE = 1.0  # nats from one slice to the next, at most
NEWTON_STEPS, CLOSE = 12, 1e-10  # squared distance from the conditional mode, in conditional standard deviations
SHORT = 4.0  # nats: how far curvature is looked at


@dataclass(frozen=True)
class Slice:
    """The density at v·z = s as a Gaussian: its mode z, H⁻¹ = L Lᵀ across, and the log of its integral."""

    s: float
    mode: np.ndarray  # (d,)
    factor: np.ndarray  # (d − 1, d − 1): L, in the coordinates of `across`
    log_mass: float
    hessian: np.ndarray  # (d, d)


class Ridge:
    """One direction v to go along, and an orthonormal basis of what is across it."""

    def __init__(self, surface: Framed, direction: np.ndarray):
        self._surface = surface
        self.direction = direction / np.linalg.norm(direction)
        self.across = null_space(self.direction[None])

    def slice_at(self, guess: np.ndarray) -> Slice | None:
        """Climb within the slice that holds a guess; None where no Gaussian fits there."""
        z, b = np.array(guess, float), self.across
        for _ in range(NEWTON_STEPS):
            hessian = self._surface.hessian(z)
            inner, slope = b.T @ hessian @ b, b.T @ self._surface.gradient(z)
            try:
                factor, across = np.linalg.cholesky(inner), np.linalg.cholesky(np.linalg.inv(inner))
            except np.linalg.LinAlgError:
                return None
            step = np.linalg.solve(factor.T, np.linalg.solve(factor, slope))
            if not np.isfinite(step).all():
                return None
            if step @ inner @ step < CLOSE:
                break
            z = self._shortened(z, b @ step)
        else:
            return None
        d = len(z)
        log_mass = -self._surface.value(z) + 0.5 * (d - 1) * np.log(2 * np.pi) - np.log(np.diag(factor)).sum()
        return Slice(float(self.direction @ z), z, across, float(log_mass), hessian)

    def _shortened(self, z: np.ndarray, step: np.ndarray) -> np.ndarray:
        here = self._surface.value(z)
        for _ in range(8):
            if self._surface.value(z - step) <= here:
                break
            step = step / 2
        return z - step

    def follow(self, start: np.ndarray, depth: float = DEPTH) -> list[Slice]:
        """Return slices from one end of the ridge to the other, through the start; as far as there is a ridge."""
        middle = self.slice_at(start)
        if middle is None:
            return []
        backward, forward = (self._one_way(middle, sign, depth) for sign in (-1.0, 1.0))
        return [*backward[::-1], middle, *forward]

    def _one_way(self, here: Slice, sign: float, depth: float) -> list[Slice]:
        found: list[Slice] = []
        highest, step = here.log_mass, FIRST_STEP
        while len(found) < MOST_STEPS and here.log_mass > highest - depth:
            there = self.slice_at(self._ahead(here, sign * step))
            if there is None or abs(there.log_mass - here.log_mass) > 2 * CHANGE:
                step /= 2
                if step < FIRST_STEP / 2**10:
                    return found
                continue
            found.append(there)
            change = abs(there.log_mass - here.log_mass)
            step = min(step * (2.0 if change < CHANGE / 2 else 1.0), LONGEST_STEP)
            here, highest = there, max(highest, there.log_mass)
        return found

    def _ahead(self, here: Slice, ds: float) -> np.ndarray:
        """Return the guess at s + ds along the tangent of the ridge."""
        b = self.across
        tilt = here.factor @ here.factor.T @ (b.T @ here.hessian @ self.direction)
        return here.mode + ds * (self.direction - b @ tilt)


def directions(surface: Framed, mode: np.ndarray, axes: np.ndarray) -> list[np.ndarray]:
    """Return directions worth following from a mode, the most promising first.

    Where the density is a Gaussian given s = v·z, its curvature across v depends on s alone: along the ridge, P H P
    stays as it is for the projector P that leaves out v. `axes` (n, d) are the directions of the user's coordinates.
    """
    changes = []
    for axis in np.concatenate([np.eye(len(mode)), axes]):
        path = Ridge(surface, axis).follow(mode, SHORT)
        changes += [p.hessian - surface.hessian(mode) for p in path[:: max(len(path) // 6, 1)]]
    changes = [c / np.linalg.norm(c) for c in changes if np.linalg.norm(c) > 1e-8]
    if not changes:
        return list(axes)
    stack = np.array(changes)

    def across(v: np.ndarray) -> np.ndarray:
        p = np.eye(len(v)) - np.outer(v, v) / (v @ v)
        return np.asarray(p @ stack @ p).ravel()

    def left(v: np.ndarray) -> float:
        return float((across(v) ** 2).sum())

    starts = [*np.linalg.eigh(sum(c @ c for c in changes))[1].T, *axes]
    # To the last digit: a thousandth of a degree off, and the ends of a thin slice have left the ridge.
    exact = {"xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15}
    found = [least_squares(across, v, **exact).x for v in sorted(starts, key=left)[:3]]
    ranked = sorted([*(v / np.linalg.norm(v) for v in found), *axes], key=left)
    distinct: list[np.ndarray] = []
    for v in ranked:
        if all(abs(v @ w) < 1 - 1e-6 for w in distinct):
            distinct.append(v)
    return distinct

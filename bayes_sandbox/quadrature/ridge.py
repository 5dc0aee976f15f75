"""Following a ridge: the conditional mode of all other coordinates as one or two of them move, and which these are.

A banana, a funnel or a curved ridge is no Gaussian, but given the coordinates that bend or widen it the rest nearly
is. Everything happens in the z of a frame, position = centre + scale z; a slice is where Vᵀz = s, for k directions V.
"""

from dataclasses import dataclass
from itertools import combinations

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
    """The density at Vᵀz = s as a Gaussian: its mode z, H⁻¹ = L Lᵀ across, and the log of its integral."""

    s: np.ndarray  # (k,)
    mode: np.ndarray  # (d,)
    factor: np.ndarray  # (d − k, d − k): L, in the coordinates of `across`
    log_mass: float
    hessian: np.ndarray  # (d, d)


class Ridge:
    """Directions to go along, made orthonormal, and an orthonormal basis of what is across them."""

    def __init__(self, surface: Framed, along: np.ndarray):
        self._surface = surface
        self.along = orthonormal(np.reshape(along, (len(along), -1)))  # (d, k)
        self.across = null_space(self.along.T)

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
        log_mass = -self._surface.value(z) + 0.5 * len(inner) * np.log(2 * np.pi) - np.log(np.diag(factor)).sum()
        return Slice(self.along.T @ z, z, across, float(log_mass), hessian)

    def _shortened(self, z: np.ndarray, step: np.ndarray) -> np.ndarray:
        here = self._surface.value(z)
        for _ in range(8):
            if self._surface.value(z - step) <= here:
                break
            step = step / 2
        return z - step

    def follow(self, start: np.ndarray, depth: float = DEPTH) -> list[Slice]:
        """Return slices from one end of a ridge of one direction to the other, as far as there is a ridge."""
        middle = self.slice_at(start)
        if middle is None:
            return []
        backward, forward = (self._one_way(middle, sign, depth) for sign in (-1.0, 1.0))
        return [*backward[::-1], middle, *forward]

    def _one_way(self, here: Slice, sign: float, depth: float) -> list[Slice]:
        found: list[Slice] = []
        highest, step = here.log_mass, FIRST_STEP
        while len(found) < MOST_STEPS and here.log_mass > highest - depth:
            there = self.slice_at(self.ahead(here, np.array([sign * step])))
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

    def ahead(self, here: Slice, ds: np.ndarray) -> np.ndarray:
        """Return the guess at s + ds along the tangent of the ridge."""
        b, step = self.across, self.along @ ds
        return here.mode + step - b @ (here.factor @ here.factor.T @ (b.T @ here.hessian @ step))


def orthonormal(columns: np.ndarray) -> np.ndarray:
    """Return an orthonormal basis of what these columns span; a single one keeps its sign."""
    q, r = np.linalg.qr(columns)
    return np.asarray(q * np.where(np.diag(r) < 0, -1.0, 1.0))


@dataclass(frozen=True)
class Along:
    """Directions (d, k), and the share of the change of curvature that is left across them: none, if it is Gaussian."""

    columns: np.ndarray
    left: float


def bending(surface: Framed, mode: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Return how the Hessian changes (n, d, d), each of norm one, as one goes from a mode along each of these axes."""
    changes = []
    for axis in np.concatenate([np.eye(len(mode)), axes]):
        path = Ridge(surface, axis).follow(mode, SHORT)
        changes += [p.hessian - surface.hessian(mode) for p in path[:: max(len(path) // 6, 1)]]
    notable = [c / np.linalg.norm(c) for c in changes if np.linalg.norm(c) > 1e-8]
    return np.reshape(notable, (-1, len(mode), len(mode)))


def directions(stack: np.ndarray, axes: np.ndarray, k: int = 1) -> list[Along]:
    """Return k directions worth following from a mode, several choices of them, the most promising first.

    Where the density is a Gaussian given s = Vᵀz, its curvature across V depends on s alone: along the ridge, P H P
    stays as it is for the projector P that leaves out V. `stack` is what `bending` found; `axes` (n, d) are the
    directions of the user's coordinates.
    """
    d = axes.shape[1]
    plain = [np.stack(chosen, axis=1) for chosen in combinations(axes, k)]
    if not len(stack):
        return [Along(columns, 0.0) for columns in plain]

    def across(columns: np.ndarray) -> np.ndarray:
        v = orthonormal(columns)
        p = np.eye(d) - v @ v.T
        return np.asarray(p @ stack @ p).ravel()

    def left(columns: np.ndarray) -> float:
        return float((across(columns) ** 2).sum() / len(stack))

    def solved(columns: np.ndarray) -> np.ndarray:
        """Tilt a space out of itself: to the last digit, or the ends of a thin slice have left the ridge."""
        v = orthonormal(columns)
        rest = null_space(v.T)

        def tilted(x: np.ndarray) -> np.ndarray:
            return v + rest @ x.reshape(d - k, k)

        exact = {"xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15}
        return tilted(least_squares(lambda x: across(tilted(x)), np.zeros((d - k) * k), jac="3-point", **exact).x)

    own = np.linalg.eigh((stack @ stack).sum(axis=0))[1]
    starts = [*(own[:, list(chosen)] for chosen in combinations(range(d), k)), *plain]
    best = [solved(v) for v in sorted(starts, key=left)[:3]]
    distinct: list[np.ndarray] = []
    for v in map(orthonormal, sorted([*best, *plain], key=left)):
        if all(_apart(v, w) for w in distinct):
            distinct.append(v)
    return [Along(v, left(v)) for v in distinct]


def _apart(v: np.ndarray, w: np.ndarray) -> bool:
    """Whether the spaces that two orthonormal bases span differ."""
    return bool(np.linalg.svd(v.T @ w, compute_uv=False).min() < 1 - 1e-6)

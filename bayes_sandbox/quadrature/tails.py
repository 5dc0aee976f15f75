"""Does the integral exist? The integrand far out along each coordinate, as far as float64 can tell.

Along one coordinate x, the others at their conditional mode w*(x), the slab density is

    g(x) = f(x, w*) (2π)^((d−1)/2) |H_ww|^(−½),

the integral over the others by Laplace's method. ∫ g dx is finite if g, per unit of log |x|, falls off. Data that lie
exactly on a line make it constant towards small scales; a heavy-tailed prior under a factor that grows as fast makes it
constant towards large values. Where it does not fall within the range that float64 can represent, p(D) is infinite or
cannot be told from infinite.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve

from ..coordinates import Coordinates
from ..optimization import Hump
from ..optimization.surface import LARGEST_HESSIAN, Surface

FIRST_STEPS, STEP, GROWTH = 12, 0.75, 1.5  # even steps in t, x = centre + sd · sinh t; after them each is longer
FARTHEST = 345.0  # in t: x = 1e149
VANISHED = 60.0  # nats below the highest: the rest of a walk is nothing
MAX_NEWTON, CONVERGED = 12, 1e-4  # steps to the conditional mode; squared length of the last, in standard deviations
RESOLVED = 16 * float(np.finfo(float).eps)  # of a coordinate: the least conditional standard deviation
MIN_POINTS = 4
OVERFLOWS = 300.0  # of an unconstrained coordinate: exp(x)² is near the largest float, and no density is zero for that
FLAT = -0.05  # d log(g |x|) / d log |x| above which a tail does not fall
NEGLIGIBLE = 1e-6  # share of the integral per unit of log |x|, below which a tail is of no concern
MAX_COORDINATES = 25  # beyond which only scales and shares are followed: a Hessian of all others is dear
MAX_MODES = 3
DIVERGES = "p(D) does not exist, or cannot be told from infinite"


@dataclass(frozen=True)
class Tail:
    """The end of a walk along one coordinate: how much the integrand still holds there, per unit of log |x|.

    `log_mass` is log(g |x|) at the last point, `slope` its change per unit of log |x|, and `log_top` the highest value
    on the way.
    """

    label: str
    upwards: bool
    position: float
    log_mass: float
    log_top: float
    slope: float

    @property
    def log_beyond(self) -> float:
        """The log mass beyond the last point, if it goes on as it did; infinite where it does not fall."""
        return self.log_mass - float(np.log(-self.slope)) if self.slope < FLAT else np.inf

    def sentence(self, log_total: float) -> str:
        """Return why the integral is not believed, or an empty string."""
        share = self.log_mass - log_total
        if self.slope < FLAT or share < np.log(NEGLIGIBLE):
            return ""
        way = "towards large values" if self.upwards else "towards small values"
        return (
            f"{DIVERGES}: {way} of {self.label} the integrand does not fall off as far as float64 can follow it "
            f"(to {self.position:.3g} in unconstrained coordinates); give its prior a thinner tail, or check for data "
            "that the model fits exactly"
        )


def tails(coords: Coordinates, humps: Sequence[Hump], others: np.ndarray) -> list[Tail]:
    """Return the tails that have not vanished where a walk along a coordinate had to end.

    Walks begin at the most massive modes, or at these other positions (n, d) where no mode is known.
    """
    if coords.dimension > LARGEST_HESSIAN:
        return []
    starts = [(h.position, np.linalg.norm(h.scale, axis=1)) for h in humps[:MAX_MODES]]
    starts = starts or [(x, np.ones(coords.dimension)) for x in others[:MAX_MODES]]
    walker, found = _Walker(coords), dict[tuple[int, int], Tail]()
    for start, spread in starts:
        for j in walker.axes:
            for side in (-1, 1):
                tail = walker.walk(start, spread, j, side)
                key = (j, side)
                if tail is not None and (key not in found or tail.log_mass > found[key].log_mass):
                    found[key] = tail
    coords.num_evaluations += walker.surface.num_evaluations
    return list(found.values())


class _Walker:
    """Follows the conditional mode outwards along a coordinate."""

    def __init__(self, coords: Coordinates):
        self.coords, self.surface = coords, Surface(coords.log_density)
        d = coords.dimension
        self.axes = list(range(d)) if d <= MAX_COORDINATES else [int(j) for j in np.flatnonzero(coords.bounded_axes)]

    def walk(self, start: np.ndarray, spread: np.ndarray, j: int, side: int) -> Tail | None:
        """Return the tail where the walk had to end, or None where the density vanished on the way."""
        x, t, step, k = start.copy(), 0.0, STEP, 0
        seen: list[tuple[float, float]] = []
        top = -np.inf
        while t < FARTHEST:
            t, k = t + step, k + 1
            step = step if k < FIRST_STEPS else step * GROWTH
            at = start[j] + side * spread[j] * np.sinh(t)
            here = self._slab(x, j, at)
            if here is None:
                return None
            x, log_g = here
            if np.isnan(log_g) or (log_g == -np.inf and abs(at) > OVERFLOWS):
                break
            if log_g == -np.inf:
                return None
            log_mass = log_g + float(np.log(abs(at - start[j])))
            if log_mass < top - VANISHED:
                return None
            top = max(top, log_mass)
            seen.append((float(np.log(abs(at - start[j]))), log_mass))
        if len(seen) < MIN_POINTS:
            return None
        (first, before), (last, end) = seen[-2:]
        slope = (end - before) / (last - first)
        return Tail(self.coords.labels[j], side > 0, float(x[j]), end, top, slope)

    def _slab(self, x: np.ndarray, j: int, at: float) -> tuple[np.ndarray, float] | None:
        """Return the conditional mode given x_j = at, from x on, and log g there: NaN where float64 cannot tell.

        None where the others have no mode that is a Gaussian.
        """
        x, free = x.copy(), np.arange(len(x)) != j
        x[j] = at
        for _ in range(MAX_NEWTON):
            fall, slope = self.surface.value(x), self.surface.gradient(x)[free]
            if not np.isfinite(fall):
                return x, -np.inf if self._is_zero(x) else np.nan
            if not free.any():
                return x, -fall
            curved = self.surface.hessian(x)[np.ix_(free, free)]
            factor = _factor(curved)
            if not np.isfinite(slope).all() or not np.isfinite(curved).all():
                return x, np.nan
            if factor is None:
                return None
            sd = 1 / np.sqrt(np.diag(curved))
            if (sd < RESOLVED * np.abs(x[free])).any():
                return x, np.nan
            move = cho_solve((factor, True), slope)
            if slope @ move < CONVERGED:
                log_det = 2 * float(np.log(np.diag(factor)).sum())
                return x, -fall + 0.5 * float(free.sum() * np.log(2 * np.pi)) - 0.5 * log_det
            x[free] = self._descended(x, free, move, fall)
        return None

    def _descended(self, x: np.ndarray, free: np.ndarray, move: np.ndarray, fall: float) -> np.ndarray:
        ahead = x.copy()
        for _ in range(6):
            ahead[free] = x[free] - move
            if self.surface.value(ahead) <= fall:
                break
            move = move / 4
        return ahead[free]

    def _is_zero(self, x: np.ndarray) -> bool:
        """Whether a density is zero, not lost."""
        return bool(self.coords.log_density(x) == -np.inf)


def _factor(matrix: np.ndarray) -> np.ndarray | None:
    try:
        return np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return None

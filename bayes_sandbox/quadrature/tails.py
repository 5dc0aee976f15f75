"""Does the integral exist? The integrand far out along each coordinate, as far as float64 can tell.

Along one coordinate x, the others at their conditional mode w*(x), the slab density is

    g(x) = f(x, w*) (2π)^((d−1)/2) |H_ww|^(−½),

the integral over the others by Laplace's method. ∫ g dx is finite if g, per unit of log |x|, falls off. Data that lie
exactly on a line make it constant towards small scales; a heavy-tailed prior under a factor that grows as fast makes it
constant towards large values. Where it does not fall within the range that float64 can represent, p(D) is infinite or
cannot be told from infinite. So it is where it falls and rises again: under a normal prior a factor exp(10⁻⁸ x⁴) wins
at x = 7000, long after the density has vanished.
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
MIN_RISE, MAX_RISE, RISE_WORK = 60, 700, 1e9  # points on a line that looks for a rise; operations for all lines
MAX_ROUNDING_SHARE = 0.1  # of a rise, above which its rounding error makes it none
NUM_DIAGONALS = 4
RISEN = 20.0  # nats below the mode, above which a density that had vanished is back
NEGLIGIBLE = 1e-13  # share of the integral per unit of log |x|, below which a tail is of no concern
MAX_COORDINATES = 25  # beyond which only scales and shares are followed: a Hessian of all others is dear
MAX_MODES = 3
DIVERGES = "p(D) does not exist, or cannot be told from infinite"


@dataclass(frozen=True)
class Tail:
    """The end of a walk along one coordinate: how much the integrand still holds there, per unit of log |x|.

    `label` is the parameter, and empty where the walk was along a diagonal.
    `log_mass` is log(g |x|) at the last point, `slope` its change per unit of log |x|, and `log_top` the highest value
    on the way.
    """

    label: str
    upwards: bool
    position: float
    log_mass: float
    log_top: float
    slope: float
    risen: bool = False  # it had vanished before

    @property
    def log_beyond(self) -> float:
        """The log mass beyond the last point, if it goes on as it did; infinite where it does not fall."""
        return self.log_mass - float(np.log(-self.slope)) if self.slope < FLAT else np.inf

    def sentence(self, log_total: float) -> str:
        """Return why the integral is not believed, or an empty string."""
        share = self.log_mass - log_total
        if self.slope < FLAT or share < np.log(NEGLIGIBLE):
            return ""
        way = (
            f"towards {'large' if self.upwards else 'small'} values of {self.label}" if self.label else "on a diagonal"
        )
        what = "vanishes and then rises again" if self.risen else "does not fall off as far as float64 can follow it"
        return (
            f"{DIVERGES}: {way} the integrand {what} "
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
                tail, key = walker.walk(start, spread, j, side), (j, side)
                if tail is not None and (key not in found or tail.log_mass > found[key].log_mass):
                    found[key] = tail
    coords.num_evaluations += walker.surface.num_evaluations
    return [*found.values(), *(tail for start, spread in starts[:1] for tail in rises(coords, start, spread))]


def rises(coords: Coordinates, start: np.ndarray, spread: np.ndarray) -> list[Tail]:
    """Return a tail for each line on which the density vanishes, is large again farther out, and never falls again.

    Lines are straight, along each coordinate and along some diagonals; there are none where a density is expensive.
    """
    d, found = coords.dimension, list[Tail]()
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(NUM_DIAGONALS if d > 1 else 0, d))
    steps = spread * np.concatenate([np.eye(d)[:MAX_COORDINATES], signs])
    num = int(min(RISE_WORK / (2 * len(steps) * max(coords.work, 1.0)), MAX_RISE))
    if num < MIN_RISE:
        return []
    t = np.linspace(0.0, FARTHEST, num)[1:]
    for step in (*steps, *-steps):
        with np.errstate(over="ignore"):
            x = start + np.sinh(t)[:, None] * step
        log_density = coords.log_density_many(np.concatenate([start[None], x]))
        height = log_density[1:] - log_density[0] + np.log(np.sinh(t))
        back = _back(height)
        if len(back) and coords.rounding(x[back[:1]]).error[0] < MAX_ROUNDING_SHARE * (height[back[0]] + VANISHED):
            label = coords.labels[int(np.argmax(np.abs(step)))] if np.count_nonzero(step) == 1 else ""
            found.append(
                Tail(label, bool(step.sum() > 0), float(x[back[-1]].max()), np.inf, np.inf, np.inf, risen=True)
            )
    return found


def _back(height: np.ndarray) -> np.ndarray:
    """Return the last numbers of a line if they rise, two at least, from where all had vanished."""
    known = np.flatnonzero(np.isfinite(height))
    falls = np.flatnonzero((np.diff(height[known]) <= 0) | (height[known[1:]] < -RISEN))
    rising = known[falls[-1] + 1 if len(falls) else 0 :][1:]
    gone = len(rising) > 1 and height[known[known < rising[0]]].min(initial=np.inf) < -VANISHED
    return rising if gone else rising[:0]


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
        with np.errstate(invalid="ignore"):  # ∞ − ∞ is lost
            return bool(self.coords.log_parts_many(x[None]).sum() == -np.inf)


def _factor(matrix: np.ndarray) -> np.ndarray | None:
    try:
        return np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return None

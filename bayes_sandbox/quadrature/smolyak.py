"""Sparse grids: Smolyak's combination of Gauss–Hermite rules, for smooth humps in more dimensions than a tensor holds.

With Uᵢ the rule of 4i + 1 nodes on one axis, the sum at level L is

    A(L) = Σ_{i₁+…+i_d ≤ L} (Uᵢ₁ − Uᵢ₁₋₁) ⊗ … ⊗ (Uᵢ_d − Uᵢ_d₋₁)      (Smolyak 1963; Gerstner & Griebel 1998, section 2)

Any two of these rules share the centre and no other node. A point is therefore met in terms whose indices agree on the
axes where it is off centre, k of them with indices that add up to s, and its weight at level L is

    Π wⱼ · [t^(L−s)] (1 − t)^(k−1) c(t)^(d−k),      c(t) = Σᵢ tⁱ (wᵢ(0) − wᵢ₋₁(0)),

a product of positive numbers and a factor that only (s, k) decides. So each point is evaluated once for all levels, the
sums over points of one (s, k) are plain log-sum-exps, and signs meet at the very end, in a sum of a few dozen terms.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.special import logsumexp

from .rules import Axis, gauss_hermite

# Three nodes integrate a hump no better than one (Liu & Pierce 1994), so that steps of two nodes stall on every other
# level; steps of four converge evenly, and with fewer points on nearly every posterior tried.
STEP = 4
BLOCK = 2**15  # points laid out at a time, twice as many at most
Points = tuple[np.ndarray, np.ndarray, np.ndarray]  # z (n, d), log weights (n,), coordinates off centre (n,)


@dataclass(frozen=True)
class Level:
    """The sum at one level: its logarithm (NaN where the sum is not positive), Σ|terms| / |Σ terms|, points so far."""

    log_value: float
    cancellation: float
    num_points: int


class SparseSum:
    """∫ g(z) dz over ℝᵈ, one level after another; `log_g` maps points (n, d) to log g (n,).

    Level L is exact where g is exp(−|z|²/2) times monomials Π zⱼ^aⱼ with Σ ⌈(aⱼ − 1)/8⌉ ≤ L: among them all of total
    degree 2L + 1 (Novak & Ritter 1999), and far higher ones of few coordinates.

    Examples
    --------
    >>> total = SparseSum(lambda z: -0.5 * (z**2).sum(axis=1) + np.log1p(z**2).sum(axis=1), 2)
    >>> levels = [total.raised() for _ in range(3)]  # E (1 + z₁²)(1 + z₂²) = 4 needs both axes: level 2
    >>> float(abs(levels[-1].log_value - np.log(8 * np.pi)).__round__(12))
    0.0
    """

    def __init__(self, log_g: Callable[[np.ndarray], np.ndarray], dimension: int):
        self._log_g, self._dimension = log_g, dimension
        self._log_sums: list[np.ndarray] = []  # for each s, log Σ w g over the points of each k
        self.num_points = 0

    def raised(self, advance: Callable[[int], None] = lambda count: None, deadline: float = math.inf) -> Level | None:
        """Add the points of one more level and return it; None, and nothing added, if the deadline comes first."""
        s, d = len(self._log_sums), self._dimension
        log_sums, count = np.full(d + 1, -np.inf), 0
        for z, log_weights, off_centre in shell(d, s):
            if time.perf_counter() > deadline:
                return None
            terms = log_weights + self._log_g(z)
            for k in np.unique(off_centre):
                log_sums[k] = np.logaddexp(log_sums[k], logsumexp(terms[off_centre == k]))
            count += len(z)
            advance(len(z))
        self._log_sums.append(log_sums)
        self.num_points += count
        return self._combined()

    def _combined(self) -> Level:
        log_sums = np.array(self._log_sums)
        peak = log_sums.max()
        if not np.isfinite(peak):
            return Level(np.nan, np.inf, self.num_points)
        factors = signed_factors(self._dimension, len(log_sums) - 1)[:, ::-1].T  # (s, k): the power of t is level − s
        terms = factors * np.exp(log_sums - peak)
        total = math.fsum(terms.ravel())
        if not total > 0:
            return Level(np.nan, np.inf, self.num_points)
        return Level(float(peak + np.log(total)), float(np.abs(terms).sum() / total), self.num_points)


def rule(i: int) -> Axis:
    """Return the rule that level i has on one axis."""
    return gauss_hermite(STEP * i + 1)


def num_points(dimension: int, level: int) -> int:
    """Return how many points the sparse grid of a level has.

    >>> num_points(12, 4), 9**12
    (241601, 282429536481)
    """
    shells = [
        math.comb(dimension, k) * STEP**k * math.comb(s + k - 1, 2 * k - 1)
        for s in range(1, level + 1)
        for k in range(1, min(s, dimension) + 1)
    ]
    return 1 + sum(shells)


def signed_factors(dimension: int, level: int) -> np.ndarray:
    """Return, for each k, the coefficients (dimension + 1, level + 1) of what multiplies Π wⱼ, by the power of t."""
    centre = np.array([np.exp(rule(i).log_weights[STEP * i // 2]) for i in range(level + 1)])
    idle = np.diff(centre, prepend=0.0)
    step = np.array([1.0, -1.0])
    found = np.zeros((dimension + 1, level + 1))
    for k in range(dimension + 1):
        series = np.eye(1, level + 1)[0] if k else np.ones(level + 1)  # (1 − t)⁻¹ for k = 0
        for factor in [step] * (k - 1) + [idle] * (dimension - k):
            series = np.convolve(series, factor)[: level + 1]
        found[k] = series
    return found


def shell(dimension: int, s: int) -> Iterator[Points]:
    """Yield every point that level s adds, in blocks."""
    if s == 0:
        yield np.zeros((1, dimension)), np.zeros(1), np.zeros(1, int)
        return
    held: list[Points] = []
    for k in range(1, min(s, dimension) + 1):
        for indices in _compositions(s, k):
            for piece in _tensor(dimension, indices):
                held.append(piece)
                if sum(len(z) for z, *_ in held) >= BLOCK:
                    yield _stacked(held)
                    held = []
    if held:
        yield _stacked(held)


def _compositions(s: int, k: int) -> Iterator[tuple[int, ...]]:
    """Yield every way to write s as an ordered sum of k positive integers."""
    for cuts in combinations(range(1, s), k - 1):
        yield tuple(b - a for a, b in zip((0, *cuts), (*cuts, s)))


def _tensor(dimension: int, indices: tuple[int, ...]) -> Iterator[Points]:
    """Yield the off-centre nodes of these rules' tensor product, on every choice of so many axes, in order."""
    rules = [rule(i) for i in indices]
    axes = np.array(list(combinations(range(dimension), len(indices))))
    sizes = [len(r) - 1 for r in rules]
    each = math.prod(sizes)
    for start in range(0, len(axes) * each, BLOCK):
        number = np.arange(start, min(start + BLOCK, len(axes) * each))
        z, log_weights = np.zeros((len(number), dimension)), np.zeros(len(number))
        for j, index in enumerate(np.unravel_index(number % each, sizes)):
            index = index + (index >= sizes[j] // 2)  # past the centre
            z[np.arange(len(number)), axes[number // each, j]] = rules[j].nodes[index]
            log_weights += rules[j].log_weights[index]
        yield z, log_weights, np.full(len(number), len(indices))


def _stacked(pieces: list[Points]) -> Points:
    z, log_weights, off_centre = zip(*pieces)
    return np.concatenate(z), np.concatenate(log_weights), np.concatenate(off_centre)

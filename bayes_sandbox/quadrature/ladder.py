"""Adaptive Gauss–Hermite: one smooth hump, whitened, on a ladder of finer and finer rules."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..optimization import Hump
from .integral import TensorIntegral
from .rules import Axis, gauss_hermite
from .summing import Frame, Share, Summer, Sums

LADDER = (1, 5, 9, 15, 21, 31)  # k = 3 is no better than k = 1 in theory
FAST = 0.3  # a ladder that gains less than this factor a rung has further to go than its last step shows
STEEP_LADDER = (1, 5, 7, 9, 11, 13, 15, 19, 23, 27)  # in many dimensions each step up multiplies the cost


def edge_share(sums: Sums, axes: Sequence[Axis]) -> float:
    """Return the share of the sum that sits on the outermost nodes of any axis."""
    total = max(float(sums.axes[0].sum()), 1e-300)
    ends = [sums.axes[j, 0] + sums.axes[j, len(axis) - 1] for j, axis in enumerate(axes) if len(axis) > 1]
    return float(sum(ends) / total)


def rungs(dimension: int) -> tuple[int, ...]:
    """Return the nodes per axis that are tried in turn."""
    return LADDER if dimension <= 4 else STEEP_LADDER


def climb_ladder(
    summer: Summer, frame: Frame, tolerance: float, max_nodes: float, floor: float
) -> TensorIntegral | None:
    """Sum at one rung after another until two agree; None where not even two rungs fit in `max_nodes`.

    The error is the last difference where differences fall fast; else the last two together, or what a geometric
    series of that ratio r has still to go, r/(1 − r) of the last difference (Liu & Pierce 1994 for the rule).
    """
    dimension = len(frame.centre)
    values: list[float] = []
    last: tuple[tuple[Axis, ...], Sums, int] | None = None
    error = np.inf
    for k in rungs(dimension):
        if k**dimension > max_nodes:
            break
        axes = (gauss_hermite(k),) * dimension
        sums = summer.run(frame, axes, f"Gauss–Hermite {k}^{dimension}")
        values.append(sums.log_total)
        last = (axes, sums, k)
        error = max(_remaining(values), floor)
        if error < tolerance:
            break
    if last is None or len(values) < 2:
        return None
    axes, sums, k = last
    settled = error < tolerance
    unresolved = "" if settled else f"Gauss–Hermite was still moving by {error:.1e} at {k} nodes per axis"
    rule = f"adaptive Gauss–Hermite, {k}^{dimension}"
    return TensorIntegral(
        rule=rule,
        why="one smooth mode",
        num_bad=int(sums.num_nan),
        whitened=True,
        log_value=values[-1],
        error=float(error),
        settled=settled,
        unresolved=unresolved,
        frame=frame,
        step=0.25,
        span=np.tile([-6.5, 6.5], (dimension, 1)),
        sums=sums,
        num_nodes=k**dimension,
        edge_mass=edge_share(sums, axes),
    )


@dataclass(frozen=True)
class Sharpened:
    """The integral by Gauss–Hermite around each of several modes, and the moments of the params, flat."""

    rule: str
    log_value: float
    error: float
    settled: bool
    mean: np.ndarray
    sd: np.ndarray


def climb_ladders(
    summer: Summer, humps: Sequence[Hump], tolerance: float, max_nodes: float, floor: float
) -> Sharpened | None:
    """Sum f = Σₖ f rₖ, each share rₖ = πₖ Nₖ / Σⱼ πⱼ Nⱼ of the Laplace mixture in its own mode's frame.

    A ladder on one of several modes agrees with itself while it is wrong; its share has one hump only, and is smooth
    where f is. It knows of no mode that it was not told of. None where not even three rungs fit in `max_nodes`.
    """
    d = len(humps[0].position)
    weights = np.array([h.log_mass for h in humps])
    log_dets = np.array([np.log(np.diag(h.scale)).sum() for h in humps])
    inverses = np.array([np.linalg.inv(h.scale) for h in humps])
    mixture = (weights - weights.max() - log_dets, np.array([h.position for h in humps]), inverses)
    values: list[float] = []
    parts: list[tuple[Frame, Sums]] = []
    error, k = np.inf, 0
    for k_next in rungs(d)[1:]:
        if len(humps) * k_next**d > max_nodes:
            break
        k, parts = k_next, []
        for i, hump in enumerate(humps):
            frame = Frame(hump.position, hump.scale)
            parts.append(
                (frame, summer.run(frame, (gauss_hermite(k),) * d, f"{k}^{d}, mode {i + 1}", Share(i, *mixture)))
            )
        values.append(float(np.logaddexp.reduce([sums.log_total for _, sums in parts])))
        error = max(_remaining(values), floor)
        if error < tolerance:
            break
    if len(values) < 3 or not np.isfinite(values[-1]):
        return None
    mean, sd = _moments(summer, parts)
    rule = f"adaptive Gauss–Hermite around each of {len(humps)} modes, {len(humps)} × {k}^{d}"
    return Sharpened(rule, values[-1], float(error), bool(error < tolerance), mean, sd)


def _moments(summer: Summer, parts: Sequence[tuple[Frame, Sums]]) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and sd of the params of a mixture of sums."""
    mass = np.array([sums.log_total for _, sums in parts])
    weight = np.exp(mass - mass.max())
    weight /= weight.sum()
    shifts = np.array([sums.value / max(sums.total, 1e-300) for _, sums in parts])
    means = np.array([summer.origin(frame) for frame, _ in parts]) + shifts
    inner = np.array([sums.square / max(sums.total, 1e-300) for _, sums in parts]) - shifts**2
    mean = weight @ means
    return mean, np.sqrt(np.maximum(weight @ (inner + (means - mean) ** 2), 0.0))


def _remaining(values: list[float]) -> float:
    """Return what is left of a sequence's convergence, from its last differences."""
    if len(values) < 2 or not np.isfinite(values[-2:]).all():
        return np.inf
    last = abs(values[-1] - values[-2])
    if len(values) < 3:
        return max(last, 1e-3)  # one agreement may be luck
    before = max(abs(values[-2] - values[-3]), 1e-300)
    ratio = min(last / before, 0.9)
    if ratio > FAST:  # so slow a ladder that one rung says little
        return max(abs(values[-1] - values[-3]), last * ratio / (1 - ratio))
    return last

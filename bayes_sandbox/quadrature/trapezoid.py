"""Nested trapezoid: any density that varies on one scale, its range and its frame found from the sums themselves."""

import itertools
import math
from collections.abc import Sequence

import numpy as np

from ..coordinates import Coordinates
from ..optimization import Hump
from .frames import Frame
from .integral import TensorIntegral, Tolerance
from .ladder import edge_share
from .necks import mass_beyond
from .rules import Axis, sinh_trapezoid
from .summing import LONGEST_AXIS, Summer
from .sums import Sums, merge

COARSE = 0.5  # the first step in t, with z = sinh t: eleven nodes over ±7 standard deviations
GOLDEN = (5**0.5 - 1) / 2
SLOW, MEMORY = 1 / 8, 5  # of a gap that remains when the step is halved: no analytic density's; gaps looked back at
TAIL = 1e-12  # an axis is long enough when its end nodes hold less than this share
LONGEST = 1e15
Range = np.ndarray  # (dimension, 2) in z


def trapezoid(
    coords: Coordinates,
    summer: Summer,
    frame: Frame,
    humps: Sequence[Hump],
    tolerance: Tolerance,
    max_nodes: float,
    floor: float,
    beyond_ends: bool = True,
) -> TensorIntegral | None:
    """Sum on a grid and on the same grid shifted by half a step; halve the step until they agree.

    For an analytic integrand the two err by equal amounts in opposite directions, so that their mean is far better
    than their difference, which is the error given; a third shift confirms it. Halving completes the 2ᵈ shifts.
    What lies beyond the ends is added to the error. None where the first grid does not fit in `max_nodes`.
    """
    found = _settle_range(summer, frame, humps, max_nodes)
    if found is None:
        return None
    frame, span, step, base = found
    dimension, gaps, earlier = len(frame.centre), list[float](), np.nan
    coarse = _axes(span, step, np.zeros(dimension))
    edge_mass = edge_share(base, coarse)
    beyond, massive = max(4 * edge_mass / step, _beyond_ends(base, coarse)), _massive(base, coarse)
    if beyond_ends:
        beyond += mass_beyond(coords, frame, span, base.log_total)
    while True:
        axes = _axes(span, step, np.zeros(dimension))
        size = math.prod(map(len, axes))
        half = _shifted(summer, frame, span, step, np.full(dimension, 0.5))
        both = merge([base, half])
        value = both.log_total - math.log(2)
        gap = abs(base.log_total - half.log_total) if np.isfinite(value) else np.inf
        gaps.append(gap)
        error = max(_open(gaps), floor) + beyond
        last = 2 ** (dimension + 1) * size > max_nodes or 2 * max(map(len, axes)) > LONGEST_AXIS
        if error < tolerance.fine or last:
            # Errors that vary along a diagonal of the grid are the same in both: a shift by no simple fraction is not.
            third = _shifted(summer, frame, span, step, (np.arange(1, dimension + 1) * GOLDEN) % 1)
            error = max(error, 2 * abs(third.log_total - value))
        if error < tolerance.fine or last:
            break
        earlier = value
        base, step = _halved(summer, frame, span, step, base, half), step / 2
    settled = bool(error < tolerance.enough)
    if not settled and np.isfinite(earlier):  # convergence is slow: the last halving's change is what may be left
        error = max(error, abs(value - earlier))
    unresolved = "" if settled else f"two shifted trapezoids of {size:,} nodes differ by {gap:.1e}"
    rule = f"trapezoid, step {step:g}, 2 × {' × '.join(str(len(a)) for a in axes)}"
    return TensorIntegral(
        rule=rule,
        why="few dimensions, where it makes no assumption about the shape and costs little",
        num_bad=int(both.num_nan),
        whitened=False,
        log_value=value,
        error=float(error),
        settled=settled,
        unresolved=unresolved,
        frame=frame,
        step=step,
        span=massive,
        sums=both,
        num_nodes=2 * size,
        edge_mass=edge_mass,
    )


def _open(gaps: Sequence[float]) -> float:
    """Return what is left of the error, from how far two shifted grids were apart at each step, each half the last.

    Convergence squares the gap; one far below the square of the last is luck. Where steps and kinks slow it down, gaps
    of several jumps may cancel in one of them: the largest of the last ones counts, as a single jump would let it fall.
    """
    gap, before = gaps[-1], gaps[-2] if len(gaps) > 1 else np.inf
    if len(gaps) > 2 and max(gap / max(before, 1e-300), before / max(gaps[-3], 1e-300)) > SLOW:
        return max(2 * g / 2**k for k, g in enumerate(gaps[: -MEMORY - 1 : -1]))
    return max(gap, before if before > 1.0 else before**2)


def _beyond_ends(sums: Sums, axes: Sequence[Axis]) -> float:
    """Return twice the share of the mass beyond the ends of the axes, if it goes on falling as between the last two."""
    beyond = 0.0
    for j, axis in enumerate(axes):
        share = sums.axes[j, : len(axis)] / max(float(sums.axes[j].sum()), 1e-300)
        for last, before in ((share[0], share[1]), (share[-1], share[-2])):
            if last > TAIL / 100:
                beyond += 2 * float(last * before / (before - last)) if before > last else np.inf
    return beyond


def _massive(sums: Sums, axes: Sequence[Axis]) -> Range:
    """Return the range of each z outside which less than 1e-9 of the mass lies, one node wider."""
    span = np.zeros((len(axes), 2))
    for j, axis in enumerate(axes):
        share = sums.axes[j, : len(axis)]
        held = np.flatnonzero(share > 1e-9 * share.sum())
        span[j] = axis.nodes[max(held[0] - 1, 0)], axis.nodes[min(held[-1] + 1, len(axis) - 1)]
    return span


def _shifted(summer: Summer, frame: Frame, span: Range, step: float, shift: np.ndarray) -> Sums:
    return summer.run(frame, _axes(span, step, shift), "trapezoid")


def _halved(summer: Summer, frame: Frame, span: Range, step: float, base: Sums, half: Sums) -> Sums:
    """Return the sums at half the step: the mean over all 2ᵈ shifts, two of which are known."""
    dimension = len(frame.centre)
    corners = [c for c in itertools.product((0.0, 0.5), repeat=dimension) if len(set(c)) > 1]
    total = merge([base, half, *(_shifted(summer, frame, span, step, np.array(c)) for c in corners)])
    return total._replace(peak=total.peak - dimension * np.log(2))


def _axes(span: Range, step: float, shift: np.ndarray) -> tuple[Axis, ...]:
    return tuple(sinh_trapezoid(lo, hi, step, s) for (lo, hi), s in zip(span, shift))


def _settle_range(
    summer: Summer, frame: Frame, humps: Sequence[Hump], max_nodes: float
) -> tuple[Frame, Range, float, Sums] | None:
    """Sum coarsely; lengthen axes whose ends hold mass, re-centre and re-scale, until calm."""
    dimension, reframed, sums = len(frame.centre), 0, None
    span, step = _covering(frame, humps, _usual(dimension)), _first_step(frame, humps)
    for _ in range(24):
        lengths = np.diff(np.arcsinh(span), axis=1)[:, 0] / step + 1  # before any axis is laid out
        if lengths.max() > LONGEST_AXIS or 2 * lengths.prod() > max_nodes:
            return None
        axes = _axes(span, step, np.zeros(dimension))
        sums = _shifted(summer, frame, span, step, np.zeros(dimension))
        if not np.isfinite(sums.log_total):
            return None
        mean, covariance = _moments(sums, axes)
        if reframed < 6 and _off(mean, covariance):
            frame, reframed = frame.moved(mean, covariance), reframed + 1
            span, step = _covering(frame, humps, _usual(dimension)), _first_step(frame, humps)
            continue
        longer = _lengthened(sums, axes, span)
        if np.array_equal(longer, span):
            return frame, span, step, sums
        span = longer
    return None


def _usual(dimension: int) -> Range:
    return np.tile([-8.0, 8.0], (dimension, 1))


def _first_step(frame: Frame, humps: Sequence[Hump]) -> float:
    """Return a step that resolves the narrowest side of every mode that could matter, where it stands."""
    step = COARSE
    for hump in _weighty(humps):
        narrowest = np.linalg.svd(np.linalg.solve(frame.scale, hump.scale), compute_uv=False)[-1]
        out = np.abs(frame.inverse(hump.position)).max()
        step = min(step, float(narrowest / np.hypot(1, out)))
    return 2.0 ** np.floor(np.log2(step) + 0.3)


def _weighty(humps: Sequence[Hump]) -> list[Hump]:
    best = max((h.log_mass for h in humps), default=-np.inf)
    return [h for h in humps if h.log_mass > best - 30]


def _covering(frame: Frame, humps: Sequence[Hump], span: Range) -> Range:
    """Return the span, lengthened to reach eight standard deviations beyond every mode that could matter."""
    span = span.copy()
    for hump in _weighty(humps):
        z = frame.inverse(hump.position)
        reach = np.minimum(8 * np.linalg.norm(np.linalg.solve(frame.scale, hump.scale), axis=1), 8)
        span[:, 0] = np.minimum(span[:, 0], z - reach)
        span[:, 1] = np.maximum(span[:, 1], z + reach)
    return span


def _lengthened(sums: Sums, axes: Sequence[Axis], span: Range) -> Range:
    longer = span.copy()
    for j, axis in enumerate(axes):
        share = sums.axes[j, : len(axis)] / max(float(sums.axes[j].sum()), 1e-300)
        for side, end in enumerate((0, -1)):
            if share[end] > TAIL and abs(span[j, side]) < LONGEST:
                longer[j, side] = np.sinh(np.arcsinh(span[j, side]) + (1.5 if side else -1.5))
    return longer


def _moments(sums: Sums, axes: Sequence[Axis]) -> tuple[np.ndarray, np.ndarray]:
    """Return a centre and a covariance of z that heavy tails cannot spoil: quantiles for scale, moments for shape."""
    centre, spread = np.zeros(len(axes)), np.ones(len(axes))
    for j, axis in enumerate(axes):
        share = np.cumsum(sums.axes[j, : len(axis)])
        low, middle, high = np.interp(np.array([0.1587, 0.5, 0.8413]) * share[-1], share, axis.nodes)
        centre[j], spread[j] = middle, max((high - low) / 2, 1e-3)
    mean = sums.z / sums.total
    covariance = sums.zz / sums.total - np.outer(mean, mean)
    sd = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    correlation = np.clip(covariance / np.outer(sd, sd), -0.999, 0.999)
    np.fill_diagonal(correlation, 1.0)
    values, vectors = np.linalg.eigh(correlation)
    correlation = (vectors * np.maximum(values, 1e-4)) @ vectors.T
    return centre, correlation * np.outer(spread, spread)


def _off(mean: np.ndarray, covariance: np.ndarray) -> bool:
    values = np.linalg.eigvalsh(covariance)
    return bool(np.abs(mean).max() > 0.7 or values.min() < 0.4 or values.max() > 2.5)

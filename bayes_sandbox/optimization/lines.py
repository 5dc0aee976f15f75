"""Narrow regions that no optimization run starts near: the density at many points along lines through the modes.

A mode 10⁻⁵ as wide as another is met by one start in 10⁵ in one dimension, and by none in more. Whatever is wide in all
directions but one, a thin sheet across the parameter space, is crossed by nearly every line; in one dimension a line is
everything there is.
"""

from collections.abc import Sequence

import numpy as np

from ..coordinates import Coordinates
from .scan import Gaussian, assigned

LINE_WORK, LEAST_WORK = 2e8, 200.0  # elementary operations for all lines, and the least that a density counts
MIN_POINTS, MAX_POINTS = 2**11, 2**20  # on a line: fewer see nothing that starts do not
MAX_AXES, NUM_SLANTED, MAX_LINE_MODES = 5, 2, 2  # lines along axes and in random directions, and through so many modes
NEAR_SDS, FAR_SDS, FAR_SHARE = 100.0, 1e8, 0.2  # even steps in asinh of standard deviations; points beyond the first
PROMINENT = 2.0  # nats by which a peak rises above what is around it on the line
NOTABLE = 30.0  # nats below the mode, under which a peak is of no concern
MAX_PEAKS = 6


def peaks_on_lines(coords: Coordinates, modes: Sequence[Gaussian], rng: np.random.Generator) -> np.ndarray:
    """Return positions (n, d) of peaks on lines through the modes that no mode's Gaussian explains, highest first."""
    nothing = np.zeros((0, coords.dimension))
    chosen = list(modes[:MAX_LINE_MODES])
    lines = [(mode, direction) for mode in chosen for direction in _directions(mode, rng)]
    num = int(min(LINE_WORK / max(coords.work, LEAST_WORK) / max(len(lines), 1), MAX_POINTS))
    if num < MIN_POINTS:
        return nothing
    found = [_peaks(coords, mode, direction, num, rng) for mode, direction in lines]
    positions, heights = np.concatenate([x for x, _ in found]), np.concatenate([h for _, h in found])
    lost = (heights > max(m.log_density for m in modes) - NOTABLE) & (assigned(modes, positions, heights) < 0)
    order = np.flatnonzero(lost)[np.argsort(-heights[lost])]
    return np.asarray(positions[order[:MAX_PEAKS]])


def _directions(mode: Gaussian, rng: np.random.Generator) -> np.ndarray:
    """Return steps of one standard deviation (k, d): along the axes, in random directions, and along the diagonal.

    Parameters that a prior makes exchangeable often have modes where all of them are equal.
    """
    d = len(mode.position)
    axes = np.diag(np.linalg.norm(mode.scale, axis=1))
    if d == 1:
        return axes
    slanted = rng.normal(size=(NUM_SLANTED, d)) @ mode.scale.T
    return np.concatenate([axes[rng.permutation(d)[:MAX_AXES]], slanted, [axes.sum(axis=0)]])


def _peaks(
    coords: Coordinates, mode: Gaussian, direction: np.ndarray, num: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the peaks of log f on a line, and their heights."""
    far = int(FAR_SHARE * num / 2)
    near, end = np.arcsinh(NEAR_SDS), np.arcsinh(FAR_SDS)
    outer, inner = np.linspace(near, end, far), np.linspace(-near, near, num - 2 * far)
    t = np.concatenate([-outer[::-1], inner, outer])
    t += rng.uniform(0, 2 * near / (num - 2 * far))
    x = mode.position + np.sinh(t)[:, None] * direction
    height = coords.log_density_many(x)
    floor = mode.log_density - 2 * NOTABLE
    seen = np.where(np.isfinite(height), np.maximum(height, floor), floor)
    peaks = prominent(np.concatenate([[floor], seen, [floor]]), PROMINENT) - 1
    peaks = peaks[seen[peaks] > mode.log_density - NOTABLE]
    return x[peaks], height[peaks]


def prominent(values: np.ndarray, least: float) -> np.ndarray:
    """Return the indices of the peaks that rise by so much above the valleys to both sides, in their order.

    As SciPy's `find_peaks` by prominence, whose module imports all of SciPy's statistics with it.

    >>> prominent(np.array([0.0, 3.0, 2.5, 2.9, 0.5, 4.0, 4.0, 0.0]), 2.0).tolist()
    [1, 5]
    """
    steps = np.flatnonzero(np.diff(values))
    turns = steps[1:][np.diff(np.sign(np.diff(values)[steps])) != 0]  # where a slope becomes another's sign
    peaks, rising, low, high = list[int](), True, float(values[0]), 0
    for i in (*(steps[np.searchsorted(steps, turns) - 1] + 1), len(values) - 1):
        here = float(values[i])
        if rising and here > values[high]:
            high = int(i)
        elif rising and here <= values[high] - least:
            if values[high] >= low + least:
                peaks.append(high)
            rising, low = False, here
        elif not rising and here >= low + least:
            rising, high = True, int(i)
        elif not rising:
            low = min(low, here)
    return np.array(peaks, int)

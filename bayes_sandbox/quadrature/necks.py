"""What lies beyond the end of an axis, where the density may be narrower than any grid's spacing?

The neck of a funnel: the sum reads zero at the end of an axis, not because nothing is there but because what is there
falls between the nodes. The ridge is followed outwards along each axis, and its cross-section measured as a Gaussian.
"""

import numpy as np

from ..coordinates import Coordinates
from ..optimization.climb import Kind, climb
from ..optimization.edges import Pinned
from ..optimization.surface import Framed, Surface
from .frames import Frame

STEPS = 8  # from the centre to the end of an axis, each started from the ridge point before


def mass_beyond(coords: Coordinates, frame: Frame, span: np.ndarray, log_total: float) -> float:
    """Return the share of the integral that lies beyond the ends of all axes, by the ridges that lead out there.

    At each end z_j = b, with the other coordinates at their conditional mode, the slab density is
    `g(b) = f(z*) (2π)^((d−1)/2) |H|^(−½)`, and what lies beyond falls off at the rate seen on the way: g(b)/λ.
    Zero where no ridge leads out; infinite where g does not fall.
    """
    if len(frame.centre) == 1:
        return 0.0  # nothing is narrow across the only axis
    surface = Framed(Surface(coords.log_density), frame.centre, frame.scale)
    ends = ((j, side) for j in range(len(span)) for side in (0, 1))
    return sum(_one_end(surface, len(span), j, span[j, side], log_total - frame.log_det) for j, side in ends)


def _one_end(surface: Framed, dimension: int, j: int, end: float, log_total: float) -> float:
    held = np.arange(dimension) == j
    z, slabs, targets = np.zeros(dimension), [], end * np.arange(1, STEPS + 1) / STEPS
    for target in targets:
        z[j] = target
        inner = Pinned(surface, z, held)
        top = climb(inner, z[~held])
        if top.kind is not Kind.PEAK:
            return 0.0
        z = inner.full(top.position)
        sign, log_det = np.linalg.slogdet(inner.hessian(top.position))
        if sign <= 0:
            return 0.0
        slabs.append(-top.value + 0.5 * (dimension - 1) * np.log(2 * np.pi) - 0.5 * log_det)
    rate = (slabs[-2] - slabs[-1]) / abs(targets[-1] - targets[-2])
    return float(np.exp(min(slabs[-1] - log_total, 50.0)) / rate) if rate > 0 else np.inf

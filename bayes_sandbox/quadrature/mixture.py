"""Several smooth modes: Gauss–Hermite around each of them, on its share of the density.

A ladder on one of several modes agrees with itself while it is wrong. With rₖ = πₖ Nₖ / Σⱼ πⱼ Nⱼ, the shares of the
Laplace mixture, f = Σₖ f rₖ: each share has one hump only, and is smooth where f is. It knows of no mode that it was
not told of: draws from the mixture, from the prior and points known beforehand are held against it.
"""

from collections.abc import Sequence
from itertools import permutations

import numpy as np
from scipy.special import gammaln

from ..coordinates import Coordinates
from ..optimization import Hump
from .frames import Frame, Share
from .integral import MixtureIntegral, Tolerance
from .ladder import DEAR, edge_share, hopeless, left_open, rungs
from .posterior import Marginal, axes_of_a_hump, led_marginal
from .rules import gauss_hermite
from .summing import Summer
from .sums import Sums

FEWEST_RUNGS = 3
UNRESOLVED = 0.25  # of the width of a mode, which nodes in its frame are too far apart for


def climb_ladders(
    summer: Summer, humps: Sequence[Hump], tolerance: Tolerance, max_nodes: float, floor: float
) -> MixtureIntegral | None:
    """Sum every share at one rung after another until two rungs agree; None where not even three fit."""
    d, shares = len(humps[0].position), shares_of(humps)
    values: list[float] = []
    parts: list[Sums] = []
    error, k, notched = np.inf, 0, notches(humps)
    affordable = [k for k in rungs(d)[1:] if len(humps) * k**d <= max_nodes]
    for i, k_next in enumerate(affordable):
        if len(humps) * k_next**d > DEAR and hopeless(values, len(affordable) - i, tolerance):
            break
        k, axes = k_next, (gauss_hermite(k_next),) * d
        parts = [
            summer.run(frame_of(hump), axes, f"Gauss–Hermite {k}^{d}, mode {i + 1} of {len(humps)}", share)
            for i, (hump, share) in enumerate(zip(humps, shares))
        ]
        values.append(float(np.logaddexp.reduce([sums.log_total for sums in parts])))
        error = max(left_open(values, affordable), floor) + notched
        if error < tolerance.fine:
            break
    if len(values) < FEWEST_RUNGS or not np.isfinite(values[-1]):
        return None
    mean, sd = _moments(summer, humps, parts)
    settled = bool(error < tolerance.enough)
    return MixtureIntegral(
        rule=f"adaptive Gauss–Hermite around each of {len(humps)} modes, {len(humps)} × {k}^{d}",
        why=f"{len(humps)} smooth modes",
        log_value=values[-1],
        error=float(error),
        settled=settled,
        unresolved="" if settled else f"Gauss–Hermite around {len(humps)} modes was still moving by {error:.1e}",
        num_nodes=len(humps) * k**d,
        edge_mass=max(edge_share(sums, (gauss_hermite(k),) * d) for sums in parts),
        num_bad=sum(int(sums.num_nan) for sums in parts),
        humps=tuple(humps),
        shares=tuple(shares),
        parts=tuple(parts),
        mean=mean,
        sd=sd,
    )


def frame_of(hump: Hump) -> Frame:
    """Return the frame that whitens a mode."""
    return Frame(hump.position, hump.scale)


def shares_of(humps: Sequence[Hump]) -> list[Share]:
    """Return each mode's share of the Laplace mixture: they sum to one everywhere."""
    weights = np.array([h.log_mass for h in humps])
    log_dets = np.array([np.log(np.diag(h.scale)).sum() for h in humps])
    inverses = np.array([np.linalg.inv(h.scale) for h in humps])
    mixture = (weights - weights.max() - log_dets, np.array([h.position for h in humps]), inverses)
    return [Share(i, *mixture) for i in range(len(humps))]


def notches(humps: Sequence[Hump]) -> float:
    """Return the share of the integral that narrow modes may cut out of wide ones between the nodes of these.

    Around a narrow mode on the flank of a wide one the share of the wide one drops to nothing and comes back: nodes of
    the wide one's frame see none of it. It is lost only as far as the modes are no Gaussians; all of it is charged.
    """
    d, total = len(humps[0].position), np.logaddexp.reduce([h.log_mass for h in humps])
    log_ball = 0.5 * d * np.log(np.pi) - gammaln(0.5 * d + 1)
    charged = 0.0
    for wide, narrow in permutations(humps, 2):
        z = np.linalg.solve(wide.scale, narrow.position - wide.position)
        widths = np.linalg.svd(np.linalg.solve(wide.scale, narrow.scale), compute_uv=False)
        log_here = wide.log_density - 0.5 * z @ z
        radius = np.sqrt(2 * max(float(narrow.log_density - log_here), 0.0))
        if widths[-1] < UNRESOLVED and radius > 0:
            log_size = np.log(np.diag(narrow.scale)).sum() + log_ball + d * np.log(radius)
            charged += float(np.exp(min(log_here + log_size - total, 0.0)))
    return charged


def _moments(summer: Summer, humps: Sequence[Hump], parts: Sequence[Sums]) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and sd of the params of a mixture of sums."""
    mass = np.array([sums.log_total for sums in parts])
    weight = np.exp(mass - mass.max())
    weight /= weight.sum()
    shifts = np.array([sums.value / max(sums.total, 1e-300) for sums in parts])
    means = np.array([summer.origin(frame_of(hump)) for hump in humps]) + shifts
    inner = np.array([sums.square / max(sums.total, 1e-300) for sums in parts]) - shifts**2
    mean = weight @ means
    return mean, np.sqrt(np.maximum(weight @ (inner + (means - mean) ** 2), 0.0))


def mixture_marginal(
    coords: Coordinates, summer: Summer, integral: MixtureIntegral, component: int, num_nodes: float
) -> Marginal:
    """Return the marginal of a component that one position coordinate alone sets: a curve around each mode, added."""
    axes = axes_of_a_hump(coords.dimension, num_nodes / len(integral.humps))
    curves = [
        led_marginal(coords, summer, frame_of(hump), axes, component, integral.log_value, share)
        for hump, share in zip(integral.humps, integral.shares)
    ]
    x = np.unique(np.concatenate([c.x for c in curves]))
    density = sum(c.mass * np.interp(x, c.x, c.density, left=0.0, right=0.0) for c in curves)
    cdf = sum(c.mass * np.interp(x, c.x, c.cdf, left=0.0, right=1.0) for c in curves)
    mass = sum(c.mass for c in curves)
    return Marginal(x, density / np.trapezoid(density, x), cdf / mass, mass)

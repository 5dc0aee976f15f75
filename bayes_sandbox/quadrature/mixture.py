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
from ..diagnostics import pareto_k
from ..model import Model
from ..optimization import Hump
from ..proposals import StudentMixture, from_humps
from .integral import MixtureIntegral, Tolerance
from .ladder import edge_share, remaining, rungs
from .posterior import MOST_REVEALED, NUM_PROPOSED, Drawn, Marginal, axes_of_a_hump, led_marginal
from .rules import gauss_hermite
from .subdivision import Points
from .summing import Frame, Share, Summer, Sums

FEWEST_RUNGS = 3
UNRESOLVED = 0.25  # of the width of a mode, which nodes in its frame are too far apart for
LARGEST_K_HAT, LARGEST_ERROR = 0.7, 0.02  # of the random points that check the sum
FORSAKEN = 100.0  # f/q over the integral at which the mixture has next to nothing


def climb_ladders(
    summer: Summer, humps: Sequence[Hump], tolerance: Tolerance, max_nodes: float, floor: float
) -> MixtureIntegral | None:
    """Sum every share at one rung after another until two rungs agree; None where not even three fit."""
    d, shares = len(humps[0].position), shares_of(humps)
    values: list[float] = []
    parts: list[Sums] = []
    error, k, notched = np.inf, 0, notches(humps)
    for k_next in rungs(d)[1:]:
        if len(humps) * k_next**d > max_nodes:
            break
        k, axes = k_next, (gauss_hermite(k_next),) * d
        parts = [
            summer.run(frame_of(hump), axes, f"Gauss–Hermite {k}^{d}, mode {i + 1} of {len(humps)}", share)
            for i, (hump, share) in enumerate(zip(humps, shares))
        ]
        values.append(float(np.logaddexp.reduce([sums.log_total for sums in parts])))
        error = max(remaining(values), floor) + notched
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


def draw_from_mixture(
    model: Model,
    coords: Coordinates,
    integral: MixtureIntegral,
    prior: np.ndarray,
    points: Points,
    rng: np.random.Generator,
    shape: tuple[int, int],
) -> Drawn:
    """Draw from Student-t's around every mode, weigh by the truth, and keep draws by their weight.

    The mean weight is the integral again, by points that are no nodes; prior draws where the mixture has next to
    nothing tell of mass that it overlooks.
    """
    proposal = from_humps(integral.humps)
    x = proposal.sample(rng, NUM_PROPOSED)
    log_weights = coords.log_density_many(x) - proposal.log_density(x)
    weight = np.exp(log_weights - log_weights.max())
    mean, size = weight.mean(), shape[0] * shape[1]
    error = float(weight.std() / mean / np.sqrt(len(weight)))
    kept = rng.choice(len(weight), size=size, p=weight / weight.sum())
    unseen, revealed = _overlooked(model, coords, proposal, prior, points, integral.log_value)
    return Drawn(
        positions=x[kept].reshape(*shape, -1),
        ess=float(weight.sum() ** 2 / (weight**2).sum() / len(weight) * size),
        log_evidence=float(log_weights.max() + np.log(mean)),
        standard_error=error,
        unseen=unseen,
        revealed=revealed,
        doubts=tuple(_check_the_check(log_weights, error)),
    )


def _check_the_check(log_weights: np.ndarray, error: float) -> list[str]:
    k_hat = pareto_k(log_weights)
    if k_hat < LARGEST_K_HAT and error < LARGEST_ERROR:
        return []
    return [f"the random points that check it say little: ± {error:.1g}, Pareto k-hat {k_hat:.2f}"]


def _overlooked(
    model: Model, coords: Coordinates, q: StudentMixture, prior: np.ndarray, points: Points, log_value: float
) -> tuple[float, np.ndarray]:
    """Return the mass that prior draws find where the mixture has next to nothing, and the highest such points."""
    points = points.finite()
    log_ratio = points.log_density - q.log_density(points.positions) - log_value
    forsaken = np.flatnonzero(log_ratio > np.log(FORSAKEN))
    highest = points.positions[forsaken[np.argsort(-points.log_density[forsaken])[:MOST_REVEALED]]]
    if model.improper or not len(prior):
        return 0.0, highest
    parts = coords.log_parts_many(prior)
    with np.errstate(invalid="ignore"):
        log_f = parts.sum(axis=1)
    here = log_f - q.log_density(prior) - log_value > np.log(FORSAKEN)
    return float(np.exp(np.minimum(parts[here, 1] - log_value, 50.0)).sum() / len(prior)), highest


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

"""Posteriors that end or jump: steps, voids of likelihood zero, mass on edges and in corners, poles of the density."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from scipy import integrate, stats

from ..model import Model
from .problem import Problem
from .routes import BELL, Known, Polar, Product, factor_model, log_normal, rotation
from .truths import cut_gaussian

LOCS = np.array([0.7, -1.3, 2.1, 0.4, -0.9])
SCALES = np.array([1.1, 0.6, 1.9, 0.8, 1.4])


def log_or_void(heights: Any) -> jax.Array:
    """Return the logs, −∞ for zero."""
    return jnp.log(jnp.asarray(heights, float))


def whitened(d: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a normal prior's loc, its scales, and the oblique axes u of which x = loc + axes u is standard normal."""
    loc, scale = LOCS[:d], SCALES[:d]
    return loc, scale, scale[:, None] * rotation(d, 100 + d)


# --- a likelihood in stairs ---


def stairs(name: str, d: int, flights: Sequence[tuple[Sequence[float], Sequence[float]]], *tags: str) -> Problem:
    """Under a normal, L is a product of one staircase along each of the first oblique directions: (edges, heights).

    Each direction is standard normal by itself: its mass and moments are normal cdfs. A height of zero is a void.
    """
    loc, scale, axes = whitened(d)
    across = np.linalg.inv(axes)
    pieces = [_stairs_moments(*flight) for flight in flights] + [(1.0, 0.0, 1.0)] * (d - len(flights))
    mass, mean, variance = np.array(pieces).T

    def log_factor(x: Any) -> Any:
        u = across @ (x - loc)
        parts = (log_or_void(h)[jnp.searchsorted(np.array(e), u[i])] for i, (e, h) in enumerate(flights))
        return sum(parts)

    cuts = [np.unique([*BELL, *edges]) for edges, _ in flights] + [BELL] * (d - len(flights))
    base = np.zeros(d)
    for i, (edges, heights) in enumerate(flights):
        inner = np.array([edges[0] - 1, *edges, edges[-1] + 1])
        base[i] = (inner[:-1] + inner[1:])[np.argmax(heights)] / 2
    return Problem(
        name,
        lambda: factor_model(name, dist.Normal(loc, scale).to_event(1), log_factor),
        d,
        np.log(mass).sum(),
        {"x": loc + axes @ mean},
        {"x": np.sqrt(axes**2 @ variance)},
        frozenset(tags),
        route=Product(loc, axes, cuts, base=base),
    )


def _stairs_moments(edges: Sequence[float], heights: Sequence[float]) -> tuple[float, float, float]:
    ends = [-np.inf, *edges, np.inf]
    mass, first, second = sum(h * cut_gaussian(0.0, 1.0, a, b) for h, a, b in zip(heights, ends, ends[1:]))
    return mass, first / mass, second / mass - (first / mass) ** 2


# --- voids that no single direction tells ---


def wedge(name: str, d: int, edges: tuple[float, float], correlation: float, *, allowed: bool) -> Problem:
    """A wedge {a > s, b > t} of two correlated standard normal directions, void itself or void all around it."""
    loc, scale, axes = whitened(d)
    rest = np.sqrt(1 - correlation**2)
    mass, mean, variance = _wedge_moments(edges, correlation, axes, allowed)
    oblique = axes.copy()  # x = loc + oblique (a, b, …)
    oblique[:, 0] -= axes[:, 1] * correlation / rest
    oblique[:, 1] /= rest
    across = np.linalg.inv(oblique)[:2]

    def log_factor(x: Any) -> Any:
        a, b = across @ (x - loc)
        within = (a > edges[0]) & (b > edges[1])
        return jnp.where(within == allowed, 0.0, -jnp.inf)

    base = np.zeros(d)
    base[:2] = np.array(edges) + (0.5 if allowed else -0.5)
    return Problem(
        name,
        lambda: factor_model(name, dist.Normal(loc, scale).to_event(1), log_factor),
        d,
        np.log(mass),
        {"x": loc + mean},
        {"x": np.sqrt(variance)},
        frozenset({"void", "step", "correlated"}),
        route=Product(loc, oblique, [np.unique([*BELL, edges[i]]) for i in (0, 1)] + [BELL] * (d - 2), 2, base),
    )


def _wedge_moments(edges: tuple[float, float], correlation: float, axes: np.ndarray, allowed: bool) -> Any:
    """Sum a = u₀ by SciPy, with u₁ > (t − ρ a)/√(1 − ρ²) by hand; return (mass, mean of axes u, its variances)."""

    def inner(a: float) -> np.ndarray:
        cut = (edges[1] - correlation * a) / np.sqrt(1 - correlation**2)
        g = cut_gaussian(0.0, 1.0, cut, np.inf)
        return np.exp(log_normal(a, 0.0, 1.0)) * np.array([g[0], a * g[0], g[1], a * a * g[0], a * g[1], g[2]])

    cuts = [edges[0], 1.0, 2.0, 4.0, 12.0]
    inside = sum(integrate.quad_vec(inner, lo, hi, epsabs=1e-14, epsrel=1e-12)[0] for lo, hi in pairwise(cuts))
    mass, first, second, *squares = inside if allowed else np.array([1.0, 0, 0, 1, 0, 1]) - inside
    mean = np.array([first, second]) / mass
    covariance = np.eye(len(axes))
    covariance[:2, :2] = np.array(squares)[[[0, 1], [1, 2]]] / mass - np.outer(mean, mean)
    return mass, axes[:, :2] @ mean, np.diag(axes @ covariance @ axes.T)


def ball(name: str, gap: Any, radius: float, scale: float, *, allowed: bool) -> Problem:
    """A ball off a round normal's centre, void itself or void all around it: F is a noncentral χ² of d.

    Differentiating by the gap δ: inside, E z = δ F₊₂ and E zzᵀ = F₊₂ + δδᵀ F₊₄ with two and four degrees more.
    """
    gap = np.array(gap)
    d, delta, loc = len(gap), gap / scale, LOCS[: len(gap)]
    centre = loc - gap
    chi = [stats.ncx2(d + more, delta @ delta) for more in (0, 2, 4)]
    f = [c.cdf((radius / scale) ** 2) if allowed else c.sf((radius / scale) ** 2) for c in chi]
    mean = delta * f[1] / f[0]
    square = (f[1] + delta**2 * f[2]) / f[0]

    def log_factor(x: Any) -> Any:
        return jnp.where((jnp.sum((x - centre) ** 2) < radius**2) == allowed, 0.0, -jnp.inf)

    ends = (0.0, radius) if allowed else (radius, np.linalg.norm(gap) + 10 * scale)
    return Problem(
        name,
        lambda: factor_model(name, dist.Normal(loc, scale).to_event(1), log_factor),
        d,
        np.log(f[0]),
        {"x": centre + scale * mean},
        {"x": scale * np.sqrt(square - mean**2)},
        frozenset({"void", "step"}),
        route=Polar([centre], gap, [np.linspace(ends[0], ends[1], 13)]),
    )


# --- edges and corners of a box ---


def oblique_slope(d: int, slopes: Sequence[float]) -> Problem:
    """log L = −k · (x − lo)/side in a box: mass in the corner that k points away from, (1 − e⁻ᵏ)/k along each axis."""
    k, side = np.array(slopes), np.array([3.1, 0.8, 5.7, 2.2])[:d]
    lo = LOCS[:d]
    mean = 1 / k - 1 / np.expm1(k)
    variance = 1 / k**2 - 1 / (4 * np.sinh(k / 2) ** 2)
    near = np.unique([0.0, 1.0, *np.geomspace(0.01, 0.5, 6), *(1 - np.geomspace(0.01, 0.5, 6))])
    name = f"steep slope {d}d"
    return Problem(
        name,
        lambda: factor_model(name, dist.Uniform(lo, lo + side).to_event(1), lambda x: -jnp.sum(k * (x - lo) / side)),
        d,
        np.log(-np.expm1(-k) / k).sum(),
        {"x": lo + side * mean},
        {"x": side * np.sqrt(variance)},
        frozenset({"smooth", "bounded", "edge", *(["corner"] if d > 1 else [])}),
        route=Product(lo, np.diag(side), [near] * d, base=0.5),
    )


def corner_of_a_normal(d: int, fractions: Sequence[float], sds: Sequence[float]) -> Problem:
    """A turned normal centred outside a corner of its uniform box: the last axis by cdfs, the others summed."""
    lo, hi = LOCS[:d], LOCS[:d] + np.array([3.1, 0.8, 5.7])[:d]
    centre = lo + (hi - lo) * fractions
    r = rotation(d, 110 + d)
    precision = (r / np.array(sds) ** 2) @ r.T / np.outer(hi - lo, hi - lo)
    last = precision[-1, -1]
    schur = precision[:-1, :-1] - np.outer(precision[:-1, -1], precision[-1, :-1]) / last

    def outer(rows: np.ndarray) -> np.ndarray:
        gap = rows - centre[:-1]
        height = np.exp(-np.einsum("ni,ij,nj->n", gap, schur, gap) / 2) * np.sqrt(2 * np.pi / last)
        middle = centre[-1] - gap @ precision[:-1, -1] / last
        mass, first, second = height * cut_gaussian(middle, last**-0.5, lo[-1], hi[-1])
        by_rows = mass[:, None] * np.column_stack([np.ones(len(rows)), rows, rows**2])
        return np.column_stack([by_rows[:, :d], first, by_rows[:, d:], second])

    rule = "gk21" if d == 2 else "gauss-kronrod"
    total = integrate.cubature(outer, lo[:-1], hi[:-1], rule=rule, rtol=1e-11, atol=1e-14).estimate
    mean, square = total[1 : d + 1] / total[0], total[d + 1 :] / total[0]
    name = f"corner of a normal {d}d"

    def log_factor(x: Any) -> Any:
        return -(x - centre) @ precision @ (x - centre) / 2

    return Problem(
        name,
        lambda: factor_model(name, dist.Uniform(lo, hi).to_event(1), log_factor),
        d,
        np.log(total[0]) - np.log(hi - lo).sum(),
        {"x": mean},
        {"x": np.sqrt(square - mean**2)},
        frozenset({"smooth", "bounded", "edge", "corner", "correlated"}),
        route=Product(lo, np.diag(hi - lo), [[0.0, 0.2, 0.5, 1.0]] * d, d, nodes=16),
    )


# --- conjugate, with poles or in corners ---


def betas(name: str, a: Any, b: Any, k: Any, n: Any, *tags: str) -> Problem:
    """Proportions apart from each other: beta–binomial."""
    a, b, k, n = (np.array(v, float) for v in (a, b, k, n))
    after = stats.beta(a + k, b + n - k)
    d = len(a)
    return Problem(
        name,
        lambda: Model(
            {"p": dist.Beta(a, b).to_event(1)}, lambda p: dist.Binomial(n.astype(int), p), observed=k, name=name
        ),
        d,
        stats.betabinom(n, a, b).logpmf(k).sum(),
        {"p": after.mean()},
        {"p": after.std()},
        frozenset({"bounded", *tags}),
        route=Known(
            lambda rows: after.logpdf(rows).sum(axis=1),
            lambda rng, size: np.clip(rng.beta(a + k, b + n - k, (size, d)), TINY, 1 - 2**-53),
            lambda rng, size: rng.uniform(size=(size, d)),
        ),
    )


TINY = 1e-300  # a draw that rounds to the pole itself is moved off it


def simplex(name: str, concentration: Any, counts: Any, *tags: str) -> Problem:
    """Dirichlet–multinomial."""
    concentration, counts = np.array(concentration, float), np.array(counts)
    after = stats.dirichlet(concentration + counts)
    k, total = len(counts), int(counts.sum())

    def draw(alpha: Any) -> Any:
        def tidy(rng: np.random.Generator, n: int) -> np.ndarray:
            rows = np.maximum(rng.dirichlet(alpha, n), TINY)
            return rows / rows.sum(axis=1, keepdims=True)

        return tidy

    return Problem(
        name,
        lambda: Model(
            {"p": dist.Dirichlet(concentration)}, lambda p: dist.Multinomial(total, p), observed=counts, name=name
        ),
        k - 1,
        stats.dirichlet_multinomial(concentration, total).logpmf(counts),
        {"p": after.mean()},
        {"p": np.sqrt(after.var())},
        frozenset({"skewed", "edge", *tags}),
        route=Known(lambda rows: after.logpdf(rows.T), draw(concentration + counts), draw(np.ones(k))),
    )


def rates(name: str, shape: Any, rate: Any, counts: Any, *tags: str) -> Problem:
    """Gamma–Poisson, a count for each rate: negative binomials."""
    a, b, counts = np.array(shape, float), np.array(rate, float), np.array(counts)
    after = stats.gamma(a + counts, scale=1 / (b + 1))
    d = len(a)
    return Problem(
        name,
        lambda: Model({"rate": dist.Gamma(a, b).to_event(1)}, lambda rate: dist.Poisson(rate), observed=counts),
        d,
        stats.nbinom(a, b / (b + 1)).logpmf(counts).sum(),
        {"rate": after.mean()},
        {"rate": after.std()},
        frozenset({"skewed", *tags}),
        route=Known(
            lambda rows: after.logpdf(rows).sum(axis=1),
            lambda rng, n: np.maximum(rng.gamma(a + counts, 1 / (b + 1), (n, d)), TINY),
            lambda rng, n: rng.exponential(5.0, (n, d)),
        ),
    )


PROBLEMS = (
    stairs("step 1d", 1, [([0.43], [0.05, 7.0])], "step"),
    stairs("step 2d", 2, [([-0.31], [20.1, 1.0])], "step", "correlated"),
    stairs("step 3d", 3, [([1.17], [1.0, 1e-3])], "step", "correlated"),
    stairs("step 4d", 4, [([0.67], [0.3, 6.0])], "step", "correlated"),
    stairs("step 5d", 5, [([3.3], [1.0, 1e4])], "step", "correlated"),
    stairs("three flights 3d", 3, [([-0.4, 0.7], [1, 5, 25]), ([0.3], [9, 1]), ([-1.1], [1, 4])], "step"),
    stairs("two islands 1d", 1, [([-1.1, -0.7, 0.9, 1.3], [0, 1, 0, 1, 0])], "step", "void", "modes"),
    stairs("void half-space 2d", 2, [([0.9], [0, 1])], "step", "void", "correlated"),
    stairs("void half-space 4d", 4, [([2.9], [0, 1])], "step", "void", "correlated"),
    wedge("void wedge 2d", 2, (-0.2, 0.3), 0.6, allowed=False),
    wedge("only a wedge 5d", 5, (0.4, 0.9), -0.3, allowed=True),
    ball("hole 3d", [0.5, -0.3, 0.2], 1.4, 0.9, allowed=False),
    ball("only a ball 4d", [1.1, -0.8, 0.9, 0.4], 1.2, 0.9, allowed=True),
    oblique_slope(1, [-60.0]),
    oblique_slope(2, [25.0, -7.0]),
    oblique_slope(3, [-11.0, 38.0, 6.0]),
    oblique_slope(4, [14.0, -5.0, -31.0, 9.0]),
    corner_of_a_normal(2, [-0.08, 1.13], [0.31, 0.09]),
    corner_of_a_normal(3, [1.06, -0.11, 0.94], [0.45, 0.16, 0.28]),
    betas("pole at zero 1d", [0.3], [0.6], [0], [2], "pole", "edge"),
    betas("poles at two edges 2d", [0.4, 0.8], [0.9, 0.3], [0, 4], [3, 4], "pole", "edge", "corner"),
    rates("rates with poles 3d", [0.3, 0.6, 0.45], [0.7, 1.9, 0.2], [0, 0, 2], "pole", "edge", "corner"),
    simplex("dice with poles 3d", [0.3, 0.5, 0.2, 0.4], [9, 0, 0, 1], "pole", "corner"),
    simplex("corner of a simplex 4d", [1.5, 2.0, 0.9, 1.2, 1.1], [60, 0, 1, 0, 0], "corner"),
    rates("rates 4d", [2.0, 0.8, 3.5, 1.3], [0.5, 0.1, 2.0, 0.3], [7, 1, 4, 23]),
    rates("rates 5d", [1.4, 2.2, 0.7, 5.0, 1.1], [0.6, 0.2, 0.05, 1.5, 0.9], [1, 3, 57, 2, 12]),
)

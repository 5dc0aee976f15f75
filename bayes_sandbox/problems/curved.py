"""Posteriors bent out of any Gaussian's reach: shells, bananas, funnels and curved ridges."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from scipy import integrate, special

from ..model import Model
from .problem import Problem
from .routes import (
    BELL,
    LOG_2PI,
    Known,
    Polar,
    Product,
    Sliced,
    condition,
    factor_model,
    log_normal,
    room,
    rotation,
)
from .truths import cut_gaussian

TINY = 1e-300  # keeps the gradient of a distance finite at distance zero


# --- shells ---


def shell_moment(k: int, r: float, w: float) -> float:
    """Return ∫ tᵏ exp(−(t − r)²/(2w²)) dt over t > 0, by parts from the first two."""
    low, high, _ = cut_gaussian(r, w, 0.0, np.inf) * w * np.sqrt(2 * np.pi)
    for j in range(1, k):
        low, high = high, r * high + j * w**2 * low
    return high if k else low


def shells_factor(centres: np.ndarray, radii: np.ndarray, widths: np.ndarray) -> Any:
    def log_factor(x: Any) -> Any:
        distance = jnp.sqrt(jnp.sum((x - centres) ** 2, axis=1) + TINY)
        return jnp.logaddexp.reduce(-(((distance - radii) / widths) ** 2) / 2)

    return log_factor


def shells(name: str, centres: Any, radii: Any, widths: Any, box: Any, *tags: str) -> Problem:
    """log L = log Σ exp(−(|x − c| − r)²/(2w²)) in a box that holds every shell out to seven widths."""
    centres, radii, widths = np.array(centres), np.array(radii), np.array(widths)
    lo, hi = (np.asarray(b, float) for b in box)
    d = centres.shape[1]
    assert np.all(np.minimum(centres - lo, hi - centres).min(axis=1) > radii + 7 * widths)
    log_sphere = np.log(2) + d / 2 * np.log(np.pi) - special.gammaln(d / 2)
    mass = np.array([shell_moment(d - 1, r, w) for r, w in zip(radii, widths)])
    spread = np.array([shell_moment(d + 1, r, w) for r, w in zip(radii, widths)]) / mass / d
    share = mass / mass.sum()
    mean = share @ centres
    return Problem(
        name,
        lambda: factor_model(name, dist.Uniform(lo, hi).to_event(1), shells_factor(centres, radii, widths)),
        d,
        log_sphere + np.log(mass.sum()) - np.log(hi - lo).sum(),
        {"x": mean},
        {"x": np.sqrt(share @ (spread[:, None] + (centres - mean) ** 2))},
        frozenset({"shell", "bounded", *tags}),
        route=Polar(
            centres, np.arange(1.0, d + 1), [np.unique(np.maximum(r + w * BELL, 0)) for r, w in zip(radii, widths)]
        ),
    )


def shell(d: int, r: float, w: float, centre: Any) -> Problem:
    centre = np.array(centre)
    return shells(f"shell {d}d, {w / r:.2g} thick", centre[None], [r], [w], room(centre, r + 8 * w))


def shell_under_normal() -> Problem:
    """A shell whose one side a normal prior favours: the mean over a sphere is sinh(κ)/κ, a line is left."""
    loc, scale, r, w = np.array([2.9, -0.4, 1.7]), 1.3, 2.0, 0.15
    centre = np.array([1.2, 0.8, 0.3])
    gap = np.linalg.norm(loc - centre)
    axis = (loc - centre) / gap

    def integrand(t: float) -> np.ndarray:
        """1, and moments along and across the axis of von Mises and Fisher's distribution on a sphere of radius t."""
        kappa = t * gap / scale**2
        mean = kappa + np.log1p(-np.exp(-2 * kappa)) - np.log(2 * kappa)
        prior = -(t**2 + gap**2) / (2 * scale**2) - 3 * (np.log(scale) + LOG_2PI / 2)
        cosine = 1 / np.tanh(kappa) - 1 / kappa
        moments = np.array([1.0, t * cosine, t**2 * (1 - 2 * cosine / kappa), t**2 * cosine / kappa])
        return 4 * np.pi * t**2 * np.exp(prior + mean - ((t - r) / w) ** 2 / 2) * moments

    cuts = r + w * BELL
    total = sum(integrate.quad_vec(integrand, *ends, epsabs=1e-14, epsrel=1e-12)[0] for ends in pairwise(cuts))
    along, square, across = total[1:] / total[0]
    variance = axis**2 * (square - along**2) + (1 - axis**2) * across
    name = "shell under a normal 3d"
    factor = shells_factor(centre[None], np.array([r]), np.array([w]))
    return Problem(
        name,
        lambda: factor_model(name, dist.Normal(loc, scale).to_event(1), factor),
        3,
        np.log(total[0]),
        {"x": centre + axis * along},
        {"x": np.sqrt(variance)},
        frozenset({"shell", "correlated"}),
        route=Polar([centre], axis, [cuts]),
    )


# --- bananas ---


def banana(name: str, centre: Sequence[float], sds: Sequence[float], bends: Mapping[int, float], *tags: str) -> Problem:
    """A turned, twisted normal in a box: x = c + R u with uⱼ = zⱼ + bⱼ (zⱼ₋₁² − sⱼ₋₁²), z ~ N(0, s²); volume stays.

    Nothing is correlated in u, where the variances are s² + 2 b² s⁴.
    """
    c, s = np.array(centre), np.array(sds)
    d, r = len(c), rotation(len(c), 80 + len(c))
    reach = 7 * s + [49 * abs(bends.get(j, 0.0)) * s[j - 1] ** 2 for j in range(d)]
    lo, hi = room(c, np.abs(r) @ reach)

    def straight(u: Any) -> list[Any]:
        z = [u[0]]
        for j in range(1, d):
            z.append(u[j] - bends.get(j, 0.0) * (z[j - 1] ** 2 - s[j - 1] ** 2))
        return z

    def log_factor(x: Any) -> Any:
        return sum(log_normal(z, 0.0, sd) for z, sd in zip(straight(((x - c) @ r).T), s))

    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        z = rng.normal(0.0, s, (n, d))
        bent = [z[:, j] + bends.get(j, 0.0) * (z[:, j - 1] ** 2 - s[j - 1] ** 2) for j in range(d)]
        return c + np.stack(bent, axis=1) @ r.T

    variance = s**2 + [2 * bends.get(j, 0.0) ** 2 * s[j - 1] ** 4 for j in range(d)]
    return Problem(
        name,
        lambda: factor_model(name, dist.Uniform(lo, hi).to_event(1), log_factor),
        d,
        -np.log(hi - lo).sum(),
        {"x": c},
        {"x": np.sqrt(r**2 @ variance)},
        frozenset({"smooth", "bounded", "banana", *tags}),
        route=Known(log_factor, draw, lambda rng, n: rng.uniform(lo, hi, (n, d))),
    )


def banana_cut_off() -> Problem:
    """b ~ N(a² − 1.5, 0.15²) above a uniform box's floor only, and the banana's one arm runs out of its side."""
    loc, sd, shift, thin = 0.7, 1.1, -1.5, 0.15
    lo, hi = np.array([-1.2, -1.3]), np.array([2.9, 3.1])

    def integrand(a: float) -> np.ndarray:
        mass, first, second = cut_gaussian(a**2 + shift, thin, lo[1], hi[1])
        return np.exp(log_normal(a, loc, sd)) * np.array([mass, a * mass, first, a * a * mass, second])

    turn = np.sqrt(lo[1] - shift)  # where the middle of the banana crosses the floor, and the lid
    cuts = [lo[0], -0.8, -turn, 0.0, turn, 0.8, 1.5, np.sqrt(hi[1] - shift), 2.5, hi[0]]
    total = sum(integrate.quad_vec(integrand, *ends, epsabs=1e-14, epsrel=1e-12)[0] for ends in pairwise(cuts))
    mean, square = total[1:3] / total[0], total[3:] / total[0]
    name = "banana cut off 2d"
    return Problem(
        name,
        lambda: factor_model(
            name,
            dist.Uniform(lo, hi).to_event(1),
            lambda x: log_normal(x[0], loc, sd) + log_normal(x[1], x[0] ** 2 + shift, thin),
        ),
        2,
        np.log(total[0]) - np.log(hi - lo).sum(),
        {"x": mean},
        {"x": np.sqrt(square - mean**2)},
        frozenset({"smooth", "bounded", "banana", "edge"}),
        route=Product(np.zeros(2), np.eye(2), [np.linspace(*ends, 41) for ends in zip(lo, hi)], block=2, nodes=16),
    )


# --- Gaussian, given one coordinate: funnels and curved ridges ---


def sliced(name: str, make: Any, route: Sliced, sites: Sequence[tuple[str, Any]], *tags: str) -> Problem:
    """Fill in a problem whose truth is a line of Gaussians; `sites` cut its flat moments into parameters."""
    log_z, mean, sd = route.truth()
    return Problem(
        name,
        make,
        len(mean),
        log_z,
        {site: mean[index] for site, index in sites},
        {site: sd[index] for site, index in sites},
        frozenset(tags),
        route=route,
    )


def funnel(name: str, loc: float, scale: float, design: Any, y: Any, noise: float) -> Problem:
    """v ~ N(loc, scale²), x ~ N(0, eᵛ), y ~ N(design x, noise²)."""
    design, y = np.array(design), np.array(y)
    d = design.shape[1]

    def slices(v: np.ndarray) -> tuple[Any, Any, Any]:
        log_z, mean, precision = condition(np.zeros(d), np.exp(v)[:, None] * np.ones(d), design, y, noise)
        return log_z + log_normal(v, loc, scale), mean, precision

    def make() -> Model:
        prior = {
            "v": dist.Normal(loc, scale),
            "x": lambda v: dist.Normal(jnp.zeros(d), jnp.exp(v / 2)).to_event(1),
        }
        return Model(prior, lambda x: dist.Normal(design @ x, noise), observed=y, name=name)

    route = Sliced(slices, loc + scale * np.linspace(-8.5, 8.5, 35), np.zeros(d + 1), np.eye(d + 1))
    return sliced(name, make, route, (("v", 0), ("x", slice(1, None))), "smooth", "funnel", "skewed")


def curved_ridge(d: int, slope: Any) -> Problem:
    """(u₀ − 0.4)² + slope · u₁… is known to 1e-3, in turned coordinates u = Rᵀ(x − c) of a normal prior."""
    loc, scale, y, noise = np.array([1.1, -0.6, 0.7, 2.3, -1.4])[:d], 1.3, 2.2, 1e-3
    slope, r = np.array(slope), rotation(d, 90 + d)

    def slices(v: np.ndarray) -> tuple[Any, Any, Any]:
        gap = (y - (v - 0.4) ** 2)[:, None]
        log_z, mean, precision = condition(np.zeros(d - 1), np.full((len(v), d - 1), scale**2), slope[None], gap, noise)
        return log_z + log_normal(v, 0.0, scale), mean, precision

    def likelihood(x: Any) -> Any:
        u = (x - loc) @ r
        return dist.Normal((u[0] - 0.4) ** 2 + slope @ u[1:], noise)

    name = f"curved ridge {d}d"
    route = Sliced(slices, np.linspace(-9 * scale, 9 * scale, 41), loc, r)
    return sliced(
        name,
        lambda: Model({"x": dist.Normal(loc, scale).to_event(1)}, likelihood, observed=y, name=name),
        route,
        (("x", slice(None)),),
        "smooth",
        "ridge",
        "narrow",
    )


def product_ridge() -> Problem:
    """a·b = 1.3 to 1e-3: two branches of a hyperbola, the one a few times likelier."""
    loc, scale, y, noise = np.array([1.5, -0.4]), np.array([1.0, 1.2]), 1.3, 1e-3

    def slices(v: np.ndarray) -> tuple[Any, Any, Any]:
        log_z, mean, precision = condition(loc[1:], scale[1:] ** 2, v[:, None, None], np.array([y]), noise)
        return log_z + log_normal(v, loc[0], scale[0]), mean, precision

    name = "product ridge 2d"
    cuts = np.unique([*np.linspace(-8, 11, 77), *np.linspace(-0.5, 0.5, 41)])
    return sliced(
        name,
        lambda: Model(
            {"a": dist.Normal(loc[0], scale[0]), "b": dist.Normal(loc[1], scale[1])},
            lambda a, b: dist.Normal(a * b, noise),
            observed=y,
            name=name,
        ),
        Sliced(slices, cuts, np.zeros(2), np.eye(2)),
        (("a", 0), ("b", 1)),
        "smooth",
        "ridge",
        "narrow",
        "modes",
    )


MIXING = np.array([[1.0, 0.5, 0.0, 0.0], [-0.3, 1.1, 0.0, 0.0], [0.4, 0.0, 0.8, 0.0], [0.0, -0.6, 0.2, 1.2]])

PROBLEMS = (
    shell(2, 1.1, 0.33, [0.6, -1.7]),
    shell(2, 2.0, 0.04, [-0.9, 1.3]),
    shell(3, 1.6, 0.08, [0.7, 2.1, -1.2]),
    shell(4, 1.3, 0.13, [1.4, -0.8, 0.3, 2.2]),
    shells("two shells 2d", [[-2.8, 0.9], [4.1, -0.5]], [2.0, 1.3], [0.1, 0.1], ([-6.1, -4.3], [7.0, 5.2]), "modes"),
    shells(
        "two shells 5d",
        [[-2.8, 0.9, 0.2, -0.4, 1.1], [3.1, -0.5, 1.1, 0.7, -0.2]],
        [1.7, 1.1],
        [0.15, 0.1],
        (np.full(5, -6.0), np.full(5, 6.5)),
        "modes",
    ),
    shell_under_normal(),
    banana("banana 2d", [0.8, -1.9], [1.0, 0.1], {1: 0.5}),
    banana("banana 3d", [0.8, -1.9, 2.3], [1.0, 0.4, 0.1], {1: 0.4, 2: 0.8}),
    banana("banana 4d", [0.8, -1.9, 2.3, 0.6], [0.6, 0.03, 0.5, 0.2], {1: 1.5, 3: -0.9}),
    banana("banana 5d", [0.8, -1.9, 2.3, 0.6, -1.1], [1.0, 0.2, 0.3, 0.8, 0.1], {1: 0.5, 4: 0.7}),
    banana_cut_off(),
    funnel("funnel that learns little 2d", 1.0, 3.0, [[0.7]], [2.4], 5.0),
    funnel("funnel 3d", -0.7, 2.5, MIXING[:2, :2], [0.1, 1.7], 0.2),
    funnel("funnel 5d", 0.4, 2.0, MIXING, [0.6, -0.2, 1.9, 0.3], 0.3),
    curved_ridge(2, [1.4]),
    curved_ridge(3, [1.4, -0.8]),
    curved_ridge(5, [1.4, -0.8, 0.6, 1.1]),
    product_ridge(),
)

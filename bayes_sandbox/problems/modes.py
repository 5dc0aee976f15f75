"""Posteriors of several modes, and of one mode that is far from the prior's bulk and far narrower than it."""

from functools import partial
from itertools import product
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax.scipy.special import logsumexp
from scipy import special

from ..model import Model
from .problem import Problem
from .routes import (
    LOG_2PI,
    GaussianMixture,
    Known,
    Product,
    condition,
    factor_model,
    log_gaussian,
    log_normal,
    panels,
    rotation,
)
from .truths import integral_1d, linear_gaussian

# --- mixtures of normals, by a factor ---


def mixture_factor(parts: GaussianMixture) -> Any:
    """Return x → log Σ w N(x; mean, covariance) for JAX."""
    factors = np.linalg.cholesky(parts.precisions)
    heights = np.log(parts.weights) + np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(axis=1)

    def log_factor(x: Any) -> Any:
        z = jnp.einsum("kij,ki->kj", factors, x - parts.means)
        return logsumexp(heights - jnp.sum(z**2, axis=1) / 2) - len(x) * LOG_2PI / 2

    return log_factor


def turned(sds: Any, seed: int) -> np.ndarray:
    """Return the precision of a normal with these sds along axes turned by a rotation."""
    r = rotation(len(sds), seed)
    return (r / np.asarray(sds) ** 2) @ r.T


def in_box(name: str, lo: float, side: float, weights: Any, fractions: Any, precisions: Any, *tags: str) -> Problem:
    """Normals at fractions of a uniform box, none of them nearer to a face than 6.5 sds: log evidence −d log side."""
    parts = GaussianMixture(np.array(weights), lo + side * np.array(fractions), np.array(precisions))
    d = parts.means.shape[1]
    sds = np.sqrt(np.diagonal(parts.covariances, axis1=1, axis2=2))
    assert np.all(np.minimum(parts.means - lo, lo + side - parts.means) > 6.5 * sds)
    return Problem(
        name,
        lambda: factor_model(name, dist.Uniform(lo, np.full(d, lo + side)).to_event(1), mixture_factor(parts)),
        d,
        -d * np.log(side),
        {"x": parts.mean},
        {"x": parts.sd},
        frozenset({"smooth", "bounded", *tags}),
        route=Known(parts.logpdf, parts.draw, lambda rng, n: rng.uniform(lo, lo + side, (n, d))),
    )


def under_normal(name: str, loc: float, scale: float, weights: Any, means: Any, precisions: Any, *tags: str) -> Problem:
    """Normals times a normal prior: Σ w N(mean; loc, C + scale²) is the evidence, and normals are the posterior."""
    factor = GaussianMixture(np.array(weights), np.array(means, float), np.array(precisions, float))
    d = factor.means.shape[1]
    seen = np.linalg.inv(factor.covariances + scale**2 * np.eye(d))
    each = log_gaussian(np.full_like(factor.means, loc), factor.means, seen)
    log_z = special.logsumexp(each, b=factor.weights)
    after = factor.precisions + np.eye(d) / scale**2
    pull = np.einsum("kij,kj->ki", factor.precisions, factor.means) + loc / scale**2
    posterior = GaussianMixture(
        factor.weights * np.exp(each - log_z), np.linalg.solve(after, pull[..., None])[..., 0], after
    )
    return Problem(
        name,
        lambda: factor_model(name, dist.Normal(loc, np.full(d, scale)).to_event(1), mixture_factor(factor)),
        d,
        log_z,
        {"x": posterior.mean},
        {"x": posterior.sd},
        frozenset({"smooth", *tags}),
        route=Known(posterior.logpdf, posterior.draw, lambda rng, n: rng.normal(loc, scale, (n, d))),
    )


FRACTIONS = np.array([[0.37, 0.61, 0.23, 0.71, 0.43], [0.73, 0.19, 0.67, 0.29, 0.83]])


def round_precisions(d: int, *sds: float) -> np.ndarray:
    return np.array([np.eye(d) / sd**2 for sd in sds])


def two_spikes(d: int) -> Problem:
    precisions = round_precisions(d, 0.05, 0.05)
    return in_box(f"two spikes {d}d", -1.3, 6.0, [0.2, 0.8], FRACTIONS[:, :d], precisions, "modes")


def spike_on_a_hump(d: int, width: float, name: str = "spike on a hump") -> Problem:
    """Half of the mass within a few hundredths, on the flank of what looks like the whole."""
    hump = np.array([0.43, 0.56, 0.47])[:d]
    spike = hump + np.array([0.052, -0.031, 0.044])[:d]
    precisions = round_precisions(d, 1.2, width)
    tags = ("modes", "unequal", "narrow")
    return in_box(f"{name} {d}d", -9.0, 21.0, [0.5, 0.5], [hump, spike], precisions, *tags)


def rotated_pair(d: int) -> Problem:
    fractions = np.array([[0.37, 0.41, 0.62, 0.58], [0.63, 0.57, 0.39, 0.36]])[:, :d]
    precisions = [turned([0.3, 0.08, 0.02, 0.15][:d], 21), turned([0.05, 0.25, 0.1, 0.3][:d], 22)]
    return in_box(f"two turned normals {d}d", -2.1, 6.0, [0.35, 0.65], fractions, precisions, "modes", "correlated")


def rare_mode() -> Problem:
    precisions = round_precisions(1, 0.5, 0.3)
    return under_normal("rare mode", 1.3, 4.0, [0.99, 0.01], [[-2.2], [9.1]], precisions, "modes", "unequal")


def three_of_unequal_weight() -> Problem:
    means = np.array([[2.1, -3.3, 0.9, 4.4, -1.2], [-2.7, 1.9, 3.6, -0.8, 2.3], [1.3, 4.6, -2.9, 2.2, 5.1]])
    sds = ([0.9, 0.3, 0.5, 0.2, 0.7], [0.15, 0.6, 0.4, 0.8, 0.25], [0.5, 0.2, 0.3, 0.6, 0.9])
    precisions = [turned(s, 31 + i) for i, s in enumerate(sds)]
    tags = ("modes", "unequal", "correlated")
    return under_normal("three of unequal weight", 0.7, 3.0, [0.6, 0.399, 0.001], means, precisions, *tags)


# --- modes that mirror each other ---


def eggbox() -> Problem:
    """log L = (2 + cos(x/2) cos(y/2))⁵ on (0, 10π)², by Gauss–Legendre, eighteen nodes to an sd of a peak."""
    top = 10 * np.pi
    x, log_w = panels(np.linspace(0, top, 11), 60)
    terms = (2 + np.cos(x / 2)[:, None] * np.cos(x / 2)) ** 5 + log_w[:, None] + log_w
    log_mass = special.logsumexp(terms)
    share = np.exp(terms - log_mass).sum(axis=1)
    mean = share @ x
    sd = np.sqrt(share @ (x - mean) ** 2)
    return Problem(
        "eggbox",
        lambda: factor_model(
            "eggbox",
            dist.Uniform(0.0, np.full(2, top)).to_event(1),
            lambda x: (2 + jnp.cos(x[0] / 2) * jnp.cos(x[1] / 2)) ** 5,
        ),
        2,
        log_mass - 2 * np.log(top),
        {"x": np.full(2, mean)},
        {"x": np.full(2, sd)},
        frozenset({"smooth", "bounded", "modes", "mirrored", "edge"}),
        route=Product(np.zeros(2), np.eye(2), [np.linspace(0, top, 26)] * 2, block=2, nodes=22),
    )


SQUARES, SQUARE_NOISE = np.array([7.1, 5.3, 9.4, 3.8]), np.array([0.5, 0.9, 1.3, 0.4])


def mirrors(d: int, loc: Any, scale: float) -> Problem:
    """The squares of turned coordinates are known, their signs are not: 2ᵈ equal modes. A product along the axes."""
    loc, r, y, noise = np.array(loc), rotation(d, 40 + d), SQUARES[:d], SQUARE_NOISE[:d]
    name = f"mirrors {d}d"
    each = [
        integral_1d(
            partial(lambda u, i: log_normal(u, 0.0, scale) + log_normal(y[i], u**2, noise[i]), i=i),
            -9 * scale,
            9 * scale,
            [-4.0, -np.sqrt(y[i]), -1.0, 1.0, np.sqrt(y[i]), 4.0],
        )
        for i in range(d)
    ]
    mode = np.sqrt(y)
    return Problem(
        name,
        lambda: Model(
            {"x": dist.Normal(loc, scale).to_event(1)},
            lambda x: dist.Normal(((x - loc) @ r) ** 2, noise),
            observed=y,
            name=name,
        ),
        d,
        sum(e[0] for e in each),
        {"x": loc},
        {"x": np.sqrt(r**2 @ np.array([e[2] for e in each]) ** 2)},
        frozenset({"smooth", "modes", "mirrored"}),
        route=Product(loc, r, [np.linspace(-5.5, 5.5, 23)] * d, base=mode),
    )


def four_modes() -> Problem:
    """Four modes at the corners of a turned rectangle in d = 5; the prior's centre, elsewhere, weighs them."""
    loc, r = np.array([1.3, -0.7, 2.1, 0.4, -1.8]), rotation(5, 47)
    signs = np.array(list(product((-1, 1), repeat=2)))
    means = np.column_stack([signs * [2.3, 1.7], np.tile([0.6, -0.9, 1.2], (4, 1))])
    precision = (r / np.array([0.2, 0.35, 0.1, 0.5, 0.3]) ** 2) @ r.T
    return under_normal(
        "four modes 5d", 0.4, 2.5, np.full(4, 0.25), loc + means @ r.T, [precision] * 4, "modes", "correlated"
    )


# --- linear data: needles far out, ridges as long as the prior ---


def linear(name: str, loc: float, scale: float, design: Any, y: Any, noise: float, *tags: str) -> Problem:
    """y ~ N(design x, noise²), x ~ N(loc, scale²): Gaussian throughout."""
    design, y = np.asarray(design, float), np.asarray(y, float)
    d = design.shape[1]
    log_z, _, sd = linear_gaussian(design, y, np.full(d, loc), np.full(d, scale), noise)
    _, mean, precision = condition(np.full(d, loc), np.full(d, scale**2), design, y, noise)
    after = GaussianMixture(np.ones(1), mean[None], precision[None])
    return Problem(
        name,
        lambda: Model(
            {"x": dist.Normal(loc, np.full(d, scale)).to_event(1)},
            lambda x: dist.Normal(design @ x, noise),
            observed=y,
            name=name,
        ),
        d,
        log_z,
        {"x": mean},
        {"x": sd},
        frozenset({"smooth", "gaussian", *tags}),
        route=Known(after.logpdf, after.draw, lambda rng, n: rng.normal(loc, scale, (n, d))),
    )


def needle(d: int) -> Problem:
    """Six to eight prior sds out along every axis, from 1e-3 wide to a few times that."""
    target = 0.3 + np.array([6.3, -7.1, 5.7, -8.2, 6.9])[:d]
    design = np.array([1.0, 0.4, 0.7, 0.2, 0.5])[:d, None] * rotation(d, 50 + d)
    tags = ("narrow", "correlated") if d > 1 else ("narrow",)
    return linear(f"needle {d}d", 0.3, 1.0, design, design @ target, 1e-3, *tags)


def needle_in_a_haystack(d: int) -> Problem:
    fractions = np.array([[0.3713, 0.8119, 0.2371, 0.6637]])[:, :d]
    precisions = [turned([1e-3, 5e-3, 2e-3, 1e-2][:d], 60 + d)]
    tags = ("gaussian", "narrow", "correlated")
    return in_box(f"needle in a haystack {d}d", -70.0, 200.0, [1.0], fractions, precisions, *tags)


def sums_known(d: int, rows: int, noise: float) -> Problem:
    """Fewer sums than unknowns, each known to `noise`: ridges as long as the prior in all other directions."""
    design = rotation(d, 70 + d)[:rows] * np.linspace(0.6, 1.9, d)
    tags = ("ridge", "correlated", "narrow")
    return linear(f"{rows} sums of {d} known", 0.8, 3.0, design, [2.7, -1.9, 4.1][:rows], noise, *tags)


PROBLEMS = (
    eggbox(),
    *(two_spikes(d) for d in (2, 3, 4, 5)),
    in_box(
        "needle beside a hill 3d",
        -1.3,
        6.0,
        [0.5, 0.5],
        [[0.47, 0.53, 0.44], [0.83, 0.19, 0.71]],
        round_precisions(3, 0.4, 0.02),
        "modes",
        "unequal",
        "narrow",
    ),
    *(rotated_pair(d) for d in (3, 4)),
    rare_mode(),
    three_of_unequal_weight(),
    *(spike_on_a_hump(d, width) for d, width in ((1, 1e-3), (2, 6e-3), (3, 0.03))),
    mirrors(1, [1.3], 2.0),
    mirrors(3, [0.9, -2.2, 1.4], 1.8),
    mirrors(4, [0.9, -2.2, 1.4, 3.1], 1.8),
    four_modes(),
    *(needle(d) for d in (1, 3, 5)),
    *(needle_in_a_haystack(d) for d in (2, 4)),
    sums_known(4, 2, 1e-3),
    sums_known(5, 3, 1e-3),
)

# Of a hundred million points drawn from the hump, two meet this spike: nothing leads there, and no rule can see it.
UNSEEABLE = spike_on_a_hump(3, 1e-3, "unseeable spike")

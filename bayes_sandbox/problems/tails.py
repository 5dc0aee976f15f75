"""Heavy tails, flat tops and kinks, turned wherever there is more than one dimension."""

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax.scipy.special import log_ndtr
from numpyro.distributions.transforms import LowerCholeskyAffine
from scipy import special, stats

from ..model import Model
from .curved import MIXING, sliced
from .problem import Problem
from .routes import (
    BELL,
    GaussianMixture,
    Known,
    Product,
    Sliced,
    condition,
    factor_model,
    log_normal,
    panels,
    room,
    rotation,
)
from .truths import cut_gaussian, integral_1d

LOCS = np.array([1.3, -0.6, 2.2, 0.7, -1.7])
FAR = np.concatenate([-np.geomspace(1e4, 0.1, 21), [0.0], np.geomspace(0.1, 1e4, 21)])  # cuts of a heavy tail

LogFactor = Callable[[float], float]


def log_student(x: Any, df: float, loc: Any, scale: Any) -> Any:
    """Return log t(x; df, loc, scale), without the cost of scipy.stats."""
    constant = special.gammaln((df + 1) / 2) - special.gammaln(df / 2) - np.log(df * np.pi) / 2 - np.log(scale)
    return constant - (df + 1) / 2 * np.log1p(((x - loc) / scale) ** 2 / df)


def turned_product(
    name: str, make: Any, origin: Any, axes: Any, factors: Sequence[tuple[LogFactor, Any]], cuts: Any, *tags: str
) -> Problem:
    """x = origin + axes u, independent along each u: its (log density, points to cut at) goes through SciPy's quad."""
    origin, axes = np.asarray(origin, float), np.asarray(axes, float)
    log_z, mean, sd = np.array([integral_1d(f, cuts[0], cuts[-1], list(points)) for f, points in factors]).T
    inner = [np.unique([*cuts, *points]) for _, points in factors]
    return Problem(
        name,
        make,
        len(axes),
        log_z.sum(),
        {"x": origin + axes @ mean},
        {"x": np.sqrt(axes**2 @ sd**2)},
        frozenset(tags),
        route=Product(origin, axes, inner, base=mean),
    )


def log_half_cauchy(t: Any, width: float) -> Any:
    """Return the log density of t = log s for a half-Cauchy s."""
    return np.log(2 / np.pi / width) - np.log1p((np.exp(t) / width) ** 2) + t


# --- heavy tails ---


def conflict() -> Problem:
    """A Cauchy prior and two Student observations that cannot both be near."""
    y = np.array([-3.1, 14.2])

    def log_f(u: float) -> float:
        x = 2.3 + u
        return log_student(x, 1.0, 2.3, 1.5) + log_student(y[0], 1.5, x, 0.6) + log_student(y[1], 1.5, x, 0.6)

    def make() -> Model:
        prior = {"x": dist.Cauchy(2.3, np.full(1, 1.5)).to_event(1)}
        return Model(prior, lambda x: dist.StudentT(1.5, x, 0.6), observed=y, name="conflict 1d")

    points = [-300.0, -30.0, -10.0, -5.4, -3.0, 0.0, 5.0, 11.9, 16.0, 30.0, 300.0]
    tags = ("smooth", "heavy-tailed", "modes")
    return turned_product("conflict 1d", make, [2.3], [[1.0]], [(log_f, points)], FAR, *tags)


def sheared_cauchy(d: int) -> Problem:
    """x = loc + L z with z Cauchy, and each z observed with Student noise, three to nine scales out."""
    loc, shear = LOCS[:d], np.linalg.cholesky(MIXING[:d, :d] @ MIXING[:d, :d].T)
    y = np.array([3.2, -6.1, 1.4, 8.7])[:d]
    inverse = np.linalg.inv(shear)
    name = f"sheared cauchy {d}d"

    def make() -> Model:
        prior = dist.TransformedDistribution(
            dist.Cauchy(0.0, np.ones(d)).to_event(1), LowerCholeskyAffine(jnp.asarray(loc), jnp.asarray(shear))
        )
        return Model({"x": prior}, lambda x: dist.StudentT(3.0, inverse @ (x - loc), 0.8), observed=y, name=name)

    factors = [
        (
            lambda u, v=v: log_student(u, 1.0, 0.0, 1.0) + log_student(v, 3.0, u, 0.8),
            [-100.0, -10.0, -2.0, 0.0, v / 2, v, 1.5 * v, 20.0, 100.0],
        )
        for v in y
    ]
    return turned_product(name, make, loc, shear, factors, FAR, "smooth", "heavy-tailed", "correlated")


def robust_regression() -> Problem:
    """Student noise about a line in a turned design, each row observed twice and in conflict: up to eight modes."""
    loc, r, scale = LOCS[:3], rotation(3, 120), 6.0
    y = np.array([[2.4, -3.9, 5.8], [-4.3, 1.7, 5.1]])

    def likelihood(x: Any) -> Any:
        return dist.StudentT(2.0, jnp.broadcast_to((x - loc) @ r, y.shape), np.array([[0.5], [0.7]]))

    def make() -> Model:
        return Model({"x": dist.Normal(loc, scale).to_event(1)}, likelihood, observed=y, name="robust regression 3d")

    def factor(a: float, b: float) -> LogFactor:
        return lambda u: log_normal(u, 0.0, scale) + log_student(a, 2.0, u, 0.5) + log_student(b, 2.0, u, 0.7)

    factors = [(factor(a, b), [-20.0, *sorted([a - 1, a, b, b + 1]), 20.0]) for a, b in y.T]
    cuts = np.linspace(-54, 54, 109)
    tags = ("smooth", "heavy-tailed", "modes")
    return turned_product("robust regression 3d", make, loc, r, factors, cuts, *tags)


def student_prior(d: int, rows: int, df: float) -> Problem:
    """A multivariate Student prior, fewer data than dimensions: its tails stay in the directions they do not see."""
    loc, scales, r = LOCS[:d], np.array([1.5, 0.4, 2.3, 0.9])[:d], rotation(d, 125 + d)
    root, design = r * scales, rotation(d, 130 + d)[:rows]
    y, noise = np.array([4.1, -2.6, 3.3])[:rows], 0.3
    log_z, after = _student_posterior(design @ root, y - design @ loc, noise, df)  # of z = root⁻¹ (x − loc)
    inverse, log_det = np.linalg.inv(root), np.log(scales).sum()
    name = f"student prior {d}d"

    def make() -> Model:
        prior = dist.MultivariateStudentT(df, jnp.asarray(loc), jnp.linalg.cholesky(jnp.asarray(root @ root.T)))
        return Model({"x": prior}, lambda x: dist.Normal(design @ x, noise), observed=y, name=name)

    return Problem(
        name,
        make,
        d,
        log_z,
        {"x": loc + root @ after.mean},
        {"x": np.sqrt(np.diag(root @ after.covariance @ root.T))},
        frozenset({"smooth", "heavy-tailed", "correlated"}),
        route=Known(
            lambda rows: after.logpdf((rows - loc) @ inverse.T) - log_det,
            lambda rng, n: loc + after.draw(rng, n) @ root.T,
            lambda rng, n: rng.normal(loc, 20.0, (n, d)),
        ),
    )


def _student_posterior(design: Any, y: Any, noise: float, df: float) -> tuple[float, GaussianMixture]:
    """Return (log evidence, posterior) of a standard Student z, Gaussian given its precision λ ~ Gamma(df/2, df/2).

    The evidence is a line over t = log λ for SciPy; the posterior, a mixture over Gauss–Legendre nodes of t.
    """
    d = design.shape[1]

    def slices(t: np.ndarray) -> tuple[Any, Any, Any]:
        log_f, mean, precision = condition(np.zeros(d), np.exp(-t)[:, None] * np.ones(d), design, y, noise)
        return log_f + stats.gamma.logpdf(np.exp(t), df / 2, scale=2 / df) + t, mean, precision

    cuts = [-12.0, -6.0, -3.0, 0.0, 2.0]
    log_z, _, _ = integral_1d(lambda t: float(slices(np.array([t]))[0][0]), -24.0, 6.0, cuts)
    t, log_w = panels(np.linspace(-26, 6, 41))
    log_f, mean, precision = slices(t)
    return log_z, GaussianMixture(special.softmax(log_f + log_w), mean, precision)


def unknown_noise() -> Problem:
    """A mean, and a half-Cauchy scale in its logarithm: Gaussian given the scale."""
    loc, scale, width, y = 3.1, 5.0, 2.0, np.array([7.9, 2.2, 4.6])

    def slices(t: np.ndarray) -> tuple[Any, Any, Any]:
        s = np.exp(t)
        found = condition(np.full(1, loc), np.full((len(t), 1), scale**2), np.ones((3, 1)), y, s)
        return found[0] + log_half_cauchy(t, width), *found[1:]

    name = "unknown noise 2d"
    route = Sliced(slices, np.linspace(-5, 14, 39), np.zeros(2), np.eye(2), np.exp, np.asarray)
    return sliced(
        name,
        lambda: Model(
            {"s": dist.HalfCauchy(width), "mu": dist.Normal(loc, scale)},
            lambda s, mu: dist.Normal(mu, s),
            observed=y,
            name=name,
        ),
        route,
        (("s", 0), ("mu", 1)),
        "smooth",
        "heavy-tailed",
        "skewed",
    )


def three_schools() -> Problem:
    """Three effects about a mean, their spread half-Cauchy: θ = μ + τ ε, where (μ, ε) is Gaussian given t = log τ."""
    loc, scale, width = 1.7, 4.0, 1.5
    y, noise = np.array([6.3, -1.2, 2.8]), 1.1

    def slices(t: np.ndarray) -> tuple[Any, Any, Any]:
        design = np.concatenate([np.ones((len(t), 3, 1)), np.exp(t)[:, None, None] * np.eye(3)], axis=2)
        found = condition(np.array([loc, 0, 0, 0]), np.array([scale**2, 1, 1, 1]), design, y, noise)
        return found[0] + log_half_cauchy(t, width), *found[1:]

    def bend(rows: np.ndarray) -> np.ndarray:
        return np.column_stack([rows[:, :2], rows[:, 1:2] + rows[:, :1] * rows[:, 2:]])

    def make() -> Model:
        prior = {
            "tau": dist.HalfCauchy(width),
            "mu": dist.Normal(loc, scale),
            "theta": lambda mu, tau: dist.Normal(mu, tau * np.ones(3)).to_event(1),
        }
        return Model(prior, lambda theta: dist.Normal(theta, noise), observed=y, name="three schools 5d")

    # Below: as much of the mass as τ is of the width. Above: τ⁻⁴.
    route = Sliced(slices, np.linspace(-25, 12, 38), np.zeros(5), np.eye(5), np.exp, lambda t: 4 * t, bend)
    tags = frozenset({"funnel", "heavy-tailed", "skewed", "smooth"})
    return Problem("three schools 5d", make, 5, route.truth()[0], tags=tags, route=route)


# --- flat tops ---


def flat_top(d: int) -> Problem:
    """exp(−Σ (u/a)⁸) in turned coordinates: 2a Γ(9/8) along each, its mean square a² Γ(3/8)/Γ(1/8)."""
    centre, r, a = LOCS[:d], rotation(d, 140 + d), np.array([1.1, 0.3, 2.4, 0.7])[:d]
    lo, hi = room(centre, np.abs(r) @ (1.7 * a))  # 1.7⁸ = 70
    name = f"flat top {d}d"
    return Problem(
        name,
        lambda: factor_model(name, dist.Uniform(lo, hi).to_event(1), lambda x: -jnp.sum((((x - centre) @ r) / a) ** 8)),
        d,
        np.log(2 * a * special.gamma(9 / 8)).sum() - np.log(hi - lo).sum(),
        {"x": centre},
        {"x": np.sqrt(r**2 @ a**2 * special.gamma(3 / 8) / special.gamma(1 / 8))},
        frozenset({"smooth", "bounded", "plateau", *(["correlated"] if d > 1 else [])}),
        route=Product(centre, r * a, [np.linspace(-1.65, 1.65, 9)] * d),
    )


def logistic_plateau() -> Problem:
    """Two classes told apart without an error, in turned coordinates: a quarter of the prior is left as it was."""
    loc, r, scale = LOCS[:2], rotation(2, 151), 2.5
    steep, at = np.array([9.0, 4.0]), np.array([-0.8, 1.1])

    def make() -> Model:
        return Model(
            {"x": dist.Normal(loc, scale).to_event(1)},
            lambda x: dist.Bernoulli(logits=steep * ((x - loc) @ r - at)),
            observed=np.ones(2, int),
            name="logistic plateau 2d",
        )

    factors = [
        (lambda u, k=k, t=t: log_normal(u, 0.0, scale) + special.log_expit(k * (u - t)), [t - 1, t, t + 1, 6.0])
        for k, t in zip(steep, at)
    ]
    cuts = scale * np.linspace(-9, 9, 73)
    return turned_product("logistic plateau 2d", make, loc, r, factors, cuts, "smooth", "plateau", "correlated")


def probit_plateau(d: int, at: float, blur: float) -> Problem:
    """L = Φ((n·x − t)/τ) for an oblique n: Φ of the mean over √(τ² + variance); a skew normal is left."""
    loc, scale = LOCS[:d], np.array([0.8, 1.7, 1.2])[:d]
    normal = rotation(d, 160 + d)[0]
    sd = np.linalg.norm(scale * normal)
    total = np.hypot(sd, blur)
    z = (normal @ loc - at) / total
    lift = np.exp(log_normal(z, 0.0, 1.0) - special.log_ndtr(z))  # the inverse Mills ratio
    pull = scale**2 * normal / total
    basis = np.linalg.qr(np.column_stack([scale * normal, rotation(d, 170 + d)[:, : d - 1]]))[0]
    axes = scale[:, None] * basis * np.sign(basis[:, 0] @ (scale * normal))
    edge = (at - normal @ loc) / sd
    name = f"probit plateau {d}d"

    def log_factor(x: Any) -> Any:
        return log_ndtr((normal @ x - at) / blur)

    return Problem(
        name,
        lambda: factor_model(name, dist.Normal(loc, scale).to_event(1), log_factor),
        d,
        special.log_ndtr(z),
        {"x": loc + pull * lift},
        {"x": np.sqrt(scale**2 - pull**2 * lift * (z + lift))},
        frozenset({"smooth", "plateau", "skewed", "correlated"}),
        route=Product(loc, axes, [np.unique([*BELL, *(edge + blur / sd * BELL)])] + [BELL] * (d - 1)),
    )


# --- kinks ---


def laplace_noise(d: int) -> Problem:
    """Laplace observations of turned coordinates under a normal prior: on either side of each kink, a cut Gaussian."""
    loc, r, scale = LOCS[:d], rotation(d, 180 + d), 1.6
    y, b = np.array([1.1, -2.3, 0.4, 3.1, -0.7])[:d], np.array([0.3, 0.6, 1.2, 0.15, 0.45])[:d]
    name = f"laplace noise {d}d"
    parts = []
    for a, width in zip(y, b):
        shift = scale**2 / width
        height = np.exp(scale**2 / (2 * width**2) + np.array([-a, a]) / width) / (2 * width)
        below, above = (cut_gaussian(shift, scale, -np.inf, v) for v in (a, -a))  # mirrored: an upper tail would cancel
        parts.append(height[0] * below + height[1] * above * [1, -1, 1])
    mass, first, second = np.array(parts).T
    mean = first / mass
    return Problem(
        name,
        lambda: Model(
            {"x": dist.Normal(loc, scale).to_event(1)}, lambda x: dist.Laplace((x - loc) @ r, b), observed=y, name=name
        ),
        d,
        np.log(mass).sum(),
        {"x": loc + r @ mean},
        {"x": np.sqrt(r**2 @ (second / mass - mean**2))},
        frozenset({"kink", *(["correlated"] if d > 1 else [])}),
        route=Product(loc, r, [np.unique([*np.linspace(-15, 15, 31), a]) for a in y]),
    )


def pyramid() -> Problem:
    """exp(−max|u|/b) in turned coordinates: max|u| ~ Gamma(d, b), even over a cube's surface of 2d (2ρ)ᵈ⁻¹."""
    d, b = 3, 0.07
    centre, r = LOCS[:d], rotation(d, 191)
    lo, hi = room(centre, np.abs(r).sum(axis=1) * 40 * b)
    after = stats.gamma(d, scale=b)

    def log_factor(x: Any) -> Any:
        return -jnp.max(jnp.abs((x - centre) @ r)) / b

    def logpdf(rows: np.ndarray) -> np.ndarray:
        rho = np.abs((rows - centre) @ r).max(axis=1)
        return after.logpdf(rho) - np.log(2 * d * (2 * rho) ** (d - 1))

    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        u = rng.uniform(-1, 1, (n, d))
        face = rng.integers(d, size=n)
        u[np.arange(n), face] = rng.choice([-1, 1], n)
        return centre + (u * rng.gamma(d, b, (n, 1))) @ r.T

    mean_square = (1 + (d - 1) / 3) / d  # of u/max|u|: a coordinate is the face's once in d, uniform on (−1, 1) else
    return Problem(
        "pyramid 3d",
        lambda: factor_model("pyramid 3d", dist.Uniform(lo, hi).to_event(1), log_factor),
        d,
        np.log(special.factorial(d)) + d * np.log(2 * b) - np.log(hi - lo).sum(),
        {"x": centre},
        {"x": np.full(d, b * np.sqrt(d * (d + 1) * mean_square))},
        frozenset({"kink", "bounded", "correlated"}),
        route=Known(logpdf, draw, lambda rng, n: rng.uniform(lo, hi, (n, d))),
    )


PROBLEMS = (
    conflict(),
    sheared_cauchy(2),
    sheared_cauchy(4),
    robust_regression(),
    student_prior(3, 2, 2.5),
    student_prior(4, 3, 1.0),
    unknown_noise(),
    three_schools(),
    *(flat_top(d) for d in (1, 2, 3, 4)),
    logistic_plateau(),
    probit_plateau(3, 2.4, 0.05),
    *(laplace_noise(d) for d in (1, 2, 5)),
    pyramid(),
)

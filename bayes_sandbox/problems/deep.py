"""Posteriors of six to two hundred parameters whose evidence is exact: conjugate, turned products, modes and shells.

What no grid can sum. Each brings a second route through the model's own density, as those of few dimensions do.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax.scipy.special import log_ndtr
from scipy import special, stats

from ..model import Model
from .curved import shells
from .modes import in_box, linear, turned, under_normal
from .problem import Problem
from .routes import Known, Product, factor_model, log_normal, room, rotation
from .tails import log_student, turned_product
from .truths import cut_gaussian

BELL = np.linspace(-9, 9, 19)
TAILS = np.concatenate([-np.geomspace(1e4, 0.1, 21), [0.0], np.geomspace(0.1, 1e4, 21)])


def spaced(d: int, seed: int, lo: float, hi: float) -> np.ndarray:
    """Return d numbers between lo and hi, in no order, the same for the same seed."""
    return np.random.default_rng(seed).permutation(np.linspace(lo, hi, d))


# --- Gaussian throughout ---


def regression(d: int, rows: int, noise: float) -> Problem:
    """Predictors that share a common part: the weights trade against one another."""
    rng = np.random.default_rng(200 + d)
    design = rng.normal(size=(rows, d)) + 1.5 * rng.normal(size=(rows, 1))
    y = design @ spaced(d, 201 + d, -1.2, 1.7) + noise * rng.normal(size=rows)
    return linear(f"collinear regression {d}d", 0.4, 1.3, design, y, noise, "correlated")


def conflict(d: int) -> Problem:
    """Data some ten prior sds from where the prior is: nearly all of its mass says nothing."""
    rng = np.random.default_rng(220 + d)
    design = rng.normal(size=(2 * d, d))
    y = design @ spaced(d, 221 + d, 6.0, 13.0) + 0.8 * rng.normal(size=2 * d)
    return linear(f"prior far away {d}d", -0.7, 1.0, design, y, 0.8, "far")


def unknown_noise_regression(d: int, rows: int) -> Problem:
    """w | s² ~ N(0, c s²), s² ~ InverseGamma(a, b): the data are a multivariate Student t."""
    rng = np.random.default_rng(230 + d)
    design, c, a, b = rng.normal(size=(rows, d - 1)), 2.0, 2.5, 1.7
    y = design @ spaced(d - 1, 231 + d, -2.0, 1.1) + 0.9 * rng.normal(size=rows)
    spread = c * design @ design.T + np.eye(rows)
    log_z = stats.multivariate_t(np.zeros(rows), spread * b / a, df=2 * a).logpdf(y)
    precision = design.T @ design + np.eye(d - 1) / c
    centre, factor = np.linalg.solve(precision, design.T @ y), np.linalg.cholesky(np.linalg.inv(precision))
    shape, rate = a + rows / 2, b + (y @ y - centre @ precision @ centre) / 2
    after = stats.invgamma(shape, scale=rate)
    log_det = np.log(np.diag(factor)).sum()
    name = f"regression with unknown noise {d}d"

    def make() -> Model:
        prior = {
            "s2": dist.InverseGamma(a, b),
            "w": lambda s2: dist.Normal(0.0, jnp.sqrt(c * s2) * jnp.ones(d - 1)).to_event(1),
        }
        return Model(prior, lambda s2, w: dist.Normal(design @ w, jnp.sqrt(s2)), observed=y, name=name)

    def logpdf(rows: np.ndarray) -> np.ndarray:
        s = np.sqrt(rows[:, :1])
        z = np.linalg.solve(factor, ((rows[:, 1:] - centre) / s).T).T
        given = log_normal(z, 0.0, 1.0).sum(axis=1) - log_det - (d - 1) * np.log(s[:, 0])
        return after.logpdf(rows[:, 0]) + given

    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        s2 = after.rvs(n, random_state=rng)
        return np.column_stack([s2, centre + np.sqrt(s2)[:, None] * (rng.normal(size=(n, d - 1)) @ factor.T)])

    elsewhere = lambda rng, n: np.column_stack([rng.gamma(2.0, 1.0, n), rng.normal(0, 2, (n, d - 1))])  # noqa: E731
    route = Known(logpdf, draw, elsewhere)
    mean = {"s2": after.mean(), "w": centre}
    sd = {"s2": after.std(), "w": np.sqrt(rate / (shape - 1)) * np.linalg.norm(factor, axis=1)}
    return Problem(name, make, d, log_z, mean, sd, frozenset({"smooth", "skewed", "correlated"}), route=route)


# --- one parameter at a time, in turned coordinates or in their own ---


def counts(d: int) -> Problem:
    """Gamma rates, each seen in one small Poisson count: skewed in every one of d directions."""
    y = np.random.default_rng(240 + d).poisson(3.0, d)
    a, b = 1.3, 0.4
    log_z = stats.nbinom(a, b / (b + 1)).logpmf(y).sum()
    after = stats.gamma(a + y, scale=1 / (b + 1))
    name = f"rates {d}d"

    def make() -> Model:
        prior = {"rate": dist.Gamma(a, b * jnp.ones(d)).to_event(1)}
        return Model(prior, lambda rate: dist.Poisson(rate), observed=y, name=name)

    route = Known(
        lambda rows: after.logpdf(rows).sum(axis=1),
        lambda rng, n: after.rvs((n, d), random_state=rng),
        lambda rng, n: rng.gamma(a, 1 / b, (n, d)),
    )
    return Problem(
        name,
        make,
        d,
        log_z,
        {"rate": after.mean()},
        {"rate": after.std()},
        frozenset({"smooth", "skewed"}),
        route=route,
    )


def shares(k: int, total: int) -> Problem:
    """A Dirichlet prior and multinomial counts, many of them zero: a simplex of k shares, k − 1 coordinates."""
    alpha = np.full(k, 0.8)
    y = np.random.default_rng(250 + k).multinomial(total, stats.dirichlet(alpha).rvs(random_state=251 + k)[0])
    after = stats.dirichlet(alpha + y)
    log_beta = lambda a: special.gammaln(a).sum() - special.gammaln(a.sum())  # noqa: E731
    coefficient = special.gammaln(total + 1) - special.gammaln(y + 1).sum()
    name = f"shares {k - 1}d"

    def make() -> Model:
        return Model({"p": dist.Dirichlet(alpha)}, lambda p: dist.Multinomial(total, p), observed=y, name=name)

    route = Known(
        lambda rows: after.logpdf(rows.T / rows.T.sum(axis=0)),
        lambda rng, n: after.rvs(n, random_state=rng),
        lambda rng, n: stats.dirichlet(alpha + 0.5).rvs(n, random_state=rng),
    )
    log_z = coefficient + log_beta(alpha + y) - log_beta(alpha)
    sd = np.sqrt(after.var())
    return Problem(
        name, make, k - 1, log_z, {"p": after.mean()}, {"p": sd}, frozenset({"smooth", "skewed", "pole"}), route=route
    )


def probit(d: int) -> Problem:
    """A normal prior cut softly by Φ along every turned axis: ∫ N(u) Φ(a u + b) du = Φ(b/√(1 + a²))."""
    loc, r = spaced(d, 260 + d, -1.1, 1.9), rotation(d, 261 + d)
    a, b = spaced(d, 262 + d, 0.5, 3.0), spaced(d, 263 + d, -1.5, 1.0)
    z = b / np.sqrt(1 + a**2)
    name = f"probit {d}d"
    lift = np.exp(log_normal(z, 0.0, 1.0) - special.log_ndtr(z))
    pull = a / np.sqrt(1 + a**2)
    prior = dist.Normal(loc, 1.0).to_event(1)

    def make() -> Model:

        return factor_model(name, prior, lambda x: jnp.sum(log_ndtr(a * ((x - loc) @ r) + b)))

    return Problem(
        name,
        make,
        d,
        special.log_ndtr(z).sum(),
        {"x": loc + r @ (pull * lift)},
        {"x": np.sqrt(r**2 @ (1 - pull**2 * lift * (z + lift)))},
        frozenset({"smooth", "skewed", "correlated"}),
        route=Product(loc, r, [BELL] * d),
    )


def edges(d: int) -> Problem:
    """Shares of an interval, each observed beside one of its ends: cut Gaussians, highest on the edge or near it."""
    y, noise = spaced(d, 270 + d, -0.15, 1.15), spaced(d, 271 + d, 0.05, 0.4)
    mass, first, second = cut_gaussian(y, noise, 0.0, 1.0)
    name = f"edges {d}d"

    def make() -> Model:
        prior = {"x": dist.Uniform(0.0, jnp.ones(d)).to_event(1)}
        return Model(prior, lambda x: dist.Normal(x, noise), observed=y, name=name)

    after = stats.truncnorm(-y / noise, (1 - y) / noise, y, noise)
    route = Known(
        lambda rows: after.logpdf(rows).sum(axis=1),
        lambda rng, n: after.rvs((n, d), random_state=rng),
        lambda rng, n: rng.uniform(0, 1, (n, d)),
    )
    mean = first / mass
    sd = np.sqrt(second / mass - mean**2)
    tags = frozenset({"smooth", "bounded", "edge", "skewed"})
    return Problem(name, make, d, np.log(mass).sum(), {"x": mean}, {"x": sd}, tags, route=route)


def lasso(d: int) -> Problem:
    """Laplace priors, each weight observed once in its own coordinate: a corner in every direction."""
    y, noise, b = spaced(d, 280 + d, -1.6, 2.1), 0.5, 0.4
    shift = noise**2 / b
    height = np.exp(noise**2 / (2 * b**2) + np.array([y, -y]) / b) / (2 * b)
    below, above = cut_gaussian(y + shift, noise, -np.inf, 0.0), cut_gaussian(shift - y, noise, -np.inf, 0.0)
    mass, first, second = height[0] * below + height[1] * above * np.array([1, -1, 1])[:, None]
    name = f"lasso {d}d"
    mean = first / mass

    def make() -> Model:
        prior = {"w": dist.Laplace(0.0, b * jnp.ones(d)).to_event(1)}
        return Model(prior, lambda w: dist.Normal(w, noise), observed=y, name=name)

    route = Product(np.zeros(d), np.eye(d), [np.unique([*(v + noise * BELL), *(noise * BELL)]) for v in y], base=y)
    sd = np.sqrt(second / mass - mean**2)
    return Problem(name, make, d, np.log(mass).sum(), {"w": mean}, {"w": sd}, frozenset({"kink"}), route=route)


def student_noise(d: int) -> Problem:
    """A normal prior and Student observations in turned coordinates, some far out: skewed, with wide shoulders."""
    loc, r, y = spaced(d, 290 + d, -2.0, 1.0), rotation(d, 291 + d), spaced(d, 292 + d, -4.5, 6.0)
    name = f"student noise {d}d"

    def make() -> Model:
        prior = {"x": dist.Normal(loc, 1.5).to_event(1)}
        return Model(prior, lambda x: dist.StudentT(3.0, (x - loc) @ r, 0.7), observed=y, name=name)

    factors = [
        (lambda u, v=v: log_normal(u, 0.0, 1.5) + log_student(v, 3.0, u, 0.7), [-6.0, 0.0, v / 2, v, 8.0]) for v in y
    ]
    return turned_product(name, make, loc, r, factors, 1.5 * BELL, "smooth", "heavy-tailed", "correlated")


def heavy_tails(d: int) -> Problem:
    """Student priors in turned coordinates and weak Student data: tails of powers that stay in the posterior."""
    loc, r, y = spaced(d, 300 + d, -2.0, 1.0), rotation(d, 301 + d), spaced(d, 302 + d, -6.0, 8.0)
    name = f"student prior {d}d"

    def make() -> Model:
        def log_factor(x: Any) -> Any:
            u = (x - loc) @ r
            return dist.StudentT(4.0, 0.0, 1.0).log_prob(u).sum() - dist.Normal(0.0, 30.0).log_prob(x - loc).sum()

        # The prior is a wide normal that the factor takes back: what is left are Student tails in turned coordinates.
        return factor_model(name, dist.Normal(loc, 30.0).to_event(1), lambda x: log_factor(x) + seen(x))

    def seen(x: Any) -> Any:
        return dist.StudentT(4.0, (x - loc) @ r, 3.0).log_prob(y).sum()

    factors = [
        (lambda u, v=v: log_student(u, 4.0, 0.0, 1.0) + log_student(v, 4.0, u, 3.0), [-30.0, -5.0, 0.0, v / 2, v, 30.0])
        for v in y
    ]
    return turned_product(name, make, loc, r, factors, TAILS, "smooth", "heavy-tailed", "correlated")


# --- modes, shells, spikes ---


def far_pair(d: int) -> Problem:
    """Two normals of different shapes, far apart, with a third and two thirds of the mass."""
    sds = [np.exp(spaced(d, s + d, -2.2, -0.4)) for s in (310, 311)]
    fractions = np.array([spaced(d, 312 + d, 0.28, 0.44), spaced(d, 313 + d, 0.55, 0.72)])
    precisions = [turned(s, 314 + i) for i, s in enumerate(sds)]
    return in_box(f"two turned normals {d}d", -8.0, 19.0, [1 / 3, 2 / 3], fractions, precisions, "modes", "correlated")


def near_pair(d: int) -> Problem:
    """Two normals that a chain can walk between."""
    step = 1.6 * rotation(d, 320 + d)[0]
    means = spaced(d, 321 + d, -0.9, 1.4) + np.array([step, -step])
    precisions = [turned(np.full(d, 0.8), 322), turned(np.exp(spaced(d, 323 + d, -1.0, 0.2)), 324)]
    return under_normal(f"two that touch {d}d", 0.2, 2.5, [0.55, 0.45], means, precisions, "modes")


def spike_and_slab(d: int, off: float) -> Problem:
    """Nine tenths of the mass within a spike that chains do not find: it is a needle in the slab around it."""
    hump = spaced(d, 330 + d, -0.8, 1.2)
    spike = hump + off * rotation(d, 331 + d)[0]
    precisions = [np.eye(d) / 0.9**2, np.eye(d) / 0.03**2]
    inside = np.array([0.1 / (1 + 1.0), 0.9])
    return in_box(
        f"spike and slab {d}d",
        -9.0,
        19.0,
        inside / inside.sum(),
        (np.array([hump, spike]) + 9) / 19,
        precisions,
        "modes",
        "narrow",
        "unequal",
    )


def shell(d: int, r: float, w: float) -> Problem:
    centre = spaced(d, 340 + d, -1.7, 2.2)
    return shells(f"shell {d}d, {w / r:.2g} thick", centre[None], [r], [w], room(centre, r + 8 * w))


PROBLEMS = (
    regression(6, 20, 0.8),
    regression(30, 60, 0.8),
    regression(100, 140, 1.1),
    regression(200, 260, 1.1),
    conflict(20),
    unknown_noise_regression(7, 25),
    unknown_noise_regression(41, 60),
    counts(12),
    counts(60),
    shares(11, 60),
    shares(41, 300),
    probit(25),
    probit(60),
    edges(9),
    lasso(12),
    student_noise(10),
    heavy_tails(8),
    far_pair(6),
    far_pair(20),
    near_pair(12),
    spike_and_slab(10, 0.1),
    shell(6, 3.0, 0.3),
    shell(10, 3.0, 0.5),
)

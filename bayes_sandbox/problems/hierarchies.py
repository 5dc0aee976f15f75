"""Hierarchies of six to two hundred parameters: few steer many, and the many integrate out.

The truth is a line or a sheet over those that steer, of closed forms; the second route divides the model's own density
by the conditional one of the many, at random values of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from scipy import special, stats

from ..model import Model
from .curved import funnel
from .problem import Problem
from .routes import AGREE, LOG_2PI, Density, Found, condition, log_gaussian, log_normal, panels, rotation
from .tails import log_half_cauchy

# Rubin (1981), table 1: effects of coaching in eight schools, and their standard errors.
SCHOOLS = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
ERRORS = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])
# Gaver & O'Muircheartaigh (1987): failures of ten pumps, and thousands of hours of operation.
FAILURES = np.array([5, 1, 5, 14, 3, 19, 1, 1, 4, 22])
HOURS = np.array([94.3, 15.7, 62.9, 126.0, 5.24, 31.4, 1.05, 1.05, 2.1, 10.5])
# Davies (1947): yield of dyestuff in grams of standard colour, five samples of each of six batches, 1500 taken off.
DYESTUFF = np.array(
    [
        [45.0, -60.0, -60.0, 40.0, 0.0],
        [40.0, 55.0, 50.0, -60.0, 0.0],
        [95.0, 50.0, 105.0, 130.0, 70.0],
        [-55.0, 0.0, -5.0, -50.0, -5.0],
        [235.0, 80.0, 50.0, 95.0, 15.0],
        [20.0, -45.0, 55.0, -20.0, -45.0],
    ]
)

Steer = np.ndarray  # (n, k): values of what steers, in coordinates that are summed over


@dataclass(frozen=True)
class Steered:
    """Few parameters v steer many w: `given(v)` draws w and returns its log density; `rows(v, w)` are the model's.

    `cuts` are panels of each coordinate of v; `log_slope(v)` is log |∂rows/∂(v, w)|.
    """

    cuts: tuple[Any, ...]
    given: Callable[[Steer, np.random.Generator], tuple[np.ndarray, np.ndarray]]
    rows: Callable[[Steer, np.ndarray], np.ndarray]
    log_slope: Callable[[Steer], np.ndarray]

    def nodes(self, n: int) -> tuple[Steer, np.ndarray]:
        axes = [panels(c, n) for c in self.cuts]
        points = np.stack([g.ravel() for g in np.meshgrid(*(a[0] for a in axes), indexing="ij")], axis=1)
        return points, sum(g.ravel() for g in np.meshgrid(*(a[1] for a in axes), indexing="ij"))

    def truth(self, log_marginal: Callable[[Steer], np.ndarray]) -> float:
        """Return log ∫ exp(log p(D, v)) dv."""
        points, log_w = self.nodes(32)
        return float(special.logsumexp(log_marginal(points) + log_w))

    def find(self, density: Density) -> Found:
        points, log_w = self.nodes(24)
        found = []
        for seed in (21, 22):
            w, log_given = self.given(points, np.random.default_rng(seed))
            found.append(density(self.rows(points, w)) - log_given + self.log_slope(points) + log_w)
        total = special.logsumexp(found, axis=1)
        assert np.max(np.abs(np.exp(found[0] - total[0]) - np.exp(found[1] - total[0]))) < AGREE
        return float(total[0]), np.zeros(0), np.zeros(0)


def problem(name: str, make: Any, dimension: int, log_z: float, route: Any, *tags: str) -> Problem:
    return Problem(name, make, dimension, log_z, tags=frozenset({"hierarchy", "smooth", "skewed", *tags}), route=route)


def gaussian(found: tuple[Any, Any, Any], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return (draws, log density) of the conditional that `condition` found."""
    _, mean, precision = found
    factor = np.linalg.cholesky(precision)
    z = rng.normal(size=(*mean.shape, 1))
    w = mean + np.linalg.solve(np.swapaxes(factor, -1, -2), z)[..., 0]
    return w, log_gaussian(w, mean, precision)


# --- effects about a mean ---


@dataclass(frozen=True)
class Effects:
    """θ = μ + τ ε seen as y ± noise; τ half-Cauchy. As θ ~ N(μ, τ) (centred), or as ε ~ N(0, 1)."""

    y: np.ndarray
    noise: np.ndarray
    scale: float
    width: float
    centred: bool

    @cached_property
    def k(self) -> int:
        return len(self.y)

    def conditional(self, t: np.ndarray) -> tuple[Any, Any, Any]:
        """Of (μ, ε) given t = log τ, all data brought to a noise of one."""
        design = np.concatenate([np.ones((len(t), self.k, 1)), np.exp(t)[:, None, None] * np.eye(self.k)], axis=2)
        variance = np.r_[self.scale**2, np.ones(self.k)]
        found = condition(np.zeros(self.k + 1), variance, design / self.noise[:, None], self.y / self.noise, 1.0)
        return found[0] - np.log(self.noise).sum(), *found[1:]

    def log_marginal(self, t: np.ndarray) -> np.ndarray:
        """Of y given t: independent about a common μ, which is integrated by hand."""
        variance = np.exp(2 * t)[:, None] + self.noise**2
        weight, gap = 1 / variance, self.y
        total, pull = weight.sum(axis=1) + self.scale**-2, (weight * gap).sum(axis=1)
        square = (weight * gap**2).sum(axis=1) - pull**2 / total
        log_det = np.log(variance).sum(axis=1) + np.log(total) + 2 * np.log(self.scale)
        return -(square + log_det + self.k * LOG_2PI) / 2

    def rows(self, v: Steer, w: np.ndarray) -> np.ndarray:
        tau = np.exp(v)
        return np.column_stack([w[:, :1], tau, w[:, :1] + tau * w[:, 1:] if self.centred else w[:, 1:]])

    def make(self, name: str) -> Model:
        k, noise = self.k, self.noise
        prior = {"mu": dist.Normal(0.0, self.scale), "tau": dist.HalfCauchy(self.width)}
        if self.centred:
            prior["theta"] = lambda mu, tau: dist.Normal(mu, tau * jnp.ones(k)).to_event(1)
            return Model(prior, lambda theta: dist.Normal(theta, noise), observed=self.y, name=name)
        prior["eps"] = dist.Normal(0.0, jnp.ones(k)).to_event(1)
        likelihood = lambda mu, tau, eps: dist.Normal(mu + tau * eps, noise)  # noqa: E731
        return Model(prior, likelihood, observed=self.y, name=name)

    def problem(self, name: str) -> Problem:
        slope = (lambda v: (1 + self.k) * v[:, 0]) if self.centred else (lambda v: v[:, 0])
        cuts = (np.linspace(-26, 16, 64),)
        route = Steered(cuts, lambda v, rng: gaussian(self.conditional(v[:, 0]), rng), self.rows, slope)
        log_z = route.truth(lambda v: self.log_marginal(v[:, 0]) + log_half_cauchy(v[:, 0], self.width))
        tags = ("funnel", "heavy-tailed") if self.centred else ("heavy-tailed",)
        return problem(name, lambda: self.make(name), self.k + 2, log_z, route, *tags)


def simulated(k: int, spread: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(400 + k)
    noise = rng.uniform(0.5, 2.0, k)
    return 1.7 + spread * rng.normal(size=k) + noise * rng.normal(size=k), noise


def dyestuff() -> Problem:
    """Batches about a mean, samples about their batch; both spreads half-normal."""
    y, (k, n) = DYESTUFF.ravel(), DYESTUFF.shape
    batch = np.repeat(np.arange(k), n)
    name = "dyestuff 9d"

    def conditional(v: Steer) -> tuple[Any, Any, Any]:
        tau, sigma = np.exp(v).T
        design = np.concatenate([np.ones((len(v), k * n, 1)), tau[:, None, None] * np.eye(k)[batch]], axis=2)
        return condition(np.zeros(k + 1), np.r_[100.0**2, np.ones(k)], design, y, sigma)

    def log_marginal(v: Steer) -> np.ndarray:
        """Within batches, then of the batches' means about a μ that is integrated by hand."""
        tau, sigma = np.exp(v).T
        within = log_normal(DYESTUFF - DYESTUFF.mean(axis=1, keepdims=True), 0.0, sigma[:, None, None]).sum(axis=(1, 2))
        of_means = Effects(DYESTUFF.mean(axis=1), np.zeros(k), 100.0, 60.0, centred=True)
        between = of_means.log_marginal(np.log(np.hypot(tau, sigma / np.sqrt(n))))
        scaling = k * (LOG_2PI / 2 + np.log(sigma) - np.log(n) / 2)
        prior = (np.log(2) + log_normal(np.exp(v), 0.0, np.array([60.0, 100.0])) + v).sum(axis=1)
        return within + between + scaling + prior

    def rows(v: Steer, w: np.ndarray) -> np.ndarray:
        tau, sigma = np.exp(v).T[..., None]
        return np.column_stack([w[:, :1], tau, sigma, w[:, :1] + tau * w[:, 1:]])

    def make() -> Model:
        prior = {
            "mu": dist.Normal(0.0, 100.0),
            "tau": dist.HalfNormal(60.0),
            "sigma": dist.HalfNormal(100.0),
            "mean": lambda mu, tau: dist.Normal(mu, tau * jnp.ones(k)).to_event(1),
        }
        return Model(prior, lambda mean, sigma: dist.Normal(mean[batch], sigma), observed=y, name=name)

    cuts = (np.linspace(-22, 6.5, 30), np.linspace(2.0, 6.5, 10))
    route = Steered(cuts, lambda v, rng: gaussian(conditional(v), rng), rows, lambda v: (1 + k) * v[:, 0] + v[:, 1])
    return problem(name, make, k + 3, route.truth(log_marginal), route, "funnel")


# --- rates about a rate ---


def pumps(name: str, y: np.ndarray, hours: np.ndarray) -> Problem:
    """Failure rates λ ~ Gamma(a, b) with b ~ Gamma(2, 1): given b each λ is a gamma again."""
    a, (c, e), k = 0.9, (2.0, 1.0), len(y)

    def log_marginal(v: Steer) -> np.ndarray:
        b = np.exp(v)
        each = special.gammaln(a + y) - special.gammaln(a) - special.gammaln(y + 1) + y * np.log(hours)
        each = each + a * v - (a + y) * np.log(b + hours)
        return each.sum(axis=1) + stats.gamma.logpdf(b[:, 0], c, scale=1 / e) + v[:, 0]

    def given(v: Steer, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        after = stats.gamma(a + y, scale=1 / (np.exp(v) + hours))
        w = after.rvs(size=(len(v), k), random_state=rng)
        return w, after.logpdf(w).sum(axis=1)

    def make() -> Model:
        prior = {"b": dist.Gamma(c, e), "rate": lambda b: dist.Gamma(a, b * jnp.ones(k)).to_event(1)}
        return Model(prior, lambda rate: dist.Poisson(rate * hours), observed=y, name=name)

    cuts = (np.linspace(-12, 5, 30),)
    route = Steered(cuts, given, lambda v, w: np.column_stack([np.exp(v), w]), lambda v: v[:, 0])
    return problem(name, make, k + 1, route.truth(log_marginal), route)


# --- a level that walks ---


def local_level(steps: int) -> Problem:
    """A random walk of unknown step, seen with known noise: all levels are Gaussian given the step."""
    rng = np.random.default_rng(420 + steps)
    y = 2.0 + np.cumsum(0.4 * rng.normal(size=steps)) + 0.6 * rng.normal(size=steps)
    name = f"local level {steps + 1}d"
    walk = np.tril(np.ones((steps, steps)))
    lengths, axes = np.linalg.eigh(walk @ walk.T)

    def conditional(v: Steer) -> tuple[Any, Any, Any]:
        design = np.exp(v)[:, :, None] * walk / 0.6
        return condition(np.zeros(steps), np.ones(steps), design, y / 0.6, 1.0)

    def log_marginal(v: Steer) -> np.ndarray:
        sd = np.sqrt(np.exp(2 * v) * lengths + 0.6**2)
        return log_normal(axes.T @ y, 0.0, sd).sum(axis=1) + log_normal(v[:, 0], np.log(0.5), 1.0)

    def make() -> Model:
        prior = {
            "step": dist.LogNormal(np.log(0.5), 1.0),
            "level": lambda step: dist.GaussianRandomWalk(step, num_steps=steps),
        }
        return Model(prior, lambda level: dist.Normal(level, 0.6), observed=y, name=name)

    route = Steered(
        (np.linspace(-9, 8, 24),),
        lambda v, rng: gaussian(conditional(v), rng),
        lambda v, w: np.column_stack([np.exp(v), np.exp(v) * np.cumsum(w, axis=1)]),
        lambda v: (1 + steps) * v[:, 0],
    )
    return problem(name, make, steps + 1, route.truth(log_marginal), route)


# --- curved, a pair at a time ---


def bananas(pairs: int) -> Problem:
    """b ~ N(a², 0.6), both observed: a line over each a. Here every pair has one mode."""
    rng = np.random.default_rng(430 + pairs)
    seen_a, seen_b = rng.uniform(0.8, 1.8, pairs), rng.uniform(0.5, 3.0, pairs)
    name = f"bananas {2 * pairs}d"
    a, log_w = panels(np.linspace(-8, 9, 60))
    height = log_normal(a[:, None], 0.5, 1.2) + log_normal(seen_a, a[:, None], 0.7)
    height = height + log_normal(seen_b, a[:, None] ** 2, np.hypot(0.6, 0.4))
    log_z = special.logsumexp(height + log_w[:, None], axis=0).sum()

    def make() -> Model:
        prior = {
            "a": dist.Normal(0.5, 1.2 * jnp.ones(pairs)).to_event(1),
            "b": lambda a: dist.Normal(a**2, 0.6).to_event(1),
        }
        observed = np.array([seen_a, seen_b])
        likelihood = lambda a, b: dist.Normal(jnp.stack([a, b]), np.array([[0.7], [0.4]]))  # noqa: E731
        return Model(prior, likelihood, observed=observed, name=name)

    route = Pairs(pairs, a, log_w)
    return Problem(name, make, 2 * pairs, log_z, tags=frozenset({"smooth", "banana", "skewed"}), route=route)


@dataclass(frozen=True)
class Pairs:
    """The density is a product over (a, b) pairs, b Gaussian given a with the precision that two sds make."""

    pairs: int
    a: np.ndarray
    log_w: np.ndarray

    def find(self, density: Density) -> Found:
        foot = np.full((1, 2 * self.pairs), 1.1)
        height = density(foot)[0]
        total = height
        for i in range(self.pairs):
            # Two axes at once would be many rows: for each a, b's Gaussian is read off at three points.
            rows = np.repeat(foot, 3 * len(self.a), axis=0).reshape(len(self.a), 3, -1)
            rows[:, :, i] = self.a[:, None]
            rows[:, :, self.pairs + i] = [0.0, 1.0, 2.0]
            low, middle, high = density(rows.reshape(-1, rows.shape[-1])).reshape(-1, 3).T
            curve, slope = 2 * middle - low - high, (high - low) / 2
            top = middle + slope**2 / (2 * curve)
            total += special.logsumexp(top + np.log(2 * np.pi / curve) / 2 + self.log_w) - height
        return total, np.zeros(0), np.zeros(0)


# --- a horseshoe ---


def horseshoe(k: int) -> Problem:
    """x = λ τ z with half-Cauchy λ and τ, few of them large: y ~ N(0, 1 + λ²τ²) leaves a line inside a line."""
    rng = np.random.default_rng(440 + k)
    y = rng.normal(size=k) + np.where(np.arange(k) < 2, [6.0], [0.0])
    name = f"horseshoe {2 * k + 1}d"

    def log_marginal(v: Steer, n: int = 24) -> np.ndarray:
        s, log_w = panels(np.linspace(-25, 25, 80), n)
        sd = np.hypot(1.0, np.exp(v[:, :1] + s))
        inner = [special.logsumexp(log_normal(one, 0.0, sd) + log_half_cauchy(s, 1.0) + log_w, axis=1) for one in y]
        return np.sum(inner, axis=0) + log_half_cauchy(v[:, 0], 0.5)

    def make() -> Model:
        prior = {
            "tau": dist.HalfCauchy(0.5),
            "lam": dist.HalfCauchy(jnp.ones(k)).to_event(1),
            "z": dist.Normal(0.0, jnp.ones(k)).to_event(1),
        }
        return Model(prior, lambda tau, lam, z: dist.Normal(tau * lam * z, 1.0), observed=y, name=name)

    v, log_w = panels(np.linspace(-25, 20, 60), 16)
    log_z = float(special.logsumexp(log_marginal(v[:, None]) + log_w))
    return problem(name, make, 2 * k + 1, log_z, Horseshoe(k, y, log_z), "funnel", "heavy-tailed")


@dataclass(frozen=True)
class Horseshoe:
    """Given τ and λ, each z is Gaussian: what is left is the product of lines that the truth sums, point by point."""

    k: int
    y: np.ndarray
    log_z: float

    def find(self, density: Density) -> Found:
        """Check the model's density at random points against the closed form; the sum over it is the truth's own."""
        rng = np.random.default_rng(23)
        tau, lam = np.exp(rng.normal(size=(200, 1))), np.exp(rng.normal(size=(200, self.k)))
        z = rng.normal(size=(200, self.k))
        expected = log_half_cauchy(np.log(tau), 0.5)[:, 0] - np.log(tau)[:, 0]
        expected += (log_half_cauchy(np.log(lam), 1.0) - np.log(lam) + log_normal(z, 0.0, 1.0)).sum(axis=1)
        expected += log_normal(self.y, tau * lam * z, 1.0).sum(axis=1)
        np.testing.assert_allclose(density(np.column_stack([tau, lam, z])), expected, rtol=1e-9, atol=1e-9)
        return self.log_z, np.zeros(0), np.zeros(0)


PROBLEMS = (
    Effects(SCHOOLS, ERRORS, 5.0, 5.0, centred=True).problem("eight schools, centred 10d"),
    Effects(SCHOOLS, ERRORS, 5.0, 5.0, centred=False).problem("eight schools, not centred 10d"),
    Effects(*simulated(20, 1.5), 4.0, 2.0, centred=True).problem("twenty schools, centred 22d"),
    Effects(*simulated(20, 0.2), 4.0, 2.0, centred=True).problem("twenty alike schools, centred 22d"),
    Effects(*simulated(80, 1.0), 4.0, 2.0, centred=True).problem("eighty schools, centred 82d"),
    dyestuff(),
    pumps("pumps 11d", FAILURES, HOURS),
    pumps("pumps 61d", np.random.default_rng(450).poisson(2.0, 60), np.random.default_rng(451).uniform(0.3, 4.0, 60)),
    local_level(30),
    local_level(100),
    bananas(5),
    horseshoe(7),
    funnel("funnel 10d", -0.6, 1.8, rotation(9, 460)[:5], [1.3, -0.4, 2.1, 0.2, -1.7], 0.5),
    funnel("funnel that learns little 15d", 0.4, 2.5, rotation(14, 461)[:2], [0.7, -1.4], 0.9),
)

"""Posteriors of one parameter: proportions, means, rates and scales, off centre all of them."""

from typing import Any

import numpy as np
import numpyro.distributions as dist
from scipy import special, stats

from ..model import Model
from .problem import Problem
from .truths import integral_1d, one_parameter

# --- a proportion ---


def coin(k: int, n: int, a: float = 1.0, b: float = 1.0) -> Model:
    return Model({"p": dist.Beta(a, b)}, lambda p: dist.Binomial(n, p), observed=k, name="coin")


def coin_problem(name: str, k: int, n: int, a: float, b: float, *tags: str) -> Problem:
    after = stats.beta(a + k, b + n - k)
    return Problem(
        name,
        lambda: coin(k, n, a, b),
        1,
        stats.betabinom(n, a, b).logpmf(k),
        {"p": after.mean()},
        {"p": after.std()},
        frozenset({"bounded", *tags}),
        ((0.0, 1.0),),
    )


# --- a mean ---


def normal_mean(loc: float, scale: float, y: Any, noise: float) -> Model:
    return Model({"mu": dist.Normal(loc, scale)}, lambda mu: dist.Normal(mu, noise), observed=np.asarray(y, float))


def normal_problem(name: str, loc: float, scale: float, y: Any, noise: float, *tags: str) -> Problem:
    y = np.asarray(y, float)
    n, mean = len(y), y.mean()
    # The sufficient statistic carries θ; the rest of the likelihood is a constant.
    rest = stats.norm(mean, noise).logpdf(y).sum() - stats.norm(mean, noise / np.sqrt(n)).logpdf(mean)
    precision = scale**-2 + n / noise**2
    centre, sd = (loc / scale**2 + n * mean / noise**2) / precision, precision**-0.5
    return Problem(
        name,
        lambda: normal_mean(loc, scale, y, noise),
        1,
        rest + stats.norm(loc, np.hypot(scale, noise / np.sqrt(n))).logpdf(mean),
        {"mu": centre},
        {"mu": sd},
        frozenset({"smooth", "gaussian", *tags}),
        ((centre - 12 * sd, centre + 12 * sd),),
    )


FLAT_Y, FLAT_NOISE = np.array([3.2, 4.9, 4.4]), 1.7


def flat_mean() -> Model:
    support = dist.constraints.real
    return Model({"mu": dist.ImproperUniform(support, (), ())}, lambda mu: dist.Normal(mu, FLAT_NOISE), observed=FLAT_Y)


TRUNCATED_Y, TRUNCATED_NOISE = np.array([2.0, 1.6]), 0.8


def truncated_mean(lo: float = 0.0, hi: float = 1.0) -> Model:
    return Model({"mu": dist.Uniform(lo, hi)}, lambda mu: dist.Normal(mu, TRUNCATED_NOISE), observed=TRUNCATED_Y)


def truncated_problem(name: str, lo: float, hi: float, *tags: str) -> Problem:
    free, noise = TRUNCATED_Y.mean(), TRUNCATED_NOISE / np.sqrt(2)
    rest = stats.norm(free, TRUNCATED_NOISE).logpdf(TRUNCATED_Y).sum() - stats.norm(free, noise).logpdf(free)
    z = stats.norm(free, noise)
    after = stats.truncnorm((lo - free) / noise, (hi - free) / noise, loc=free, scale=noise)
    return Problem(
        name,
        lambda: truncated_mean(lo, hi),
        1,
        rest + np.log(z.cdf(hi) - z.cdf(lo)) - np.log(hi - lo),
        {"mu": after.mean()},
        {"mu": after.std()},
        frozenset({"bounded", "edge", *tags}),
        ((lo, hi),),
    )


BIMODAL = {"weight": np.array([0.3, 0.7]), "shift": np.array([4.0, -3.0]), "noise": np.array([0.5, 0.8])}


def bimodal_mean() -> Model:
    def likelihood(mu: Any) -> Any:
        parts = dist.Normal(mu + BIMODAL["shift"], BIMODAL["noise"])
        return dist.MixtureSameFamily(dist.Categorical(probs=BIMODAL["weight"]), parts)

    return Model({"mu": dist.Normal(1.0, 3.0)}, likelihood, observed=2.2, name="bimodal")


def bimodal_problem() -> Problem:
    y, loc, scale = 2.2, 1.0, 3.0
    mass = BIMODAL["weight"] * stats.norm(loc + BIMODAL["shift"], np.hypot(scale, BIMODAL["noise"])).pdf(y)
    precision = scale**-2 + BIMODAL["noise"] ** -2
    centres = (loc / scale**2 + (y - BIMODAL["shift"]) / BIMODAL["noise"] ** 2) / precision
    mean = mass @ centres / mass.sum()
    second = mass @ (centres**2 + 1 / precision) / mass.sum()
    return Problem(
        "bimodal",
        bimodal_mean,
        1,
        np.log(mass.sum()),
        {"mu": mean},
        {"mu": np.sqrt(second - mean**2)},
        frozenset({"smooth", "bimodal"}),
        ((-14.0, 14.0),),
        ((-2.0, 5.0),),
    )


def cauchy_mean() -> Model:
    return Model({"mu": dist.Cauchy(0.0, 1.0)}, lambda mu: dist.Normal(mu, 1.3), observed=8.0)


def cauchy_problem() -> Problem:
    truth = integral_1d(lambda t: stats.cauchy.logpdf(t) + stats.norm.logpdf(8.0, t, 1.3), -np.inf, np.inf, [0.0, 7.7])
    tags = frozenset({"smooth", "heavy-tailed"})
    return one_parameter("cauchy prior", cauchy_mean, truth, "mu", tags, ((-25.0, 41.0),), ((0.0, 7.7),))


def wide_tail() -> Model:
    """One Student-t observation under a Cauchy prior: the posterior itself has algebraic tails."""
    return Model({"mu": dist.Cauchy(1.0, 2.0)}, lambda mu: dist.StudentT(2.0, mu, 0.7), observed=9.0)


def wide_tail_problem() -> Problem:
    def log_f(t: Any) -> Any:
        return stats.cauchy.logpdf(t, 1, 2) + stats.t.logpdf(9.0, 2, t, 0.7)

    points = [-1e3, -10.0, 1.0, 5.0, 8.8, 12.0, 30.0, 1e3]
    tags = frozenset({"smooth", "heavy-tailed"})
    return one_parameter(
        "student data, cauchy prior", wide_tail, integral_1d(log_f, -np.inf, np.inf, points), "mu", tags
    )


def laplace_mean() -> Model:
    return Model({"w": dist.Laplace(0.0, 0.5)}, lambda w: dist.Normal(w, 1.0), observed=np.array([0.9, 1.4]))


def laplace_problem() -> Problem:
    def log_f(t: Any) -> Any:
        return stats.laplace.logpdf(t, 0, 0.5) + stats.norm.logpdf(0.9, t) + stats.norm.logpdf(1.4, t)

    tags = frozenset({"kink"})
    return one_parameter(
        "laplace prior", laplace_mean, integral_1d(log_f, -12, 12, [0.0]), "w", tags, ((-9, 9),), ((0.0,),)
    )


# --- a rate, a scale ---


def conjugate_gamma_problem(
    name: str, make: Any, a: float, b: float, more_a: float, more_b: float, rest: float
) -> Problem:
    after = stats.gamma(a + more_a, scale=1 / (b + more_b))
    log_evidence = rest + special.gammaln(a + more_a) - special.gammaln(a)
    log_evidence += a * np.log(b) - (a + more_a) * np.log(b + more_b)
    box = ((0.0, after.ppf(1 - 1e-14)),)
    return Problem(
        name, make, 1, log_evidence, {"rate": after.mean()}, {"rate": after.std()}, frozenset({"skewed"}), box
    )


COUNTS, WAITS = np.array([7, 3, 11, 5]), np.array([0.2, 1.9, 0.7])


def counts() -> Model:
    return Model({"rate": dist.Gamma(2.0, 0.5)}, lambda rate: dist.Poisson(rate), observed=COUNTS)


def waits() -> Model:
    return Model({"rate": dist.Gamma(1.5, 2.0)}, lambda rate: dist.Exponential(rate), observed=WAITS)


TANKS = np.array([4.0, 9.5, 7.25])


def tanks(top: float = 30.0) -> Model:
    """The German tank problem: the likelihood's support ends where the parameter says."""
    return Model({"theta": dist.Uniform(0.0, top)}, lambda theta: dist.Uniform(0.0, theta), observed=TANKS)


def tanks_problem(top: float = 30.0) -> Problem:
    m, n = TANKS.max(), len(TANKS)

    def moment(k: int) -> float:  # ∫ θᵏ⁻ⁿ over (m, top)
        power = k - n + 1
        return np.log(top / m) if power == 0 else (top**power - m**power) / power

    mean = moment(1) / moment(0)
    return Problem(
        "german tanks",
        lambda: tanks(top),
        1,
        np.log(moment(0) / top),
        {"theta": mean},
        {"theta": np.sqrt(moment(2) / moment(0) - mean**2)},
        frozenset({"step", "bounded", "edge"}),
        ((0.0, top),),
        ((m,),),
    )


def plateau(lo: float = -4.0, hi: float = 10.0) -> Model:
    """A likelihood that is flat wherever it is not nothing."""
    return Model({"x": dist.Uniform(lo, hi)}, lambda x: dist.Bernoulli(logits=3.0 * x), observed=1)


def plateau_problem(lo: float = -4.0, hi: float = 10.0) -> Problem:
    truth = integral_1d(lambda x: -np.log(hi - lo) + special.log_expit(3 * x), lo, hi, [-2.0, -1.0, 0.0, 1.0, 2.0, 4.0])
    return one_parameter(
        "plateau", plateau, truth, "x", frozenset({"bounded", "edge", "plateau"}), ((lo, hi),), ((0.0,),)
    )


SPREAD_Y = np.array([0.3, -0.4, 0.1])


def spread() -> Model:
    """A scale with a heavy-tailed prior, on data that would have it small."""
    return Model({"s": dist.HalfCauchy(5.0)}, lambda s: dist.Normal(0.0, s), observed=SPREAD_Y)


def spread_problem() -> Problem:
    def log_f(s: Any) -> Any:
        return stats.halfcauchy.logpdf(s, 0, 5.0) + stats.norm.logpdf(SPREAD_Y[:, None], 0, s).sum(axis=0)[()]

    def f(s: float) -> float:
        return float(np.squeeze(log_f(np.asarray([s]))))

    # The posterior falls like s⁻⁵: it has these two moments, and no others to spare.
    truth = integral_1d(f, 0.0, np.inf, [0.1, 0.3, 1.0, 3.0, 30.0])
    return one_parameter(
        "half-Cauchy scale", spread, truth, "s", frozenset({"skewed", "heavy-tailed"}), ((1e-9, 5e3),), ((0.3, 3.0),)
    )


def many_problem() -> Problem:
    y = np.random.default_rng(5).normal(7.0, 2.0, size=100_000)
    return normal_problem("a hundred thousand observations", 0.0, 5.0, y, 2.0, "large")


def flat_problem() -> Problem:
    sd = FLAT_NOISE / np.sqrt(len(FLAT_Y))
    return Problem(
        "flat prior",
        flat_mean,
        1,
        np.nan,
        {"mu": FLAT_Y.mean()},
        {"mu": sd},
        frozenset({"smooth", "gaussian", "improper"}),
    )

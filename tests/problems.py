"""Posteriors whose evidence and moments are known without the package, and what makes each of them hard.

Truths come from closed forms in scipy.stats or from one-dimensional integrals by scipy.integrate; `test_problems`
holds the table itself against a quadrature in the user's own coordinates. Nothing here is symmetric about zero.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from scipy import integrate, special, stats

import bayes_sandbox as bs

Moments = Mapping[str, Any]


@dataclass(frozen=True)
class Problem:
    """A model with its truth. `mean` and `sd` are empty where they do not exist; `box` are the ranges of flat params."""

    name: str
    make: Callable[[], bs.Model]
    dimension: int
    log_evidence: float
    mean: Moments = field(default_factory=dict)
    sd: Moments = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    box: tuple[tuple[float, float], ...] = ()
    breaks: tuple[tuple[float, ...], ...] = ()


def integral_1d(log_f: Callable[[Any], Any], lo: float, hi: float, points: list[float]) -> tuple[float, float, float]:
    """Return (log ∫f, mean, sd) of a density on a line, cut at `points` so that no peak is stepped over."""
    cuts = [lo, *sorted(points), hi]
    peak = max(float(log_f(p)) for p in points)

    def total(g: Callable[[float], float]) -> float:
        pieces = (
            integrate.quad(lambda x: g(x) * np.exp(log_f(x) - peak), a, b, epsabs=1e-14, epsrel=1e-12, limit=500)[0]
            for a, b in zip(cuts, cuts[1:])
        )
        return sum(pieces)

    mass = total(lambda x: 1.0)
    mean = total(lambda x: x) / mass
    return peak + np.log(mass), mean, np.sqrt(total(lambda x: (x - mean) ** 2) / mass)


def cut_gaussian(m: Any, s: Any, lo: Any, hi: Any) -> Any:
    """Return ∫ (1, x, x²) N(x; m, s²) dx from lo to hi, the three stacked."""
    a, b = (lo - m) / s, (hi - m) / s
    mass = special.ndtr(b) - special.ndtr(a)
    low, high = (np.exp(-(t**2) / 2) / np.sqrt(2 * np.pi) for t in (a, b))
    ends = (0.0 if np.isinf(lo) else (lo + m) * low) - (0.0 if np.isinf(hi) else (hi + m) * high)
    return np.array([mass, m * mass + s * (low - high), (m**2 + s**2) * mass + s * ends])


def linear_gaussian(x: Any, y: Any, loc: Any, scale: Any, noise: float) -> tuple[float, Any, Any]:
    """Return (log evidence, mean, sd) of y ~ N(x w, noise²) with independent w ~ N(loc, scale²)."""
    x, y, loc, scale = (np.asarray(v, float) for v in (x, y, loc, scale))
    evidence = stats.multivariate_normal(x @ loc, (x * scale**2) @ x.T + noise**2 * np.eye(len(y))).logpdf(y)
    covariance = np.linalg.inv(np.diag(scale**-2.0) + x.T @ x / noise**2)
    return evidence, covariance @ (loc / scale**2 + x.T @ y / noise**2), np.sqrt(np.diag(covariance))


# --- a proportion -------------------------------------------------------------------------------------------------


def coin(k: int, n: int, a: float = 1.0, b: float = 1.0) -> bs.Model:
    return bs.Model({"p": dist.Beta(a, b)}, lambda p: dist.Binomial(n, p), observed=k, name="coin")


def _coin(name: str, k: int, n: int, a: float, b: float, *tags: str) -> Problem:
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


# --- a mean -------------------------------------------------------------------------------------------------------


def normal_mean(loc: float, scale: float, y: Any, noise: float) -> bs.Model:
    return bs.Model({"mu": dist.Normal(loc, scale)}, lambda mu: dist.Normal(mu, noise), observed=np.asarray(y, float))


def _normal(name: str, loc: float, scale: float, y: Any, noise: float, *tags: str) -> Problem:
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


def flat_mean() -> bs.Model:
    support = dist.constraints.real
    return bs.Model(
        {"mu": dist.ImproperUniform(support, (), ())}, lambda mu: dist.Normal(mu, FLAT_NOISE), observed=FLAT_Y
    )


TRUNCATED_Y, TRUNCATED_NOISE = np.array([2.0, 1.6]), 0.8


def truncated_mean(lo: float = 0.0, hi: float = 1.0) -> bs.Model:
    return bs.Model({"mu": dist.Uniform(lo, hi)}, lambda mu: dist.Normal(mu, TRUNCATED_NOISE), observed=TRUNCATED_Y)


def _truncated(name: str, lo: float, hi: float, *tags: str) -> Problem:
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


def bimodal_mean() -> bs.Model:
    def likelihood(mu: Any) -> Any:
        parts = dist.Normal(mu + BIMODAL["shift"], BIMODAL["noise"])
        return dist.MixtureSameFamily(dist.Categorical(probs=BIMODAL["weight"]), parts)

    return bs.Model({"mu": dist.Normal(1.0, 3.0)}, likelihood, observed=2.2, name="bimodal")


def _bimodal() -> Problem:
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


def cauchy_mean() -> bs.Model:
    return bs.Model({"mu": dist.Cauchy(0.0, 1.0)}, lambda mu: dist.Normal(mu, 1.3), observed=8.0)


def _cauchy() -> Problem:
    truth = integral_1d(lambda t: stats.cauchy.logpdf(t) + stats.norm.logpdf(8.0, t, 1.3), -np.inf, np.inf, [0.0, 7.7])
    tags = frozenset({"smooth", "heavy-tailed"})
    return _one("cauchy prior", cauchy_mean, truth, "mu", tags, ((-25.0, 41.0),), ((0.0, 7.7),))


def wide_tail() -> bs.Model:
    """One Student-t observation under a Cauchy prior: the posterior itself has algebraic tails."""
    return bs.Model({"mu": dist.Cauchy(1.0, 2.0)}, lambda mu: dist.StudentT(2.0, mu, 0.7), observed=9.0)


def _wide_tail() -> Problem:
    def log_f(t: Any) -> Any:
        return stats.cauchy.logpdf(t, 1, 2) + stats.t.logpdf(9.0, 2, t, 0.7)

    points = [-1e3, -10.0, 1.0, 5.0, 8.8, 12.0, 30.0, 1e3]
    tags = frozenset({"smooth", "heavy-tailed"})
    return _one("student data, cauchy prior", wide_tail, integral_1d(log_f, -np.inf, np.inf, points), "mu", tags)


def laplace_mean() -> bs.Model:
    return bs.Model({"w": dist.Laplace(0.0, 0.5)}, lambda w: dist.Normal(w, 1.0), observed=np.array([0.9, 1.4]))


def _laplace() -> Problem:
    def log_f(t: Any) -> Any:
        return stats.laplace.logpdf(t, 0, 0.5) + stats.norm.logpdf(0.9, t) + stats.norm.logpdf(1.4, t)

    tags = frozenset({"kink"})
    return _one("laplace prior", laplace_mean, integral_1d(log_f, -12, 12, [0.0]), "w", tags, ((-9, 9),), ((0.0,),))


def _one(name: str, make: Any, truth: Any, param: str, tags: Any, box: Any = (), breaks: Any = ()) -> Problem:
    log_evidence, mean, sd = truth
    return Problem(name, make, 1, log_evidence, {param: mean}, {param: sd}, tags, box, breaks)


# --- a rate, a scale ------------------------------------------------------------------------------------------------


def _conjugate_gamma(name: str, make: Any, a: float, b: float, more_a: float, more_b: float, rest: float) -> Problem:
    after = stats.gamma(a + more_a, scale=1 / (b + more_b))
    log_evidence = rest + special.gammaln(a + more_a) - special.gammaln(a)
    log_evidence += a * np.log(b) - (a + more_a) * np.log(b + more_b)
    box = ((0.0, after.ppf(1 - 1e-14)),)
    return Problem(
        name, make, 1, log_evidence, {"rate": after.mean()}, {"rate": after.std()}, frozenset({"skewed"}), box
    )


COUNTS, WAITS = np.array([7, 3, 11, 5]), np.array([0.2, 1.9, 0.7])


def counts() -> bs.Model:
    return bs.Model({"rate": dist.Gamma(2.0, 0.5)}, lambda rate: dist.Poisson(rate), observed=COUNTS)


def waits() -> bs.Model:
    return bs.Model({"rate": dist.Gamma(1.5, 2.0)}, lambda rate: dist.Exponential(rate), observed=WAITS)


TANKS = np.array([4.0, 9.5, 7.25])


def tanks(top: float = 30.0) -> bs.Model:
    """The German tank problem: the likelihood's support ends where the parameter says."""
    return bs.Model({"theta": dist.Uniform(0.0, top)}, lambda theta: dist.Uniform(0.0, theta), observed=TANKS)


def _tanks(top: float = 30.0) -> Problem:
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


def plateau(lo: float = -4.0, hi: float = 10.0) -> bs.Model:
    """A likelihood that is flat wherever it is not nothing."""
    return bs.Model({"x": dist.Uniform(lo, hi)}, lambda x: dist.Bernoulli(logits=3.0 * x), observed=1)


def _plateau(lo: float = -4.0, hi: float = 10.0) -> Problem:
    truth = integral_1d(lambda x: -np.log(hi - lo) + special.log_expit(3 * x), lo, hi, [-2.0, -1.0, 0.0, 1.0, 2.0, 4.0])
    return _one("plateau", plateau, truth, "x", frozenset({"bounded", "edge", "plateau"}), ((lo, hi),), ((0.0,),))


SPREAD_Y = np.array([0.3, -0.4, 0.1])


def spread() -> bs.Model:
    """A scale with a heavy-tailed prior, on data that would have it small."""
    return bs.Model({"s": dist.HalfCauchy(5.0)}, lambda s: dist.Normal(0.0, s), observed=SPREAD_Y)


def _spread() -> Problem:
    def log_f(s: Any) -> Any:
        return stats.halfcauchy.logpdf(s, 0, 5.0) + stats.norm.logpdf(SPREAD_Y[:, None], 0, s).sum(axis=0)[()]

    def f(s: float) -> float:
        return float(np.squeeze(log_f(np.asarray([s]))))

    # The posterior falls like s⁻⁵: it has these two moments, and no others to spare.
    truth = integral_1d(f, 0.0, np.inf, [0.1, 0.3, 1.0, 3.0, 30.0])
    return _one(
        "half-Cauchy scale", spread, truth, "s", frozenset({"skewed", "heavy-tailed"}), ((1e-9, 5e3),), ((0.3, 3.0),)
    )


# --- two dimensions -----------------------------------------------------------------------------------------------


def laplace_pair() -> bs.Model:
    x = np.array([[1.0, 0.8], [0.3, 1.1], [1.2, 1.0]])
    return bs.Model(
        {"w": dist.Laplace(0.0, 0.7).expand([2]).to_event(1)},
        lambda w: dist.Normal(x @ w, 0.9),
        observed=np.array([0.4, 1.5, 0.9]),
    )


def _laplace_pair() -> Problem:
    """One weight by hand in each orthant, where the log density is a parabola; the other by quadrature."""
    x, y = np.array([[1.0, 0.8], [0.3, 1.1], [1.2, 1.0]]), np.array([0.4, 1.5, 0.9])
    noise, b = 0.9, 0.7
    p = x[:, 1] @ x[:, 1] / noise**2

    def inner(a: float) -> Any:
        """Return ∫ (1, w, w²) exp(…) dw at a first weight of a."""
        r = y - x[:, 0] * a
        constant = -(r @ r) / (2 * noise**2) - 3 * np.log(noise * np.sqrt(2 * np.pi)) - abs(a) / b - 2 * np.log(2 * b)
        found = np.zeros(3)
        for sign, lo, hi in ((1, 0.0, np.inf), (-1, -np.inf, 0.0)):
            q = x[:, 1] @ r / noise**2 - sign / b
            height = np.exp(constant + q**2 / (2 * p)) * np.sqrt(2 * np.pi / p)
            found += height * cut_gaussian(q / p, p**-0.5, lo, hi)
        return found

    def total(f: Any) -> float:
        return sum(integrate.quad(f, a, c, epsabs=1e-13, epsrel=1e-10)[0] for a, c in ((-8, 0), (0, 8)))

    mass = total(lambda a: inner(a)[0])
    mean = np.array([total(lambda a: a * inner(a)[0]), total(lambda a: inner(a)[1])]) / mass
    second = np.array([total(lambda a: a * a * inner(a)[0]), total(lambda a: inner(a)[2])]) / mass
    box, breaks = ((-8.0, 8.0), (-8.0, 8.0)), ((0.0, 0.0),)
    tags = frozenset({"kink", "correlated"})
    return Problem(
        "laplace pair", laplace_pair, 2, np.log(mass), {"w": mean}, {"w": np.sqrt(second - mean**2)}, tags, box, breaks
    )


def steered(loc: Any, scale: Any, y: float, noise: float, slope: Any, points: list[float], prior: Any) -> Any:
    """Integrate b ~ N(loc(a), scale(a)²), y ~ N(b + slope a, noise²) over b by hand and over a ~ prior by quadrature.

    Return log evidence, means and sds of (a, b): what funnels and bananas have in common.
    """

    def weight(a: float) -> float:
        sd = np.hypot(scale(a), noise)
        return prior.pdf(a) * np.exp(-(((y - loc(a) - slope * a) / sd) ** 2) / 2) / sd / np.sqrt(2 * np.pi)

    def conditional(a: float) -> tuple[float, float]:
        precision = scale(a) ** -2 + noise**-2
        return (loc(a) / scale(a) ** 2 + (y - slope * a) / noise**2) / precision, 1 / precision

    lo, hi = prior.ppf(1e-16), prior.isf(1e-16)
    cuts = [lo, *points, hi]

    def total(g: Callable[[float], float]) -> float:
        pieces = zip(cuts, cuts[1:])
        return sum(
            integrate.quad(lambda a: g(a) * weight(a), p, q, epsabs=1e-15, epsrel=1e-12, limit=300)[0]
            for p, q in pieces
        )

    mass = total(lambda a: 1.0)
    mean = np.array([total(lambda a: a), total(lambda a: conditional(a)[0])]) / mass
    second = np.array([total(lambda a: a * a), total(lambda a: conditional(a)[0] ** 2 + conditional(a)[1])]) / mass
    return np.log(mass), mean, np.sqrt(second - mean**2)


def funnel() -> bs.Model:
    return bs.Model(
        {"v": dist.Normal(-1.0, 3.0), "x": lambda v: dist.Normal(0.0, jnp.exp(v / 2))},
        lambda x: dist.Normal(x, 0.5),
        observed=1.2,
    )


def banana() -> bs.Model:
    return bs.Model(
        {"a": dist.Normal(0.5, 1.2), "b": lambda a: dist.Normal(a**2, 0.6)},
        lambda a, b: dist.Normal(a + b, 0.4),
        observed=3.0,
    )


def _steered(name: str, make: Any, names: tuple[str, str], truth: Any, box: Any, *tags: str) -> Problem:
    log_evidence, mean, sd = truth
    return Problem(name, make, 2, log_evidence, dict(zip(names, mean)), dict(zip(names, sd)), frozenset(tags), box)


def nested_support() -> bs.Model:
    return bs.Model(
        {"hi": dist.Uniform(1.0, 3.0), "x": lambda hi: dist.Uniform(0.0, hi)},
        lambda x: dist.Normal(x, 0.5),
        observed=1.4,
    )


def _nested_support() -> Problem:
    def inner(hi: float) -> Any:
        return cut_gaussian(1.4, 0.5, 0.0, hi) / hi / 2

    def total(f: Any) -> float:
        return integrate.quad(f, 1.0, 3.0, epsrel=1e-12)[0]

    mass = total(lambda h: inner(h)[0])
    mean = np.array([total(lambda h: h * inner(h)[0]), total(lambda h: inner(h)[1])]) / mass
    second = np.array([total(lambda h: h * h * inner(h)[0]), total(lambda h: inner(h)[2])]) / mass
    sd = np.sqrt(second - mean**2)
    return Problem(
        "nested support",
        nested_support,
        2,
        np.log(mass),
        {"hi": mean[0], "x": mean[1]},
        {"hi": sd[0], "x": sd[1]},
        frozenset({"bounded", "edge"}),
    )


def ridge() -> bs.Model:
    """Two weights of which the data know only the sum, to one part in a thousand."""
    return bs.Model(
        {"a": dist.Normal(1.0, 10.0), "b": dist.Normal(-2.0, 10.0)},
        lambda a, b: dist.Normal(a + b, 0.01),
        observed=np.array([3.0]),
    )


def _ridge() -> Problem:
    log_evidence, mean, sd = linear_gaussian([[1.0, 1.0]], [3.0], [1.0, -2.0], [10.0, 10.0], 0.01)
    return Problem(
        "ridge",
        ridge,
        2,
        log_evidence,
        {"a": mean[0], "b": mean[1]},
        {"a": sd[0], "b": sd[1]},
        frozenset({"smooth", "gaussian", "correlated"}),
    )


DICE = np.array([3, 1, 7])
CONCENTRATION = np.array([1.0, 2.0, 0.8])


def dice() -> bs.Model:
    return bs.Model({"p": dist.Dirichlet(CONCENTRATION)}, lambda p: dist.Multinomial(11, p), observed=DICE)


def _dice() -> Problem:
    after = stats.dirichlet(CONCENTRATION + DICE)
    return Problem(
        "dice",
        dice,
        2,
        stats.dirichlet_multinomial(CONCENTRATION, 11).logpmf(DICE),
        {"p": after.mean()},
        {"p": np.sqrt(after.var())},
        frozenset({"simplex", "skewed"}),
    )


# --- regressions ----------------------------------------------------------------------------------------------------

DESIGN = np.column_stack([np.ones(6), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], [0.1, 1.2, 1.8, 3.3, 3.9, 5.2]])  # correlated
RESPONSE = np.array([1.4, 2.9, 5.3, 7.2, 8.8, 11.1])
WEIGHT_LOC, WEIGHT_SCALE, NOISE = np.array([1.0, -0.5, 0.5]), np.array([2.0, 1.5, 3.0]), 0.7


def regression() -> bs.Model:
    return bs.Model(
        {"w": dist.Normal(WEIGHT_LOC, WEIGHT_SCALE).to_event(1)},
        lambda w, x: dist.Normal(x @ w, NOISE),
        inputs={"x": DESIGN},
        observed=RESPONSE,
        name="regression",
    )


def _regression() -> Problem:
    log_evidence, mean, sd = linear_gaussian(DESIGN, RESPONSE, WEIGHT_LOC, WEIGHT_SCALE, NOISE)
    tags = frozenset({"smooth", "gaussian", "correlated"})
    return Problem("regression", regression, 3, log_evidence, {"w": mean}, {"w": sd}, tags)


NOISE_SHAPE, NOISE_SCALE, LINE_SCALE = 3.0, 2.0, np.array([3.0, 2.0])


def noisy_line() -> bs.Model:
    """A line with unknown noise: normal–inverse-gamma."""
    return bs.Model(
        {
            "variance": dist.InverseGamma(NOISE_SHAPE, NOISE_SCALE),
            "w": lambda variance: dist.Normal(0.0, jnp.sqrt(variance) * LINE_SCALE).to_event(1),
        },
        lambda w, variance, x: dist.Normal(x @ w, jnp.sqrt(variance)),
        inputs={"x": DESIGN[:, :2]},
        observed=RESPONSE,
    )


def _noisy_line() -> Problem:
    x, y, n = DESIGN[:, :2], RESPONSE, len(RESPONSE)
    shape = np.eye(n) + (x * LINE_SCALE**2) @ x.T
    prior = stats.multivariate_t(np.zeros(n), NOISE_SCALE / NOISE_SHAPE * shape, df=2 * NOISE_SHAPE)
    a, b = NOISE_SHAPE + n / 2, NOISE_SCALE + y @ np.linalg.solve(shape, y) / 2
    covariance = np.linalg.inv(np.diag(LINE_SCALE**-2.0) + x.T @ x)
    after = stats.invgamma(a, scale=b)
    return Problem(
        "noisy line",
        noisy_line,
        3,
        prior.logpdf(y),
        {"variance": after.mean(), "w": covariance @ x.T @ y},
        {"variance": after.std(), "w": np.sqrt(np.diag(covariance) * b / (a - 1))},
        frozenset({"skewed", "correlated"}),
    )


def four_weights() -> bs.Model:
    x = four_weights_design()
    return bs.Model(
        {"w": dist.Normal(0.5, 2.0).expand([4]).to_event(1)},
        lambda w: dist.Normal(x @ w, 1.1),
        observed=x @ np.array([1.0, -2.0, 0.5, 3.0]) + 0.3,
    )


def four_weights_design() -> Any:
    rng = np.random.default_rng(4)
    return rng.normal(size=(15, 4)) @ np.array([[1, 0.9, 0, 0], [0, 0.4, 0, 0], [0, 0, 1, -0.8], [0, 0, 0, 0.5]])


def _four_weights() -> Problem:
    x = four_weights_design()
    y = x @ np.array([1.0, -2.0, 0.5, 3.0]) + 0.3
    log_evidence, mean, sd = linear_gaussian(x, y, np.full(4, 0.5), np.full(4, 2.0), 1.1)
    tags = frozenset({"smooth", "gaussian", "correlated"})
    return Problem("four weights", four_weights, 4, log_evidence, {"w": mean}, {"w": sd}, tags)


def _many() -> Problem:
    y = np.random.default_rng(5).normal(7.0, 2.0, size=100_000)
    return _normal("a hundred thousand observations", 0.0, 5.0, y, 2.0, "large")


def _flat() -> Problem:
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


ALL = (
    _coin("coin", 2, 10, 1.0, 1.0),
    _coin("nine of nine", 9, 9, 1.0, 1.0, "edge"),
    _coin("pole at zero", 0, 1, 0.5, 0.5, "edge", "pole"),
    _normal("normal", -3.0, 2.0, [4.1, 5.3, 3.7], 1.5),
    _normal("prior far away", 0.0, 1.0, [40.0, 40.3], 0.1, "far"),
    _normal("tiny units", 2e-6, 1e-6, [3.1e-6, 2.7e-6], 4e-7, "units"),
    _normal("huge units", 2e6, 1e6, [3.1e6], 4e5, "units"),
    _normal("wide prior", 0.0, 1e8, [11.0, 14.0], 1.0, "wide"),
    _many(),
    _flat(),
    _truncated("truncated", 0.0, 1.0),
    _truncated("truncated wide", -1000.0, 1000.0, "wide"),
    _bimodal(),
    _cauchy(),
    _wide_tail(),
    _laplace(),
    _conjugate_gamma("counts", counts, 2.0, 0.5, COUNTS.sum(), len(COUNTS), -special.gammaln(COUNTS + 1).sum()),
    _conjugate_gamma("waits", waits, 1.5, 2.0, len(WAITS), WAITS.sum(), 0.0),
    _tanks(),
    _plateau(),
    _spread(),
    _laplace_pair(),
    _steered(
        "funnel",
        funnel,
        ("v", "x"),
        steered(lambda v: 0.0, lambda v: np.exp(v / 2), 1.2, 0.5, 0.0, [-4.0, 0.0, 3.0], stats.norm(-1.0, 3.0)),
        (),
        "funnel",
    ),
    _steered(
        "banana",
        banana,
        ("a", "b"),
        steered(lambda a: a**2, lambda a: 0.6, 3.0, 0.4, 1.0, [-2.3, -0.5, 1.3], stats.norm(0.5, 1.2)),
        ((-6.0, 5.0), (-3.0, 20.0)),
        "bimodal",
        "curved",
    ),
    _nested_support(),
    _ridge(),
    _dice(),
    _regression(),
    _noisy_line(),
    _four_weights(),
)

BY_NAME = {p.name: p for p in ALL}


def names(*, every: Any = (), none: Any = (), at_most: int = 99) -> list[str]:
    """Return the problems that have all of the tags `every`, none of `none`, and at most so many dimensions."""
    return [p.name for p in ALL if p.tags.issuperset(every) and not p.tags & set(none) and p.dimension <= at_most]


@cache
def model_of(name: str) -> bs.Model:
    """Return the problem's model, made once a session."""
    return BY_NAME[name].make()


@cache
def laplace_of(name: str) -> bs.LaplaceFit:
    """Return its Laplace fit, made once."""
    return bs.fit_laplace(model_of(name))


@cache
def grid_of(name: str) -> bs.GridFit:
    """Return its grid fit, made once."""
    return bs.fit_grid(model_of(name), laplace=laplace_of(name))


def flat(moments: Mapping[str, Any]) -> np.ndarray:
    """Return moments by name as one vector, in the order given."""
    return np.concatenate([np.ravel(v) for v in moments.values()])

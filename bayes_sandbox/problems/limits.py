"""Posteriors at the limits of float64: mass where 1 − p or p itself has no digits, and counts whose factorials cancel.

Each evidence is a closed form of a conjugate pair. Where its own terms cancel in float64 it was computed once with 80
digits (mpmath 1.4), and the formula stands beside the number.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from scipy import integrate, special, stats

from ..model import Model
from .problem import Problem

LIMIT = frozenset({"limit", "smooth"})


def successes(shape: float, num: int, k: int) -> Problem:
    """k of n successes under Beta(a, a): B(a + k, a + n − k)/B(a, a) · C(n, k)."""
    name = f"{k} of {num} under Beta({shape:g}, {shape:g})"

    def make() -> Model:
        return Model({"p": dist.Beta(shape, shape)}, lambda p: dist.Binomial(num, p), observed=k, name=name)

    posterior = stats.beta(shape + k, shape + num - k)
    log_evidence = special.betaln(shape + k, shape + num - k) - special.betaln(shape, shape)
    log_evidence += math.log(math.comb(num, k))
    return Problem(name, make, 1, log_evidence, {"p": posterior.mean()}, {"p": posterior.std()}, LIMIT)


def shares(shape: float, counts: Sequence[int]) -> Problem:
    """Counts under a symmetric Dirichlet: the Dirichlet-multinomial."""
    name = f"{tuple(counts)} under Dirichlet({shape:g})"
    x, a = np.array(counts), np.full(len(counts), shape)

    def make() -> Model:
        prior = {"p": dist.Dirichlet(jnp.asarray(a))}
        return Model(prior, lambda p: dist.Multinomial(x.sum(), p), observed=x, name=name)

    posterior = stats.dirichlet(a + x)
    log_evidence = float(stats.dirichlet_multinomial(a, x.sum()).logpmf(x))
    return Problem(name, make, len(x) - 1, log_evidence, {"p": posterior.mean()}, {"p": posterior.var() ** 0.5}, LIMIT)


def on_an_interval(shape: float, low: float, high: float, num: int, k: int) -> Problem:
    """The same on an interval: θ = low + (high − low) p."""
    name = f"{k} of {num} on ({low:g}, {high:g}), Beta({shape:g}, {shape:g})"
    width, unit = high - low, successes(shape, num, k)
    affine = dist.transforms.AffineTransform(low, width, domain=dist.constraints.unit_interval)
    prior = dist.TransformedDistribution(dist.Beta(shape, shape), affine)

    def make() -> Model:
        return Model({"t": prior}, lambda t: dist.Binomial(num, (t - low) / width), observed=k, name=name)

    mean, sd = low + width * float(unit.mean["p"]), width * float(unit.sd["p"])
    return Problem(name, make, 1, unit.log_evidence, {"t": mean}, {"t": sd}, LIMIT)


def nothing_seen(shape: float, rate: float) -> Problem:
    """A Poisson count of zero under Gamma(a, b): (b/(b + 1))ᵃ. Much of the prior lies below the smallest float64."""
    name = f"a count of zero under Gamma({shape:g}, {rate:g})"

    def make() -> Model:
        return Model({"lam": dist.Gamma(shape, rate)}, lambda lam: dist.Poisson(lam), observed=0, name=name)

    posterior = stats.gamma(shape, scale=1 / (rate + 1))
    log_evidence = shape * math.log(rate / (rate + 1))
    return Problem(name, make, 1, log_evidence, {"lam": posterior.mean()}, {"lam": posterior.std()}, LIMIT)


def correlation(eta: float, observed: float, noise: float) -> Problem:
    """A correlation under LKJ(η), seen with noise: ∫ (1 − r²)^(η − 1) N(y; r, σ) dr / B(½, η), by SciPy in artanh r."""
    name = f"a correlation under LKJCholesky(2, {eta:g})"

    def make() -> Model:
        def likelihood(factor: jnp.ndarray) -> dist.Distribution:
            return dist.Normal(factor[1, 0], noise)

        return Model({"factor": dist.LKJCholesky(2, eta)}, likelihood, observed=observed, name=name)

    def weight(v: float, power: int) -> float:  # r = tanh v, dr = sech² v dv
        r, log_sech = math.tanh(v), math.log(2.0) - abs(v) - math.log1p(math.exp(-2 * abs(v)))
        return r**power * math.exp(2 * eta * log_sech) * float(stats.norm.pdf(observed, r, noise))

    far = 350.0 / eta
    cuts = (-far, -50.0, -5.0, 0.0, 5.0, 50.0, far)
    mass, first, second = (
        sum(integrate.quad(weight, a, b, args=(power,), epsabs=1e-14, limit=400)[0] for a, b in pairwise(cuts))
        for power in range(3)
    )
    mean, log_evidence = first / mass, math.log(mass) - float(special.betaln(0.5, eta))
    means = np.array([[1.0, 0.0], [mean, np.nan]])
    sds = np.array([[0.0, 0.0], [(second / mass - mean**2) ** 0.5, np.nan]])
    return Problem(name, make, 1, log_evidence, {"factor": means}, {"factor": sds}, LIMIT)


def half_of(num: int) -> Problem:
    """n/2 of n successes under a uniform prior: 1/(n + 1)."""
    name = f"half of {num:.0e} successes"

    def make() -> Model:
        return Model({"p": dist.Uniform(0, 1)}, lambda p: dist.Binomial(num, p), observed=num // 2, name=name)

    sd = 0.5 / math.sqrt(num + 3)
    return Problem(name, make, 1, -math.log(num + 1), {"p": 0.5}, {"p": sd}, LIMIT)


def events(level: float, num: int, log_evidence: float) -> Problem:
    """Poisson counts near a level λ₀, λ ~ Gamma(2, 2/λ₀): log Γ(2 + s)/Γ(2) + 2 log b − (2 + s) log(b + n)
    − Σ log yᵢ!, b = 2/λ₀, s = Σ yᵢ, which loses all digits in float64 and was computed with 80."""
    name = f"{num} counts near {level:.0e}"
    scores = stats.norm.ppf((np.arange(num) + 0.5) / num)
    counts = int(level) + np.round(math.sqrt(level) * scores).astype(int)

    def make() -> Model:
        prior = {"lam": dist.Gamma(2.0, 2.0 / level)}
        return Model(prior, lambda lam: dist.Poisson(lam), observed=counts, name=name)

    posterior = stats.gamma(2.0 + counts.sum(), scale=1 / (2.0 / level + num))
    return Problem(name, make, 1, log_evidence, {"lam": posterior.mean()}, {"lam": posterior.std()}, LIMIT)


PROBLEMS = (
    successes(0.2, 3, 3),
    successes(0.05, 3, 3),
    successes(0.02, 5, 5),
    successes(0.02, 5, 0),
    successes(0.005, 4, 4),
    successes(0.1, 6, 5),
    on_an_interval(0.1, 2.0, 5.0, 4, 4),
    on_an_interval(0.03, -1.0, 1.0, 3, 0),
    shares(0.02, (5, 0, 0)),
    shares(0.02, (0, 0, 5)),
    shares(0.05, (2, 3, 0)),
    nothing_seen(0.01, 1.0),
    nothing_seen(0.001, 0.001),
    correlation(0.1, 0.3, 0.5),
    correlation(0.02, 0.9, 0.3),
    half_of(10**15),
    half_of(10**12),
    events(1e12, 20, -319.08269081633834161),
    events(1e8, 1000, -10640.987586825058255),
)

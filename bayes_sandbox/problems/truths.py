"""Evidence and moments without the package: closed forms, and integrals along one line by scipy.integrate."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import integrate, special, stats

from .problem import Problem


def integral_1d(log_f: Callable[[Any], Any], lo: float, hi: float, points: list[float]) -> tuple[float, float, float]:
    """Return (log ∫f, mean, sd) of a density on a line, cut at `points` so that no peak is stepped over."""
    cuts = [lo, *sorted(points), hi]
    peak = max(float(log_f(p)) for p in points)

    def total(g: Callable[[float], float]) -> float:
        pieces = (
            integrate.quad(lambda x: g(x) * np.exp(log_f(x) - peak), a, b, epsabs=1e-14, epsrel=1e-12, limit=500)[0]
            for a, b in pairwise(cuts)
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
        pieces = pairwise(cuts)
        return sum(
            integrate.quad(lambda a: g(a) * weight(a), p, q, epsabs=1e-15, epsrel=1e-12, limit=300)[0]
            for p, q in pieces
        )

    mass = total(lambda a: 1.0)
    mean = np.array([total(lambda a: a), total(lambda a: conditional(a)[0])]) / mass
    second = np.array([total(lambda a: a * a), total(lambda a: conditional(a)[0] ** 2 + conditional(a)[1])]) / mass
    return np.log(mass), mean, np.sqrt(second - mean**2)


def one_parameter(name: str, make: Any, truth: Any, param: str, tags: Any, box: Any = (), breaks: Any = ()) -> Problem:
    log_evidence, mean, sd = truth
    return Problem(name, make, 1, log_evidence, {param: mean}, {param: sd}, tags, box, breaks)

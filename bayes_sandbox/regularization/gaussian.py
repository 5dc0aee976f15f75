"""Ridge in closed form: a Gaussian prior, a Gaussian likelihood, and the strength that the evidence chooses."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize

from ..arguments import numbers, positive
from ..errors import UserError

SMALLEST = 1e-8  # times the data's own scale: a scale that is zero
LARGEST = 1e8


@dataclass(frozen=True)
class GaussianFit:
    """The posterior of w, `N(mean, covariance)`, and log p(y), exactly.

    `effective` is how many of the weights the data set, rather than the prior: Σ s²/(s² + σ²/τ²) over the singular
    values s of x (MacKay's γ).
    """

    mean: np.ndarray
    covariance: np.ndarray
    log_evidence: float
    prior_scale: float
    scale: float
    effective: float


def fit_gaussian(x: Any, y: Any, *, prior_scale: float, scale: float) -> GaussianFit:
    """Fit y ~ N(x w, σ²), w ~ N(0, τ²): log p(y) = log N(y; 0, σ² I + τ² x xᵀ).

    Parameters
    ----------
    x, y
        Features (n, p) and targets (n,), centred if there is to be an intercept.
    prior_scale, scale
        τ and σ.

    Examples
    --------
    >>> from scipy.stats import multivariate_normal
    >>> x, y = np.array([[1.0], [2.0]]), [0.5, 3.0]
    >>> fit = fit_gaussian(x, y, prior_scale=1.5, scale=0.5)
    >>> bool(np.isclose(fit.log_evidence, multivariate_normal(cov=0.25 * np.eye(2) + 2.25 * x @ x.T).logpdf(y)))
    True
    """
    prior_scale, scale = positive(prior_scale, "prior_scale"), positive(scale, "scale")
    x, y = _checked(x, y)
    left, values, right = np.linalg.svd(x, full_matrices=False)
    shrunk = values / (values**2 + (scale / prior_scale) ** 2)
    inside = (prior_scale**2) * (1 - values * shrunk)  # variances along the rows of `right`
    outside = prior_scale**2 * (np.eye(x.shape[1]) - right.T @ right)
    return GaussianFit(
        mean=right.T @ (shrunk * (left.T @ y)),
        covariance=(right.T * inside) @ right + outside,
        log_evidence=_log_evidence(values, left.T @ y, float(y @ y), len(y), prior_scale, scale),
        prior_scale=float(prior_scale),
        scale=float(scale),
        effective=float((values * shrunk).sum()),
    )


def choose_scales(x: Any, y: Any, *, scale: float | None = None) -> GaussianFit:
    """Which τ, and which σ unless it is known, make the data most probable? Ridge's strength is then σ²/τ².

    The maximum of log p(y) over both (type-II maximum likelihood, empirical Bayes), found by quasi-Newton steps in
    their logs.

    References
    ----------
    MacKay (1992), Neural Computation 4, 415–447; scikit-learn's `BayesianRidge` iterates to the same point.
    """
    x, y = _checked(x, y)
    if scale is not None:
        scale = positive(scale, "scale")
    left, values, _ = np.linalg.svd(x, full_matrices=False)
    along, square, num = left.T @ y, float(y @ y), len(y)
    spread = math.sqrt(square / num)
    typical = spread / (np.abs(x).mean() * math.sqrt(x.shape[1]))

    def minus(logs: np.ndarray) -> float:
        tau = math.exp(logs[0])
        return -_log_evidence(values, along, square, num, tau, math.exp(logs[1]) if scale is None else scale)

    starts = [[math.log(typical * t), math.log(spread * s)] for t in (0.1, 1.0, 10.0) for s in (0.3, 0.9)]
    bounds = [(math.log(typical * SMALLEST), math.log(typical * LARGEST))]
    if scale is None:
        bounds.append((math.log(spread * SMALLEST), math.log(spread * LARGEST)))
    ends = [
        minimize(
            minus,
            s[: len(bounds)],
            method="Nelder-Mead",
            bounds=bounds,
            options={"xatol": 1e-10, "fatol": 1e-13, "maxiter": 4000},
        )
        for s in starts
    ]
    best = np.exp(min(ends, key=lambda end: end.fun).x)
    return fit_gaussian(x, y, prior_scale=float(best[0]), scale=float(best[1]) if scale is None else scale)


def _log_evidence(values: np.ndarray, along: np.ndarray, square: float, num: int, tau: float, sigma: float) -> float:
    """Return log N(y; 0, σ² I + τ² x xᵀ) from the singular values of x and y along its left singular vectors."""
    variances = sigma**2 + (tau * values) ** 2
    rest = num - len(values)
    fit = (along**2 / variances).sum() + max(square - float(along @ along), 0.0) / sigma**2
    log_det = np.log(variances).sum() + rest * math.log(sigma**2)
    return float(-0.5 * (fit + log_det + num * math.log(2 * math.pi)))


def _checked(x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    x, y = numbers(x, "x"), numbers(y, "y")
    if x.ndim != 2 or y.shape != (len(x),):
        raise UserError(f"expected features (n, p) and n targets, got shapes {x.shape} and {y.shape}")
    return x, y

"""Where is the mass of a posterior of many parameters? Measured on rates, whose posterior is a product of gammas."""

import numpy as np
from scipy import special, stats

from .families import RATE, SHAPE, counts
from .study import Row

CELLS = 9  # along each axis of the grid
TAIL = 1e-4  # of the prior, outside the grid on either side of each axis
MASS = 0.99
DRAWS = 20_000


def geometry_row(d: int, seed: int) -> Row:
    """Return what a grid, a walk from the mode, an average over the prior and a ball would meet in d dimensions.

    `log10_cells` of a grid over the prior's box, and `log10_share` of them that hold 99 % of the mass between them, the
    fullest first; `distance` from the mode in sds of the Gaussian there, its mean over the posterior, and `drop` of the
    log density below it; `log10_effective`, the share of draws from the prior that an average over it rests on,
    (E L)² / E L², exact, and `measured_effective` from draws; `log10_ball`, the volume of a ball in its cube, and
    `measured_ball` from points.
    """
    rng = np.random.default_rng((seed, d))
    y = counts(d)
    after = stats.gamma(SHAPE + y, scale=1 / (RATE + 1))
    u = np.log(after.rvs((DRAWS, d), random_state=rng))  # in log rates, where the support has no edge
    mode, sd = np.log((SHAPE + y) / (RATE + 1)), 1 / np.sqrt(SHAPE + y)
    log_density = (SHAPE + y) * u - (RATE + 1) * np.exp(u)
    at_mode = (SHAPE + y) * mode - (RATE + 1) * np.exp(mode)
    points = rng.uniform(-1, 1, (DRAWS, d))
    return {
        "dimension": d,
        "log10_cells": d * float(np.log10(CELLS)),
        "log10_share": _log10_share(u, y),
        "distance": float(np.sqrt((((u - mode) / sd) ** 2).sum(axis=1)).mean()),
        "drop": float((at_mode - log_density).sum(axis=1).mean()),
        "log10_effective": _log10_effective(y),
        "measured_effective": _measured_effective(y, rng),
        "log10_ball": (d / 2 * np.log(np.pi) - special.gammaln(d / 2 + 1) - d * np.log(2)) / np.log(10),
        "measured_ball": float(np.mean((points**2).sum(axis=1) <= 1)),
    }


def _log10_share(u: np.ndarray, y: np.ndarray) -> float:
    """Return log₁₀ of the share of cells that hold 99 % of the mass.

    A draw falls into cell c with its mass m(c): among draws sorted by m, the fullest come first, and the mean of 1/m
    over those that hold 99 % is the number of their cells.
    """
    prior = stats.gamma(SHAPE, scale=1 / RATE)
    low, high = np.log(prior.ppf([TAIL, 1 - TAIL]))
    edges = np.linspace(low, high, CELLS + 1)
    cdf = stats.gamma(SHAPE + y[:, None], scale=1 / (RATE + 1)).cdf(np.exp(edges))  # (d, cells + 1)
    log_mass = np.log(np.maximum(np.diff(cdf, axis=1), 1e-300))
    cell = np.clip(np.searchsorted(edges, u) - 1, 0, CELLS - 1)
    log_m = log_mass[np.arange(len(y)), cell].sum(axis=1)
    held = np.sort(log_m)[::-1][: round(MASS * len(log_m))]
    log_count = special.logsumexp(-held) - np.log(len(log_m))
    return float((log_count - len(y) * np.log(CELLS)) / np.log(10))


def _log10_effective(y: np.ndarray) -> float:
    """Return log₁₀ (E L)² / E L² under the prior: both are gamma integrals."""
    first = stats.nbinom(SHAPE, RATE / (RATE + 1)).logpmf(y)
    second = (
        SHAPE * np.log(RATE)
        - special.gammaln(SHAPE)
        + special.gammaln(SHAPE + 2 * y)
        - 2 * special.gammaln(y + 1)
        - (SHAPE + 2 * y) * np.log(RATE + 2)
    )
    return float((2 * first - second).sum() / np.log(10))


def _measured_effective(y: np.ndarray, rng: np.random.Generator) -> float:
    """Return (Σ L)² / (n Σ L²) of draws from the prior: of no use once it comes near 1/n."""
    drawn = rng.gamma(SHAPE, 1 / RATE, (DRAWS, len(y)))
    log_l = stats.poisson.logpmf(y, drawn).sum(axis=1)
    log_l -= log_l.max()
    return float(np.exp(log_l).sum() ** 2 / np.exp(2 * log_l).sum() / DRAWS)

"""Families of posteriors in any number of dimensions, the evidence of each known in closed form."""

from collections.abc import Callable, Mapping

import numpy as np
import numpyro.distributions as dist
from scipy import special, stats

from ..model import Model
from ..problems import Problem
from ..problems.modes import linear

LARGEST = 2000  # dimensions that data are drawn for
SHAPE, RATE = 1.3, 0.4  # of the gamma prior of a rate
CONCENTRATION = 0.8  # of the Dirichlet prior of shares


def counts(d: int) -> np.ndarray:
    """Return the first d of one sequence of small counts."""
    return np.random.default_rng(240).poisson(3.0, LARGEST + 1)[:d]


def collinear(d: int) -> Problem:
    """Regression weights of predictors that share a common part: Gaussian and correlated.

    Each weight is known about three times better than its prior says, however many there are.
    """
    rng = np.random.default_rng(200 + d)
    rows = 2 * d + 4
    design = rng.normal(size=(rows, d)) + 0.8 * rng.normal(size=(rows, 1))
    noise = 0.4 * np.sqrt(rows)
    y = design @ rng.uniform(-1.2, 1.7, d) + noise * rng.normal(size=rows)
    return linear(f"collinear {d}d", 0.4, 1.3, design, y, noise, "correlated")


def rates(d: int) -> Problem:
    """Gamma rates, each seen in one small Poisson count: skewed in every direction, and a product."""
    y = counts(d)
    log_z = stats.nbinom(SHAPE, RATE / (RATE + 1)).logpmf(y).sum()

    def make() -> Model:
        prior = {"rate": dist.Gamma(SHAPE, RATE * np.ones(d)).to_event(1)}
        return Model(prior, lambda rate: dist.Poisson(rate), observed=y, name=f"rates {d}d")

    return Problem(f"rates {d}d", make, d, float(log_z), tags=frozenset({"smooth", "skewed"}))


def shares(d: int) -> Problem:
    """Shares of d + 1 kinds, each counted a few times: skewed, bounded, and none free of the others."""
    y = counts(d + 1)
    alpha = np.full(d + 1, CONCENTRATION)
    log_z = (
        special.gammaln(y.sum() + 1)
        - special.gammaln(y + 1).sum()
        + special.gammaln(alpha.sum())
        - special.gammaln(alpha).sum()
        + special.gammaln(alpha + y).sum()
        - special.gammaln(alpha.sum() + y.sum())
    )

    def make() -> Model:
        return Model({"p": dist.Dirichlet(alpha)}, lambda p: dist.Multinomial(int(y.sum()), p), y, name=f"shares {d}d")

    return Problem(f"shares {d}d", make, d, float(log_z), tags=frozenset({"smooth", "skewed", "bounded"}))


FAMILIES: Mapping[str, Callable[[int], Problem]] = {"rates": rates, "collinear": collinear, "shares": shares}

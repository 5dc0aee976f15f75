"""Posteriors whose evidence and moments are known without the package, and what makes each of them hard.

Truths come from closed forms in scipy.stats or from one-dimensional integrals by scipy.integrate; `test_problems`
holds the table itself against a quadrature in the user's own coordinates. Nothing here is symmetric about zero.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from problems_1d import (
    COUNTS,
    WAITS,
    bimodal_problem,
    cauchy_problem,
    coin_problem,
    conjugate_gamma_problem,
    counts,
    flat_problem,
    laplace_problem,
    many_problem,
    normal_problem,
    plateau_problem,
    spread_problem,
    tanks_problem,
    truncated_problem,
    waits,
    wide_tail_problem,
)
from problems_hard import HARD
from problems_nd import (
    NOISE,
    WEIGHT_SCALE,
    banana,
    dice_problem,
    four_weights_problem,
    funnel,
    laplace_pair_problem,
    nested_support_problem,
    noisy_line_problem,
    regression_problem,
    ridge_problem,
    steered_problem,
)
from scipy import special, stats
from truths import Problem, steered

import bayes_sandbox as bs

__all__ = [
    "ALL",
    "BY_NAME",
    "HARD",
    "NOISE",
    "TABLE",
    "WEIGHT_SCALE",
    "Problem",
    "flat",
    "grid_of",
    "laplace_of",
    "model_of",
    "names",
]

ALL = (
    coin_problem("coin", 2, 10, 1.0, 1.0),
    coin_problem("nine of nine", 9, 9, 1.0, 1.0, "edge"),
    coin_problem("pole at zero", 0, 1, 0.5, 0.5, "edge", "pole"),
    normal_problem("normal", -3.0, 2.0, [4.1, 5.3, 3.7], 1.5),
    normal_problem("prior far away", 0.0, 1.0, [40.0, 40.3], 0.1, "far"),
    normal_problem("tiny units", 2e-6, 1e-6, [3.1e-6, 2.7e-6], 4e-7, "units"),
    normal_problem("huge units", 2e6, 1e6, [3.1e6], 4e5, "units"),
    normal_problem("wide prior", 0.0, 1e8, [11.0, 14.0], 1.0, "wide"),
    many_problem(),
    flat_problem(),
    truncated_problem("truncated", 0.0, 1.0),
    truncated_problem("truncated wide", -1000.0, 1000.0, "wide"),
    bimodal_problem(),
    cauchy_problem(),
    wide_tail_problem(),
    laplace_problem(),
    conjugate_gamma_problem("counts", counts, 2.0, 0.5, COUNTS.sum(), len(COUNTS), -special.gammaln(COUNTS + 1).sum()),
    conjugate_gamma_problem("waits", waits, 1.5, 2.0, len(WAITS), WAITS.sum(), 0.0),
    tanks_problem(),
    plateau_problem(),
    spread_problem(),
    laplace_pair_problem(),
    steered_problem(
        "funnel",
        funnel,
        ("v", "x"),
        steered(lambda v: 0.0, lambda v: np.exp(v / 2), 1.2, 0.5, 0.0, [-4.0, 0.0, 3.0], stats.norm(-1.0, 3.0)),
        (),
        "funnel",
    ),
    steered_problem(
        "banana",
        banana,
        ("a", "b"),
        steered(lambda a: a**2, lambda a: 0.6, 3.0, 0.4, 1.0, [-2.3, -0.5, 1.3], stats.norm(0.5, 1.2)),
        ((-6.0, 5.0), (-3.0, 20.0)),
        "bimodal",
        "curved",
    ),
    nested_support_problem(),
    ridge_problem(),
    dice_problem(),
    regression_problem(),
    noisy_line_problem(),
    four_weights_problem(),
)

TABLE = ALL + HARD
BY_NAME = {p.name: p for p in TABLE}


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

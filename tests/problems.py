"""The table of posteriors with known evidence, as the tests use it: by name, by tag, and each fitted once."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

import bayes_sandbox as bs
from bayes_sandbox.problems import Problem, few, many, plain
from bayes_sandbox.problems.several import NOISE, WEIGHT_SCALE

__all__ = [
    "ALL",
    "BY_NAME",
    "HARD",
    "HIDDEN",
    "INFINITE",
    "LIMITS",
    "MANY",
    "NOISE",
    "TABLE",
    "WEIGHT_SCALE",
    "Problem",
    "flat",
    "grid_of",
    "names",
]

ALL, TABLE, MANY = plain.PROBLEMS, few(), many()
LIMITS = tuple(p for p in TABLE if "limit" in p.tags)
INFINITE = tuple(p for p in TABLE if "infinite" in p.tags)
HIDDEN = tuple(p for p in MANY if "hidden" in p.tags)
HARD = tuple(p for p in TABLE[len(ALL) :] if not p.tags & {"limit", "infinite"})
BY_NAME = {p.name: p for p in TABLE + MANY}


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

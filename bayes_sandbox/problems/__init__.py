"""Posteriors whose evidence is known without the package, and what makes each of them hard.

Truths come from closed forms in scipy.stats or from one-dimensional integrals by scipy.integrate; most bring a second
route through the density of the model itself. Where no symmetry asks for it nothing is centred on zero, or on a
fraction of its box that halving would find, and what can be turned is. Evidences that are infinite are among them, tag
"infinite": the right answer is to trust none. Made for testing an estimator, this one's or another's:

>>> from bayes_sandbox import problems
>>> problem = problems.find("coin")
>>> problem.dimension, round(float(problem.log_evidence), 6), problem.make().parameters
(1, -2.397895, ['p'])
"""

from functools import cache

from ..errors import UserError, suggestion
from .problem import Problem

__all__ = ["Problem", "every", "few", "find", "many"]


@cache
def few() -> tuple[Problem, ...]:
    """Return the posteriors of one to five parameters, which a grid can sum."""
    from . import curved, edges, infinite, limits, mixtures, modes, plain, tails

    kinds = (plain, modes, mixtures, curved, edges, tails, limits, infinite)
    return tuple(problem for kind in kinds for problem in kind.PROBLEMS)


@cache
def many() -> tuple[Problem, ...]:
    """Return the posteriors of six to two hundred parameters, which no grid over all of them can sum."""
    from . import deep, hidden, hierarchies

    return (*deep.PROBLEMS, *hierarchies.PROBLEMS, *hidden.PROBLEMS)


def every() -> tuple[Problem, ...]:
    """Return the whole table."""
    return few() + many()


def find(name: str) -> Problem:
    """Return the problem of this name, or raise `UserError` with the nearest one there is."""
    named = {problem.name: problem for problem in every()}
    if name not in named:
        raise UserError(f"there is no problem {name!r}{suggestion(name, named)}")
    return named[name]

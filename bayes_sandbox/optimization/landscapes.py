"""Surfaces that optimizers are shown on: functions of a vector, to be minimised, each with its minimum."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..arguments import numbers, positions
from ..coordinates import coordinates_of
from ..model import Model, require_model
from ..variants import num_rows

Function = Callable[[jax.Array], jax.Array]


@dataclass(frozen=True)
class Landscape:
    """A loss of a vector, where its minimum is (None where nobody knows), and a start off it.

    `sampled` is an unbiased estimate of the loss from some of its terms, `sampled(x, rows)`, for what descends on
    samples; `num_terms` is how many there are.
    """

    name: str
    loss: Function
    minimum: np.ndarray | None
    start: np.ndarray
    sampled: Callable[[jax.Array, jax.Array], jax.Array] | None = None
    num_terms: int = 0


def beale(x: jax.Array) -> jax.Array:
    """Beale's function: flat corners and a curved valley; minimum 0 at (3, 0.5).

    Source: Beale (1958), technical report 25 of the Statistical Techniques Research Group, Princeton.

    >>> float(beale(jnp.array([3.0, 0.5])))
    0.0
    """
    a, b = x
    return (1.5 - a + a * b) ** 2 + (2.25 - a + a * b**2) ** 2 + (2.625 - a + a * b**3) ** 2


def rosenbrock(x: jax.Array) -> jax.Array:
    """Rosenbrock's banana: easy to find its valley, hard to follow it; minimum 0 at (1, …, 1).

    Source: Rosenbrock (1960), The Computer Journal 3, 175–184.

    >>> float(rosenbrock(jnp.ones(3)))
    0.0
    """
    return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def bowl(curvatures: Any) -> Landscape:
    """Return the convex quadratic ½ Σ cᵢ xᵢ², turned by a fixed rotation, minimum off centre.

    >>> one = bowl([1.0, 25.0])
    >>> float(one.loss(one.minimum))
    0.0
    """
    c = numbers(curvatures, "curvatures", at_least_one=True).ravel()
    d = len(c)
    rotation = np.linalg.qr(np.random.default_rng(d).normal(size=(d, d)))[0]
    hessian = rotation @ np.diag(c) @ rotation.T
    centre = np.linspace(0.5, 1.0, d)
    return Landscape(
        f"bowl of condition {c.max() / c.min():g}",
        lambda x: (x - centre) @ hessian @ (x - centre) / 2,
        centre,
        centre - rotation @ np.full(d, 2.0),
    )


def posterior_landscape(model: Model, minimum: Any = None, start: Any = None) -> Landscape:
    """Return −log p(D, θ) of a model as a function of its unconstrained position, with a start at the middle.

    Its samples are the prior and n/m times the log likelihood of m of the n rows of data.
    """
    coords = coordinates_of(require_model(model))
    minimum, start = (
        None if value is None else positions(value, name, coords.dimension)
        for value, name in ((minimum, "minimum"), (start, "start"))
    )
    num = num_rows(model) if model.structure.data and not model.structure.factors else 0

    def sampled(position: jax.Array, rows: jax.Array) -> jax.Array:
        params = coords.constrain(position)
        likelihood = model.log_likelihood(params)
        terms = sum(v[rows].reshape(len(rows), -1).sum(axis=-1) for v in likelihood.values())
        return -model.log_parts(params)[0] - num / len(rows) * jnp.sum(terms)

    return Landscape(
        f"−log posterior of {model.name}",
        lambda u: -coords.log_joint(u),
        minimum,
        np.zeros(model.dimension) if start is None else start,
        sampled if num else None,
        num,
    )


LANDSCAPES: Mapping[str, Landscape] = MappingProxyType(
    {
        "bowl": bowl([1.0, 25.0]),
        "beale": Landscape("Beale's function", beale, np.array([3.0, 0.5]), np.array([1.0, 1.5])),
        "rosenbrock": Landscape("Rosenbrock's banana", rosenbrock, np.ones(2), np.array([-1.2, 1.0])),
    }
)

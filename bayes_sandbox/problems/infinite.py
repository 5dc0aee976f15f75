"""Posteriors that do not exist: the integral over the parameters is infinite, and no estimate of it may be trusted."""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from ..model import Model
from .problem import Problem

INFINITE = frozenset({"infinite", "smooth"})


def line(y: Sequence[float], noise: float | None = None) -> Model:
    """Return a straight line with unknown noise: p(D) is infinite where three points or more lie exactly on it.

    Per unit of log s the integrand goes as s^(3 − n) as s → 0. `noise` is the scale of a half-normal prior of s in
    place of HalfCauchy(1), which is as high at zero.
    """
    prior = {
        "a": dist.Normal(0, 5),
        "b": dist.Normal(0, 5),
        "s": dist.HalfCauchy(1) if noise is None else dist.HalfNormal(noise),
    }
    x = np.arange(float(len(y)))
    return Model(prior, lambda a, b, s, x: dist.Normal(a + b * x, s), observed=np.asarray(y), inputs={"x": x})


def growth(k: float, prior: dist.Distribution, beside: bool = False) -> Model:
    """Return a prior of power tails under a factor (1 + x²)ᵏ, alone or beside a parameter that is well known.

    For a Cauchy prior the integral is Γ(½ − k)/(Γ(1 − k) √π), infinite from k = ½ on.
    """

    def program() -> None:
        x = numpyro.sample("x", prior)
        numpyro.factor("growth", k * jnp.log1p(x**2))
        if beside:
            z = numpyro.sample("z", dist.Normal(0, 1))
            numpyro.sample("y", dist.Normal(z, 0.5), obs=0.4)

    return Model.from_numpyro(program)


def large_scale(k: float) -> Model:
    """Return a half-Cauchy scale under a factor sᵏ: infinite towards large s from k = 1 on."""

    def program() -> None:
        s = numpyro.sample("s", dist.HalfCauchy(1.0))
        numpyro.factor("growth", k * jnp.log(s))

    return Model.from_numpyro(program)


def no_spread(num: int, prior: dist.Distribution) -> Model:
    """Return data that are all zero under a scale whose prior is positive at zero: infinite from one datum on."""
    return Model({"s": prior}, lambda s: dist.Normal(0, s), observed=np.zeros(num))


def _problem(name: str, dimension: int, make: Callable[[], Model]) -> Problem:
    return Problem(name, make, dimension, np.inf, tags=INFINITE)


PROBLEMS = (
    _problem("three points on a line", 3, lambda: line((1.0, 2.0, 3.0))),
    _problem("four points on a line", 3, lambda: line((0.1, 0.2, 0.3, 0.4))),
    _problem("five points on a line, half-normal", 3, lambda: line((-1.0, 1.0, 3.0, 5.0, 7.0), 2.0)),
    _problem("a growing factor", 1, lambda: growth(0.5, dist.Cauchy(0, 1))),
    _problem("a faster growing factor", 1, lambda: growth(0.7, dist.Cauchy(0, 1))),
    _problem("a growing factor under Student", 1, lambda: growth(1.0, dist.StudentT(2.0, 1.0, 0.5))),
    _problem("a growing factor beside another", 2, lambda: growth(0.5, dist.StudentT(1.0, 0.3, 2.0), beside=True)),
    _problem("a large scale", 1, lambda: large_scale(1.0)),
    _problem("no spread", 1, lambda: no_spread(1, dist.HalfNormal(1))),
    _problem("no spread of three", 1, lambda: no_spread(3, dist.HalfCauchy(2))),
)

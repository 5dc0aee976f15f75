"""Posteriors that do not exist: the integral over the parameters is infinite, and no estimate of it may be trusted."""

from collections.abc import Callable, Sequence
from typing import Any

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


def factor(prior: dist.Distribution, log_factor: Callable[[Any], Any]) -> Model:
    """Return one parameter with a prior and a factor."""

    def program() -> None:
        numpyro.factor("growth", log_factor(numpyro.sample("x", prior)))

    return Model.from_numpyro(program)


def diagonal(k: float) -> Model:
    """Return two standard normals under a factor exp(k x² y): it rises along no axis, and beyond 1/k on a diagonal."""

    def program() -> None:
        x, y = (numpyro.sample(name, dist.Normal(0, 1)) for name in "xy")
        numpyro.factor("growth", k * x**2 * y)

    return Model.from_numpyro(program)


def tie(prior: dist.Distribution) -> Model:
    """Return a mixture of N(0, 1) and N(m, s) for data with a tie: ∫ N(0.3; m, s)² dm ∝ 1/s."""

    def likelihood(m: Any, s: Any) -> dist.Distribution:
        parts = [dist.Normal(jnp.zeros(()), jnp.ones(())), dist.Normal(m, s)]
        return dist.MixtureGeneral(dist.Categorical(probs=jnp.array([0.5, 0.5])), parts)

    return Model({"m": dist.Normal(0, 5), "s": prior}, likelihood, observed=np.array([0.3, 0.3, -1.0, 0.7, 2.2]))


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
    # The density vanishes first, and rises again far out.
    _problem("a fourth power under a normal", 1, lambda: factor(dist.Normal(0, 1), lambda x: 1e-8 * x**4)),
    _problem("a cube under a normal", 1, lambda: factor(dist.Normal(0, 1), lambda x: 1e-3 * x**3)),
    _problem("an exponential under a lognormal", 1, lambda: factor(dist.LogNormal(0, 1), lambda x: 1e-9 * x)),
    _problem("a square under an exponential", 1, lambda: factor(dist.Exponential(1), lambda x: 1e-6 * x**2)),
    _problem("a rise along a diagonal", 2, lambda: diagonal(1e-3)),
    # A small component under the main one has the heavier tail, or a pole.
    _problem("a Cauchy with a small mean", 1, lambda: factor(dist.Cauchy(0, 1), lambda x: jnp.log1p(1e-6 * abs(x)))),
    _problem("a Student with a cube", 1, lambda: factor(dist.StudentT(3), lambda x: jnp.log1p(1e-9 * abs(x) ** 3))),
    _problem("a pole inside", 1, lambda: factor(dist.Uniform(-1, 1), lambda x: jnp.log1p(0.1 / abs(x - 0.3)))),
    _problem("a pole at an edge", 1, lambda: factor(dist.Beta(1, 3), lambda x: jnp.log1p(1e-6 / x))),
    _problem("a tie in a mixture", 2, lambda: tie(dist.Uniform(0, 2))),
)

"""The same values by cheaper instructions: to a few units in the last place, at the ends, and inside a density."""

from decimal import Decimal, getcontext
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

from bayes_sandbox import Model, rewriting
from bayes_sandbox.compiler import compiled
from bayes_sandbox.coordinates import coordinates_of
from bayes_sandbox.rewriting import rewritten

RNG = np.random.default_rng(0)
EVERYWHERE = np.concatenate(
    [RNG.uniform(0.5, 2, 3000), np.exp(20 * RNG.normal(size=2000)), 1 + 1e-9 * RNG.normal(size=1000), [2.3e-308, 1e308]]
)
AROUND_ZERO = np.concatenate(
    [-RNG.uniform(0, 1, 2000), np.exp(-RNG.uniform(0, 80, 2000)), np.exp(10 * RNG.normal(size=2000)), [-1e-9, 1e-9]]
)
ENDS = np.array([0.0, -0.0, 5e-324, 2.3e-308, np.inf, -np.inf, -1.0, -2.0, np.nan, 1.0])


def _units(found: Any, x: np.ndarray, shift: int) -> np.ndarray:
    """Return how many units in the last place values of log(x + shift) are off, by eighty digits."""
    getcontext().prec = 80
    exact = [(Decimal(float(v)) + shift).ln() for v in x]
    spacing = np.spacing(np.abs([float(e) for e in exact]))
    return np.array([abs(float(Decimal(float(f)) - e)) for f, e in zip(found, exact)]) / spacing


def test_a_logarithm_is_right_to_the_last_place() -> None:
    assert _units(compiled(rewriting.log)(EVERYWHERE), EVERYWHERE, 0).max() < 1
    assert _units(compiled(rewriting.log1p)(AROUND_ZERO), AROUND_ZERO, 1).max() < 1.5


@pytest.mark.parametrize("name", ["log", "log1p"])
def test_the_ends_are_those_of_xla(name: str) -> None:
    ours, theirs = getattr(rewriting, name), getattr(jnp, name)
    np.testing.assert_allclose(compiled(ours)(ENDS), jax.jit(theirs)(ENDS), rtol=1e-15)


def test_short_arrays_and_float32_are_left_alone() -> None:
    def primitives(function: Any, *args: Any) -> str:
        return str(jax.make_jaxpr(rewritten(function))(*args))

    assert "log1p" not in primitives(jnp.log1p, np.ones(rewriting.LEAST))
    assert "log1p" in primitives(jnp.log1p, np.ones(rewriting.LEAST - 1))
    assert "log1p" in primitives(jnp.log1p, np.ones(rewriting.LEAST, np.float32))


def test_a_batch_comes_first_where_data_meet_parameters() -> None:
    x = RNG.normal(size=(700, 3))

    def one(w: Any) -> Any:
        return jnp.sum(jnp.where(jnp.isfinite(x @ w), x @ w, 0.0) * jnp.arange(700))

    many, w = jax.vmap(one), RNG.normal(size=(40, 3))
    np.testing.assert_allclose(compiled(rewritten(many))(w), (x @ w.T).T @ np.arange(700), rtol=1e-10)
    told = str(jax.make_jaxpr(rewritten(many))(w))
    assert "f64[40,700] = dot_general" in told
    assert "f64[700,40] = dot_general" not in told


def test_what_many_observations_share_is_kept_out_of_their_loop() -> None:
    """A normal's scale: its logarithm is one number for all of them."""
    y = RNG.normal(size=66)

    def one(at: Any) -> Any:
        return dist.Normal(at[0], jnp.exp(at[1])).log_prob(y).sum()

    many, points = jax.vmap(one), RNG.normal(size=(600, 2))
    told = str(jax.make_jaxpr(rewritten(many))(points))
    assert "optimization_barrier" in told
    assert "optimization_barrier" not in str(jax.make_jaxpr(rewritten(many))(points[:100]))
    np.testing.assert_array_max_ulp(
        np.asarray(compiled(rewritten(many))(points)), np.asarray(jax.jit(many)(points)), maxulp=8
    )


def test_what_surrounds_a_loop_is_rewritten_and_the_loop_kept() -> None:
    def one(w: Any) -> Any:
        whole, _ = jax.lax.scan(lambda s, v: (s + jnp.log1p(v * w**2), None), 0.0, jnp.arange(5.0))
        return {"sum": whole + jax.nn.softplus(w), "pair": (jnp.logaddexp(w, 0.5), w)}

    w = RNG.normal(size=600)
    found, plain = compiled(rewritten(jax.vmap(one)))(w), jax.vmap(one)(w)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-14), found, plain)


@pytest.mark.parametrize("kind", ["logistic", "poisson", "student", "mixture", "negative binomial"])
def test_a_density_keeps_its_value(kind: str) -> None:
    x = RNG.normal(size=(80, 2))
    likelihoods = {
        "logistic": lambda w: dist.Bernoulli(logits=x @ w),
        "poisson": lambda w: dist.Poisson(jnp.exp(x @ w)),
        "student": lambda w: dist.StudentT(3.0, x @ w, 0.7),
        "mixture": lambda w: dist.MixtureSameFamily(
            dist.Categorical(jnp.array([0.3, 0.7])), dist.Normal(jnp.stack([x @ w, -x @ w], axis=-1), 0.5)
        ),
        "negative binomial": lambda w: dist.NegativeBinomial2(jnp.exp(x @ w), 2.0),
    }
    observed = RNG.integers(0, 2, 80).astype(float)
    model = Model({"w": dist.Normal(0, 1).expand([2]).to_event(1)}, likelihoods[kind], observed=observed)
    points = 0.7 * RNG.normal(size=(300, 2))
    found = coordinates_of(model).log_parts_many(points).sum(axis=1)
    plain = jax.jit(jax.vmap(lambda w: model.log_joint({"w": w})))(points)
    np.testing.assert_allclose(found, plain, rtol=1e-13)

"""Densities in float32, summed in float64: what it costs is known, given back, and said where it is too much."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import problems
import pytest

import bayes_sandbox as bs
from bayes_sandbox.coordinates import coordinates_of
from bayes_sandbox.single import in_float32

X = np.linspace(0.1, 2.0, 40)


def _scanned(x: Any) -> Any:
    return jax.lax.scan(lambda c, v: (c * 0.5 + v, c), x, jnp.asarray(X))[0]


def _until(x: Any) -> Any:
    return jax.lax.while_loop(lambda v: v[0] < 10, lambda v: (v[0] + 1.0, v[1] * 1.1), (0.0, x))[1]


def _either(x: Any) -> Any:
    return jax.lax.cond(x > 0, lambda v: jnp.exp(-v), lambda v: v**2, x)


def _plain(x: Any) -> Any:
    return jnp.log1p(jnp.exp(jnp.asarray(X) * x)).sum() + jax.scipy.special.gammaln(x + 2) + jnp.arange(3.0).sum()


@pytest.mark.parametrize("function", [_scanned, _until, _either, _plain])
def test_loops_and_constants_are_in_float32_too(function: Any) -> None:
    single = in_float32(function)
    found, exact = jax.jit(single)(0.7), function(0.7)
    assert found.dtype == exact.dtype == jnp.float64
    np.testing.assert_allclose(found, exact, rtol=1e-5)
    assert found != exact  # it really is
    assert set(_doubles(jax.make_jaxpr(single)(0.7).jaxpr)) == {"convert_element_type"}  # at its end


def _doubles(jaxpr: Any) -> Any:
    """Yield the names of instructions that make a float64, in loops too."""
    for eqn in jaxpr.eqns:
        for inner in jax.tree.leaves(eqn.params, is_leaf=lambda p: hasattr(p, "jaxpr")):
            if hasattr(inner, "jaxpr"):
                yield from _doubles(inner.jaxpr)
        if any(v.aval.dtype == jnp.float64 for v in eqn.outvars):
            yield eqn.primitive.name


def test_bits_have_no_float32() -> None:
    def exponent(x: Any) -> Any:
        return jax.lax.bitcast_convert_type(x, jnp.uint64) >> np.uint64(52)

    with pytest.raises(bs.ModelError, match="no float32 for a program with bitcast"):
        in_float32(exponent)(jnp.ones(()))


def test_several_results_come_back_as_they_were() -> None:
    one, (two, three) = in_float32(lambda x: (x > 0, (x / 3, jnp.arange(3) + 1)))(jnp.ones(()))
    assert (one.dtype, two.dtype, three.dtype) == (jnp.bool_, jnp.float64, jnp.arange(3).dtype)


@pytest.mark.parametrize("name", ["coin", "noisy line", "bimodal", "waits"])
def test_the_evidence_is_within_its_error(name: str) -> None:
    problem, laplace = problems.BY_NAME[name], problems.laplace_of(name)
    fit = bs.fit_grid(problems.model_of(name), laplace=laplace, precision="float32")
    assert abs(fit.log_integral - problem.log_evidence) < fit.error
    assert "in float32" in fit.message
    assert fit.evidence.trusted
    assert fit.error < 1e-4
    np.testing.assert_allclose(problems.flat(fit.mean), problems.flat(problem.mean), rtol=1e-4, atol=1e-5)


def test_what_float32_loses_is_seen() -> None:
    """A mean that is known to a millionth of itself, from data that are."""
    model = bs.Model(
        {"mu": dist.Normal(1e6, 10)}, lambda mu: dist.Normal(mu, 1), observed=1e6 + np.array([0.3, -0.4, 1.2])
    )
    exact = bs.fit_grid(model)
    half = bs.fit_grid(model, precision="float32", rule="trapezoid")
    assert not half.evidence.trusted
    assert "float32 has too few digits here" in half.message
    assert half.error == np.inf
    # Left to itself it goes on to cells, whose densities are in float64.
    auto = bs.fit_grid(model, precision="float32")
    assert auto.evidence.trusted
    assert abs(auto.log_integral - exact.log_integral) < auto.error + exact.error


def test_an_error_above_the_tolerance_is_not_settled() -> None:
    fit = bs.fit_grid(
        problems.model_of("coin"),
        laplace=problems.laplace_of("coin"),
        precision="float32",
        rule="gauss-hermite",
        tolerance=1e-9,
    )
    assert not fit.converged
    assert fit.error > 1e-9
    assert abs(fit.log_integral - problems.BY_NAME["coin"].log_evidence) < fit.error


def test_cells_stay_in_float64() -> None:
    options: dict[str, Any] = {"rule": "cells", "laplace": problems.laplace_of("coin")}
    one, two = (bs.fit_grid(problems.model_of("coin"), precision=p, **options) for p in ("float64", "float32"))
    assert one.log_integral == two.log_integral
    assert "float32" not in two.message


def test_what_is_lost_is_said_at_points() -> None:
    coords = coordinates_of(problems.model_of("noisy line"))
    positions = np.random.default_rng(0).normal(size=(2, 50, coords.dimension))
    lost = coords.lost_in_single(positions)
    assert lost.shape == (2, 50)
    assert 0 < np.abs(lost).max() < 1e-2


def test_a_precision_must_be_one_of_two() -> None:
    with pytest.raises(ValueError, match="precision must be"):
        bs.fit_grid(problems.model_of("coin"), precision="float16")

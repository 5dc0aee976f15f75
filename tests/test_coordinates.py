"""The one place for Jacobians: every support a prior can have, there and back, and log|J| against autodiff.

A constrained matrix or simplex has more entries than degrees of freedom. The density NumPyro writes is with respect to
some of the entries, the free ones; log|J| must be the log-determinant of the map from the position onto those.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.distributions import constraints

import bayes_sandbox as bs
from bayes_sandbox.batches import done_with, evaluate, in_batches
from bayes_sandbox.coordinates import coordinates_of

Free = Callable[[Any], jax.Array]


def everything(x: Any) -> jax.Array:
    return jnp.ravel(x)


def all_but_last(x: Any) -> jax.Array:
    return jnp.ravel(x[..., :-1])


def lower(x: Any) -> jax.Array:
    return x[jnp.tril_indices(x.shape[-1])]


def strictly_lower(x: Any) -> jax.Array:
    return x[jnp.tril_indices(x.shape[-1], -1)]


def flat_on(support: Any, *event: int) -> dist.Distribution:
    return dist.ImproperUniform(support, (), event)


# name → (prior, the map onto free coordinates)
SUPPORTS: dict[str, tuple[dist.Distribution, Free]] = {
    "real": (dist.Normal(3.0, 2.0), everything),
    "real vector": (dist.Normal(3.0, 2.0).expand([3]).to_event(1), everything),
    "real batch": (dist.Normal(jnp.arange(6.0).reshape(2, 3), 2.0), everything),
    "correlated": (dist.MultivariateNormal(jnp.array([1.0, 2.0]), jnp.array([[2.0, 0.9], [0.9, 1.0]])), everything),
    "positive": (dist.Gamma(2.0, 3.0), everything),
    "positive batch": (dist.HalfNormal(jnp.array([0.3, 2.0])), everything),
    "softplus_positive": (flat_on(constraints.softplus_positive), everything),
    "greater_than": (dist.Pareto(2.5, 1.5), everything),
    "greater_than batch": (dist.TruncatedNormal(0.0, 1.0, low=jnp.array([-1.0, 4.0])), everything),
    "less_than": (dist.TruncatedNormal(0.0, 1.0, high=-0.7), everything),
    "interval": (dist.Uniform(-3.0, 11.0), everything),
    "interval batch": (dist.Uniform(jnp.array([-3.0, 5.0]), jnp.array([1.0, 5.5])), everything),
    "unit_interval": (dist.Beta(2.0, 5.0), everything),
    "circular": (dist.VonMises(1.0, 2.0), everything),
    "simplex": (dist.Dirichlet(jnp.array([2.0, 0.7, 1.0, 3.0])), all_but_last),
    "simplex batch": (dist.Dirichlet(jnp.ones(3)).expand([2]), all_but_last),
    "ordered_vector": (flat_on(constraints.ordered_vector, 3), everything),
    "positive_ordered_vector": (flat_on(constraints.positive_ordered_vector, 3), everything),
    "corr_cholesky": (dist.LKJCholesky(3, 1.7), strictly_lower),
    "corr_matrix": (dist.LKJ(3, 1.7), strictly_lower),
    "lower_cholesky": (flat_on(constraints.lower_cholesky, 3, 3), lower),
    "scaled_unit_lower_cholesky": (flat_on(constraints.scaled_unit_lower_cholesky, 3, 3), lower),
    "positive_definite": (flat_on(constraints.positive_definite, 3, 3), lower),
    "wishart": (dist.Wishart(4.0, rate_matrix=jnp.eye(2)), lower),
    "l1_ball": (flat_on(constraints.l1_ball, 3), everything),
    "zero_sum": (dist.ZeroSumNormal(1.3, (4,)), all_but_last),
    "transformed": (dist.LogNormal(0.4, 0.8), everything),
}


def alone(prior: dist.Distribution) -> bs.Model:
    """A model that is little more than its prior; the factor leaves the support alone."""

    def program() -> None:
        theta = numpyro.sample("theta", prior)
        numpyro.factor("nothing", 0.0 * jnp.sum(theta))

    return bs.Model.from_numpyro(program)


def positions(dimension: int, n: int = 6) -> np.ndarray:
    return np.random.default_rng(1).normal(0.4, 1.1, size=(n, dimension))


@pytest.fixture(scope="module")
def measured() -> dict[str, tuple[Any, ...]]:
    """For each support: position, the way back, log prior, log|J| as given and as autodiff has it; compiled at once."""
    models = {name: alone(prior) for name, (prior, _) in SUPPORTS.items()}

    def measure(name: str, u: jax.Array) -> tuple[Any, ...]:
        model, coords, free = models[name], coordinates_of(models[name]), SUPPORTS[name][1]
        params, given = coords.constrain_with_log_det(u)
        jacobian = jax.jacobian(lambda v: free(coords.constrain(v)["theta"]))(u)
        return coords.unconstrain(params), model.log_prior(params), given, jnp.linalg.slogdet(jacobian)[1]

    points = {name: positions(model.dimension) for name, model in models.items()}
    every = jax.jit(lambda us: {name: jax.vmap(lambda u: measure(name, u))(v) for name, v in us.items()})  # noqa: B023
    return {name: (points[name], *(np.asarray(r) for r in found)) for name, found in every(points).items()}


@pytest.mark.parametrize("name", SUPPORTS)
def test_there_and_back(measured, name):
    position, back, *_ = measured[name]
    np.testing.assert_allclose(back, position, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", SUPPORTS)
def test_params_lie_in_the_support(measured, name):
    assert np.isfinite(measured[name][2]).all()


@pytest.mark.parametrize("name", SUPPORTS)
def test_log_det_is_that_of_the_autodiff_jacobian(measured, name):
    *_, given, autodiff = measured[name]
    # NumPyro's zero-sum density is per unit of volume on the hyperplane: √n times that of its first n − 1 entries.
    offset = np.log(2.0) if name == "zero_sum" else 0.0
    np.testing.assert_allclose(given, autodiff + offset, rtol=1e-8, atol=1e-8)


INTEGRABLE = {
    "truncated below": (dist.TruncatedNormal(0.0, 1.0, low=4.0), 1),
    "an interval": (dist.Uniform(-3.0, 11.0), 1),
    "a circle": (dist.VonMises(1.0, 2.0), 1),
    "a simplex of 3": (dist.Dirichlet(jnp.array([2.0, 0.7, 1.5])), 2),
    "a Cholesky factor of a correlation": (dist.LKJCholesky(2, 1.7), 1),
    "a covariance": (dist.InverseGamma(3.0, 2.0), 1),
    "a sum of zero": (dist.ZeroSumNormal(1.3, (3,)), 2),
}


@pytest.mark.parametrize("name", INTEGRABLE)
def test_a_prior_integrates_to_one_in_unconstrained_space(name):
    prior, dimension = INTEGRABLE[name]
    model = alone(prior)
    coords = coordinates_of(model)
    assert coords.dimension == dimension
    t = np.linspace(-4.5, 4.5, 401)
    mesh = np.stack(np.meshgrid(*(t,) * dimension, indexing="ij"), axis=-1)
    heights = coords.log_density_many(np.sinh(mesh)) + np.log(np.cosh(mesh)).sum(axis=-1)
    np.testing.assert_allclose(np.exp(heights).sum() * (t[1] - t[0]) ** dimension, 1.0, rtol=1e-5)


@pytest.fixture(scope="module")
def chained() -> bs.Model:
    """Supports that follow from other parameters, two deep, with a vector at the end."""
    return bs.Model(
        {
            "lo": dist.Normal(-1.0, 1.0),
            "hi": lambda lo: dist.TruncatedNormal(lo + 1.0, 2.0, low=lo),
            "x": lambda lo, hi: dist.Uniform(lo, hi).expand([2]).to_event(1),
        },
        lambda x: dist.Normal(x, 0.5),
        observed=np.array([0.2, 0.9]),
    )


def test_a_support_that_depends_on_parameters(chained):
    coords = coordinates_of(chained)
    points = positions(4)
    params = coords.constrain_many(points)
    assert (params["hi"] > params["lo"]).all()
    assert ((params["x"] > params["lo"][:, None]) & (params["x"] < params["hi"][:, None])).all()
    np.testing.assert_allclose(coords.unconstrain_many(params, (len(points),)), points, rtol=1e-8, atol=1e-8)
    for u in points[:2]:
        jacobian = jax.jacobian(coords.constrain_flat)(jnp.asarray(u))
        given = coords.constrain_with_log_det(u)[1]
        np.testing.assert_allclose(given, jnp.linalg.slogdet(jacobian)[1], rtol=1e-10)


def test_own_axis_says_which_coordinate_alone_moves_a_parameter(chained):
    # lo moves nothing but itself when its own coordinate moves, yet hi and x feel it too.
    assert coordinates_of(chained).own_axis.tolist() == [0, -1, -1, -1]


def test_own_axis_of_a_simplex_is_the_first_stick_alone():
    model = alone(dist.Dirichlet(jnp.ones(3)))  # broken stick by stick: later pieces depend on earlier ones
    assert coordinates_of(model).own_axis.tolist() == [0, -1, -1]


def test_own_axis_of_independent_entries_is_their_own():
    model = alone(dist.HalfNormal(jnp.array([0.3, 2.0])))
    assert coordinates_of(model).own_axis.tolist() == [0, 1]


def test_plates_keep_the_order_of_parameters():
    def program() -> None:
        with numpyro.plate("rows", 3, dim=-2), numpyro.plate("columns", 2, dim=-1):
            numpyro.sample("a", dist.Normal(0, 1))
        b = numpyro.sample("b", dist.HalfNormal(1.0))
        numpyro.factor("nothing", 0.0 * b)

    model = bs.Model.from_numpyro(program)
    coords = coordinates_of(model)
    params = coords.constrain(jnp.arange(7.0))
    np.testing.assert_array_equal(params["a"], jnp.arange(6.0).reshape(3, 2))
    np.testing.assert_array_equal(coords.flat(params), jnp.r_[jnp.arange(6.0), jnp.exp(6.0)])
    assert model.parameters == [f"a[{i}, {j}]" for i in range(3) for j in range(2)] + ["b"]
    assert coords.labels == model.parameters


def test_log_density_is_joint_plus_log_det(chained):
    coords = coordinates_of(chained)
    for u in positions(4)[:3]:
        params, log_det = coords.constrain_with_log_det(u)
        np.testing.assert_allclose(coords.log_density(u), chained.log_joint(params) + log_det, rtol=1e-13)
        np.testing.assert_allclose(coords.log_joint(u), chained.log_joint(params), rtol=1e-13)
        together = coords.parts_and_params(jnp.asarray(u))
        np.testing.assert_allclose(together[:3].sum(), coords.log_density(u), rtol=1e-14)
        np.testing.assert_array_equal(together[3:], coords.flat(params))


def test_the_potential_is_numpyros_own(chained):
    """NumPyro's initialize_model follows the same transforms: its potential is minus our log density."""
    info = numpyro.infer.util.initialize_model(
        jax.random.key(0), chained._program, model_args=chained._args, model_kwargs=chained._kwargs
    )
    coords = coordinates_of(chained)
    for u in positions(4)[:3]:
        theirs = info.potential_fn(coords.split(jnp.asarray(u)))
        np.testing.assert_allclose(-theirs, coords.log_density(u), rtol=1e-12)


def test_batches_of_any_number_give_the_same(chained):
    coords = coordinates_of(chained)
    points = positions(4, n=2049)
    whole = coords.log_density_many(points)
    np.testing.assert_array_equal(whole[:3], coords.log_density_many(points[:3]))
    np.testing.assert_array_equal(whole[-1:], coords.log_density_many(points[-1:]))
    np.testing.assert_array_equal(whole.reshape(3, 683), coords.log_density_many(points.reshape(3, 683, 4)))


def test_batches_pad_without_showing_it():
    seen = []

    def square(x):
        seen.append(x.shape)
        return x[0] ** 2

    values = in_batches(square, batch=4)(np.arange(10.0)[:, None])
    np.testing.assert_array_equal(values, np.arange(10.0) ** 2)
    assert set(seen) == {(1,)}
    assert in_batches(square, batch=4)(np.zeros((0, 1))).shape == (0,)


def test_results_are_written_over_only_where_nobody_looks():
    """Memory is used again, and yet a view that was kept stays what it was."""
    points = np.arange(4096.0)[None]
    found = evaluate(jnp.sum, 64, points, 64)
    place, kept = found.unsafe_buffer_pointer(), np.asarray(found)
    done_with(found)
    again = evaluate(jnp.sum, 64, -points, 64)
    assert again.unsafe_buffer_pointer() != place
    np.testing.assert_array_equal(kept, points[0])
    place = again.unsafe_buffer_pointer()
    done_with(again)
    some = evaluate(jnp.sum, 64, points + 1, 2)  # of what is beyond, nothing is said
    assert some.unsafe_buffer_pointer() == place
    np.testing.assert_array_equal(np.asarray(some)[:128], points[0, :128] + 1)


def test_unit_interval_keeps_its_digits_far_out():
    """At u = −40 a proportion is e⁻⁴⁰, not zero; the way back must not lose it."""
    model = alone(dist.Beta(2.0, 5.0))
    coords = coordinates_of(model)
    far = np.array([[-40.0], [-200.0], [-600.0]])
    params = coords.constrain_many(far)
    np.testing.assert_allclose(np.log(params["theta"]), far[:, 0], rtol=1e-12)
    np.testing.assert_allclose(coords.unconstrain_many(params, (3,)), far, rtol=1e-10)


def test_positive_keeps_its_digits_in_tiny_and_huge_units():
    model = alone(dist.HalfNormal(1.0))
    coords = coordinates_of(model)
    far = np.array([[-300.0], [-30.0], [30.0]])
    params = coords.constrain_many(far)
    np.testing.assert_allclose(coords.unconstrain_many(params, (3,)), far, rtol=1e-12)

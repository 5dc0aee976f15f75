"""The optimizers of a course: where they end, at what rate, at what cost, and where they fail."""

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy.optimize import minimize, rosen

import bayes_sandbox as bs
from bayes_sandbox.errors import UserError
from bayes_sandbox.optimization import LANDSCAPES, OPTIMIZERS, Landscape, bowl, descend, posterior_landscape
from bayes_sandbox.optimization.landscapes import beale, rosenbrock

DESCENTS = {"gradient_descent": 0.07, "momentum": 0.03, "adam": 0.1, "newton": 1.0, "bfgs": 1.0, "l_bfgs": 1.0}


def regression() -> bs.Model:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3))
    return bs.Model(
        {"w": dist.Normal(0, 2).expand([3]).to_event(1)},
        lambda w, x: dist.Bernoulli(logits=x @ w),
        inputs={"x": x},
        observed=(x @ [1.0, -2.0, 0.5] + rng.logistic(size=40) > 0).astype(int),
        name="logistic",
    )


def test_the_functions_are_the_ones_that_are_named():
    points = np.random.default_rng(1).normal(size=(5, 4))
    for x in points:
        assert float(rosenbrock(jnp.asarray(x))) == pytest.approx(rosen(x))
    assert minimize(lambda x: float(beale(jnp.asarray(x))), [2.5, 0.3]).x == pytest.approx([3, 0.5], abs=1e-4)


@pytest.mark.parametrize("optimizer", DESCENTS)
@pytest.mark.parametrize("curvatures", [[1.0, 25.0], [0.5, 2.0, 3.0, 20.0]])
def test_all_reach_the_bottom_of_a_bowl(optimizer, curvatures):
    landscape = bowl(curvatures)
    path = descend(landscape, optimizer, step_size=DESCENTS[optimizer], num_steps=800)
    np.testing.assert_allclose(path.positions[-1], landscape.minimum, atol=1e-5)
    assert path.losses[0] == pytest.approx(float(landscape.loss(jnp.asarray(landscape.start))))


@pytest.mark.parametrize("optimizer", DESCENTS)
def test_all_reach_the_mode_of_a_real_posterior(optimizer):
    model = regression()
    landscape = posterior_landscape(model)
    mode = np.asarray(bs.fit_map(model).params["w"])
    path = descend(landscape, optimizer, step_size=DESCENTS[optimizer], num_steps=1500)
    np.testing.assert_allclose(path.positions[-1], mode, atol=1e-4)
    assert path.losses[-1] == pytest.approx(-bs.fit_map(model).log_joint, abs=1e-6)


@pytest.mark.parametrize("step_size", [0.02, 0.06, 0.079])
def test_gradient_descent_shrinks_by_the_predicted_factor(step_size):
    curvatures = np.array([1.0, 4.0, 25.0])
    landscape = bowl(curvatures)
    away = np.linalg.norm(
        descend(landscape, "gradient_descent", step_size=step_size, num_steps=400).positions - landscape.minimum, axis=1
    )
    far = np.flatnonzero(away > 1e-8)[-1]
    assert away[far] / away[far - 1] == pytest.approx(np.abs(1 - step_size * curvatures).max(), rel=1e-3)


def test_a_step_beyond_two_over_the_curvature_leaves():
    path = descend(LANDSCAPES["bowl"], "gradient_descent", step_size=2.1 / 25, num_steps=5000)
    assert path.losses[-1] > 1e12
    assert "too large" in path.message
    assert len(path.losses) < 5000


def test_newton_takes_a_quadratic_in_one_step_and_squares_the_distance():
    landscape = bowl([0.3, 2.0, 700.0])
    np.testing.assert_allclose(descend(landscape, "newton", num_steps=1).positions[1], landscape.minimum, rtol=1e-9)
    model = regression()
    mode = np.asarray(bs.fit_map(model).params["w"])
    path = descend(posterior_landscape(model), "newton", num_steps=10, start=mode + 0.6)
    away = np.linalg.norm(path.positions - mode, axis=1)
    known = away[away > 1e-12]
    assert np.log(known[-1] / known[-2]) / np.log(known[-2] / known[-3]) == pytest.approx(2, abs=0.3)


def test_newton_fails_where_the_hessian_is_singular_or_points_up():
    flat = Landscape("flat", lambda x: x[0] ** 2, None, np.ones(2))
    path = descend(flat, "newton", num_steps=5)
    assert "singular" in path.message
    assert len(path.losses) == 1
    saddle = Landscape("saddle", lambda x: x[0] ** 2 - x[1] ** 2 + x[1] ** 4, None, np.array([1.0, 0.1]))
    np.testing.assert_allclose(descend(saddle, "newton", num_steps=50).positions[-1], 0, atol=1e-9)  # a saddle
    assert descend(saddle, "gradient_descent", step_size=0.1, num_steps=300).losses[-1] == pytest.approx(-0.25)


def test_stochastic_descent_takes_another_way_for_every_seed_and_is_unbiased():
    model = regression()
    landscape = posterior_landscape(model)
    one, same, other = (
        descend(landscape, "sgd", step_size=0.01, num_steps=50, seed=s, batch=4).positions for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert np.abs(one[-1] - other[-1]).max() > 1e-3
    at = jnp.array([0.3, 0.1, -0.2])
    rows = np.random.default_rng(0).integers(landscape.num_terms, size=(4000, 4))
    estimates = np.array([float(landscape.sampled(at, r)) for r in rows[:400]])
    assert abs(estimates.mean() - float(landscape.loss(at))) < 4 * estimates.std() / 20
    whole = landscape.sampled(at, jnp.arange(landscape.num_terms))
    assert float(whole) == pytest.approx(float(landscape.loss(at)))
    cost = descend(landscape, "sgd", step_size=0.01, num_steps=10, batch=4).num_gradients
    np.testing.assert_allclose(np.diff(cost), 4 / 40)


def test_random_search_keeps_the_best_of_its_tries():
    path = descend(LANDSCAPES["beale"], "random_search", step_size=1.0, num_steps=300, seed=4)
    assert (np.diff(path.losses) <= 0).all()
    assert path.num_gradients[-1] == 300


@pytest.mark.parametrize("optimizer", [o for o in OPTIMIZERS if o != "sgd"])
def test_what_a_path_cost_is_counted(optimizer):
    path = descend(LANDSCAPES["bowl"], optimizer, step_size=0.05, num_steps=6)
    assert (np.diff(path.num_gradients) >= 1).all()
    assert (np.diff(path.seconds) > 0).all()
    np.testing.assert_array_equal(np.diff(path.num_hessians), int(optimizer == "newton"))
    assert len(path.positions) == len(path.losses) == len(path.seconds) <= 8


@pytest.mark.parametrize(
    ("optimizer", "landscape", "sentence"),
    [("sdg", "bowl", "did you mean 'sgd'"), ("sgd", "bowl", "has no terms to sample")],
)
def test_what_cannot_descend_is_refused(optimizer, landscape, sentence):
    with pytest.raises(UserError, match=sentence):
        descend(LANDSCAPES[landscape], optimizer)

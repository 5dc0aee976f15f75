"""Maps to nearly normal coordinates: one to one, with the Jacobian they claim, found where they are there to find."""

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import problems
import pytest
from scipy import stats

import bayes_sandbox as bs
from bayes_sandbox.coordinates import coordinates_of
from bayes_sandbox.evidence.routes import LatentMixture, Route, Whitener, mean_weight
from bayes_sandbox.evidence.workbench import Workbench
from bayes_sandbox.proposals import ProductMixture, StudentMixture, standard
from bayes_sandbox.straightening import Affine, Chain, GivenFew, Warp, given_few, warp

BY_NAME = problems.BY_NAME


def schools():
    problem = BY_NAME["eight schools, centred 10d"]
    return problem, coordinates_of(problem.make())


def posterior_like(coords, n=400, seed=0):
    """Draws of (mu, log tau, theta) as the prior has them, near the data: enough to look at third derivatives."""
    rng = np.random.default_rng(seed)
    mu, log_tau = rng.normal(4.0, 3.0, n), rng.normal(1.2, 0.9, n)
    theta = mu[:, None] + np.exp(log_tau)[:, None] * rng.normal(size=(n, coords.dimension - 2))
    return np.column_stack([mu, log_tau, theta])


MAPS = {
    "affine": Affine(np.array([1.0, -2.0, 0.5]), np.array([[2.0, 0, 0], [0.3, 0.5, 0], [-1.0, 0.2, 3.0]])),
    "warp": Warp(
        np.array([0.3, 1.0, -1.0]), np.array([2.0, 0.5, 1.0]), np.array([0.4, -0.2, 0.0]), np.array([0.8, 1.3, 1.0])
    ),
}
MAPS["chain"] = Chain([MAPS["warp"], MAPS["affine"]])


@pytest.mark.parametrize("name", MAPS)
def test_a_map_comes_back_and_its_jacobian_is_its_own(name):
    one, rng = MAPS[name], np.random.default_rng(1)
    z = rng.normal(size=(20, 3))
    u, log_det = one.to_position(z)
    back, same = one.to_latent(u)
    np.testing.assert_allclose(back, z, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(same, log_det, rtol=1e-9, atol=1e-9)
    step = 1e-5 * np.eye(3)
    slopes = np.stack([(one.to_position(z + e)[0] - one.to_position(z - e)[0]) / 2e-5 for e in step], axis=-1)
    np.testing.assert_allclose(np.linalg.slogdet(slopes)[1], log_det, rtol=1e-6, atol=1e-6)


def test_the_scale_of_a_hierarchy_is_what_steers_it():
    _, coords = schools()
    found = given_few(coords, posterior_like(coords), np.random.default_rng(0))
    assert [coords.labels[i] for i in found.steering] == ["tau"]


def test_given_the_scale_the_effects_are_a_normal_however_narrow():
    """log f − log N(ζ) + log|∂u/∂z| depends on τ alone: at two draws of ζ it is the same, down the neck as well."""
    _, coords = schools()
    few = GivenFew(coords, (1,), np.zeros(10), np.ones(10))
    rng = np.random.default_rng(2)
    log_tau = np.array([-7.0, -4.0, 0.0, 1.5, 4.0])
    heights = []
    for _ in range(2):
        z = rng.normal(size=(5, 10))
        z[:, 1] = log_tau
        u, log_det = few.to_position(z)
        rest = np.delete(z, 1, axis=1)
        heights.append(coords.log_density_many(u) + log_det + (rest**2).sum(axis=1) / 2)
        np.testing.assert_allclose(few.to_latent(u)[0], z, atol=1e-6)
    np.testing.assert_allclose(heights[0], heights[1], rtol=0, atol=1e-6)


def test_latents_that_are_remembered_are_those_that_are_found():
    _, coords = schools()
    u = posterior_like(coords, 30)
    fresh, again = (GivenFew(coords, (1,), np.zeros(10), np.ones(10)) for _ in range(2))
    expected = fresh.to_latent(u)
    again.to_latent(u[:10])
    found = again.to_latent(u[::-1])
    np.testing.assert_array_equal(found[0][::-1], expected[0])
    np.testing.assert_array_equal(found[1][::-1], expected[1])


def test_a_normal_needs_no_map():
    x = np.random.default_rng(3).normal(size=(40, 4)) @ np.diag([1.0, 2.0, 0.5, 1.0])
    model = bs.Model(
        {"w": dist.Normal(0, jnp.ones(4)).to_event(1)}, lambda w: dist.Normal(x @ w, 1.0), observed=x.sum(axis=1)
    )
    draws = np.random.default_rng(4).normal(size=(2000, 4))
    assert given_few(coordinates_of(model), draws, np.random.default_rng(0)) is None
    assert warp(draws) is None


def test_a_warp_makes_skewed_coordinates_normal_and_leaves_others():
    rng = np.random.default_rng(5)
    draws = np.column_stack([np.log(rng.gamma(1.5, size=4000)), rng.normal(3.0, 2.0, 4000), rng.standard_t(4, 4000)])
    found = warp(draws)
    z = found.to_latent(draws)[0]
    assert abs(stats.skew(draws[:, 0])) > 0.7
    assert np.abs(stats.skew(z)).max() < 0.15
    assert np.abs(stats.kurtosis(z)).max() < 0.6
    assert (found.skew[1], found.tail[1]) == (0.0, 1.0)


# --- proposals ---


def test_a_mixture_of_students_has_scipys_density():
    scale = np.array([[1.5, 0.0], [0.4, 0.7]])
    one = StudentMixture(
        np.array([0.3, 0.7]), np.array([[0.0, 1.0], [2.0, -1.0]]), np.array([scale, np.eye(2)]), np.array([5.0, 1e6])
    )
    x = np.random.default_rng(6).normal(size=(50, 2)) * 3
    parts = [stats.multivariate_t([0.0, 1.0], scale @ scale.T, df=5), stats.multivariate_normal([2.0, -1.0])]
    expected = np.log(0.3 * parts[0].pdf(x) + 0.7 * parts[1].pdf(x))
    np.testing.assert_allclose(one.log_density(x), expected, rtol=1e-4)


def test_a_product_is_the_sum_of_its_factors():
    pair = ProductMixture((np.array([2]), np.array([0, 1])), (standard(1), standard(2)))
    x = pair.sample(np.random.default_rng(7), 100)
    expected = standard(1).log_density(x[:, [2]]) + standard(2).log_density(x[:, [0, 1]])
    np.testing.assert_allclose(pair.log_density(x), expected)
    assert pair.widened(2.0).log_density(np.zeros((1, 3))) < pair.log_density(np.zeros((1, 3)))


def test_a_share_of_the_prior_bounds_the_weights_of_a_proposal_that_misses():
    """The mixture is put where nothing is: the prior's share still finds the evidence, within its own error."""
    urn = bs.Model({"p": dist.Beta(1, 1)}, lambda p: dist.Binomial(10, p), observed=2)
    bench = Workbench(urn)
    away = StudentMixture(np.ones(1), np.array([[40.0]]), np.array([[[0.1]]]), np.array([5.0]))
    route = Route("away", bench, LatentMixture(Affine(np.zeros(1), np.eye(1)), away))
    drawn = route.draw(np.random.default_rng(8), 8192)
    value, error = mean_weight(drawn.log_weights)
    assert abs(value + np.log(11)) < 4 * error < 0.4
    best = float(np.log(stats.binom(10, 0.2).pmf(2) / 0.05))
    assert drawn.log_weights.max() <= best + 1e-9


def test_weights_of_positions_are_those_of_their_draws():
    urn = bs.Model({"p": dist.Beta(2, 1)}, lambda p: dist.Binomial(10, p), observed=2)
    bench = Workbench(urn)
    whitener = Whitener(bench)
    route = Route("plain", bench, LatentMixture(whitener.fit(None), whitener.standard()))
    drawn = route.draw(np.random.default_rng(9), 512)
    np.testing.assert_allclose(route.weigh(drawn.positions), drawn.log_weights, rtol=1e-9, atol=1e-9)

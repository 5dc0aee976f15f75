"""Mirror images: which relabellings and changes of sign leave a density as it is, and is every image found and said?"""

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import problems
import pytest

import bayes_sandbox as bs

Y = np.array([-1.9, -1.4, -2.3, 3.1, 2.6, 3.4, 2.9])


def two_components(weight: dist.Distribution) -> bs.Model:
    """Two normals with a weight: the first component's weight is w, the second's 1 − w."""

    def likelihood(w, mu):
        parts = dist.Normal(mu, 0.8)
        return dist.MixtureSameFamily(dist.Categorical(probs=jnp.stack([w, 1 - w])), parts)

    prior = {"w": weight, "mu": dist.Normal(0.5, 3.0).expand([2]).to_event(1)}
    return bs.Model(prior, likelihood, observed=Y)


def test_labels_are_switched_together_with_their_weight():
    fit = bs.fit_laplace(two_components(dist.Beta(2.0, 2.0)))
    assert len(fit.humps) == 2
    assert "2 mirror images (label switching)" in fit.images
    assert "exchanging mu[0] with mu[1] and turning w end for end" in fit.images


def test_a_prior_that_tells_the_components_apart_leaves_no_image():
    fit = bs.fit_laplace(two_components(dist.Beta(2.0, 3.0)))
    assert len(fit.humps) == 2
    assert fit.images == ""


def test_scalars_that_stand_for_one_another():
    def likelihood(left, right, scale):
        return dist.MixtureSameFamily(
            dist.Categorical(probs=jnp.array([0.5, 0.5])), dist.Normal(jnp.stack([left, right]), scale)
        )

    prior = {"left": dist.Normal(0.5, 3.0), "right": dist.Normal(0.5, 3.0), "scale": dist.Gamma(4.0, 4.0)}
    fit = bs.fit_laplace(bs.Model(prior, likelihood, observed=Y))
    assert "exchanging left with right" in fit.images


def test_a_square_does_not_know_the_sign():
    model = bs.Model({"x": dist.Normal(0, 2)}, lambda x: dist.Normal(x**2, 0.5), observed=3.3)
    fit = bs.fit_laplace(model)
    assert "2 mirror images: changing the sign of x" in fit.images
    np.testing.assert_allclose(sorted(h.position[0] for h in fit.humps), [-1.8, 1.8], atol=0.05)


@pytest.mark.parametrize("name", ["regression", "coin", "two spikes 2d", "noisy line"])
def test_nothing_is_said_where_there_is_nothing(name):
    assert problems.laplace_of(name).images == ""


def test_every_image_is_a_mode_of_the_sum():
    """Three means have six images; climbs from random starts need not meet them all."""
    fit = problems.laplace_of("three means 3d")
    highest = [h for h in fit.humps if h.log_density > fit.humps[0].log_density - 1e-6]
    assert len(highest) == 6
    assert "6 mirror images (label switching)" in fit.images
    assert "6 mirror images (label switching)" in problems.grid_of("three means 3d").message
    one_start = bs.fit_laplace(problems.model_of("three means 3d"), num_starts=1)
    assert len([h for h in one_start.humps if h.log_density > one_start.humps[0].log_density - 1e-6]) == 6


def test_a_label_switched_mixture_has_both_images():
    """Both halves of the posterior are in the sum: means agree, draws visit both, and it is said."""
    fit, problem = problems.grid_of("two means 2d"), problems.BY_NAME["two means 2d"]
    assert fit.converged
    assert "2 mirror images (label switching): exchanging mu[0] with mu[1]" in fit.message
    assert abs(fit.log_integral - problem.log_evidence) < 1e-6
    np.testing.assert_allclose(fit.mean["mu"][0], fit.mean["mu"][1], rtol=1e-6)
    share = float((fit.draws["mu"][..., 0] < fit.draws["mu"][..., 1]).mean())
    assert abs(share - 0.5) < 5 * 0.5 / np.sqrt(fit.draws_ess)


def test_a_comparison_says_so():
    result = bs.compare(problems.model_of("two means 2d"), methods=["map", "grid"], evidence=["grid"])
    assert any("2 mirror images (label switching)" in w for w in result.warnings)
    assert result.best is not None


def test_one_share_of_a_simplex_cannot_be_turned_alone():
    """The shares would no longer sum to one; the map to positions does not look at the last of them."""
    model = bs.Model(
        {"p": dist.Dirichlet(jnp.ones(2)), "q": dist.Dirichlet(jnp.ones(2))},
        lambda p, q: dist.Binomial(20, p[0] * q[0]),
        observed=5,
    )
    assert "turning" not in bs.fit_laplace(model).images

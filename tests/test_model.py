"""What is the density of these parameters and these data? Both forms, against NumPyro and scipy.stats."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.infer.util import log_density
from scipy import stats

import bayes_sandbox as bs

X, Y = np.array([0.5, 1.5, 2.0, 4.0]), np.array([1.0, 2.2, 2.9, 6.1])
POINT = {"slope": 1.3, "noise": 0.7}


def pair(**changes) -> bs.Model:
    parts = {
        "prior": {"slope": dist.Normal(1.0, 2.0), "noise": dist.HalfNormal(1.5)},
        "likelihood": lambda slope, noise, x: dist.Normal(slope * x, noise),
        "inputs": {"x": X},
        "observed": Y,
    }
    return bs.Model(**{**parts, **changes})


def program(x, y):
    slope = numpyro.sample("slope", dist.Normal(1.0, 2.0))
    noise = numpyro.sample("noise", dist.HalfNormal(1.5))
    numpyro.sample("observed", dist.Normal(slope * x, noise), obs=y)


@pytest.fixture(scope="module")
def line() -> bs.Model:
    return pair()


@pytest.fixture(scope="module")
def line_program() -> bs.Model:
    return bs.Model.from_numpyro(program, X, y=Y)


# --- the two forms are one thing ---


def test_both_forms_have_the_same_densities_to_the_last_bit(line, line_program):
    assert line.log_prior(POINT) == line_program.log_prior(POINT)
    assert line.log_joint(POINT) == line_program.log_joint(POINT)
    np.testing.assert_array_equal(
        line.log_likelihood(POINT)["observed"], line_program.log_likelihood(POINT)["observed"]
    )


def test_both_forms_declare_the_same(line, line_program):
    for model in (line, line_program):
        assert model.parameters == ["slope", "noise"]
        assert model.dimension == 2
        assert model.num_observations == 4
        assert model.improper == {}
    assert line.data_sha256 == line_program.data_sha256
    assert line.description == line_program.description


def test_both_forms_draw_the_same(line, line_program):
    key = jax.random.key(3)
    for name, draws in line.sample_prior(key, 5).items():
        np.testing.assert_array_equal(draws, line_program.sample_prior(key, 5)[name])
    np.testing.assert_array_equal(line.predict(key, POINT)["observed"], line_program.predict(key, POINT)["observed"])


@pytest.mark.slow
def test_both_forms_fit_the_same(line, line_program):
    assert bs.fit_grid(line).log_integral == bs.fit_grid(line_program).log_integral
    np.testing.assert_array_equal(bs.fit_map(line).params["noise"], bs.fit_map(line_program).params["noise"])


def test_densities_are_scipys(line):
    prior = stats.norm(1.0, 2.0).logpdf(1.3) + stats.halfnorm(0, 1.5).logpdf(0.7)
    likelihood = stats.norm(1.3 * X, 0.7).logpdf(Y)
    np.testing.assert_allclose(line.log_prior(POINT), prior, rtol=1e-14)
    np.testing.assert_allclose(line.log_likelihood(POINT)["observed"], likelihood, rtol=1e-14)
    np.testing.assert_allclose(line.log_joint(POINT), prior + likelihood.sum(), rtol=1e-14)


def test_the_joint_is_numpyros_log_density(line_program):
    theirs, _ = log_density(program, (X, Y), {}, POINT)
    np.testing.assert_allclose(line_program.log_joint(POINT), theirs, rtol=1e-15)


def test_log_parts_add_up_to_the_joint(line):
    prior, likelihood = line.log_parts(POINT)
    assert prior == line.log_prior(POINT)
    assert likelihood == line.log_likelihood(POINT)["observed"].sum()
    assert line.log_joint(POINT) == prior + likelihood


# --- functions of one point: jit, vmap, grad ---


def test_methods_transform(line):
    points = {"slope": jnp.array([0.4, 1.3]), "noise": jnp.array([2.0, 0.7])}
    many = jax.jit(jax.vmap(line.log_joint))(points)
    one = [line.log_joint({k: v[i] for k, v in points.items()}) for i in range(2)]
    np.testing.assert_allclose(many, one, rtol=1e-14)
    pointwise = jax.jit(jax.vmap(line.log_likelihood))(points)["observed"]
    assert pointwise.shape == (2, 4)
    slope = jax.grad(lambda p: line.log_joint(p))(POINT)["slope"]
    by_hand = (X * (Y - 1.3 * X)).sum() / 0.7**2 - (1.3 - 1.0) / 2.0**2
    np.testing.assert_allclose(slope, by_hand, rtol=1e-12)


def test_a_mask_with_nan_has_clean_gradients():
    """Values that are missing must not poison the gradient of those that are there."""
    y = np.array([1.0, np.nan, 2.9, 6.1])

    def masked(x, y):
        slope = numpyro.sample("slope", dist.Normal(1.0, 2.0))
        with numpyro.handlers.mask(mask=~np.isnan(y)):
            numpyro.sample("y", dist.Normal(slope * x, 0.7), obs=np.where(np.isnan(y), 0.0, y))

    def raw(x, y):
        slope = numpyro.sample("slope", dist.Normal(1.0, 2.0))
        with numpyro.handlers.mask(mask=~np.isnan(y)):
            numpyro.sample("y", dist.Normal(slope * x, 0.7), obs=y)

    there = ~np.isnan(y)
    full = pair(
        prior={"slope": dist.Normal(1.0, 2.0)},
        likelihood=lambda slope, x: dist.Normal(slope * x, 0.7),
        inputs={"x": X[there]},
        observed=y[there],
    )
    for form in (masked, raw):
        model = bs.Model.from_numpyro(form, X, y)
        assert model.num_observations == 3
        np.testing.assert_allclose(model.log_joint({"slope": 1.3}), full.log_joint({"slope": 1.3}), rtol=1e-14)
        assert model.log_likelihood({"slope": 1.3})["y"][1] == 0
        gradient = jax.grad(model.log_joint)({"slope": 1.3})["slope"]
        np.testing.assert_allclose(gradient, jax.grad(full.log_joint)({"slope": 1.3})["slope"], rtol=1e-12)


# --- supports ---


@pytest.mark.parametrize(
    ("prior", "outside", "edge"),
    [
        (dist.Uniform(-1.0, 2.0), 2.5, 2.0),
        (dist.HalfNormal(1.0), -0.1, 0.0),
        (dist.Beta(1.0, 1.0), 1.0001, 1.0),
        (dist.Gamma(1.0, 2.0), -1e-9, 0.0),
        (dist.TruncatedNormal(0.0, 1.0, low=0.5), 0.4, 0.5),
    ],
)
def test_the_prior_is_minus_infinity_outside_and_finite_on_the_edge(prior, outside, edge):
    model = bs.Model({"t": prior}, lambda t: dist.Normal(t, 1.0), observed=0.3)
    assert model.log_prior({"t": outside}) == -np.inf
    assert model.log_joint({"t": outside}) == -np.inf
    assert np.isfinite(model.log_prior({"t": edge}))


def test_a_vector_is_outside_if_one_entry_is():
    model = bs.Model({"t": dist.HalfNormal(1.0).expand([2])}, lambda t: dist.Normal(t.sum(), 1.0), observed=0.3)
    assert model.log_prior({"t": jnp.array([1.0, -1.0])}) == -np.inf
    assert model.log_prior({"t": jnp.array([[1.0, 1.0]])[0]}) > -np.inf


def test_a_simplex_must_sum_to_one():
    model = bs.Model({"p": dist.Dirichlet(jnp.ones(3))}, lambda p: dist.Multinomial(3, p), observed=np.array([1, 1, 1]))
    assert model.log_prior({"p": jnp.array([0.5, 0.5, 0.5])}) == -np.inf
    assert np.isfinite(model.log_prior({"p": jnp.array([0.2, 0.5, 0.3])}))


def test_a_likelihood_outside_its_parameters_support_is_minus_infinity():
    """German tanks: a serial number above θ is impossible, whatever NumPyro's unvalidated log_prob says."""
    model = bs.Model({"theta": dist.Uniform(0.0, 30.0)}, lambda theta: dist.Uniform(0.0, theta), observed=[4.0, 9.5])
    below = model.log_likelihood({"theta": 9.0})["observed"]
    np.testing.assert_allclose(below, [-np.log(9.0), -np.inf])
    assert model.log_joint({"theta": 9.0}) == -np.inf
    assert model.log_parts({"theta": 9.0})[1] == -np.inf
    np.testing.assert_allclose(model.log_joint({"theta": 10.0}), -np.log(30.0) - 2 * np.log(10.0))
    np.testing.assert_allclose(jax.jit(model.log_joint)({"theta": 10.0}), -np.log(30.0) - 2 * np.log(10.0))


def test_a_shifted_exponential_likelihood_has_a_moving_lower_end():
    def likelihood(shift):
        moved = dist.transforms.AffineTransform(shift, 1.0, domain=dist.constraints.positive)
        return dist.TransformedDistribution(dist.Exponential(1.0), moved)

    model = bs.Model({"shift": dist.Uniform(0.0, 5.0)}, likelihood, observed=[2.0, 3.5])
    np.testing.assert_allclose(model.log_likelihood({"shift": 1.0})["observed"], [-1.0, -2.5])
    assert model.log_joint({"shift": 2.5}) == -np.inf


# --- hierarchies ---


def test_a_hierarchy_reads_as_it_is_written():
    model = bs.Model(
        {
            "mu": dist.Normal(0, 5),
            "tau": dist.HalfCauchy(5),
            "theta": lambda mu, tau, groups: dist.Normal(mu, tau).expand([groups]).to_event(1),
        },
        lambda theta, scale: dist.Normal(theta, scale),
        inputs={"scale": np.array([1.0, 2.0, 3.0]), "groups": 3},
        observed=np.array([0.5, -1.0, 4.0]),
    )
    point = {"mu": 0.3, "tau": 1.7, "theta": np.array([0.1, -0.8, 2.2])}
    parts = model.log_prior_by_site(point)
    np.testing.assert_allclose(parts["mu"], stats.norm(0, 5).logpdf(0.3))
    np.testing.assert_allclose(parts["tau"], stats.halfcauchy(0, 5).logpdf(1.7))
    np.testing.assert_allclose(parts["theta"], stats.norm(0.3, 1.7).logpdf(point["theta"]).sum())
    np.testing.assert_allclose(model.log_prior(point), sum(parts.values()), rtol=1e-14)


def test_defaults_of_arguments_are_the_functions_own_affair():
    model = bs.Model({"mu": dist.Normal(0, 1)}, lambda mu, noise=0.5: dist.Normal(mu, noise), observed=np.array([0.3]))
    np.testing.assert_allclose(model.log_likelihood({"mu": 0.1})["observed"], stats.norm(0.1, 0.5).logpdf([0.3]))

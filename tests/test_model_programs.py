"""Programs as they stand: plates, masks, factors; the data hash; simulation; what is refused."""

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


# --- plates, masks, factors, deterministics ---


def grouped(x, y=None, scale=1.0):
    mu = numpyro.sample("mu", dist.Normal(0.0, 5.0))
    with numpyro.plate("groups", len(x)):
        theta = numpyro.sample("theta", dist.Normal(mu, scale))
        numpyro.deterministic("doubled", 2 * theta)
        numpyro.sample("y", dist.Normal(theta * x, 1.0), obs=y)


@pytest.fixture(scope="module")
def groups() -> bs.Model:
    return bs.Model.from_numpyro(grouped, X, Y)


def test_plates_and_deterministics(groups):
    point = {"mu": 0.3, "theta": np.array([0.1, -0.8, 2.2, 1.0])}
    prior = stats.norm(0, 5).logpdf(0.3) + stats.norm(0.3, 1).logpdf(point["theta"]).sum()
    np.testing.assert_allclose(groups.log_prior(point), prior)
    np.testing.assert_array_equal(groups.deterministics(point)["doubled"], 2 * point["theta"])
    assert groups.parameters == ["mu", "theta[0]", "theta[1]", "theta[2]", "theta[3]"]


def test_with_prior_on_a_program_is_expanded_by_its_plates(groups):
    wide = groups.with_prior(theta=dist.StudentT(3.0, 0.0, 2.0))
    point = {"mu": 0.3, "theta": np.array([0.1, -0.8, 2.2, 1.0])}
    np.testing.assert_allclose(wide.log_prior_by_site(point)["theta"], stats.t(3, 0, 2).logpdf(point["theta"]).sum())
    np.testing.assert_array_equal(wide.log_likelihood(point)["y"], groups.log_likelihood(point)["y"])
    hierarchical = groups.with_prior(theta=lambda mu: dist.Laplace(mu, 0.5))
    np.testing.assert_allclose(
        hierarchical.log_prior_by_site(point)["theta"], stats.laplace(0.3, 0.5).logpdf(point["theta"]).sum()
    )
    assert groups.log_prior_by_site(point)["theta"] == stats.norm(0.3, 1).logpdf(point["theta"]).sum()


def test_with_data_on_a_program_rebinds_by_signature(groups):
    fewer = groups.with_data(x=X[:2], y=Y[:2])
    assert fewer.dimension == 3
    assert fewer.num_observations == 2
    assert groups.dimension == 5
    tight = groups.with_data(scale=0.1)
    point = {"mu": 0.3, "theta": np.full(4, 0.4)}
    np.testing.assert_allclose(tight.log_prior_by_site(point)["theta"], 4 * stats.norm(0.3, 0.1).logpdf(0.4))


def test_with_prior_and_with_data_of_the_pair_form(line):
    swapped = line.with_prior(slope=dist.Laplace(0.0, 1.0))
    np.testing.assert_allclose(swapped.log_prior_by_site(POINT)["slope"], stats.laplace(0, 1).logpdf(1.3))
    np.testing.assert_array_equal(swapped.log_likelihood(POINT)["observed"], line.log_likelihood(POINT)["observed"])
    other = line.with_data(observed=Y[:2] + 1, x=X[:2])
    np.testing.assert_allclose(
        other.log_likelihood(POINT)["observed"], stats.norm(1.3 * X[:2], 0.7).logpdf(Y[:2] + 1), rtol=1e-14
    )
    assert line.num_observations == 4  # the old one stays what it was


def test_with_prior_twice_keeps_the_first():
    model = pair().with_prior(slope=dist.Laplace(0.0, 1.0)).with_prior(noise=dist.HalfCauchy(2.0))
    np.testing.assert_allclose(
        model.log_prior(POINT), stats.laplace(0, 1).logpdf(1.3) + stats.halfcauchy(0, 2).logpdf(0.7)
    )
    twice = bs.Model.from_numpyro(program, X, y=Y)
    twice = twice.with_prior(slope=dist.Laplace(0.0, 1.0)).with_prior(noise=dist.HalfCauchy(2.0))
    assert twice.log_prior(POINT) == model.log_prior(POINT)
    rebound = twice.with_data(y=Y + 1)
    assert rebound.log_prior(POINT) == model.log_prior(POINT)


def test_unknown_names_are_suggested(line):
    with pytest.raises(bs.ModelError, match="did you mean 'slope'"):
        line.with_prior(slop=dist.Normal(0, 1))
    with pytest.raises(bs.ModelError, match="did you mean 'observed'"):
        line.with_data(observd=Y)
    with pytest.raises(bs.ModelError, match="lacks 'noise'"):
        line.log_prior({"slope": 1.0})
    with pytest.raises(bs.ModelError, match=r"use jax\.vmap for many"):
        line.log_prior({"slope": np.zeros(3), "noise": np.ones(3)})


def with_factor(y):
    mu = numpyro.sample("mu", dist.Normal(0.0, 2.0))
    numpyro.factor("penalty", -3.0 * jnp.abs(mu))
    numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)


def test_a_factor_has_its_own_name():
    model = bs.Model.from_numpyro(with_factor, Y)
    pointwise = model.log_likelihood({"mu": -0.5})
    assert set(pointwise) == {"y", "penalty"}
    np.testing.assert_allclose(pointwise["penalty"], -1.5)
    np.testing.assert_allclose(model.log_joint({"mu": -0.5}), log_density(with_factor, (Y,), {}, {"mu": -0.5})[0])
    assert set(model.predict(jax.random.key(0), {"mu": -0.5})) == {"y"}


def test_only_factors_cannot_predict():
    def only():
        mu = numpyro.sample("mu", dist.Normal(0.0, 2.0))
        numpyro.factor("penalty", -3.0 * jnp.abs(mu))

    model = bs.Model.from_numpyro(only)
    assert model.data_sha256 is None
    assert model.num_observations == 0
    with pytest.raises(bs.ModelError, match="cannot generate data"):
        model.predict(jax.random.key(0), {"mu": 0.1})


def test_a_scaled_likelihood_is_tempered_and_stays_proper():
    """handlers.scale on data is the lecture's 1/n; on a latent site the prior would no longer be a density."""

    def tempered(y, power):
        mu = numpyro.sample("mu", dist.Normal(0.0, 2.0))
        with numpyro.handlers.scale(scale=power):
            numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)

    def scaled_prior(y):
        with numpyro.handlers.scale(scale=0.5):
            mu = numpyro.sample("mu", dist.Normal(0.0, 2.0))
        numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)

    model = bs.Model.from_numpyro(tempered, Y, 0.25)
    assert model.improper == {}
    total = stats.norm(0, 2).logpdf(0.4) + stats.norm(0.4, 1).logpdf(Y).sum() / 4
    np.testing.assert_allclose(model.log_joint({"mu": 0.4}), total)
    assert set(bs.Model.from_numpyro(scaled_prior, Y).improper) == {"mu"}


def test_several_observed_sites():
    def two(y, k):
        mu = numpyro.sample("mu", dist.Normal(0.0, 2.0))
        numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)
        numpyro.sample("k", dist.Poisson(jnp.exp(mu)), obs=k)

    model = bs.Model.from_numpyro(two, Y, np.array([1, 0, 2]))
    assert model.num_observations == 7
    np.testing.assert_allclose(
        model.log_joint({"mu": 0.2}), log_density(two, (Y, np.array([1, 0, 2])), {}, {"mu": 0.2})[0], rtol=1e-14
    )
    new = model.predict(jax.random.key(0), {"mu": 0.2})
    assert {k: v.shape for k, v in new.items()} == {"y": (4,), "k": (3,)}


def test_events_count_their_numbers():
    cov = np.array([[1.0, 0.4], [0.4, 2.0]])
    model = bs.Model(
        {"mu": dist.Normal(0.0, 1.0).expand([2]).to_event(1)},
        lambda mu: dist.MultivariateNormal(mu, cov),
        observed=np.array([[1.0, 2.0], [0.5, 0.1], [0.0, 0.7]]),
    )
    pointwise = model.log_likelihood({"mu": np.array([0.3, 0.4])})["observed"]
    assert pointwise.shape == (3,)
    np.testing.assert_allclose(
        pointwise, stats.multivariate_normal([0.3, 0.4], cov).logpdf([[1.0, 2.0], [0.5, 0.1], [0.0, 0.7]])
    )
    assert model.num_observations == 6


# --- the data hash ---


def test_the_hash_is_of_the_observed_values_alone(line):
    ints = pair(observed=np.array([1, 2, 3, 6]))
    floats = pair(observed=[1.0, 2.0, 3.0, 6.0])
    assert ints.data_sha256 == floats.data_sha256
    assert line.with_prior(slope=dist.Normal(0, 9)).data_sha256 == line.data_sha256
    assert line.with_data(x=X + 1).data_sha256 == line.data_sha256
    assert line.data_sha256 != ints.data_sha256
    assert line.with_data(observed=Y[::-1]).data_sha256 != line.data_sha256
    assert line.with_data(observed=Y + 1e-15 * np.abs(Y).max()).data_sha256 != line.data_sha256


def test_minus_zero_and_zero_are_one_value():
    assert pair(observed=[0.0, 1.0, 2.0, 3.0]).data_sha256 == pair(observed=[-0.0, 1.0, 2.0, 3.0]).data_sha256


# --- simulation ---


def test_prior_draws_have_the_priors_moments(groups):
    n = 20_000
    draws = groups.sample_prior(jax.random.key(1), n)
    assert draws["mu"].shape == (n,)
    assert draws["theta"].shape == (n, 4)
    assert abs(draws["mu"].mean()) < 4 * 5 / np.sqrt(n)
    total = np.hypot(5, 1)
    assert abs(draws["theta"].std() / total - 1) < 4 / np.sqrt(2 * n)
    gap = draws["theta"] - draws["mu"][:, None]
    assert abs(gap.std() - 1) < 4 / np.sqrt(8 * n)


def test_predictions_have_the_likelihoods_moments(line):
    n = 20_000
    keys = jax.random.split(jax.random.key(2), n)
    new = jax.vmap(lambda k: line.predict(k, POINT)["observed"])(keys)
    assert new.shape == (n, 4)
    np.testing.assert_array_less(np.abs(new.mean(axis=0) - 1.3 * X), 4 * 0.7 / np.sqrt(n))
    np.testing.assert_array_less(np.abs(new.std(axis=0) / 0.7 - 1), 4 / np.sqrt(2 * n))


def test_predictions_have_the_shape_of_the_data():
    """A scalar likelihood stands for every observation: new data are as many as the old, not one for all."""
    model = bs.Model({"mu": dist.Normal(0, 1)}, lambda mu: dist.Normal(mu, 1.0), observed=Y)
    new = model.predict(jax.random.key(0), {"mu": 0.2})["observed"]
    assert new.shape == Y.shape
    assert len(np.unique(new)) == len(Y)


def test_the_same_key_draws_the_same(line):
    one, two = (line.predict(jax.random.key(5), POINT)["observed"] for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert (line.predict(jax.random.key(6), POINT)["observed"] != one).all()


def test_an_improper_prior_cannot_be_drawn_from():
    flat = bs.Model(
        {"mu": dist.ImproperUniform(dist.constraints.real, (), ())}, lambda mu: dist.Normal(mu, 1.0), observed=Y
    )
    assert list(flat.improper) == ["mu"]
    with pytest.raises(bs.ModelError, match="'mu' has no proper prior"):
        flat.sample_prior(jax.random.key(0), 3)


def test_a_masked_latent_is_improper_where_the_mask_hides_it():
    def masked(y, mask):
        with numpyro.handlers.mask(mask=mask):
            mu = numpyro.sample("mu", dist.Normal(0.0, 2.0))
        numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)

    assert list(bs.Model.from_numpyro(masked, Y, False).improper) == ["mu"]
    assert bs.Model.from_numpyro(masked, Y, True).improper == {}


# --- what it must refuse ---


def test_the_silent_square_is_refused():
    with pytest.raises(bs.ModelError, match="must broadcast to the data"):
        pair(likelihood=lambda slope, noise, x: dist.Normal(slope * x[:, None], noise))


def test_a_scalar_likelihood_broadcasts_to_the_data():
    model = bs.Model({"mu": dist.Normal(0, 1)}, lambda mu: dist.Normal(mu, 1.0), observed=Y)
    np.testing.assert_allclose(model.log_likelihood({"mu": 0.2})["observed"], stats.norm(0.2, 1).logpdf(Y), rtol=1e-14)


def test_float32_data_is_warned_about():
    with pytest.warns(UserWarning, match="float32"):
        pair(observed=Y.astype(np.float32))


def test_a_value_looked_at_in_python_is_refused():
    def branching(y):
        mu = numpyro.sample("mu", dist.Normal(0.0, 2.0))
        numpyro.sample("y", dist.Normal(mu if mu > 0 else 0.0, 1.0), obs=y)

    with pytest.raises(bs.ModelError, match=r"jnp\.where"):
        bs.Model.from_numpyro(branching, Y)


def test_a_bare_program_is_told_how_to_become_a_model():
    for verb in (bs.fit_map, bs.fit_laplace, bs.fit_grid, bs.fit_nuts, bs.estimate_evidence, bs.compare):
        with pytest.raises(bs.ModelError, match="from_numpyro"):
            verb(program)

"""A model changed in one respect: each density is that of the model it came from, in what was not changed."""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest

import bayes_sandbox as bs
from bayes_sandbox.variants import with_known, with_observations, with_powers

X, Y = np.array([0.5, 1.0, 2.5, 3.0]), np.array([1.2, 0.4, 3.1, 2.2])
PARAMS = {"b": 0.7, "s": 1.3}


def pair() -> bs.Model:
    prior = {"b": dist.Normal(1, 2), "s": dist.HalfNormal(2)}
    return bs.Model(prior, lambda b, s, x: dist.Normal(b * x, s), observed=Y, inputs={"x": X})


def program_model() -> bs.Model:
    def program(x, y=None):
        b = numpyro.sample("b", dist.Normal(1, 2))
        s = numpyro.sample("s", dist.HalfNormal(2))
        with numpyro.plate("rows", len(x)):
            numpyro.sample("y", dist.Normal(b * x, s), obs=y)

    return bs.Model.from_numpyro(program, X, y=Y)


BOTH = pytest.mark.parametrize("make", [pair, program_model])


@BOTH
def test_some_observations_have_their_part_of_the_likelihood(make):
    model = make()
    (site,) = model.observed
    whole = np.asarray(model.log_likelihood(PARAMS)[site])
    for index in ([0, 2], np.array([True, False, False, True]), slice(1, 3)):
        part = with_observations(model, index)
        np.testing.assert_allclose(part.log_likelihood(PARAMS)[site], whole[index], rtol=1e-12)
        np.testing.assert_allclose(part.log_prior(PARAMS), model.log_prior(PARAMS), rtol=1e-12)


@BOTH
def test_a_known_parameter_pays_no_prior(make):
    model = make()
    known = with_known(model, s=1.3)
    assert known.parameters == ["b"]
    (site,) = model.observed
    np.testing.assert_allclose(known.log_likelihood({"b": 0.7})[site], model.log_likelihood(PARAMS)[site], rtol=1e-12)
    np.testing.assert_allclose(known.log_prior({"b": 0.7}), model.log_prior_by_site(PARAMS)["b"], rtol=1e-12)


@BOTH
def test_powers_multiply_log_densities(make):
    model = make()
    powered = with_powers(model, prior=0.5, likelihood=3.0)
    expected = 0.5 * model.log_prior(PARAMS) + 3 * sum(jnp.sum(v) for v in model.log_likelihood(PARAMS).values())
    np.testing.assert_allclose(powered.log_joint(PARAMS), expected, rtol=1e-12)
    assert set(powered.improper) == {"b", "s"}
    assert not with_powers(model, likelihood=0.25).improper


def test_the_evidence_of_a_known_parameter_is_a_savage_dickey_ratio():
    """p(D | b = 0) = p(D) p(b = 0 | D) / p(b = 0)."""
    model = bs.Model({"b": dist.Normal(1, 2)}, lambda b, x: dist.Normal(b * x, 1.5), Y, {"x": X})
    precision = 1 / 4 + X @ X / 1.5**2
    mean = (1 / 4 + X @ Y / 1.5**2) / precision
    posterior, prior = dist.Normal(mean, precision**-0.5), dist.Normal(1, 2)
    known = float(sum(jnp.sum(v) for v in model.log_likelihood({"b": 0.0}).values()))
    ratio = bs.fit_grid(model).evidence.log_evidence + posterior.log_prob(0.0) - prior.log_prob(0.0)
    assert abs(known - ratio) < 1e-6


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda m: with_known(m, c=0.0), "there is no parameter 'c'"),
        (lambda m: with_powers(m, prior=0.0), "expected positive powers"),
        (lambda m: with_observations(bs.Model({"p": dist.Beta(1, 1)}, lambda p: dist.Binomial(3, p), 2), [0]), "cut"),
    ],
)
def test_what_cannot_be_changed_gets_a_sentence(change, sentence):
    with pytest.raises(bs.ModelError, match=sentence):
        change(pair())

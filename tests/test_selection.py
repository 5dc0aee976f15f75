"""Models weighed against each other: closed forms, no overflow, refusals, and Savage–Dickey beside the evidences."""

import math

import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from scipy import stats

import bayes_sandbox as bs
from bayes_sandbox.errors import EvidenceError, UserError

FAST = {"num_warmup": 200, "num_samples": 500}
Y = np.array([0.9, 1.7, 0.3, 2.2, 1.4])


def normal(scale: float, loc: float = 0.0, name: str = "normal", data: np.ndarray = Y) -> bs.Model:
    return bs.Model({"mu": dist.Normal(loc, scale)}, lambda mu: dist.Normal(mu, 1.0), observed=data, name=name)


def exact(scale: float, loc: float = 0.0) -> float:
    covariance = np.eye(len(Y)) + scale**2
    return float(stats.multivariate_normal(np.full(len(Y), loc), covariance).logpdf(Y))


@pytest.fixture(scope="module")
def widths() -> bs.ModelComparison:
    models = {"narrow": normal(0.5), "middle": normal(3.0), "wide": normal(300.0)}
    return bs.compare_models(models, **FAST)


def test_bayes_factors_are_those_of_the_closed_form(widths):
    truth = np.array([exact(s) for s in (0.5, 3.0, 300.0)])
    np.testing.assert_allclose(widths.log_evidence, truth, atol=1e-6)
    value, error = widths.log_bayes_factor("middle", "wide")
    assert abs(value - (truth[1] - truth[2])) <= error
    p = np.exp(truth - truth.max())
    np.testing.assert_allclose(widths.probabilities, p / p.sum(), rtol=1e-6)
    assert widths.best == "middle"
    assert not widths.warnings


def test_leave_one_out_does_not_see_the_width_of_the_prior(widths):
    """The evidence falls as the prior widens, without end; LOO settles: Lindley's paradox in two numbers."""
    middle, wide = widths.loo[1:]
    assert widths.log_bayes_factor("middle", "wide")[0] > 4
    assert abs(middle.elpd - wide.elpd) < 0.3
    assert 0.5 < wide.p < 1.5


def test_prior_probabilities_count():
    models = [normal(0.5, name="a"), normal(3.0, name="b")]
    found = bs.compare_models(models, prior_probabilities=[3, 1], methods=["grid"])
    odds = 3 * np.exp(exact(0.5) - exact(3.0))
    np.testing.assert_allclose(found.probabilities[0] / found.probabilities[1], odds, rtol=1e-6)
    for bad in ([1.0], [1.0, -1.0], [1.0, math.nan], [0.0, 1.0]):
        with pytest.raises(EvidenceError, match="positive prior probabilities"):
            bs.compare_models(models, prior_probabilities=bad, methods=["grid"])


def test_evidences_thousands_of_nats_apart_do_not_overflow():
    data = np.full(3, 400.0)
    near, far = normal(1.0, 400.0, "near", data), normal(1.0, -400.0, "far", data)
    found = bs.compare_models([near, far], methods=["grid"])
    assert found.log_bayes_factor("near", "far")[0] > 1e4
    np.testing.assert_array_equal(found.probabilities, [1.0, 0.0])
    assert "> 0.9999" in found.summary()


def test_other_data_are_refused():
    with pytest.raises(EvidenceError, match="different data"):
        bs.compare_models([normal(1.0), normal(1.0, data=Y + 1)])
    with pytest.raises(EvidenceError, match="different data"):
        bs.compare_models([normal(1.0), normal(1.0, data=Y[:4])])


def test_what_has_no_evidence_is_refused():
    flat = bs.Model(
        {"mu": dist.ImproperUniform(dist.constraints.real, (), ())}, lambda mu: dist.Normal(mu, 1.0), observed=Y
    )
    with pytest.raises(UserError, match="proper prior"):
        bs.compare_models([normal(1.0), flat])


@pytest.mark.parametrize("bad", [[], [normal(1.0)], [normal(1.0), lambda: None], [normal(1.0), 3]])
def test_what_is_no_pair_of_models_is_refused(bad):
    with pytest.raises(EvidenceError):
        bs.compare_models(bad)


def test_one_name_twice_is_told_apart():
    found = bs.compare_models([normal(1.0), normal(2.0)], methods=["grid"])
    assert found.names == ("normal", "normal (2)")
    with pytest.raises(EvidenceError, match="no model 'nomal'"):
        found.log_bayes_factor("nomal", "normal")


def test_comparisons_already_made_are_used():
    done = bs.compare(normal(1.0, name="a"), methods=["grid"])
    found = bs.compare_models([done, normal(2.0, name="b")], methods=["grid"])
    assert found.comparisons[0] is done


def test_an_evidence_that_is_not_trusted_leaves_no_probabilities():
    done = bs.compare(normal(1.0, name="a"), methods=["map"], evidence=[])
    found = bs.compare_models([done, normal(2.0, name="b")], methods=["grid"])
    assert found.best is None
    assert np.isnan(found.probabilities).all()
    assert "a has no trusted evidence" in found.warnings[0]
    assert found.to_dict()["models"][0]["log_evidence"] is None
    assert "No model has a probability" in found.summary()


def test_models_of_factors_alone_say_that_nobody_looked():
    def program() -> None:
        numpyro.factor("f", -(numpyro.sample("x", dist.Normal(0.0, 1.0)) ** 2))

    model = bs.Model.from_numpyro(program)
    found = bs.compare_models({"one": model, "two": model.with_prior(x=dist.Normal(0.0, 2.0))}, methods=["grid"])
    assert "factors alone" in found.warnings[0]
    assert found.loo == (None, None)


# --- Savage–Dickey ---


@pytest.fixture(scope="module")
def nested() -> bs.ModelComparison:
    rng = np.random.default_rng(3)
    x = rng.normal(size=30)
    y = 0.7 + 0.25 * x + rng.normal(size=30)
    prior = {"intercept": dist.Normal(0.0, 2.0), "slope": dist.Normal(0.0, 1.0)}
    larger = bs.Model(
        prior, lambda intercept, slope, x: dist.Normal(intercept + slope * x, 1.0), inputs={"x": x}, observed=y
    )
    smaller = bs.Model(
        {"intercept": dist.Normal(0.0, 2.0)},
        lambda intercept, n: dist.Normal(intercept * np.ones(n), 1.0),
        inputs={"n": len(y)},
        observed=y,
    )
    models = {"without": smaller, "with": larger}
    return bs.compare_models(models, nested={("without", "with"): {"slope": 0.0}}, **FAST)


def test_savage_dickey_is_the_bayes_factor_of_the_evidences(nested):
    (check,) = nested.nested
    value, _ = nested.log_bayes_factor("without", "with")
    assert check.error < 0.02
    assert abs(check.value - value) < 4 * check.error + 1e-6
    assert not nested.warnings
    assert "Savage–Dickey, without against with" in nested.summary()
    assert max(map(len, nested.summary().splitlines())) <= 80


def test_savage_dickey_on_a_bounded_parameter():
    """p = ½ in a flat prior, of the beta posterior: both densities at the value are known."""
    urn = bs.Model({"p": dist.Beta(1, 1)}, lambda p: dist.Binomial(10, p), observed=2)
    found = bs.savage_dickey(bs.compare(urn, evidence=[], **FAST), at={"p": 0.5})
    np.testing.assert_allclose(found.value, stats.beta(3, 9).logpdf(0.5), atol=1e-6)


def test_priors_that_do_not_nest_are_noticed(nested):
    wrong = nested.comparisons[0].model.with_prior(intercept=dist.Normal(5.0, 0.3))
    models = {"without": wrong, "with": nested.comparisons[1]}
    found = bs.compare_models(models, nested={("without", "with"): {"slope": 0.0}}, methods=["grid"])
    assert any("do not nest" in w for w in found.warnings)


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ({}, "one parameter"),
        ({"slope": 0.0, "intercept": 0.0}, "one parameter"),
        ({"slop": 0.0}, "did you mean 'slope'"),
    ],
)
def test_savage_dickey_refuses_what_it_cannot_do(nested, at, said):
    with pytest.raises(EvidenceError, match=said):
        bs.savage_dickey(nested.comparisons[1], at=at)


def test_savage_dickey_needs_draws_and_a_value_inside():
    urn = bs.Model({"p": dist.Beta(1, 1)}, lambda p: dist.Binomial(10, p), observed=2)
    with pytest.raises(EvidenceError, match="needs draws"):
        bs.savage_dickey(bs.compare(urn, methods=["grid"]), at={"p": 0.5})
    with pytest.raises(EvidenceError, match="not inside the support"):
        bs.savage_dickey(bs.compare(urn, evidence=[], **FAST), at={"p": 1.5})


@pytest.mark.parametrize(("noise", "tells"), [(0.5, True), (1e-4, False)])
def test_savage_dickey_across_a_ridge_is_right_or_cannot_tell(noise, tells):
    """Given the other weight, each is known to the noise over √40: at 1e-5 no draw's line passes near the value."""
    rng = np.random.default_rng(4)
    a = rng.normal(size=40)
    x = np.column_stack([a, a + 1e-6 * rng.normal(size=40)])
    y = 0.3 * a + noise * rng.normal(size=40)
    model = bs.Model(
        {"v": dist.Normal(0, 1), "w": dist.Normal(0, 1)},
        lambda v, w: dist.Normal(v * x[:, 0] + w * x[:, 1], noise),
        observed=y,
    )
    covariance = np.linalg.inv(np.eye(2) + x.T @ x / noise**2)
    mean = covariance @ x.T @ y / noise**2
    truth = stats.norm(mean[0], np.sqrt(covariance[0, 0])).logpdf(0.2) - stats.norm(0, 1).logpdf(0.2)
    exact = np.random.default_rng(5).multivariate_normal(mean, covariance, (4, 1000))
    done = bs.compare(model, methods=[], evidence=[], draws={"v": exact[..., 0], "w": exact[..., 1]})
    found = bs.savage_dickey(done, at={"v": 0.2})
    assert np.isfinite(found.error) == tells
    assert not tells or abs(found.value - truth) < 4 * found.error < 1.0, (found, truth)


def test_savage_dickey_under_a_prior_without_a_variance():
    model = bs.Model({"mu": dist.Cauchy(0.0, 1.0)}, lambda mu: dist.Normal(mu, 1.0), observed=Y)
    done = bs.compare(model, evidence=[], methods=["grid", "nuts"], **FAST)
    found = bs.savage_dickey(done, at={"mu": 0.0})
    truth = stats.norm(0, 1).logpdf(Y).sum() - done.grid.log_integral  # L(0) over the evidence
    assert abs(found.value - truth) < 4 * found.error + 1e-6, (found, truth)
    assert found.error < 0.05


def test_an_interruption_ends_the_whole_comparison(monkeypatch):
    from bayes_sandbox import comparison

    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(comparison, "fit_map", stop)
    with pytest.raises(KeyboardInterrupt):
        bs.compare_models([normal(1.0), normal(2.0)], methods=["map"])

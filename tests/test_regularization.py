"""A regularizer is a prior: the objective is the −log joint density, and strengths are prior scales."""

import re
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from regressions import diabetes

import bayes_sandbox as bs
from bayes_sandbox.errors import UserError
from bayes_sandbox.regularization import CONVENTIONS, LOSSES, PENALTIES, from_loss, prior_scale, strength_of, weights
from bayes_sandbox.regularization.table import tables


def pairs():
    for loss in (name for name, one in LOSSES.items() if one.law is not None):
        for penalty in PENALTIES:
            if loss != "multinomial" or penalty in ("none", "l2", "l1", "elastic_net"):
                yield loss, penalty


def data_for(loss: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(12, 4)) + 0.3
    y = {"logistic": rng.integers(0, 2, 12), "multinomial": np.arange(12) % 3, "poisson": rng.poisson(2, 12)}
    return x, y.get(loss, x @ [1.0, -0.5, 0.0, 2.0] + rng.normal(size=12))


@pytest.mark.parametrize(("loss", "penalty"), list(pairs()))
def test_the_objective_is_the_log_joint(loss, penalty):
    x, y = data_for(loss)
    options = {"group_lasso": {"size": 2}, "ball": {"radius": 5.0}}.get(penalty, {})
    strength, scale = 1.7, 0.6
    model = from_loss(loss, penalty, x=x, y=y, strength=strength, scale=scale, **options)
    law, prior = LOSSES[loss], PENALTIES[penalty]
    nats = strength * law.weight(scale)
    own = {"strength" if k == "" else k: options.get(k, v) for k, v in prior.options.items()}
    rng, left = np.random.default_rng(2), []
    for _ in range(3):
        params = {n: np.abs(rng.normal(size=s)) * 0.5 for n, s in model.structure.shapes.items()}
        w = weights(params)
        f = x @ (w if loss == "multinomial" else np.ravel(w)) + params.get("intercept", 0.0)
        extra = dict(law.options.items())
        objective = law.weight(scale) * law.value(f, y, scale, **extra).sum()
        if penalty == "student_t":
            own = {"scale": 1.0}
        factor = 1.0 if penalty == "horseshoe" else nats
        left.append(-model.log_joint(params) - objective - factor * prior.value(jnp.asarray(w), **own))
    np.testing.assert_allclose(left, left[0], rtol=1e-9)


def test_the_lectures_mean_is_n_times_as_strong_a_prior():
    x, y = diabetes()
    mean = from_loss("squared", "l2", x=x, y=y, strength=0.1, convention="mean")
    total = from_loss("squared", "l2", x=x, y=y, strength=44.2)
    np.testing.assert_allclose(bs.fit_map(mean).params["w"], bs.fit_map(total).params["w"], rtol=1e-12)


@pytest.mark.parametrize("name", [n for n, c in CONVENTIONS.items() if c.call])
@pytest.mark.parametrize("num", [1, 37])
def test_strengths_and_scales_go_both_ways(name, num):
    for penalty in (p for p in CONVENTIONS[name].penalties if PENALTIES[p].scale_name):
        strength = strength_of(name, 0.35, num=num, scale=1.3, penalty=penalty)
        assert prior_scale(name, strength, num=num, scale=1.3, penalty=penalty) == pytest.approx(0.35)


def test_the_table_of_strengths():
    """σ², τ², b, n as in the objectives that the libraries write down."""
    n, sigma, tau, b = 50, 0.7, 1.9, 0.4
    assert strength_of("Ridge", tau, num=n, scale=sigma) == pytest.approx(sigma**2 / tau**2)
    assert strength_of("Lasso", b, num=n, scale=sigma) == pytest.approx(sigma**2 / (n * b))
    assert strength_of("SGDRegressor", tau, num=n, scale=sigma) == pytest.approx(sigma**2 / (n * tau**2))
    assert strength_of("LogisticRegression", tau, num=n) == pytest.approx(tau**2)
    assert strength_of("LogisticRegression", b, num=n, penalty="l1") == pytest.approx(b)
    assert strength_of("HuberRegressor", tau, num=n, scale=sigma) == pytest.approx(sigma / tau**2)
    assert strength_of("QuantileRegressor", b, num=n, scale=sigma) == pytest.approx(sigma / (n * b))
    assert strength_of("PoissonRegressor", tau, num=n) == pytest.approx(1 / (n * tau**2))
    assert strength_of("OLS.fit_regularized", tau, num=n, scale=sigma) == pytest.approx(sigma**2 / (n * tau**2))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"loss": "hinge"}, "the probability of no data"),
        ({"loss": "sqared"}, "did you mean 'squared'"),
        ({"penalty": "l3"}, "there is no penalty"),
        ({"convention": "Lasso"}, "Lasso minimises"),
        ({"convention": "ridge"}, "did you mean 'Ridge'"),
        ({"scale": -1.0}, "positive scale"),
        ({"y": [1.0]}, "n targets"),
        ({"threshold": 1.0}, "takes no options"),
        ({"penalty": "fused", "positive": True}, "positive weights go with"),
        ({"penalty": "group_lasso", "size": 3}, "groups of 3"),
        ({"strength": 0.0}, "penalty='none'"),
        ({"penalty": "student_t", "strength": 0.4}, "over ½"),
    ],
)
def test_what_has_no_model_is_refused_in_a_sentence(given, sentence):
    usual = {"loss": "squared", "penalty": "l2", "x": np.ones((3, 2)), "y": np.ones(3)}
    arguments = usual | given
    with pytest.raises(UserError, match=sentence):
        from_loss(arguments.pop("loss"), arguments.pop("penalty"), **arguments)


def test_the_hinge_is_the_log_likelihood_of_no_data():
    """exp(−l) over both labels does not add up to a constant, whatever factor the loss is given."""
    f = np.linspace(-2, 2, 9)
    for weight in (0.5, 1.0, 3.0):
        totals = sum(np.exp(-weight * LOSSES["hinge"].value(f, y)) for y in (0, 1))
        assert np.ptp(totals) > 0.1
        np.testing.assert_allclose(sum(np.exp(-LOSSES["logistic"].value(f, y)) for y in (0, 1)), 1, rtol=1e-12)


DOCUMENT = Path(__file__).parents[1] / "docs" / "regularization.md"


def test_the_documentation_has_the_tables_as_the_code_writes_them():
    assert tables() in DOCUMENT.read_text(encoding="utf-8"), "python -m bayes_sandbox.regularization.table"


def test_the_formulas_of_the_table_are_the_conversions():
    values = {"σ²": 0.7**2, "σ": 0.7, "b_y": 0.7, "τ²": 1.9**2, "b": 1.9, "n": 50.0, "1": 1.0}
    checked = 0
    for line in tables().split("whose strength")[1].splitlines()[2:]:
        name, _, l2, l1 = (c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1])
        name = name.strip("`")
        for penalty, cell in (("l2", l2), ("l1", l1)):
            if cell:
                top, _, below = cell.split("=")[1].partition("/")
                factors = [values[f] for f in below.strip(" ()").split()]
                assert strength_of(name, 1.9, num=50, scale=0.7, penalty=penalty) == pytest.approx(
                    values[top.strip()] / np.prod(factors)
                )
                checked += 1
    assert checked == 16

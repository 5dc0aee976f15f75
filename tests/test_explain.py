"""A model read as a regularized loss: does it add up, and do the calls it names have its mode?"""

import warnings

import numpy as np
import numpyro.distributions as dist
import pytest
import sklearn.linear_model
from regressions import breast_cancer, counts, diabetes, fitted

import bayes_sandbox as bs
from bayes_sandbox.regularization import Huber, from_loss


@pytest.mark.parametrize(
    ("loss", "penalty", "data", "more"),
    [
        ("squared", "l2", diabetes, {"scale": 0.7}),
        ("squared", "l1", diabetes, {"scale": 0.7}),
        ("squared", "elastic_net", diabetes, {"scale": 0.7, "l1_ratio": 0.4}),
        ("logistic", "l2", breast_cancer, {}),
        ("poisson", "l2", counts, {}),
        ("quantile", "l1", diabetes, {"quantile": 0.3}),
    ],
)
@pytest.mark.parametrize("intercept", [True, False])
def test_every_call_that_is_named_has_the_same_mode(loss, penalty, data, more, intercept):
    x, y = data()
    explanation = bs.explain(from_loss(loss, penalty, x=x, y=y, strength=5.0, intercept=intercept, **more))
    model = from_loss(loss, penalty, x=x, y=y, strength=5.0, intercept=intercept, **more)
    w, _ = fitted(model)
    calls = [c for c in explanation.calls if c.startswith("sklearn") and "SGD" not in c]
    assert calls
    for call in calls:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of convergence
            theirs = eval(call, {"sklearn": sklearn})
            if "tol" in theirs.get_params() and "Quantile" not in call:
                theirs.set_params(tol=1e-10, max_iter=100_000)
            if penalty != "l2" and loss == "logistic":
                theirs.set_params(solver="saga")
            theirs.fit(x, y)
        np.testing.assert_allclose(np.ravel(theirs.coef_), w, atol=2e-5 * np.abs(w).max())
    if not intercept:
        np.testing.assert_allclose(explanation.design, x)


def test_an_explanation_adds_up():
    x, y = diabetes()
    model = bs.Model(
        {
            "tau": dist.HalfCauchy(1.0),
            "w": lambda tau: dist.Normal(0, tau).expand([10]).to_event(1),
            "sigma": dist.Exponential(2.0),
            "b": dist.StudentT(4, 1.0, 2.0),
        },
        lambda w, sigma, b, x: dist.Normal(b + x @ w, sigma),
        observed=y,
        inputs={"x": x},
        name="hierarchical ridge",
    )
    text = str(bs.explain(model))
    for expected in (
        "Σ ½ ((y − f)/sigma)² + 442 log sigma",
        "Σ ½ (w/tau)² + 10 log tau",
        "log(1 + tau²), tau ≥ 0",
        "2 sigma, sigma ≥ 0",
        "(4 + 1)/2 log(1 + ((b − 1)/2)²/4)",
    ):
        assert expected in text, text
    explanation = bs.explain(model)
    rng = np.random.default_rng(0)
    w, tau, sigma, b = rng.normal(size=10), 0.7, 1.3, 0.2
    terms = ((y - b - x @ w) ** 2).sum() / (2 * sigma**2) + 442 * np.log(sigma) + (w @ w) / (2 * tau**2)
    terms += 10 * np.log(tau) + np.log1p(tau**2) + 2 * sigma + 2.5 * np.log1p(((b - 1) / 2) ** 2 / 4)
    total = -float(model.log_joint({"w": w, "tau": tau, "sigma": sigma, "b": b}))
    assert explanation.constant == pytest.approx(total - terms, rel=1e-9)
    assert r"\underbrace" in explanation.latex
    assert "<table>" in explanation._repr_html_()


def test_an_explanation_says_what_it_cannot_name():
    program = bs.Model({"w": dist.Gumbel(0, 1)}, lambda w: dist.Normal(w**2, 1.0), observed=[1.0, 2.0])
    explanation = bs.explain(program)
    assert "Gumbel penalty" in str(explanation)
    assert explanation.calls == ()
    assert explanation.design is None


def test_no_call_is_named_for_what_libraries_do_not_have():
    """A loss whose option is a parameter, and data that do not all count."""
    x, y = np.array([[1.0], [2.0], [4.0]]), np.array([1.0, 2.5, 3.0])
    free = bs.Model(
        {"w": dist.Normal(0, 1).expand([1]).to_event(1), "t": dist.Uniform(1, 2)},
        lambda w, t, x: Huber(x @ w, 1.0, t),
        observed=y,
        inputs={"x": x},
    )
    assert bs.explain(free).calls == ()
    masked = bs.Model(
        {"w": dist.Normal(0, 1).expand([1]).to_event(1)},
        lambda w, x: dist.Normal(x @ w, 1.0).mask(np.array([True, False, True])),
        observed=y,
        inputs={"x": x},
    )
    explanation = bs.explain(masked)
    assert explanation.calls == ()
    assert explanation.constant is None
    assert "some elements of observed are masked" in str(explanation)

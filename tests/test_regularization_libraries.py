"""MAP is what scikit-learn and statsmodels return, with the strength converted."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.linear_model
import statsmodels.api
from regressions import EXACT, REAL, assert_same, breast_cancer, counts, diabetes, fitted
from sklearn.datasets import load_iris

from bayes_sandbox.regularization import from_loss


@pytest.mark.parametrize("data", REAL)
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("strength", [pytest.param(0.01, marks=pytest.mark.slow), 0.3])
@pytest.mark.parametrize(
    ("name", "penalty", "more"),
    [("Ridge", "l2", {}), ("Lasso", "l1", {}), ("ElasticNet", "elastic_net", {"l1_ratio": 0.6})],
)
def test_linear_regression_is_scikit_learns(data, intercept, strength, name, penalty, more):
    x, y = REAL[data]()
    strength *= 100 if name == "Ridge" else 1
    theirs = getattr(sklearn.linear_model, name)(alpha=strength, fit_intercept=intercept, **more, **EXACT).fit(x, y)
    model = from_loss(
        "squared", penalty, x=x, y=y, strength=strength, convention=name, scale=0.7, intercept=intercept, **more
    )
    w, b = fitted(model)
    assert_same(w, theirs.coef_)
    assert b == pytest.approx(theirs.intercept_, abs=1e-8)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize(
    ("penalty", "solver", "C"), [("l2", "newton-cholesky", 0.1), ("l2", "newton-cholesky", 10.0), ("l1", "saga", 0.3)]
)
def test_logistic_regression_is_scikit_learns(intercept, penalty, solver, C):
    x, y = breast_cancer()
    theirs = sklearn.linear_model.LogisticRegression(
        C=C, l1_ratio=float(penalty == "l1"), solver=solver, fit_intercept=intercept, **EXACT | {"tol": 1e-9}
    ).fit(x, y)
    model = from_loss("logistic", penalty, x=x, y=y, strength=C, convention="LogisticRegression", intercept=intercept)
    w, b = fitted(model)
    assert_same(w, theirs.coef_[0])
    assert b == pytest.approx(np.sum(theirs.intercept_), abs=1e-5)


def test_multinomial_regression_is_scikit_learns():
    x, y = load_iris(return_X_y=True)
    theirs = sklearn.linear_model.LogisticRegression(C=2.0, l1_ratio=0, solver="newton-cholesky", **EXACT).fit(x, y)
    w, _ = fitted(from_loss("multinomial", "l2", x=x, y=y, strength=2.0, convention="LogisticRegression"))
    assert_same(w, theirs.coef_.T)


@pytest.mark.parametrize("strength", [0.01, 1.0])
def test_poisson_regression_is_scikit_learns(strength):
    x, y = counts()
    theirs = sklearn.linear_model.PoissonRegressor(
        alpha=strength, tol=1e-10, max_iter=10_000, solver="newton-cholesky"
    ).fit(x, y)
    w, b = fitted(from_loss("poisson", "l2", x=x, y=y, strength=strength, convention="PoissonRegressor"))
    assert_same(w, theirs.coef_)
    assert b == pytest.approx(theirs.intercept_, rel=1e-6)


@pytest.mark.parametrize("data", ["longley", pytest.param("diabetes", marks=pytest.mark.slow)])
def test_huber_regression_is_scikit_learns_at_its_scale(data):
    x, y = REAL[data]()
    theirs = sklearn.linear_model.HuberRegressor(alpha=0.1, tol=1e-14, max_iter=100_000, warm_start=True)
    for _ in range(5):  # it stops early, and goes on from where it stopped
        theirs.fit(x, y)

    def ours(scale):
        return from_loss(
            "huber", "l2", x=x, y=y, strength=0.1, convention="HuberRegressor", scale=scale, threshold=1.35
        )

    model = ours(theirs.scale_)
    w, b = fitted(model)
    assert_same(w, theirs.coef_, rtol=1e-4)
    at_theirs = model.log_joint({"w": theirs.coef_, "intercept": theirs.intercept_})
    assert 0 <= model.log_joint({"w": w, "intercept": b}) - at_theirs < 1e-5

    def objective(all_of_it):  # as its documentation has it, at ε = 1.35
        w, b, scale = all_of_it[:-2], all_of_it[-2], all_of_it[-1]
        z = jnp.abs(y - x @ w - b) / scale
        return jnp.sum(scale + scale * jnp.where(z < 1.35, z**2, 2 * 1.35 * z - 1.35**2)) + 0.1 * jnp.sum(w**2)

    # Where theirs stops the slope is not zero: Newton's steps go to where it is.
    at = start = jnp.array([*theirs.coef_, theirs.intercept_, theirs.scale_])
    for _ in range(20):
        at = at - jnp.linalg.solve(jax.hessian(objective)(at), jax.grad(objective)(at))
    assert jnp.abs(jax.grad(objective)(at)).max() < 1e-10
    assert objective(at) <= objective(start)
    w, b = fitted(ours(at[-1]))
    assert_same(w, np.asarray(at[:-2]))
    assert b == pytest.approx(float(at[-2]), abs=1e-6)


@pytest.mark.parametrize(("quantile", "strength"), [(0.5, 0.0), (0.2, 0.01), (0.9, 0.05)])
def test_quantile_regression_has_scikit_learns_objective(quantile, strength):
    x, y = diabetes()
    theirs = sklearn.linear_model.QuantileRegressor(quantile=quantile, alpha=strength).fit(x, y)
    given = {"convention": "QuantileRegressor", "strength": strength} if strength else {}
    model = from_loss("quantile", "l1" if strength else "none", x=x, y=y, quantile=quantile, **given)
    w, b = fitted(model)
    assert -model.log_joint({"w": w, "intercept": b}) == pytest.approx(
        -float(model.log_joint({"w": theirs.coef_, "intercept": theirs.intercept_})), abs=1e-6
    )
    np.testing.assert_array_equal(w == 0, np.abs(theirs.coef_) < 1e-9)


def test_stochastic_gradient_descent_minimises_the_same_objective():
    x, y = diabetes()
    theirs = sklearn.linear_model.SGDRegressor(
        alpha=0.05, tol=None, max_iter=3000, learning_rate="constant", eta0=1e-4, random_state=0
    ).fit(x, y)
    model = from_loss("squared", "l2", x=x, y=y, strength=0.05, convention="SGDRegressor")
    w, b = fitted(model)
    best = float(model.log_joint({"w": w, "intercept": b}))
    assert 0 <= best - model.log_joint({"w": theirs.coef_, "intercept": theirs.intercept_[0]}) < 0.05
    np.testing.assert_allclose(w, theirs.coef_, atol=0.02)


@pytest.mark.parametrize("data", REAL)
@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
def test_ols_is_statsmodels(data, l1_ratio):
    x, y = REAL[data]()
    fit = statsmodels.api.OLS(y, x).fit_regularized
    theirs = fit(alpha=0.1, L1_wt=l1_ratio, **({"cnvrg_tol": 1e-13, "maxiter": 10_000} if l1_ratio else {})).params
    penalty = {0.0: "l2", 1.0: "l1"}[l1_ratio]
    model = from_loss(
        "squared", penalty, x=x, y=y, strength=0.1, convention="OLS.fit_regularized", intercept=False, scale=0.4
    )
    assert_same(fitted(model)[0], theirs)


@pytest.mark.parametrize("loss", ["poisson", "logistic"])
@pytest.mark.parametrize("penalised", [True, False])
def test_glm_is_statsmodels(loss, penalised):
    x, y = counts() if loss == "poisson" else (breast_cancer()[0][:, :6], breast_cancer()[1])
    family = {"poisson": statsmodels.api.families.Poisson, "logistic": statsmodels.api.families.Binomial}[loss]()
    glm = statsmodels.api.GLM(y, x, family)
    if penalised:
        theirs = glm.fit_regularized(alpha=0.1, L1_wt=1.0, cnvrg_tol=1e-13, maxiter=1000).params
        model = from_loss(loss, "l1", x=x, y=y, strength=0.1, convention="GLM.fit_regularized", intercept=False)
    else:
        theirs = glm.fit(tol=1e-14).params
        model = from_loss(loss, x=x, y=y, intercept=False)
    assert_same(fitted(model)[0], theirs)

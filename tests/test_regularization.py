"""A regularizer is a prior: objectives, densities and other libraries' estimates, each against the other."""

import itertools
import re
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
import sklearn.linear_model
import statsmodels.api
from numpyro.distributions import biject_to
from scipy import integrate, stats
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris

import bayes_sandbox as bs
from bayes_sandbox.errors import UserError
from bayes_sandbox.regularization import (
    CONVENTIONS,
    LOSSES,
    PENALTIES,
    ElasticNet,
    GroupLaplace,
    HorseshoeLike,
    Huber,
    UniformBall,
    choose_scales,
    fit_gaussian,
    from_loss,
    prior_scale,
    strength_of,
    weights,
)
from bayes_sandbox.regularization.table import tables


def standardised(a: np.ndarray) -> np.ndarray:
    return (a - a.mean(axis=0)) / a.std(axis=0)


def diabetes() -> tuple[np.ndarray, np.ndarray]:
    x, y = load_diabetes(return_X_y=True)
    return standardised(x), standardised(y)


def longley() -> tuple[np.ndarray, np.ndarray]:
    data = statsmodels.api.datasets.longley.load_pandas()
    return standardised(data.exog.to_numpy(float)), standardised(data.endog.to_numpy(float))


def breast_cancer() -> tuple[np.ndarray, np.ndarray]:
    x, y = load_breast_cancer(return_X_y=True)
    return standardised(x), y


def counts() -> tuple[np.ndarray, np.ndarray]:
    x, y = diabetes()
    return x, np.round(np.exp(1 + 0.3 * y)).astype(int)


# --- densities that NumPyro lacks ---


@pytest.mark.parametrize(
    ("fn", "breaks"),
    [
        (Huber(1.0, 0.5, 1.35), [0.325, 1.675]),
        (Huber(-2.0, 3.0, 0.2), [-2.6, -1.4]),
        (ElasticNet(0.5, 2.0), [0.0]),
        (ElasticNet(3.0, 0.4), [0.0]),
        (HorseshoeLike(0.7), [0.0]),
        (GroupLaplace(0.8, 1), [0.0]),
    ],
)
def test_a_density_integrates_to_one_and_its_draws_follow_it(fn, breaks):
    def density(v):
        return float(jnp.exp(fn.log_prob(jnp.full(fn.event_shape, v))))

    draws = np.ravel(fn.sample(jax.random.key(3), (20_000,)))
    edges = [-np.inf, *np.quantile(draws, [0.02, 0.2, 0.5, 0.7, 0.95]), np.inf]
    shares = []
    for low, high in itertools.pairwise(edges):
        inner = [b for b in breaks if low < b < high]
        cuts = [low, *inner, high]
        shares.append(sum(integrate.quad(density, a, b, limit=400)[0] for a, b in itertools.pairwise(cuts)))
    assert sum(shares) == pytest.approx(1, abs=1e-6)
    expected = np.array([0.02, 0.18, 0.3, 0.2, 0.25, 0.05])
    assert np.abs(np.array(shares) - expected).max() < 4 * 0.5 / np.sqrt(20_000)


def test_a_group_is_a_multivariate_density():
    fn = GroupLaplace(0.6, 2)
    total = integrate.dblquad(
        lambda b, a: float(jnp.exp(fn.log_prob(jnp.array([a, b])))), -12, 12, -12, 12, epsabs=1e-3
    )[0]
    assert total == pytest.approx(1, abs=2e-3)
    radius = np.linalg.norm(fn.sample(jax.random.key(0), (20_000,)), axis=-1)
    assert stats.kstest(radius, stats.gamma(2, scale=0.6).cdf).pvalue > 1e-3


@pytest.mark.parametrize("size", [1, 2, 5])
def test_the_map_to_a_ball_has_its_jacobian(size):
    fn = UniformBall(1.7, size)
    transform = biject_to(fn.support)
    for u in np.random.default_rng(size).normal(0, 2, (5, size)):
        w = transform(u)
        assert bool(fn.support(w))
        np.testing.assert_allclose(transform.inv(w), u, rtol=1e-9)
        _, log_det = np.linalg.slogdet(jax.jacobian(transform)(u))
        assert float(transform.log_abs_det_jacobian(u, w)) == pytest.approx(log_det, abs=1e-9)
    radii = np.linalg.norm(fn.sample(jax.random.key(1), (20_000,)), axis=-1)
    assert stats.kstest((radii / 1.7) ** size, "uniform").pvalue > 1e-3


# --- the objective is the −log joint density ---


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


# --- MAP is what the libraries return ---


def fitted(model: bs.Model) -> tuple[np.ndarray, float]:
    fit = bs.fit_map(model, num_starts=2)
    assert fit.converged, fit.message
    return np.asarray(weights(fit.params)), float(np.sum(fit.params.get("intercept", 0.0)))


def assert_same(mine: np.ndarray, theirs: np.ndarray, rtol: float = 1e-5) -> None:
    np.testing.assert_array_equal(mine == 0, theirs == 0)
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=rtol * np.abs(theirs).max())


EXACT = {"tol": 1e-13, "max_iter": 1_000_000}
REAL = {"diabetes": diabetes, "longley": longley}


@pytest.mark.parametrize("data", REAL)
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("strength", [0.01, 0.3])
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
    theirs = sklearn.linear_model.LogisticRegression(C=2.0, l1_ratio=0, tol=1e-10, max_iter=10_000).fit(x, y)
    w, _ = fitted(from_loss("multinomial", "l2", x=x, y=y, strength=2.0, convention="LogisticRegression"))
    assert_same(w, theirs.coef_.T, rtol=1e-4)


@pytest.mark.parametrize("strength", [0.01, 1.0])
def test_poisson_regression_is_scikit_learns(strength):
    x, y = counts()
    theirs = sklearn.linear_model.PoissonRegressor(
        alpha=strength, tol=1e-10, max_iter=10_000, solver="newton-cholesky"
    ).fit(x, y)
    w, b = fitted(from_loss("poisson", "l2", x=x, y=y, strength=strength, convention="PoissonRegressor"))
    assert_same(w, theirs.coef_)
    assert b == pytest.approx(theirs.intercept_, rel=1e-6)


@pytest.mark.parametrize("data", REAL)
def test_huber_regression_is_scikit_learns_at_its_scale(data):
    x, y = REAL[data]()
    theirs = sklearn.linear_model.HuberRegressor(alpha=0.1, tol=1e-14, max_iter=100_000, warm_start=True)
    for _ in range(5):  # it stops early, and goes on from where it stopped
        theirs.fit(x, y)
    model = from_loss(
        "huber", "l2", x=x, y=y, strength=0.1, convention="HuberRegressor", scale=theirs.scale_, threshold=1.35
    )
    w, b = fitted(model)
    assert_same(w, theirs.coef_, rtol=1e-4)
    at_theirs = model.log_joint({"w": theirs.coef_, "intercept": theirs.intercept_})
    assert 0 <= model.log_joint({"w": w, "intercept": b}) - at_theirs < 1e-5


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


# --- corners, kinks, edges ---


def test_a_group_is_zero_as_a_whole_and_only_where_it_should_be():
    x, y = diabetes()
    strength = 60.0
    w, b = fitted(from_loss("squared", "group_lasso", x=x, y=y, strength=strength, size=2))
    pull = (x.T @ (y - x @ np.ravel(w) - b)).reshape(5, 2)  # of the data on each group
    norms, zero = np.linalg.norm(pull, axis=1) / (strength * np.sqrt(2)), (w == 0).all(axis=1)
    assert zero.sum() == 2
    assert (norms[zero] < 1).all()
    np.testing.assert_allclose(norms[~zero], 1, rtol=1e-7)  # Karush–Kuhn–Tucker
    along = w[~zero] / np.linalg.norm(w[~zero], axis=1, keepdims=True)
    np.testing.assert_allclose(pull[~zero], strength * np.sqrt(2) * along, rtol=1e-5)


def test_a_constraint_is_a_penalty_whose_strength_the_data_choose():
    x, y = diabetes()
    model = from_loss("squared", "ball", x=x, y=y, radius=0.3, intercept=False)
    fit = bs.fit_map(model, num_starts=4)
    assert fit.converged
    assert fit.edges == ("‖w‖ = 0.3",)
    w = np.asarray(fit.params["w"])
    strength = (x.T @ (y - x @ w)) @ w / (w @ w)  # the multiplier
    ridge = sklearn.linear_model.Ridge(alpha=strength, fit_intercept=False, **EXACT).fit(x, y)
    np.testing.assert_allclose(w, ridge.coef_, atol=1e-8)
    free = bs.fit_map(from_loss("squared", "ball", x=x, y=y, radius=50.0, intercept=False), num_starts=4)
    assert free.edges == ()
    np.testing.assert_allclose(free.params["w"], np.linalg.lstsq(x, y)[0], rtol=1e-6)


def test_an_absolute_loss_has_its_median_and_an_unknown_scale_too():
    y = np.array([0.3, -1.0, 4.0, 7.0, 2.2])
    model = bs.Model({"m": dist.Normal(0, 1e6), "b": dist.HalfNormal(1e6)}, lambda m, b: dist.Laplace(m, b), observed=y)
    fit = bs.fit_map(model)
    assert fit.converged
    assert "kink" in fit.message
    assert float(fit.params["m"]) == pytest.approx(2.2, abs=1e-6)
    assert float(fit.params["b"]) == pytest.approx(np.abs(y - 2.2).mean(), rel=1e-6)
    even = bs.Model({"m": dist.ImproperUniform(dist.constraints.real, (), ())}, lambda m: dist.Laplace(m, 1.0), y[:4])
    assert 0.3 <= float(bs.fit_map(even).params["m"]) <= 4.0  # any point between is one


def test_a_fused_penalty_makes_exact_steps():
    y = np.r_[np.zeros(6), np.full(6, 3.0)] + 0.1 * np.sin(np.arange(12))
    model = from_loss("squared", "fused", x=np.eye(12), y=y, strength=1.0)
    fit = bs.fit_map(model, num_starts=2)
    assert fit.converged
    w = np.asarray(weights(fit.params))
    assert len(np.unique(w)) == 2  # a single step
    np.testing.assert_allclose(w[[0, -1]], [y[:6].mean() + 1 / 6, y[6:].mean() - 1 / 6], atol=1e-8)


def test_a_pole_at_zero_has_no_mode():
    x, y = diabetes()
    fit = bs.fit_map(from_loss("squared", "horseshoe", x=x, y=y, intercept=False), num_starts=2)
    assert not fit.converged


# --- what is refused ---


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


# --- ridge in closed form ---


@pytest.mark.parametrize("wide", [False, True])
def test_the_closed_form_is_the_gaussians(wide):
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(5, 9) if wide else (30, 4)), rng.normal(size=5 if wide else 30) + 1
    tau, sigma = 1.4, 0.6
    fit = fit_gaussian(x, y, prior_scale=tau, scale=sigma)
    marginal = stats.multivariate_normal(cov=sigma**2 * np.eye(len(y)) + tau**2 * x @ x.T)
    assert fit.log_evidence == pytest.approx(marginal.logpdf(y), abs=1e-8)
    precision = x.T @ x / sigma**2 + np.eye(x.shape[1]) / tau**2
    np.testing.assert_allclose(fit.covariance, np.linalg.inv(precision), atol=1e-10)
    np.testing.assert_allclose(fit.mean, np.linalg.solve(precision, x.T @ y / sigma**2), atol=1e-10)
    assert fit.effective == pytest.approx(x.shape[1] - np.trace(fit.covariance) / tau**2)


def test_the_closed_form_is_the_sums_and_the_laplace_fits():
    x, y = diabetes()
    fit = fit_gaussian(x[:, :3], y, prior_scale=0.5, scale=0.8)
    model = from_loss("squared", "l2", x=x[:, :3], y=y, strength=0.8**2 / 0.5**2, scale=0.8, intercept=False)
    assert bs.fit_laplace(model).log_evidence == pytest.approx(fit.log_evidence, abs=1e-8)
    grid = bs.fit_grid(model)
    assert abs(grid.evidence.log_evidence - fit.log_evidence) < max(grid.evidence.error, 1e-8)
    np.testing.assert_allclose(grid.mean["w"], fit.mean, atol=1e-6)


@pytest.mark.parametrize("data", REAL)
def test_the_strength_by_evidence_is_bayesian_ridges(data):
    x, y = REAL[data]()
    theirs = sklearn.linear_model.BayesianRidge(
        alpha_1=0,
        alpha_2=0,
        lambda_1=0,
        lambda_2=0,
        tol=1e-12,
        max_iter=100_000,
        fit_intercept=False,
        compute_score=True,
    ).fit(x, y)
    mine = choose_scales(x, y)
    assert mine.scale**-2 == pytest.approx(theirs.alpha_, rel=1e-4)
    assert mine.prior_scale**-2 == pytest.approx(theirs.lambda_, rel=1e-4)
    assert mine.log_evidence == pytest.approx(theirs.scores_[-1], abs=1e-8 * abs(theirs.scores_[-1]) + 1e-7)
    np.testing.assert_allclose(mine.mean, theirs.coef_, atol=1e-5 * np.abs(theirs.coef_).max())
    known = choose_scales(x, y, scale=0.7)
    for factor in (0.9, 1.1):
        assert fit_gaussian(x, y, prior_scale=known.prior_scale * factor, scale=0.7).log_evidence < known.log_evidence


# --- in words ---


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


# --- the documentation ---

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

"""Where is the highest point? Against closed forms, scikit-learn and SciPy; and what is said where there is none."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import problems
import pytest
from scipy import optimize, stats
from sklearn.linear_model import Lasso, LogisticRegression, Ridge

import bayes_sandbox as bs
from bayes_sandbox.coordinates import coordinates_of
from bayes_sandbox.optimization.climb import Climb, Kind
from bayes_sandbox.optimization.map import trouble_sentence

RNG = np.random.default_rng(8)
X = RNG.normal(size=(40, 5)) @ (np.eye(5) + 0.6 * np.eye(5, k=1))  # neighbours are correlated
TRUE_W = np.array([2.0, 0.0, -1.5, 0.0, 0.3])
Y = X @ TRUE_W + 0.8 * RNG.normal(size=40)
NOISE = 0.8


def linear(prior, x=X, y=Y, noise=NOISE) -> bs.Model:
    return bs.Model({"w": prior}, lambda w, x: dist.Normal(x @ w, noise), inputs={"x": x}, observed=y)


# --- a penalty is a prior ---


@pytest.mark.parametrize("tau", [0.05, pytest.param(3.0, marks=pytest.mark.slow)])
def test_ridge_is_a_gaussian_prior(tau):
    fit = bs.fit_map(linear(dist.Normal(0.0, tau).expand([5])))
    strength = NOISE**2 / tau**2
    closed = np.linalg.solve(X.T @ X + strength * np.eye(5), X.T @ Y)
    theirs = Ridge(alpha=strength, fit_intercept=False, tol=1e-12).fit(X, Y).coef_
    assert fit.converged
    np.testing.assert_allclose(fit.params["w"], closed, rtol=1e-9)
    np.testing.assert_allclose(fit.params["w"], theirs, rtol=1e-9)
    np.testing.assert_allclose(fit.hessian, X.T @ X / NOISE**2 + np.eye(5) / tau**2, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("b", [0.02, pytest.param(0.3, marks=pytest.mark.slow)])
def test_lasso_is_a_laplace_prior_with_exact_zeros(b):
    fit = bs.fit_map(linear(dist.Laplace(0.0, b).expand([5]).to_event(1)))
    alpha = NOISE**2 / (len(Y) * b)
    theirs = Lasso(alpha=alpha, fit_intercept=False, tol=1e-14, max_iter=100_000).fit(X, Y).coef_
    assert fit.converged
    np.testing.assert_array_equal(fit.params["w"] == 0, theirs == 0)
    np.testing.assert_allclose(fit.params["w"], theirs, atol=1e-7)


def test_a_strong_laplace_prior_leaves_nothing():
    fit = bs.fit_map(linear(dist.Laplace(0.0, 1e-3).expand([5])))
    assert fit.converged
    np.testing.assert_array_equal(fit.params["w"], 0.0)
    assert fit.message.startswith("converged")


@pytest.mark.slow
def test_a_laplace_prior_off_zero_has_its_corner_there():
    model = bs.Model({"w": dist.Laplace(1.5, 0.1)}, lambda w: dist.Normal(w, 1.0), observed=[1.2, 2.4])
    fit = bs.fit_map(model)
    assert fit.converged
    assert fit.params["w"] == 1.5


def test_logistic_regression_is_a_gaussian_prior_on_its_weights():
    labels = (X @ TRUE_W + RNG.logistic(size=40) > 0).astype(int)
    model = bs.Model(
        {"w": dist.Normal(0.0, 0.7).expand([5])},
        lambda w, x: dist.Bernoulli(logits=x @ w),
        inputs={"x": X},
        observed=labels,
    )
    fit = bs.fit_map(model)
    theirs = LogisticRegression(C=0.7**2, fit_intercept=False, tol=1e-12, max_iter=10_000).fit(X, labels)
    np.testing.assert_allclose(fit.params["w"], theirs.coef_[0], rtol=1e-5)


def test_non_negative_weights_are_those_of_nnls():
    model = linear(dist.HalfNormal(1e4).expand([5]))
    fit = bs.fit_map(model)
    theirs, _ = optimize.nnls(X, Y)
    assert (theirs == 0).any()
    assert fit.converged
    np.testing.assert_array_equal(fit.params["w"] == 0, theirs == 0)
    np.testing.assert_allclose(fit.params["w"], theirs, rtol=1e-5)
    assert set(fit.edges) == {f"w[{i}] = 0" for i in np.flatnonzero(theirs == 0)}


@pytest.mark.parametrize("unit", [pytest.param(1e-6, marks=pytest.mark.slow), 1e6])
def test_the_mode_moves_with_the_unit(unit):
    here = bs.fit_map(linear(dist.Normal(0.0, 0.5).expand([5])))
    there = bs.fit_map(linear(dist.Normal(0.0, 0.5 * unit).expand([5]), x=X / unit))
    assert there.converged
    np.testing.assert_allclose(there.params["w"], unit * here.params["w"], rtol=1e-7)


# --- the mode moves under a change of variables ---


@pytest.fixture(scope="module")
def globe() -> bs.Model:
    return bs.Model({"p": dist.Uniform(0, 1)}, lambda p: dist.Binomial(9, p), observed=6)


def test_the_globe_has_two_modes_of_one_posterior(globe):
    user, line = bs.fit_map(globe), bs.fit_map(globe, coordinates="unconstrained")
    np.testing.assert_allclose(user.params["p"], 6 / 9, rtol=1e-8)
    np.testing.assert_allclose(line.params["p"], 7 / 11, rtol=1e-8)
    assert user.log_joint > line.log_joint
    for fit in (user, line):
        np.testing.assert_allclose(fit.log_joint, globe.log_joint(fit.params), rtol=1e-12)
        np.testing.assert_allclose(fit.log_joint, fit.log_prior + fit.log_likelihood, rtol=1e-14)
    np.testing.assert_allclose(user.hessian, [[9 / (6 / 9 * 3 / 9)]], rtol=1e-6)
    p = 7 / 11
    np.testing.assert_allclose(line.hessian, [[11 * p * (1 - p)]], rtol=1e-6)


# --- modes on an edge ---


def test_nine_of_nine_is_an_edge():
    fit = bs.fit_map(problems.model_of("nine of nine"))
    assert fit.converged
    assert fit.params["p"] == 1.0
    assert fit.edges == ("p = 1",)
    np.testing.assert_allclose(fit.log_joint, 0.0, atol=1e-12)


def test_a_truncated_mode_is_an_edge():
    fit = bs.fit_map(problems.model_of("truncated"))
    assert fit.converged
    assert fit.params["mu"] == 1.0
    laplace = bs.fit_laplace(bs.Model({"p": dist.HalfNormal(1.0)}, lambda p: dist.Normal(p, 1.0), observed=-2.0))
    assert np.isfinite(laplace.log_evidence) == laplace.converged


def test_a_scale_of_zero_is_an_edge():
    """Two groups that could not be more alike: the between-group scale has its mode at 0 under a half-normal prior."""
    model = bs.Model(
        {"mu": dist.Normal(0.0, 5.0), "tau": dist.HalfNormal(2.0)},
        lambda mu, tau: dist.Normal(mu, jnp.sqrt(tau**2 + 1.0)),
        observed=np.array([1.0, 1.2, 0.9, 1.1]),
    )
    fit = bs.fit_map(model)
    assert fit.converged, fit.message
    assert fit.params["tau"] == 0.0
    assert fit.edges == ("tau = 0",)
    np.testing.assert_allclose(fit.params["mu"], 4.2 / (4 + 1 / 25), rtol=1e-6)


@pytest.mark.parametrize(
    "prior",
    [
        dist.Gamma(1.0, 1.0),
        *(pytest.param(p, marks=pytest.mark.slow) for p in (dist.Exponential(1.0), dist.HalfNormal(1.0))),
    ],
)
def test_a_rate_pushed_to_zero_is_an_edge_under_any_prior_that_is_finite_there(prior):
    model = bs.Model({"rate": prior}, lambda rate: dist.Poisson(rate), observed=np.array([0, 0, 0]))
    fit = bs.fit_map(model)
    assert fit.converged, fit.message
    assert fit.params["rate"] == 0.0


def test_a_corner_of_the_simplex_is_an_edge():
    model = bs.Model({"p": dist.Dirichlet(jnp.ones(3))}, lambda p: dist.Multinomial(9, p), observed=np.array([4, 0, 5]))
    fit = bs.fit_map(model)
    assert fit.converged, fit.message
    np.testing.assert_allclose(fit.params["p"], [4 / 9, 0.0, 5 / 9], atol=1e-8)
    assert any(edge.startswith("p[1] = ") for edge in fit.edges)


@pytest.mark.slow
def test_both_sides_of_an_interval_can_be_modes():
    """Bernoulli draws that want p away from its middle: one edge is higher, both are kept."""
    model = bs.Model({"x": dist.Uniform(-1.0, 2.0)}, lambda x: dist.Normal(x**2, 1.0), observed=np.array([9.0, 9.0]))
    fit = bs.fit_map(model)
    assert fit.converged
    assert fit.params["x"] == 2.0
    assert [m.edges for m in fit.modes] == [("x = 2",), ("x = -1",)]


# --- several modes ---


def test_every_mode_is_kept_from_the_highest_down():
    fit = bs.fit_map(problems.model_of("bimodal"))
    heights = [m.log_joint for m in fit.modes]
    assert len(fit.modes) == 2
    assert heights == sorted(heights, reverse=True)
    centres = sorted(float(m.params["mu"]) for m in fit.modes)
    found = [
        optimize.minimize_scalar(
            lambda m: -float(problems.model_of("bimodal").log_joint({"mu": m})),
            bounds=b,
            method="bounded",
            options={"xatol": 1e-9},
        ).x
        for b in ((-4.0, 0.0), (3.0, 6.0))
    ]
    np.testing.assert_allclose(centres, found, atol=1e-5)
    assert sum(m.num_hits for m in fit.modes) <= 16
    assert fit.params["mu"] == fit.modes[0].params["mu"]


def test_modes_are_weighed_by_their_laplace_mass(globe):
    """In the user's coordinates: a Beta's Gaussian at 6/9; two equal modes in shares that add to nearly all."""
    (top,) = bs.fit_map(globe).modes
    p, n = 6 / 9, 9
    curvature = n / (p * (1 - p))
    height = stats.binom(9, p).logpmf(6)
    np.testing.assert_allclose(top.log_mass, height + 0.5 * np.log(2 * np.pi / curvature), rtol=1e-9)
    modes = bs.fit_map(problems.model_of("bimodal"), coordinates="unconstrained").modes
    humps = bs.fit_laplace(problems.model_of("bimodal")).humps
    np.testing.assert_allclose(sorted(m.log_mass for m in modes), sorted(h.log_mass for h in humps), rtol=1e-9)


def test_a_mode_on_an_edge_has_no_laplace_mass():
    fit = bs.fit_map(bs.Model({"p": dist.Uniform(0, 1)}, lambda p: dist.Binomial(9, p), observed=9))
    assert np.isnan(fit.modes[0].log_mass)


def test_labels_that_can_be_switched_give_modes_of_one_height():
    model = bs.Model(
        {"a": dist.Normal(0.0, 4.0), "b": dist.Normal(0.0, 4.0)},
        lambda a, b: dist.MixtureSameFamily(
            dist.Categorical(probs=jnp.array([0.5, 0.5])), dist.Normal(jnp.stack([a, b]), 0.5)
        ),
        observed=np.array([-2.1, -1.7, 3.3, 2.9]),
    )
    fit = bs.fit_map(model)
    assert len(fit.modes) >= 2
    first, second = fit.modes[:2]
    np.testing.assert_allclose(first.log_joint, second.log_joint, rtol=1e-9)
    np.testing.assert_allclose(
        [first.params["a"], first.params["b"]], [second.params["b"], second.params["a"]], rtol=1e-6
    )


# --- where there is no mode, and what is said ---


def test_a_flat_direction_is_named():
    flat = dist.ImproperUniform(dist.constraints.real, (), ())
    model = bs.Model(
        {"a": flat, "b": flat, "c": dist.Normal(0, 1)}, lambda a, b, c: dist.Normal(a + b + c, 1.0), observed=2.0
    )
    fit = bs.fit_map(model)
    assert not fit.converged
    assert "flat direction" in fit.message
    assert "a" in fit.message
    assert "b" in fit.message
    assert not bs.fit_laplace(model).converged


def test_separation_under_a_flat_prior_has_no_mode():
    flat = dist.ImproperUniform(dist.constraints.real, (), ())
    model = bs.Model(
        {"slope": flat},
        lambda slope, x: dist.Bernoulli(logits=slope * x),
        inputs={"x": np.array([-2.0, -0.5, 0.4, 1.0])},
        observed=np.array([0, 0, 1, 1]),
    )
    fit = bs.fit_map(model)
    assert not fit.converged
    assert "separation" in fit.message
    assert "slope → ∞" in fit.message
    assert not bs.fit_laplace(model).converged


@pytest.mark.slow
def test_separation_under_a_proper_prior_has_one():
    model = bs.Model(
        {"slope": dist.Normal(0.0, 100.0)},
        lambda slope, x: dist.Bernoulli(logits=slope * x),
        inputs={"x": np.array([-2.0, -0.5, 0.4, 1.0])},
        observed=np.array([0, 0, 1, 1]),
    )
    fit = bs.fit_map(model)
    assert fit.converged
    np.testing.assert_allclose(jax.grad(model.log_joint)({"slope": float(fit.params["slope"])})["slope"], 0, atol=1e-8)


EFFECTS = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
ERRORS = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])


def test_centred_eight_schools_have_no_highest_point():
    model = bs.Model(
        {
            "mu": dist.Normal(0, 5),
            "tau": dist.HalfCauchy(5),
            "theta": lambda mu, tau: dist.Normal(mu, tau).expand([8]).to_event(1),
        },
        lambda theta, errors: dist.Normal(theta, errors),
        inputs={"errors": ERRORS},
        observed=EFFECTS,
    )
    for coordinates in ("params", "unconstrained"):
        fit = bs.fit_map(model, coordinates=coordinates)
        assert not fit.converged
        assert "without bound" in fit.message
        assert "tau → 0" in fit.message


def test_a_pole_at_an_edge_is_no_mode():
    fit = bs.fit_map(problems.model_of("pole at zero"))
    assert not fit.converged
    assert "without bound" in fit.message
    assert "p → 0" in fit.message


def test_no_finite_start_is_said():
    def impossible(y):
        mu = numpyro.sample("mu", dist.Normal(0.0, 1.0))
        numpyro.factor("never", jnp.where(mu > 1e9, 0.0, -jnp.inf))
        numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)

    model = bs.Model.from_numpyro(impossible, 0.3)
    fit = bs.fit_map(model)
    assert not fit.converged
    assert "no start had a finite density" in fit.message
    assert not bs.fit_laplace(model).converged


@pytest.mark.parametrize(
    "name",
    [
        "wide prior",
        *(
            pytest.param(n, marks=pytest.mark.slow)
            for n in ("prior far away", "tiny units", "huge units", "a hundred thousand observations")
        ),
    ],
)
def test_a_mode_far_from_every_start_is_found(name):
    """The prior is far from the likelihood, a hundred of its standard deviations and more."""
    fit, problem = bs.fit_map(problems.model_of(name)), problems.BY_NAME[name]
    assert fit.converged, fit.message
    np.testing.assert_allclose(fit.params["mu"], problem.mean["mu"], rtol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("level", [1e-9, 1e9])
def test_the_height_of_the_density_does_not_matter(level):
    """Scaling the data's unit moves the log joint by a constant and nothing else."""
    model = bs.Model(
        {"s": dist.LogNormal(np.log(level), 1.0)}, lambda s: dist.Normal(0.0, s), observed=level * np.array([1.1, -0.4])
    )
    fit = bs.fit_map(model)
    assert fit.converged, fit.message
    small = bs.fit_map(
        bs.Model({"s": dist.LogNormal(0.0, 1.0)}, lambda s: dist.Normal(0.0, s), observed=np.array([1.1, -0.4]))
    )
    np.testing.assert_allclose(fit.params["s"], level * small.params["s"], rtol=1e-6)


@pytest.mark.parametrize("kind", [Kind.FLAT, Kind.RISING])
def test_a_proper_prior_is_not_asked_to_be_one(kind):
    proper = bs.Model({"b": dist.Cauchy(0, 1e6)}, lambda b: dist.Bernoulli(logits=b), 1)
    flat = proper.with_prior(b=dist.ImproperUniform(dist.constraints.real, (), ()))
    end = Climb(np.zeros(1), 0.0, np.zeros((1, 1)), kind, np.ones(1))
    assert "proper prior" in trouble_sentence(coordinates_of(flat), end)
    said = trouble_sentence(coordinates_of(proper), end)
    assert "give it a proper prior" not in said
    assert "separation" not in said

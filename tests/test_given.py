"""Sums over the few that steer: hierarchies to nine digits, and no word of them where the rest is no normal."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import problems
import pytest
from scipy import stats
from scipy.special import logsumexp

import bayes_sandbox as bs
from bayes_sandbox.coordinates import coordinates_of
from bayes_sandbox.optimization.starts import starting_positions
from bayes_sandbox.quadrature.given import steering_of
from bayes_sandbox.quadrature.steering import Steering

BY_NAME = problems.BY_NAME
X = np.column_stack([np.ones(9), np.linspace(-1, 2, 9), np.cos(np.arange(9))])
Y = X @ np.array([0.7, -1.1, 0.4]) + np.array([0.3, -0.2, 0.5, -0.6, 0.1, 0.2, -0.3, 0.4, -0.1])


def labels_of(model):
    coords = coordinates_of(model)
    return [coords.labels[i] for i in steering_of(model, coords, 0)]


@pytest.mark.parametrize(
    ("name", "steer"),
    [
        ("three schools 5d", "tau"),
        ("eight schools, centred 10d", "tau"),
        ("eight schools, not centred 10d", "tau"),
        pytest.param("dyestuff 9d", "tau, sigma", marks=pytest.mark.slow),
        ("funnel 10d", "v"),
        pytest.param("local level 31d", "step", marks=pytest.mark.slow),
    ],
)
def test_a_hierarchy_is_summed_over_its_scales(name, steer):
    problem = BY_NAME[name]
    fit = bs.fit_grid(problem.make())
    assert f"exactly a normal given {steer}" in fit.message
    assert fit.converged
    assert fit.evidence.trusted
    assert abs(fit.log_integral - problem.log_evidence) <= fit.error < 1e-5


@pytest.fixture(scope="module")
def conjugate():
    """Regression, its noise unknown: σ² ~ InverseGamma(a, b), w ~ N(m, σ² V); then w is a Student-t."""
    a, b, m, v = 3.0, 1.2, np.array([0.5, 0.0, -0.5]), np.diag([4.0, 1.0, 2.0])
    model = bs.Model(
        {
            "s2": dist.InverseGamma(a, b),
            "w": lambda s2: dist.MultivariateNormal(jnp.asarray(m), s2 * jnp.asarray(v)),
            "u": dist.LogNormal(0.3, 0.8),
            "far": dist.Normal(-3.0, 2.0).expand([2]).to_event(1),
        },
        lambda s2, w: dist.Normal(X @ w, jnp.sqrt(s2)),
        observed=Y,
    )
    precision = np.linalg.inv(v) + X.T @ X
    mean = np.linalg.solve(precision, np.linalg.solve(v, m) + X.T @ Y)
    shape = a + len(Y) / 2
    rate = b + 0.5 * (Y @ Y + m @ np.linalg.solve(v, m) - mean @ precision @ mean)
    scale = np.sqrt(np.diag(np.linalg.inv(precision)) * rate / shape)
    truth = stats.multivariate_t(X @ m, b / a * (np.eye(len(Y)) + X @ v @ X.T), df=2 * a).logpdf(Y)
    return bs.fit_grid(model), stats.t(2 * shape, mean, scale), stats.invgamma(shape, scale=rate), truth


def test_moments_and_curves_of_what_was_integrated_out(conjugate):
    fit, w, s2, truth = conjugate
    assert "given s2" in fit.message
    assert abs(fit.log_integral - truth) <= fit.error < 1e-6
    assert np.allclose(fit.mean["w"], w.mean(), atol=1e-7)
    assert np.allclose(fit.sd["w"], w.std(), atol=1e-7)
    assert np.allclose([fit.mean["s2"], fit.sd["s2"]], [s2.mean(), s2.std()], atol=1e-7)
    for j in range(3):
        curve = fit.marginals[f"w[{j}]"]
        assert np.allclose(curve.cdf, stats.t(w.args[0], w.args[1][j], w.args[2][j]).cdf(curve.x), atol=1e-6)
        assert abs(curve.mass - 1) < 1e-3
    assert np.allclose(fit.marginals["s2"].cdf, s2.cdf(fit.marginals["s2"].x), atol=1e-4)


def test_params_that_are_no_linear_function_of_a_normal(conjugate):
    fit = conjugate[0]
    u = stats.lognorm(0.8, scale=np.exp(0.3))
    assert np.allclose([fit.mean["u"], fit.sd["u"]], [u.mean(), u.std()], rtol=1e-6)
    p = np.array([0.05, 0.5, 0.95])
    assert np.allclose(fit.marginals["u"].quantile(p), u.ppf(p), rtol=1e-3)


def test_draws_are_of_the_same_posterior(conjugate):
    fit, w, _, _ = conjugate
    assert fit.draws["w"].shape == (4, 1000, 3)
    assert fit.draws_ess > 3000
    assert np.abs((fit.draws["w"].mean(axis=(0, 1)) - w.mean()) / w.std()).max() < 5 / np.sqrt(fit.draws_ess)
    assert np.abs(fit.draws["w"].std(axis=(0, 1)) / w.std() - 1).max() < 0.1


def latents(prior):
    """Seven latents about a mean of a spread that is not known, seen with noise."""
    y = np.array([1.2, -0.7, 2.2, 0.4, 3.1, -1.6, 0.9])
    return bs.Model({"tau": dist.HalfNormal(1.0), "theta": prior}, lambda theta: dist.Normal(theta, 0.8), observed=y)


@pytest.mark.parametrize(
    "prior",
    [
        lambda tau: dist.Laplace(0.0, tau * jnp.ones(7)).to_event(1),  # curvature is the same on both sides of a kink
        lambda tau: dist.StudentT(9.0, 0.0, tau * jnp.ones(7)).to_event(1),
        lambda tau: dist.TruncatedNormal(0.0, tau * jnp.ones(7), low=-2.0).to_event(1),
        lambda tau: dist.Gumbel(0.0, tau * jnp.ones(7)).to_event(1),
    ],
)
def test_what_is_no_normal_is_not_taken_for_one(prior):
    fit = bs.fit_grid(latents(prior))
    assert "given" not in fit.message
    assert fit.skipped


def test_a_bump_that_curvature_at_the_prior_does_not_show():
    """A normal, but for a tenth of the mass at its side."""

    def likelihood(theta):
        return dist.MixtureGeneral(
            dist.Categorical(jnp.array([0.9, 0.1])), [dist.Normal(theta[0], 0.8), dist.Normal(theta[0] - 2.5, 0.1)]
        )

    prior = {"tau": dist.HalfNormal(1.0), "theta": lambda tau: dist.Normal(0.0, tau * jnp.ones(7)).to_event(1)}
    model = bs.Model(prior, likelihood, observed=1.0)
    assert "given tau" not in bs.fit_grid(model).message


@pytest.mark.slow
def test_a_second_mode_far_from_a_normal_is_not_overlooked():
    """Normal to every digit around the prior's draws; half of the mass is fifteen conditional sds away."""

    def program():
        tau = numpyro.sample("tau", dist.HalfNormal(1.0))
        theta = numpyro.sample("theta", dist.Normal(0.0, 3.0).expand([6]).to_event(1))
        near = dist.Normal(theta, 0.4 + 0 * tau).log_prob(jnp.ones(6)).sum() + dist.Normal(tau, 0.3).log_prob(1.1)
        far = dist.Normal(theta, 0.4).log_prob(-5.0 * jnp.ones(6)).sum() + dist.Normal(tau, 0.3).log_prob(0.9)
        numpyro.factor("both", jnp.logaddexp(near, far))

    model = bs.Model.from_numpyro(program)
    assert "given tau" not in bs.fit_grid(model).message


def test_nothing_steers_where_all_or_none_do():
    weights = {"w": dist.Normal(0, 1).expand([6]).to_event(1)}
    x = np.random.default_rng(0).normal(size=(20, 6))
    logistic = bs.Model(weights, lambda w: dist.Bernoulli(logits=x @ w), observed=(x[:, 0] > 0).astype(int))
    gaussian = bs.Model(weights, lambda w: dist.Normal(x @ w, 0.3), observed=x[:, 0])
    assert labels_of(logistic) == []
    assert labels_of(gaussian) == []


def test_the_density_of_what_steers_is_an_integral():
    """Against importance sampling from another normal given each τ."""
    model = BY_NAME["three schools 5d"].make()
    coords = coordinates_of(model)
    few = steering_of(model, coords, 0)
    reduced = Steering(coords, few, starting_positions(model, coords, 0, 8)[0])
    h = np.array([[-1.0], [0.3], [1.4]])
    given = reduced.given_many(h)
    rng = np.random.default_rng(3)
    for i, centre in enumerate(h):
        wide = stats.multivariate_t(given.w[i], np.diag((1.3 * given.sd[i]) ** 2), df=7, seed=rng)
        w = wide.rvs(200_000)
        positions = np.zeros((len(w), 5))
        positions[:, reduced.few], positions[:, reduced.rest] = centre, w
        weight = np.exp(coords.log_density_many(positions) - wide.logpdf(w) - given.log_mass[i])
        assert abs(weight.mean() - 1) < 5 * weight.std() / np.sqrt(len(w))


def test_a_neck_too_narrow_for_float64_is_charged():
    """τ down to 1e-9 of the effects' own size: what rounding leaves of their normal is not believed."""
    problem = BY_NAME["eight schools, centred 10d"]
    model = problem.make()
    coords = coordinates_of(model)
    reduced = Steering(coords, steering_of(model, coords, 0), np.zeros(10))
    wide, narrow = reduced.given_many(np.array([[1.0], [-21.0]])).rounding
    assert wide < 1e-10
    assert narrow > 0.1


def test_costs_are_counted_and_the_same_seed_gives_the_same():
    problem = BY_NAME["funnel 10d"]
    one, two = (bs.fit_grid(problem.make(), seed=4) for _ in range(2))
    assert one.num_evaluations == two.num_evaluations > 1e4
    assert one.log_integral == two.log_integral
    jax.clear_caches()


def frequencies(seed):
    """Cosines and sines of an unknown frequency: a normal given it, and one narrow mode of it beside another."""
    rng = np.random.default_rng(seed)
    t, k = np.sort(rng.uniform(0, 300, 60)), np.arange(1, 4)
    y = rng.normal(size=60) + np.cos(np.outer(t, k) * 3.3) @ rng.normal(size=3)

    def design(omega):
        return jnp.concatenate([jnp.cos(t[:, None] * k * omega), jnp.sin(t[:, None] * k * omega)], axis=1)

    model = bs.Model(
        {"omega": dist.Normal(3.0, 1.0), "w": dist.Normal(0.0, 2.0).expand([6]).to_event(1)},
        lambda omega, w: dist.Normal(design(omega) @ w, 1.0),
        observed=y,
    )
    omega = np.linspace(-3.0, 9.0, 60_001)

    @jax.jit
    def log_g(o):
        x = design(o)
        precision = x.T @ x + jnp.eye(6) / 4
        mean = jnp.linalg.solve(precision, x.T @ y)
        log_det = jnp.linalg.slogdet(4 * precision)[1]
        fitted = -0.5 * (y @ y - mean @ precision @ mean) - 30 * jnp.log(2 * jnp.pi) - 0.5 * log_det
        return fitted + dist.Normal(3.0, 1.0).log_prob(o)

    return model, logsumexp(jax.lax.map(log_g, omega, batch_size=500)) + np.log(omega[1] - omega[0])


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_many_narrow_modes_of_what_steers_are_found_or_not_trusted(seed):
    model, truth = frequencies(seed)
    fit = bs.fit_grid(model)
    assert not fit.evidence.trusted or abs(fit.log_integral - truth) <= fit.error


@pytest.mark.slow
def test_mass_in_a_neck_that_float64_cannot_see_is_not_trusted():
    """Four fifths of the prior lie where the effects are one to the last digit, and the data like it there."""
    y = np.array([-2.5, 1.9, 2.2, -1.4, 0.6, -0.8, 1.1, -1.1])
    prior = {
        "lt": dist.Uniform(-100.0, 2.0),
        "mu": dist.Normal(0.0, 5.0),
        "theta": lambda lt, mu: dist.Normal(mu, jnp.exp(lt)).expand([8]).to_event(1),
    }
    model = bs.Model(prior, lambda theta: dist.Normal(theta, 1.0), observed=y)
    lt = np.linspace(-100.0, 2.0, 4001)
    covariance = 25.0 + (1.0 + np.exp(2 * lt))[:, None, None] * np.eye(8)
    log_g = [stats.multivariate_normal(np.zeros(8), c).logpdf(y) for c in covariance]
    truth = logsumexp(log_g) - np.log(len(lt))
    fit = bs.fit_grid(model)
    assert not fit.evidence.trusted or abs(fit.log_integral - truth) <= fit.error


def test_what_few_nodes_cannot_average_comes_from_draws():
    """The sd of a log-normal of σ = 3: nine nodes give less than half of it."""
    y = np.array([0.3, -0.4, 1.0, 0.2])
    prior = {
        "s2": dist.InverseGamma(3.0, 1.0),
        "w": lambda s2: dist.Normal(0.0, jnp.sqrt(s2)).expand([4]).to_event(1),
        "u": dist.LogNormal(0.0, 3.0),
    }
    model = bs.Model(prior, lambda s2, w: dist.Normal(w, jnp.sqrt(s2)), observed=y)
    fit = bs.fit_grid(model)
    assert "given s2" in fit.message
    assert fit.mean["u"] == pytest.approx(np.exp(4.5), rel=1e-6)
    assert fit.sd["u"] == pytest.approx(fit.draws["u"].std())
    assert fit.marginals["u"].quantile(0.5) == pytest.approx(1.0, rel=1e-3)


@pytest.mark.slow
def test_where_there_is_no_density_draws_are_not_taken():
    prior = {"rho": dist.Normal(0, 1), "w": dist.Normal(0, 1).expand([6]).to_event(1)}

    def likelihood(rho, w):
        return dist.MultivariateNormal(w[:2], jnp.array([[1.0, rho], [rho, 1.0]]))

    y = np.array([0.3, -0.2])
    fit = bs.fit_grid(bs.Model(prior, likelihood, observed=y))
    rho = np.linspace(-1, 1, 4001)
    heights = [stats.multivariate_normal(np.zeros(2), [[2, r], [r, 2]]).pdf(y) for r in rho] * stats.norm.pdf(rho)
    truth = np.log(np.trapezoid(heights, rho))
    assert fit.skipped or (np.abs(fit.draws["rho"]) <= 1).all()
    assert not fit.evidence.trusted or abs(fit.log_integral - truth) <= fit.error + 1e-6

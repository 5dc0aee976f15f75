"""What a grid declines, what it says, and what breaks sums."""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import problems
import pytest
from scipy import stats

import bayes_sandbox as bs

# --- limits, and what is said about them ---


@pytest.fixture(scope="module")
def twelve() -> bs.Model:
    return bs.Model(
        {"w": dist.Normal(0.3, 1.0).expand([12])}, lambda w: dist.Normal(w, 1.0), observed=np.linspace(-1.0, 2.0, 12)
    )


def test_twelve_dimensions_are_declined_with_the_number_of_nodes(twelve):
    fit = bs.fit_grid(twelve)
    assert fit.skipped
    assert f"{9.0**12:.1e} nodes" in fit.skipped
    assert "bridge" in fit.skipped
    assert not fit.converged
    assert not fit.evidence.trusted
    assert fit.evidence.warnings == (fit.skipped,)
    assert np.isnan(fit.evidence.log_evidence)
    assert np.isnan(fit.mean["w"]).all()
    assert fit.mean["w"].shape == (12,)


def test_an_improper_prior_has_a_posterior_and_no_evidence():
    fit, problem = problems.grid_of("flat prior"), problems.BY_NAME["flat prior"]
    assert fit.converged
    np.testing.assert_allclose(fit.mean["mu"], problem.mean["mu"], rtol=1e-9)
    np.testing.assert_allclose(fit.sd["mu"], problem.sd["mu"], rtol=1e-7)
    assert np.isnan(fit.evidence.log_evidence)
    assert not fit.evidence.trusted
    assert "'mu'" in fit.evidence.warnings[0]


def test_a_flat_prior_with_nothing_to_hold_it_has_no_posterior():
    """Data that say nothing about b leave ∫ p(D|θ) db infinite: there must be no settled number."""
    flat = dist.ImproperUniform(dist.constraints.real, (), ())
    model = bs.Model({"a": dist.Normal(0.0, 1.0), "b": flat}, lambda a, b: dist.Normal(a + 0.0 * b, 1.0), observed=2.0)
    fit = bs.fit_grid(model, max_evaluations=2e6)
    assert not fit.converged


@pytest.mark.slow
def test_edge_mass_is_what_lies_on_the_outermost_nodes():
    for name in ("coin", "regression", "cauchy prior"):
        assert 0 <= problems.grid_of(name).edge_mass < 1e-8
    with_few = bs.fit_grid(
        problems.model_of("four weights"), rule="gauss-hermite", laplace=problems.laplace_of("four weights")
    )
    assert with_few.edge_mass > problems.grid_of("coin").edge_mass


def test_tolerance_buys_nodes():
    model, laplace = problems.model_of("noisy line"), problems.laplace_of("noisy line")
    loose, tight = (bs.fit_grid(model, tolerance=t, laplace=laplace) for t in (1e-2, 1e-9))
    assert loose.num_nodes < tight.num_nodes
    assert loose.error < 1e-2
    assert tight.error < 1e-9
    truth = problems.BY_NAME["noisy line"].log_evidence
    for fit in (loose, tight):
        assert abs(fit.log_integral - truth) <= fit.error


def test_max_evaluations_is_a_limit():
    model, laplace = problems.model_of("regression"), problems.laplace_of("regression")
    fit = bs.fit_grid(model, max_evaluations=5e3, tolerance=1e-12, laplace=laplace)
    assert fit.num_nodes <= 5e3
    if not fit.skipped:
        assert not fit.converged
    declined = bs.fit_grid(model, max_evaluations=100.0, laplace=laplace)
    assert declined.skipped
    assert f"{9.0**3:.1e} nodes" in declined.skipped


def test_a_budget_of_no_seconds_declines(twelve):
    fit = bs.fit_grid(problems.model_of("regression"), budget=1e-9, laplace=problems.laplace_of("regression"))
    assert fit.skipped
    assert "fit the budget" in fit.skipped


@pytest.mark.parametrize(
    "options", [{"rule": "simpson"}, {"tolerance": 0.0}, {"tolerance": np.nan}, {"max_evaluations": -1}, {"budget": 0}]
)
def test_wrong_options_are_refused(options):
    with pytest.raises(ValueError, match="must be"):
        bs.fit_grid(problems.model_of("coin"), **options)


def test_the_same_seed_gives_the_same_fit():
    model, laplace = problems.model_of("coin"), problems.laplace_of("coin")
    one, two = (bs.fit_grid(model, seed=4, laplace=laplace) for _ in range(2))
    assert one.log_integral == two.log_integral
    np.testing.assert_array_equal(one.draws["p"], two.draws["p"])
    other = bs.fit_grid(model, seed=5, laplace=laplace)
    assert (other.draws["p"] != one.draws["p"]).any()


# --- what breaks sums ---


def honest_or_not_trusted(model: bs.Model, truth: float, **options) -> bs.GridFit:
    fit = bs.fit_grid(model, **options)
    if fit.evidence.trusted:
        assert abs(fit.evidence.log_evidence - truth) <= fit.evidence.error, fit.message
    else:
        assert fit.evidence.warnings
    return fit


def test_a_step_of_the_likelihood():
    """Half of the prior is impossible and the cut is at no special place: log(1 − 0.377)."""

    def program():
        x = numpyro.sample("x", dist.Uniform(0.0, 1.0))
        numpyro.factor("step", jnp.where(x > 0.377, 0.0, -jnp.inf))

    honest_or_not_trusted(bs.Model.from_numpyro(program), np.log(1 - 0.377))


@pytest.mark.slow
def test_a_step_between_two_finite_levels():
    def program():
        x = numpyro.sample("x", dist.Normal(0.0, 1.0))
        numpyro.factor("step", jnp.where(x > 0.377, 0.0, -2.0))

    above = stats.norm.sf(0.377)
    honest_or_not_trusted(bs.Model.from_numpyro(program), np.log(above + np.exp(-2.0) * (1 - above)))


@pytest.mark.slow
def test_a_disc_in_two_dimensions():
    def program():
        x = numpyro.sample("x", dist.Uniform(-1.0, 1.0).expand([2]))
        numpyro.factor("disc", jnp.where((x**2).sum() < 0.7, 0.0, -jnp.inf))

    honest_or_not_trusted(bs.Model.from_numpyro(program), np.log(np.pi * 0.7 / 4))


def spikes(places, widths, d=1):
    """A uniform prior on (−10, 10)ᵈ and as many Gaussian spikes of mass 1 each, before the prior."""

    def program():
        x = numpyro.sample("x", dist.Uniform(-10.0, 10.0).expand([d]))
        parts = [dist.Normal(p, w).log_prob(x).sum() for p, w in zip(places, widths)]
        numpyro.factor("spikes", jnp.logaddexp(*parts) if len(parts) == 2 else parts[0])

    return bs.Model.from_numpyro(program), np.log(len(places)) - d * np.log(20.0)


@pytest.mark.parametrize("width", [1e-2, pytest.param(1e-4, marks=pytest.mark.slow)])
def test_two_narrow_modes_far_apart(width):
    model, truth = spikes([-6.3, 7.1], [width, width])
    honest_or_not_trusted(model, truth)


def test_a_narrow_spike_on_a_broad_hill():
    """Half of the mass sits in a spike a thousandth as wide as the hill it stands on."""
    model, truth = spikes([2.1, 1.7], [1.0, 1e-3])
    honest_or_not_trusted(model, truth)


@pytest.mark.slow
def test_two_narrow_modes_on_a_diagonal():
    model, truth = spikes([-6.3, 7.1], [0.05, 0.02], d=2)
    honest_or_not_trusted(model, truth)


@pytest.mark.slow
@pytest.mark.parametrize("slope", [0.5, 2.0, 10.0])
def test_sheared_exponential_tails(slope):
    """Errors of a grid along a diagonal are not seen by a grid shifted along that diagonal."""
    model = bs.Model(
        {"a": dist.Gamma(1.3, 1.0), "b": lambda a: dist.Uniform(0.0, 1.0 + slope * a)},
        lambda b: dist.Bernoulli(probs=jnp.exp(-b)),
        observed=1,
    )
    t = np.linspace(-40, 9, 40001)  # by hand over b, by a trapezoid over log a
    a, f = np.exp(t), 1 + slope * np.exp(t)
    truth = np.log(np.trapezoid(stats.gamma(1.3).pdf(a) * -np.expm1(-f) / f * a, t))
    honest_or_not_trusted(model, truth)


@pytest.mark.slow
@pytest.mark.parametrize("spread", [1.0, 2.0, 4.0])
def test_funnels(spread):
    """v ~ N(−1, spread), x ~ N(0, e^v/2), y ~ N(x, ½): the neck is where no node falls."""
    model = bs.Model(
        {"v": dist.Normal(-1.0, spread), "x": lambda v: dist.Normal(0.0, jnp.exp(v / 2))},
        lambda x: dist.Normal(x, 0.5),
        observed=1.2,
    )
    v = np.linspace(-60, 60, 600_001)
    truth = np.log(
        np.trapezoid(stats.norm.pdf(v, -1, spread) * stats.norm.pdf(1.2, 0, np.hypot(np.exp(v / 2), 0.5)), v)
    )
    honest_or_not_trusted(model, truth)


@pytest.mark.slow
@pytest.mark.parametrize("noise", [1e-1, 1e-2, 1e-3])
def test_a_curved_ridge(noise):
    """Data that know only a²+b: a valley as thin as the noise, bent."""
    model = bs.Model(
        {"a": dist.Normal(0.5, 1.0), "b": dist.Normal(-0.3, 1.0)},
        lambda a, b: dist.Normal(a**2 + b, noise),
        observed=1.1,
    )
    a = np.linspace(-12, 13, 400_001)
    truth = np.log(np.trapezoid(stats.norm.pdf(a, 0.5, 1) * stats.norm.pdf(1.1, a**2 - 0.3, np.hypot(1, noise)), a))
    honest_or_not_trusted(model, truth)


@pytest.mark.parametrize("family", ["rates", "shares"])
def test_a_ladder_of_small_steps_covers_what_it_leaves_open(family):
    """In six dimensions rungs are two nodes apart and gain unevenly: their last difference says too little."""
    from bayes_sandbox.studies.families import FAMILIES

    problem = FAMILIES[family](6)
    fit = bs.fit_grid(problem.make())
    assert abs(fit.log_integral - problem.log_evidence) <= fit.error

"""What does the posterior look like? NUTS against closed forms, and runs somebody already has."""

import arviz_base
import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import problems
import pytest
import xarray as xr
from numpyro.infer import MCMC, NUTS

import bayes_sandbox as bs
from bayes_sandbox.coordinates import coordinates_of
from bayes_sandbox.diagnostics import nested_r_hat
from bayes_sandbox.draws import adopt_draws
from bayes_sandbox.errors import EvidenceError

SHORT = {"num_warmup": 300, "num_samples": 1000, "num_chains": 4}
STATS = {
    "diverging",
    "energy",
    "acceptance_rate",
    "step_size",
    "n_steps",
    "tree_depth",
    "reached_max_treedepth",
    "lp",
}


@pytest.fixture(scope="module")
def line() -> bs.NUTSFit:
    return bs.fit_nuts(problems.model_of("noisy line"), laplace=problems.laplace_of("noisy line"), **SHORT)


def assert_moments(fit: bs.NUTSFit, problem: problems.Problem) -> None:
    """Means and standard deviations within four Monte Carlo standard errors of the truth."""
    assert max(fit.diagnostics.r_hat.values()) < 1.02
    labels = list(fit.diagnostics.mcse_mean)
    mcse_mean = np.array([fit.diagnostics.mcse_mean[n] for n in labels])
    mcse_sd = np.array([fit.diagnostics.mcse_sd[n] for n in labels])
    np.testing.assert_array_less(np.abs(problems.flat(fit.mean) - problems.flat(problem.mean)), 4 * mcse_mean)
    np.testing.assert_array_less(np.abs(problems.flat(fit.sd) - problems.flat(problem.sd)), 4 * mcse_sd)


def test_moments_are_the_posteriors(line):
    assert_moments(line, problems.BY_NAME["noisy line"])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["coin", "nine of nine", "regression", "ridge", "dice", "waits", "tiny units"])
def test_moments_of_more_posteriors(name):
    fit = bs.fit_nuts(problems.model_of(name), laplace=problems.laplace_of(name), **SHORT)
    assert_moments(fit, problems.BY_NAME[name])


def test_the_record(line):
    model = problems.model_of("noisy line")
    assert set(line.sample_stats) == STATS
    assert all(v.shape == (4, 1000) for v in line.sample_stats.values())
    assert {k: v.shape for k, v in line.draws.items()} == {"variance": (4, 1000), "w": (4, 1000, 2)}
    assert line.positions.shape == (4, 1000, 3)
    assert line.sample_stats["diverging"].dtype == bool
    assert line.sample_stats["reached_max_treedepth"].dtype == bool
    np.testing.assert_array_equal(line.sample_stats["reached_max_treedepth"], line.sample_stats["tree_depth"] >= 10)
    assert (2 ** line.sample_stats["tree_depth"] > line.sample_stats["n_steps"]).all()
    coords = coordinates_of(model)
    np.testing.assert_allclose(line.sample_stats["lp"], coords.log_density_many(line.positions), rtol=1e-12)
    np.testing.assert_allclose(coords.constrain_many(line.positions)["w"], line.draws["w"], rtol=1e-12)
    assert set(line.diagnostics.r_hat) == set(model.parameters)
    assert line.diagnostics.num_divergent == line.sample_stats["diverging"].sum()
    assert line.num_evaluations >= line.sample_stats["n_steps"].sum()


def test_a_smooth_hump_is_whitened(line):
    assert line.whitened
    assert "whitened by the Laplace fit" in line.message
    assert line.sample_stats["n_steps"].mean() < 10


def test_the_datatree_speaks_arviz(line):
    tree = line.to_datatree()
    assert {"posterior", "unconstrained_posterior", "sample_stats"} <= set(tree.children)
    assert tree["posterior"].dataset["w"].dims[:2] == ("chain", "draw")
    assert "reached_max_treedepth" in tree["sample_stats"].dataset


def test_the_same_seed_gives_the_same_draws():
    options = {"num_warmup": 50, "num_samples": 30, "num_chains": 2, "laplace": problems.laplace_of("coin")}
    one = bs.fit_nuts(problems.model_of("coin"), seed=7, **options)
    two = bs.fit_nuts(problems.model_of("coin"), seed=jax.random.key(7), **options)
    np.testing.assert_array_equal(one.draws["p"], two.draws["p"])
    assert (one.draws["p"][0] != one.draws["p"][1]).any()


def test_two_modes_are_not_whitened_and_one_chain_will_do():
    fit = bs.fit_nuts(
        problems.model_of("bimodal"),
        laplace=problems.laplace_of("bimodal"),
        num_warmup=100,
        num_samples=50,
        num_chains=1,
    )
    assert not fit.whitened
    assert "2 modes" in fit.message
    assert fit.draws["mu"].shape == (1, 50)


@pytest.mark.slow
def test_a_funnel_is_not_whitened():
    fit = bs.fit_nuts(
        problems.model_of("funnel"), laplace=problems.laplace_of("funnel"), num_warmup=100, num_samples=100
    )
    assert not fit.whitened
    assert fit.message.startswith("plain NUTS")


def test_nowhere_finite_is_a_sampling_error():
    def impossible(y):
        mu = numpyro.sample("mu", dist.Normal(0.0, 1.0))
        numpyro.factor("never", jnp.where(mu > 1e9, 0.0, -jnp.inf))
        numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)

    with pytest.raises(bs.SamplingError, match="cannot start"):
        bs.fit_nuts(bs.Model.from_numpyro(impossible, 0.3))


@pytest.mark.parametrize("name", ["num_warmup", "num_samples", "num_chains"])
def test_numbers_must_be_positive(name):
    with pytest.raises(ValueError, match=f"{name} must be an integer of at least 1"):
        bs.fit_nuts(problems.model_of("coin"), **{name: 0})


# --- draws somebody already has ---


def program(x, y):
    slope = numpyro.sample("slope", dist.Normal(1.0, 2.0))
    noise = numpyro.sample("noise", dist.HalfNormal(1.5))
    numpyro.sample("y", dist.Normal(slope * x, noise), obs=y)


X, Y = np.array([0.5, 1.5, 2.0, 4.0]), np.array([1.0, 2.2, 2.9, 6.1])


@pytest.fixture(scope="module")
def model() -> bs.Model:
    return bs.Model.from_numpyro(program, X, Y)


@pytest.fixture(scope="module")
def mcmc() -> MCMC:
    """An ordinary run, as its author would write it."""
    run = MCMC(
        NUTS(program), num_warmup=200, num_samples=250, num_chains=2, chain_method="vectorized", progress_bar=False
    )
    run.run(jax.random.key(1), X, Y, extra_fields=("energy",))
    return run


def test_an_mcmc_is_taken_as_it_stands(model, mcmc):
    fit = adopt_draws(model, mcmc)
    np.testing.assert_array_equal(fit.draws["slope"], mcmc.get_samples(group_by_chain=True)["slope"])
    np.testing.assert_allclose(np.exp(fit.positions[..., 1]), fit.draws["noise"], rtol=1e-12)
    assert fit.num_evaluations == 0
    assert {"diverging", "energy", "lp"} <= set(fit.sample_stats)
    assert "of 250" in fit.message
    heights = jax.vmap(jax.vmap(model.log_joint))(fit.draws) + fit.positions[..., 1]
    np.testing.assert_allclose(fit.sample_stats["lp"], heights, rtol=1e-10)


def test_a_datatree_a_dict_and_an_mcmc_are_the_same(model, mcmc):
    samples = {k: np.asarray(v) for k, v in mcmc.get_samples(group_by_chain=True).items()}
    tree = arviz_base.from_dict({"posterior": samples, "sample_stats": {"diverging": np.zeros((2, 250), bool)}})
    for given in (mcmc, tree, samples, arviz_base.from_numpyro(mcmc)):
        np.testing.assert_array_equal(adopt_draws(model, given).positions, adopt_draws(model, mcmc).positions)


def test_dims_in_any_order_and_further_variables_are_fine(model, mcmc):
    samples = {k: np.asarray(v) for k, v in mcmc.get_samples(group_by_chain=True).items()}
    turned = xr.Dataset({k: (("draw", "chain"), v.T) for k, v in {**samples, "extra": samples["slope"]}.items()})
    tree = xr.DataTree.from_dict({"posterior": turned})
    np.testing.assert_array_equal(adopt_draws(model, tree).draws["noise"], samples["noise"])


def test_a_fit_of_ours_is_passed_on(model, mcmc):
    fit = adopt_draws(model, mcmc)
    assert adopt_draws(model, fit) is fit


def draws(shape=(2, 250)):
    rng = np.random.default_rng(0)
    return {"slope": rng.normal(1.5, 0.1, shape), "noise": rng.uniform(0.3, 0.6, shape)}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({k: v[0] for k, v in draws().items()}, "the chain dimension is missing"),
        ({"slope": draws()["slope"]}, "lack the parameter 'noise'"),
        ({"slope": draws()["slope"], "nois": draws()["noise"]}, "did you mean 'nois'"),
        ({**draws(), "noise": -draws()["noise"]}, "has no density"),
        ({**draws(), "noise": draws()["noise"] * np.nan}, "not all finite"),
        ({**draws(), "noise": draws((2, 200))["noise"]}, "others are"),
        (draws((2, 250, 3)), "expected"),
        (draws((4, 5)), "too few draws"),
        ([1, 2, 3], "must be a NumPyro MCMC"),
        (xr.DataTree.from_dict({"prior": xr.Dataset()}), "no 'posterior' group"),
    ],
)
def test_draws_that_do_not_fit_are_refused_with_a_sentence(model, given, sentence):
    with pytest.raises(EvidenceError, match=sentence):
        adopt_draws(model, given)


def test_an_mcmc_that_has_not_run_is_refused(model):
    with pytest.raises(EvidenceError, match=r"call mcmc\.run"):
        adopt_draws(model, MCMC(NUTS(program), num_warmup=1, num_samples=1, progress_bar=False))


def test_draws_of_another_fit_of_ours_are_looked_at_too(line, model):
    """A NUTSFit of another model has other parameters: it must not be taken on its word."""
    with pytest.raises(EvidenceError, match="lack the parameter 'slope'"):
        adopt_draws(model, line)


# --- many short chains ---


def test_left_alone_it_runs_many_chains_from_few_starts():
    fit = bs.fit_nuts(problems.model_of("coin"), laplace=problems.laplace_of("coin"))
    assert fit.positions.shape == (16, 1000, 1)
    assert (fit.num_warmup, fit.num_starts) == (300, 4)
    assert_moments(fit, problems.BY_NAME["coin"])
    # The step size and the mass matrix are those of all chains together.
    assert len(np.unique(fit.sample_stats["step_size"])) == 1


def test_many_data_have_few_chains():
    model = bs.Model({"mu": dist.Normal(0, 1)}, lambda mu: dist.Normal(mu, 1), observed=np.zeros(20_000))
    fit = bs.fit_nuts(model, num_samples=50, num_warmup=50)
    assert fit.positions.shape == (4, 50, 1)
    assert fit.num_starts == 4


def test_a_second_run_compiles_nothing():
    from bayes_sandbox.sampling.chains import _go_on

    model = problems.model_of("noisy line")
    sizes = []
    for seed in range(2):
        bs.fit_nuts(model, seed=seed, num_samples=60, num_warmup=70, num_chains=8)
        sizes.append(_go_on._cache_size())
    assert sizes[0] == sizes[1]


def test_the_nested_r_hat_sees_starts_that_disagree():
    """Chains that share a start and agree among themselves, but not with those of another."""
    rng = np.random.default_rng(0)
    steady = rng.normal(size=(16, 80, 3))
    apart = steady + np.array([0.0, 1.0, 3.0]) * (np.arange(16) // 4 == 2).reshape(-1, 1, 1)
    assert (nested_r_hat(steady, 4) < 1.02).all()
    found = nested_r_hat(apart, 4)
    assert found[0] < 1.02 < 1.05 < found[1] < found[2]
    # So does a drift that all chains have in common, and a spread that differs.
    assert (nested_r_hat(steady + np.linspace(0, 3, 80)[:, None], 4) > 1.2).all()
    assert (nested_r_hat(steady * (1 + 4 * (np.arange(16) // 4 == 1)).reshape(-1, 1, 1), 4) > 1.1).all()


def test_a_nested_r_hat_of_one_chain_for_each_start_is_the_usual_one():
    from arviz_stats.base import array_stats

    draws = np.random.default_rng(1).normal(size=(6, 500, 2)) + np.linspace(0, 0.4, 6).reshape(-1, 1, 1)
    usual = array_stats.rhat(draws, chain_axis=0, draw_axis=1)
    np.testing.assert_allclose(nested_r_hat(draws, 6), usual, rtol=2e-3)


def test_plain_chains_learn_the_scale_of_each_coordinate():
    """A kink at the mode: no Gaussian fits, and nothing is known of scales that differ by ten thousand."""
    scale = np.array([1e-2, 1.0, 1e2])
    prior = {"x": dist.Laplace(0.0, scale).to_event(1)}
    fit = bs.fit_nuts(bs.Model(prior, lambda x: dist.Normal(x[1], 0.3), observed=0.1), seed=1)
    assert not fit.whitened
    assert fit.sample_stats["n_steps"].mean() < 16
    assert fit.diagnostics.passed, fit.diagnostics.complaints
    np.testing.assert_allclose(fit.sd["x"][[0, 2]], np.sqrt(2) * scale[[0, 2]], rtol=0.1)

"""The hard half of the table: what it covers, and each evidence by a second route through the model's own density."""

import jax
import numpy as np
import problems
import pytest
from problems import HARD
from scipy import integrate, special, stats
from test_problems import as_params

from bayes_sandbox.problems.curved import shell_moment
from bayes_sandbox.problems.mixtures import Allocations
from bayes_sandbox.problems.routes import Known, Product, panels, rotation

SHAPES = {"smooth", "gaussian", "skewed", "correlated", "bounded"}
TROUBLES = {
    *("modes", "unequal", "mirrored", "narrow", "ridge", "shell"),
    *("banana", "funnel", "plateau", "step", "void", "edge"),
    *("corner", "heavy-tailed", "labels", "pole", "kink"),
}
QUICK = {p.name for p in HARD[::4]}  # families stand side by side: most have a member here
# A prior draw that meets the posterior is rare, or there is none: the prior's mean likelihood says nothing.
OUT_OF_REACH = (
    *("eggbox", "two spikes", "needle", "two turned", "three of unequal", "spike on a hump", "mirrors 3d"),
    *("mirrors 4d", "four modes", "2 sums", "3 sums", "two shells 5d", "banana 2d", "banana 3d", "banana 4d"),
    *("banana 5d", "funnel 5d", "curved ridge", "product ridge", "step 5d", "void half-space 4d", "steep slope 4d"),
    *("corner of a simplex", "rates 5d", "sheared cauchy 4d", "student prior", "laplace noise 5d", "pyramid"),
)
PADDED, PRIOR_DRAWS, ROUTE_DRAWS = 1024, 200_000, 60_000


def density_of(model):
    """Return flat rows of the user's parameters → log p(D, θ), compiled for one size of block."""
    heights = jax.jit(jax.vmap(model.log_joint))

    def density(rows):
        padded = np.resize(rows, (-(-len(rows) // PADDED) * PADDED, rows.shape[1]))
        blocks = padded.reshape(-1, PADDED, rows.shape[1])
        return np.concatenate([heights(as_params(None, model, block)) for block in blocks])[: len(rows)]

    return density


def named(problems_, is_quick):
    return [pytest.param(p, id=p.name, marks=() if is_quick(p) else pytest.mark.slow) for p in problems_]


# --- what the table covers ---


def test_every_trouble_comes_in_three_dimensions():
    assert len(HARD) >= 44
    assert set().union(*(p.tags for p in HARD)) == SHAPES | TROUBLES
    for tag in TROUBLES:
        having = {p.dimension for p in HARD if tag in p.tags}
        assert len(having) >= 3, tag
    sizes = [sum(p.dimension == d for p in HARD) for d in (1, 2, 3, 4, 5)]
    assert min(sizes[1:]) >= 7
    assert sizes[0] > 0


def test_names_are_used_once_in_the_whole_table():
    assert len(problems.TABLE + problems.MANY) == len(problems.BY_NAME)
    assert problems.TABLE == problems.ALL + HARD + problems.LIMITS + problems.INFINITE


def test_truths_are_finite_and_no_posterior_is_centred_on_zero():
    for p in HARD:
        assert np.isfinite(p.log_evidence), p.name
        assert p.mean.keys() == p.sd.keys()
        if p.mean:
            mean, sd = problems.flat(p.mean), problems.flat(p.sd)
            assert np.all(np.isfinite(mean)), p.name
            assert np.all(sd > 0), p.name
            assert np.all(np.abs(mean) > 1e-3 * sd), p.name


# --- each evidence again ---


@pytest.mark.parametrize("problem", named(HARD, lambda p: p.name in QUICK))
def test_the_models_own_density_has_this_evidence(problem):
    model = problems.model_of(problem.name)
    assert model.dimension == problem.dimension
    log_z, mean, sd = problem.route.find(density_of(model))
    np.testing.assert_allclose(log_z, problem.log_evidence, rtol=0, atol=1e-9)
    if problem.mean:
        truth_mean, truth_sd = problems.flat(problem.mean), problems.flat(problem.sd)
        drawn = isinstance(problem.route, Known)  # moments from draws: 5 standard errors; tails widen those of an sd
        assert np.max(np.abs(mean - truth_mean) / truth_sd) < (5 / np.sqrt(ROUTE_DRAWS) if drawn else 1e-8)
        assert np.max(np.abs(sd / truth_sd - 1)) < (0.03 if drawn else 1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("problem", named([p for p in HARD if not p.name.startswith(OUT_OF_REACH)], lambda p: True))
def test_the_mean_likelihood_over_the_prior_is_the_evidence(problem):
    """Crude, and blind to whatever table and route might have in common."""
    model = problems.model_of(problem.name)
    draws = model.sample_prior(7, PRIOR_DRAWS)
    total = jax.jit(jax.vmap(lambda p: sum(v.sum() for v in model.log_likelihood(p).values())))
    weight = np.exp(total(draws) - problem.log_evidence)
    error = weight.std() / np.sqrt(PRIOR_DRAWS)
    assert error < 0.05
    assert abs(weight.mean() - 1) < 5 * error


# --- by hand ---


def test_folklore():
    truth = problems.BY_NAME["eggbox"].log_evidence
    assert truth == pytest.approx(235.855940, abs=5e-7)  # the egg box of dynesty's tests
    for d in (2, 3, 4, 5):
        assert problems.BY_NAME[f"two spikes {d}d"].log_evidence == pytest.approx(-d * np.log(6), rel=1e-14)


def test_voids_are_voids():
    """Where the likelihood is zero its logarithm is −∞, not NaN and not large."""
    for p in HARD:
        if "void" in p.tags:
            model = problems.model_of(p.name)
            rng = np.random.default_rng(3)
            heights = density_of(model)(rng.normal(problems.flat(p.mean), 3.0, (PADDED, p.dimension)))
            assert np.isneginf(heights).any(), p.name
            assert np.isfinite(heights).any(), p.name
            assert not np.isnan(heights).any(), p.name


def test_a_sharp_shell_is_a_sphere():
    """Its area times its thickness, to second order in the thickness."""
    r, w = 1.7, 1e-5
    for k in (1, 2, 3, 4):
        np.testing.assert_allclose(shell_moment(k, r, w), r**k * w * np.sqrt(2 * np.pi), rtol=1e-8)
        by_quad = integrate.quad(lambda t, k=k: t**k * np.exp(-((t - 0.9) ** 2) / 0.32), 0, 5, epsabs=1e-13)[0]
        np.testing.assert_allclose(shell_moment(k, 0.9, 0.4), by_quad, rtol=1e-11)


def test_every_allocation_is_there_once():
    cells = Allocations(np.array([1.5, 2.5, 4.0, 7.0]), 3, 2.0)
    assert len(np.unique(cells.members.reshape(81, -1), axis=0)) == 81
    np.testing.assert_array_equal(cells.n.sum(axis=1), 4)
    np.testing.assert_allclose(cells.sums.sum(axis=1), 7.0)
    np.testing.assert_allclose(cells.squares.sum(axis=1), 0.25 + 0.25 + 4 + 25)


# --- the routes would notice ---


def test_routes_recover_a_normal_and_object_to_another():
    """A turned normal, by two routes; neither a posterior of the wrong width nor a product that is none passes."""
    r, sds, level = rotation(2, 1), np.array([0.3, 1.7]), -2.5
    loc = np.array([0.4, -1.1])
    after = stats.multivariate_normal(loc, (r * sds**2) @ r.T)

    def density(rows):
        return np.atleast_1d(after.logpdf(rows)) + level

    def known(width):
        guess = stats.multivariate_normal(loc, (r * (width * sds) ** 2) @ r.T)
        draw = lambda rng, n: guess.rvs(n, rng)  # noqa: E731
        return Known(guess.logpdf, draw, draw)

    cuts = [np.linspace(-12, 12, 17)] * 2
    for route in (known(1.0), Product(loc, r, cuts), Product(loc, np.eye(2), cuts, block=2, nodes=40)):
        assert route.find(density)[0] == pytest.approx(level, abs=1e-10)
    for route in (known(1.001), Product(loc, np.eye(2), cuts)):
        with pytest.raises(AssertionError):
            route.find(density)


def test_panels_are_exact_for_polynomials():
    nodes, log_w = panels([-1.0, 0.3, 2.0], 8)
    np.testing.assert_allclose(special.logsumexp(log_w, b=nodes**14), np.log((2.0**15 + 1) / 15), rtol=1e-13)

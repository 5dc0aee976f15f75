"""Sums along a ridge: the direction that straightens it, the slices across it, and the branch it does not know of."""

from dataclasses import replace

import numpy as np
import problems
import pytest
from scipy import stats

import bayes_sandbox as bs
from bayes_sandbox.coordinates import coordinates_of
from bayes_sandbox.optimization.surface import Framed, Surface
from bayes_sandbox.problems.routes import rotation
from bayes_sandbox.quadrature.integral import Tolerance
from bayes_sandbox.quadrature.ridge import Ridge
from bayes_sandbox.quadrature.sheet import sum_over
from bayes_sandbox.quadrature.slices import Start
from bayes_sandbox.quadrature.tube import sum_along

FINE = Tolerance(1e-8, 1e-6)


def highest(name):
    return max(problems.laplace_of(name).humps, key=lambda h: h.log_density)


def framed(name):
    hump = highest(name)
    return Framed(Surface(coordinates_of(problems.model_of(name)).log_density), hump.position, hump.scale)


def start(name):
    return Start(coordinates_of(problems.model_of(name)), [highest(name)])


@pytest.fixture(scope="module")
def tube():
    """A curved ridge in three dimensions, 1e-3 thick."""
    return sum_along(start("curved ridge 3d"), FINE, 1e6, 0.0)


def test_a_framed_surface_follows_the_chain_rule():
    surface, hump = framed("regression"), highest("regression")
    plain = Surface(coordinates_of(problems.model_of("regression")).log_density)
    z = np.array([0.3, -1.2, 0.7])
    x = hump.position + hump.scale @ z
    np.testing.assert_allclose(surface.value(z), plain.value(x))
    np.testing.assert_allclose(surface.gradient(z), hump.scale.T @ plain.gradient(x), rtol=1e-12)
    np.testing.assert_allclose(surface.hessian(z), np.eye(3), atol=1e-6)  # Gaussian: whitened everywhere
    np.testing.assert_allclose(surface.values(z[None])[0], surface.value(z))


def test_a_slice_of_a_gaussian_is_its_conditional():
    surface = framed("regression")
    ridge = Ridge(surface, np.array([1.0, 2.0, -0.5]))
    found = ridge.slice_at(0.8 * ridge.along[:, 0] + ridge.across @ [3.0, -1.0])
    assert found is not None
    np.testing.assert_allclose(found.s, 0.8)
    np.testing.assert_allclose(found.mode, 0.8 * ridge.along[:, 0], atol=1e-6)
    np.testing.assert_allclose(found.factor @ found.factor.T, np.eye(2), atol=1e-6)


def test_the_direction_that_bends_the_ridge_is_found_to_many_digits():
    hump = highest("curved ridge 3d")
    truth = hump.scale.T @ rotation(3, 93)[:, 0]
    found = start("curved ridge 3d").along(1)[0].columns[:, 0]
    assert abs(found @ truth) / np.linalg.norm(truth) > 1 - 1e-12


def test_the_tube_draws_from_its_own_density(tube):
    """Importance weights against another density average to its mass, one."""
    rng = np.random.default_rng(2)
    along = tube.proposal
    z = along.sample(rng, 40_000)
    s = z @ along.ridge.along[:, 0]
    target = stats.norm(along.centre.x.mean(), 1.0)
    across = stats.multivariate_normal(np.zeros(2), np.eye(2))
    off = (z - along.centre(s)) @ along.ridge.across
    factor = along.factor(s)
    zeta = np.linalg.solve(factor, off[..., None])[..., 0]
    log_p = target.logpdf(s) + across.logpdf(zeta) - np.log(np.linalg.det(factor))
    weight = np.exp(log_p - along.log_density(z))
    assert abs(weight.mean() - 1) < 5 * weight.std() / np.sqrt(len(z)) < 0.1


def test_a_ridge_that_another_mode_is_not_on_is_left_alone():
    name = "product ridge 2d"
    humps = problems.laplace_of(name).humps
    assert len(humps) > 1
    assert sum_along(Start(coordinates_of(problems.model_of(name)), humps), FINE, 1e6, 0.0) is None


@pytest.mark.parametrize("name", ["funnel", "curved ridge 2d", "curved ridge 5d"])
def test_ridges_that_neither_grids_nor_cells_can_follow(name):
    fit, problem = problems.grid_of(name), problems.BY_NAME[name]
    assert ("exactly a normal given v" in fit.message) if name == "funnel" else ("slices along a ridge" in fit.rule)
    assert fit.converged, fit.message
    assert abs(fit.log_integral - problem.log_evidence) <= fit.error < 1e-5
    means, sds = problems.flat(problem.mean), problems.flat(problem.sd)
    drawn = np.concatenate([v.reshape(4000, -1) for v in fit.draws.values()], axis=1)
    assert (np.abs(drawn.mean(axis=0) - means) < 5 * sds / np.sqrt(fit.draws_ess)).all()


@pytest.fixture(scope="module")
def sheet():
    """Two bananas in four dimensions, each bent by a direction of its own, one of them 0.03 thick."""
    return sum_over(start("banana 4d"), FINE, 1e6, 0.0)


def test_a_sheet_of_a_gaussian_is_its_marginal():
    """Slices in two directions of a whitened Gaussian: mass falls off as a normal does, modes lie in the plane."""
    surface, rng = framed("four weights"), np.random.default_rng(3)
    ridge = Ridge(surface, rng.normal(size=(4, 2)))
    middle = ridge.slice_at(np.zeros(4))
    s = np.array([0.9, -1.3])
    found = ridge.slice_at(ridge.ahead(middle, s))
    np.testing.assert_allclose(found.s, s, atol=1e-12)
    np.testing.assert_allclose(found.mode, ridge.along @ s, atol=1e-5)
    np.testing.assert_allclose(found.log_mass - middle.log_mass, -s @ s / 2, atol=1e-5)
    np.testing.assert_allclose(found.factor @ found.factor.T, np.eye(2), atol=1e-5)


@pytest.mark.parametrize(("kind", "name", "close"), [("tube", "curved ridge 3d", 1e-8), ("sheet", "banana 4d", 1e-6)])
def test_the_sum_is_right(kind, name, close, request):
    found, problem = request.getfixturevalue(kind), problems.BY_NAME[name]
    assert abs(found.log_value - problem.log_evidence) <= found.error < 1e-6
    means, sds = problems.flat(problem.mean), problems.flat(problem.sd)
    np.testing.assert_allclose((found.mean - means) / sds, 0.0, atol=close)
    np.testing.assert_allclose(found.sd, sds, rtol=close)


def test_the_sheet_draws_from_its_own_density(sheet):
    """Importance weights against the posterior average to its mass: draws and density are those of one proposal."""
    coords, rng = coordinates_of(problems.model_of("banana 4d")), np.random.default_rng(4)
    x = sheet.sample(rng, 40_000)
    weight = np.exp(coords.log_density_many(x) - sheet.log_density(x) - problems.BY_NAME["banana 4d"].log_evidence)
    assert abs(weight.mean() - 1) < 5 * weight.std() / np.sqrt(len(x)) < 0.1
    far = sheet.frame.centre + sheet.frame.scale @ np.full(4, 1e4)
    assert sheet.log_density(far[None])[0] == -np.inf


def test_a_sheet_narrower_than_the_lattice_is_no_sheet():
    """A Laplace frame far too wide: one node, and nothing around it to interpolate from."""
    wide = start("four weights")
    hump = wide.humps[0]
    assert sum_over(Start(wide.coords, [replace(hump, scale=300 * hump.scale)]), FINE, 1e6, 0.0) is None


def test_two_bananas_at_once():
    fit, problem = problems.grid_of("banana 4d"), problems.BY_NAME["banana 4d"]
    assert "slices over a sheet" in fit.rule
    assert fit.converged, fit.message
    assert abs(fit.log_integral - problem.log_evidence) <= fit.error < 1e-5


def test_a_branch_it_does_not_know_of_is_noticed():
    """a·b is known: one branch is followed to its ends and settles; prior draws reveal the other."""
    name = "product ridge 2d"
    alone = sum_along(start(name), FINE, 1e6, 0.0)
    assert alone.settled
    assert abs(alone.log_value - problems.BY_NAME[name].log_evidence) > 0.01
    fit = bs.fit_grid(problems.model_of(name), laplace=problems.laplace_of(name))
    assert "slices" not in fit.rule
    assert abs(fit.log_integral - problems.BY_NAME[name].log_evidence) <= fit.error


def test_no_contours_are_drawn_of_a_ridge_that_falls_between_points():
    """1e-3 thick on 81 × 81 points: the picture would be one of the points; curves from draws are called that."""
    thin, plain = problems.grid_of("curved ridge 2d"), problems.grid_of("ridge")
    assert thin.joint.density.size == 0
    assert "some curves are smoothed draws" in thin.message
    assert "smoothed draws" not in plain.message
    wide = problems.grid_of("two means 2d").joint
    mass = wide.density.sum() * np.diff(wide.x)[0] * np.diff(wide.y)[0]
    assert abs(mass - 1) < 0.02

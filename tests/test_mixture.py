"""Several smooth modes: Gauss–Hermite around each, and what happens where one of them was not known."""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import problems
import pytest

import bayes_sandbox as bs
from bayes_sandbox.coordinates import coordinates_of
from bayes_sandbox.optimization import laplace as laplace_file
from bayes_sandbox.problems.modes import UNSEEABLE
from bayes_sandbox.quadrature.frames import Share
from bayes_sandbox.quadrature.mixture import shares_of

SEVERAL = ("two spikes 4d", "two spikes 5d", "mirrors 3d", "three of unequal weight")


@pytest.mark.parametrize("name", SEVERAL)
def test_every_mode_is_summed_in_its_own_frame(name):
    fit, problem = problems.grid_of(name), problems.BY_NAME[name]
    assert "around each of" in fit.rule
    assert fit.converged, fit.message
    assert abs(fit.log_integral - problem.log_evidence) <= fit.error < 1e-6
    means, sds = problems.flat(problem.mean), problems.flat(problem.sd)
    np.testing.assert_allclose((problems.flat(fit.mean) - means) / sds, 0.0, atol=1e-6)
    np.testing.assert_allclose(problems.flat(fit.sd), sds, rtol=1e-6)
    drawn = np.concatenate([v.reshape(4000, -1) for v in fit.draws.values()], axis=1)
    assert (np.abs(drawn.mean(axis=0) - means) < 5 * sds / np.sqrt(fit.draws_ess)).all()


def test_two_spikes_keep_their_weights():
    """Sd 0.05 in a box of side 6, weights 0.2 and 0.8: the weight is the mean along the line between them."""
    fit, problem = problems.grid_of("two spikes 4d"), problems.BY_NAME["two spikes 4d"]
    centres = np.array([h.position for h in problems.laplace_of("two spikes 4d").humps])
    ends = coordinates_of(problems.model_of("two spikes 4d")).flat_many(centres)
    line = ends[0] - ends[1]
    share = (problems.flat(fit.mean) - ends[1]) @ line / (line @ line)
    assert abs(max(share, 1 - share) - 0.8) < 1e-3
    np.testing.assert_allclose(problems.flat(fit.mean), problems.flat(problem.mean), rtol=1e-6)


def test_shares_sum_to_one_everywhere():
    shares = shares_of(problems.laplace_of("two spikes 4d").humps)
    assert all(isinstance(s, Share) for s in shares)
    for x in np.random.default_rng(0).normal(0, 3, size=(20, 4)):
        np.testing.assert_allclose(sum(float(jnp.exp(s.log_at(x))) for s in shares), 1.0, rtol=1e-12)


def test_curves_of_several_modes_integrate_to_one():
    fit, problem = problems.grid_of("two spikes 4d"), problems.BY_NAME["two spikes 4d"]
    for (label, curve), mean, sd in zip(fit.marginals.items(), problems.flat(problem.mean), problems.flat(problem.sd)):
        assert abs(curve.mass - 1) < 1e-6, label
        assert abs(np.trapezoid(curve.x * curve.density, curve.x) - mean) < 1e-3 * sd, label
        np.testing.assert_allclose(curve.cdf[[0, -1]], [0, 1], atol=1e-6)


def test_a_mode_left_out_is_found_again_or_its_absence_noticed(monkeypatch):
    """Every climb but those to one spike: prior draws and points around cells must tell."""
    real = laplace_file._hump

    def blind(surface, at):
        return None if at.position.sum() > 0 else real(surface, at)

    monkeypatch.setattr(laplace_file, "_hump", blind)
    problem = problems.BY_NAME["two spikes 2d"]
    fit = bs.fit_grid(problem.make())
    assert not fit.evidence.trusted or abs(fit.log_integral - problem.log_evidence) <= fit.error


def test_a_spike_met_only_by_draws_of_the_posterior_is_climbed():
    """No prior draw and no climb meets it, random points between the nodes do."""
    fit, problem = bs.fit_grid(problems.model_of("spike on a hump 2d")), problems.BY_NAME["spike on a hump 2d"]
    assert fit.converged, fit.message
    assert abs(fit.log_integral - problem.log_evidence) <= fit.error < 1e-4


def test_what_no_rule_can_see_is_said():
    """A spike that two of 1e8 random points meet: the number is that of the hump alone, and so is what is claimed."""
    fit = bs.fit_grid(UNSEEABLE.make())
    assert abs(fit.log_integral - (UNSEEABLE.log_evidence - np.log(2))) < 1e-5
    assert "no rule can rule out a narrow mode outside every basin that was reached" in fit.message


def test_solved_where_nuts_cannot_start():
    """All but one part in two thousand of the prior is impossible, and the rest flat: area 0.03²/2."""

    def program():
        x = numpyro.sample("x", dist.Uniform(0.0, jnp.ones(2)).to_event(1))
        numpyro.factor("allowed", jnp.where(x.sum() > 1.97, 0.0, -jnp.inf))

    result = bs.compare(bs.Model.from_numpyro(program), evidence=["grid"])
    assert "NUTS cannot start" in result.skipped["nuts"]
    grid = result.evidence[0]
    assert grid.trusted, grid.warnings
    assert abs(grid.log_evidence - np.log(0.03**2 / 2)) <= grid.error < 1e-3
    assert result.best is not None

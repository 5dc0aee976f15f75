"""The table of six to two hundred parameters: each evidence by a second route, and what `compare` makes of it."""

import numpy as np
import problems
import pytest
from test_problems_hard import ROUTE_DRAWS, density_of

import bayes_sandbox as bs
from bayes_sandbox.problems.routes import Known

ALL = problems.MANY
QUICK = 45  # dimensions, up to which a second route takes a second
SLOW = {"dyestuff 9d", *(p.name for p in problems.HIDDEN[::2])}  # it does not there, or the next one is as good
# One of each kind that is hard: what it needs is a good covariance, a warp, every mode, a map along a hierarchy.
GATED = {
    "collinear regression 30d",
    "rates 12d",
    "edges 9d",
    "lasso 12d",
    "two turned normals 6d",
    "spike and slab 10d",
    "shell 6d, 0.1 thick",
    "eight schools, centred 10d",
    "twenty alike schools, centred 22d",
    "funnel 10d",
}
FAST = {"funnel 10d"}


def test_the_table_is_wide():
    assert len(ALL) >= 30
    assert len({p.name for p in ALL}) == len(ALL)
    tags = set().union(*(p.tags for p in ALL))
    assert tags >= {"hierarchy", "funnel", "narrow", "shell", "correlated", "far", "heavy-tailed", "modes", "kink"}
    sizes = np.array([p.dimension for p in ALL])
    assert sizes.min() == 6
    assert sizes.max() == 200
    assert (sizes > 50).sum() >= 5


@pytest.mark.parametrize(
    "problem",
    [
        pytest.param(p, id=p.name, marks=() if p.dimension < QUICK and p.name not in SLOW else pytest.mark.slow)
        for p in ALL
    ],
)
def test_the_models_own_density_has_this_evidence(problem):
    model = problem.make()
    assert model.dimension == problem.dimension
    log_z, mean, sd = problem.route.find(density_of(model))
    np.testing.assert_allclose(log_z, problem.log_evidence, rtol=1e-12, atol=1e-9)
    if problem.mean:
        truth_mean, truth_sd = problems.flat(problem.mean), problems.flat(problem.sd)
        drawn = isinstance(problem.route, Known)
        assert np.max(np.abs(mean - truth_mean) / truth_sd) < (5 / np.sqrt(ROUTE_DRAWS) if drawn else 1e-8)
        assert np.max(np.abs(sd / truth_sd - 1)) < (0.05 if drawn else 1e-8)


@pytest.mark.parametrize("name", [n if n in FAST else pytest.param(n, marks=pytest.mark.slow) for n in sorted(GATED)])
def test_the_evidence_is_found_or_not_trusted(name):
    problem = next(p for p in ALL if p.name == name)
    found = bs.compare(problem.make(), methods=["nuts"])
    for e in found.evidence:
        assert not e.trusted or abs(e.log_evidence - problem.log_evidence) < 4 * e.error, e
    assert found.best is not None, found.warnings
    assert abs(found.best.log_evidence - problem.log_evidence) < problem.tolerance


def test_nobody_visits_the_slab_from_the_spike():
    """Chains that begin at the mode agree on it; those that begin elsewhere do not, and say so."""
    problem = next(p for p in ALL if p.name == "spike and slab 10d")
    fit = bs.fit_nuts(problem.make())
    assert any("chains disagree" in c for c in fit.diagnostics.complaints)

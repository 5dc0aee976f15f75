"""The table at the limits of float64: `fit_grid` converged, honest and right; evidences against SciPy's quadrature."""

import numpy as np
import problems
import pytest

NAMES = [p.name for p in problems.LIMITS]


@pytest.mark.parametrize("name", NAMES)
def test_the_grid_is_right(name: str) -> None:
    problem, fit = problems.BY_NAME[name], problems.grid_of(name)
    assert fit.converged, fit.message
    assert fit.evidence.trusted
    assert abs(fit.log_integral - problem.log_evidence) <= max(fit.error, 1e-12)
    assert fit.error < 1e-5
    mean, sd = problems.flat(problem.mean), problems.flat(problem.sd)
    known = np.isfinite(mean)
    np.testing.assert_allclose(problems.flat(fit.mean)[known], mean[known], atol=1e-8 * np.nanmax(sd))
    np.testing.assert_allclose(problems.flat(fit.sd)[known], sd[known], atol=1e-6 * np.nanmax(sd))

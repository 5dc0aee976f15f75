"""Diagnostics of draws and weights: ours are ArviZ's wherever both say the same thing."""

import numpy as np
import pytest
from arviz_stats.base import array_stats

from bayes_sandbox.diagnostics import pareto_k, smoothed


@pytest.mark.parametrize("num", [100, 1000, 8192])
@pytest.mark.parametrize("steep", [0.1, 0.6, 2.0])
def test_the_pareto_shape_is_arvizs(num: int, steep: float) -> None:
    z = np.random.default_rng(num).normal(size=num)
    nearly_none = np.r_[np.full(num - num // 20, -1e9), z[: num // 20]]  # fewer weights than are fitted
    for log_weights in (
        steep * z,
        steep * z**2,
        -steep * np.abs(z),
        -1e5 + 200 * steep * z,
        np.round(steep * z, 1),
        nearly_none,
    ):
        seen = np.maximum(log_weights, log_weights.max() - 700)
        _, theirs = array_stats.psislw(-seen)
        known = float(theirs) if np.isfinite(theirs) else np.inf  # all of a fit's weight in one point
        assert pareto_k(log_weights) == pytest.approx(known, abs=1e-10)
        assert smoothed(seen)[1] == known


def test_weights_without_a_tail_have_no_shape() -> None:
    assert pareto_k(np.full(1000, -3.0)) == -np.inf
    assert pareto_k(np.r_[np.full(500, -9.0), np.full(500, -3.0)]) == -np.inf  # the largest are equal
    assert pareto_k(np.r_[np.full(5000, -np.inf), np.zeros(50)]) == np.inf  # fifty are too few to say
    weights, k_hat = smoothed(np.zeros(4))
    assert k_hat == -np.inf
    np.testing.assert_allclose(weights, 0.25)

"""The study of coordinates: sums, charts, cells and walls, against formulas."""

from pathlib import Path

import numpy as np
import pytest
from scipy import special, stats
from studies import check_kept_and_drawn, fast

import bayes_sandbox as bs
from bayes_sandbox.errors import UserError
from bayes_sandbox.studies.study import column, slope, where


@pytest.fixture(scope="module")
def study() -> bs.Study:
    return fast("coordinates")


def test_the_study_is_kept_and_drawn(tmp_path: Path) -> None:
    check_kept_and_drawn("coordinates", tmp_path)


def test_sums_go_to_the_integral_at_their_rate(study: bs.Study) -> None:
    for rule, power in (("left", -1), ("midpoint", -2)):
        rows = where(study.tables["sums"], integrand="−x² + 3x + 1", rule=rule)
        assert slope(np.log(column(rows, "num_cells")), np.log(column(rows, "error"))) == pytest.approx(power, abs=0.1)
    for name in {row["integrand"] for row in study.tables["bars"]}:
        bars = where(study.tables["bars"], integrand=name)
        (row,) = where(study.tables["sums"], integrand=name, rule="midpoint", num_cells=8)
        assert (column(bars, "width") * column(bars, "height")).sum() == pytest.approx(row["sum"], rel=1e-12)


def test_the_mode_moves_and_the_integral_does_not(study: bs.Study) -> None:
    rows = study.tables["charts"]
    np.testing.assert_allclose(column(rows, "evidence"), 1 / 11, rtol=1e-5)
    np.testing.assert_allclose(column(rows, "exact"), 1 / 11, rtol=1e-12)
    # θ^a (1 − θ)^b is the density of each coordinate as a function of θ; its mode is a/(a + b)
    powers = {"probability": (2, 8), "log odds": (3, 9), "log": (3, 8), "square root": (2.5, 8)}
    for row in rows:
        a, b = powers[row["chart"]]
        assert row["mode"] == pytest.approx(a / (a + b), abs=1e-6)
    assert np.ptp(column(rows, "laplace")) > 0.005


def test_curves_are_densities_of_their_coordinate(study: bs.Study) -> None:
    for chart in {row["chart"] for row in study.tables["curves"]}:
        u, density, theta = (column(where(study.tables["curves"], chart=chart), n) for n in ("u", "posterior", "theta"))
        assert np.trapezoid(density, u) == pytest.approx(1, abs=2e-3)
        assert np.trapezoid(density * theta, u) == pytest.approx(3 / 12, abs=2e-3)
    rows = where(study.tables["curves"], chart="probability")
    np.testing.assert_allclose(column(rows, "posterior"), stats.beta(3, 9).pdf(column(rows, "theta")), atol=1e-6)


def test_cells_grow_by_the_determinant(study: bs.Study) -> None:
    for row in study.tables["cells"]:
        assert row["determinant"] == pytest.approx(row["r"])
        assert row["area_ratio"] == pytest.approx(row["r"], rel=1e-5)
        assert row["dx_dangle"] == pytest.approx(-row["r"] * np.sin(row["angle"]))


def test_an_edge_is_what_nuts_stumbles_over(study: bs.Study) -> None:
    free, walled = study.tables["walls"]
    assert free["num_divergent"] == 0
    assert walled["num_divergent"] > 10
    assert free["mean"] == pytest.approx(0.25, abs=0.02)


def test_other_coins_and_no_coin_at_all() -> None:
    rows = bs.study_coordinates(heads=7, tosses=9, fast=True).tables["charts"]
    np.testing.assert_allclose(column(rows, "evidence"), np.exp(special.betaln(8, 3)) * 36, rtol=1e-4)
    with pytest.raises(UserError, match="some heads and some tails"):
        bs.study_coordinates(heads=10, tosses=10)

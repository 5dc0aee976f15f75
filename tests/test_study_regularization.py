"""The study of a penalty's strength: paths, judges and the constraint, against closed forms and scikit-learn."""

from pathlib import Path

import numpy as np
import pytest
import sklearn.linear_model
from studies import check_kept_and_drawn, fast

import bayes_sandbox as bs
from bayes_sandbox.errors import UserError
from bayes_sandbox.studies.regularization import KNOWN_SCALE, _data, penalised
from bayes_sandbox.studies.study import column, where


@pytest.fixture(scope="module")
def study() -> bs.Study:
    return fast("regularization")


def test_the_study_is_kept_and_drawn(tmp_path: Path) -> None:
    check_kept_and_drawn("regularization", tmp_path)


def test_a_stronger_penalty_shrinks_and_fits_less(study: bs.Study) -> None:
    for penalty in ("l2", "l1"):
        rows = where(study.tables["scores"], penalty=penalty)
        assert (np.diff(column(rows, "norm")) < 0).all()
        for loss in ("training_loss_map", "training_loss_predictive"):
            assert (np.diff(column(rows, loss)) > 0).all()
        assert (np.diff(column(rows, "prior_scale")) < 0).all()
        assert all(row["trusted"] for row in rows)


def test_zeros_are_the_maps_alone(study: bs.Study) -> None:
    for row in study.tables["scores"]:
        assert row["num_zero_mean"] == 0
        assert row["num_zero_map"] == 0 or row["penalty"] == "l1"
    assert max(row["num_zero_map"] for row in study.tables["scores"]) > 0


def test_the_ball_has_the_penaltys_solution(study: bs.Study) -> None:
    for row in study.tables["constraint"]:
        assert row["converged"]
        assert row["relative_gap"] < 1e-8
        assert row["edges"].startswith("‖w‖")


def test_weights_are_scikit_learns_and_means_the_closed_forms(study: bs.Study) -> None:
    x, y, out = _data("crash", study.settings["order"])
    x, y = x[~out], y[~out]
    for strength in study.settings["strengths"]:
        rows = where(study.tables["weights"], penalty="l2", strength=strength)
        ridge = sklearn.linear_model.Ridge(alpha=strength, fit_intercept=False).fit(x, y)
        np.testing.assert_allclose(column(rows, "map"), ridge.coef_, rtol=1e-6)
        spread = (column(rows, "high") - column(rows, "low")) / 3.29  # sds
        assert (np.abs(column(rows, "mean") - ridge.coef_) < 5 * spread / np.sqrt(4000)).all()
        lasso = sklearn.linear_model.Lasso(alpha=strength / len(y), fit_intercept=False, tol=1e-12, max_iter=100_000)
        np.testing.assert_allclose(penalised("l1", strength, x, y), lasso.fit(x, y).coef_, atol=1e-6)
        rows = where(study.tables["weights"], penalty="l1", strength=strength)
        np.testing.assert_allclose(column(rows, "map"), lasso.coef_, atol=1e-6)


def test_cross_validation_is_scikit_learns(study: bs.Study) -> None:
    x, y, out = _data("crash", study.settings["order"])
    x, y, scale = x[~out], y[~out], KNOWN_SCALE["crash"]
    row = where(study.tables["scores"], penalty="l2")[0]
    fold, errors = np.arange(len(y)) % 10, np.zeros(len(y))
    for k in range(10):
        ridge = sklearn.linear_model.Ridge(alpha=row["strength"], fit_intercept=False).fit(x[fold != k], y[fold != k])
        errors[fold == k] = y[fold == k] - ridge.predict(x[fold == k])
    expected = np.mean(errors**2) / (2 * scale**2) + 0.5 * np.log(2 * np.pi * scale**2)
    assert row["cross_validation_loss"] == pytest.approx(expected, rel=1e-9)


def test_what_has_no_path_is_refused() -> None:
    for given, sentence in (
        ({"data": "crush"}, "did you mean 'crash'"),
        ({"penalties": ["l3"]}, "no path for the penalty 'l3'"),
        ({"strengths": [0.0]}, "positive strengths"),
    ):
        with pytest.raises(UserError, match=sentence):
            bs.study_regularization(**given)

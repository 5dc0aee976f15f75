"""A step that raises an exception of its own never takes a comparison down: it is listed with its reason."""

import math
from typing import Any

import numpy as np
import numpyro.distributions as dist
import pytest

import bayes_sandbox as bs
from bayes_sandbox import comparison
from bayes_sandbox.errors import ArgumentError
from bayes_sandbox.evidence import ESTIMATORS, workbench

SHORT = {"num_warmup": 50, "num_samples": 50, "num_chains": 4}
WHY = "failed: LinAlgError: Matrix is not positive definite"


def broken(*args: Any, **kwargs: Any) -> Any:
    raise np.linalg.LinAlgError("Matrix is not\n positive definite")


@pytest.fixture
def coin() -> bs.Model:
    return bs.Model({"p": dist.Beta(2, 2)}, lambda p: dist.Binomial(10, p), observed=3, name="coin")


@pytest.mark.parametrize("name", ["importance", "bridge"])
def test_a_failing_estimator_is_an_untrusted_entry(coin, monkeypatch, name) -> None:
    monkeypatch.setattr(ESTIMATORS[name], "estimate", broken)
    found = {e.method: e for e in bs.estimate_evidence(coin, methods=["grid", name])}
    assert found["grid"].trusted
    assert not found[name].trusted
    assert math.isinf(found[name].error)
    assert found[name].warnings == (WHY,)


def test_a_failing_estimator_leaves_the_comparison(coin, monkeypatch) -> None:
    monkeypatch.setattr(ESTIMATORS["importance"], "estimate", broken)
    result = bs.compare(coin, methods=["map", "grid"])
    assert result.best is not None
    assert result.best.method == "grid"
    assert f"importance not trusted: {WHY}" in result.warnings
    assert result.to_dict()["evidence"][2]["warnings"] == [WHY]


def test_a_failing_grid_is_a_skipped_one(coin, monkeypatch) -> None:
    monkeypatch.setattr(workbench, "fit_grid", broken)
    result = bs.compare(coin, methods=["map", "grid"])
    assert result.grid is not None
    assert result.grid.skipped == WHY
    assert result.warnings[0] == f"grid {WHY}"
    assert result.to_dict()["fits"]["grid"] == {"skipped": WHY}
    assert {e.method for e in result.evidence if e.trusted} == {"laplace", "importance"}
    assert "importance" in result.summary()


def test_a_failing_map_is_a_skipped_one(coin, monkeypatch) -> None:
    monkeypatch.setattr(comparison, "fit_map", broken)
    result = bs.compare(coin, methods=["map", "grid"], evidence=["grid"])
    assert result.map is None
    assert result.skipped["map"] == WHY
    assert result.warnings[0] == f"map {WHY}"
    assert result.to_dict()["fits"]["map"] == {"skipped": WHY}
    assert result.best is not None


def test_a_failing_nuts_is_a_skipped_one_and_is_tried_once(coin, monkeypatch) -> None:
    calls = []

    def counted(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        broken()

    monkeypatch.setattr(workbench, "fit_nuts", counted)
    result = bs.compare(coin, methods=["nuts"], evidence=["bridge", "harmonic_mean", "importance"], **SHORT)
    assert len(calls) == 1
    assert result.nuts is None
    assert result.warnings[0] == f"nuts {WHY}"
    assert [e.trusted for e in result.evidence] == [False, False, True]


def test_a_failing_laplace_fit_leaves_what_does_not_need_it(coin, monkeypatch) -> None:
    monkeypatch.setattr(workbench, "fit_laplace", broken)
    result = bs.compare(coin, methods=["map"], evidence=["laplace", "prior_average"])
    assert result.laplace is None
    assert result.skipped["laplace"] == WHY
    assert [e.trusted for e in result.evidence] == [False, True]
    assert result.lesson.log_likelihood_integral_missing == WHY


def test_bad_arguments_and_bad_draws_still_raise(coin) -> None:
    with pytest.raises(bs.ModelError, match="p"):
        bs.compare(coin.with_prior(p=dist.ImproperUniform(dist.constraints.unit_interval, (), ())), evidence=["grid"])
    with pytest.raises(ValueError, match="lack"):
        bs.estimate_evidence(coin, methods=["bridge"], draws={"q": np.zeros((2, 30))})


def test_an_interruption_is_not_a_failure(coin, monkeypatch) -> None:
    def interrupted(*args: Any, **kwargs: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(workbench, "fit_grid", interrupted)
    result = bs.compare(coin, methods=["map", "grid"], evidence=["grid"])
    assert result.interrupted == "grid"
    with pytest.raises(KeyboardInterrupt):
        bs.estimate_evidence(coin, methods=["grid"])


def test_an_argument_error_inside_a_step_is_its_own(coin, monkeypatch) -> None:
    def refusing(*args: Any, **kwargs: Any) -> Any:
        raise ArgumentError("laplace must be a fit of this model")

    monkeypatch.setattr(workbench, "fit_nuts", refusing)
    result = bs.compare(coin, methods=["nuts"], evidence=["importance"], **SHORT)
    assert result.skipped["nuts"] == "failed: ArgumentError: laplace must be a fit of this model"
    assert result.best is not None

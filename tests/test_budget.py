"""What it will cost, what it may cost, and what it makes of it on the way."""

import time

import numpy as np
import numpyro.distributions as dist
import problems
import pytest

import bayes_sandbox as bs
from bayes_sandbox.budget import Budget
from bayes_sandbox.evidence import ESTIMATORS, estimate_with
from bayes_sandbox.evidence.workbench import Workbench
from bayes_sandbox.progress import Bars


def test_a_budget_counts_what_is_spent_once_and_nothing_aside():
    budget = Budget(10.0)
    time.sleep(0.02)
    assert budget.left == 10.0
    with budget.spending():
        with budget.spending():
            time.sleep(0.02)
        with budget.aside():
            time.sleep(0.2)
        middle = budget.left
    assert 0.02 <= 10.0 - middle < 0.2
    assert budget.left <= middle
    assert not budget.is_running


def test_a_budget_that_is_spent_is_zero_and_survives_an_exception():
    budget = Budget(1e-6)

    def fails():
        with budget.spending():
            time.sleep(0.01)
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert budget.left == 0.0
    assert not budget.is_running


@pytest.mark.parametrize("method", [m for m in ESTIMATORS if m != "grid"])
def test_no_method_is_begun_when_the_budget_is_spent(method):
    bench = Workbench(problems.model_of("coin"), budget=1e-9)
    with bench.budget.spending():
        time.sleep(1e-3)
    found = estimate_with(bench, method)
    assert not found.trusted
    assert "the budget of 1e-09 s was spent before it began" in found.warnings[0]
    assert found.num_evaluations == 0


def test_a_comparison_under_a_budget_says_what_it_left_out():
    found = bs.compare(problems.model_of("coin"), budget=1e-9, num_warmup=100, num_samples=100)
    assert found.nuts is not None
    assert found.best is None
    assert "budget" in found.skipped["grid"]
    assert all("budget" in " ".join(e.warnings) for e in found.evidence)


def test_every_method_predicts_its_cost():
    costs = bs.predict_costs(problems.model_of("noisy line"), methods=list(ESTIMATORS))
    assert [c.method for c in costs] == list(ESTIMATORS)
    for cost in costs:
        assert 0 < cost.num_evaluations < 1e10
        assert 0 < cost.seconds < 1e4


def test_predictions_are_of_the_size_of_what_is_spent():
    """Within a factor of thirty: they are made before anything is known of the posterior."""
    model = problems.model_of("noisy line")
    predicted = {c.method: c.num_evaluations for c in bs.predict_costs(model)}
    for found in bs.estimate_evidence(model):
        if found.method != "laplace":  # whose error is another's
            assert 1 / 30 < found.num_evaluations / predicted[found.method] < 2


def test_longer_chains_cost_more_and_draws_at_hand_nothing():
    model = problems.model_of("coin")
    (short,), (long,) = (bs.predict_costs(model, methods="bridge", num_samples=n) for n in (100, 2000))
    draws = {"p": np.random.default_rng(0).beta(3, 9, size=(4, 500))}
    (given,) = bs.predict_costs(model, methods="bridge", draws=draws)
    assert given.num_evaluations < short.num_evaluations < long.num_evaluations
    assert given.seconds < long.seconds


def test_a_method_that_is_none_has_no_cost():
    with pytest.raises(Exception, match="no estimator 'bridg'"):
        bs.predict_costs(problems.model_of("coin"), methods=["bridg"])
    with pytest.raises(bs.ModelError):
        bs.predict_costs(lambda: dist.Normal(0, 1))


def test_a_bar_shows_the_estimate_so_far(monkeypatch, capsys):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    with Bars(patience=0.0).task("cells", 10) as advance:
        for _ in range(10):
            advance(1, "log p(D) ≈ -3.14 ± 0.01")
            time.sleep(0.02)
    assert "-3.14" in capsys.readouterr().err

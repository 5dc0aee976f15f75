"""Study sequential: any order of the data, one evidence; widths like the root of n."""

import numpy as np
import numpyro.distributions as dist
import pytest
from studies import check_kept_and_drawn, fast

import bayes_sandbox as bs
from bayes_sandbox.checkpoints import FolderCheckpoints
from bayes_sandbox.studies.study import column, slope, where


def test_the_study_is_kept_and_drawn(tmp_path):
    check_kept_and_drawn("sequential", tmp_path)


def test_an_interrupted_study_goes_on_where_it_was(tmp_path, monkeypatch):
    from bayes_sandbox.studies import sequential

    coin = bs.Model({"p": dist.Beta(2, 1)}, lambda p: dist.Bernoulli(p), observed=[1, 0, 1, 1], name="coin")
    checkpoints, path, begun = FolderCheckpoints(tmp_path, 1), sequential._path, []

    def stopped(model, order, number, counts, seed):
        begun.append(number)
        if begun == [0, 1]:
            raise KeyboardInterrupt
        return path(model, order, number, counts, seed)

    monkeypatch.setattr(sequential, "_path", stopped)
    with pytest.raises(KeyboardInterrupt):
        bs.study_sequential(coin, num_steps=2, num_orders=2, checkpoints=checkpoints)
    resumed = bs.study_sequential(coin, num_steps=2, num_orders=2, checkpoints=checkpoints)
    assert begun == [0, 1, 1]
    assert [row["order"] for row in resumed.tables["steps"]] == [0, 0, 1, 1]


def test_all_orders_end_in_one_evidence():
    steps = fast("sequential").tables["steps"]
    assert all(row["trusted"] for row in steps)
    ends = where(steps, count=280)
    truth = -316.93315  # gamma–Poisson by hand, models/horse_kicks.py
    assert len(ends) == 2
    for row in ends:
        assert abs(row["log_evidence"] - truth) < 1e-5
    for order in (0, 1):
        total = column(where(steps, order=order), "log_prediction").sum()
        assert abs(total - ends[order]["log_evidence"]) < 1e-9


def test_predictions_by_draws_bear_out_those_by_evidence():
    steps = [row for row in fast("sequential").tables["steps"] if np.isfinite(row["standard_error"])]
    assert len(steps) >= 5
    z = (column(steps, "log_prediction_by_draws") - column(steps, "log_prediction")) / column(steps, "standard_error")
    assert np.abs(z).max() < 4


def test_the_posterior_learns_like_the_root_of_n():
    rows = [r for r in where(fast("sequential").tables["learning"], order=1) if r["count"] > 8]
    assert slope(np.log(column(rows, "count")), np.log(column(rows, "sd"))) == pytest.approx(-0.5, abs=0.1)

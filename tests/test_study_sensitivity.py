"""Study sensitivity: weights and refits move alike; a flat prior has no power."""

import math

import numpy as np
import numpyro.distributions as dist
import pytest
from studies import check_kept_and_drawn, fast

import bayes_sandbox as bs
from bayes_sandbox.studies.study import column, where


def test_the_study_is_kept_and_drawn(tmp_path):
    check_kept_and_drawn("sensitivity", tmp_path)


def test_weights_and_refits_move_alike():
    study = fast("sensitivity")
    rows = study.tables["powers"]
    assert {row["half"] for row in rows} == {"prior", "likelihood"}
    usable = [row for row in rows if row["pareto_k"] < 0.7]
    assert len(usable) >= len(rows) - 1
    gap = np.abs(column(usable, "mean_weighted") - column(usable, "mean_refit")) / column(usable, "sd_unpowered")
    assert gap.max() < 0.15  # 4,000 draws, weighted
    # Half a prior lets the slope go on from it, half a likelihood draws it back.
    slopes = {(r["half"], r["power"]): r["mean_refit"] for r in rows if r["component"] == "slope"}
    assert slopes["prior", 0.5] > slopes["prior", 1.0] > slopes["prior", 2.0]
    assert slopes["likelihood", 0.5] < slopes["likelihood", 1.0] < slopes["likelihood", 2.0]


def test_a_flat_prior_has_no_power():
    model = bs.Model({"p": dist.Beta(1, 1)}, lambda p: dist.Bernoulli(p), observed=[1, 0, 1, 1], name="flat")
    study = bs.study_sensitivity(model, powers=[1.0, 2.0, 2.0])
    (row,) = study.tables["psense"]
    assert row["prior"] == 0
    assert row["likelihood"] > 0.05
    assert {r["power"] for r in study.tables["powers"]} == {1.0, 2.0}
    (one, two) = where(study.tables["powers"], half="prior")
    assert two["mean_refit"] == pytest.approx(one["mean_refit"], abs=1e-6)
    assert two["mean_weighted"] == pytest.approx(one["mean_weighted"], abs=1e-12)
    assert set(study.plot()) == {"powers"}


def test_many_observations_weigh_fewer_draws():
    y = np.random.default_rng(5).normal(0.3, 1.0, 6000)
    model = bs.Model({"mu": dist.Normal(0, 1)}, lambda mu: dist.Normal(mu, 1.0), observed=y, name="many")
    study = bs.study_sensitivity(model, powers=[0.5])
    (row,) = study.tables["psense"]
    assert math.isfinite(row["likelihood"])
    (half,) = where(study.tables["powers"], half="likelihood", power=0.5)
    assert half["sd_refit"] == pytest.approx(1 / math.sqrt(3001), rel=1e-3)  # a precision of 6000/2 + 1
    assert half["sd_weighted"] == pytest.approx(half["sd_refit"], rel=0.15)

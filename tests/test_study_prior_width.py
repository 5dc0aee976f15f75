"""Study prior-width: a nat a nat, Lindley's paradox, Occam's factor, all data sets of a small problem."""

import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import optimize, stats
from studies import check_kept_and_drawn, fast

import bayes_sandbox as bs
from bayes_sandbox.studies.all_data_sets import MODELS, POINTS, SCALE, data_sets, log_evidences
from bayes_sandbox.studies.study import column, slope

SLEEP = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]


def test_the_study_is_kept_and_drawn(tmp_path):
    check_kept_and_drawn("prior-width", tmp_path)


def test_a_wide_prior_costs_a_nat_a_nat():
    study = fast("prior-width")
    rows = study.tables["widths"]
    scale, evidence, factor = (column(rows, k) for k in ("scale", "log_evidence", "log_bayes_factor"))
    wide = scale > 30 * column(rows, "sd").max()
    assert wide.sum() == 2
    assert slope(np.log(scale[wide]), evidence[wide]) == pytest.approx(-1, abs=0.01)
    np.testing.assert_allclose(
        column(rows, "log_likelihood_at_map") + column(rows, "log_occam_factor"), evidence, rtol=1e-12
    )
    best = optimize.minimize(  # the fit that a flat prior of mu leaves, by SciPy
        lambda at: -stats.norm(at[0], at[1]).logpdf(SLEEP).sum() - stats.halfnorm(scale=5).logpdf(at[1]), [1.0, 1.0]
    )
    assert rows[-1]["log_likelihood_at_map"] == pytest.approx(stats.norm(*best.x).logpdf(SLEEP).sum(), abs=1e-4)
    assert (column(rows, "log_occam_factor") < 0).all()
    assert np.ptp(column(rows, "mean")[wide]) < 0.01 * rows[-1]["sd"]
    assert np.ptp(column(rows, "elpd_loo")[wide]) < 1.0
    # A prior of no width is the null; one that is wide enough loses to it, at a tail area that convinces anyone.
    assert abs(factor[0]) < 0.05
    assert factor.max() > 1
    assert factor[-1] < -1
    assert rows[-1]["tail_area"] < 0.01


def test_the_evidences_of_all_data_sets_sum_to_one():
    rows = fast("prior-width").tables["data_sets"]
    assert len(rows) == 512
    for model in MODELS:
        assert np.exp(column(rows, model)).sum() == pytest.approx(1, abs=1e-8)
    best = np.argmax([column(rows, model) for model in MODELS], axis=0)
    assert set(best) == set(range(len(MODELS)))


@pytest.mark.parametrize("index", [0, 37, 448])
def test_the_evidence_of_a_data_set_is_that_of_fit_grid(index):
    labels = data_sets()[index]
    model = bs.Model(
        {"w": dist.Normal(0, SCALE).expand([2]).to_event(1)},
        lambda w: dist.Bernoulli(logits=POINTS @ w),
        observed=labels,
    )
    fit = bs.fit_grid(model)
    assert abs(fit.evidence.log_evidence - log_evidences(2)[index]) < 1e-5


def test_the_null_of_a_model_of_one_parameter_is_its_likelihood():
    model = bs.Model({"mu": dist.Normal(0, 1)}, lambda mu: dist.Normal(mu, 2.0), observed=[0.4, 1.9, -0.2])
    study = bs.study_prior_width(model, scales=[1e-6, 1.0])
    (null,) = study.tables["null"]
    assert null["log_evidence"] == pytest.approx(stats.norm(0, 2).logpdf([0.4, 1.9, -0.2]).sum(), abs=1e-9)
    assert study.tables["widths"][0]["log_bayes_factor"] == pytest.approx(0.0, abs=1e-6)

"""The studies at their fast setting: what their docstrings state, and that each is kept, drawn and continued."""

import csv
import json
import math

import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from scipy import optimize, stats

import bayes_sandbox as bs
from bayes_sandbox.errors import UserError
from bayes_sandbox.parts import FolderParts
from bayes_sandbox.studies import STUDIES, find_study
from bayes_sandbox.studies.all_data_sets import MODELS, POINTS, SCALE, data_sets, log_evidences
from bayes_sandbox.studies.families import FAMILIES
from bayes_sandbox.studies.geometry import geometry_row
from bayes_sandbox.studies.study import column, slope, where

SLEEP = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
_DONE: dict[str, bs.Study] = {}


def fast(name: str) -> bs.Study:
    """Return a study at its fast setting, done once a session; a machine that is busy gets more time."""
    if name not in _DONE:
        _DONE[name] = find_study(name)(fast=True, **({"budget": 20.0} if name == "dimension" else {}))
    return _DONE[name]


# --- every study ---


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_is_kept_and_drawn(name, tmp_path):
    study = fast(name)
    page = study.report(tmp_path)
    doc = json.loads((tmp_path / "study.json").read_text())
    assert doc == study.to_dict()
    assert study.findings
    assert study.name == name
    assert doc["question"] == STUDIES[name]
    html = page.read_text()
    figures = sorted(p.stem for p in (tmp_path / "plots").glob("*.svg"))
    assert figures
    assert figures == sorted(p.stem for p in (tmp_path / "plots").glob("*.png"))
    for figure in figures:
        assert f'id="figure-{figure}"' in html
        assert (tmp_path / "plots" / f"{figure}.png").stat().st_size > 10_000
    assert "http://" not in html.replace("http://www.w3.org", "")
    for table, rows in study.tables.items():
        with (tmp_path / "tables" / f"{table}.csv").open() as source:
            assert len(list(csv.DictReader(source))) == len(rows)
        assert len({tuple(row) for row in rows}) == 1, "rows of one shape"
    assert study.summary().startswith(name)
    assert max(map(len, study.summary().splitlines())) < 80
    assert set(study.to_datatree().children) == set(study.tables)


@pytest.mark.parametrize("name", STUDIES)
def test_every_question_fits_a_line(name):
    assert len(STUDIES[name]) + max(map(len, STUDIES)) + 2 < 80
    assert getattr(bs, f"study_{name.replace('-', '_')}") is find_study(name)


def test_an_interrupted_study_goes_on_where_it_was(tmp_path, monkeypatch):
    from bayes_sandbox.studies import sequential

    coin = bs.Model({"p": dist.Beta(2, 1)}, lambda p: dist.Bernoulli(p), observed=[1, 0, 1, 1], name="coin")
    parts, path, begun = FolderParts(tmp_path, 1), sequential._path, []

    def stopped(model, order, number, counts, seed):
        begun.append(number)
        if begun == [0, 1]:
            raise KeyboardInterrupt
        return path(model, order, number, counts, seed)

    monkeypatch.setattr(sequential, "_path", stopped)
    with pytest.raises(KeyboardInterrupt):
        bs.study_sequential(coin, num_steps=2, num_orders=2, parts=parts)
    resumed = bs.study_sequential(coin, num_steps=2, num_orders=2, parts=parts)
    assert begun == [0, 1, 1]
    assert [row["order"] for row in resumed.tables["steps"]] == [0, 0, 1, 1]


# --- sequential ---


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


# --- prior width ---


def test_a_wide_prior_costs_a_nat_a_nat():
    study = fast("prior-width")
    rows = study.tables["widths"]
    scale, evidence, factor = (column(rows, k) for k in ("scale", "log_evidence", "log_bayes_factor"))
    wide = scale > 30 * column(rows, "sd").max()
    assert wide.sum() == 2
    assert slope(np.log(scale[wide]), evidence[wide]) == pytest.approx(-1, abs=0.01)
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


# --- order ---


def test_more_terms_always_fit_the_training_data_better():
    rows = where(fast("order").tables["orders"], family="polynomial")
    assert (np.diff(column(rows, "training_loss")) < 0).all()
    for judge in ("evidence_loss", "loo_loss", "held_out_loss"):
        assert np.argmin(column(rows, judge)) > 0, judge  # a constant is too little


def test_the_evidence_of_a_regression_is_that_of_a_line_integral():
    """Given the noise the data are a normal: one integral over the noise, by hand."""
    from bayes_sandbox.problems.truths import integral_1d
    from bayes_sandbox.studies.real_data import CEMENT

    (row,) = where(fast("order").tables["orders"], order="-")
    y = (CEMENT[:, 4] - 95)[np.arange(13) % 4 != 3]

    def log_f(noise):
        covariance = noise**2 * np.eye(len(y)) + 20.0**2
        return stats.multivariate_normal(np.zeros(len(y)), covariance).logpdf(y) + stats.halfnorm(scale=10).logpdf(
            noise
        )

    truth, _, _ = integral_1d(log_f, 1e-3, 100.0, [8.0, 15.0, 30.0])
    assert abs(row["log_evidence"] - truth) < 1e-5


# --- dimension ---


def test_nodes_grow_by_one_factor_with_each_axis():
    study = fast("dimension")
    for method, low, high in (("gauss_hermite", 3, 10), ("riemann", 8, 30)):
        rows = where(study.tables["extrapolated"], method=method)
        assert low < rows[0]["factor"] < high
        for row in where(study.tables["reach"], method=method, reached=True):  # the line is near what was measured
            (line,) = where(rows, dimension=row["dimension"])
            assert abs(line["log10_nodes"] - math.log10(row["num_evaluations"])) < 0.5


def test_a_prior_average_gains_like_the_root_of_its_draws():
    runs = where(fast("dimension").tables["runs"], method="prior_average")
    for d in (1, 2, 4):
        rows = where(runs, dimension=d)
        assert slope(np.log(column(rows, "num_evaluations")), np.log(column(rows, "gap"))) == pytest.approx(
            -0.5, abs=0.2
        )


def test_laplace_leaves_a_tolerance_that_sums_reach():
    reach = fast("dimension").tables["reach"]
    assert not any(
        row["reached"] for row in where(reach, method="laplace")
    )  # skewed: off by 0.03 nats in one dimension
    assert all(row["reached"] for row in where(reach, method="gauss_hermite"))


def test_the_mass_moves_away_and_thins_out():
    rows = [geometry_row(d, 0) for d in (2, 8, 32, 128)]
    d = column(rows, "dimension")
    assert slope(np.log(d), np.log(column(rows, "distance"))) == pytest.approx(0.5, abs=0.06)
    assert slope(d, column(rows, "drop")) == pytest.approx(0.5, abs=0.05)
    for share in ("log10_share", "log10_effective", "log10_ball"):
        assert (np.diff(column(rows, share)) / np.diff(d) < -0.1).all(), share


def test_the_share_of_cells_is_that_of_counting_them():
    """In two dimensions the 81 cells can be sorted by hand."""
    from bayes_sandbox.studies.families import RATE, SHAPE, counts
    from bayes_sandbox.studies.geometry import CELLS, TAIL

    y = counts(2)
    low, high = np.log(stats.gamma(SHAPE, scale=1 / RATE).ppf([TAIL, 1 - TAIL]))
    edges = np.exp(np.linspace(low, high, CELLS + 1))
    mass = np.diff(stats.gamma(SHAPE + y[:, None], scale=1 / (RATE + 1)).cdf(edges), axis=1)
    both = np.sort(np.outer(*mass).ravel())[::-1]
    needed = np.searchsorted(np.cumsum(both) / both.sum(), 0.99) + 1
    assert abs(10 ** geometry_row(2, 0)["log10_share"] * CELLS**2 - needed) < 1.5


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("d", [1, 3])
def test_a_family_has_the_evidence_it_states(family, d):
    problem = FAMILIES[family](d)
    fit = bs.fit_grid(problem.make())
    assert fit.evidence.trusted
    assert abs(fit.evidence.log_evidence - problem.log_evidence) < 1e-5


# --- problems, calibration, sensitivity ---


def test_nothing_is_wrong_with_confidence():
    study = fast("problems")
    assert {row["outcome"] for row in study.tables["estimates"]} <= {"solved", "wide", "not trusted"}
    assert [row["outcome"] for row in study.tables["best"]] == ["solved"] * 3


def test_a_number_that_is_wrong_is_called_wrong():
    from bayes_sandbox.records import Evidence
    from bayes_sandbox.studies.problems import outcome

    bound, standard = (Evidence(m, -3.0, 0.01, 1, 0.0, True, ()) for m in ("grid", "importance"))
    assert outcome(bound, 0.011, 0.02) == "wrong"
    assert outcome(standard, 0.011, 0.02) == "solved"
    assert outcome(standard, 0.041, 0.02) == "wrong"
    assert outcome(standard.demoted("why"), 0.5, 0.02) == "not trusted"


def test_simulated_ranks_are_uniform_but_for_laplace():
    study = fast("calibration")
    uniform = {row["way"]: row["uniform"] for row in study.tables["uniformity"]}
    assert uniform == {"grid": True, "laplace": False, "nuts": True}
    trusted = where(study.tables["coverage"], trusted=True)
    assert len(trusted) == 3
    assert all(row["covered"] for row in trusted)


def test_z_scores_are_those_of_a_standard_error():
    scores = where(fast("calibration").tables["scores"], trusted=True)
    z = column(scores, "gap") / column(scores, "error")
    assert len(z) == 10
    assert abs(z.mean()) < 4 / math.sqrt(10)
    assert 1e-4 < stats.chi2(10).cdf((z**2).sum()) < 1 - 1e-4
    (row,) = fast("calibration").tables["z"]
    assert row["mean_z"] == pytest.approx(z.mean())
    assert row["sd_z"] == pytest.approx(z.std(ddof=1))


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


# --- what is asked for wrongly ---


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [
        ("dimension", {"families": ["rate"]}, "did you mean 'rates'"),
        ("dimension", {"methods": ["sums"]}, "there is no method 'sums'"),
        ("order", {"families": ["polynomials"]}, "did you mean 'polynomial'"),
        ("prior-width", {"parameter": "mue"}, "did you mean 'mu'"),
        ("dimension", {"dimensions": [2, 0]}, "dimensions from 1 to"),
        ("sensitivity", {"powers": [-1.0]}, "expected positive powers"),
        ("sequential", {"num_steps": 1}, "two arrivals"),
        ("problems", {"names": ["eggbax"]}, "did you mean 'eggbox'"),
        ("calibration", {"methods": ["importnce"]}, "did you mean 'importance'"),
        ("calibration", {"names": ["con"]}, "there is no problem 'con'"),
    ],
)
def test_a_wrong_setting_gets_a_sentence(name, settings, sentence):
    with pytest.raises(UserError, match=sentence):
        find_study(name)(**settings)


def factor_alone() -> bs.Model:
    def program():
        numpyro.factor("f", -((numpyro.sample("x", dist.Normal(0, 1)) - 1) ** 2))

    return bs.Model.from_numpyro(program)


TWELVE = bs.Model({"w": dist.Cauchy(0, np.ones(12)).to_event(1)}, lambda w: dist.StudentT(3, w, 1), np.ones(12))


@pytest.mark.parametrize(
    ("study", "model", "sentence"),
    [
        (bs.study_sequential, bs.Model({"p": dist.Beta(1, 1)}, lambda p: dist.Binomial(9, p), 2), "cannot be cut"),
        (bs.study_sequential, factor_alone(), "cannot be cut"),
        (bs.study_sequential, TWELVE.with_prior(w=dist.ImproperUniform(dist.constraints.real, (), (12,))), "proper"),
        (bs.study_sensitivity, factor_alone(), "only numpyro.factor terms"),
        (bs.study_sensitivity, TWELVE, "cannot be summed"),
        (bs.study_prior_width, TWELVE, "one scalar's prior"),
        (bs.study_prior_width, factor_alone(), "only numpyro.factor terms"),
        (bs.study_prior_width, bs.Model({"p": dist.Beta(1, 1)}, lambda p: dist.Binomial(9, p), 2), "unbounded"),
    ],
)
def test_a_model_that_does_not_suit_gets_a_sentence(study, model, sentence):
    with pytest.raises(UserError, match=sentence):
        study(model, fast=True)


def test_the_null_of_a_model_of_one_parameter_is_its_likelihood():
    model = bs.Model({"mu": dist.Normal(0, 1)}, lambda mu: dist.Normal(mu, 2.0), observed=[0.4, 1.9, -0.2])
    study = bs.study_prior_width(model, scales=[1e-6, 1.0])
    (null,) = study.tables["null"]
    assert null["log_evidence"] == pytest.approx(stats.norm(0, 2).logpdf([0.4, 1.9, -0.2]).sum(), abs=1e-9)
    assert study.tables["widths"][0]["log_bayes_factor"] == pytest.approx(0.0, abs=1e-6)


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


def test_an_estimator_answers_alike_alone_and_in_company():
    """What it reaches may not depend on who was asked before it."""
    from bayes_sandbox.studies import dimension

    alone, company = (
        [dimension._runs("rates", 2, m, 0.02, 30.0, 0)[0] for m in methods][-1]
        for methods in (["importance"], ["grid", "laplace", "importance"])
    )
    assert alone["num_evaluations"] == company["num_evaluations"] > 1000
    assert alone["gap"] == company["gap"]


def test_an_unknown_study_gets_a_sentence():
    with pytest.raises(UserError, match="did you mean 'order'"):
        find_study("orders")

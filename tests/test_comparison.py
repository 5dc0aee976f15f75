"""Holding the ways against each other: what agrees, what is demoted, what the document and the DataTree say."""

import dataclasses
import json
import warnings
from importlib import resources
from pathlib import Path

import jsonschema
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr

import bayes_sandbox as bs
from bayes_sandbox import comparison, problems
from bayes_sandbox.evidence import estimate_with
from bayes_sandbox.records import Evidence

FAST = {"num_warmup": 300, "num_samples": 500}
ARVIZ_GROUPS = {
    "posterior",
    "unconstrained_posterior",
    "sample_stats",
    "log_likelihood",
    "log_prior",
    "posterior_predictive",
    "prior",
    "prior_predictive",
    "observed_data",
    "constant_data",
}


@pytest.fixture(scope="module")
def schema() -> dict:
    text = resources.files("bayes_sandbox").joinpath("document.schema.json").read_text(encoding="utf-8")
    return json.loads(text)


@pytest.fixture(scope="module")
def bioassay() -> bs.Comparison:
    model = bs.Model(
        prior={"intercept": dist.Normal(0, 10), "slope": dist.Normal(0, 10)},
        likelihood=lambda intercept, slope, dose, n: dist.Binomial(n, logits=intercept + slope * dose),
        inputs={"dose": np.array([-0.86, -0.30, -0.05, 0.73]), "n": np.array([5, 5, 5, 5])},
        observed=np.array([0, 1, 3, 5]),
        name="bioassay",
    )
    return bs.compare(model)


@pytest.fixture(scope="module")
def improper() -> bs.Comparison:
    flat = dist.ImproperUniform(dist.constraints.real, (), ())
    model = bs.Model({"mu": flat}, lambda mu: dist.Normal(mu, 2.0), observed=[1.0, 4.0], name="flat")
    return bs.compare(model, **FAST)


def test_all_ways_agree_on_a_smooth_posterior(bioassay: bs.Comparison) -> None:
    assert [e.method for e in bioassay.evidence] == ["laplace", "grid", "importance", "bridge"]
    assert all(e.trusted for e in bioassay.evidence)
    assert bioassay.agreement.evidence is True
    assert bioassay.agreement.posterior is True
    assert bioassay.best is not None
    assert bioassay.best.method == "grid"


def test_the_document_is_the_schemas(bioassay: bs.Comparison, improper: bs.Comparison, schema: dict) -> None:
    for result in (bioassay, improper):
        document = json.loads(json.dumps(result.to_dict(), allow_nan=False))
        jsonschema.validate(document, schema)
        assert document["model"]["parameters"] == result.model.parameters


def test_numbers_of_the_document_are_not_rounded(bioassay: bs.Comparison) -> None:
    document = bioassay.to_dict()
    assert document["best"]["log_evidence"] == bioassay.best.log_evidence
    assert document["fits"]["nuts"]["mean"]["slope"] == float(bioassay.nuts.mean["slope"])
    assert document["fits"]["map"]["log_joint"] == pytest.approx(
        document["fits"]["map"]["log_prior"] + document["fits"]["map"]["log_likelihood"], abs=1e-12
    )


def test_the_occam_split_adds_up(bioassay: bs.Comparison) -> None:
    lesson = bioassay.lesson
    assert lesson.log_likelihood_at_map + lesson.log_occam_factor == pytest.approx(bioassay.best.log_evidence)
    assert lesson.log_occam_factor < 0


def test_the_two_integrals_differ_by_a_flat_priors_volume() -> None:
    model = bs.Model({"p": dist.Uniform(0, 4)}, lambda p: dist.Normal(p, 0.1), observed=[1.5, 1.7])
    result = bs.compare(model, methods=["map", "grid"])
    assert result.lesson.log_likelihood_integral == pytest.approx(result.best.log_evidence + np.log(4), abs=1e-6)


def test_the_datatree_has_every_group_and_survives_netcdf(bioassay: bs.Comparison, tmp_path: Path) -> None:
    tree = bioassay.to_datatree()
    assert set(tree.children) == ARVIZ_GROUPS | {"map", "laplace", "grid", "evidence"}
    path = tmp_path / "run.nc"
    tree.to_netcdf(path, engine="h5netcdf")
    with xr.open_datatree(path, engine="h5netcdf") as kept:
        for name, group in tree.children.items():
            xr.testing.assert_allclose(kept[name].to_dataset(), group.to_dataset())


def test_the_groups_hold_what_they_say(bioassay: bs.Comparison) -> None:
    tree, model = bioassay.to_datatree(), bioassay.model
    at = {"chain": 1, "draw": 17}
    params = {n: float(tree["posterior"][n].sel(at)) for n in ("intercept", "slope")}
    pointwise = tree["log_likelihood"]["observed"].sel(at)
    np.testing.assert_allclose(pointwise, model.log_likelihood(params)["observed"], atol=1e-12)
    prior = sum(float(tree["log_prior"][n].sel(at)) for n in params)
    assert prior == pytest.approx(float(model.log_prior(params)))
    assert tree["posterior_predictive"]["observed"].shape == (4, 1000, 4)
    assert tree["prior"]["slope"].dims == ("chain", "draw")
    np.testing.assert_array_equal(tree["observed_data"]["observed"], [0, 1, 3, 5])
    assert set(tree["constant_data"].data_vars) == {"dose", "n"}


def test_arviz_reads_the_tree(bioassay: bs.Comparison) -> None:
    import arviz as az

    tree = bioassay.to_datatree()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*Pareto")  # four observations, each of them influential
        assert np.isfinite(az.loo(tree).elpd)
    assert set(az.summary(tree).index) == {"intercept", "slope"}
    assert "reached_max_treedepth" in tree["sample_stats"]


def test_draws_from_elsewhere_give_the_same_bridge(bioassay: bs.Comparison, tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    bioassay.to_datatree().to_netcdf(path, engine="h5netcdf")
    with xr.open_datatree(path, engine="h5netcdf") as kept:
        (again,) = bs.estimate_evidence(bioassay.model, methods=["bridge"], draws=kept.load())
    ours = next(e for e in bioassay.evidence if e.method == "bridge")
    assert again.log_evidence == pytest.approx(ours.log_evidence, abs=1e-9)


def test_an_improper_prior_has_everything_but_an_evidence(improper: bs.Comparison) -> None:
    assert improper.best is None
    assert improper.evidence == ()
    assert "mu" in improper.warnings[0]
    assert improper.map.converged
    assert improper.grid.converged
    np.testing.assert_allclose(improper.grid.mean["mu"], 2.5, atol=1e-6)
    np.testing.assert_allclose(improper.grid.sd["mu"], 2 / np.sqrt(2), rtol=1e-6)
    assert abs(float(improper.nuts.mean["mu"]) - 2.5) < 4 * improper.nuts.diagnostics.mcse_mean["mu"]
    assert "prior" not in improper.to_datatree().children


def test_contradicting_estimates_are_both_demoted() -> None:
    one = Evidence("grid", -1.0, 1e-6, 1, 0.0, True, ())
    other = Evidence("bridge", -1.5, 0.05, 1, 0.0, True, ())
    near = Evidence("importance", -1.3, 0.07, 1, 0.0, True, ())
    judged, said = comparison._cross_check([one, other, near])
    assert [e.trusted for e in judged] == [False, False, False]
    assert len(said) == 2
    assert all(e.warnings for e in judged)
    assert comparison._cross_check([one, replaced(other, 0.2)])[1] == []


def replaced(e: Evidence, error: float) -> Evidence:
    return Evidence(e.method, e.log_evidence, error, e.num_evaluations, e.seconds, e.trusted, e.warnings)


@pytest.mark.parametrize("name", ["spike on a hump 2d", pytest.param("eggbox", marks=pytest.mark.slow)])
def test_a_mode_that_only_the_grid_met_is_known_to_all_who_come_after(name: str) -> None:
    """Climbs miss it, so does NUTS: not the grid alone must be right, the others must not contradict it."""
    problem = problems.find(name)
    found = bs.compare(problem.make(), num_warmup=300, num_samples=300)
    assert found.best is not None
    assert found.best.method == "grid"
    assert abs(found.best.log_evidence - problem.log_evidence) < 1e-4
    assert found.grid is not None
    assert found.grid.laplace is not None
    assert found.laplace is not None
    assert len(found.laplace.humps) == len(found.grid.laplace.humps) > 1
    for estimate in found.evidence:
        if estimate.trusted:
            assert abs(estimate.log_evidence - problem.log_evidence) < 4 * estimate.error, estimate.method


@pytest.mark.parametrize("near", [True, False])
def test_where_nothing_is_trusted_tempering_is_tried_and_must_not_stand_alone(
    monkeypatch: pytest.MonkeyPatch, near: bool
) -> None:
    def doubted(bench: object, name: str) -> Evidence:
        found = estimate_with(bench, name)
        moved = found.log_evidence + (0.0 if near else 1000.0)
        doubt = dataclasses.replace(found, log_evidence=moved).demoted("doubted, for this test")
        return found if name == "tempering" else doubt

    monkeypatch.setattr(comparison, "estimate_with", doubted)
    model = bs.Model({"p": dist.Beta(1, 1)}, lambda p: dist.Binomial(10, p), observed=2)
    result = bs.compare(model)
    found = result.evidence[-1]
    assert found.method == "tempering"
    assert abs(found.log_evidence + np.log(11)) < 4 * found.error
    assert (result.best == found) == near
    if not near:
        assert result.best is None
        assert "comes near" in found.warnings[-1]
    assert "tempering" not in [e.method for e in bs.compare(model, evidence=["laplace", "importance"]).evidence]


def test_an_estimate_of_no_precision_bears_nothing_out() -> None:
    tempering = Evidence("tempering", -10.0, 0.05, 1, 0.0, True, ())
    vague = Evidence("bridge", -10.5, 1.1, 1, 0.0, False, ("chains disagree",))
    sharp = Evidence("importance", -10.1, 0.02, 1, 0.0, False, ("k-hat",))
    assert not comparison._beside([vague], tempering).trusted
    assert comparison._beside([vague, sharp], tempering).trusted


def test_an_estimator_named_for_an_improper_prior_raises(improper: bs.Comparison) -> None:
    with pytest.raises(bs.ModelError, match="mu"):
        bs.compare(improper.model, evidence=["laplace"])


def test_what_cannot_start_is_skipped_with_the_reason() -> None:
    def program() -> None:
        x = numpyro.sample("x", dist.Normal(0, 1))
        numpyro.factor("never", -np.inf * x**2)

    result = bs.compare(bs.Model.from_numpyro(program), **FAST)
    assert result.best is None
    assert "cannot start" in result.skipped["nuts"]
    assert not result.map.converged
    json.dumps(result.to_dict(), allow_nan=False)


def test_a_bare_function_names_from_numpyro() -> None:
    with pytest.raises(bs.ModelError, match="from_numpyro"):
        bs.compare(lambda y: None)


def test_records_keep_the_honesty_rule() -> None:
    with pytest.raises(ValueError, match="finite"):
        Evidence("grid", -1.0, np.inf, 1, 0.0, True, ())
    with pytest.raises(ValueError, match="sentence"):
        Evidence("grid", -1.0, 0.1, 1, 0.0, False, ())


def test_groups_of_many_observations_are_thinned() -> None:
    y = np.linspace(-2.0, 3.0, 20_000)
    model = bs.Model({"mu": dist.Normal(0, 1)}, lambda mu: dist.Normal(mu, 1.0), observed=y)
    tree = bs.compare(model, methods=["nuts"], evidence=[], **FAST).to_datatree()
    kept = tree["log_likelihood"]["observed"]
    assert kept.size <= 10_000_000
    assert tree["posterior"]["mu"].sizes["draw"] == 500
    last = kept.sel(chain=0).isel(draw=-1)
    mu = float(tree["posterior"]["mu"].sel(chain=0, draw=int(last["draw"])))
    np.testing.assert_allclose(last, model.log_likelihood({"mu": mu})["observed"], atol=1e-9)

"""Names that a DataTree cannot have work to the end: draws, document, tables, figures, and back."""

import json
from pathlib import Path

import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr
from numpyro.handlers import scope

import bayes_sandbox as bs
from bayes_sandbox.selection import leave_one_out
from bayes_sandbox.variable_names import to_site, to_variable

NAMES = ["a/mu", "a/w[0]", "a/w[1]", "50%", "draw", "key"]


def program(y: np.ndarray) -> None:
    def inner() -> None:
        mu = numpyro.sample("mu", dist.Normal(0, 2))
        w = numpyro.sample("w", dist.Normal(0, 1).expand([2]).to_event(1))
        numpyro.deterministic("twice", 2 * mu)
        numpyro.sample("y", dist.Normal(mu + w.sum(), 1), obs=y)

    scope(inner, prefix="a")()
    for name in ("50%", "draw", "key"):
        numpyro.sample(name, dist.Normal(0, 1))


@pytest.fixture(scope="module")
def model() -> bs.Model:
    return bs.Model.from_numpyro(program, np.array([1.0, 2.0, 0.5]))


@pytest.fixture(scope="module")
def result(model: bs.Model) -> bs.Comparison:
    rng = np.random.default_rng(0)
    draws = {name: rng.normal(size=(2, 100)) for name in ("a/mu", "50%", "draw", "key")}
    draws["a/w"] = rng.normal(size=(2, 100, 2))
    return bs.compare(model, draws=draws, evidence=["laplace", "grid"])


@pytest.fixture(scope="module")
def folder(result: bs.Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    result.report(folder)
    return folder


def test_the_document_and_the_table_have_the_names(model: bs.Model, folder: Path) -> None:
    document = json.loads((folder / "run.json").read_text())
    assert document["model"]["parameters"] == model.parameters == NAMES
    assert list(document["fits"]["nuts"]["mean"]) == NAMES
    rows = (folder / "summary.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == NAMES
    page = (folder / "report.html").read_text()
    assert "a/w[1]" in page
    assert "%2F" not in page


def test_what_is_kept_are_draws_again(model: bs.Model, folder: Path, result: bs.Comparison) -> None:
    with xr.open_datatree(folder / "posterior.nc", engine="h5netcdf") as stored:
        tree = stored.load()
    assert {to_site(str(name)) for name in tree["posterior"].data_vars} == {*result.nuts.draws, "a/twice"}
    assert to_site(str(next(iter(tree["observed_data"].data_vars)))) == "a/y"
    again = bs.compare(model, draws=tree, methods=["nuts"], evidence=[])
    for name, values in result.nuts.draws.items():
        np.testing.assert_array_equal(again.nuts.draws[name], values)
    assert np.isfinite(leave_one_out(model, result.nuts.draws).elpd)


def test_figures_show_the_names(result: bs.Comparison) -> None:
    shown = {
        t.get_text()
        for figure in result.plot().values()
        for axes in figure.axes
        for t in (axes.title, axes.xaxis.label)
    }
    assert any("a/mu" in text for text in shown)
    assert not any("%2F" in text or "%64" in text for text in shown)


@pytest.mark.parametrize("site", ["a", "a/b", "a%2Fb", "/", "%", "%%25", "chain", "draw", "step", "%64raw", "é/ü"])
def test_a_name_and_its_variable_are_one_to_one(site: str) -> None:
    variable = to_variable(site)
    assert to_site(variable) == site
    assert "/" not in variable
    assert variable not in ("chain", "draw", "step")

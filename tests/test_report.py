"""Does a kept run hold everything, read well with parts missing, and draw again without refitting?"""

import csv
import dataclasses
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpyro.distributions as dist
import pytest
import xarray as xr

import bayes_sandbox as bs
from bayes_sandbox import comparison
from bayes_sandbox.errors import UserError
from bayes_sandbox.folders import RUN_KIND, RunFolder
from bayes_sandbox.report import ReportError, redraw, tables, write_run
from bayes_sandbox.report.captions import ALTERNATIVES, CAPTIONS
from bayes_sandbox.report.figures import DRAWERS
from bayes_sandbox.report.text import summary

EXPECTED = {
    "marginals",
    "rank",
    "energy",
    "prior_predictive",
    "posterior_predictive",
    "evidence",
    "occam",
    "curse",
}
SOURCE = re.compile(r"""(?:src|href|action|data)\s*=\s*["']?([^"'\s>]+)|url\(([^)]+)\)|@import""")

Edit = Callable[[dict[str, Any], dict[str, xr.Dataset]], None]


@pytest.fixture(scope="module")
def result() -> comparison.Comparison:
    globe = bs.Model({"p": dist.Uniform(0, 1)}, lambda p: dist.Binomial(9, p), observed=6, name="globe <b>&")
    return bs.compare(globe, num_warmup=200, num_samples=200, evidence=("laplace", "grid", "importance"))


@pytest.fixture(scope="module")
def folder(result: comparison.Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "deep" / "globe"
    assert result.report(path) == path / "report.html"
    return path


@pytest.fixture
def variant(folder: Path, tmp_path: Path) -> Callable[[Edit], tuple[str, Path]]:
    """Return a function that draws an edited copy of the run, and gives the page and its folder."""

    def draw(edit: Edit) -> tuple[str, Path]:
        doc = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        with xr.open_datatree(folder / "posterior.nc", engine="h5netcdf") as tree:
            groups = {name: node.to_dataset().load() for name, node in tree.children.items()}
        edit(doc, groups)
        (tmp_path / "run.json").write_text(json.dumps(doc), encoding="utf-8")
        xr.DataTree.from_dict(groups).to_netcdf(tmp_path / "posterior.nc", engine="h5netcdf")
        return redraw(tmp_path).read_text(encoding="utf-8"), tmp_path

    return draw


def plots(folder: Path) -> set[str]:
    return {path.stem for path in (folder / "plots").iterdir()}


def test_a_run_is_complete(folder: Path, result: comparison.Comparison) -> None:
    assert json.loads((folder / "run.json").read_text(encoding="utf-8")) == result.to_dict()
    assert {path.name for path in folder.iterdir() if not path.name.startswith(".bayes-sandbox")} == {
        "run.json",
        "posterior.nc",
        "summary.csv",
        "plots",
        "report.html",
    }
    assert plots(folder) == EXPECTED
    with xr.open_datatree(folder / "posterior.nc", engine="h5netcdf") as tree:
        assert {"posterior", "grid", "map", "evidence"} <= set(tree.children)


def test_the_page_needs_no_network(folder: Path) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    sources = [first or second for first, second in SOURCE.findall(page)]
    assert sources
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert "http" not in page
    assert len(page) < 3e6
    for plot in (folder / "plots").iterdir():
        addresses = re.findall(r"https?://[^\"\s<]+", plot.read_text(encoding="utf-8"))
        assert all(address.startswith("http://www.w3.org/") for address in addresses), plot


def test_every_figure_is_shown_with_words(folder: Path) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    for name in EXPECTED:
        assert f'id="figure-{name}"' in page
    alternatives = re.findall(r'<img [^>]*alt="([^"]*)"', page)
    assert len(alternatives) == len(EXPECTED)
    assert all(len(words) > 20 for words in alternatives)
    assert page.count("<table>") == page.count("<caption>")


def test_the_name_is_escaped(folder: Path) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "globe &lt;b&gt;&amp;" in page
    assert "globe <b>" not in page


def test_two_modes_are_explained(folder: Path) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "0.667" in page
    assert "0.636" in page
    assert "the mode moves under a change of variables, the integral does not" in page
    assert "outside every basin that" in page


def test_no_number_has_sixteen_digits(folder: Path) -> None:
    page = re.sub(r'src="[^"]*"', "", (folder / "report.html").read_text(encoding="utf-8"))
    visible = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    assert not re.findall(r"\d\.\d{11,}", visible)


def test_alerts_come_first(variant: Callable[[Edit], tuple[str, Path]], folder: Path) -> None:
    calm = (folder / "report.html").read_text(encoding="utf-8")

    def alarm(doc: dict[str, Any], groups: dict[str, xr.Dataset]) -> None:
        doc["warnings"] = ["the sky <falls>", "so does the floor"]

    page, _ = variant(alarm)
    assert page.index("the sky &lt;falls&gt;") < page.index("so does the floor") < page.index("log p(D)")
    assert "2 alerts" in page
    assert ("No alerts" in calm) == (json.loads((folder / "run.json").read_text(encoding="utf-8"))["warnings"] == [])


def test_redraw_gives_the_same_files_without_a_fit(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("run.json", "posterior.nc"):
        shutil.copy(folder / name, tmp_path)
    for name in ("fit_map", "estimate_with", "Workbench"):
        monkeypatch.setattr(comparison, name, None)
    assert redraw(tmp_path) == tmp_path / "report.html"
    for old in (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".bayes-sandbox")):
        assert (tmp_path / old.relative_to(folder)).read_bytes() == old.read_bytes(), old


def test_a_stale_figure_goes(variant: Callable[[Edit], tuple[str, Path]], tmp_path: Path) -> None:
    variant(lambda doc, groups: None)
    with RunFolder.existing(tmp_path, RUN_KIND) as opened:
        opened.write("plots/joint.svg", "of an earlier run")
    variant(lambda doc, groups: None)
    assert plots(tmp_path) == EXPECTED


def test_a_figure_of_somebody_else_stays(variant: Callable[[Edit], tuple[str, Path]], tmp_path: Path) -> None:
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "joint.svg").write_text("mine")
    with pytest.raises(UserError, match=r"joint\.svg was not written by bayes-sandbox"):
        variant(lambda doc, groups: None)
    assert (tmp_path / "plots" / "joint.svg").read_text() == "mine"


def without_evidence(doc: dict[str, Any], groups: dict[str, xr.Dataset]) -> None:
    """An improper prior: no evidence, no prior draws."""
    doc.update(evidence=[], best=None, agreement={"evidence": None, "posterior": True, "details": []})
    doc["lesson"].update(log_occam_factor=None)
    doc["warnings"] = ["p(D) is undefined: 'p' has no proper prior"]
    for name in ("prior", "prior_predictive", "evidence"):
        del groups[name]


def without_grid(doc: dict[str, Any], groups: dict[str, xr.Dataset]) -> None:
    why = "it has 3.8e+29 nodes; use bridge"
    doc["fits"]["grid"] = {"skipped": why}
    doc["lesson"].update(log_likelihood_integral=None, log_likelihood_integral_missing="a grid does not fit")
    doc["evidence"][1].update(log_evidence=None, error=None, trusted=False, warnings=[why])
    groups["grid"] = xr.Dataset(attrs={"skipped": why})


def without_nuts(doc: dict[str, Any], groups: dict[str, xr.Dataset]) -> None:
    """The posterior's draws are then the grid's."""
    doc["fits"]["nuts"] = {"skipped": "no start had a finite density"}
    for name in ("sample_stats", "unconstrained_posterior"):
        del groups[name]


def without_map(doc: dict[str, Any], groups: dict[str, xr.Dataset]) -> None:
    doc["fits"]["map"] = {"skipped": "not asked for"}
    doc["lesson"].update(log_likelihood_at_map=None, log_occam_factor=None)
    for name in ("map", "laplace"):
        del groups[name]


def with_nothing(doc: dict[str, Any], groups: dict[str, xr.Dataset]) -> None:
    for edit in (without_evidence, without_nuts, without_map):
        edit(doc, groups)
    doc["fits"]["grid"] = {"skipped": "not asked for"}
    for name in set(groups) - {"observed_data"}:
        del groups[name]


def with_one_chain(doc: dict[str, Any], groups: dict[str, xr.Dataset]) -> None:
    groups.update({name: data.isel(chain=[0]) for name, data in groups.items() if "chain" in data.dims})
    doc["fits"]["nuts"]["r_hat"] = {"p": None}


@pytest.mark.parametrize(
    ("edit", "gone", "said"),
    [
        (without_evidence, {"prior_predictive", "evidence", "occam"}, "log p(D) was not estimated"),
        (without_grid, set(), "it has 3.8e+29 nodes; use bridge"),
        (without_nuts, {"rank", "energy"}, "no start had a finite density"),
        (without_map, {"occam"}, "The split needs a MAP that converged"),
        (with_nothing, EXPECTED - {"curse"}, "This run holds no predictions"),
        (with_one_chain, {"rank"}, 'id="figure-trace"'),
    ],
)
def test_a_page_with_parts_missing(
    variant: Callable[[Edit], tuple[str, Path]], edit: Edit, gone: set[str], said: str
) -> None:
    page, run = variant(edit)
    assert said in page
    assert EXPECTED - plots(run) == gone
    assert "nan" not in re.sub(r'src="[^"]*"', "", page).lower()


def test_many_structured_parameters(variant: Callable[[Edit], tuple[str, Path]]) -> None:
    """A matrix beside a constant: 31 components, of which one never moves."""
    labels = [f"S[{i}, {j}]" for i in range(6) for j in range(5)] + ["constant"]

    def widen(doc: dict[str, Any], groups: dict[str, xr.Dataset]) -> None:
        doc["model"].update(parameters=labels, dimension=30)
        nuts, fitted = doc["fits"]["nuts"], doc["fits"]["map"]
        for column in ("mean", "sd", "mcse_mean", "mcse_sd", "ess_bulk", "ess_tail", "r_hat"):
            nuts[column] = dict.fromkeys(labels, nuts[column]["p"]) | {"constant": None}
        fitted["params"] = fitted["params_unconstrained"] = dict.fromkeys(labels, 0.5)
        fitted["modes"] = [{**fitted["modes"][0], "params": fitted["params"]}] * 2
        without_grid(doc, groups)
        draws = np.random.default_rng(0).normal(size=(4, 200, 6, 5))
        dims = ("chain", "draw", "S_dim_0", "S_dim_1")
        groups["posterior"] = xr.Dataset({"S": (dims, draws), "constant": (dims[:2], np.ones((4, 200)))})
        for name in ("unconstrained_posterior", "laplace", "map", "prior"):
            del groups[name]

    page, run = variant(widen)
    assert {"marginals", "joint", "rank"} <= plots(run)
    assert "Distinct modes" in page
    assert "50 %" in page  # two alike share the mass
    with (run / "summary.csv").open(encoding="utf-8", newline="") as source:
        rows = list(csv.DictReader(source))
    assert [row["parameter"] for row in rows] == labels
    assert rows[-1]["nuts_mean"] == ""
    text = summary(json.loads((run / "run.json").read_text(encoding="utf-8")))
    assert "… and 19 more in summary.csv" in text
    assert max(map(len, text.splitlines())) <= 80


def test_two_parameters_have_contours_and_a_path(variant: Callable[[Edit], tuple[str, Path]]) -> None:
    def pair(doc: dict[str, Any], groups: dict[str, xr.Dataset]) -> None:
        doc["model"].update(parameters=["a", "b"], dimension=2)
        doc["fits"]["map"].update(params={"a": 0.0, "b": 0.0}, params_unconstrained={"a": 0.0, "b": 0.0})
        rng = np.random.default_rng(0)
        draws = xr.Dataset({name: (("chain", "draw"), rng.normal(size=(4, 200))) for name in ("a", "b")})
        x = np.linspace(-4, 4, 41)
        groups["posterior"] = groups["unconstrained_posterior"] = groups["prior"] = draws
        groups["laplace"] = xr.Dataset(
            {"position": (("coordinate",), np.zeros(2)), "scale": (("coordinate", "coordinate_bis"), np.eye(2))}
        )
        groups["map"] = xr.Dataset({f"{name}_path": (("step",), [2.0, 1.0, 0.0]) for name in ("a", "b")})
        normal = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
        groups["grid"] = xr.Dataset(
            {
                "x": (("component", "point"), [x, x]),
                "density": (("component", "point"), [normal, normal]),
                "joint_x": (("joint_row",), x),
                "joint_y": (("joint_column",), x),
                "joint_density": (("joint_row", "joint_column"), np.outer(normal, normal)),
            },
            coords={"component": ["a", "b"]},
        )

    _, run = variant(pair)
    assert "joint" in plots(run)


def test_figures_belong_to_nobody(result: comparison.Comparison) -> None:
    import matplotlib
    from matplotlib import pyplot

    before = dict(matplotlib.rcParams)
    drawn = result.plot()
    assert list(drawn) == [draw.__name__ for draw in DRAWERS if draw.__name__ in EXPECTED]
    assert not pyplot.get_fignums()
    assert dict(matplotlib.rcParams) == before


def test_text_summary(result: comparison.Comparison, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    text = result.summary()
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    for words in ("globe", "0.667", "0.636 ± 0.139", "laplace", "by grid", "yes"):
        assert words in text


def test_agreement_speaks_with_the_comparison() -> None:
    names = ("APART", "SD_APART", "NEARLY_SETTLED")
    assert [getattr(tables, n) for n in names] == [getattr(comparison, n) for n in names]
    zeros = dict.fromkeys((field.name for field in dataclasses.fields(tables.ParameterRow)), 0.0)
    row = tables.ParameterRow(
        **zeros | {"label": "w", "nuts_sd": 1.0, "grid_sd": 1.0, "mcse_mean": 0.1, "comparable": True}
    )
    assert (row.agree, row.verdict) == (True, "yes, 0.0")
    assert dataclasses.replace(row, nuts_mean=0.5).verdict == "no, 5.0"
    assert dataclasses.replace(row, nuts_sd=1.1).verdict == "no, sd +10%"
    assert dataclasses.replace(row, nuts_sd=1.1, mcse_sd=0.03).verdict == "unclear, sd +10%"
    assert dataclasses.replace(row, comparable=False).verdict == "—"


def test_every_figure_has_its_words() -> None:
    names = {draw.__name__ for draw in DRAWERS}
    assert names == set(CAPTIONS) == set(ALTERNATIVES)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda run: shutil.rmtree(run), "holds no run.json"),
        (lambda run: (run / "posterior.nc").unlink(), "holds no posterior.nc"),
        (lambda run: (run / "run.json").write_text("{"), "cannot be read"),
        (lambda run: (run / "run.json").write_text("{}"), "not the document of a run"),
        (lambda run: (run / "posterior.nc").write_text("not a netCDF file"), "cannot be read"),
    ],
)
def test_an_unreadable_run_is_a_sentence(
    folder: Path, tmp_path: Path, spoil: Callable[[Path], object], said: str
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in ("run.json", "posterior.nc"):
        shutil.copy(folder / name, run)
    spoil(run)
    with pytest.raises(ReportError, match=said) as caught:
        redraw(run)
    assert isinstance(caught.value, UserError)


def test_an_interruption_leaves_the_data(
    result: comparison.Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bayes_sandbox.report.figures.figures", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_run(result, tmp_path)
    assert json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))["model"]["dimension"] == 1
    assert (tmp_path / "posterior.nc").is_file()
    assert not list(tmp_path.glob("*.part"))

"""Every model script runs: fast settings, by the command and by `python`, and the ways agree where they should."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import bayes_sandbox as bs
from bayes_sandbox.cli import cli
from bayes_sandbox.scripts import find_scripts, load_script

MODELS = Path(__file__).parent.parent / "models"
SMOOTH = ["globe", "horse_kicks", "bioassay", "challenger", "normal", "coal_mining"]
STEERED = ["eight_schools", "diabetes"]
DECLINED = ["breast_cancer"]


def _model(name: str) -> bs.Model:
    return load_script(MODELS / f"{name}.py").model


@pytest.fixture(scope="module")
def compared() -> dict[str, bs.Comparison]:
    return {}


def _compare(name: str, compared: dict[str, bs.Comparison]) -> bs.Comparison:
    if name not in compared:
        compared[name] = bs.compare(_model(name))
    return compared[name]


def test_every_script_has_a_title_and_runs_by_itself() -> None:
    found = find_scripts(MODELS)
    assert {path.stem for path, _ in found} >= {*SMOOTH, *STEERED, *DECLINED, "outliers"}
    for path, title in found:
        assert 10 < len(title) <= 70, path
        assert path.read_text().rstrip().endswith("bs.main(model)"), path


@pytest.mark.parametrize("name", SMOOTH)
def test_on_a_smooth_posterior_all_ways_agree(name: str, compared: dict[str, bs.Comparison]) -> None:
    result = _compare(name, compared)
    by_method = {e.method: e for e in result.evidence}
    assert all(by_method[m].trusted for m in ("grid", "importance", "bridge")), result.warnings
    assert result.agreement.evidence is True
    assert result.agreement.posterior is True, result.agreement.details
    assert result.grid.converged
    for marginal in result.grid.marginals.values():
        assert np.trapezoid(marginal.density, marginal.x) == pytest.approx(1, abs=1e-6)
        assert marginal.mass == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(("name", "steer"), [("eight_schools", "tau"), ("diabetes", "sigma")])
def test_many_parameters_that_few_steer_are_summed(name: str, steer: str) -> None:
    fit = bs.fit_grid(_model(name))
    assert fit.converged
    assert f"exactly a normal given {steer}" in fit.message


@pytest.mark.parametrize("name", DECLINED)
def test_with_many_parameters_the_grid_declines_and_says_what_it_would_have_cost(name: str) -> None:
    model = _model(name)
    fit = bs.fit_grid(model)
    assert fit.skipped
    assert f"{9.0**model.dimension:.1e} nodes" in fit.skipped
    assert not fit.evidence.trusted


@pytest.mark.slow
@pytest.mark.parametrize("name", [*STEERED, *DECLINED, "outliers"])
def test_the_larger_models_by_the_command(name: str, tmp_path: Path) -> None:
    arguments = ["run", str(MODELS / f"{name}.py"), "--json", "--out", str(tmp_path), "--no-cache"]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["best"] is not None


def test_breast_cancer_with_six_columns_by_the_grid() -> None:
    """The published value to its digits; a grid over six parameters."""
    make_model = load_script(MODELS / "breast_cancer.py").make_model
    fit = bs.fit_grid(make_model(columns=6), tolerance=1e-5)
    assert fit.evidence.trusted
    assert fit.evidence.log_evidence == pytest.approx(-102.15142, abs=1e-5)


def test_scripts_do_not_import_one_another() -> None:
    names = {path.stem for path in MODELS.glob("*.py")}
    for path in MODELS.glob("*.py"):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert not {line.split()[1] for line in path.read_text().splitlines() if line.startswith("from ")} & names
    assert "bioassay" not in sys.modules

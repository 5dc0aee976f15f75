"""Every model script runs: fast settings, by the command and by `python`, and the ways agree where they should."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.datasets import load_diabetes

import bayes_sandbox as bs
from bayes_sandbox.cli import cli
from bayes_sandbox.scripts import find_scripts, load_script

MODELS = Path(__file__).parent.parent / "models"
SMOOTH = ["globe", "horse_kicks", "bioassay", "challenger", "normal", "coal_mining"]
FAST = {"bioassay", "normal"}
SUMMED = {  # what the docstrings say, by the grid
    ("fabric", ""): -92.624,
    ("fabric", "poisson"): -98.517,
    ("stack_loss", "normal"): -16.765,
    ("stopping", ""): -13.331138186,
    ("puromycin", ""): -54.9724024,
    ("dyestuff", ""): -168.5164970,
    ("dyestuff", "second"): -86.7669582,
    ("iris", ""): -717.186,
}
STEERED = ["eight_schools", "diabetes"]
DECLINED = ["breast_cancer"]
LARGER = ["outliers", "galaxies", "network", "lasso", "horseshoe", "stack_loss"]


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
    assert {path.stem for path, _ in found} >= {*SMOOTH, *STEERED, *DECLINED, *LARGER}
    for path, title in found:
        assert 10 < len(title) <= 70, path
        assert path.read_text().rstrip().endswith("bs.main(model)"), path


@pytest.mark.parametrize("name", [n if n in FAST else pytest.param(n, marks=pytest.mark.slow) for n in SMOOTH])
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


@pytest.mark.parametrize(("name", "setting"), SUMMED)
def test_the_evidence_is_what_the_script_says(name: str, setting: str) -> None:
    script = load_script(MODELS / f"{name}.py")
    fit = bs.fit_grid(script.make_model(**{setting: True} if setting else {}))
    assert fit.evidence.trusted
    digits = len(str(SUMMED[name, setting]).split(".")[1])
    assert fit.evidence.log_evidence == pytest.approx(SUMMED[name, setting], abs=0.51 * 10**-digits + 2 * fit.error)


def test_a_lasso_is_sparse_at_its_mode_only() -> None:
    script = load_script(MODELS / "lasso.py")
    zero = bs.fit_map(script.model).params["w"] == 0
    assert zero.tolist() == [name in ("age", "s2") for name in load_diabetes().feature_names]


def test_turned_latents_have_the_law_of_a_normal_matrix() -> None:
    """W Wᵀ of four by two standard normals has a mean of 2 I, and variances of 4 on the diagonal and 2 beside it."""
    num = 20_000
    draws = load_script(MODELS / "iris.py").make_model(num_directions=2).sample_prior(0, num)
    w = np.zeros((num, 4, 2))
    w[:, [0, 1], [0, 1]] = draws["diagonal"]
    w[:, [1, 2, 2, 3, 3], [0, 0, 1, 0, 1]] = draws["others"]
    product = w @ w.swapaxes(1, 2)
    variance = 2 + 2 * np.eye(4)
    np.testing.assert_array_less(np.abs(product.mean(axis=0) - 2 * np.eye(4)), 5 * np.sqrt(variance / num))
    np.testing.assert_allclose(product.var(axis=0), variance, rtol=0.1)


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
@pytest.mark.parametrize("name", [*STEERED, *DECLINED, *LARGER])
def test_the_larger_models_by_the_command(name: str, tmp_path: Path) -> None:
    arguments = ["run", str(MODELS / f"{name}.py"), "--json", "--out", str(tmp_path), "--no-cache"]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["best"] is not None


@pytest.mark.slow
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

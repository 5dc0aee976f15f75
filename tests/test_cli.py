"""The command as a person types it: few cases through a process of their own, the rest in-process."""

import json
import os
import subprocess
import sys
from importlib import resources
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from bayes_sandbox.cli import cli

ROOT = Path(__file__).parent.parent
COIN = '''"""A coin, tossed ten times"""
import numpyro.distributions as dist
import bayes_sandbox as bs

print("said by the script")

def make_model(heads=2):
    """Return the coin with so many heads."""
    return bs.Model({"p": dist.Beta(1, 1)}, lambda p: dist.Binomial(10, p), observed=heads, name="coin")

model = make_model()

if __name__ == "__main__":
    bs.main(model)
'''
FAST = ["--num-warmup", "200", "--num-samples", "300", "--no-cache"]


@pytest.fixture
def coin(tmp_path: Path) -> Path:
    path = tmp_path / "coin.py"
    path.write_text(COIN)
    return path


def test_json_is_one_document_on_stdout(coin: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = CliRunner().invoke(cli, ["run", str(coin), "--json", "--out", str(out), *FAST])
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    schema = json.loads(resources.files("bayes_sandbox").joinpath("document.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(document, schema)
    assert document["model"]["file"] == str(coin)
    assert document == json.loads((out / "run.json").read_text())
    assert "said by the script" in result.stderr
    assert {p.name for p in out.iterdir()} >= {"run.json", "posterior.nc", "summary.csv", "plots", "report.html"}

    again = CliRunner().invoke(cli, ["report", str(out)])
    assert again.exit_code == 0, again.stderr
    assert str(out) in again.stdout


def test_settings_reach_make_model(coin: Path, tmp_path: Path) -> None:
    arguments = [
        "run",
        str(coin),
        "--json",
        "--out",
        str(tmp_path / "o"),
        "--set",
        "heads=7",
        "--methods",
        "map",
        *FAST,
    ]
    result = CliRunner().invoke(cli, [*arguments, "--evidence", "none"])
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["fits"]["map"]["params"]["p"] == pytest.approx(0.7, abs=1e-8)
    assert document["evidence"] == []
    assert document["best"] is None
    assert "skipped" in document["fits"]["grid"]


def test_strict_tells_failed_diagnostics(tmp_path: Path) -> None:
    script = tmp_path / "two.py"
    script.write_text(
        "import numpyro.distributions as dist\nimport bayes_sandbox as bs\n"
        'model = bs.Model({"x": dist.Normal(0, 1)}, lambda x: dist.Normal(x**2, 0.05), observed=2.0, name="two")\n'
    )
    result = CliRunner().invoke(cli, ["run", str(script), "--strict", "--out", str(tmp_path / "o"), *FAST])
    assert result.exit_code == 3, result.output
    assert "NUTS: " in result.stdout
    assert "mirror images" in result.stdout


def test_a_script_runs_by_itself_and_resumes(coin: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(coin), "--out", str(tmp_path / "run"), *FAST]
    first = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert "report:" in first.stdout
    assert "-2.397895" in first.stdout
    (tmp_path / "run" / "report.html").unlink()
    resumed = CliRunner().invoke(cli, ["run", str(coin), "--resume", str(tmp_path / "run"), "--json", *FAST])
    assert resumed.exit_code == 0, resumed.stderr
    assert json.loads(resumed.stdout)["fits"]["nuts"]["num_divergent"] >= 0
    assert (tmp_path / "run" / "report.html").exists()


def test_list_shows_the_models_of_the_repository() -> None:
    result = CliRunner().invoke(cli, ["list", str(ROOT / "models")])
    assert result.exit_code == 0
    assert "bioassay.py" in result.stdout
    assert all(len(line) < 80 for line in result.stdout.splitlines())


def test_explain_reads_a_model_as_a_regularized_loss() -> None:
    script = str(ROOT / "models" / "breast_cancer.py")
    text, latex, html = (
        CliRunner().invoke(cli, ["explain", script, "--set", "columns=3", "--format", form]).stdout
        for form in ("text", "latex", "html")
    )
    assert "Σ (log(1 + eᶠ) − y f)" in text
    assert "LogisticRegression(C=4, l1_ratio=0, fit_intercept=False)" in text
    assert r"\underbrace" in latex
    assert "<table>" in html
    refused = CliRunner().invoke(cli, ["explain", "missing.py"])
    assert refused.exit_code == 2
    assert "missing.py" in refused.stderr


def test_check_finds_the_installation_sound() -> None:
    result = CliRunner().invoke(cli, ["check"])
    assert result.exit_code == 0
    assert "right" in result.stdout


@pytest.mark.parametrize(
    "arguments", [["study"], ["--help"], ["run", "--help"], ["--version"], ["list", str(ROOT / "models")]]
)
def test_what_must_be_quick_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom bayes_sandbox.cli import cli\n"
        f"cli({arguments!r}, standalone_mode=False)\n"
        "heavy = {'jax', 'numpyro', 'arviz', 'scipy', 'matplotlib', 'numpy', 'xarray'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, capture_output=True, timeout=60)

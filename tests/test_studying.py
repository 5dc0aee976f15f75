"""The command `study`: what it lists, keeps, continues and refuses."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bayes_sandbox.cli import cli
from bayes_sandbox.studies import STUDIES

BERNOULLI = """
import numpyro.distributions as dist
import bayes_sandbox as bs
print("said by the script")
model = bs.Model({"p": dist.Beta(2, 1)}, lambda p: dist.Bernoulli(p), observed=[1, 0, 1, 1], name="tosses")
"""


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["study", *map(str, arguments)])


def test_without_a_name_studies_are_listed() -> None:
    lines = invoke().stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(STUDIES)
    assert [line.split("  ", 1)[1].strip() for line in lines] == list(STUDIES.values())


def test_a_study_of_ones_own_model_is_kept_continued_and_drawn_again(tmp_path: Path) -> None:
    script, out = tmp_path / "tosses.py", tmp_path / "out"
    script.write_text(BERNOULLI)
    options = ["sequential", script, "--set", "num_steps=2", "--set", "num_orders=1", "--out", out, "--no-cache"]
    first = invoke(*options, "--json")
    assert first.exit_code == 0, first.stderr
    document = json.loads(first.stdout)
    assert document["settings"]["model"] == "tosses"
    assert "said by the script" in first.stderr
    assert document == json.loads((out / "study.json").read_text())
    assert {p.name for p in out.iterdir() if not p.name.startswith(".bayes-sandbox")} == {
        "study.json",
        "study-settings.json",
        "study.html",
        "tables",
        "plots",
        "checkpoints",
    }

    (kept,) = (out / "checkpoints").iterdir()
    before = kept.stat().st_mtime_ns
    refused = invoke("sequential", "--resume", out, "--no-cache")  # a folder does not decide which code runs
    assert refused.exit_code == 2
    assert "was begun with the script" in refused.stderr
    resumed = invoke("sequential", script, "--resume", out, "--no-cache")  # settings are remembered
    assert resumed.exit_code == 0, resumed.stderr
    assert list((out / "checkpoints").iterdir()) == [kept]
    assert kept.stat().st_mtime_ns == before  # recalled, not done again
    assert "page:" in resumed.stdout
    assert json.loads((out / "study.json").read_text())["tables"] == document["tables"]
    for arguments, sentence in (
        (["sequential", script, "--seed", "3"], "was begun with seed = 0"),
        (["sequential", script, "--set", "num_steps=4"], "was begun with settings"),
        (["order"], "holds another study"),
    ):
        refused = invoke(*arguments, "--resume", out, "--no-cache")
        assert refused.exit_code == 2
        assert sentence in refused.stderr

    (out / "study.html").unlink()
    again = CliRunner().invoke(cli, ["report", str(out)])
    assert again.exit_code == 0, again.stderr
    assert (out / "study.html").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["sequental"], "did you mean 'sequential'"),
        (["order", "--set", "familes=components"], "did you mean 'families'"),
        (["order", "--set", "families=component"], "did you mean 'components'"),
        (["order", "model.py"], "study order takes no model"),
        (["sensitivity", "missing.py"], "there is no script missing.py"),
        (["order", "--resume", "nowhere"], "holds no study to continue"),
    ],
)
def test_what_cannot_be_done_gets_one_sentence(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    done = invoke(*arguments, "--out", tmp_path / "out", "--no-cache")
    assert done.exit_code == 2
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1

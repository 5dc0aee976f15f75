"""Finished results are not computed again: after Ctrl-C, after a kill, and only for the same question."""

import dataclasses
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import numpyro.distributions as dist
import pytest

import bayes_sandbox as bs
from bayes_sandbox import comparison, evidence
from bayes_sandbox.checkpoints import NO_CHECKPOINTS, FolderCheckpoints, cached
from bayes_sandbox.comparison import RECORDS
from bayes_sandbox.evidence import workbench

ROOT = Path(__file__).parents[1]
FAST = {"num_warmup": 200, "num_samples": 300}


def coin() -> bs.Model:
    return bs.Model({"p": dist.Beta(1, 1)}, lambda p: dist.Binomial(10, p), observed=2)


def test_a_checkpoint_is_recalled_for_its_own_identity_only(tmp_path):
    checkpoints = FolderCheckpoints(tmp_path, "model 0")
    assert checkpoints.recall("x") is None
    checkpoints.keep("x", {"a": 1})
    assert checkpoints.recall("x") == {"a": 1}
    assert FolderCheckpoints(tmp_path, "model 0").recall("x") == {"a": 1}
    assert FolderCheckpoints(tmp_path, "model 1").recall("x") is None
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("name", ["evidence:grid", "cell:(0.5, 0.3)", "../../x", "a/b", "A", "a", "é" * 300, "", "."])
def test_any_text_names_a_checkpoint(tmp_path, name):
    checkpoints = FolderCheckpoints(tmp_path / "inner", 0)
    for other in ("a", name):
        checkpoints.keep(other, other)
    assert checkpoints.recall(name) == name
    assert checkpoints.recall("a") == "a"
    assert {path.name for path in tmp_path.iterdir()} == {"inner"}


def test_a_damaged_checkpoint_is_computed_again(tmp_path):
    checkpoints = FolderCheckpoints(tmp_path, "m")
    checkpoints.keep("x", list(range(1000)))
    (file,) = (tmp_path / "checkpoints").iterdir()
    for damaged in (file.read_bytes()[:50], b"", b"PK", pickle.dumps([1])):
        file.write_bytes(damaged)
        assert cached(checkpoints, "x", lambda: "again") == "again"
        assert checkpoints.recall("x") == "again"
    assert cached(NO_CHECKPOINTS, "x", lambda: 3) == 3


def test_a_checkpoint_under_the_name_of_another_is_not_taken(tmp_path):
    checkpoints = FolderCheckpoints(tmp_path, "m")
    checkpoints.keep("one", 1)
    checkpoints.keep("two", 2)
    one, two = sorted((tmp_path / "checkpoints").iterdir())
    two.write_bytes(one.read_bytes())
    assert checkpoints.recall("two") is None


def test_what_cannot_be_kept_is_said_once_and_costs_nothing(tmp_path):
    checkpoints = FolderCheckpoints(tmp_path, "m")
    with pytest.warns(UserWarning, match="the result 'x' is not kept for --resume: a value of type object"):
        assert cached(checkpoints, "x", object) is not None
    checkpoints.keep("y", object())  # another warning would be an error here
    assert checkpoints.recall("x") is None


def test_finished_results_are_not_computed_again(tmp_path, monkeypatch):
    checkpoints = FolderCheckpoints(tmp_path, "coin", RECORDS)
    first = bs.compare(coin(), checkpoints=checkpoints, **FAST)

    def never(*args, **kwargs):
        raise AssertionError("computed again")

    for name in ("fit_nuts", "fit_grid", "fit_laplace"):
        monkeypatch.setattr(workbench, name, never)
    monkeypatch.setattr(comparison, "fit_map", never)
    for name in evidence.ESTIMATORS:
        monkeypatch.setattr(evidence.ESTIMATORS[name], "estimate", never)
    again = bs.compare(coin(), checkpoints=checkpoints, **FAST)
    for field in ("map", "map_unconstrained", "laplace", "grid", "nuts", "evidence"):
        assert_identical(getattr(again, field), getattr(first, field), field)


def assert_identical(found, expected, where):
    """Compare records, containers and numbers to the last bit."""
    assert type(found) is type(expected), where
    if dataclasses.is_dataclass(expected):
        for field in dataclasses.fields(expected):
            assert_identical(getattr(found, field.name), getattr(expected, field.name), f"{where}.{field.name}")
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        assert_identical(list(found.values()), list(expected.values()), where)
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for one, other in zip(found, expected):
            assert_identical(one, other, where)
    elif isinstance(expected, np.ndarray | np.generic):
        assert (found.dtype, found.shape, found.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())
    else:
        assert repr(found) == repr(expected), where


def test_what_was_finished_before_an_interruption_stands(monkeypatch):
    def stop(bench):
        raise KeyboardInterrupt

    monkeypatch.setattr(evidence.ESTIMATORS["importance"], "estimate", stop)
    found = bs.compare(coin(), evidence=["grid", "importance", "bridge"], **FAST)
    assert found.interrupted == "importance"
    assert found.warnings[0].startswith("interrupted during importance")
    assert [e.trusted for e in found.evidence] == [True, False, False]
    assert found.best.method == "grid"
    assert "interrupted before it was done" in found.evidence[2].warnings
    assert "interrupted" in found.summary()
    json.dumps(found.to_dict(), allow_nan=False)


def test_an_interruption_at_the_very_start_is_no_error(monkeypatch, tmp_path):
    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(comparison, "fit_map", stop)
    found = bs.compare(coin(), **FAST)
    assert found.interrupted == "map"
    assert found.best is None
    assert found.report(tmp_path).exists()


SCRIPT = """
import numpy as np
import numpyro.distributions as dist
import bayes_sandbox as bs

x = np.random.default_rng(0).normal(size=(40, 8))
model = bs.Model(
    {"w": dist.Normal(0, 1).expand([8]).to_event(1)}, lambda w: dist.Normal(x @ w, 1.0), observed=x.sum(axis=1)
)
if __name__ == "__main__":
    bs.main(model)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
def test_a_killed_run_goes_on_from_what_it_had(tmp_path):
    script, run = tmp_path / "eight.py", tmp_path / "run"
    script.write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    options = ["--num-warmup", "200", "--num-samples", "300", "--no-progress", "--json"]
    command = [sys.executable, str(script)]
    process = subprocess.Popen([*command, "--out", str(run), *options], env=environment, stdout=subprocess.DEVNULL)
    for _ in range(600):
        if list((run / "checkpoints").glob("nuts.*.npz")) or process.poll() is not None:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (run / "run.json").exists()
    (kept,) = (run / "checkpoints").glob("nuts.*.npz")
    stamp = kept.stat().st_mtime_ns
    done = subprocess.run([*command, "--resume", str(run), *options], env=environment, capture_output=True, check=True)
    assert kept.stat().st_mtime_ns == stamp
    assert json.loads(done.stdout)["best"] is not None
    assert (run / "draws.nc").exists()

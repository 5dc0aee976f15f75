"""What was finished is not done again: after Ctrl-C, after a kill, and not where anything has changed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import numpyro.distributions as dist
import pytest

import bayes_sandbox as bs
from bayes_sandbox import evidence
from bayes_sandbox.evidence import workbench
from bayes_sandbox.parts import FolderParts, made, nowhere

ROOT = Path(__file__).parents[1]
FAST = {"num_warmup": 200, "num_samples": 300}


def coin() -> bs.Model:
    return bs.Model({"p": dist.Beta(1, 1)}, lambda p: dist.Binomial(10, p), observed=2)


def test_a_part_comes_back_to_whom_it_belongs(tmp_path):
    parts = FolderParts(tmp_path, "model", 0)
    assert parts.recall("x") is None
    parts.keep("x", {"a": 1})
    assert parts.recall("x") == {"a": 1}
    assert FolderParts(tmp_path, "model", 0).recall("x") == {"a": 1}
    assert FolderParts(tmp_path, "model", 1).recall("x") is None
    assert not list(tmp_path.glob("*.part"))


def test_a_torn_part_is_made_again(tmp_path):
    parts = FolderParts(tmp_path, "m")
    parts.keep("x", list(range(1000)))
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:50])
    assert made(parts, "x", lambda: "again") == "again"
    assert parts.recall("x") == "again"
    assert made(nowhere, "x", lambda: 3) == 3


def test_finished_parts_are_not_made_again(tmp_path, monkeypatch):
    parts = FolderParts(tmp_path, "coin")
    first = bs.compare(coin(), parts=parts, **FAST)

    def never(*args, **kwargs):
        raise AssertionError("made again")

    for name in ("fit_nuts", "fit_grid", "fit_laplace"):
        monkeypatch.setattr(workbench, name, never)
    for name in evidence.ESTIMATORS:
        monkeypatch.setattr(evidence.ESTIMATORS[name], "estimate", never)
    again = bs.compare(coin(), parts=parts, **FAST)
    assert again.evidence == first.evidence
    np.testing.assert_array_equal(again.nuts.positions, first.nuts.positions)


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
    from bayes_sandbox import comparison

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
        if list((run / "parts").glob("nuts.*.pickle")) or process.poll() is not None:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (run / "run.json").exists()
    (kept,) = (run / "parts").glob("nuts.*.pickle")
    stamp = kept.stat().st_mtime_ns
    done = subprocess.run([*command, "--resume", str(run), *options], env=environment, capture_output=True, check=True)
    assert kept.stat().st_mtime_ns == stamp
    assert json.loads(done.stdout)["best"] is not None
    assert (run / "draws.nc").exists()

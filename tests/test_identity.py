"""A resumed run never returns the answer to another question: whatever is changed changes the identity."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from click.testing import CliRunner, Result
from numpyro.contrib.control_flow import cond, scan

import bayes_sandbox as bs
from bayes_sandbox.checkpoints import fingerprint
from bayes_sandbox.cli import cli
from bayes_sandbox.identity import changes, is_comparable, model_identity

ROOT = Path(__file__).parents[1]
X, Y = np.arange(1.0, 6.0), np.array([1.0, 2.5, 2.0, 4.5, 5.0])
PRIOR = {"slope": dist.Normal(0, 10)}


def with_input(x: Any) -> bs.Model:
    return bs.Model(PRIOR, lambda slope, x: dist.Normal(slope * x, 1.0), Y, {"x": x}, "line")


def with_closure(x: Any) -> bs.Model:
    return bs.Model(PRIOR, lambda slope: dist.Normal(slope * x, 1.0), Y, name="line")


def with_prior(scale: Any) -> bs.Model:
    return bs.Model({"slope": dist.Normal(0, scale)}, lambda slope: dist.Normal(slope * X, 1.0), Y, name="line")


def with_program(**kwargs: Any) -> bs.Model:
    def program(x: Any, options: Any = None, positive: bool = False) -> None:
        slope = numpyro.sample("slope", dist.HalfNormal(1) if positive else dist.Normal(0, 1))
        offset = 0.0 if options is None else options["offset"][0]
        numpyro.sample("y", dist.Normal(slope * x + offset, 1), obs=Y)

    return bs.Model.from_numpyro(program, **kwargs)


def with_scan(x: np.ndarray, start: float = 0.0) -> bs.Model:
    def program() -> None:
        sd = numpyro.sample("sd", dist.HalfNormal(1))

        def step(level: Any, y: Any) -> Any:
            numpyro.sample("y", dist.Normal(level, sd), obs=y)
            return 0.9 * level + y, None

        scan(step, start, jnp.asarray(x))

    return bs.Model.from_numpyro(program)


def with_cond(scale: float) -> bs.Model:
    def program() -> None:
        x = numpyro.sample("x", dist.Normal(0, 1))
        near = lambda x: numpyro.sample("y", dist.Normal(x, scale), obs=Y)  # noqa: E731
        far = lambda x: numpyro.sample("y", dist.Normal(2 * x, 3 * scale), obs=Y)  # noqa: E731
        cond(x > 0, near, far, x)

    return bs.Model.from_numpyro(program)


def with_factor(weight: Any) -> bs.Model:
    def program() -> None:
        x = numpyro.sample("x", dist.Normal(0, 1))
        numpyro.factor("f", -jnp.sum(weight * x**2))

    return bs.Model.from_numpyro(program)


def changed(x: np.ndarray, index: int = 3) -> np.ndarray:
    """Return an array whose last bit differs in one entry."""
    other = x.copy()
    other[index] = np.nextafter(other[index], np.inf)
    return other


QUESTIONS: dict[str, tuple[Callable[..., bs.Model], Any, Any, str]] = {
    "an input of the other sign": (with_input, X, -X, "input x"),
    "the last bit of an input": (with_input, X, changed(X), "input x"),
    "an input in another order": (with_input, X, X[::-1].copy(), "input x"),
    "an input of another dtype": (with_input, X, X.astype(int), "input x"),
    "a scalar input": (with_input, 2.0, 3.0, "input x"),
    "an array that the likelihood closes over": (with_closure, X, -X, "density"),
    "its last bit": (with_closure, X, changed(X), "density"),
    "a number that the likelihood closes over": (with_closure, 1.0, 1.0 + 2**-52, "density"),
    "a scale of the prior": (with_prior, 10.0, 10.5, "density"),
    "a weight of a factor": (with_factor, X, changed(X), "density"),
    "the data of a scan": (with_scan, Y, changed(Y), "observed data"),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_another_question_has_another_identity(name: str) -> None:
    make, before, after, what = QUESTIONS[name]
    one, again, other = (model_identity(make(value)) for value in (before, before, after))
    assert one == again
    assert changes(one, again) == []
    assert what in changes(one, other)


@pytest.mark.parametrize(
    ("kwargs", "what"),
    [
        ({"x": -X}, "input x"),
        ({"x": X, "options": {"offset": [0.5]}}, "input options"),
        ({"x": X, "positive": True}, "input positive"),
    ],
)
def test_every_argument_of_a_program_counts(kwargs: dict[str, Any], what: str) -> None:
    before = with_program(x=X, options={"offset": [0.0]}, positive=False)
    assert what in changes(model_identity(before), model_identity(with_program(**kwargs)))
    assert model_identity(before) == model_identity(with_program(x=X, options={"offset": [0.0]}, positive=False))


def test_the_start_of_a_scan_counts() -> None:
    assert "density" in changes(model_identity(with_scan(Y)), model_identity(with_scan(Y, 0.1)))


def test_what_the_host_computes_has_no_identity() -> None:
    def program(host: bool) -> None:
        x = numpyro.sample("x", dist.Normal(0, 1))
        if host:
            numpyro.factor("f", jax.pure_callback(lambda v: -(v**2), jax.ShapeDtypeStruct((), jnp.float64), x))
        jax.debug.print("{x}", x=x)
        numpyro.factor("g", -x)

    assert is_comparable(model_identity(bs.Model.from_numpyro(program, False)))
    assert not is_comparable(model_identity(bs.Model.from_numpyro(program, True)))


IDENTITIES = """
import test_identity as t
from bayes_sandbox.identity import code_identity, model_identity

models = [t.with_input(t.X), t.with_closure(t.X), t.with_scan(t.Y), t.with_cond(1.0), t.with_program(x=t.X)]
found = [model_identity(m) for m in models] + [code_identity()]
"""


@pytest.mark.parametrize("seed", [1, 2, 6, 11])  # of Python's hashes: sets of names differ between 1, 2 and 6, 11
def test_the_identity_is_the_same_in_another_process(seed: int) -> None:
    here: dict[str, Any] = {}
    exec(IDENTITIES, here)
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": str(seed)}
    command = [sys.executable, "-c", IDENTITIES + "import json; print(json.dumps(found))"]
    there = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(there.stdout) == here["found"]


def test_changes_are_named() -> None:
    before = {"seed": "0", "input x": "a" * 64, "density": "b" * 64}
    assert changes(before, before | {"seed": "1"}) == ["seed (0, now 1)"]
    assert changes(before, before | {"input x": "c" * 64, "density": "d" * 64}) == ["input x"]
    assert changes({}, {"seed": "1"}) == ["seed (nothing, now 1)"]
    assert fingerprint(before) != fingerprint(before | {"seed": "1"})


SCRIPT = """
import pathlib
import numpy as np
import numpyro.distributions as dist
import bayes_sandbox as bs

x = np.load(pathlib.Path(__file__).with_name("x.npy"))
y = np.array([1.0, 2.5, 2.0, 4.5, 5.0])
model = bs.Model(
    {"slope": dist.Normal(0, 10)}, lambda slope, x: dist.Normal(slope * x, 1.0), y, inputs={"x": x}, name="line"
)
"""


def run(script: Path, *options: object) -> Result:
    fixed = ["--methods", "map", "--evidence", "none", "--no-progress", "--no-cache", "--json"]
    done = CliRunner().invoke(cli, ["run", str(script), *fixed, *map(str, options)])
    assert done.exit_code == 0, done.stderr
    return done


def test_a_changed_input_is_said_and_refitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bayes_sandbox.report._draw", lambda folder, *_: folder.path)  # figures take seconds
    script, out = tmp_path / "line.py", tmp_path / "out"
    script.write_text(SCRIPT)
    np.save(tmp_path / "x.npy", X)
    first = json.loads(run(script, "--out", out).stdout)
    same = run(script, "--resume", out)
    assert "refitting" not in same.stderr
    assert json.loads(same.stdout)["fits"] == first["fits"]  # the very seconds: it was recalled

    np.save(tmp_path / "x.npy", -X)
    flipped = run(script, "--resume", out)
    assert f"{out} was computed from something else: input x changed; refitting" in flipped.stderr
    slopes = [document["fits"]["map"]["params"]["slope"] for document in (first, json.loads(flipped.stdout))]
    assert slopes[1] == pytest.approx(-slopes[0], abs=1e-8)

    np.save(tmp_path / "x.npy", X)  # the first question again: its answer is still there
    back = run(script, "--resume", out)
    assert "input x changed" in back.stderr
    assert json.loads(back.stdout)["fits"] == first["fits"]

    seeded = run(script, "--resume", out, "--seed", "1")
    assert "seed (0, now 1) changed; refitting" in seeded.stderr

    script.write_text(SCRIPT + "\n# another line\n")
    edited = run(script, "--resume", out, "--seed", "1")
    assert "script changed; refitting" in edited.stderr

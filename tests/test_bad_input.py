"""Bad input, by the dozen: exit code 2 and one sentence on stderr that says what to mend; never a traceback."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bayes_sandbox.cli import cli

HEAD = """
import numpy as np, jax.numpy as jnp, numpyro, numpyro.distributions as dist
import bayes_sandbox as bs
N = dist.Normal
x = np.array([0.5, 1.5, 2.0])
"""

PAIR = "model = bs.Model({prior}, {likelihood}, observed={observed}, inputs={inputs})"


def pair(prior='{"mu": N(0, 1)}', likelihood="lambda mu: N(mu, 1)", observed="x", inputs="{}") -> str:
    return PAIR.format(prior=prior, likelihood=likelihood, observed=observed, inputs=inputs)


def program(body: str, call: str = "bs.Model.from_numpyro(program, x)") -> str:
    lines = "\n".join(f"    {line}" for line in body.split("; "))
    return f"def program(y=None):\n{lines}\nmodel = {call}"


MU = 'mu = numpyro.sample("mu", N(0, 1)); '
Y = 'numpyro.sample("y", N(mu, 1), obs=y)'

# script -> words the sentence must contain
SCRIPTS = {
    "argument that is no name": (pair(likelihood="lambda mu, sigma: N(mu, sigma)"), ["sigma", "neither"]),
    "misspelt argument": (
        pair(likelihood="lambda mu, scal: N(mu, scal)", inputs='{"scale": 1.0}'),
        ["did you mean 'scale'"],
    ),
    "missing input": (pair(likelihood="lambda mu, dose: N(mu * dose, 1)"), ["dose"]),
    "later parameter": (
        pair(prior='{"mu": lambda tau: N(0, tau), "tau": dist.HalfNormal(1)}', likelihood="lambda mu: N(mu, 1)"),
        ["earlier", "tau"],
    ),
    "empty prior": (pair(prior="{}"), ["non-empty"]),
    "prior is no mapping": (pair(prior="N(0, 1)"), ["mapping"]),
    "prior entry is a number": (pair(prior='{"mu": 3.0}'), ["mu", "inputs"]),
    "prior entry is SciPy's": (pair(prior='{"mu": __import__("scipy.stats").stats.norm(0, 1)}'), ["NumPyro"]),
    "prior function returns a number": (pair(prior='{"mu": lambda: 3.0}'), ["distribution"]),
    "likelihood is a distribution": (pair(likelihood="N(0, 1)"), ["function"]),
    "likelihood returns an array": (pair(likelihood="lambda mu: mu"), ["distribution", "likelihood"]),
    "likelihood is None": (pair(likelihood="None"), ["function"]),
    "name used twice": (pair(inputs='{"mu": 1.0}'), ["twice"]),
    "parameter called observed": (pair(prior='{"observed": N(0, 1)}'), ["taken"]),
    "name that is no identifier": (pair(prior='{"a b": N(0, 1)}'), ["identifier"]),
    "NaN in the data": (pair(observed="[1.0, np.nan]"), ["NaN"]),
    "NaN in an input": (pair(likelihood="lambda mu, s: N(mu, s)", inputs='{"s": [1, np.nan, 1]}'), ["NaN"]),
    "infinite data": (pair(observed="[1.0, np.inf]"), ["outside the support"]),
    "data outside the support": (pair(likelihood="lambda mu: dist.Poisson(jnp.exp(mu))", observed="[1, -2]"), ["-2"]),
    "data that are no counts": (pair(likelihood="lambda mu: dist.Poisson(jnp.exp(mu))", observed="[1.5]"), ["1.5"]),
    "more successes than trials": (
        pair(likelihood="lambda mu: dist.Binomial(10, logits=mu)", observed="12"),
        ["12", "support"],
    ),
    "a column against a row": (
        pair(likelihood="lambda mu, c: N(mu * c, 1)", inputs='{"c": np.ones((3, 1))}'),
        ["(3, 1)", "(3,)"],
    ),
    "lengths that do not fit": (
        pair(likelihood="lambda mu, c: N(mu * c, 1)", inputs='{"c": np.ones(4)}'),
        ["(4,)", "(3,)"],
    ),
    "many trials, one count": (
        pair(likelihood="lambda mu, n: dist.Binomial(n, logits=mu)", observed="3", inputs='{"n": [5, 5]}'),
        ["(2,)", "()"],
    ),
    "text as data": (pair(observed='["a", "b"]'), ["numbers"]),
    "ragged data": (pair(observed="[[1.0], [1.0, 2.0]]"), ["numbers"]),
    "no data": (pair(observed="None"), ["observed"]),
    "empty data": (pair(observed="[]"), ["empty"]),
    "discrete latent": (
        pair(prior='{"k": dist.Poisson(3)}', likelihood="lambda k: N(k, 1)"),
        ["discrete", "k"],
    ),
    "negative scale": (pair(prior='{"mu": N(0, -1)}'), ["scale"]),
    "a branch on a parameter": (pair(likelihood="lambda mu: N(mu, 1) if mu > 0 else N(0, 1)"), ["jnp.where"]),
    "an error inside the likelihood": (pair(likelihood="lambda mu: N(mu @ mu, 1)"), ["could not be run"]),
    "forgotten obs=": (program(MU + 'numpyro.sample("y", N(mu, 1))'), ["obs="]),
    "forgotten y=": (program(MU + Y, "bs.Model.from_numpyro(program)"), ["y="]),
    "no parameter": (program('numpyro.sample("y", N(0, 1), obs=y)'), ["latent"]),
    "name used twice in a program": (program(MU + MU + Y), ["twice"]),
    "numpyro.param": (program('mu = numpyro.param("mu", 0.0); ' + Y), ["numpyro.param"]),
    "subsampling": (
        program(MU + 'plate = numpyro.plate("n", 3, subsample_size=2); i = plate.__enter__(); '
                'numpyro.sample("y", N(mu, 1), obs=y[i]); plate.__exit__(None, None, None)'),
        ["subsample"],
    ),
    "a program's missing argument": (
        "def program(x, y):\n    pass\nmodel = bs.Model.from_numpyro(program, x)",
        ["argument"],
    ),
    "a bare function": (
        "def program(y):\n    mu = numpyro.sample('mu', N(0, 1))\nmodel = program",
        ["from_numpyro"],
    ),
    "model is a number": ("model = 3", ["Model"]),
    "no model": ("prior = 1", ["make_model"]),
    "a syntax error": ("model = bs.Model(", ["syntax error", "line"]),
    "an exception while loading": ("1 / 0", ["ZeroDivisionError", "line"]),
    "a missing package": ("import not_a_package_at_all", ["not_a_package_at_all"]),
    "a script that exits": ("raise SystemExit(0)", ["SystemExit"]),
    "no finite start of a latent without a map": (
        pair(prior='{"v": dist.ProjectedNormal(jnp.ones(2))}', likelihood="lambda v: N(v[0], 1)"),
        ["support"],
    ),
    "with_prior of an unknown name": (pair() + ".with_prior(nu=N(0, 1))", ["nu"]),
    "with_data of an unknown name": (pair() + ".with_data(dose=1.0)", ["dose"]),
}  # fmt: skip


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return _script(tmp_path, pair())


def _script(folder: Path, body: str) -> Path:
    path = folder / "script.py"
    path.write_text(HEAD + body)
    return path


def _fails(arguments: list[str], words: list[str]) -> str:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr
    return result.stderr


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_bad_script_is_one_sentence(name: str, tmp_path: Path) -> None:
    body, words = SCRIPTS[name]
    said = _fails(["run", str(_script(tmp_path, body)), "--out", str(tmp_path / "out"), "--no-cache"], words)
    assert len(said.strip().splitlines()) == 1
    assert said.startswith("Error: ")


def test_there_are_enough_kinds() -> None:
    assert len(SCRIPTS) >= 40


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--evidence", "bridg"], ["did you mean 'bridge'"]),
        (["--evidence", ","], ["comma"]),
        (["--methods", "mpa"], ["did you mean 'map'"]),
        (["--seed", "x"], ["seed"]),
        (["--num-chains", "0"], ["num-chains"]),
        (["--budget", "-1"], ["budget"]),
        (["--set", "scale=2"], ["make_model"]),
        (["--set", "scale"], ["NAME=VALUE"]),
        (["--draws", "nowhere.nc"], ["nowhere.nc"]),
        (["--frobnicate"], ["frobnicate"]),
    ],
)
def test_a_bad_option_is_wrong_usage(good: Path, arguments: list[str], words: list[str]) -> None:
    _fails(["run", str(good), "--out", str(good.parent / "out"), "--no-cache", *arguments], words)


def test_an_unknown_setting_names_the_known_ones(tmp_path: Path) -> None:
    body = f"def make_model(scale=1.0):\n    {pair()}\n    return model"
    _fails(["run", str(_script(tmp_path, body)), "--set", "scael=2", "--no-cache"], ["did you mean 'scale'"])


def test_a_script_that_is_not_there(tmp_path: Path) -> None:
    _fails(["run", "--no-cache", str(tmp_path / "nothing.py")], ["no script"])
    _fails(["run", "--no-cache", str(tmp_path)], ["folder", "name a script"])


def test_an_output_folder_that_cannot_be_written(good: Path) -> None:
    (good.parent / "file").write_text("")
    _fails(["run", str(good), "--no-cache", "--out", str(good.parent / "file" / "out")], ["cannot write"])


def test_an_estimator_named_for_an_improper_prior(tmp_path: Path) -> None:
    flat = "dist.ImproperUniform(dist.constraints.real, (), ())"
    script = _script(tmp_path, pair(prior=f'{{"mu": {flat}}}'))
    _fails(["run", str(script), "--out", str(tmp_path / "o"), "--no-cache", "--evidence", "grid"], ["mu", "proper"])


def test_draws_that_are_no_netcdf(good: Path) -> None:
    (good.parent / "draws.nc").write_text("not netCDF")
    _fails(
        ["run", str(good), "--out", str(good.parent / "o"), "--no-cache", "--draws", str(good.parent / "draws.nc")],
        ["netCDF"],
    )


def test_a_folder_without_scripts(tmp_path: Path) -> None:
    _fails(["list", str(tmp_path)], ["model"])
    _fails(["list", str(tmp_path / "nothing")], ["no folder"])


def test_a_report_of_nothing(tmp_path: Path) -> None:
    _fails(["report", str(tmp_path)], ["run.json"])


def test_unknown_commands_are_usage_errors() -> None:
    _fails(["fit"], ["fit"])


@pytest.mark.parametrize("seed", [1.5, "a", None, True])
def test_a_seed_is_an_integer_or_a_key(seed: object) -> None:
    import numpyro.distributions as dist

    import bayes_sandbox as bs

    model = bs.Model({"mu": dist.Normal(0, 1)}, lambda mu: dist.Normal(mu, 1), observed=np.array([1.0]))
    with pytest.raises(TypeError, match="seed"):
        bs.fit_map(model, seed=seed)

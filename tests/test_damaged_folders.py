"""Damaged and hostile folders: one sentence, no code executed, nothing of the user's lost."""

import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpyro.distributions as dist
import pytest
import xarray as xr
from click.testing import CliRunner, Result

import bayes_sandbox as bs
from bayes_sandbox.cli import cli
from bayes_sandbox.folders import LOCK, MARKER

COIN = """
import numpyro.distributions as dist
import bayes_sandbox as bs
model = bs.Model({"p": dist.Beta(1, 1)}, lambda p: dist.Binomial(10, p), observed=2, name="coin")
"""
Damage = Callable[[Path], object]


class Trap:
    """Something that runs code when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("trapped",)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    coin = bs.Model({"p": dist.Beta(1, 1)}, lambda p: dist.Binomial(10, p), observed=2, name="coin")
    folder = tmp_path_factory.mktemp("runs") / "coin"
    draws = {"p": np.random.default_rng(0).beta(3, 9, size=(2, 100))}  # what NUTS would return, without the time
    bs.compare(coin, draws=draws, evidence=["laplace", "grid"]).report(folder)
    return folder


@pytest.fixture
def copy(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of a run, with a file of the user in it and one beside it."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(run, tmp_path / "run")
    for place in (tmp_path, tmp_path / "run"):
        (place / "thesis.txt").write_text("mine")
    return tmp_path / "run"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(cli, list(map(str, arguments)))


def assert_one_sentence(done: Result, folder: Path) -> None:
    assert done.exit_code in (1, 2), done.output
    assert isinstance(done.exception, SystemExit)
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ")
    assert len(line) < 600
    assert done.stdout == ""
    assert_nothing_lost(folder)


def assert_nothing_lost(folder: Path) -> None:
    assert [(p / "thesis.txt").read_text() for p in (folder, folder.parent)] == ["mine", "mine"]
    assert not (folder.parent / "trapped").exists()


def edited(change: Callable[[Any], object]) -> Damage:
    def damage(folder: Path) -> None:
        document = json.loads((folder / "run.json").read_text())
        change(document)
        (folder / "run.json").write_text(json.dumps(document))

    return damage


def text(content: str | bytes, name: str = "run.json") -> Damage:
    data = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(data)


def replaced(*path: str | int, value: Any) -> Damage:
    """Return a damage that puts a value into the document."""

    def change(document: Any) -> None:
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = value

    return edited(change)


def without(*path: str) -> Damage:
    def change(document: Any) -> None:
        for key in path[:-1]:
            document = document[key]
        del document[path[-1]]

    return edited(change)


def folder_instead(name: str) -> Damage:
    def damage(folder: Path) -> None:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        path.mkdir()
        (path / "inside.txt").write_text("mine")

    return damage


def link_instead(name: str, target: str = "../thesis.txt") -> Damage:
    def damage(folder: Path) -> None:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        path.symlink_to(target)

    return damage


def cut(name: str, share: float) -> Damage:
    def damage(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: int(share * len(data))])

    return damage


def netcdf(change: Callable[[dict[str, xr.Dataset]], object]) -> Damage:
    def damage(folder: Path) -> None:
        with xr.open_datatree(folder / "posterior.nc", engine="h5netcdf") as tree:
            groups = {name: node.to_dataset().load() for name, node in tree.children.items()}
        change(groups)
        xr.DataTree.from_dict(groups).to_netcdf(folder / "posterior.nc", engine="h5netcdf")

    return damage


SPOILED: dict[str, Damage] = {
    **{
        f"run.json without {key}": without(key) for key in ("model", "settings", "fits", "evidence", "best", "warnings")
    },
    **{f"run.json cut at {share:.0%}": cut("run.json", share) for share in (0, 0.01, 0.5, 0.99)},
    **{f"posterior.nc cut at {share:.0%}": cut("posterior.nc", share) for share in (0, 0.01, 0.5, 0.95)},
    **{f"no {name}": (lambda folder, n=name: (folder / n).unlink()) for name in ("run.json", "posterior.nc")},
    **{
        f"{name} is a folder": folder_instead(name)
        for name in ("run.json", "posterior.nc", "report.html", "summary.csv")
    },
    **{f"{name} is a link": link_instead(name) for name in ("report.html", "summary.csv", "plots/evidence.svg")},
    "run.json is a link to itself": link_instead("run.json", "run.json"),
    "plots is a link": link_instead("plots", ".."),
    "plots is a file": lambda folder: (shutil.rmtree(folder / "plots"), (folder / "plots").write_text("mine")),
    "run.json is binary": text(bytes(range(256))),
    "run.json is a pickle": text(pickle.dumps(Trap())),
    "run.json is UTF-16": lambda folder: text((folder / "run.json").read_text().encode("utf-16"))(folder),
    "run.json is null": text("null"),
    "run.json is a list": text("[]"),
    "run.json is a number": text("1e999"),
    "run.json is of somebody else": text('{"name": "npm", "version": "1.0.0"}'),
    "run.json is nested": text("[" * 1_000_000),
    "run.json is nested in an object": text('{"model":' * 100_000),
    "run.json has NaN": lambda folder: text((folder / "run.json").read_text().replace("null", "NaN"))(folder),
    "run.json has an infinite number": replaced("lesson", "log_occam_factor", value=float("inf")),
    "a number of 5000 digits": text('{"model": ' + "9" * 5000 + "}"),
    "a number that is no float": replaced("fits", "map", "num_evaluations", value=10**400),
    "model is a list": replaced("model", value=[]),
    "no parameters": replaced("model", "parameters", value=[]),
    "parameters are numbers": replaced("model", "parameters", value=[1]),
    "no description": without("model", "description"),
    "a fit is null": replaced("fits", "map", value=None),
    "a fit is missing": without("fits", "grid"),
    "a fit too many": replaced("fits", "vi", value={}),
    "a mean is text": replaced("fits", "nuts", "mean", "p", value="0.25"),
    "modes are numbers": replaced("fits", "map", "modes", value=[1]),
    "bfmi is text": replaced("fits", "nuts", "bfmi", value="good"),
    "evidence is an object": replaced("evidence", value={}),
    "an error is text": replaced("evidence", 0, "error", value="small"),
    "trusted without a number": replaced("evidence", 0, "error", value=None),
    "trusted is text": replaced("evidence", 0, "trusted", value="yes"),
    "agreement is text": replaced("agreement", "evidence", value="maybe"),
    "a warning is a number": replaced("warnings", value=[1]),
    "nodes are numbers": replaced("lesson", "nodes", value=[1, 2]),
    "versions are a list": replaced("settings", "versions", value=["1"]),
    "parameters that are not in the draws": replaced("model", "parameters", value=["q", "p[0]"]),
    "a label that is no label": replaced("model", "parameters", value=["p[x]"]),
    "posterior.nc is text": text("not a netCDF file", "posterior.nc"),
    "posterior.nc is a pickle": text(pickle.dumps(Trap()), "posterior.nc"),
    "posterior.nc is the document": lambda folder: shutil.copy(folder / "run.json", folder / "posterior.nc"),
    "posterior.nc has a value for each chain only": netcdf(lambda g: g.update(posterior=g["posterior"].isel(draw=0))),
    "posterior.nc has text": netcdf(lambda g: g.update(posterior=g["posterior"].astype(str))),
    "the marker is empty": text("", MARKER),
    "the marker is of somebody else": text('{"a": 1}', MARKER),
    "the marker is of a study": lambda folder: text(
        (folder / MARKER).read_text().replace('"run"', '"study"', 1), MARKER
    )(folder),
    "the marker lists a file outside": lambda folder: text(
        (folder / MARKER).read_text().replace("report.html", "../thesis.txt"), MARKER
    )(folder),
    "the marker is a folder": folder_instead(MARKER),
    "report.html is of the user": lambda folder: (
        (folder / MARKER).unlink(),
        (folder / "report.html").write_text("mine"),
    ),
    "the lock is a folder": folder_instead(LOCK),
}


@pytest.mark.parametrize("name", SPOILED)
def test_report_of_a_damaged_run_is_one_sentence(copy: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    SPOILED[name](copy)
    assert_one_sentence(invoke("report", copy), copy)


def test_a_run_without_marker_and_drawings_is_drawn(copy: Path) -> None:
    for name in (MARKER, "report.html", "summary.csv"):
        (copy / name).unlink()
    shutil.rmtree(copy / "plots")
    done = invoke("report", copy)
    assert done.exit_code == 0, done.stderr
    assert (copy / "report.html").exists()
    assert_nothing_lost(copy)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("name", ["run.json", "posterior.nc", MARKER, "."])
def test_what_may_not_be_read_is_one_sentence(copy: Path, name: str) -> None:
    (copy / name).chmod(0)
    done = invoke("report", copy)
    (copy / name).chmod(0o700)
    assert_one_sentence(done, copy)


# --- studies --------------------------------------------------------------------------------------------

STUDY = {
    "study": "sequential",
    "question": "q",
    "findings": [],
    "settings": {},
    "seconds": 1.0,
    "tables": {"steps": [{"order": 0}], "learning": []},
}
BAD_STUDIES: dict[str, Any] = {
    "empty": "",
    "binary": "\0\1\2",
    "null": "null",
    "of somebody else": {"study": {"name": "sequential"}},
    "no tables": {k: v for k, v in STUDY.items() if k != "tables"},
    "another study": {**STUDY, "study": "astrology"},
    "a module": {**STUDY, "study": "columns"},
    "a module elsewhere": {**STUDY, "study": "os"},
    "a module by a path": {**STUDY, "study": ".....trap"},
    "a table outside": {**STUDY, "tables": {"../../thesis": [{"a": 1}]}},
    "a table by a path": {**STUDY, "tables": {"/elsewhere/thesis": []}},
    "a table that is no list": {**STUDY, "tables": {"steps": {"a": 1}}},
    "a row that is no row": {**STUDY, "tables": {"steps": [1]}},
    "a cell that is a list": {**STUDY, "tables": {"steps": [{"a": [1]}]}},
    "rows of two shapes": {**STUDY, "tables": {"steps": [{"a": 1}, {"b": 1}]}},
    "missing columns": {**STUDY, "tables": {"steps": [{"a": 1}], "learning": [{"a": 1}]}},
    "findings are text": {**STUDY, "findings": "none"},
    "seconds are text": {**STUDY, "seconds": "1"},
}


@pytest.fixture
def study_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study").mkdir()
    for place in (tmp_path, tmp_path / "study"):
        (place / "thesis.txt").write_text("mine")
    (tmp_path / "trap.py").write_text("import os; os.mkdir('trapped')")
    return tmp_path / "study"


@pytest.mark.parametrize("name", BAD_STUDIES)
def test_report_of_a_damaged_study_is_one_sentence(study_folder: Path, name: str) -> None:
    content = BAD_STUDIES[name]
    (study_folder / "study.json").write_text(content if isinstance(content, str) else json.dumps(content))
    assert_one_sentence(invoke("report", study_folder), study_folder)
    assert not (study_folder.parent / "thesis.csv").exists()


ASKED = {"study": "sequential", "seed": 0, "fast": True, "script": None, "settings": {}}


@pytest.mark.parametrize(
    "asked",
    [
        "",
        "[]",
        "null",
        "{",
        {},
        {**ASKED, "study": "order"},
        {**ASKED, "study": 1},
        {**ASKED, "seed": "0"},
        {**ASKED, "fast": "no"},
        {**ASKED, "settings": []},
        {**ASKED, "settings": {"executor": "os.system"}},
        {**ASKED, "settings": {"checkpoints": 1}},
        {**ASKED, "script": "trap.py"},
        {**ASKED, "script": 1},
        ASKED,  # without a marker it is not ours
    ],
    ids=lambda a: str(a)[:50],
)
def test_a_damaged_study_is_not_resumed(study_folder: Path, asked: Any) -> None:
    (study_folder / "study-settings.json").write_text(asked if isinstance(asked, str) else json.dumps(asked))
    done = invoke("study", "sequential", "--resume", study_folder, "--no-cache")
    assert_one_sentence(done, study_folder)
    assert {p.name for p in study_folder.iterdir()} == {"study-settings.json", "thesis.txt"}


# --- resuming a run -------------------------------------------------------------------------------------


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "coin.py").write_text(COIN)
    return tmp_path / "coin.py"


FAST = ("--methods", "map", "--evidence", "none", "--no-progress", "--no-cache", "--json")


@pytest.fixture
def started(script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a run that can be resumed; figures are left out."""
    monkeypatch.setattr("bayes_sandbox.report._draw", lambda folder, *_: folder.path / "report.html")
    monkeypatch.chdir(tmp_path)
    done = invoke("run", script, *FAST, "--out", tmp_path / "run")
    assert done.exit_code == 0, done.stderr
    for place in (tmp_path, tmp_path / "run"):
        (place / "thesis.txt").write_text("mine")
    return tmp_path / "run"


def checkpoint(content: bytes) -> Damage:
    def damage(folder: Path) -> None:
        for path in (folder / "checkpoints").iterdir():
            path.write_bytes(content)

    return damage


def hostile(folder: Path) -> None:
    """Put pickles wherever this package, today or before, might look for a result."""
    trap = pickle.dumps(Trap())
    for name in ("checkpoints", "parts"):
        (folder / name).mkdir(exist_ok=True)
        for path in [*(folder / "checkpoints").iterdir()]:
            for suffix in ("", ".npz", ".npy", ".pickle"):
                (folder / name / f"{path.stem}{suffix}").write_bytes(trap)
    for path in (folder / "checkpoints").iterdir():
        path.write_bytes(trap)


def with_object_array(folder: Path) -> None:
    for path in (folder / "checkpoints").iterdir():
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        np.save(folder / "object.npy", np.array([Trap()], object), allow_pickle=True)
        data = (folder / "object.npy").read_bytes()
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content if name.endswith(".json") else data)


def other_record(folder: Path) -> None:
    for path in (folder / "checkpoints").iterdir():
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content.replace(b"MAPFit", b"os.mkdir").replace(b"LaplaceFit", b"Popen"))


def without_results(folder: Path) -> None:
    shutil.rmtree(folder / "checkpoints")
    text("half", ".bayes-sandbox-0123456789abcdef.part")(folder)
    (folder / "run.json").unlink()
    (folder / "settings.json").unlink()


def damaged_results(folder: Path) -> None:
    checkpoint(b"hello")(folder)
    text("{")(folder)
    text("{", "posterior.nc")(folder)
    text("\0", "settings.json")(folder)


REFITTED: dict[str, Damage] = {
    "empty checkpoints": checkpoint(b""),
    "pickles everywhere": hostile,
    "pickles as arrays": with_object_array,
    "records that nobody knows": other_record,
    "no results": without_results,
    "damaged results": damaged_results,
    "an identity of another run": lambda folder: text(
        (folder / MARKER).read_text().replace('"seed": "0"', '"seed": "7"'), MARKER
    )(folder),
}


def test_a_damaged_run_is_fitted_again(started: Path, script: Path, tmp_path: Path) -> None:
    """One test for all: they share what was compiled."""
    first = json.loads((started / "run.json").read_text())
    for name, damage in REFITTED.items():
        folder = tmp_path / name / "run"
        shutil.copytree(started, folder)
        (folder.parent / "thesis.txt").write_text("mine")
        damage(folder)
        done = invoke("run", script, *FAST, "--resume", folder)
        assert done.exit_code == 0, (name, done.stderr)
        assert "Traceback" not in done.stderr, name
        found = json.loads(done.stdout)
        assert found["fits"]["map"]["params"] == first["fits"]["map"]["params"], name
        assert json.loads((folder / "run.json").read_text()) == found, name
        assert not (folder / ".bayes-sandbox-0123456789abcdef.part").exists()
        assert_nothing_lost(folder)
        assert not (tmp_path / "trapped").exists(), name


REFUSED: dict[str, Damage] = {
    "a marker cut short": cut(MARKER, 0.5),
    "no marker": lambda folder: (folder / MARKER).unlink(),
    "a marker of a study": lambda folder: text((folder / MARKER).read_text().replace('"run"', '"study"', 1), MARKER)(
        folder
    ),
    "a marker that lists a file outside": lambda folder: text(
        (folder / MARKER).read_text().replace("settings.json", "../thesis.txt"), MARKER
    )(folder),
    "run.json is a folder": folder_instead("run.json"),
    "run.json is a link": link_instead("run.json"),
    "checkpoints is a link": link_instead("checkpoints", ".."),
    "settings.json is a link": link_instead("settings.json"),
    "plots is a file": text("mine", "plots"),
}


@pytest.mark.parametrize("command", ["--resume", "--out"])
def test_a_folder_that_cannot_be_used_is_refused(started: Path, script: Path, tmp_path: Path, command: str) -> None:
    for name, damage in REFUSED.items():
        folder = tmp_path / name / "run"
        shutil.copytree(started, folder)
        (folder.parent / "thesis.txt").write_text("mine")
        damage(folder)
        before = {p for p in folder.rglob("*") if p.name != LOCK}
        done = invoke("run", script, *FAST, command, folder)
        if name == "checkpoints is a link" and done.exit_code == 0:  # kept without checkpoints, with a warning
            assert_nothing_lost(folder)
            continue
        assert_one_sentence(done, folder)
        assert {p for p in folder.rglob("*") if p.name != LOCK} == before, name


@pytest.mark.parametrize("arguments", [("run", "coin.py"), ("study", "prior-width", "coin.py")])
def test_resuming_nowhere_is_one_sentence_and_makes_no_folder(
    script: Path, tmp_path: Path, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    for name in ("nowhere", "empty"):
        done = invoke(*arguments, "--resume", name, "--no-cache")
        assert done.exit_code == 2
        assert len(done.stderr.splitlines()) == 1
    assert {p.name for p in tmp_path.iterdir()} == {"coin.py", "empty"}
    assert not list((tmp_path / "empty").iterdir())


def test_a_run_leaves_a_folder_of_somebody_else_alone(started: Path, script: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "parts").mkdir(parents=True)
    (other / "run.json").write_text("mine")
    (other / "parts" / "1.pickle").write_text("mine")
    refused = invoke("run", script, *FAST, "--out", other)
    assert refused.exit_code == 2
    assert "is not empty and was not written by bayes-sandbox" in refused.stderr
    by_name = invoke("run", script, *FAST, "--out", other, "--force")
    assert by_name.exit_code == 2
    assert f"{other / 'run.json'} was not written by bayes-sandbox" in by_name.stderr
    (other / "run.json").rename(other / "old.json")
    added = invoke("run", script, *FAST, "--out", other, "--force")
    assert added.exit_code == 0, added.stderr
    assert (other / "old.json").read_text() == (other / "parts" / "1.pickle").read_text() == "mine"
    assert json.loads((other / "run.json").read_text())["model"]["name"] == "coin"


# --- scripts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [b"x = 1\0", b"\0", b"x = '\xff'", "é = 1".encode("utf-16"), b"(" * 1000, b"raise BaseException('no')", b"exit(3)"],
    ids=["null byte", "null", "latin-1", "UTF-16", "nested", "BaseException", "exit"],
)
def test_a_script_that_is_none_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.py").write_bytes(content)
    done = invoke("run", tmp_path / "model.py", "--no-cache")
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1
    assert "None" not in done.stderr


@pytest.mark.parametrize("command", ["run", "explain"])
def test_a_folder_is_no_script(tmp_path: Path, command: str) -> None:
    (tmp_path / "model.py").mkdir()
    done = invoke(command, tmp_path / "model.py")
    assert done.exit_code == 2
    assert "is a folder; name a script in it" in done.stderr
    listed = invoke("list", tmp_path)
    assert listed.exit_code == 2
    assert "holds no script" in listed.stderr

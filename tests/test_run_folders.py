"""A folder of results keeps what is not ours, whatever is asked, and whenever a process dies."""

import errno
import json
import multiprocessing
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bayes_sandbox.checkpoints import FolderCheckpoints, remove_checkpoints
from bayes_sandbox.folders import LOCK, MARKER, RUN_KIND, STUDY_KIND, FolderError, RunFolder, StorageError


def opened(path: Path, **options: Any) -> RunFolder:
    return RunFolder.create(path, RUN_KIND, **options)


def content(path: Path) -> dict[str, bytes]:
    """Return what a user sees in a folder."""
    files = (p for p in path.rglob("*") if p.is_file() and p.name not in (MARKER, LOCK))
    return {str(p.relative_to(path)): p.read_bytes() for p in files}


def test_a_new_folder_is_claimed_and_found_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "run"
    with opened(path) as folder:
        folder.write("run.json", "1")
        folder.set_identity({"seed": "0"})
    with opened(path) as folder:
        assert folder.identity == {"seed": "0"}
        folder.write("run.json", "2")
        folder.write("plots/a.svg", b"3")
    assert content(path) == {"run.json": b"2", "plots/a.svg": b"3"}
    with RunFolder.existing(path, RUN_KIND) as folder:
        assert folder.listed("plots") == ["plots/a.svg"]


def test_a_folder_of_somebody_else_is_refused_and_stays_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(FolderError, match=r"is not empty and was not written by bayes-sandbox.*--force"):
        opened(tmp_path)
    with pytest.raises(FolderError, match="holds no run"):
        RunFolder.existing(tmp_path, RUN_KIND)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_force_adds_files_and_replaces_none(tmp_path: Path) -> None:
    for name in ("thesis.txt", "run.json", "parts/1.pickle", "checkpoints/mine.npz", "plots/a.svg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    before = content(tmp_path)
    with opened(tmp_path, force=True) as folder:
        for name in ("run.json", "plots/a.svg"):
            with pytest.raises(FolderError, match="was not written by bayes-sandbox"):
                folder.check_free([name])
            with pytest.raises(FolderError, match="was not written by bayes-sandbox"):
                folder.write(name, "ours")
            folder.remove(name)
        folder.write("summary.csv", "ours")
        FolderCheckpoints(folder, 0).keep("x", 1)
        remove_checkpoints(folder)
    assert content(tmp_path) == before | {"summary.csv": b"ours"}


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    (outside / "a.svg").write_text("mine")
    with opened(inside) as folder:
        folder.write("plots/a.svg", "ours")
        folder.write("run.json", "ours")
        (inside / "plots" / "a.svg").unlink()
        (inside / "plots").rmdir()
        (inside / "plots").symlink_to(outside)
        (inside / "run.json").unlink()
        (inside / "run.json").symlink_to(outside / "a.svg")
        for name in ("plots/a.svg", "plots/b.svg", "run.json"):
            with pytest.raises(FolderError, match="link"):
                folder.write(name, "ours")
        with pytest.raises(FolderError, match="link"):
            folder.remove("plots/a.svg")
    assert content(outside) == {"a.svg": b"mine"}


def test_a_folder_may_itself_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "large disk").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "large disk")
    with opened(tmp_path / "run") as folder:
        folder.write("run.json", "1")
    assert content(tmp_path / "large disk") == {"run.json": b"1"}


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/b/c", ".hidden", "a/../b", "", "a/", "a//b", "a\0b", "a\n"])
def test_a_name_never_leaves_the_folder(tmp_path: Path, name: str) -> None:
    with opened(tmp_path / "run") as folder, pytest.raises(ValueError, match="is not a name"):
        folder.write(name, "x")
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


GOOD = {"format": "bayes-sandbox folder", "schema": 1, "kind": "run", "identity": {}, "files": []}


@pytest.mark.parametrize(
    "marker",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 100_000,
        "\0\xff",
        {**GOOD, "format": "other"},
        {**GOOD, "schema": 2},
        {**GOOD, "schema": "1"},
        {**GOOD, "kind": None},
        {**GOOD, "files": {"a": 1}},
        {**GOOD, "files": [1]},
        {**GOOD, "files": ["../thesis.txt"]},
        {**GOOD, "files": ["/etc/passwd"]},
        {**GOOD, "identity": {"seed": 1}},
        {**GOOD, "identity": []},
        {"format": "bayes-sandbox folder"},
    ],
    ids=lambda m: str(m)[:40],
)
def test_a_damaged_marker_is_refused_and_nothing_is_touched(tmp_path: Path, marker: Any) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (tmp_path / "thesis.txt").write_text("mine")
    (run / "data.csv").write_text("mine")
    text = marker if isinstance(marker, str) else json.dumps(marker)
    (run / MARKER).write_text(text, encoding="latin-1")
    for force in (False, True):
        with pytest.raises(FolderError, match=r"\.bayes-sandbox\.json is damaged"):
            opened(run, force=force)
    assert content(tmp_path) == {"thesis.txt": b"mine", "run/data.csv": b"mine"}
    assert (run / MARKER).read_text(encoding="latin-1") == text


def test_a_run_and_a_study_have_folders_of_their_own(tmp_path: Path) -> None:
    opened(tmp_path / "x").close()
    with pytest.raises(FolderError, match="holds a run, not a study"):
        RunFolder.create(tmp_path / "x", STUDY_KIND, force=True)


def hold(path: Path, ready: Any, done: Any) -> None:
    with opened(path):
        ready.set()
        done.wait(60)


def test_a_second_process_is_refused_and_a_dead_one_is_no_hindrance(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    process = context.Process(target=hold, args=(tmp_path / "run", ready, done))
    process.start()
    assert ready.wait(60)
    with pytest.raises(FolderError, match=r"another process is writing to .*run"):
        opened(tmp_path / "run", force=True)
    process.kill()
    process.join()
    opened(tmp_path / "run").close()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_leaves_the_old_files(tmp_path: Path, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(code, os.strerror(code))

    with opened(tmp_path / "run") as folder:
        folder.write_set({"posterior.nc": lambda p: p.write_text("old"), "run.json": lambda p: p.write_text("old")})
        with pytest.raises(StorageError, match=os.strerror(code)):
            folder.write_set({"posterior.nc": lambda p: p.write_text("new"), "run.json": full})
        with pytest.raises(StorageError, match=r"cannot write .*summary\.csv"):
            folder.write_with("summary.csv", full)
    assert content(tmp_path / "run") == {"posterior.nc": b"old", "run.json": b"old"}
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(code, os.strerror(code))))
    with pytest.raises(StorageError, match=os.strerror(code)):
        opened(tmp_path / "other")


def test_a_checkpoint_on_a_full_disk_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = FolderCheckpoints(tmp_path / "run", 0)
    checkpoints.keep("x", 1)
    monkeypatch.setattr(
        os, "replace", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    )
    with pytest.warns(UserWarning, match="'y' is not kept for --resume.*No space left on device"):
        checkpoints.keep("y", 2)
    monkeypatch.undo()
    assert checkpoints.recall("x") == 1
    assert checkpoints.recall("y") is None


class Killed(BaseException):
    """Stands for SIGKILL: nothing after it is executed."""


@pytest.mark.parametrize("step", range(12))
def test_a_set_of_files_is_never_mixed(tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop after each change of the file system in turn."""

    def both(text: str) -> dict[str, Callable[[Path], object]]:
        return {name: lambda path: path.write_bytes(text.encode()) for name in ("posterior.nc", "run.json")}

    with opened(tmp_path / "run") as folder:
        folder.write_set(both("old"))
        count = 0

        def counted(change: Callable[..., Any]) -> Callable[..., Any]:
            def changed(*args: Any, **kwargs: Any) -> Any:
                nonlocal count
                count += 1
                if count > step:
                    raise Killed
                return change(*args, **kwargs)

            return changed

        with monkeypatch.context() as patch:
            patch.setattr(Path, "write_bytes", counted(Path.write_bytes))
            patch.setattr(Path, "unlink", counted(Path.unlink))
            patch.setattr(os, "replace", counted(os.replace))
            with suppress(Killed):
                folder.write_set(both("new"))
    found = content(tmp_path / "run")
    if "run.json" in found:
        assert found["run.json"] == found["posterior.nc"]
    with opened(tmp_path / "run") as folder:  # what was left half-written is gone
        assert not list((tmp_path / "run").glob("*.part"))
        folder.write_set(both("newer"))
    assert content(tmp_path / "run") == {"run.json": b"newer", "posterior.nc": b"newer"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(FolderError, match=r"cannot write to .*Permission denied"):
        opened(tmp_path / "locked" / "run")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mine")
    for path in (tmp_path / "x", tmp_path / "x" / "y"):
        with pytest.raises(FolderError):
            opened(path)
    assert (tmp_path / "x").read_text() == "mine"

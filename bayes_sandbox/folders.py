"""Folders of results, and the only code that creates, replaces or removes files in them.

A hidden marker file lists what this package wrote. A file that the marker does not list belongs to somebody else: it is
never replaced and never removed.
"""

import errno
import json
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from .errors import UserError

RUN_KIND, STUDY_KIND, CHECKPOINTS_KIND = "run", "study", "checkpoints"  # what a folder may hold
MARKER, LOCK = ".bayes-sandbox.json", ".bayes-sandbox.lock"
FORMAT, SCHEMA = "bayes-sandbox folder", 1
UNFINISHED = ".bayes-sandbox-{}.part"  # a file that is still being written
FULL_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
FILE_NAME = re.compile(r"(?:[A-Za-z0-9_-][\w.@+-]*/)?[A-Za-z0-9_-][\w.@+-]*")  # at most one subfolder, no hidden files


class FolderError(UserError):
    """A folder that cannot be used as asked. The sentence says why and what to do."""


class StorageError(RuntimeError):
    """A file that could not be written, for example because the disk is full."""


class RunFolder:
    """A folder that holds one run or one study.

    Use `create` to start in a folder and `existing` to go on in one. As a context manager it closes itself.

    Attributes
    ----------
    path : Path
        The folder.
    identity : dict of str to str
        What the checkpoints of this folder were computed from, as the last writer stated it; empty if nobody did.
    """

    def __init__(self, path: Path, kind: str):
        self.path, self.kind, self.identity = path, kind, dict[str, str]()
        self._files: set[str] = set()
        self._lock: Any = None

    @classmethod
    def create(cls, path: Path, kind: str, *, force: bool = False, lock: bool = True) -> Self:
        """Make the folder if needed and claim it.

        Parameters
        ----------
        path : Path
            The folder. Its parents are created.
        kind : str
            What it holds, one of the `_KIND` constants.
        force : bool, default False
            Whether to accept a folder that is not empty and has no marker. Its files stay as they are.
        lock : bool, default True
            Whether to keep other processes from writing to the folder until `close`.

        Raises
        ------
        FolderError
            If the folder belongs to somebody else, holds something of another kind, or is in use.
        StorageError
            If the disk is full.
        """
        with _explained(f"cannot write to {path}", FolderError):
            if path.exists() and not path.is_dir():
                raise FolderError(f"{path} is a file; choose a folder")
            if not (path / MARKER).exists() and not force and _is_used(path):
                raise FolderError(
                    f"{path} is not empty and was not written by bayes-sandbox; choose another folder, or give "
                    "--force (force=True) to add files to it"
                )
            path.mkdir(parents=True, exist_ok=True)
            return cls(path, kind)._open(lock)

    @classmethod
    def existing(cls, path: Path, kind: str, *, lock: bool = True) -> Self:
        """Open a folder that has a marker; raise `FolderError` if it has none, or a marker of another kind."""
        with _explained(f"cannot use {path}", FolderError):
            if not path.is_dir():
                raise FolderError(f"there is no folder {path}")
            if not (path / MARKER).exists():
                raise FolderError(f"{path} holds no {kind} of bayes-sandbox: it has no {MARKER}")
            return cls(path, kind)._open(lock)

    def _open(self, lock: bool) -> Self:
        if lock:
            self._acquire()
        try:
            self._read_marker()
            self._remove_unfinished()
            self._write_marker()  # proves that the folder can be written to
        except BaseException:
            self.close()
            raise
        return self

    def _acquire(self) -> None:
        from filelock import FileLock, Timeout

        lock = FileLock(self.path / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise FolderError(
                f"another process is writing to {self.path}: wait until it has finished, or choose another folder"
            ) from error
        self._lock = lock

    def close(self) -> None:
        """Let other processes write to the folder."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _read_marker(self) -> None:
        path = self.path / MARKER
        if not path.exists():
            return
        found = _marker(path)
        if found["kind"] != self.kind:
            raise FolderError(f"{self.path} holds a {found['kind']}, not a {self.kind}; choose another folder")
        self._files, self.identity = set(found["files"]), found["identity"]

    def _write_marker(self) -> None:
        content = {"format": FORMAT, "schema": SCHEMA, "kind": self.kind, "identity": self.identity}
        text = json.dumps({**content, "files": sorted(self._files)}, indent=1)
        unfinished = self.path / UNFINISHED.format(secrets.token_hex(8))
        try:
            unfinished.write_text(text + "\n", encoding="utf-8")
            os.replace(unfinished, self.path / MARKER)
        finally:
            unfinished.unlink(missing_ok=True)

    def _remove_unfinished(self) -> None:
        """Remove what a killed process left half-written."""
        for folder in (self.path, *{(self.path / name).parent for name in self._files}):
            for path in folder.glob(UNFINISHED.format("*")) if not folder.is_symlink() else ():
                path.unlink(missing_ok=True)

    def set_identity(self, identity: Mapping[str, str]) -> None:
        """Record what the checkpoints of this folder are computed from now on."""
        self.identity = dict(identity)
        with _explained(f"cannot write to {self.path}"):
            self._write_marker()

    def check_free(self, names: Iterable[str]) -> None:
        """Raise `FolderError` if a file of somebody else has one of these names."""
        for name in names:
            with _explained(f"cannot use {self.path}", FolderError):
                self._check_owner(name)

    def _check_owner(self, name: str) -> Path:
        if not FILE_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a name for a file of a run")
        path = self.path / name
        if path.parent != self.path and path.parent.is_symlink():
            raise FolderError(f"{path.parent} is a symbolic link, which is not followed; remove it")
        if path.parent != self.path and path.parent.exists() and not path.parent.is_dir():
            raise FolderError(f"{path.parent} is a file where a folder is needed; move it or choose another folder")
        if path.is_symlink() or path.is_dir():
            raise FolderError(f"{path} is a link or a folder where a file is needed; move it or choose another folder")
        if name not in self._files and path.exists():
            raise FolderError(
                f"{path} was not written by bayes-sandbox (its marker does not list it) and is not replaced; move it "
                "or choose another folder"
            )
        return path

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file in one step: whoever looks sees the old content or all of the new content."""
        data = content.encode() if isinstance(content, str) else content
        return self.write_with(name, lambda path: path.write_bytes(data))

    def write_with(self, name: str, write: Callable[[Path], object]) -> Path:
        """Write a file by a function that is given a temporary path in the same folder; return the file's path."""
        self.write_set({name: write})
        return self.path / name

    def write_set(self, writers: Mapping[str, Callable[[Path], object]]) -> None:
        """Write files that belong together; whoever finds the last of them finds the others of the same set.

        All are written before any is replaced. The last file is absent while the others are replaced.
        """
        self.check_free(writers)
        paths = [self.path / name for name in writers]
        with _explained(f"cannot write {paths[-1]}"):
            self._claim(writers)
            unfinished = [path.with_name(UNFINISHED.format(secrets.token_hex(8))) for path in paths]
            try:
                for temporary, write in zip(unfinished, writers.values()):
                    write(temporary)
                if len(paths) > 1:
                    paths[-1].unlink(missing_ok=True)
                for temporary, path in zip(unfinished, paths):
                    os.replace(temporary, path)
            finally:
                for temporary in unfinished:
                    temporary.unlink(missing_ok=True)

    def _claim(self, names: Iterable[str]) -> None:
        """List files in the marker before they exist, and make their folders."""
        for name in names:
            (self.path / name).parent.mkdir(exist_ok=True)
        if not self._files.issuperset(names):
            self._files.update(names)
            self._write_marker()

    def remove(self, name: str) -> None:
        """Remove a file if this package wrote it."""
        if name in self._files and (self.path / name).exists():
            self._check_owner(name).unlink()

    def listed(self, subfolder: str) -> list[str]:
        """Return the names of this package's files in a subfolder."""
        return sorted(name for name in self._files if name.startswith(f"{subfolder}/"))


def _is_used(path: Path) -> bool:
    """Return whether a folder holds anything but what a run that was killed at its start leaves."""
    return path.is_dir() and any(p.name != LOCK and not p.match(UNFINISHED.format("*")) for p in path.iterdir())


def _marker(path: Path) -> dict[str, Any]:
    damaged = f"{path} is damaged, so that the files of bayes-sandbox cannot be told from others; choose another folder"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise FolderError(damaged) from error
    if not _is_marker(found):
        raise FolderError(damaged)
    marker: dict[str, Any] = found
    return marker


def _is_marker(found: Any) -> bool:
    match found:
        case {"format": str(), "schema": int(), "kind": str(), "files": list(), "identity": dict()}:
            texts = [*found["identity"].values(), *found["files"]]
            return (
                (found["format"], found["schema"]) == (FORMAT, SCHEMA)
                and all(isinstance(text, str) for text in texts)
                and all(FILE_NAME.fullmatch(name) for name in found["files"])
            )
    return False


@contextmanager
def _explained(what: str, error_type: type[Exception] = StorageError) -> Iterator[None]:
    """Turn an error of the file system into one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL_DISK:
            raise StorageError(f"{what}: {error.strerror or error}") from error
        raise error_type(f"{what}: {error.strerror or error}; choose another folder") from error

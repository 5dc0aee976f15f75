"""Checkpoints: finished results of a long computation, kept as they come, so that an interrupted one can go on."""

import hashlib
import json
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from .arguments import instance
from .folders import CHECKPOINTS_KIND, FolderError, RunFolder, StorageError
from .serialization import SerializationError, Serializer

CHECKPOINTS = "checkpoints"  # the subfolder of a run or a study
PLAIN_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")


@runtime_checkable
class Checkpoints(Protocol):
    """Somewhere to keep finished results by name."""

    def recall(self, name: str) -> Any | None: ...
    def keep(self, name: str, value: Any) -> None: ...


class _NoCheckpoints:
    def recall(self, name: str) -> Any | None:
        return None

    def keep(self, name: str, value: Any) -> None:
        pass


NO_CHECKPOINTS: Checkpoints = _NoCheckpoints()


def require_checkpoints(value: Any) -> Checkpoints:
    """Return the argument `checkpoints` of a public function, or raise the sentence that says what it must be."""
    return instance(value, "checkpoints", Checkpoints, "pass FolderCheckpoints(folder, identity)")  # type: ignore[type-abstract]


class FolderCheckpoints:
    """Checkpoints as files of a folder, one for each result.

    A file states what it was computed from. A file that states something else, or that is damaged, is ignored, and its
    result is computed again. The files contain JSON and arrays: reading one runs no code.

    Parameters
    ----------
    folder : RunFolder or Path
        Where the files are, in the subfolder `checkpoints`.
    identity : mapping of str to str, or anything with a stable `repr`
        What the results depend on.
    records : iterable of type, default ()
        Frozen dataclasses that results may contain. Plain values and NumPy arrays need none.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> FolderCheckpoints(folder, "seed 0").keep("total", 3.5)
    >>> FolderCheckpoints(folder, "seed 0").recall("total"), FolderCheckpoints(folder, "seed 1").recall("total")
    (3.5, None)
    """

    def __init__(self, folder: RunFolder | Path, identity: Any, records: Iterable[type] = ()):
        self._folder = (
            folder if isinstance(folder, RunFolder) else RunFolder.create(folder, CHECKPOINTS_KIND, lock=False)
        )
        self._identity, self._serializer = fingerprint(identity), Serializer(records)
        self._is_failing = False

    def _file(self, name: str) -> str:
        plain = name if PLAIN_NAME.fullmatch(name) else f"{_ascii(name)[:40]}-{fingerprint(name)[:12]}"
        return f"{CHECKPOINTS}/{plain}.{self._identity[:12]}.npz"

    def _header(self, name: str) -> dict[str, str]:
        return {"name": name, "identity": self._identity}

    def recall(self, name: str) -> Any | None:
        """Return a kept result; None if there is none, or none that can be read."""
        path = self._folder.path / self._file(name)
        if not path.is_file() or path.is_symlink() or path.parent.is_symlink():
            return None
        try:
            return self._serializer.read(path, self._header(name))
        except SerializationError:
            return None

    def keep(self, name: str, value: Any) -> None:
        """Keep a result. If that is not possible, warn once and go on: a checkpoint is not worth a failed run."""
        try:
            self._folder.write_with(
                self._file(name), lambda path: self._serializer.write(path, value, self._header(name))
            )
        except (SerializationError, StorageError, FolderError) as error:
            if not self._is_failing:
                warnings.warn(f"the result {name!r} is not kept for --resume: {error}", stacklevel=2)
            self._is_failing = True


def remove_checkpoints(folder: RunFolder) -> None:
    """Remove the checkpoints of a folder, and nothing else."""
    for name in folder.listed(CHECKPOINTS):
        folder.remove(name)


def fingerprint(identity: Any) -> str:
    """Return a hash of what results depend on.

    >>> fingerprint({"a": "1", "b": "2"}) == fingerprint({"b": "2", "a": "1"})
    True
    """
    text = json.dumps(dict(identity), sort_keys=True) if isinstance(identity, Mapping) else repr(identity)
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def _ascii(name: str) -> str:
    return re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-") or "result"


def cached[Value](checkpoints: Checkpoints, name: str, compute: Callable[[], Value]) -> Value:
    """Return the kept result of this name; if there is none, compute it and keep it."""
    found: Value | None = checkpoints.recall(name)
    if found is None:
        found = compute()
        checkpoints.keep(name, found)
    return found

"""What is finished of a run, put in safety as it comes, so that an interrupted one need not do it again."""

import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol


class Parts(Protocol):
    """Somewhere to keep finished parts under a name."""

    def recall(self, name: str) -> Any | None: ...
    def keep(self, name: str, value: Any) -> None: ...


class _Nowhere:
    def recall(self, name: str) -> Any | None:
        return None

    def keep(self, name: str, value: Any) -> None:
        pass


nowhere: Parts = _Nowhere()


class FolderParts:
    """Parts as files of a folder; those of another model, other data or other settings are not recalled.

    A part is written beside its name and then moved there: a run that is killed in between leaves none or a whole one.
    """

    def __init__(self, folder: Path, *identity: Any):
        self._folder = folder
        self._mark = hashlib.sha256(repr(identity).encode()).hexdigest()[:16]

    def _path(self, name: str) -> Path:
        return self._folder / f"{name.replace(':', '-')}.{self._mark}.pickle"

    def recall(self, name: str) -> Any | None:
        """Return a part, None where it was not finished or cannot be read any more."""
        try:
            return pickle.loads(self._path(name).read_bytes())
        except Exception:  # whatever a torn file, or one of another version, makes of it
            return None

    def keep(self, name: str, value: Any) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        unfinished = self._path(name).with_suffix(".part")
        unfinished.write_bytes(pickle.dumps(value))
        unfinished.replace(self._path(name))


def made[Value](parts: Parts, name: str, make: Callable[[], Value]) -> Value:
    """Return a part that was kept, or make it and keep it."""
    found: Value | None = parts.recall(name)
    if found is None:
        found = make()
        parts.keep(name, found)
    return found

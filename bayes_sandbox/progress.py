"""Progress on stderr for anything over a second, and silence where nobody asked for it."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Advance(Protocol):
    """What a task calls as it comes along: how far, and what it makes of it so far."""

    def __call__(self, count: int, said: str = "") -> None: ...


class Progress(Protocol):
    """Something that can show how far a task of known length has come."""

    def task(self, label: str, total: int) -> AbstractContextManager[Advance]: ...

    def stage(self, label: str) -> AbstractContextManager[None]: ...


def _nothing(count: int, said: str = "") -> None:
    pass


class _Quiet:
    @contextmanager
    def task(self, label: str, total: int) -> Iterator[Advance]:
        yield _nothing

    @contextmanager
    def stage(self, label: str) -> Iterator[None]:
        yield


quiet: Progress = _Quiet()


class Bars:
    """Rich progress bars on stderr; a bar appears once its task has taken half a second."""

    def __init__(self, patience: float = 0.5):
        self._patience = patience

    @contextmanager
    def task(self, label: str, total: int) -> Iterator[Advance]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        bars = RichProgress(*columns, console=console, transient=True, disable=not console.is_terminal)
        bar = bars.add_task(label, total=total)
        began, shown = time.perf_counter(), False

        def advance(count: int, said: str = "") -> None:
            nonlocal shown
            bars.update(bar, advance=count, description=f"{label}: {said}" if said else None)
            if not shown and time.perf_counter() - began > self._patience:
                bars.start()
                shown = True

        try:
            yield advance
        finally:
            if shown:
                bars.stop()

    @contextmanager
    def stage(self, label: str) -> Iterator[None]:
        """Show that something of unknown length is under way."""
        from rich.console import Console

        console = Console(stderr=True)
        if not console.is_terminal:
            yield
            return
        with console.status(label):
            yield


def progress_of(wanted: bool) -> Progress:
    """Return bars where progress is wanted, else silence."""
    return Bars() if wanted else quiet

"""Seconds that may be spent, counted while they are."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Budget:
    """Seconds shared by several tasks. What is done aside is not counted; a task within another counts once.

    >>> budget = Budget(60.0)
    >>> with budget.spending(), budget.aside():
    ...     round(budget.left)
    60
    """

    def __init__(self, seconds: float):
        self.total = seconds
        self._spent, self._since = 0.0, float("nan")

    @property
    def is_running(self) -> bool:
        return self._since == self._since

    @property
    def left(self) -> float:
        """Return what is left of it, at this moment."""
        running = time.perf_counter() - self._since if self.is_running else 0.0
        return max(self.total - self._spent - running, 0.0)

    @contextmanager
    def spending(self) -> Iterator[None]:
        with self._counted(True):
            yield

    @contextmanager
    def aside(self) -> Iterator[None]:
        with self._counted(False):
            yield

    @contextmanager
    def _counted(self, counted: bool) -> Iterator[None]:
        before = self.is_running
        self._switch(counted)
        try:
            yield
        finally:
            self._switch(before)

    def _switch(self, on: bool) -> None:
        now = time.perf_counter()
        if self.is_running:
            self._spent += now - self._since
        self._since = now if on else float("nan")

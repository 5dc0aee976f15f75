"""Standard output for results only: whatever else a command prints, at whatever level, goes to standard error."""

import atexit
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import TextIO

STDOUT, STDERR = 1, 2  # file descriptors


@contextmanager
def results_only() -> Iterator[TextIO | None]:
    """Give the stream for results, and send every other print to standard error until the block ends.

    Where standard output is a file descriptor, it is redirected at that level too: this catches what compiled code
    prints. After the block it is redirected again when the interpreter exits, for what a script prints at its end.
    """
    stream = sys.stdout
    if stream is None or not _is_descriptor(stream):
        with redirect_stdout(sys.stderr):
            try:
                yield stream
            finally:
                _wait_for_callbacks()
        return
    stream.flush()
    saved = os.dup(STDOUT)
    try:
        os.dup2(STDERR, STDOUT)
        with redirect_stdout(sys.stderr), _text_stream(saved, stream) as results:
            try:
                yield results
            finally:
                _wait_for_callbacks()
    finally:
        os.dup2(saved, STDOUT)
        os.close(saved)
        atexit.register(_redirect_for_good)


def _is_descriptor(stream: TextIO) -> bool:
    try:
        return stream.fileno() == STDOUT
    except (OSError, ValueError, AttributeError):  # a stream in memory: a notebook, a test
        return False


def _text_stream(descriptor: int, like: TextIO) -> TextIO:
    return os.fdopen(os.dup(descriptor), "w", encoding=like.encoding, errors=like.errors)


def _wait_for_callbacks() -> None:
    """Wait for what a compiled program still has to print (`jax.debug.print`)."""
    if "jax" in sys.modules:
        sys.modules["jax"].effects_barrier()


def _redirect_for_good() -> None:
    """Send what is printed while the interpreter exits to standard error; this runs before a script's own handlers."""
    sys.stdout = sys.stderr
    with suppress(OSError):
        os.dup2(STDERR, STDOUT)

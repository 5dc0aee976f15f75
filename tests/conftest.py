"""What every test relies on: float64, a JAX that says so before anything is compiled, and one compiler for all.

What one process has compiled, the others and the scripts that they start take from a folder of this run alone.
"""

import os
import shutil
import tempfile

import pytest

os.environ.setdefault("MPLBACKEND", "agg")
CACHE = "JAX_COMPILATION_CACHE_DIR"
is_first = CACHE not in os.environ  # of the processes of this run
if is_first:
    os.environ[CACHE] = tempfile.mkdtemp(prefix="bayes_sandbox-tests-")
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "0"

import bayes_sandbox  # noqa: E402, F401  switches float64 on before JAX is used


def pytest_unconfigure(config: pytest.Config) -> None:
    if is_first:
        shutil.rmtree(os.environ[CACHE], ignore_errors=True)

"""What every test relies on: float64, a JAX that says so before anything is compiled, and one compiler for all.

What one process has compiled, the others and the scripts that they start take from a folder of this run alone.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

os.environ.setdefault("MPLBACKEND", "agg")
CACHE = "JAX_COMPILATION_CACHE_DIR"
is_first = CACHE not in os.environ  # of the processes of this run
if is_first:
    os.environ[CACHE] = tempfile.mkdtemp(prefix="bayes_sandbox-tests-")
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "0"

import bayes_sandbox  # noqa: E402, F401  switches float64 on before JAX is used

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")


@pytest.fixture(scope="module")  # not longer: its event loop runs as long as it does
def browser() -> Iterator[Any]:
    """Start the browser there is; where there is none, skip, but fail in the gate."""
    sync_api = pytest.importorskip("playwright.sync_api")
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        if os.environ.get("CI"):
            pytest.fail(f"no browser among {', '.join(BROWSERS)}")
        pytest.skip("no Chromium here")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield started
        started.close()


def pytest_unconfigure(config: pytest.Config) -> None:
    if is_first:
        shutil.rmtree(os.environ[CACHE], ignore_errors=True)

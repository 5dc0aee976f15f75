"""One device or four, one process or two: the same evidence, the same moments."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SCRIPT = Path(__file__).parent / "devices_script.py"
pytestmark = pytest.mark.slow
SUMS = ("hermite", "trapezoid", "cells")


def _started(*args: str, devices: int = 1) -> subprocess.Popen[str]:
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    env = os.environ | {"XLA_FLAGS": flags.strip(), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, str(SCRIPT), *args]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _told(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err[-3000:]
    return dict(json.loads(out.strip().splitlines()[-1]))


@pytest.fixture(scope="module")
def alone() -> dict[str, Any]:
    return _told(_started())


def test_four_devices_find_what_one_finds(alone: dict[str, Any]) -> None:
    found = _told(_started(devices=4))
    assert (alone["devices"], found["devices"]) == (1, 4)
    for name in SUMS:
        np.testing.assert_allclose(found[name], alone[name], rtol=0, atol=1e-12)
    assert found["ess"] > 300
    np.testing.assert_allclose(found["chains"], alone["hermite"][1:4], atol=0.25)


def test_two_processes_find_what_one_finds(alone: dict[str, Any]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    pair = [_started(address, str(k)) for k in range(2)]
    for found in map(_told, pair):
        assert found["processes"] == 2
        for name in SUMS:
            np.testing.assert_allclose(found[name], alone[name], rtol=0, atol=1e-12)

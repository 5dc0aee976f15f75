"""How long until something is there? Seconds to the first line of help and to the first result, with and without cache.

    python -m benchmarks.startup [--repeats 5] [--out FILE.csv]

Each row is the median over fresh processes, with the least and the largest; a time ends with the first line that is
printed, or with the process where nothing is. *A bare Python* does nothing, and *the libraries* are JAX and NumPyro
imported and nothing of ours: what no program on them can be faster than. The last column is in units of these.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from .tables import Row, arguments, written

FIELDS = ("what", "seconds", "least", "largest", "over_libraries")
SCRIPT = Path(__file__).parents[1] / "models" / "bioassay.py"
RUN = ("-m", "bayes_sandbox", "run", str(SCRIPT), "--methods", "map,grid", "--evidence", "grid", "--json")
WHAT: dict[str, tuple[str, ...]] = {
    "a bare Python": ("-c", "pass"),
    "the libraries": ("-c", "import jax, numpyro; import numpyro.distributions"),
    "import bayes_sandbox": ("-c", "import bayes_sandbox"),
    "the first line of help": ("-m", "bayes_sandbox", "--help"),
    "a first result, nothing compiled": (*RUN, "--no-cache"),
    "a first result, from the cache": RUN,
}


def _seconds(command: tuple[str, ...], folder: str) -> float:
    env = os.environ | {"XDG_CACHE_HOME": f"{folder}/cache", "PYTHONPATH": str(Path(__file__).parents[1])}
    env.pop("JAX_COMPILATION_CACHE_DIR", None)  # of whoever runs this
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, cwd=folder
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        seconds = time.perf_counter() - began
        _, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(errors.decode())
    return seconds


def main() -> None:
    """Run the table."""
    parser = arguments(__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    wanted = {what: command for what, command in WHAT.items() if any(word in what for word in options.only)}
    found: dict[str, list[float]] = {what: [] for what in wanted}
    with tempfile.TemporaryDirectory() as folder:
        for command in wanted.values():  # once for the bytecode, the disk and the cache
            _seconds(command, folder)
        for _ in range(options.repeats):  # in turns: whatever else the machine does meets all of them
            for what, command in wanted.items():
                found[what].append(_seconds(command, folder))
    libraries = float(np.median(found["the libraries"]))

    def row(what: str) -> Row:
        seen = found[what]
        middle = float(np.median(seen))
        return {
            "what": what,
            "seconds": round(middle, 2),
            "least": round(min(seen), 2),
            "largest": round(max(seen), 2),
            "over_libraries": round(middle / libraries, 2),
        }

    written(map(row, wanted), FIELDS, options.out)


if __name__ == "__main__":
    main()

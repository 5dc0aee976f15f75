"""Evidence by every method, each on its own in a fresh process, one after the other.

    python -m uv run --project benchmarks/peers python -m benchmarks.peers [--limit 120] [--only WORD …] [--out FILE]
    python -m uv run --project benchmarks/peers python -m benchmarks.peers --deep …

With `--deep` the posteriors have 6 to 30 parameters, `compare` answers for us, and cubature stays at home.

Seconds run from the call to the answer, imports left out, compilation included. `warm` is our second call in the same
process, on a new model of the same shape: its own compilation is in it, that of the package's programs is not.
"""

import argparse
import csv
import json
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

FEW = ("bayes_sandbox", "dynesty", "ultranest", "nautilus", "pymc_smc", "scipy_cubature")
MANY = ("bayes_sandbox_compare", "plain_bridge", "dynesty", "ultranest", "nautilus", "pymc_smc")
FIELDS = ("posterior", "method", "gap", "error", "densities", "seconds", "warm", "note")
PACKAGES = {
    "bayes_sandbox": "bayes_sandbox",
    "bayes_sandbox_compare": "bayes_sandbox",
    "plain_bridge": "numpyro",
    "dynesty": "dynesty",
    "ultranest": "ultranest",
    "nautilus": "nautilus",
    "pymc_smc": "pymc",
    "scipy_cubature": "scipy.integrate",
}


def one(name: str, method: str) -> None:
    """Run one method on one posterior and print its answer as JSON."""
    import importlib

    importlib.import_module(PACKAGES[method])
    if method.startswith("bayes_sandbox"):
        import numpyro  # noqa: F401

        import bayes_sandbox as bs

        bs.compare  # noqa: B018 - names are loaded when first used
    from .methods import METHODS

    posterior = _find(name)
    warnings.simplefilter("ignore")
    seconds = []
    for _ in range(2 if method == "bayes_sandbox" else 1):
        began = time.perf_counter()
        value, error, densities = METHODS[method](posterior)
        seconds.append(time.perf_counter() - began)
    print(json.dumps([float(value), float(error), int(densities), seconds[0], seconds[-1]]))


def _find(name: str) -> Any:
    """Return the posterior of this name, whether it has few parameters or many."""
    from .deep import NAMES, deep_posterior
    from .posteriors import posteriors

    return deep_posterior(name) if name in NAMES else next(p for p in posteriors() if p.name == name)


def measured(name: str, method: str, limit: float, truth: float) -> dict[str, object]:
    """Return a row: the answer of a fresh process, or why there is none; the truth is not found on its time."""
    row: dict[str, object] = {"posterior": name, "method": method, "note": ""}
    command = [sys.executable, "-m", "benchmarks.peers", "--one", name, method]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=True)
        value, error, densities, seconds, warm = json.loads(done.stdout.strip().splitlines()[-1])
        warm_or_none = round(warm, 2) if method == "bayes_sandbox" else ""
        row.update(gap=value - truth, error=error, densities=densities, seconds=round(seconds, 2), warm=warm_or_none)
    except subprocess.TimeoutExpired:
        row["note"] = f"not done in {limit:g} s"
    except subprocess.CalledProcessError as failure:
        row["note"] = (failure.stderr.strip().splitlines() or [f"ended with {failure.returncode}"])[-1][:120]
    return row


def main() -> None:
    """Run them all, or what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=float, default=120.0, help="seconds for one method on one posterior")
    parser.add_argument("--only", nargs="+", default=[""], help="posteriors whose name contains one of these words")
    parser.add_argument("--deep", action="store_true", help="posteriors of 6 to 30 parameters")
    parser.add_argument("--methods", nargs="+", choices=list(PACKAGES))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(*options.one)
        return
    from .deep import NAMES
    from .posteriors import posteriors

    names = NAMES if options.deep else [p.name for p in posteriors()]
    methods = options.methods or (MANY if options.deep else FEW)
    out = options.out.open("w", newline="") if options.out else sys.stdout
    writer = csv.DictWriter(out, FIELDS)
    writer.writeheader()
    for name in (n for n in names if any(word in n for word in options.only)):
        truth = _find(name).truth()
        for method in methods:
            writer.writerow(measured(name, method, options.limit, truth))
            out.flush()


if __name__ == "__main__":
    main()

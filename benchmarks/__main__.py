"""Every table from one command, each by a process of its own, into a folder.

    python -m benchmarks [--small] [--only TABLE …] [--out FOLDER]

`--small` takes a few sizes and no peers: it shows in under three minutes that the harness works. The whole takes hours;
a table of it is `python -m benchmarks.TABLE`. The peers have a project of their own:

    python -m uv run --project benchmarks/peers python -m benchmarks --only peers peers_deep
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
ALL_SEEDS = ("--seeds", "0", "1", "2", "3", "4")
# Table: its module, what it is asked for as a whole, and in the small setting; None leaves it out.
TABLES: dict[str, tuple[str, tuple[str, ...], tuple[str, ...] | None]] = {
    "engine": ("engine", (), ("--small", "--only", "bioassay")),
    "sampling": ("sampling", (), ("--only", "bioassay", "--repeats", "1", "--methods", "bayes_sandbox", "numpyro")),
    "scaling": ("scaling", (), ("--small",)),
    "startup": ("startup", (), ("--repeats", "1", "--only", "libraries", "help")),
    "problem_table": ("problem_table", ALL_SEEDS, ("--only", "coin", "--seeds", "0")),
    "evidence_table": ("evidence_table", ALL_SEEDS, ("--only", "collinear regression 6d", "--seeds", "0")),
    "peers": ("peers", (), None),
    "peers_deep": ("peers", ("--deep",), None),
}


def main() -> int:
    """Run the tables that were asked for; return how many failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="a few sizes, no peers")
    parser.add_argument("--only", nargs="+", choices=list(TABLES), default=list(TABLES))
    parser.add_argument("--out", type=Path, help="a folder  [benchmarks/results; of the small setting, a must]")
    options = parser.parse_args()
    if options.small and options.out is None:
        parser.error("--small needs --out FOLDER: its tables are not results")
    folder, failed = options.out or RESULTS, 0
    folder.mkdir(parents=True, exist_ok=True)
    for table in options.only:
        module, whole, small = TABLES[table]
        args = small if options.small else whole
        if args is None:
            continue
        began = time.perf_counter()
        command = [sys.executable, "-m", f"benchmarks.{module}", *args, "--out", str(folder / f"{table}.csv")]
        code = subprocess.run(command).returncode
        failed += code != 0
        told = "done" if code == 0 else f"FAILED with {code}"
        print(f"{table}: {told} in {time.perf_counter() - began:.0f} s", file=sys.stderr)
    return failed


if __name__ == "__main__":
    sys.exit(main())

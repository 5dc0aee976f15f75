"""Does the memory of fit_grid grow with the number of nodes?

    python -m benchmarks.memory

Each row is a process of its own that integrates one two-parameter posterior with a tolerance that cannot be met, so
that it spends the nodes it is allowed; the last column is its peak resident memory over that of the first row.
"""

import resource
import subprocess
import sys

SIZES = (1e4, 1e5, 1e6, 1e7)


def child(max_evaluations: float) -> None:
    """Integrate with at most so many nodes and print (nodes, peak memory in MiB)."""
    import numpyro.distributions as dist

    import bayes_sandbox as bs

    model = bs.Model(
        {"mu": dist.Normal(0, 3), "sigma": dist.HalfCauchy(2)},
        lambda mu, sigma: dist.StudentT(4, mu, sigma),
        observed=[1.0, 2.5, -0.3, 4.0, 1.2],
    )
    fit = bs.fit_grid(model, rule="trapezoid", tolerance=1e-300, max_evaluations=max_evaluations, budget=600)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(fit.num_evaluations, peak)


def main() -> None:
    """Run every size and print the table."""
    first = 0.0
    print(f"{'allowed':>10} {'evaluated':>12} {'peak MiB':>10} {'ratio':>7}")
    for size in SIZES:
        command = [sys.executable, "-m", "benchmarks.memory", str(size)]
        evaluated, peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        first = first or float(peak)
        print(f"{size:>10.0e} {int(evaluated):>12,} {float(peak):>10.0f} {float(peak) / first:>7.3f}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        child(float(sys.argv[1]))
    else:
        main()

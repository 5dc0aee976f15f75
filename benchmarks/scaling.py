"""What does more cost? Seconds and memory against observations, parameters, chains and nodes, with their exponents.

    python -m benchmarks.scaling [--small] [--only observations parameters chains nodes] [--out FILE.csv]

Each row is a process of its own. `seconds` is the second call in it, with another seed, so that compilation is left out
(`first` has it), or the first where it took over a minute; `memory` is its peak, in MiB. Exponents are slopes of log
seconds in log size, over the upper half of the sizes: below it, what does not grow hides what does.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from .tables import Row, arguments, row_of_process, written

FIELDS = ("what", "way", "size", "first", "seconds", "memory", "note")
SIZES: dict[str, tuple[float, ...]] = {
    "observations": (1e2, 1e3, 1e4, 1e5, 1e6, 1e7),
    "parameters": (1, 3, 10, 30, 100, 300, 1000),
    "chains": (1, 4, 16, 64, 256, 1024),
    "nodes": (1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9),
}
SMALL: dict[str, tuple[float, ...]] = {
    "observations": (1e3,),
    "parameters": (10,),
    "chains": (16,),
    "nodes": (1e5,),
}
WAYS = {
    "observations": ("grid", "nuts"),
    "parameters": ("laplace", "nuts"),
    "chains": ("nuts",),
    "nodes": ("grid",),
}
LIMIT, LONG = 900.0, 60.0  # seconds for a row; of a call that needs no second


def _regression(num: int, dimension: int) -> Any:
    import numpyro.distributions as dist

    import bayes_sandbox as bs

    rng = np.random.default_rng(0)
    x = rng.normal(size=(num, dimension))
    y = x @ rng.normal(size=dimension) + rng.normal(size=num)
    prior = {"w": dist.Normal(0, 1).expand([dimension]).to_event(1)}
    return bs.Model(prior, lambda w, x: dist.Normal(x @ w, 1.0), inputs={"x": x}, observed=y)


def _observations(way: str, size: int) -> Callable[[int], Any]:
    import bayes_sandbox as bs

    model = _regression(size, 2)
    if way == "grid":
        return lambda seed: bs.fit_grid(model, max_evaluations=1e7, budget=300, seed=seed)
    return lambda seed: bs.fit_nuts(model, num_warmup=100, num_samples=100, seed=seed)


def _parameters(way: str, size: int) -> Callable[[int], Any]:
    import bayes_sandbox as bs

    model = _regression(2 * size + 20, size)
    if way == "laplace":
        return lambda seed: bs.fit_laplace(model, seed=seed)
    return lambda seed: bs.fit_nuts(model, num_warmup=100, num_samples=100, seed=seed)


def _chains(way: str, size: int) -> Callable[[int], Any]:
    import bayes_sandbox as bs

    model = _regression(50, 3)
    return lambda seed: bs.fit_nuts(model, num_chains=size, num_warmup=100, num_samples=100, seed=seed)


def _nodes(way: str, size: int) -> Callable[[int], Any]:
    import bayes_sandbox as bs
    from bayes_sandbox.coordinates import coordinates_of
    from bayes_sandbox.quadrature.frames import Frame
    from bayes_sandbox.quadrature.rules import sinh_trapezoid
    from bayes_sandbox.quadrature.summing import Summer

    model = _regression(20, 3)
    coords, laplace = coordinates_of(model), bs.fit_laplace(model)
    axis = sinh_trapezoid(-6.5, 6.5, 2 * np.arcsinh(6.5) / (round(size ** (1 / 3)) - 1))
    summer, frame = Summer(coords), Frame(laplace.position, laplace.scale)
    return lambda _: summer.run(frame, [axis] * 3)


MAKE: dict[str, Callable[[str, int], Callable[[int], Any]]] = {
    "observations": _observations,
    "parameters": _parameters,
    "chains": _chains,
    "nodes": _nodes,
}


def child(what: str, way: str, size: float) -> None:
    """Do it twice and print the row as JSON."""
    run, seconds = MAKE[what](way, int(size)), []
    while len(seconds) < 2 and (not seconds or seconds[0] < LONG):
        began = time.perf_counter()
        run(len(seconds))  # another seed: what a search has found is kept with the model
        seconds.append(time.perf_counter() - began)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    row = {"what": what, "way": way, "size": size, "first": round(seconds[0], 3), "seconds": round(seconds[-1], 4)}
    print(json.dumps(row | {"memory": round(memory), "note": ""}))


def measured(what: str, way: str, size: float) -> Row:
    """Return the row of a fresh process."""
    nothing = dict.fromkeys(FIELDS, "") | {"what": what, "way": way, "size": size}
    return row_of_process("benchmarks.scaling", (what, way, str(size)), LIMIT, nothing)


def exponents(rows: list[Row]) -> dict[tuple[str, str], tuple[float, float]]:
    """Return, for each thing that grows and way, the exponents of seconds and of memory."""
    found = {}
    for key in dict.fromkeys((row["what"], row["way"]) for row in rows):
        own = [row for row in rows if (row["what"], row["way"]) == key and not row["note"]]
        upper = own[len(own) // 2 :] if len(own) > 3 else own
        if len(upper) > 1:
            size = np.log([row["size"] for row in upper])
            slopes = [float(np.polyfit(size, np.log([row[c] for row in upper]), 1)[0]) for c in ("seconds", "memory")]
            found[key] = (slopes[0], slopes[1])
    return found


def main() -> None:
    """Run the table and say the exponents."""
    parser = arguments(__doc__)
    parser.add_argument("--small", action="store_true", help="one size of each, one way")
    parser.add_argument("--child", nargs=3, help="one row, in this process")
    options = parser.parse_args()
    if options.child:
        what, way, size = options.child
        child(what, way, float(size))
        return
    sizes = SMALL if options.small else SIZES
    wanted = [what for what in sizes if any(word in what for word in options.only)]
    ways = {what: each[:1] if options.small else each for what, each in WAYS.items()}
    jobs = [(what, way, size) for what in wanted for way in ways[what] for size in sizes[what]]
    rows = written((measured(*job) for job in jobs), FIELDS, options.out)
    for (what, way), (seconds, memory) in exponents(rows).items():
        print(f"{way}: seconds grow as {what}^{seconds:.2f}, memory as {what}^{memory:.2f}", file=sys.stderr)


if __name__ == "__main__":
    main()

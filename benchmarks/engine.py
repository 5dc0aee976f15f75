"""How much of a bare kernel's speed does a grid keep? Densities a second through the engine, and by the kernel alone.

    python -m benchmarks.engine [--small] [--only WORD …] [--out FILE.csv]

The kernel is the log density, jitted and vmapped over nodes that lie in memory, and nothing else: all at once, and in
the batches that the engine uses, whichever is faster. The engine sums the same number of nodes on a tensor grid: it
places them, asks the density, and keeps the total and its moments. Turns are taken within one process, five times over;
a ratio is of two neighbours in time. `whole` is `fit_grid`, the second of a process: its search, its several grids, its
marginals and its verdict, in densities a second over the kernel's. `single` is the engine with densities in float32.
"""

import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from .tables import Row, arguments, rows_of

FIELDS = ("model", "dimension", "nodes", "kernel", "engine", "ratio", "lowest", "highest", "single", "whole")
REPEATS, LEAST_SECONDS = 5, 0.25
SIZES = (1e5, 1e6)
REACH = 6.5  # standard deviations to either side


NAMES = ("bioassay 2d", "normal 2d", "stack_loss 5d", "breast_cancer 4d", "breast_cancer 6d")


def _model(name: str) -> Any:
    """Return one of `models/`, or the first columns of the breast tumours."""
    from pathlib import Path

    from bayes_sandbox.scripts import load_script, model_of

    script, dimension = name.split()
    path = Path(__file__).parents[1] / "models" / f"{script}.py"
    settings = (f"columns={dimension[:-1]}",) if script == "breast_cancer" else ()
    return model_of(load_script(path), path, settings)


def _rate(run: Callable[[], Any], num: float) -> float:
    """Return densities a second, over as many runs as fill a quarter of a second."""
    began, count, seconds = time.perf_counter(), 0, 0.0
    while seconds < LEAST_SECONDS:
        run()
        count, seconds = count + 1, time.perf_counter() - began
    return count * num / seconds


def _one(name: str, sizes: Sequence[float]) -> list[Row]:
    import jax

    import bayes_sandbox as bs
    from bayes_sandbox.coordinates import coordinates_of
    from bayes_sandbox.quadrature.frames import Frame
    from bayes_sandbox.quadrature.rules import sinh_trapezoid
    from bayes_sandbox.quadrature.summing import Summer

    model = _model(name)
    coords = coordinates_of(model)
    laplace = bs.fit_laplace(model)
    frame = Frame(laplace.position, laplace.scale)
    rows = []
    for size in sizes:
        each = round(size ** (1 / coords.dimension))
        axis = sinh_trapezoid(-REACH, REACH, 2 * np.arcsinh(REACH) / (each - 1))
        axes, num = [axis] * coords.dimension, len(axis) ** coords.dimension
        nodes = frame.position(np.random.default_rng(0).normal(size=(num, coords.dimension)))
        kernels = _kernels(coords.log_density, nodes, coords.batch)
        summers = [Summer(coords), Summer(coords, single=True)]
        runs = [*kernels, *(lambda summer=summer, axes=axes: summer.run(frame, axes) for summer in summers)]
        for run in runs:
            run()
        seen = np.array([[_rate(run, num) for run in runs] for _ in range(REPEATS)])
        kernel, engine, single = seen[:, :-2].max(axis=1), seen[:, -2], seen[:, -1]
        ratio = engine / kernel
        rows.append(
            {
                "model": name,
                "dimension": coords.dimension,
                "nodes": num,
                "kernel": round(float(np.median(kernel))),
                "engine": round(float(np.median(engine))),
                "ratio": round(float(np.median(ratio)), 3),
                "lowest": round(float(ratio.min()), 3),
                "highest": round(float(ratio.max()), 3),
                "single": round(float(np.median(single / kernel)), 3),
                "whole": "",
            }
        )
    bs.fit_grid(_model(name))
    began = time.perf_counter()
    again = bs.fit_grid(model)
    whole = again.num_evaluations / (time.perf_counter() - began)
    rows[-1]["whole"] = round(whole / rows[-1]["kernel"], 3)
    jax.clear_caches()
    return rows


def _kernels(density: Callable[[Any], Any], nodes: np.ndarray, batch: int) -> list[Callable[[], Any]]:
    """Return the two bare kernels: over all nodes at once, and over the engine's batches."""
    import jax
    import jax.numpy as jnp

    from bayes_sandbox.compiler import compiled

    at_once = compiled(jax.vmap(density))
    in_turn = compiled(lambda x: jax.lax.map(jax.vmap(density), x))
    whole = jnp.asarray(nodes)
    cut = whole[: len(nodes) // batch * batch].reshape(-1, batch, nodes.shape[1])
    return [lambda: at_once(whole).block_until_ready(), lambda: in_turn(cut).block_until_ready()]


def main() -> None:
    """Run the table and say what it came to."""
    parser = arguments(__doc__)
    parser.add_argument("--small", action="store_true", help="1e5 nodes only")
    options = parser.parse_args()
    names = [name for name in NAMES if any(word in name for word in options.only)]
    options.processes = 1  # one beside the other would take each other's cores
    one = partial(_one, sizes=SIZES[:1] if options.small else SIZES)
    rows = [row for rows in rows_of(one, names, FIELDS, options, 1) for row in rows]
    lowest = min(rows, key=lambda row: row["ratio"])
    print(f"lowest ratio {lowest['ratio']}, of {lowest['model']} at {lowest['nodes']:,} nodes", file=sys.stderr)


if __name__ == "__main__":
    main()

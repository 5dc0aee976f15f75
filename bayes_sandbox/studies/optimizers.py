"""How does each optimizer get down, and at what cost? Random search, gradient descent, Newton, BFGS, SGD and kin."""

import time
from collections.abc import Sequence
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from ..arguments import integer, integers
from ..checkpoints import NO_CHECKPOINTS, Checkpoints
from ..compiler import compiled
from ..model import Model
from ..optimization import LANDSCAPES, OPTIMIZERS, Landscape, Path, bowl, descend, fit_map, posterior_landscape
from ..real_data import CEMENT
from .sensitivity import bioassay
from .study import Row, Study, Table, Tasks, check_options, chosen, column, quick, where

DIMENSIONS = (2, 5, 10, 20, 50, 100, 200, 500, 1000)  # of the Hessian whose cost is measured
REGIMES = (0.2, 1.0, 1.9, 2.1)  # step sizes, in units of 1 / the largest curvature: stable below two
TRAJECTORIES = 6
REPEATS = 7  # of a timing, of which the least counts
STEPS = {  # of an optimizer on a landscape; the step size is what a course would have found by hand
    "bowl": {"gradient_descent": 0.075, "momentum": 0.03, "adam": 0.2, "random_search": 1.5},
    "beale": {"gradient_descent": 0.01, "momentum": 0.005, "adam": 0.1, "random_search": 1.0},
    "rosenbrock": {"gradient_descent": 0.002, "momentum": 0.0005, "adam": 0.1, "random_search": 1.0},
    "bioassay": {"gradient_descent": 0.1, "momentum": 0.02, "adam": 0.2, "random_search": 1.5},
    "cement": {"gradient_descent": 0.04, "momentum": 0.01, "adam": 0.2, "random_search": 2.0, "sgd": 0.01},
}
WINDOWS = {  # corners of the mesh on which a surface is drawn
    "bowl": ((-3.0, -2.5), (4.0, 4.5)),
    "beale": ((-1.0, -1.5), (4.5, 2.0)),
    "rosenbrock": ((-1.7, -0.8), (1.8, 1.8)),
    "bioassay": ((-2.5, -3.0), (4.0, 22.0)),
    "cement": ((-4.0, -4.0), (16.0, 20.0)),
}
MESH = 41


def cement_line() -> Model:
    """Return the heat of cement as a line in two of its compounds, standardised, noise known: a convex bowl."""
    x = (CEMENT[:, :2] - CEMENT[:, :2].mean(axis=0)) / CEMENT[:, :2].std(axis=0)
    return Model(
        {"w": dist.Normal(0, 20).expand([2]).to_event(1)},
        lambda w, x: dist.Normal(x @ w, 2.5),
        inputs={"x": x},
        observed=CEMENT[:, 4] - CEMENT[:, 4].mean(),
        name="cement",
    )


@cache
def _landscape(name: str) -> Landscape:
    if name in LANDSCAPES:
        return LANDSCAPES[name]
    model = {"bioassay": bioassay, "cement": cement_line}[name]()
    return posterior_landscape(model, minimum=fit_map(model).position)


def study_optimizers(
    *,
    landscapes: Sequence[str] = tuple(STEPS),
    optimizers: Sequence[str] = OPTIMIZERS,
    dimensions: Sequence[int] = DIMENSIONS,
    num_steps: int = 200,
    seed: int = 0,
    fast: bool = False,
    checkpoints: Checkpoints = NO_CHECKPOINTS,
    progress: bool = False,
) -> Study:
    """Send every optimizer down the same surfaces, and count what it asks and how long it takes.

    On a bowl, Beale's function, Rosenbrock's banana and two real −log posteriors. Gradient descent shrinks the distance
    to the minimum of a quadratic by max |1 − τ c| over its curvatures c with every step; Newton's method squares it,
    takes a quadratic in one step, and fails where the Hessian is singular or points up. Stochastic descent takes
    another way for every seed, and stays as far from the minimum as its step is long.

    Parameters
    ----------
    landscapes
        Among `bowl`, `beale`, `rosenbrock`, `bioassay`, `cement`.
    optimizers
        As `descend` names them; `sgd` goes down what has terms (`cement`).
    dimensions
        In which a gradient and a Hessian are timed.
    num_steps
        Of each descent; random search gets as many tries.
    fast
        Two landscapes, forty steps, four dimensions.

    Returns
    -------
    Study
        Tables `paths`, `surfaces`, `regimes` (of the step size), `rates` (measured and predicted), `failures`,
        `trajectories` (of stochastic descent) and `hessian` (seconds and bytes). Asserted of the fast setting: on
        convex surfaces gradient descent, Newton, BFGS and L-BFGS end at one minimum and all others come nearer; rates
        are as predicted; the step size has its three regimes.

    Examples
    --------
    >>> from bayes_sandbox.studies import study_optimizers
    >>> study = study_optimizers(landscapes=["bowl"], optimizers=["newton"], dimensions=[2], num_steps=3)
    >>> [round(row["loss_above"], 9) for row in study.tables["paths"]][1]
    0.0
    """
    started = time.perf_counter()
    seed = check_options(seed, fast, progress, checkpoints)
    landscapes = quick(fast, chosen(landscapes, "landscapes", STEPS, "landscape"), tuple(STEPS), ("bowl", "cement"))
    optimizers = chosen(optimizers, "optimizers", OPTIMIZERS, "optimizer")
    dimensions = quick(fast, integers(dimensions, "dimensions", at_least=1), DIMENSIONS, (2, 10, 50, 200))
    num_steps = integer(num_steps, "num_steps", at_least=1)
    num_steps = quick(fast, num_steps, 200, 100)
    tasks = Tasks(checkpoints, progress)
    jobs = [(s, o) for s in landscapes for o in optimizers if o != "sgd" or "sgd" in STEPS[s]]
    tables = {
        "paths": tasks.rows("descent", jobs, lambda job: _path(*job, num_steps, seed)),
        "surfaces": tasks.rows("surface", landscapes, _surface),
        "regimes": tasks.rows("step size", REGIMES, _regime),
        "rates": tasks.rows("rate", ["gradient_descent", "newton"], _rate),
        "failures": tasks.rows("failure", ["singular", "saddle", "too large a step"], _failure),
        "trajectories": tasks.rows("trajectory", range(TRAJECTORIES), lambda i: _trajectory(i, num_steps)),
        "hessian": tasks.rows("Hessian", dimensions, _hessian_cost),
    }
    settings = {"landscapes": list(landscapes), "optimizers": list(optimizers), "dimensions": list(dimensions)}
    settings |= {"num_steps": num_steps, "seed": seed, "fast": fast}
    return Study("optimizers", tables, tuple(_findings(tables)), settings, time.perf_counter() - started)


def _path(name: str, optimizer: str, num_steps: int, seed: int) -> Table:
    landscape = _landscape(name)
    path = descend(landscape, optimizer, step_size=STEPS[name].get(optimizer, 1.0), num_steps=num_steps, seed=seed)
    return [{"landscape": name, "optimizer": optimizer, **row} for row in _rows(landscape, path)]


def _rows(landscape: Landscape, path: Path) -> Table:
    lowest = float(landscape.loss(jnp.asarray(_minimum(landscape))))
    distance = _distances(landscape, path)
    return [
        {
            "step": i,
            "loss_above": max(float(path.losses[i]) - lowest, 0.0),
            "distance": float(distance[i]),
            "num_gradients": float(path.num_gradients[i]),
            "num_hessians": int(path.num_hessians[i]),
            "seconds": float(path.seconds[i]),
            "x0": float(path.positions[i, 0]),
            "x1": float(path.positions[i, 1]),
        }
        for i in range(len(path.losses))
    ]


def _regime(share: float) -> Table:
    """Descend a bowl of curvatures 1 and 25 with a step of this many 1/25: slow, quick, about to leave, gone."""
    path = descend(LANDSCAPES["bowl"], "gradient_descent", step_size=share / 25, num_steps=40)
    rows = _rows(LANDSCAPES["bowl"], path)
    return [
        {"step_size": share / 25, "share": share, **{k: r[k] for k in ("step", "loss_above", "x0", "x1")}} for r in rows
    ]


def _rate(optimizer: str) -> Table:
    """Return the measured rate of a descent, and the predicted one."""
    if optimizer == "gradient_descent":
        curvatures, step = np.array([1.0, 4.0, 25.0]), 0.06
        landscape = bowl(curvatures)
        away = _distances(landscape, descend(landscape, optimizer, step_size=step, num_steps=120))
        return [
            {
                "optimizer": optimizer,
                "what": "distance shrinks by, each step",
                "measured": float(away[-1] / away[-2]),
                "predicted": float(np.abs(1 - step * curvatures).max()),
            }
        ]
    landscape = _landscape("bioassay")
    away = _distances(
        landscape, descend(landscape, optimizer, num_steps=12, start=_minimum(landscape) + np.array([0.3, 2.0]))
    )
    known = away[away > 1e-8]  # below, the minimum itself is not known
    order = np.log(known[-1] / known[-2]) / np.log(known[-2] / known[-3])
    return [
        {
            "optimizer": optimizer,
            "what": "the next distance is a power of the last",
            "measured": float(order),
            "predicted": 2.0,
        }
    ]


def _minimum(landscape: Landscape) -> np.ndarray:
    assert landscape.minimum is not None
    return landscape.minimum


def _distances(landscape: Landscape, path: Path) -> np.ndarray:
    return np.asarray(np.linalg.norm(path.positions - _minimum(landscape), axis=1))


def _surface(name: str) -> Table:
    """Return the loss above its minimum on a mesh: what the ways are drawn over."""
    landscape = _landscape(name)
    low, high = WINDOWS[name]
    mesh = np.stack(np.meshgrid(*np.linspace(low, high, MESH).T, indexing="ij"), axis=-1).reshape(-1, 2)
    losses = np.asarray(jax.vmap(landscape.loss)(jnp.asarray(mesh))) - float(
        landscape.loss(jnp.asarray(_minimum(landscape)))
    )
    return [
        {"landscape": name, "x0": float(a), "x1": float(b), "loss_above": float(v)} for (a, b), v in zip(mesh, losses)
    ]


def _failure(case: str) -> Table:
    """Return what happens where a method's assumption does not hold."""
    flat = Landscape("x⁴ beside a flat direction", lambda x: x[0] ** 4, np.zeros(2), np.array([1.0, 1.0]))
    saddle = Landscape(
        "x² − y² + y⁴", lambda x: x[0] ** 2 - x[1] ** 2 + x[1] ** 4, np.array([0.0, np.sqrt(0.5)]), np.array([1.0, 0.1])
    )
    optimizer, landscape, step = {
        "singular": ("newton", flat, 1.0),
        "saddle": ("newton", saddle, 1.0),
        "too large a step": ("gradient_descent", LANDSCAPES["bowl"], 2.5 / 25),
    }[case]
    path = descend(landscape, optimizer, step_size=step, num_steps=200)
    gradient = np.linalg.norm(jax.grad(landscape.loss)(jnp.asarray(path.positions[-1])))
    return [
        {
            "case": case,
            "optimizer": optimizer,
            "landscape": landscape.name,
            "steps": len(path.losses) - 1,
            "x0": float(path.positions[-1, 0]),
            "x1": float(path.positions[-1, 1]),
            "slope": float(gradient),
            "least_curvature": float(
                np.linalg.eigvalsh(jax.hessian(landscape.loss)(jnp.asarray(path.positions[-1]))).min()
            ),
            "message": path.message,
        }
    ]


def _trajectory(seed: int, num_steps: int) -> Table:
    """Return one way of stochastic descent over the cement posterior, two rows of data a step."""
    landscape = _landscape("cement")
    path = descend(landscape, "sgd", step_size=STEPS["cement"]["sgd"], num_steps=num_steps, seed=seed, batch=2)
    return [
        {"trajectory": seed, **{k: r[k] for k in ("step", "loss_above", "x0", "x1")}} for r in _rows(landscape, path)
    ]


def _hessian_cost(d: int) -> list[Row]:
    """Return the least of a few timings of a gradient, a Hessian and a solve, of Rosenbrock's function."""
    loss, x = LANDSCAPES["rosenbrock"].loss, np.full(d, 0.7)
    gradient, hessian = compiled(jax.grad(loss)), compiled(jax.hessian(loss))
    at = np.asarray(hessian(x)) + np.eye(d)
    right = np.asarray(gradient(x))
    return [
        {
            "dimension": d,
            "seconds_gradient": _least(lambda: np.asarray(gradient(x))),
            "seconds_hessian": _least(lambda: np.asarray(hessian(x))),
            "seconds_solve": _least(lambda: np.linalg.solve(at, right)),
            "bytes_hessian": 8 * d * d,
            "bytes_l_bfgs": 8 * 2 * 5 * d,
        }
    ]


def _least(run: Any) -> float:
    run()
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def _findings(tables: dict[str, Table]) -> list[str]:
    said = []
    for name in dict.fromkeys(row["landscape"] for row in tables["paths"]):
        each = []
        for optimizer in dict.fromkeys(row["optimizer"] for row in where(tables["paths"], landscape=name)):
            rows = where(tables["paths"], landscape=name, optimizer=optimizer)
            each.append(f"{optimizer} {_reached(rows)}")
        said.append(f"{name}: to within 1e-6 of the lowest loss, {', '.join(each)}")
    said += [
        f"{row['optimizer']}: {row['what']} {row['measured']:.4f}, predicted {row['predicted']:.4f}"
        for row in tables["rates"]
    ]
    gone = [
        r["share"]
        for r in tables["regimes"]
        if r["step"] == 40 and r["loss_above"] > tables["regimes"][0]["loss_above"]
    ]
    said.append(
        f"a step of {', '.join(f'{s:g}' for s in gone)} times 1/curvature leads away from a bowl's bottom"
        if gone
        else ""
    )
    said += [
        f"{row['optimizer']} on {row['landscape']}: {row['message']}; it ends where the slope is {row['slope']:.2g} "
        f"and the least curvature {row['least_curvature']:.2g}"
        for row in tables["failures"]
    ]
    cost = tables["hessian"]
    if len(cost) > 1:
        last, gradient = cost[-1], column(cost, "seconds_gradient")[-1]
        full, solve = last["seconds_hessian"] / gradient, last["seconds_solve"] / gradient
        said.append(
            f"in {last['dimension']} dimensions a Hessian takes {full:.0f} times a gradient's seconds and "
            f"{last['bytes_hessian'] / 1e6:.1f} MB, a solve with it {solve:.0f} times"
        )
    return [s for s in said if s]


def _reached(rows: Table) -> str:
    for row in rows:
        if row["loss_above"] < 1e-6:
            return f"{row['step']} steps"
    return "never"

"""What stays and what moves under a change of variables? An integral is a sum; a density has a Jacobian."""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.distributions import constraints
from scipy import optimize, special

from ..arguments import integer
from ..checkpoints import NO_CHECKPOINTS, Checkpoints
from ..errors import UserError
from ..model import Model
from ..sampling import fit_nuts
from .study import Row, Study, Table, Tasks, check_options, column, quick, slope, where

NUM_CELLS = (4, 8, 16, 32, 64, 128, 256, 512)
NUM_BARS = 8  # of the sum that is drawn
CURVE = 201  # points of a curve
STEP = 1e-3  # of the sides of a small cell that is mapped
LECTURE = (1.0, 3.0, 16 / 3)  # the bounds and the value of ∫ (−x² + 3x + 1) dx


class Chart(NamedTuple):
    """A coordinate u of a probability θ: θ(u), and the range of u that is drawn and summed over."""

    formula: str
    theta: Callable[[jax.Array], jax.Array]
    low: float
    high: float


CHARTS: Mapping[str, Chart] = {
    "probability": Chart("u = θ", lambda u: u, 0.0, 1.0),
    "log odds": Chart("u = log θ/(1 − θ)", jax.nn.sigmoid, -9.0, 5.0),
    "log": Chart("u = log θ", jnp.exp, -9.0, 0.0),
    "square root": Chart("u = √θ", lambda u: u**2, 0.0, 1.0),
}


def study_coordinates(
    *,
    heads: int = 2,
    tosses: int = 10,
    num_draws: int = 1000,
    seed: int = 0,
    fast: bool = False,
    checkpoints: Checkpoints = NO_CHECKPOINTS,
    progress: bool = False,
) -> Study:
    """Look at one posterior in several coordinates, and at the sums that an integral is the limit of.

    A density moves with its Jacobian, p_u(u) = p(θ(u)) |dθ/du|: its mode moves, its integral does not, and a Gaussian
    at the mode (Laplace) gives another evidence in every coordinate. The Jacobian *matrix* holds the images of the
    basis vectors; its determinant is what a small cell's area is multiplied by.

    Parameters
    ----------
    heads, tosses
        Of a coin under a uniform prior: p(D) = 1/(tosses + 1).
    num_draws
        Of NUTS, in log odds and, with a wall, in the probability itself.
    fast
        Half the sums, two hundred draws.

    Returns
    -------
    Study
        Tables `sums` and `bars` (of the lecture's integral and the coin's p(D)), `curves` and `charts` (the coin in
        four coordinates), `cells` (small cells in polar coordinates), `walls` (NUTS with and without an edge). Asserted
        of the fast setting: midpoint sums err like n⁻², p(D) is one number in all coordinates, modes are not, cells
        grow by the determinant.

    Raises
    ------
    UserError
        For a coin that shows more heads than tosses, or one side only: its mode is on an edge.

    Examples
    --------
    >>> from bayes_sandbox.studies import study_coordinates
    >>> study = study_coordinates(fast=True)
    >>> [f"{row['mode']:.3f}" for row in study.tables["charts"]]  # of one posterior, in θ
    ['0.200', '0.250', '0.273', '0.238']
    """
    started = time.perf_counter()
    seed = check_options(seed, fast, progress, checkpoints)
    heads, tosses = integer(heads, "heads", at_least=1), integer(tosses, "tosses", at_least=2)
    num_draws = integer(num_draws, "num_draws", at_least=20)
    if not 0 < heads < tosses:
        raise UserError(f"expected some heads and some tails, got {heads} heads of {tosses} tosses")
    num_cells = quick(fast, NUM_CELLS, NUM_CELLS, NUM_CELLS[:4])
    num_draws = quick(fast, num_draws, 1000, 200)
    tasks = Tasks(checkpoints, progress)
    tables = {
        "sums": tasks.rows("sum", num_cells, lambda n: _sums(n, heads, tosses)),
        "bars": tasks.rows("bar", [NUM_BARS], lambda n: _bars(n, heads, tosses)),
        "curves": tasks.rows("curve", list(CHARTS), lambda name: _curve(name, heads, tosses)),
        "charts": tasks.rows("chart", list(CHARTS), lambda name: [_chart(name, heads, tosses)]),
        "cells": tasks.rows(
            "cell", [(r, a) for r in (0.5, 1.0, 1.5) for a in (0.3, 0.9, 1.5)], lambda at: [_cell(*at)]
        ),
        "walls": tasks.rows(
            "wall", ["log odds", "probability"], lambda name: [_walls(name, heads, tosses, num_draws, seed)]
        ),
    }
    settings = {"heads": heads, "tosses": tosses, "num_draws": num_draws, "seed": seed, "fast": fast}
    return Study("coordinates", tables, tuple(_findings(tables)), settings, time.perf_counter() - started)


def _joint(theta: jax.Array, heads: int, tosses: int) -> jax.Array:
    """Return p(D, θ) of the coin: the binomial times one."""
    return jnp.exp(dist.Binomial(tosses, theta).log_prob(heads))


def _density(name: str, heads: int, tosses: int) -> Callable[[jax.Array], jax.Array]:
    """Return p(D, θ(u)) |dθ/du|."""
    theta = CHARTS[name].theta
    return lambda u: _joint(theta(u), heads, tosses) * jnp.abs(jax.grad(theta)(u))


def _integrands(heads: int, tosses: int) -> dict[str, tuple[float, float, float, Callable[[np.ndarray], np.ndarray]]]:
    """Return bounds, exact integral and integrand of the lecture's parabola and of the coin's p(D)."""
    return {
        "−x² + 3x + 1": (*LECTURE, lambda x: -(x**2) + 3 * x + 1),
        "the coin's p(D, θ)": (0.0, 1.0, 1 / (tosses + 1), lambda x: np.asarray(_joint(jnp.asarray(x), heads, tosses))),
    }


def _bars(n: int, heads: int, tosses: int) -> Table:
    """Return the n rectangles of a midpoint sum."""
    rows = []
    for name, (a, b, _, f) in _integrands(heads, tosses).items():
        edges = np.linspace(a, b, n + 1)
        rows += [
            {"integrand": name, "left": float(x), "width": float((b - a) / n), "height": float(h)}
            for x, h in zip(edges, f((edges[1:] + edges[:-1]) / 2))
        ]
    return rows


def _sums(n: int, heads: int, tosses: int) -> Table:
    """Return left and midpoint sums of n cells."""
    rows = []
    for name, (a, b, exact, f) in _integrands(heads, tosses).items():
        edges = np.linspace(a, b, n + 1)
        for rule, x in (("left", edges[:-1]), ("midpoint", (edges[1:] + edges[:-1]) / 2)):
            value = float(np.sum(f(x)) * (b - a) / n)
            rows.append({"integrand": name, "rule": rule, "num_cells": n, "sum": value, "error": abs(value - exact)})
    return rows


def _curve(name: str, heads: int, tosses: int) -> Table:
    chart = CHARTS[name]
    inside = (chart.high - chart.low) * 1e-9
    u = np.linspace(chart.low + inside, chart.high - inside, CURVE)
    joint = np.asarray(jax.vmap(_density(name, heads, tosses))(jnp.asarray(u)))
    return [
        {
            "chart": name,
            "u": float(a),
            "theta": float(chart.theta(jnp.asarray(a))),
            "posterior": float(v * (tosses + 1)),
        }
        for a, v in zip(u, joint)
    ]


def _chart(name: str, heads: int, tosses: int) -> Row:
    """Return the coin's mode, p(D) and Laplace's p(D) in one coordinate."""
    chart, density = CHARTS[name], _density(name, heads, tosses)
    found = optimize.minimize_scalar(
        lambda u: -float(density(jnp.asarray(u))), bounds=(chart.low, chart.high), options={"xatol": 1e-12}
    )
    at = jnp.asarray(found.x)
    curvature = -float(jax.grad(jax.grad(lambda u: jnp.log(density(u))))(at))
    u = np.linspace(chart.low, chart.high, 20_001)
    centres, width = (u[1:] + u[:-1]) / 2, u[1] - u[0]
    total = float(np.asarray(jax.vmap(density)(jnp.asarray(centres))).sum() * width)
    return {
        "chart": name,
        "formula": chart.formula,
        "mode_u": float(at),
        "mode": float(chart.theta(at)),
        "curvature": curvature,
        "evidence": total,
        "laplace": float(density(at) * np.sqrt(2 * np.pi / curvature)),
        "exact": float(np.exp(special.betaln(heads + 1, tosses - heads + 1)) * special.comb(tosses, heads)),
    }


def _polar(at: jax.Array) -> jax.Array:
    return at[0] * jnp.stack([jnp.cos(at[1]), jnp.sin(at[1])])


def _cell(r: float, angle: float) -> Row:
    """Return the Jacobian matrix of polar coordinates, its determinant, and how much larger a small cell comes out."""
    at = jnp.array([r, angle])
    matrix = np.asarray(jax.jacobian(_polar)(at))
    corners = np.asarray(jax.vmap(_polar)(at + STEP * jnp.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])))
    x, y = corners.T
    area = abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
    return {
        "r": r,
        "angle": angle,
        **{f"d{a}_d{b}": float(matrix[i, j]) for i, a in enumerate("xy") for j, b in enumerate(("r", "angle"))},
        "determinant": float(np.linalg.det(matrix)),
        "area_ratio": float(area / STEP**2),
    }


def _walls(name: str, heads: int, tosses: int, num_draws: int, seed: int) -> Row:
    """Return what NUTS meets in log odds, and in θ itself with a wall at zero and at one."""

    def program() -> None:
        if name == "log odds":
            theta = numpyro.sample("theta", dist.Uniform(0, 1))
            numpyro.factor("coin", jnp.log(_joint(theta, heads, tosses)))
        else:
            theta = numpyro.sample("theta", dist.ImproperUniform(constraints.real, (), ()))
            inside = (theta > 0) & (theta < 1)
            safe = jnp.where(inside, theta, 0.5)
            numpyro.factor("coin", jnp.where(inside, jnp.log(_joint(safe, heads, tosses)), -jnp.inf))

    fit = fit_nuts(Model.from_numpyro(program, name=name), num_warmup=500, num_samples=num_draws, seed=seed)
    return {
        "chart": name,
        "num_draws": int(np.size(fit.draws["theta"])),
        "num_divergent": int(fit.diagnostics.num_divergent),
        "ess_bulk": float(fit.diagnostics.ess_bulk["theta"]),
        "mean": float(np.mean(fit.draws["theta"])),
        "exact": (heads + 1) / (tosses + 2),
    }


def _findings(tables: dict[str, Table]) -> list[str]:
    said = []
    for name in dict.fromkeys(row["integrand"] for row in tables["sums"]):
        each = []
        for rule in ("left", "midpoint"):
            rows = where(tables["sums"], integrand=name, rule=rule)
            each.append(f"{rule} like n^{slope(np.log(column(rows, 'num_cells')), np.log(column(rows, 'error'))):.1f}")
        said.append(f"the error of a sum for {name} falls: {', '.join(each)}")
    charts = tables["charts"]
    said.append("p(D): " + ", ".join(f"{r['evidence']:.6f} in {r['chart']}" for r in charts))
    said.append("the mode, as a probability: " + ", ".join(f"{r['mode']:.3f} in {r['chart']}" for r in charts))
    said.append(
        f"Laplace's p(D), exact {charts[0]['exact']:.6f}: "
        + ", ".join(f"{r['laplace']:.6f} in {r['chart']}" for r in charts)
    )
    worst = max(abs(r["area_ratio"] / r["determinant"] - 1) for r in tables["cells"])
    said.append(f"small cells in polar coordinates come out as large as the determinant says, to {worst:.1g}")
    said += [
        f"NUTS in {r['chart']}: {r['num_divergent']} of {r['num_draws']} draws diverge, bulk ESS {r['ess_bulk']:.0f}, "
        f"mean {r['mean']:.3f} (exact {r['exact']:.3f})"
        for r in tables["walls"]
    ]
    return said

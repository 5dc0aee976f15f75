"""The optimizers that a course names, each with the path it took. To fit a model, use `fit_map`."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import minimize

from ..arguments import instance, integer, numbers, positive
from ..compiler import compiled
from ..errors import ArgumentError, UserError, suggestion
from .landscapes import Landscape

FAR = 1e12  # a loss this much above where it began is a descent that went up
BATCH = 8  # terms in a step of stochastic descent
SMALLEST_PIVOT = 1e-12  # of a Hessian's largest curvature: singular


@dataclass(frozen=True)
class Path:
    """The way of one descent: `positions` (steps + 1, d) and their `losses`, from the start on.

    `num_gradients`, `num_hessians` and `seconds` (compilation not included) are what each position had cost by then;
    a try of random search counts as a gradient. `message` says why it ended.
    """

    optimizer: str
    positions: np.ndarray
    losses: np.ndarray
    num_gradients: np.ndarray
    num_hessians: np.ndarray
    seconds: np.ndarray
    message: str


class _Counted:
    """A loss whose questions are counted."""

    def __init__(self, landscape: Landscape):
        self.landscape = landscape
        self._value = compiled(landscape.loss)
        self._gradient = compiled(jax.grad(landscape.loss))
        self._hessian = compiled(jax.hessian(landscape.loss))
        sampled = landscape.sampled
        self._sampled = None if sampled is None else compiled(jax.grad(sampled))
        self.num_gradients, self.num_hessians = 0.0, 0

    def loss(self, x: np.ndarray) -> float:
        return float(self._value(x))

    def gradient(self, x: np.ndarray) -> np.ndarray:
        self.num_gradients += 1
        return np.asarray(self._gradient(x))

    def hessian(self, x: np.ndarray) -> np.ndarray:
        self.num_hessians += 1
        return np.asarray(self._hessian(x))

    def sampled_gradient(self, x: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the gradient of some terms; it counts as the share of a gradient that it is."""
        if self._sampled is None:
            raise UserError(f"{self.landscape.name} has no terms to sample: stochastic descent needs a model with data")
        self.num_gradients += len(rows) / self.landscape.num_terms
        return np.asarray(self._sampled(x, rows))


Steps = Iterator[np.ndarray]


def _random_search(loss: _Counted, x: np.ndarray, step_size: float, rng: np.random.Generator) -> Steps:
    """Try points around the start, keep the best: x ← argmin(x, x₀ + τ z)."""
    start, best = x, loss.loss(x)
    while True:
        tried = start + step_size * rng.normal(size=len(x))
        loss.num_gradients += 1
        value = loss.loss(tried)
        if value < best:
            x, best = tried, value
        yield x


def _gradient_descent(loss: _Counted, x: np.ndarray, step_size: float, rng: np.random.Generator) -> Steps:
    """x ← x − τ ∇f(x)."""
    while True:
        x = x - step_size * loss.gradient(x)
        yield x


def _with_optax(make: Callable[[float], Any]) -> Callable[..., Steps]:
    def steps(loss: _Counted, x: np.ndarray, step_size: float, rng: np.random.Generator) -> Steps:
        rule = make(step_size)
        update, state = compiled(rule.update), rule.init(jnp.asarray(x))
        update(jnp.zeros(len(x)), state)  # compiles
        return _following(loss, x, update, state)

    return steps


def _following(loss: _Counted, x: np.ndarray, update: Callable[..., Any], state: Any) -> Steps:
    while True:
        moves, state = update(jnp.asarray(loss.gradient(x)), state)
        x = x + np.asarray(moves)
        yield x


def _momentum(step_size: float) -> Any:
    import optax

    return optax.sgd(step_size, momentum=0.9)


def _adam(step_size: float) -> Any:
    import optax

    return optax.adam(step_size)


def _sgd(loss: _Counted, x: np.ndarray, step_size: float, rng: np.random.Generator, batch: int = BATCH) -> Steps:
    """x ← x − τ ∇(n/m of the loss of m terms drawn at random): the algorithm's own randomness."""
    while True:
        rows = rng.integers(loss.landscape.num_terms, size=min(batch, loss.landscape.num_terms))
        x = x - step_size * loss.sampled_gradient(x, rows)
        yield x


def _newton(loss: _Counted, x: np.ndarray, step_size: float, rng: np.random.Generator) -> Steps:
    """x ← x − τ H⁻¹ ∇f(x): to where the quadratic that fits here has its stationary point, whatever kind it is."""
    while True:
        hessian = loss.hessian(x)
        curvatures = np.linalg.eigvalsh(hessian)
        if not np.abs(curvatures).min() > SMALLEST_PIVOT * np.abs(curvatures).max():
            raise _StoppedError("the Hessian is singular here: there is no Newton step")
        x = x - step_size * np.linalg.solve(hessian, loss.gradient(x))
        yield x


class _StoppedError(Exception):
    """Why a descent cannot go on."""


def _scipy(method: str, loss: _Counted, x: np.ndarray, num_steps: int, keep: Callable[[np.ndarray], Any]) -> str:
    result = minimize(
        loss.loss,
        x,
        jac=loss.gradient,
        method=method,
        callback=keep,
        options={"maxiter": num_steps, "gtol": 1e-10} | ({"ftol": 0.0, "maxcor": 5} if method == "L-BFGS-B" else {}),
    )
    return str(result.message)


RULES: Mapping[str, Callable[..., Steps]] = MappingProxyType(
    {
        "random_search": _random_search,
        "gradient_descent": _gradient_descent,
        "momentum": _with_optax(_momentum),
        "adam": _with_optax(_adam),
        "sgd": _sgd,
        "newton": _newton,
    }
)
IN_SCIPY: Mapping[str, str] = MappingProxyType({"bfgs": "BFGS", "l_bfgs": "L-BFGS-B"})
OPTIMIZERS = (*RULES, *IN_SCIPY)


def descend(
    landscape: Landscape,
    optimizer: str,
    *,
    step_size: float = 1.0,
    num_steps: int = 100,
    start: Any = None,
    seed: int = 0,
    **options: Any,
) -> Path:
    """Which way does this optimizer take down this loss?

    Parameters
    ----------
    optimizer
        `random_search`, `gradient_descent`, `momentum` (0.9) and `adam` by optax, `sgd` (`batch=` terms drawn at each
        step), `newton` undamped; `bfgs`, which keeps a d×d estimate of H⁻¹, and `l_bfgs`, which keeps the last five
        steps instead, by SciPy.
    step_size
        τ; SciPy's find their own.

    Returns
    -------
    Path
        It ends early where a step cannot be made, where the loss is no number, or 10¹² above where it began.

    Raises
    ------
    UserError
        For an optimizer that does not exist, and for `sgd` on a loss that has no terms.

    Examples
    --------
    >>> from bayes_sandbox.optimization import LANDSCAPES, descend
    >>> path = descend(LANDSCAPES["bowl"], "newton", num_steps=1)
    >>> bool(np.allclose(path.positions[-1], LANDSCAPES["bowl"].minimum))  # a quadratic takes it one step
    True
    """
    instance(landscape, "landscape", Landscape, "pass one of LANDSCAPES, or what posterior_landscape(model) returned")
    if optimizer not in OPTIMIZERS:
        known = ", ".join(OPTIMIZERS)
        raise UserError(f"there is no optimizer {optimizer!r}{suggestion(optimizer, OPTIMIZERS)}; there are {known}")
    step_size = positive(step_size, "step_size", example=0.1)
    num_steps = integer(num_steps, "num_steps", at_least=1, example=100)
    seed = integer(seed, "seed", at_least=0)
    if "batch" in options:
        options["batch"] = integer(options["batch"], "batch", at_least=1, example=BATCH)
    x = np.array(landscape.start if start is None else numbers(start, "start"), float)
    if x.shape != landscape.start.shape:
        raise ArgumentError(f"start must have shape {landscape.start.shape}, got shape {x.shape}; pass one point")
    loss = _Counted(landscape)
    _warm_up(loss, x, optimizer, options.get("batch", BATCH))
    if optimizer in IN_SCIPY:
        log = _Log(loss, x)
        message = _scipy(IN_SCIPY[optimizer], loss, x, num_steps, log.keep)
    else:
        steps = RULES[optimizer](loss, x, step_size, np.random.default_rng(seed), **options)
        log = _Log(loss, x)
        message = _walk(steps, log, num_steps)
    return log.path(optimizer, message)


def _walk(steps: Steps, log: "_Log", num_steps: int) -> str:
    try:
        with np.errstate(all="ignore"):
            for _, x in zip(range(num_steps), steps):
                if not log.keep(x):
                    return "the loss ran away: the step size is too large"
    except _StoppedError as error:
        return str(error)
    return f"{num_steps} steps were made"


def _warm_up(loss: _Counted, x: np.ndarray, optimizer: str, batch: int) -> None:
    """Compile what this optimizer asks for, and forget that it was asked."""
    loss.loss(x)
    if optimizer == "sgd":
        loss.sampled_gradient(x, np.arange(min(batch, loss.landscape.num_terms)))
    elif optimizer != "random_search":
        loss.gradient(x)
    if optimizer in IN_SCIPY:
        _scipy(IN_SCIPY[optimizer], loss, x, 1, lambda at: None)
    if optimizer == "newton":
        loss.hessian(x)
    loss.num_gradients, loss.num_hessians = 0.0, 0


class _Log:
    """The positions so far, and what they cost; writing them down costs nothing."""

    def __init__(self, loss: _Counted, start: np.ndarray):
        self._loss, self._began, self._paused = loss, time.perf_counter(), 0.0
        self._rows: list[tuple[np.ndarray, float, float, int, float]] = []
        self.keep(start)

    def keep(self, x: np.ndarray) -> bool:
        """Add a position; return whether the loss is still a number worth following."""
        now = time.perf_counter()
        value = self._loss.loss(x)
        row = (np.array(x), value, self._loss.num_gradients, self._loss.num_hessians, now - self._began - self._paused)
        self._rows.append(row)
        self._paused += time.perf_counter() - now
        return bool(np.isfinite(value) and value - self._rows[0][1] < FAR)

    def path(self, optimizer: str, message: str) -> Path:
        positions, losses, gradients, hessians, seconds = map(np.array, zip(*self._rows))
        return Path(optimizer, positions, losses, gradients.astype(float), hessians, seconds, message)

"""Numbers with their distances to the edges of a support: what `complements` carries beside a value.

Nothing here knows how a program is run.
"""

import functools
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import mlir

MATCH = 8 * float(np.finfo(float).eps)  # relative distance below which two constants are the same edge
MAX_UNIFORM = 4096  # elements of a constant that is searched for one common value
Thunk = Callable[[], Any]


class Distance:
    """x − a for a constant a: its value, log|x − a|, and its sign (0 where it is not known); computed when asked."""

    def __init__(self, value: Thunk, log: Thunk, sign: int):
        self._value, self._log, self.sign = value, log, sign

    @functools.cached_property
    def value(self) -> Any:
        return self._value()

    @functools.cached_property
    def log(self) -> Any:
        return self._log()

    def mapped(self, move: Callable[[Any], Any]) -> "Distance":
        """Return the distance with its elements moved elsewhere."""
        return Distance(lambda: move(self.value), lambda: move(self.log), self.sign)

    def scaled(self, factor: float) -> "Distance":
        """Return the distance times a constant that is not zero."""
        shift, sign = math.log(abs(factor)), int(math.copysign(1, factor))
        return Distance(lambda: self.value * factor, lambda: self.log + shift, self.sign * sign)

    def times(self, other: "Distance") -> "Distance":
        return Distance(lambda: self.value * other.value, lambda: self.log + other.log, self.sign * other.sign)

    def over(self, other: "Distance") -> "Distance":
        return Distance(lambda: self.value / other.value, lambda: self.log - other.log, self.sign * other.sign)

    def power(self, exponent: Any) -> "Distance":
        """Return a positive distance to some power."""
        return Distance(lambda: self.value**exponent, lambda: self.log * exponent, self.sign)


@dataclass(frozen=True)
class RunningSum:
    """Elements of x = Σᵢ coefficientᵢ stepᵢ, whose steps (the first of any sign, the others positive) are known."""

    coefficients: np.ndarray  # (…, n): zeros and ones
    log_steps: Any  # (n − 1,)

    def minus(self, other: "RunningSum") -> Any:
        """Return the difference where it is a sum of positive steps, else None."""
        rest = self.coefficients - other.coefficients
        if self.log_steps is not other.log_steps or rest[..., 0].any() or (rest < 0).any() or not rest.any(-1).all():
            return None
        log = jax.nn.logsumexp(jnp.broadcast_to(self.log_steps, rest[..., 1:].shape), b=rest[..., 1:], axis=-1)
        return Completed(value := jnp.exp(log), {0.0: Distance(lambda: value, lambda: log, 1)})


@dataclass(frozen=True)
class Completed:
    """A value with its distances to constants (edge → distance), and the sum that it is, if that is known.

    `is_product` says that it may overflow where its factors do not.
    """

    value: Any
    distances: dict[float, Distance]
    sum: RunningSum | None = None
    is_product: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(jnp.shape(self.value))

    def to(self, edge: float) -> Distance | None:
        """Return the distance to a constant, or None where it is not known."""
        for known, distance in self.distances.items():
            if abs(known - edge) <= MATCH * max(abs(known), abs(edge)):
                return distance
        return None

    @property
    def log(self) -> Distance | None:
        """The value as a distance from zero, or None where it is not known, or known to be negative."""
        distance = self.to(0.0)
        return distance if distance is not None and distance.sign >= 0 else None


def bound(eqn: Any, values: Sequence[Any]) -> Any:
    """Return what an instruction makes of other values: one result, or a list of them."""
    found = eqn.primitive.bind(*values, **eqn.primitive.get_bind_params(eqn.params))
    return list(found) if eqn.primitive.multiple_results else found


def value_of(value: Any) -> Any:
    """Return the plain value, without its distances."""
    return value.value if isinstance(value, Completed) else value


def constant_of(value: Any) -> float | None:
    """Return the one number that a constant consists of, or None."""
    if isinstance(value, jax.Array) and not isinstance(value, jax.core.Tracer) and value.size <= MAX_UNIFORM:
        value = np.asarray(value)
    if not isinstance(value, np.ndarray | np.generic) or value.dtype.kind not in "fiu" or not value.size:
        return None
    first = float(value.flat[0])
    if value.size > 1 and any(value.strides) and (value.size > MAX_UNIFORM or not (value == value.flat[0]).all()):
        return None
    return first


# --- marking: a transform may know complements that its own program does not show ------------------------------

_marked_p = Primitive("complement")
_marked_p.def_impl(lambda x, log: x)
_marked_p.def_abstract_eval(lambda x, log: x)
mlir.register_lowering(_marked_p, mlir.lower_fun(lambda x, log: x, multiple_results=False))
_running_sum_p = Primitive("running_sum")
_running_sum_p.def_impl(lambda x, log_steps: x)
_running_sum_p.def_abstract_eval(lambda x, log_steps: x)
mlir.register_lowering(_running_sum_p, mlir.lower_fun(lambda x, log_steps: x, multiple_results=False))


class _Marks(threading.local):
    """Whether marks are read by whoever traces the program: nobody else knows what to do with them."""

    are_read = False

    @contextmanager
    def read(self) -> Iterator[None]:
        before, self.are_read = self.are_read, True
        try:
            yield
        finally:
            self.are_read = before


marks = _Marks()


def with_log(value: Any, log: Any) -> Any:
    """Return a value and tell `completed` the logarithm of its absolute value."""
    return _marked_p.bind(value, log) if marks.are_read else value


def with_steps(value: Any, log_steps: Any) -> Any:
    """Return the running sums (n,) of a first number and positive steps, and tell `completed` the steps' logarithms."""
    return _running_sum_p.bind(value, log_steps) if marks.are_read else value

"""Keep the digits of a traced density where float64 loses them: near the edges of a support.

A probability p = 1/(1 + e⁻ᵘ) close to 1 has no digits of 1 − p, and below 1e-308 a float64 has none of p either. Both
matter: under a Beta(0.02, 0.02) prior and successes only, half of the posterior lies where p rounds to 1. The program
is therefore run again with *complements*: beside its value x, a number carries its distances x − a to a few constants a
(for p: 0 and 1), each with a logarithm that neither rounds to zero nor underflows. 1 − p is then the distance itself,
and log(1 − p) its logarithm. Everything else is computed as before.

The rules cover what NumPyro's transforms and densities are made of. A value that leaves them loses its complements and
is an ordinary float64 from there on; `rounding` measures what that costs.
"""

import functools
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import mlir

INLINED = ("jit", "pjit", "closed_call")
CUSTOM = ("xlogy", "xlog1py")  # functions with derivatives of their own that are as good without them
MATCH = 8 * float(np.finfo(float).eps)  # relative distance below which two constants are the same edge
GUARD_AT_ZERO = 1e-300  # a lower bound of a clip that only keeps log 0 away
ONE_IS_LOST = 1e17  # x from which on 1 + x is x
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
    first: Any
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


# --- marking: a transform may know complements that its own program does not show ------------------------------

_marked_p = Primitive("complement")
_marked_p.def_impl(lambda x, log: x)
_marked_p.def_abstract_eval(lambda x, log: x)
mlir.register_lowering(_marked_p, mlir.lower_fun(lambda x, log: x, multiple_results=False))
_running_sum_p = Primitive("running_sum")
_running_sum_p.def_impl(lambda x, first, log_steps: x)
_running_sum_p.def_abstract_eval(lambda x, first, log_steps: x)
mlir.register_lowering(_running_sum_p, mlir.lower_fun(lambda x, first, log_steps: x, multiple_results=False))


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


_marks = _Marks()


def with_log(value: Any, log: Any) -> Any:
    """Return a value and tell `completed` the logarithm of its absolute value."""
    return _marked_p.bind(value, log) if _marks.are_read else value


def with_steps(value: Any, first: Any, log_steps: Any) -> Any:
    """Return the running sums (n,) of a first number and positive steps, and tell `completed` these."""
    return _running_sum_p.bind(value, first, log_steps) if _marks.are_read else value


# --- the interpreter -------------------------------------------------------------------------------------------


def completed(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function of arrays, differentiable as before, computed with complements.

    Examples
    --------
    >>> def density(u):
    ...     p = jax.nn.sigmoid(u)
    ...     return jnp.log1p(-p)
    >>> float(density(100.0)), float(completed(density)(100.0))
    (-inf, -100.0)
    """

    @functools.wraps(function)
    def again(*args: Any) -> Any:
        with _marks.read():
            closed, shape = jax.make_jaxpr(function, return_shape=True)(*args)
        found = _run(closed.jaxpr, closed.consts, jax.tree.leaves(args))
        return jax.tree.unflatten(jax.tree.structure(shape), [_plain(x) for x in found])

    return again


def _run(jaxpr: Any, consts: Sequence[Any], args: Sequence[Any]) -> list[Any]:
    known: dict[Any, Any] = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *args]))

    def value(of: Any) -> Any:
        return np.asarray(of.val) if hasattr(of, "val") else known[of]

    for eqn in jaxpr.eqns:
        known.update(zip(eqn.outvars, _outputs(eqn, [value(v) for v in eqn.invars])))
    return [value(v) for v in jaxpr.outvars]


def _outputs(eqn: Any, values: list[Any]) -> list[Any]:
    name = eqn.primitive.name
    is_near = any(isinstance(v, Completed) for v in values)
    if name in INLINED or (is_near and name == "custom_jvp_call" and _function_name(eqn) in CUSTOM):
        inner = eqn.params.get("jaxpr", eqn.params.get("call_jaxpr"))
        return _run(inner.jaxpr, inner.consts, values)
    found = _rule(eqn, name, values) if is_near else None
    if found is None and name in SOURCES:
        found = SOURCES[name](*(_plain(v) for v in values))
    if found is None and not is_near:
        found = _decided(eqn, name, values)
    if found is None:
        found = _bound(eqn, [_plain(v) for v in values])
    return found if isinstance(found, list) else [found]


def _function_name(eqn: Any) -> str:
    """Return the name of a function that has derivatives of its own."""
    info = getattr(eqn.params["call_jaxpr"].jaxpr, "debug_info", None)
    return str(getattr(info, "func_src_info", None) or "").split(" ")[0]


def _rule(eqn: Any, name: str, values: list[Any]) -> Any:
    if name in STRUCTURAL:
        return _moved(eqn, values)
    return RULES[name](eqn, *values) if name in RULES else None


def _decided(eqn: Any, name: str, values: list[Any]) -> Any:
    """Return what is known while the program is traced: small constants, and the case that a constant selects."""
    if name == "select_n":
        return _select(eqn, *values)
    if name in NUMPY and all(isinstance(v, np.ndarray | np.generic) for v in values):
        return NUMPY[name](eqn, *map(np.asarray, values))
    return None


def _bound(eqn: Any, values: Sequence[Any]) -> Any:
    found = eqn.primitive.bind(*values, **eqn.primitive.get_bind_params(eqn.params))
    return list(found) if eqn.primitive.multiple_results else found


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Completed) else value


def _constant(value: Any) -> float | None:
    """Return the one number that a constant consists of, or None."""
    if isinstance(value, jax.Array) and not isinstance(value, jax.core.Tracer) and value.size <= MAX_UNIFORM:
        value = np.asarray(value)
    if not isinstance(value, np.ndarray | np.generic) or value.dtype.kind not in "fiu" or not value.size:
        return None
    first = float(value.flat[0])
    if value.size > 1 and any(value.strides) and (value.size > MAX_UNIFORM or not (value == value.flat[0]).all()):
        return None
    return first


# --- where complements begin -----------------------------------------------------------------------------------


def _softplus(x: Any) -> Any:
    return jax.nn.softplus(x)


def _exp(y: Any) -> Any:
    return Completed(found := jnp.exp(y), {0.0: Distance(lambda: found, lambda: y, 1)})


def _expm1(y: Any) -> Any:
    return Completed(jnp.expm1(y), {-1.0: Distance(lambda: jnp.exp(y), lambda: y, 1)})


def _logistic(y: Any) -> Any:
    found = lax.logistic(y)
    zero = Distance(lambda: found, lambda: -_softplus(-y), 1)
    one = Distance(lambda: -lax.logistic(-y), lambda: -_softplus(y), -1)
    return Completed(found, {0.0: zero, 1.0: one})


def _tanh(y: Any) -> Any:
    def side(sign: int) -> Distance:  # tanh y ± 1
        log = functools.cache(lambda: math.log(2.0) - _softplus(-2.0 * sign * y))
        return Distance(lambda: 2.0 * sign * lax.logistic(2.0 * sign * y), log, sign)

    return Completed(jnp.tanh(y), {-1.0: side(1), 1.0: side(-1)})


SOURCES: dict[str, Callable[..., Any]] = {
    "exp": _exp,
    "expm1": _expm1,
    "logistic": _logistic,
    "tanh": _tanh,
    "complement": lambda x, log: Completed(x, {0.0: Distance(lambda: x, lambda: log, 0)}),
    "running_sum": lambda x, first, log_steps: Completed(x, {}, RunningSum(np.tri(len(x)), first, log_steps)),
}


# --- rules -----------------------------------------------------------------------------------------------------

STRUCTURAL = (
    "broadcast_in_dim", "reshape", "squeeze", "expand_dims", "transpose", "slice", "dynamic_slice", "rev", "copy",
    "stop_gradient", "concatenate", "stack", "split", "unstack", "gather", "pad", "convert_element_type", "copy_p",
)  # fmt: skip
INDEXED = ("gather", "dynamic_slice")  # whose further operands say where, not what


def _moved(eqn: Any, values: list[Any]) -> Any:
    """Move elements about: distances move along, to every edge that all operands have one to."""
    if eqn.primitive.name == "convert_element_type" and eqn.params["new_dtype"] != np.float64:
        return None
    num = 1 if eqn.primitive.name in INDEXED else len(values)
    moved, rest = values[:num], values[num:]

    def move(parts: Sequence[Any]) -> Any:
        return _bound(eqn, [*parts, *(_plain(v) for v in rest)])

    plain = move([_plain(v) for v in moved])
    edges = [e for e in {e for v in moved if isinstance(v, Completed) for e in v.distances} if _all_to(moved, e)]
    found = {edge: _moved_distances(move, [_distance(v, edge) for v in moved]) for edge in edges}
    if isinstance(plain, list):
        return [Completed(one, {e: d.mapped(itemgetter(i)) for e, d in found.items()}) for i, one in enumerate(plain)]
    whole = moved[0].sum if num == 1 or len(values) == 1 else None
    return Completed(plain, found, None if whole is None else _moved_sum(eqn, whole, rest))


def _moved_sum(eqn: Any, whole: RunningSum, rest: Sequence[Any]) -> RunningSum | None:
    if rest:
        return None
    with jax.ensure_compile_time_eval():
        columns = [np.asarray(_bound(eqn, [jnp.asarray(c)])) for c in np.moveaxis(whole.coefficients, -1, 0)]
    return replace(whole, coefficients=np.stack(columns, axis=-1))


def _all_to(values: Sequence[Any], edge: float) -> bool:
    return all(_distance(v, edge) is not None for v in values)


def _distance(value: Any, edge: float) -> Distance | None:
    """Return the distance of any operand to an edge; of one without complements where that costs no digits."""
    if isinstance(value, Completed):
        known = value.to(edge)
        if known is not None or edge:
            return known
    elif (constant := _constant(value)) is not None:
        gap = np.asarray(value, float) - edge
        with np.errstate(divide="ignore"):
            return Distance(lambda: gap, lambda: np.log(np.abs(gap)), int(np.sign(constant - edge)))
    if edge or jnp.result_type(_plain(value)) != np.float64:
        return None
    plain = _plain(value)
    return Distance(lambda: plain, lambda: jnp.log(jnp.abs(plain)), 0)


def _moved_distances(move: Callable[[Sequence[Any]], Any], distances: Sequence[Distance | None]) -> Distance:
    known = [d for d in distances if d is not None]
    signs = {d.sign for d in known}
    shape_of = jnp.asarray

    def of(get: Callable[[Distance], Any]) -> Any:
        return move([shape_of(get(d), float) for d in known])

    return Distance(lambda: of(lambda d: d.value), lambda: of(lambda d: d.log), signs.pop() if len(signs) == 1 else 0)


def _shifted(x: Completed, by: float, plain: Thunk) -> Completed:
    """Return x + a constant. Where an edge becomes zero, the value is the distance to it, with all its digits."""
    edges: dict[float, Distance] = {}
    for edge, distance in x.distances.items():
        cancelled = abs(edge + by) <= MATCH * max(abs(edge), abs(by))
        edges[0.0 if cancelled else edge + by] = distance
    return Completed(edges[0.0].value if 0.0 in edges else plain(), edges)


def _scaled(x: Completed, by: float, plain: Any) -> Completed | None:
    if by == 0 or not math.isfinite(by):
        return None
    return Completed(plain, {e * by: d.scaled(by) for e, d in x.distances.items()}, None, x.is_product)


def _neg(eqn: Any, x: Completed) -> Completed | None:
    return _scaled(x, -1.0, _bound(eqn, [x.value]))


def _add(eqn: Any, x: Any, y: Any) -> Completed | None:
    if not isinstance(x, Completed):
        x, y = y, x
    constant = _constant(y)
    return None if constant is None else _shifted(x, constant, lambda: _bound(eqn, [x.value, y]))


def _sub(eqn: Any, x: Any, y: Any) -> Completed | None:
    if isinstance(x, Completed) and isinstance(y, Completed) and x.sum is not None and y.sum is not None:
        return x.sum.minus(y.sum)
    constant = _constant(y)
    if isinstance(x, Completed) and constant is not None:
        return _shifted(x, -constant, lambda: _bound(eqn, [x.value, y]))
    constant = _constant(x)
    if not isinstance(y, Completed) or constant is None:
        return None
    negative = _scaled(y, -1.0, y.value)
    return None if negative is None else _shifted(negative, constant, lambda: _bound(eqn, [x, y.value]))


def _mul(eqn: Any, x: Any, y: Any) -> Completed | None:
    if x is y and isinstance(x, Completed):
        return _squared(eqn, x, _bound(eqn, [x.value, x.value]))
    for one, other in ((x, y), (y, x)):
        constant = _constant(other)
        if isinstance(one, Completed) and constant is not None:
            return _scaled(one, constant, _bound(eqn, [_plain(x), _plain(y)]))
    return _combined(eqn, x, y, Distance.times)


def _div(eqn: Any, x: Any, y: Any) -> Completed | None:
    constant = _constant(y)
    if isinstance(x, Completed) and constant is not None and constant:
        return _scaled(x, 1 / constant, _bound(eqn, [x.value, y]))
    return _combined(eqn, x, y, Distance.over)


def _combined(eqn: Any, x: Any, y: Any, how: Callable[[Distance, Distance], Distance]) -> Completed | None:
    """Return a product or a quotient of two positive values whose logarithms are known."""
    one, other = (_known_log(v) for v in (x, y))
    if one is None or other is None:
        return None
    return Completed(_bound(eqn, [_plain(x), _plain(y)]), {0.0: how(one, other)}, is_product=True)


def _known_log(value: Any) -> Distance | None:
    if isinstance(value, Completed):
        return value.log
    if isinstance(value, np.ndarray | np.generic) and value.size and (np.asarray(value) > 0).all():
        array = np.asarray(value, float)
        return Distance(lambda: array, lambda: np.log(array), 1)
    return None


def _squared(eqn: Any, x: Completed, plain: Any) -> Completed:
    """Return x²: its distance to a² is (x − a)(x + a)."""
    found = {}
    for edge in {abs(e) for e in x.distances if e}:
        below, above = x.to(edge), x.to(-edge)
        if below is not None and above is not None:
            found[edge**2] = below.times(above)
    if x.log is not None:
        found[0.0] = x.log.power(2)
    return Completed(plain, found, is_product=True)


def _integer_pow(eqn: Any, x: Completed) -> Completed | None:
    plain, power = _bound(eqn, [x.value]), eqn.params["y"]
    if power == 2:
        return _squared(eqn, x, plain)
    return None if x.log is None else Completed(plain, {0.0: x.log.power(power)}, is_product=True)


def _power(exponent: float) -> Callable[..., Completed | None]:
    def rule(eqn: Any, x: Completed) -> Completed | None:
        return None if x.log is None else Completed(_bound(eqn, [x.value]), {0.0: x.log.power(exponent)})

    return rule


def _pow(eqn: Any, x: Any, y: Any) -> Completed | None:
    if not isinstance(x, Completed) or x.log is None:
        return None
    exponent = _plain(y)
    return Completed(_bound(eqn, [x.value, exponent]), {0.0: x.log.power(exponent)}, is_product=True)


def _log(eqn: Any, x: Completed) -> Any:
    if x.log is None:
        return None
    return x.log.log if x.log.sign else jnp.where(x.value >= 0, x.log.log, jnp.nan)


def _log1p(eqn: Any, x: Completed) -> Any:
    distance = x.to(-1.0)
    if distance is not None and distance.sign > 0:
        return distance.log
    if not x.is_product or x.log is None or not x.log.sign:
        return None
    large = x.value > ONE_IS_LOST  # infinite, too
    return jnp.where(large, x.log.log, jnp.log1p(jnp.where(large, 1.0, x.value)))


def _prod(eqn: Any, x: Completed) -> Completed | None:
    """Return a product along axes, or the running product along one."""
    distance = x.log
    if distance is None:
        return None
    params = eqn.params
    if eqn.primitive.name == "cumprod":
        add = functools.partial(lax.cumsum, axis=params["axis"], reverse=params["reverse"])
    else:
        add = functools.partial(jnp.sum, axis=tuple(params["axes"]))
    found = _bound(eqn, [x.value])
    return Completed(found, {0.0: Distance(lambda: found, lambda: add(distance.log), distance.sign)})


def _bounded(eqn: Any, x: Any, y: Any) -> Any:
    """Return max or min of a value and a constant that is only there to keep the value off an edge: the value."""
    if not isinstance(x, Completed):
        x, y = y, x
    constant = _constant(y)
    if constant is None:
        return None
    side = 1 if eqn.primitive.name == "max" else -1
    for edge, distance in x.distances.items():
        beyond = side * (constant - edge)
        slack = MATCH * abs(edge) if edge else GUARD_AT_ZERO
        if distance.sign == side and beyond <= slack:
            return x
    return None


COMPARE: dict[str, Callable[[int], bool]] = {
    "eq": lambda s: False,
    "ne": lambda s: True,
    "lt": lambda s: s < 0,
    "le": lambda s: s < 0,
    "gt": lambda s: s > 0,
    "ge": lambda s: s > 0,
}


def _compared(eqn: Any, x: Any, y: Any) -> Any:
    """Return whether a value lies on an edge or on one side of it: it never lies on it, whatever it rounds to."""
    name, one, other, turned = eqn.primitive.name, x, y, 1
    if x is y and name in ("eq", "ne"):
        return None  # a test for NaN
    if not isinstance(one, Completed):
        one, other, turned = y, x, -1
    constant = _constant(other)
    distance = None if constant is None else one.to(constant)
    if distance is None or not distance.sign:
        return None
    return np.broadcast_to(np.bool_(COMPARE[name](turned * distance.sign)), one.shape)


def _select(eqn: Any, which: Any, *cases: Any) -> Any:
    if isinstance(which, np.ndarray | np.generic) and which.size and (which == which.flat[0]).all():
        return cases[int(which.flat[0])]
    if isinstance(which, Completed) or not any(isinstance(c, Completed) for c in cases):
        return None
    edges = [e for e in {e for c in cases if isinstance(c, Completed) for e in c.distances} if _all_to(cases, e)]
    found = {}
    for edge in edges:
        found[edge] = _moved_distances(lambda parts: _bound(eqn, [which, *parts]), [_distance(c, edge) for c in cases])
    return Completed(_bound(eqn, [which, *(_plain(c) for c in cases)]), found)


def _abs(eqn: Any, x: Completed) -> Completed | None:
    signs = {d.sign for e, d in x.distances.items() if e == 0.0}
    if signs == {1}:
        return x
    return _neg(eqn, x) if signs == {-1} else None


RULES: dict[str, Callable[..., Any]] = {
    "neg": _neg,
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "div": _div,
    "square": lambda eqn, x: _squared(eqn, x, _bound(eqn, [x.value])),
    "integer_pow": _integer_pow,
    "sqrt": _power(0.5),
    "rsqrt": _power(-0.5),
    "pow": _pow,
    "log": _log,
    "log1p": _log1p,
    "cumprod": _prod,
    "reduce_prod": _prod,
    "max": _bounded,
    "min": _bounded,
    "select_n": _select,
    "reduce_sum": lambda eqn, x: x if not eqn.params["axes"] else None,
    "abs": _abs,
    **dict.fromkeys(COMPARE, _compared),
}


# --- constants that conditions hang on: computed while the program is traced ------------------------------------


NUMPY: dict[str, Callable[..., Any]] = {
    "or": lambda eqn, x, y: np.logical_or(x, y) if x.dtype == bool else None,
    "and": lambda eqn, x, y: np.logical_and(x, y) if x.dtype == bool else None,
    "not": lambda eqn, x: np.logical_not(x) if x.dtype == bool else None,
    "convert_element_type": lambda eqn, x: x.astype(eqn.params["new_dtype"]) if x.size == 1 else None,
    "broadcast_in_dim": lambda eqn, x: np.broadcast_to(x, eqn.params["shape"]) if x.size == 1 else None,
    "neg": lambda eqn, x: -x if x.size == 1 else None,
    "add": lambda eqn, x, y: x + y if x.size == 1 else None,
    "sub": lambda eqn, x, y: x - y if x.size == 1 else None,
    "mul": lambda eqn, x, y: x * y if x.size == 1 else None,
    "eq": lambda eqn, x, y: x == y if x.size == 1 else None,
    "le": lambda eqn, x, y: x <= y if x.size == 1 else None,
}

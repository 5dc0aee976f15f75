"""What each instruction does to distances from the edges of a support: where they begin, and how they go on."""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .distances import MATCH, Completed, Distance, RunningSum, Thunk, bound, constant_of, value_of

GUARD_AT_ZERO = 1e-300  # a lower bound of a clip that only keeps log 0 away
ONE_IS_LOST = 1e17  # x from which on 1 + x is x

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
    "running_sum": lambda x, log_steps: Completed(x, {}, RunningSum(np.tri(len(x)), log_steps)),
}


# --- rules -----------------------------------------------------------------------------------------------------

STRUCTURAL = (
    "broadcast_in_dim", "reshape", "squeeze", "expand_dims", "transpose", "slice", "dynamic_slice", "rev", "copy",
    "stop_gradient", "concatenate", "stack", "split", "unstack", "gather", "pad", "convert_element_type", "copy_p",
)  # fmt: skip
INDEXED = ("gather", "dynamic_slice")  # whose further operands say where, not what


def moved(eqn: Any, values: list[Any]) -> Any:
    """Move elements about: distances move along, to every edge that all operands have one to."""
    if eqn.primitive.name == "convert_element_type" and eqn.params["new_dtype"] != np.float64:
        return None
    num = 1 if eqn.primitive.name in INDEXED else len(values)
    moved, rest = values[:num], values[num:]

    def move(parts: Sequence[Any]) -> Any:
        return bound(eqn, [*parts, *(value_of(v) for v in rest)])

    plain = move([value_of(v) for v in moved])
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
        columns = [np.asarray(bound(eqn, [jnp.asarray(c)])) for c in np.moveaxis(whole.coefficients, -1, 0)]
    return replace(whole, coefficients=np.stack(columns, axis=-1))


def _all_to(values: Sequence[Any], edge: float) -> bool:
    return all(_distance(v, edge) is not None for v in values)


def _distance(value: Any, edge: float) -> Distance | None:
    """Return the distance of any operand to an edge; of one without complements where that costs no digits."""
    if isinstance(value, Completed):
        known = value.to(edge)
        if known is not None or edge:
            return known
    elif (constant := constant_of(value)) is not None:
        gap = np.asarray(value, float) - edge
        with np.errstate(divide="ignore"):
            return Distance(lambda: gap, lambda: np.log(np.abs(gap)), int(np.sign(constant - edge)))
    if edge or jnp.result_type(value_of(value)) != np.float64:
        return None
    plain = value_of(value)
    return Distance(lambda: plain, lambda: _log_abs(plain), 0)


def _log_abs(x: Any) -> Any:
    """Return log|x|, whose slope at zero is zero: elements that are never asked for must not make a slope of NaN."""
    return jnp.where(x == 0, -jnp.inf, jnp.log(jnp.abs(jnp.where(x == 0, 1.0, x))))


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
    return _scaled(x, -1.0, bound(eqn, [x.value]))


def _add(eqn: Any, x: Any, y: Any) -> Completed | None:
    if not isinstance(x, Completed):
        x, y = y, x
    constant = constant_of(y)
    return None if constant is None else _shifted(x, constant, lambda: bound(eqn, [x.value, y]))


def _sub(eqn: Any, x: Any, y: Any) -> Completed | None:
    if isinstance(x, Completed) and isinstance(y, Completed) and x.sum is not None and y.sum is not None:
        return x.sum.minus(y.sum)
    constant = constant_of(y)
    if isinstance(x, Completed) and constant is not None:
        return _shifted(x, -constant, lambda: bound(eqn, [x.value, y]))
    constant = constant_of(x)
    if not isinstance(y, Completed) or constant is None:
        return None
    negative = _scaled(y, -1.0, y.value)
    return None if negative is None else _shifted(negative, constant, lambda: bound(eqn, [x, y.value]))


def _mul(eqn: Any, x: Any, y: Any) -> Completed | None:
    if x is y and isinstance(x, Completed):
        return _squared(eqn, x, bound(eqn, [x.value, x.value]))
    for one, other in ((x, y), (y, x)):
        constant = constant_of(other)
        if isinstance(one, Completed) and constant is not None:
            return _scaled(one, constant, bound(eqn, [value_of(x), value_of(y)]))
    return _combined(eqn, x, y, Distance.times)


def _div(eqn: Any, x: Any, y: Any) -> Completed | None:
    constant = constant_of(y)
    if isinstance(x, Completed) and constant is not None and constant:
        return _scaled(x, 1 / constant, bound(eqn, [x.value, y]))
    return _combined(eqn, x, y, Distance.over)


def _combined(eqn: Any, x: Any, y: Any, how: Callable[[Distance, Distance], Distance]) -> Completed | None:
    """Return a product or a quotient of two positive values whose logarithms are known."""
    one, other = (_known_log(v) for v in (x, y))
    if one is None or other is None:
        return None
    return Completed(bound(eqn, [value_of(x), value_of(y)]), {0.0: how(one, other)}, is_product=True)


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
    plain, power = bound(eqn, [x.value]), eqn.params["y"]
    if power == 2:
        return _squared(eqn, x, plain)
    return None if x.log is None else Completed(plain, {0.0: x.log.power(power)}, is_product=True)


def _power(exponent: float) -> Callable[..., Completed | None]:
    def rule(eqn: Any, x: Completed) -> Completed | None:
        return None if x.log is None else Completed(bound(eqn, [x.value]), {0.0: x.log.power(exponent)})

    return rule


def _pow(eqn: Any, x: Any, y: Any) -> Completed | None:
    if not isinstance(x, Completed) or x.log is None:
        return None
    exponent = value_of(y)
    return Completed(bound(eqn, [x.value, exponent]), {0.0: x.log.power(exponent)}, is_product=True)


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
    found = bound(eqn, [x.value])
    return Completed(found, {0.0: Distance(lambda: found, lambda: add(distance.log), distance.sign)})


def _bounded(eqn: Any, x: Any, y: Any) -> Any:
    """Return max or min of a value and a constant that is only there to keep the value off an edge: the value."""
    if not isinstance(x, Completed):
        x, y = y, x
    constant = constant_of(y)
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
    constant = constant_of(other)
    distance = None if constant is None else one.to(constant)
    if distance is None or not distance.sign:
        return None
    return np.broadcast_to(np.bool_(COMPARE[name](turned * distance.sign)), one.shape)


def select(eqn: Any, which: Any, *cases: Any) -> Any:
    if isinstance(which, np.ndarray | np.generic) and which.size and (which == which.flat[0]).all():
        return cases[int(which.flat[0])]
    if isinstance(which, Completed) or not any(isinstance(c, Completed) for c in cases):
        return None
    edges = [e for e in {e for c in cases if isinstance(c, Completed) for e in c.distances} if _all_to(cases, e)]
    found = {}
    for edge in edges:
        found[edge] = _moved_distances(lambda parts: bound(eqn, [which, *parts]), [_distance(c, edge) for c in cases])
    return Completed(bound(eqn, [which, *(value_of(c) for c in cases)]), found)


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
    "square": lambda eqn, x: _squared(eqn, x, bound(eqn, [x.value])),
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
    "select_n": select,
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

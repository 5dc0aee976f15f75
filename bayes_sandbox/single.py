"""A function of float64s, computed in float32: the same program, half the digits, up to twice the speed (GPUs: more).

The traced function is run again with every float64 in it a float32, constants and loops included; what comes out is
float64 again. Seven digits are enough for a density where its logarithm is of moderate size and parameters are not
known to a millionth of themselves: whoever uses one has to look.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .errors import ModelError
from .rewriting import INLINED

DTYPES = ("new_dtype", "dtype", "preferred_element_type", "out_dtype")  # parameters of instructions that name one
FOREIGN = ("bitcast_convert_type", "pure_callback", "io_callback", "custom_vmap_call", "ffi_call")


def in_float32(function: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """Return the function of one array, for values only, computed in float32.

    Raises
    ------
    ModelError
        When it is traced, where it looks at the bits of a number or calls out of the program.

    >>> third = in_float32(lambda x: x / 3.0)
    >>> float(third(jnp.ones(()))) - 1 / 3 > 1e-9, third(jnp.ones(())).dtype
    (True, dtype('float64'))
    """

    @functools.wraps(function)
    def again(*args: Any) -> Any:
        closed, shape = jax.make_jaxpr(function, return_shape=True)(*args)
        found = _run(closed.jaxpr, closed.consts, jax.tree.leaves(args))
        shapes, form = jax.tree.flatten(shape)
        return jax.tree.unflatten(form, [jnp.asarray(x, s.dtype) for x, s in zip(found, shapes)])

    return again


def _halved(x: Any) -> Any:
    dtype = x.dtype if hasattr(x, "dtype") else np.result_type(x)
    return jnp.asarray(x, jnp.float32) if dtype == jnp.float64 else x


def _run(jaxpr: Any, consts: Sequence[Any], args: Sequence[Any]) -> list[Any]:
    """Run a traced function with float32 for float64."""
    known = dict(zip([*jaxpr.constvars, *jaxpr.invars], map(_halved, [*consts, *args])))

    def value(of: Any) -> Any:
        return _halved(of.val) if hasattr(of, "val") else known[of]

    for eqn in jaxpr.eqns:
        known.update(zip(eqn.outvars, _answer(eqn, [value(v) for v in eqn.invars])))
    return [value(v) for v in jaxpr.outvars]


def _answer(eqn: Any, values: list[Any]) -> list[Any]:
    name, params = eqn.primitive.name, eqn.params
    inner = params.get("jaxpr", params.get("call_jaxpr")) if name in INLINED else None
    if inner is not None:
        return _run(inner.jaxpr, inner.consts, values)
    if name in LOOPS:
        return list(LOOPS[name](params, values))
    if name in FOREIGN:
        raise ModelError(f"there is no float32 for a program with {name} in it: use precision='float64'")
    named = {k: jnp.dtype(jnp.float32) for k in DTYPES if params.get(k) is not None and params[k] == jnp.float64}
    answer = eqn.primitive.bind(*values, **eqn.primitive.get_bind_params({**params, **named}))
    return list(answer) if eqn.primitive.multiple_results else [answer]


def _scan(params: Any, values: list[Any]) -> Sequence[Any]:
    closed = params["jaxpr"]
    fixed, start, along = map(list, params["ft_in"].update(values).unpack())

    def body(carry: Any, x: Any) -> Any:
        found = _run(closed.jaxpr, closed.consts, [*fixed, *carry, *x])
        return found[: len(start)], found[len(start) :]

    carry, stacked = lax.scan(body, start, along, **{k: params[k] for k in ("length", "reverse", "unroll")})
    return [*carry, *stacked]


def _while(params: Any, values: list[Any]) -> Sequence[Any]:
    until, body = params["cond_jaxpr"], params["body_jaxpr"]
    first, second = params["cond_nconsts"], params["cond_nconsts"] + params["body_nconsts"]

    def goes_on(carry: Any) -> Any:
        return _run(until.jaxpr, until.consts, [*values[:first], *carry])[0]

    def step(carry: Any) -> Any:
        return _run(body.jaxpr, body.consts, [*values[first:second], *carry])

    return list(lax.while_loop(goes_on, step, values[second:]))


def _cond(params: Any, values: list[Any]) -> Sequence[Any]:
    def way(closed: Any) -> Callable[..., Any]:
        return lambda *args: _run(closed.jaxpr, closed.consts, args)

    return list(lax.switch(values[0], [way(closed) for closed in params["branches"]], *values[1:]))


LOOPS: dict[str, Callable[[Any, list[Any]], Sequence[Any]]] = {"scan": _scan, "while": _while, "cond": _cond}

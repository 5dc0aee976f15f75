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
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from .complement_rules import NUMPY, RULES, SOURCES, STRUCTURAL, moved, select
from .distances import Completed, bound, marks, value_of

INLINED = ("jit", "pjit", "closed_call")
CUSTOM = ("xlogy", "xlog1py")  # functions with derivatives of their own that are as good without them


def completed(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function of arrays, differentiable as before, computed with complements.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> def density(u):
    ...     p = jax.nn.sigmoid(u)
    ...     return jnp.log1p(-p)
    >>> float(density(100.0)), float(completed(density)(100.0))
    (-inf, -100.0)
    """

    @functools.wraps(function)
    def again(*args: Any) -> Any:
        with marks.read():
            closed, shape = jax.make_jaxpr(function, return_shape=True)(*args)
        found = _run(closed.jaxpr, closed.consts, jax.tree.leaves(args))
        return jax.tree.unflatten(jax.tree.structure(shape), [value_of(x) for x in found])

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
        found = SOURCES[name](*(value_of(v) for v in values))
    if found is None and not is_near:
        found = _decided(eqn, name, values)
    if found is None:
        found = bound(eqn, [value_of(v) for v in values])
    return found if isinstance(found, list) else [found]


def _function_name(eqn: Any) -> str:
    """Return the name of a function that has derivatives of its own."""
    info = getattr(eqn.params["call_jaxpr"].jaxpr, "debug_info", None)
    return str(getattr(info, "func_src_info", None) or "").split(" ")[0]


def _rule(eqn: Any, name: str, values: list[Any]) -> Any:
    if name in STRUCTURAL:
        return moved(eqn, values)
    return RULES[name](eqn, *values) if name in RULES else None


def _decided(eqn: Any, name: str, values: list[Any]) -> Any:
    """Return what is known while the program is traced: small constants, and the case that a constant selects."""
    if name == "select_n":
        return select(eqn, *values)
    if name in NUMPY and all(isinstance(v, np.ndarray | np.generic) for v in values):
        return NUMPY[name](eqn, *map(np.asarray, values))
    return None

"""How much work is a traced function? Counted from its instructions: the same on every machine and under any load."""

import math
from typing import Any

CUBIC = ("cholesky", "lu", "qr", "eigh", "svd", "schur", "householder_product")
LOOPS = 10.0  # turns of a loop whose number is not known
TRANSCENDENTAL = {"lgamma": 20.0, "digamma": 20.0, "erf_inv": 10.0, "pow": 5.0, "igamma": 100.0, "igammac": 100.0}
TRANSCENDENTAL |= {
    "regularized_incomplete_beta": 200.0,
    "exp": 3.0,
    "log": 3.0,
    "log1p": 3.0,
    "tanh": 4.0,
    "logistic": 4.0,
}


def work_of(jaxpr: Any) -> float:
    """Return about how many elementary operations on numbers a jaxpr takes.

    >>> import jax
    >>> import jax.numpy as jnp
    >>> work_of(jax.make_jaxpr(lambda x: jnp.sum(x * x))(jnp.zeros(1000)).jaxpr)
    2000.0
    """
    return sum((_of_instruction(eqn) for eqn in jaxpr.eqns), start=0.0)


def _of_instruction(eqn: Any) -> float:
    name, size = eqn.primitive.name, sum(math.prod(v.aval.shape) for v in eqn.outvars)
    inner = [p for p in eqn.params.values() if hasattr(p, "eqns") or hasattr(p, "jaxpr")]
    if inner:
        turns = float(eqn.params.get("length", LOOPS if name == "while" else 1.0))
        return turns * sum(work_of(getattr(p, "jaxpr", p)) for p in inner)
    if name == "dot_general":
        (contracted, _), _ = eqn.params["dimension_numbers"]
        return 2.0 * size * math.prod(eqn.invars[0].aval.shape[i] for i in contracted)
    if name in CUBIC or name == "triangular_solve":
        return float(size * eqn.invars[0].aval.shape[-1])
    if name.startswith(("reduce_", "cum")):
        return float(math.prod(eqn.invars[0].aval.shape))
    return TRANSCENDENTAL.get(name, 1.0) * size

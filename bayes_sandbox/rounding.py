"""Measure what float64 rounding does to a traced function: Monte Carlo arithmetic (Parker 1997).

The program is run several times, each primitive's result changed by a random amount of the size that its rounding may
have. The scatter of the answers is the rounding error, cancellation and conditioning included: lgamma(10¹⁵) − lgamma(n)
loses four digits of a log density that log f itself does not show. A running error analysis (Higham 2002, section 3.3)
bounds the same error; over thousands of terms the bound is far too wide, the scatter is not.

A change depends on the bits of what is rounded, as rounding does: equal operands round alike.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .rewriting import INLINED

MAGNIFIED = 16.0  # times the rounding; what a clip at 1 − 2⁻⁵² hides is then seen
HALF = 0.5 * float(np.finfo(float).eps)
EXACT = (
    "neg", "max", "min", "abs", "sign", "select_n", "floor", "ceil", "round", "clamp", "stop_gradient", "copy",
    "broadcast_in_dim", "reshape", "squeeze", "expand_dims", "transpose", "slice", "dynamic_slice", "concatenate",
    "stack", "split", "unstack", "gather", "scatter", "pad", "rev", "iota", "convert_element_type", "sort", "top_k",
    "reduce_max", "reduce_min", "cummax", "cummin", "optimization_barrier", "argmax", "argmin", "nextafter", "rem",
    "dynamic_update_slice", "copy_p", "real", "imag", "complex",
)  # fmt: skip
# Primitives whose own algorithm errs by more than half a unit in the last place, in such halves (XLA's CPU backend
# against SciPy and mpmath: tests/test_rounding.py).
LOOSE = {
    "lgamma": 4.0, "digamma": 8.0, "igamma": 32.0, "igammac": 32.0, "regularized_incomplete_beta": 64.0, "erf_inv": 8.0,
    "pow": 4.0, "tan": 4.0, "polygamma": 64.0, "zeta": 64.0, "bessel_i0e": 8.0, "bessel_i1e": 8.0, "erf": 2.0,
    "erfc": 4.0, "exp": 2.0, "log": 2.0, "log1p": 2.0, "expm1": 2.0, "logistic": 4.0, "tanh": 4.0,
}  # fmt: skip
LINEAR_ALGEBRA = (
    "cholesky", "triangular_solve", "lu", "qr", "householder_product", "eigh", "svd", "schur", "tridiagonal_solve",
    "custom_linear_solve",
)  # fmt: skip
REDUCTIONS = ("reduce_sum", "cumsum", "reduce_window_sum")


@dataclass(frozen=True)
class Rounding:
    """The rounding error of a log density at some points, whole (n,) and of each term of it (n, terms)."""

    error: np.ndarray
    of_terms: np.ndarray
    terms: tuple[str, ...]

    @property
    def floor(self) -> float:
        """The error of log p(D) that no method can go below: three mean rounding errors, each at most one nat."""
        return 3.0 * float(np.minimum(self.error, 1.0).mean()) if len(self.error) else 0.0

    @property
    def sentence(self) -> str:
        """What rounding does, and where."""
        return (
            f"float64 rounding leaves log p(D) open by {self.floor:.1g}{self._more}: the log density of "
            f"{self.worst_term!r} loses its digits; centre or rescale the data, or write its terms so that large ones "
            "do not cancel"
        )

    @property
    def _more(self) -> str:
        return " or more" if (self.error > 1.0).any() else ""

    @property
    def worst_term(self) -> str:
        """The term that loses most digits."""
        return self.terms[int(np.argmax(np.minimum(self.of_terms, 1e300).sum(axis=0)))]


def perturbed(function: Callable[[jax.Array], jax.Array]) -> Callable[[jax.Array, Any], jax.Array]:
    """Return the function of one array and a number of the run (0: unperturbed), every rounding changed at random.

    Changes are `MAGNIFIED` times as large as rounding is.

    Examples
    --------
    >>> cancelling = perturbed(lambda x: (x + 1e8) - 1e8)
    >>> runs = jnp.stack([cancelling(jnp.ones(()) / 3, run) for run in range(1, 9)])
    >>> bool(1e-9 < runs.std() / MAGNIFIED < 1e-7)
    True
    """

    def again(x: jax.Array, run: Any) -> jax.Array:
        closed = jax.make_jaxpr(function)(x)
        (found,) = _Noise(run).run(closed.jaxpr, closed.consts, [x])
        return jnp.asarray(found)

    return again


# Compiled functions are traced once for a shape, not at each operation of a program that rounds.
@jax.jit
def _relative(x: Any, factor: Any, amount: Any) -> Any:
    return x * (1.0 + _noise(x, factor) * amount)


@jax.jit
def _absolute(x: Any, factor: Any, amount: Any, size: Any) -> Any:
    return jnp.where(jnp.isfinite(size), x + _noise(x, factor) * amount * size, x)


def _noise(x: Any, factor: Any) -> Any:
    bits = lax.bitcast_convert_type(jnp.asarray(x), jnp.uint64)
    bits = (bits ^ (bits >> np.uint64(31))) * factor  # a whole number's last bits are zeros
    return lax.bitcast_convert_type(bits, jnp.int64).astype(float)


class _Noise:
    """One run: where it is in the program, what depends on its input, and how large its changes are."""

    def __init__(self, run: Any):
        run = jnp.asarray(run)
        self._factor = run.astype(jnp.uint64) * np.uint64(0x9E3779B97F4A7C15) | np.uint64(1)
        self._amount, self._place = jnp.where(run > 0, MAGNIFIED * HALF * 2.0**-63, 0.0), 0

    def relative(self, x: Any, times: Any = 1.0) -> Any:
        """Return x (1 + ξ · amount · times), ξ in (−1, 1) a hash of the bits of x, of the place and of the run."""
        return _relative(x, self._here(), self._amount * times)

    def absolute(self, x: Any, times: Any, size: Any) -> Any:
        """Return x + ξ · amount · times · size."""
        return _absolute(x, self._here(), self._amount * times, size)

    def _here(self) -> Any:
        self._place += 1
        return self._factor + np.uint64(self._place * 0xD1B54A32D192ED03 * 2 % 2**64)  # odd: no bit is lost

    def run(self, jaxpr: Any, consts: Sequence[Any], args: Sequence[Any], fixed: Sequence[bool] = ()) -> list[Any]:
        known: dict[Any, Any] = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *args]))
        moving = {v for v, is_fixed in zip(jaxpr.invars, fixed or [False] * len(args)) if not is_fixed}
        for v in moving:
            known[v] = self.relative(known[v]) if not fixed and _is_float(known[v]) else known[v]

        def value(of: Any) -> Any:
            return of.val if hasattr(of, "val") else known[of]

        for eqn in jaxpr.eqns:
            still = [hasattr(v, "val") or v not in moving for v in eqn.invars]
            known.update(zip(eqn.outvars, self._answer(eqn, [value(v) for v in eqn.invars], still)))
            if not all(still):
                moving.update(eqn.outvars)
        return [value(v) for v in jaxpr.outvars]

    def _answer(self, eqn: Any, values: list[Any], still: list[bool]) -> list[Any]:
        name = eqn.primitive.name
        inner = eqn.params.get("jaxpr", eqn.params.get("call_jaxpr")) if name in INLINED else None
        if inner is not None:
            return self.run(inner.jaxpr, inner.consts, values, still)
        if name in LINEAR_ALGEBRA:  # backward stable: the exact answer to operands changed by a few roundings
            values = [self.relative(v, max(jnp.shape(v)[-1:] or (1,)) ** 0.5) if _is_float(v) else v for v in values]
        found = eqn.primitive.bind(*values, **eqn.primitive.get_bind_params(eqn.params))
        found = list(found) if eqn.primitive.multiple_results else [found]
        if name in EXACT or name in LINEAR_ALGEBRA or not _is_float(found[0]):
            return found
        return [self._rounded(name, eqn, values, still, x) for x in found]

    def _rounded(self, name: str, eqn: Any, values: list[Any], still: list[bool], x: Any) -> Any:
        if name in ("add", "sub", "mul") and all(still):  # of data and whole numbers: exact, as a rule
            return x
        if name == "mul" and any(_is_power_of_two(v) for v in values):
            return x
        if name == "div" and _is_power_of_two(values[1]):
            return x
        if name in REDUCTIONS:
            bound = eqn.primitive.bind(jnp.abs(values[0]), **eqn.primitive.get_bind_params(eqn.params))
            terms = max(np.size(values[0]) / max(np.size(x), 1), 1.0)
            return x if terms == 1 else self.absolute(x, max((terms / 8) ** 0.5, 1.0), bound)
        if name == "dot_general":
            (contracted, _), _ = eqn.params["dimension_numbers"]
            terms = float(np.prod([np.shape(values[0])[i] for i in contracted], initial=1.0))
            bound = eqn.primitive.bind(*map(jnp.abs, values), **eqn.primitive.get_bind_params(eqn.params))
            return self.absolute(x, max((terms / 8) ** 0.5, 1.0), bound)
        if name == "lgamma":  # no relative error near its zeros at 1 and 2
            return self.absolute(x, LOOSE[name], jnp.abs(x) + 0.1)
        return self.relative(x, LOOSE.get(name, 1.0))


def _is_float(x: Any) -> bool:
    return bool(jnp.result_type(x) == np.float64)


def _is_power_of_two(x: Any) -> bool:
    if isinstance(x, jax.core.Tracer) or np.size(x) != 1:
        return False
    fraction, _ = np.frexp(abs(float(np.asarray(x).reshape(()))))
    return bool(fraction == 0.5)


def scatter(values: np.ndarray) -> np.ndarray:
    """Return the rounding error (m, …) of values (1 + runs, m, …), of which the first are unperturbed.

    Infinite where a change of the size of rounding makes no number of one, or one of none.
    """
    first, others = values[:1], values[1:]
    with np.errstate(invalid="ignore", over="ignore"):
        off = np.where(others == first, 0.0, others - first)
    error = np.sqrt(np.mean(off**2, axis=0)) / MAGNIFIED
    return np.where(np.isfinite(error), error, np.inf)


def rounding_of_a_sum(height: float, num_observations: int) -> float:
    """Return the rounding error of a sum of densities whose logarithms are of this height, beside that of a density."""
    return float(np.finfo(float).eps * (512 + 8 * abs(height) + (num_observations + 1) ** 0.5))

"""NumPyro's NUTS on many chains side by side, compiled once for a model and a length of warm-up.

On a CPU a leapfrog step costs its loop, hardly what is in it: sixteen chains cost little more than four. `MCMC.run`
compiles its loop again whenever it is called; here two programs are kept, one that starts the chains and one that goes
on with them for a while, and the whitening, the data and the starts are what they are called with.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from numpyro.infer import NUTS
from numpyro.infer.hmc_util import build_adaptation_schedule
from numpyro.infer.util import ParamInfo

from ..compiler import compiled
from ..devices import LANE, mesh, num_lanes
from ..progress import Advance
from ..rewriting import rewritten
from .start import Start, identity

MAX_TREE_DEPTH = 10
BLOCK = 50  # transitions between two words of progress
Density = Callable[[jax.Array], jax.Array]  # of a position


def run_chains(
    log_density: Density,
    start: Start,
    key: jax.Array,
    *,
    num_warmup: int,
    num_samples: int,
    accept: float,
    advance: Advance,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return positions (chain, draw, dimension) and statistics (chain, draw) of chains from where they start.

    The diagonal of the mass matrix is adapted in each chain and shared at the end of each of its windows, the step size
    at the end of the warm-up.
    """
    fixed = log_density, num_warmup
    whitening = start.whitening
    state = _begin(*fixed, accept, _on_devices((start.z, start.potential, start.gradient)), key)
    for first, end in _blocks(num_warmup):
        state, _ = _go_on(*fixed, whitening, accept, state, end - first)
        advance(end - first)
    kept = []
    for first in range(0, num_samples, BLOCK):
        num = min(BLOCK, num_samples - first)
        state, block = _go_on(*fixed, whitening, accept, state, num)
        kept.append({name: np.asarray(v)[:num] for name, v in block.items()})
        advance(num)
    stats = {name: np.concatenate([block[name] for block in kept]).swapaxes(0, 1) for name in kept[0]}
    z = stats.pop("z")
    return (z if whitening is None else whitening[0] + z @ whitening[1].T), stats


def compiling(log_density: Density, dimension: int, num_chains: int, num_warmup: int) -> Callable[[], None]:
    """Trace the programs of `run_chains`, before it is known where chains begin, and return what compiles them.

    A compiler can work on another thread; programs cannot be traced there: NumPyro's handlers are one stack.
    """
    fixed, whitening, accept = (log_density, num_warmup), identity(dimension), 0.5
    nothing = np.zeros((num_chains, dimension)), np.zeros(num_chains), np.zeros((num_chains, dimension))
    begin = *fixed, accept, _on_devices(nothing), jax.random.key(0)
    _go_on.trace(*fixed, whitening, accept, _begin.trace(*begin).out_info, 0)

    def compile_both() -> None:
        _go_on(*fixed, whitening, accept, _begin(*begin), 0)

    return compile_both


def _kernel(log_density: Density, whitening: Any, accept: Any) -> NUTS:
    def potential(z: jax.Array, whitening: Any) -> jax.Array:
        return -log_density(z if whitening is None else whitening[0] + whitening[1] @ z)

    cheap = _cheaply(potential)
    return NUTS(potential_fn=lambda z: cheap(z, whitening), target_accept_prob=accept, max_tree_depth=MAX_TREE_DEPTH)


def _cheaply(function: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """Return the function of z with the slope it is asked for, of all chains at once in cheaper instructions."""
    sloping = jax.value_and_grad(function)

    @jax.custom_batching.custom_vmap
    def both(z: jax.Array, fixed: Any) -> tuple[jax.Array, jax.Array]:
        return sloping(z, fixed)

    @both.def_vmap
    def _(num: int, batched: Any, z: jax.Array, fixed: Any) -> Any:
        return rewritten(jax.vmap(lambda z: sloping(z, fixed)))(z), (True, True)

    @jax.custom_vjp
    def cheap(z: jax.Array, fixed: Any) -> jax.Array:
        return both(z, fixed)[0]

    cheap.defvjp(both, lambda slope, cotangent: (cotangent * slope, None))
    return cheap


@functools.partial(compiled, static_argnames=("log_density", "num_warmup"), hasty=True)
def _begin(log_density: Density, num_warmup: int, accept: Any, start: Any, key: Any) -> Any:
    """Return the state of chains that have not moved yet."""
    keys = jax.random.split(key, len(start[0]))
    return _kernel(log_density, None, accept).init(keys, num_warmup, ParamInfo(*start), (), {})


@functools.partial(compiled, static_argnames=("log_density", "num_warmup"))
def _go_on(log_density: Density, num_warmup: int, whitening: Any, accept: Any, state: Any, num: Any) -> Any:
    """Return the state after `num` transitions, at most a block, and what each of them came to."""
    kernel = _kernel(log_density, whitening, accept)
    # A kernel has to be begun before it goes on; what that computes is not used, and not compiled.
    here = ParamInfo(state.z, state.potential_energy, state.z_grad)
    jax.eval_shape(lambda here, keys: kernel.init(keys, num_warmup, here, (), {}), here, state.rng_key)
    nothing = jax.tree.map(lambda x: jnp.zeros((BLOCK, *x.shape), x.dtype), jax.eval_shape(_told, state))

    def transition(i: Any, carry: Any) -> Any:
        state, kept = carry
        state = kernel.sample(state, (), {})
        return state, jax.tree.map(lambda kept, x: kept.at[i].set(x), kept, _told(state))

    state, kept = jax.lax.fori_loop(0, num, transition, (state, nothing))
    return state._replace(adapt_state=_shared(state.adapt_state, state.i[0] == num_warmup)), kept


def _told(state: Any) -> dict[str, Any]:
    return {
        "z": state.z,
        "diverging": state.diverging,
        "energy": state.energy,
        "acceptance_rate": state.accept_prob,
        "step_size": state.adapt_state.step_size,
        "n_steps": state.num_steps,
    }


def _blocks(num_warmup: int) -> list[tuple[int, int]]:
    """Return the warm-up in blocks (start, end), which end where windows of the adaptation do."""
    found = []
    for window in build_adaptation_schedule(num_warmup):
        starts = range(window.start, window.end + 1, BLOCK)
        found += [(start, min(start + BLOCK, window.end + 1)) for start in starts]
    return found


def _shared(adapt: Any, last: Any) -> Any:
    """Return adaptations with the mean of all chains in each: many short chains learn as one long one.

    The variances of positions are shared whenever they are new, the step size when the warm-up is over.
    """
    variance = jnp.broadcast_to(adapt.inverse_mass_matrix.mean(axis=0), adapt.inverse_mass_matrix.shape)
    step = jnp.where(last, jnp.exp(jnp.log(adapt.step_size).mean()), adapt.step_size)
    return adapt._replace(
        inverse_mass_matrix=variance,
        mass_matrix_sqrt=1 / jnp.sqrt(variance),
        mass_matrix_sqrt_inv=jnp.sqrt(variance),
        step_size=step,
    )


def _on_devices(start: tuple[np.ndarray, ...]) -> tuple[Any, ...]:
    """Return what the chains start with, as many of them on each device, where that comes out even."""
    even = num_lanes() > 1 and len(start[0]) % num_lanes() == 0
    return jax.device_put(start, NamedSharding(mesh(), PartitionSpec(LANE))) if even else start

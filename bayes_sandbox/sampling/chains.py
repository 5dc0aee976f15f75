"""NumPyro's NUTS on many chains side by side, compiled once for a model and a length of warm-up.

On a CPU a leapfrog step costs its loop, hardly what is in it: eight chains cost little more than four. `MCMC.run`
compiles its loop again whenever it is called; here two programs are kept, one that starts the chains and one that goes
on with them for a while, and the whitening, the data and the starts are what they are called with.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from numpyro.infer import NUTS
from numpyro.infer.hmc_util import build_adaptation_schedule
from numpyro.infer.util import ParamInfo

from ..compiler import compiled
from ..devices import LANE, mesh, num_lanes, side_by_side
from ..progress import Advance
from ..rewriting import rewritten
from .start import Start, identity

MAX_TREE_DEPTH = 10
BLOCK, FIRST, SHORT = 250, 25, 0.1  # transitions at a time: at most, at first, and seconds after which more are tried
PARTS = 2  # that many chains are run in
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
    at the end of the warm-up. Many chains are run in two parts, on two cores.
    """
    fixed, whitening = (log_density, num_warmup), start.whitening

    def go_on(state: Any, num: int) -> Any:
        return jax.block_until_ready(_go_on(*fixed, whitening, accept, state, num))

    states: list[Any] = [
        _begin(*fixed, accept, part[:3], part[3])
        for part in _parts((start.z, start.potential, start.gradient, jax.random.split(key, len(start.z))))
    ]

    def going_on(num: int) -> Iterator[list[dict[str, Any]]]:
        """Yield what the next transitions came to, some at a time, of each part of the chains."""
        nonlocal states
        for some in paced(num):
            states, told = map(list, zip(*side_by_side(partial(go_on, num=some), states)))
            yield [{name: v[:some] for name, v in part.items()} for part in told]
            advance(some)

    go_on(states[0], 0)  # traced here, not by a thread
    paced = Pace().over
    for window in build_adaptation_schedule(num_warmup):
        for _ in going_on(window.end + 1 - window.start):
            pass
        states = _shared(states, window.end + 1 == num_warmup)
    kept = [
        {name: np.concatenate([p[name] for p in parts], axis=1) for name in parts[0]} for parts in going_on(num_samples)
    ]
    stats = {name: np.concatenate([block[name] for block in kept]).swapaxes(0, 1) for name in kept[0]}
    z = stats.pop("z")
    return (z if whitening is None else whitening[0] + z @ whitening[1].T), stats


def compiling(log_density: Density, dimension: int, num_chains: int, num_warmup: int) -> Callable[[], None]:
    """Trace the programs of `run_chains`, before it is known where chains begin, and return what compiles them.

    A compiler can work on another thread; programs cannot be traced there: NumPyro's handlers are one stack.
    """
    fixed, whitening, accept = (log_density, num_warmup), identity(dimension), 0.5
    nothing = np.zeros((num_chains, dimension)), np.zeros(num_chains), np.zeros((num_chains, dimension))
    part = _parts((*nothing, jax.random.split(jax.random.key(0), num_chains)))[0]
    begin = *fixed, accept, part[:3], part[3]
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


@partial(compiled, static_argnames=("log_density", "num_warmup"), hasty=True)
def _begin(log_density: Density, num_warmup: int, accept: Any, start: Any, keys: Any) -> Any:
    """Return the state of chains that have not moved yet."""
    return _kernel(log_density, None, accept).init(keys, num_warmup, ParamInfo(*start), (), {})


@partial(compiled, static_argnames=("log_density", "num_warmup"))
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

    return jax.lax.fori_loop(0, num, transition, (state, nothing))


class Pace:
    """How many transitions at a time: a few where they take long, for progress and Ctrl-C, many where they do not."""

    def __init__(self) -> None:
        self._next = FIRST

    def over(self, num: int) -> Iterator[int]:
        """Cut so many transitions into some at a time."""
        while num > 0:
            some, began = min(num, self._next), time.perf_counter()
            yield some
            if some == self._next and time.perf_counter() - began < SHORT:
                self._next = min(2 * self._next, BLOCK)
            num -= some


def _told(state: Any) -> dict[str, Any]:
    return {
        "z": state.z,
        "diverging": state.diverging,
        "energy": state.energy,
        "acceptance_rate": state.accept_prob,
        "step_size": state.adapt_state.step_size,
        "n_steps": state.num_steps,
    }


def _shared(states: list[Any], last: bool) -> list[Any]:
    """Return states whose adaptations are the mean of all chains': many short chains learn as one long one.

    The variances of positions are shared whenever they are new, the step size when the warm-up is over.
    """
    variance = np.mean([state.adapt_state.inverse_mass_matrix for state in states], axis=(0, 1))
    step = np.exp(np.mean([np.log(state.adapt_state.step_size) for state in states]))
    found = []
    for state in states:
        adapt = state.adapt_state
        own = np.broadcast_to(variance, adapt.inverse_mass_matrix.shape)
        adapt = adapt._replace(
            inverse_mass_matrix=own, mass_matrix_sqrt=1 / np.sqrt(own), mass_matrix_sqrt_inv=np.sqrt(own)
        )
        if last:
            adapt = adapt._replace(step_size=np.broadcast_to(step, adapt.step_size.shape))
        found.append(state._replace(adapt_state=adapt))
    return found


def _parts(start: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """Return what the chains start with, in the parts that are run side by side.

    Two on a CPU where chains are many, of however many cores: a step of eight chains is cheaper than one of sixteen, a
    step of four hardly cheaper. Where there are several devices the parts are theirs, if that comes out even.
    """
    num_chains = len(start[0])
    if num_lanes() > 1:
        spread = NamedSharding(mesh(), PartitionSpec(LANE))
        return [jax.device_put(start, spread) if num_chains % num_lanes() == 0 else start]
    many = jax.default_backend() == "cpu" and num_chains >= 4 * PARTS and num_chains % PARTS == 0
    num = PARTS if many else 1
    each = num_chains // num
    return [tuple(x[i : i + each] for x in start) for i in range(0, num_chains, each)]

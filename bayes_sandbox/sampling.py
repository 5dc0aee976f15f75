"""What does the posterior look like? NumPyro's NUTS on the position, whitened where a Gaussian fits."""

import time
import warnings
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from numpyro.infer import MCMC, NUTS

from .compiler import compiled
from .coordinates import Coordinates, coordinates_of
from .devices import LANE, mesh, num_lanes
from .diagnostics import Diagnostics, diagnose, pareto_k
from .errors import SamplingError
from .model import Model, require_model
from .optimization import LaplaceFit, fit_laplace
from .optimization.starts import starting_positions
from .seeds import as_key, as_rng

MAX_TREE_DEPTH = 10
POOL, SPREAD = 1024, 64  # prior draws, and how many of the likeliest chains may start from
FARTHEST = 1e4  # of a position: beyond it a trajectory runs out of digits
GOOD_K_HAT = 1.0  # beyond which weights have no mean: a Gaussian is no fair picture, though a poor proposal may be


@dataclass(frozen=True)
class NUTSFit:
    """Draws from the posterior, in the user's units, with every sample statistic.

    `draws` are name → (chain, draw, …), `positions` (chain, draw, dimension) the same in unconstrained space;
    `sample_stats` are (chain, draw). `whitened` says whether the Laplace fit shaped the space that was sampled, and
    `message` why. `diagnostics` has R-hat, bulk and tail ESS, MCSE, divergences, tree depth and E-BFMI.
    """

    draws: dict[str, np.ndarray]
    positions: np.ndarray
    sample_stats: dict[str, np.ndarray]
    diagnostics: Diagnostics
    whitened: bool
    num_warmup: int
    message: str
    num_evaluations: int
    seconds: float

    @property
    def mean(self) -> dict[str, np.ndarray]:
        """Posterior means by parameter name."""
        return {k: v.mean(axis=(0, 1)) for k, v in self.draws.items()}

    @property
    def sd(self) -> dict[str, np.ndarray]:
        """Posterior standard deviations by parameter name."""
        return {k: v.std(axis=(0, 1), ddof=1) for k, v in self.draws.items()}

    def to_datatree(self) -> Any:
        """Return an xarray DataTree with `posterior`, `unconstrained_posterior` and `sample_stats`."""
        from .datatree import nuts_datatree

        return nuts_datatree(self)


def fit_nuts(
    model: Model,
    *,
    num_warmup: int = 1000,
    num_samples: int = 1000,
    num_chains: int = 4,
    seed: Any = 0,
    laplace: LaplaceFit | None = None,
    progress: bool = False,
) -> NUTSFit:
    """Draw from p(θ | D) with the No-U-Turn sampler (Hoffman & Gelman 2014), chains vectorised.

    Where the Laplace approximation fits (one mode, Pareto k-hat of its weights below 1) the space is whitened by
    it and chains start from it; elsewhere NumPyro's own adaptation does the work. The fit says which.

    Raises
    ------
    SamplingError
        Where no start has a finite density.
    ModelError
        Where `model` is not a `Model`.

    Examples
    --------
    >>> import numpyro.distributions as dist
    >>> from bayes_sandbox import Model, fit_nuts
    >>> model = Model({"mu": dist.Normal(0, 1)}, lambda mu: dist.Normal(mu, 1), observed=2.0)
    >>> fit = fit_nuts(model, num_warmup=200, num_samples=500)
    >>> abs(float(fit.mean["mu"]) - 1.0) < 0.1
    True
    """
    require_model(model)
    for name, value in (("num_warmup", num_warmup), ("num_samples", num_samples), ("num_chains", num_chains)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    started = time.perf_counter()
    coords = coordinates_of(model)
    start_key, run_key, check_key = jax.random.split(as_key(seed), 3)
    laplace = laplace or fit_laplace(model, seed=seed)
    whitened, message = _is_good(coords, laplace, check_key)
    if whitened:
        centre, scale = laplace.position, laplace.scale
        starts = np.array(jax.random.normal(start_key, (num_chains, model.dimension)))
        far = _dispersed(model, coords, seed, len(starts[1::2]))
        starts[1 : 2 * len(far) : 2] = np.linalg.solve(scale, (far - centre).T).T
    else:
        centre, scale = np.zeros(model.dimension), np.eye(model.dimension)
        starts = _starts(model, coords, start_key, num_chains)
    mcmc = _run(coords, centre, scale, starts, run_key, (num_warmup, num_samples), progress)
    positions = centre + np.asarray(mcmc.get_samples(group_by_chain=True)) @ scale.T
    stats = _sample_stats(coords, mcmc, positions)
    draws = coords.constrain_many(positions)
    return NUTSFit(
        draws=draws,
        positions=positions,
        sample_stats=stats,
        diagnostics=diagnose(model.parameters, draws, stats),
        whitened=whitened,
        num_warmup=num_warmup,
        message=message,
        num_evaluations=int(stats["n_steps"].sum() * (1 + num_warmup / num_samples)),
        seconds=time.perf_counter() - started,
    )


def _is_good(coords: Coordinates, laplace: LaplaceFit, key: jax.Array) -> tuple[bool, str]:
    """Whether a Gaussian at the mode is a fair picture of the posterior, and the sentence that says so."""
    if not laplace.converged:
        return False, f"plain NUTS: {laplace.message}"
    weighty = [h for h in laplace.humps if h.log_mass > laplace.humps[0].log_mass - 7]
    if len(weighty) > 1:
        return False, f"plain NUTS: {len(weighty)} modes, and whitening by one would starve the others"
    points = laplace.sample(key, 4000)
    residual = np.linalg.solve(laplace.scale, (points - laplace.position).T)
    k_hat = pareto_k(coords.log_density_many(points) + 0.5 * (residual**2).sum(axis=0))
    if not k_hat < GOOD_K_HAT:
        return False, f"plain NUTS: a Gaussian at the mode does not fit the posterior (Pareto k-hat {k_hat:.2f})"
    return True, f"whitened by the Laplace fit (Pareto k-hat {k_hat:.2f})"


def _dispersed(model: Model, coords: Coordinates, seed: Any, num: int) -> np.ndarray:
    """Return at most so many starts that know nothing of the mode: prior draws, any of the likeliest sixteenth.

    Chains that all begin at one mode agree on it, whatever else there is.
    """
    if model.improper or num == 0:
        return np.zeros((0, coords.dimension))
    rng = as_rng(seed, "dispersed")
    pool = coords.unconstrain_many(model.sample_prior(int(rng.integers(2**31)), POOL), (POOL,))
    pool = pool[np.isfinite(pool).all(axis=1)]
    likelihood = coords.log_parts_many(pool)[:, 1] if len(pool) else np.zeros(0)
    good = np.isfinite(likelihood) & (np.abs(pool) < FARTHEST).all(axis=1)
    if good.sum() < SPREAD:
        return np.zeros((0, coords.dimension))
    ranked = np.flatnonzero(good)[np.argsort(-likelihood[good])]
    return pool[rng.choice(ranked[:SPREAD], size=num, replace=False)]


def _starts(model: Model, coords: Coordinates, key: jax.Array, num_chains: int) -> np.ndarray:
    found = starting_positions(model, coords, key, max(num_chains, 8))
    gradient = compiled(jax.vmap(jax.grad(coords.log_density)))
    if len(found):
        found = found[np.isfinite(np.asarray(gradient(found))).all(axis=1)]
    if not len(found):
        raise SamplingError(
            f"NUTS cannot start on {model.name!r}: no prior draw and no wide guess had a finite density and gradient; "
            "check that the data are possible under the prior, or use the grid"
        )
    # The origin comes first in the list: keep spread-out starts before it.
    return np.resize(np.roll(found, -1, axis=0), (num_chains, model.dimension))


def _run(
    coords: Coordinates,
    centre: np.ndarray,
    scale: np.ndarray,
    starts: np.ndarray,
    key: jax.Array,
    lengths: tuple[int, int],
    progress: bool,
) -> MCMC:
    shift, stretch = jnp.asarray(centre), jnp.asarray(scale)
    # Where no Gaussian fits, curvature varies: smaller steps, fewer divergences.
    accept = 0.8 if np.any(scale != np.eye(len(centre))) else 0.9

    def potential(z: jax.Array) -> jax.Array:
        return -coords.log_density(shift + stretch @ z)

    kernel = NUTS(potential_fn=potential, target_accept_prob=accept, max_tree_depth=MAX_TREE_DEPTH)
    mcmc = MCMC(
        kernel,
        num_warmup=lengths[0],
        num_samples=lengths[1],
        num_chains=len(starts),
        chain_method="vectorized",
        progress_bar=progress,
    )
    fields = ("energy", "potential_energy", "num_steps", "accept_prob", "adapt_state.step_size", "diverging")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*devices.*")
        mcmc.run(key, init_params=_on_devices(starts), extra_fields=fields)
    return mcmc


def _on_devices(starts: np.ndarray) -> jax.Array:
    """Return the chains' starts, as many on each device, where that comes out even."""
    if len(starts) == 1:
        return jnp.asarray(starts[0])
    even = num_lanes() > 1 and len(starts) % num_lanes() == 0
    return jax.device_put(starts, NamedSharding(mesh(), PartitionSpec(LANE))) if even else jnp.asarray(starts)


def _sample_stats(coords: Coordinates, mcmc: MCMC, positions: np.ndarray) -> dict[str, np.ndarray]:
    """Return sample statistics under ArviZ's names; `lp` is the log density of the position, whitening left out."""
    extra = {k: np.asarray(v) for k, v in mcmc.get_extra_fields(group_by_chain=True).items()}
    steps = extra["num_steps"].astype(int)
    depth = np.ceil(np.log2(steps + 1)).astype(int)
    return {
        "diverging": extra["diverging"].astype(bool),
        "energy": extra["energy"],
        "acceptance_rate": extra["accept_prob"],
        "step_size": np.broadcast_to(extra["adapt_state.step_size"], steps.shape).copy(),
        "n_steps": steps,
        "tree_depth": depth,
        # ArviZ looks for this spelling; NumPyro's converter writes another.
        "reached_max_treedepth": depth >= MAX_TREE_DEPTH,
        "lp": coords.log_density_many(positions),
    }

"""What does the posterior look like? NumPyro's NUTS on the position, whitened where a Gaussian fits."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..arguments import flag, integer
from ..coordinates import NUM_PARTS, coordinates_of
from ..diagnostics import Diagnostics, diagnose
from ..model import Model, require_model
from ..optimization import LaplaceFit, annealed_search, check_laplace, fit_laplace, unvisited_modes
from ..progress import progress_of
from ..seeds import as_key, check_seed
from .chains import MAX_TREE_DEPTH, compiling, run_chains
from .start import num_starts, start_of

MANY, FEW = 16, 4  # chains, where a step of many costs little more than that of a few, and where it does not
CHEAP = 10_000  # observations, up to which it does not
SOON, LATE = 300, 1000  # transitions of warm-up: of many chains, which learn together, and of few
ACCEPT, CAREFUL = 0.8, 0.9  # where no Gaussian fits, curvature varies: smaller steps, fewer divergences


@dataclass(frozen=True)
class NUTSFit:
    """Draws from the posterior, in the user's units, with every sample statistic.

    `draws` are name → (chain, draw, …), `positions` (chain, draw, dimension) the same in unconstrained space;
    `sample_stats` are (chain, draw). `whitened` says whether the Laplace fit shaped the space that was sampled, and
    `message` why. `diagnostics` has R-hat, bulk and tail ESS, MCSE, divergences, tree depth and E-BFMI. The chains
    began at `num_starts` points, those of one point one after the other.
    """

    draws: dict[str, np.ndarray]
    positions: np.ndarray
    sample_stats: dict[str, np.ndarray]
    diagnostics: Diagnostics
    whitened: bool
    num_warmup: int
    num_starts: int
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
        from ..datatree import nuts_datatree

        return nuts_datatree(self)


def fit_nuts(
    model: Model,
    *,
    num_warmup: int | None = None,
    num_samples: int = 1000,
    num_chains: int | None = None,
    seed: Any = 0,
    laplace: LaplaceFit | None = None,
    progress: bool = False,
) -> NUTSFit:
    """Draw from p(θ | D) with the No-U-Turn sampler (Hoffman & Gelman 2014), many short chains side by side.

    Where the Laplace approximation fits (one mode, Pareto k-hat of its weights below 1) the space is whitened by
    it and half of the chains start from it; elsewhere NumPyro's own adaptation does the work. The fit says which.
    Left alone, it runs 16 chains with 300 transitions of warm-up, and 4 with 1000 where there are more than 10 000
    observations. Eight chains and more, a multiple of four, share four starts; their R-hat is the nested one, which is
    for short chains (Margossian et al. 2024).

    Raises
    ------
    SamplingError
        Where no start has a finite density.
    ModelError
        Where `model` is not a `Model`.
    ArgumentError
        For a number of chains, draws or transitions below one, and a Laplace fit of another model.

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
    if num_chains is None:
        num_chains = MANY if model.num_observations <= CHEAP else FEW
    num_chains = integer(num_chains, "num_chains", at_least=1, example=4)
    if num_warmup is None:
        num_warmup = SOON if num_chains >= MANY else LATE
    num_warmup = integer(num_warmup, "num_warmup", at_least=1, example=1000)
    num_samples = integer(num_samples, "num_samples", at_least=1, example=1000)
    flag(progress, "progress")
    check_seed(seed)
    check_laplace(laplace, model)
    started = time.perf_counter()
    coords = coordinates_of(model)
    if laplace is None:
        with compiled_beside(model, num_warmup, num_chains):
            laplace = annealed_search(model, fit_laplace(model, seed=seed), seed, few=True)
    start = start_of(model, coords, laplace, seed, num_chains)
    with progress_of(progress).task("NUTS", num_warmup + num_samples) as advance:
        positions, stats = run_chains(
            coords.log_density,
            start,
            as_key(seed),
            num_warmup=num_warmup,
            num_samples=num_samples,
            accept=ACCEPT if start.whitened else CAREFUL,
            advance=advance,
        )
    everything = coords.everything_many(positions)
    draws, stats = coords.unflatten(everything[..., NUM_PARTS:]), _under_arviz_names(stats, everything)
    together = num_starts(num_chains)
    diagnostics = diagnose(model.parameters, draws, stats, together)
    masses = np.array([h.log_mass for h in laplace.humps])
    if len(masses) > 1:
        missed = unvisited_modes(laplace.humps, positions, float(np.logaddexp.reduce(masses)))
        diagnostics = replace(diagnostics, complaints=(*diagnostics.complaints, *missed))
    return NUTSFit(
        draws=draws,
        positions=positions,
        sample_stats=stats,
        diagnostics=diagnostics,
        whitened=start.whitened,
        num_warmup=num_warmup,
        num_starts=together,
        message=start.message,
        num_evaluations=int(stats["n_steps"].sum() * (1 + num_warmup / num_samples)),
        seconds=time.perf_counter() - started,
    )


@contextmanager
def compiled_beside(model: Model, num_warmup: int, num_chains: int) -> Iterator[None]:
    """Have what `fit_nuts` runs compiled on another core, while something else is done here."""
    with ThreadPoolExecutor(1) as beside:
        with suppress(Exception):  # what is wrong with a program is said where it is run
            beside.submit(compiling(coordinates_of(model).log_density, model.dimension, num_chains, num_warmup))
        yield


def _under_arviz_names(stats: dict[str, np.ndarray], everything: np.ndarray) -> dict[str, np.ndarray]:
    """Return sample statistics as ArviZ knows them; `lp` is the log density of the position, whitening left out."""
    steps = stats["n_steps"].astype(int)
    depth = np.ceil(np.log2(steps + 1)).astype(int)
    with np.errstate(invalid="ignore"):
        lp = everything[..., :NUM_PARTS].sum(axis=-1)
    return {
        **stats,
        "n_steps": steps,
        "tree_depth": depth,
        # ArviZ looks for this spelling; NumPyro's converter writes another.
        "reached_max_treedepth": depth >= MAX_TREE_DEPTH,
        "lp": lp,
    }

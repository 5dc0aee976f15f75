"""What estimators share, made when first asked for: modes, Laplace fit, grid, draws."""

import time
from collections.abc import Callable, Hashable
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from ..budget import Budget
from ..checkpoints import NO_CHECKPOINTS, Checkpoints, cached
from ..coordinates import Coordinates, coordinates_of
from ..draws import adopt_draws
from ..errors import failure, is_internal
from ..model import Model
from ..optimization import Hump, LaplaceFit, annealed_search, fit_laplace, unvisited_modes
from ..optimization.starts import starting_positions
from ..progress import progress_of
from ..quadrature import GridFit, declined, fit_grid
from ..quadrature.job import weighty
from ..quadrature.tails import Tail, tails
from ..records import MAX_TRUSTED_ERROR, Evidence
from ..rounding import Rounding
from ..sampling import NUTSFit, fit_nuts
from ..seeds import as_rng

PRIOR_POOL = 2**12
BY_MODES = ("laplace", "importance", "bridge", "sparse", "rqmc")  # estimators that know the modes found, no others
BY_PRIOR = ("importance", "tempering", "nested", "prior_average")  # that rely on draws from the prior
MAX_LOST = 1e-3  # of the draws from the prior, without a position
MAX_UNSEEN = 0.1  # of the starts of optimization runs, that lead to modes not found
NUM_ROUNDED = 8  # points of each kind at which rounding is measured
NUTS_OPTIONS: dict[str, Any] = {"num_warmup": 1000, "num_samples": 1000, "num_chains": 4}
LEAPFROGS, GRADIENT = 15, 4  # for each draw, as a rule; densities that a gradient costs
NO_TIME = 1e-9  # seconds: what a grid is given of a budget that is spent, to decline in its own words


class Workbench:
    """One model, one seed, and every fit of it that has been needed so far."""

    def __init__(
        self,
        model: Model,
        *,
        seed: Any = 0,
        draws: Any = None,
        budget: float = 120.0,
        progress: bool = False,
        nuts_options: dict[str, int] | None = None,
        checkpoints: Checkpoints = NO_CHECKPOINTS,
    ):
        self.model, self.seed, self.budget, self.progress = model, seed, Budget(budget), progress
        self._draws, self.nuts_options, self.checkpoints = draws, dict(nuts_options or {}), checkpoints
        self.done: dict[str, Evidence] = {}
        self._failed: dict[str, Exception] = {}
        self._shared: dict[Hashable, Any] = {}
        self._seen, self._noise = self._nothing_seen, self.rng("seen")

    @property
    def coords(self) -> Coordinates:
        return coordinates_of(self.model)

    def rng(self, use: str) -> np.random.Generator:
        """Return a generator of its own for each user of this seed."""
        return as_rng(self.seed, use)

    @cached_property
    def laplace(self) -> LaplaceFit:
        with self.budget.aside(), progress_of(self.progress).stage("a Gaussian at the mode"):

            def fit() -> LaplaceFit:
                return annealed_search(self.model, fit_laplace(self.model, seed=self.seed), self.seed)

            return self._tried("laplace", lambda: cached(self.checkpoints, "laplace", fit))

    @cached_property
    def grid(self) -> GridFit:
        """A grid's fit, made once; modes that it met are known to whoever asks for the modes from then on.

        A fit that fails is a declined one, with the reason.
        """
        started = time.perf_counter()
        try:
            return self._grid()
        except Exception as error:
            if not is_internal(error):
                raise
            return declined(self.model, failure(error), started)

    def _grid(self) -> GridFit:
        options = {"seed": self.seed, "laplace": self.laplace, "progress": self.progress}
        with self.budget.spending():
            left = max(self.budget.left, NO_TIME)
            fit = cached(self.checkpoints, "grid", lambda: fit_grid(self.model, budget=left, **options))
        if fit.laplace is not None and len(fit.laplace.humps) > len(self.laplace.humps):
            self.__dict__["laplace"] = fit.laplace
        return fit

    @cached_property
    def nuts(self) -> NUTSFit:
        if self._draws is not None:
            return adopt_draws(self.model, self._draws)
        options = {"seed": self.seed, "laplace": self.laplace, "progress": self.progress}
        with self.budget.aside():  # how long it is to run was said in draws
            fit = partial(fit_nuts, self.model, **options, **{**NUTS_OPTIONS, **self.nuts_options})
            return self._tried("nuts", lambda: cached(self.checkpoints, "nuts", fit))

    def _tried[Fit](self, name: str, fit: Callable[[], Fit]) -> Fit:
        """Return a fit that several estimators need; one that failed raises its error again and is not repeated."""
        if name in self._failed:
            raise self._failed[name]
        try:
            return fit()
        except Exception as error:
            self._failed[name] = error
            raise

    def prior_positions(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Return positions (n, d) drawn from the prior, as many at a time as one program draws."""
        found = [np.zeros((0, self.coords.dimension))]
        while sum(map(len, found)) < n:
            found.append(self.coords.prior_positions(int(rng.integers(2**31)), PRIOR_POOL))
        return np.concatenate(found)[:n]

    @property
    def has_draws(self) -> bool:
        """Whether draws are at hand without running anything."""
        return self._draws is not None or "nuts" in self.__dict__

    @property
    def num_draws(self) -> float:
        """How many draws NUTS makes, or was given."""
        if self.has_draws:
            return float(np.prod(self.nuts.positions.shape[:2]))
        options = {**NUTS_OPTIONS, **self.nuts_options}
        return float(options["num_chains"] * options["num_samples"])

    @property
    def num_steps_predicted(self) -> float:
        """How many leapfrog steps NUTS will make, one after another; none where draws are at hand."""
        options = {**NUTS_OPTIONS, **self.nuts_options}
        return 0.0 if self.has_draws else float(LEAPFROGS * (options["num_warmup"] + options["num_samples"]))

    @property
    def num_nuts_predicted(self) -> float:
        """How many densities NUTS will take, each gradient for four of them."""
        return {**NUTS_OPTIONS, **self.nuts_options}["num_chains"] * self.num_steps_predicted * GRADIENT

    def estimate(self, name: str, run: Callable[["Workbench"], Evidence]) -> Evidence:
        """Return an estimator's answer, made once; none is begun when nothing is left of the budget.

        An estimator that fails gives an untrusted answer with the reason. It is not kept, so that a resumed run tries
        again. A `UserError` is about the arguments and is raised.
        """
        part = f"evidence:{name}"
        if name not in self.done:
            done = name in self.__dict__  # a grid, or modes, of which only the number is asked
            if not self.budget.left and not done and self.checkpoints.recall(part) is None:
                why = f"the budget of {self.budget.total:g} s was spent before it began; raise it"
                return Evidence(name, np.nan, np.inf, 0, 0.0, False, (why,))
            started, outer = time.perf_counter(), (self._seen, self._noise)
            self._seen, self._noise = self._nothing_seen, self.rng(f"seen by {name}")
            try:
                with self.budget.spending():
                    self.done[name] = cached(self.checkpoints, part, lambda: self._judged(run(self)))
            except Exception as error:
                if not is_internal(error):
                    raise
                seconds = time.perf_counter() - started
                self.done[name] = Evidence(name, np.nan, np.inf, 0, seconds, False, (failure(error),))
            finally:  # one estimator may ask for another's answer
                self._seen, self._noise = outer
        return self.done[name]

    @property
    def _modes(self) -> tuple[Hump, ...]:
        """The modes known; none where the Laplace fit failed, which an estimator without modes need not know."""
        try:
            return self.laplace.humps
        except Exception as error:
            if not is_internal(error):
                raise
            return ()

    def _judged(self, found: Evidence) -> Evidence:
        """Return an estimate whose error counts what rounding leaves open, trusted only where it is small enough."""
        if not np.isfinite(found.error) or found.method == "grid":  # a grid has counted it
            return found
        for tail in self.tails:
            if why := tail.sentence(found.log_evidence):
                return replace(found.demoted(why), error=np.inf)
        unseen = self.laplace.unseen if self._modes else 0.0
        if found.trusted and found.method in BY_MODES and unseen > MAX_UNSEEN:
            found = found.demoted(
                f"about {unseen:.0%} of optimization runs lead to modes that were met once or never: "
                "there are more modes than were found"
            )
        if found.trusted and found.method in BY_PRIOR and self.prior_lost > MAX_LOST:
            found = found.demoted(
                f"{self.prior_lost:.1%} of the prior lies where float64 has no values: draws from the prior miss it"
            )
        rounding = max(self.rounding, self.coords.rounding(self._seen[1]), key=lambda r: r.floor)
        error = found.error + rounding.floor
        if not found.trusted or error < MAX_TRUSTED_ERROR:
            return replace(found, error=error)
        why = rounding.sentence if rounding.floor > found.error else f"the error is {error:.2g}"
        return replace(found, error=error).demoted(f"{why} (should be below {MAX_TRUSTED_ERROR})")

    @property
    def _nothing_seen(self) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros(0), np.zeros((0, self.coords.dimension))

    def saw(self, positions: np.ndarray, log_weights: np.ndarray) -> None:
        """Keep a few of the draws that the estimate of the running estimator rests on: rounding is measured there."""
        with np.errstate(invalid="ignore"):
            keys = np.nan_to_num(log_weights + self._noise.gumbel(size=len(log_weights)), nan=-np.inf)
        keys, positions = np.concatenate([self._seen[0], keys]), np.concatenate([self._seen[1], positions])
        kept = np.argsort(-keys)[:NUM_ROUNDED]
        kept = kept[np.isfinite(keys[kept]) & np.isfinite(positions[kept]).all(axis=1)]
        self._seen = keys[kept], positions[kept]

    @cached_property
    def prior_lost(self) -> float:
        """The share of draws from the prior that have no finite position."""
        return float((~np.isfinite(self.prior_positions(self.rng("lost"), PRIOR_POOL)).all(axis=1)).mean())

    @cached_property
    def tails(self) -> list[Tail]:
        """What the integrand still holds where float64 can follow it no further."""
        humps = weighty(self._modes)
        others = np.zeros((0, self.coords.dimension))
        if not humps:
            others = starting_positions(self.model, self.coords, self.seed, NUM_ROUNDED)
            others = others[np.argsort(-self.coords.log_density_many(others))]
        return tails(self.coords, humps, others)

    @cached_property
    def rounding(self) -> Rounding:
        """What float64 leaves open in log f, at points that are likely under the posterior."""
        rng, found = self.rng("rounding"), [np.zeros((0, self.coords.dimension))]
        if self._modes:
            top = self._modes[0]
            found.append(top.position + rng.normal(size=(NUM_ROUNDED, len(top.position))) @ top.scale.T)
        if self.has_draws:
            flat = self.nuts.positions.reshape(-1, self.coords.dimension)
            found.append(flat[rng.integers(len(flat), size=NUM_ROUNDED)])
        positions = np.concatenate(found)
        if not len(positions):
            positions = starting_positions(self.model, self.coords, self.seed, NUM_ROUNDED)
        return self.coords.rounding(positions)

    def remembered(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return what estimators share under a key, made by the first of them that asks."""
        if key not in self._shared:
            self._shared[key] = make()
        return self._shared[key]

    def unvisited_modes(self, positions: np.ndarray, log_evidence: float) -> list[str]:
        """Return a sentence on the modes known whose mass matters and that no draw came near, if there are any."""
        return unvisited_modes(self.laplace.humps, positions, log_evidence)

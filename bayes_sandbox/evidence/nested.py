"""The evidence by nested sampling (blackjax): the prior's volume, peeled off by rising likelihood."""

import copy
import time
from typing import Any

import jax
import numpy as np
from scipy.special import logsumexp

from ..compiler import compiled
from ..progress import progress_of
from ..records import MAX_TRUSTED_ERROR, Evidence
from .workbench import Workbench

NUM_LIVE, NUM_DELETED = 1000, 100
STEPS_PER_DIMENSION, FEWEST_STEPS = 3, 10  # slice moves for each new point
LEFT = -5.0  # log of the share that the live points may still hold at the end
INFORMATION, PER_MOVE = 2.0, 6.0  # nats a dimension, densities a slice, as a rule
NUM_VOLUMES = 200  # simulated sequences of volumes
MAX_RUNS = 4  # of which the mean is taken where one alone is not precise enough
WIDENED = 1.5  # points remember where they came from; z-scores of 16 runs each on two posteriors then had an sd of 0.6


def estimate(bench: Workbench) -> Evidence:
    """Return log ∫ L dX, X the prior's volume above a likelihood, and the scatter over what those volumes may be.

    Nested slice sampling (Skilling 2006; Yallup, Kroupa & Handley 2026) in unconstrained coordinates, where any NumPyro
    prior is a density. The error knows the volumes' randomness only: a mode that the live points lose is lost without a
    trace, so that repeats agree while wrong.
    """
    started = time.perf_counter()
    runs = [_Run(bench, bench.rng("nested"))]
    found = [runs[0].log_evidence()]
    if np.isnan(found[0][0]):
        why = "too few prior draws with a finite likelihood to begin with; use the grid or importance instead"
        return Evidence("nested", np.nan, np.inf, 0, time.perf_counter() - started, False, (why,))
    while _is_worth_repeating(found) and bench.budget.left and not runs[-1].doubts:
        runs.append(runs[0].again(bench.rng(f"nested {len(runs)}")))
        found.append(runs[-1].log_evidence())
    value, error = _mean(found)
    doubts = list(dict.fromkeys(d for run in runs for d in run.doubts))
    if np.isfinite(value):
        doubts += bench.unvisited_modes(np.concatenate([run.positions for run in runs]), value)
    if not error < MAX_TRUSTED_ERROR:
        doubts.append(f"the standard error is {error:.2f} (should be below {MAX_TRUSTED_ERROR})")
    num_evaluations, seconds = sum(run.num_evaluations for run in runs), time.perf_counter() - started
    return Evidence("nested", value, error, num_evaluations, seconds, not doubts, tuple(doubts))


def _mean(found: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the mean of independent runs, and its standard error: their own, or their scatter if that is larger."""
    values, errors = np.array(found).T
    own = float(np.sqrt((errors**2).mean()))
    apart = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return float(values.mean()), max(own, apart) / np.sqrt(len(values))


def _is_worth_repeating(found: list[tuple[float, float]]) -> bool:
    """Whether the error is too large for a trusted number, and a few runs more would make it small enough."""
    error = _mean(found)[1]
    return not error < MAX_TRUSTED_ERROR and error * np.sqrt(len(found) / MAX_RUNS) < MAX_TRUSTED_ERROR


class _Run:
    """One run: live points from the prior, and what has been peeled off."""

    def __init__(self, bench: Workbench, rng: np.random.Generator):
        import blackjax

        self._bench, self._rng = bench, rng
        coords = bench.coords
        self._steps = max(STEPS_PER_DIMENSION * coords.dimension, FEWEST_STEPS)

        def log_prior(position: Any) -> Any:
            prior, _, log_det = coords.log_parts(position)
            return prior + log_det

        sampler = blackjax.nss(log_prior, lambda u: coords.log_parts(u)[1], self._steps, num_delete=NUM_DELETED)
        self._init, self._step = sampler.init, compiled(lambda data, s: sampler.step(jax.random.wrap_key_data(data), s))
        self.num_evaluations, self.doubts = 0, list[str]()

    def again(self, rng: np.random.Generator) -> "_Run":
        """Return another run of the same compiled program."""
        other = copy.copy(self)
        other._rng, other.num_evaluations, other.doubts = rng, 0, []
        return other

    def log_evidence(self) -> tuple[float, float]:
        """Return the log evidence of the run and its standard error; NaN without a start."""
        dead = self.peel()
        if dead is None:
            return np.nan, np.inf
        self.positions = np.concatenate([p.position for p in dead])
        log_volume = -np.arange(len(self.positions)) / NUM_LIVE
        self._bench.saw(self.positions, np.concatenate([p.loglikelihood for p in dead]) + log_volume)
        values = self.log_evidences(dead)
        return float(values.mean()), WIDENED * float(values.std(ddof=1))

    def _live(self) -> np.ndarray:
        positions = self._bench.coords.prior_positions(int(self._rng.integers(2**31)), 2 * NUM_LIVE)
        good = np.isfinite(positions).all(axis=1)
        return np.asarray(positions[good][:NUM_LIVE])

    def peel(self) -> list[Any] | None:
        """Return the points that died, in batches, the last live ones at the end; None without a start."""
        live = self._live()
        likelihood = self._bench.coords.log_parts_many(live)[:, 1] if len(live) == NUM_LIVE else np.zeros(0)
        if len(live) < NUM_LIVE or len(np.unique(likelihood)) < NUM_LIVE // 2:
            return None
        state, dead = self._init(jax.numpy.asarray(live)), []
        with progress_of(self._bench.progress).task("nested sampling", 100) as advance:
            shown = 0
            while True:
                key = self._rng.integers(2**32, size=2, dtype=np.uint32)
                state, info = self._step(key, state)
                dead.append(jax.tree.map(np.asarray, info.particles))
                moves = info.update_info  # each looks at both ends of its slice first, then steps out, then shrinks
                self.num_evaluations += int(np.sum(2 + moves.num_expansions + moves.num_shrink))
                left = float(state.integrator.logZ_live - state.integrator.logZ)
                done = int(np.clip(100 * np.exp(-max(left - LEFT, 0.0) / 20), 0, 99))
                advance(max(done - shown, 0), f"log p(D) > {float(state.integrator.logZ):.2f}")
                shown = max(done, shown)
                if left < LEFT:
                    break
                if not np.isfinite(left) or not self._bench.budget.left:
                    self.doubts.append(
                        f"the budget ended with e^{left:.1f} of the evidence still in the live points; raise the budget"
                    )
                    break
        dead.append(jax.tree.map(np.asarray, state.particles))
        return dead

    def log_evidences(self, dead: list[Any]) -> np.ndarray:
        """Return the evidence under simulated volumes: each death shrinks them by a Beta(n, 1) of n live points."""
        deaths = np.concatenate([p.loglikelihood for p in dead])
        births = np.concatenate([p.loglikelihood_birth for p in dead])
        births = np.where(np.isnan(births), -np.inf, births)
        order = np.argsort(deaths, kind="stable")
        deaths, births = deaths[order], np.sort(births)
        num_live = np.searchsorted(births, deaths, side="left") - np.arange(len(deaths))
        num_live = np.maximum(num_live, 1)
        shrunk = np.log(self._rng.random((NUM_VOLUMES, len(deaths)))) / num_live
        log_x = np.concatenate([np.zeros((NUM_VOLUMES, 1)), np.cumsum(shrunk, axis=1)], axis=1)
        log_shell = log_x[:, :-1] + np.log(-np.expm1(np.minimum(shrunk, -1e-300)))
        return np.asarray(logsumexp(log_shell + deaths, axis=1))


def num_predicted(bench: Workbench) -> float:
    """Return about how many densities it takes: more, where the posterior is far narrower than the prior."""
    d = bench.coords.dimension
    deaths = NUM_LIVE * (INFORMATION * d + 5.0)
    return deaths * max(STEPS_PER_DIMENSION * d, FEWEST_STEPS) * PER_MOVE

"""The evidence by tempering: populations walk from the prior to the posterior, and every step is a ratio."""

import time
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import brentq
from scipy.special import logsumexp

from ..compiler import compiled
from ..coordinates import Coordinates
from ..progress import progress_of
from ..records import MAX_TRUSTED_ERROR, Evidence
from .workbench import Workbench

NUM_POPULATIONS, NUM_PARTICLES = 8, 512
KEPT = 0.6  # of the particles, in effective number, survive a step of the temperature
NUM_LEAPFROG = 8
FEWEST_MOVES, MOST_MOVES = 2, 40  # trajectories after each step of the temperature
REMEMBERED = 0.03  # correlation of log likelihoods with those before, at which particles have moved enough
ACCEPTED = 0.8  # what the step size of a trajectory aims at
LEAST_ACCEPTED = 0.3
MOST_STEPS = 500
NUM_TEMPERATURES, TRAJECTORIES = 6, 5  # as a rule, for each √d; after each
LARGEST_DIMENSION = 20  # beyond which populations were seen to lag: in 30, 0.07 to 0.2 nats too low
TWICE = 0.14  # nats: an error that twice the populations bring below 0.1
# A mean of 8 over its standard error follows Student's t with 7 degrees of freedom, of variance 7/5.
WIDENED = float(np.sqrt((NUM_POPULATIONS - 1) / (NUM_POPULATIONS - 3)))


def estimate(bench: Workbench) -> Evidence:
    """Return Σ log mean L^(βₖ₊₁ − βₖ) along p(θ) L^β from the prior, β = 0, to the posterior, β = 1.

    Sequential Monte Carlo with adaptive temperatures and Hamiltonian moves (Del Moral, Doucet & Jasra 2006). The error
    is the scatter of eight populations that never exchange a particle: no error from within one could be believed. What
    all of them lose at the same temperature, as at a phase transition, none of them shows.
    """
    started = time.perf_counter()
    run = _Run(bench, bench.rng("tempering"))
    values = run.walk()
    if np.isfinite(values).all() and MAX_TRUSTED_ERROR <= _mean(values)[1] < TWICE and not run.doubts:
        run = _Run(bench, bench.rng("tempering again"), run)  # as many populations again
        values = np.concatenate([values, run.walk()])
    seconds = time.perf_counter() - started
    if not np.isfinite(values).all():
        why = "too few prior draws had a finite likelihood: there is nothing to begin with"
        return Evidence("tempering", np.nan, np.inf, run.num_evaluations, seconds, False, (why,))
    value, error = _mean(values)
    flat = run.positions.reshape(-1, bench.coords.dimension)
    bench.saw(flat, np.zeros(len(flat)))
    doubts = run.doubts + bench.unvisited_modes(run.positions, value)
    if bench.coords.dimension > LARGEST_DIMENSION:
        doubts.append(
            f"in {bench.coords.dimension} dimensions populations lag behind the temperature, by tenths of a nat"
        )
    if not error < MAX_TRUSTED_ERROR:
        doubts.append(f"the standard error is {error:.2f} (should be below {MAX_TRUSTED_ERROR})")
    return Evidence("tempering", value, error, run.num_evaluations, seconds, not doubts, tuple(doubts))


def _mean(values: np.ndarray) -> tuple[float, float]:
    """Return the log of the mean evidence of populations, and its standard error."""
    weight = np.exp(values - values.max())
    error = WIDENED * float(weight.std(ddof=1) / weight.mean() / np.sqrt(len(weight)))
    return float(values.max() + np.log(weight.mean())), max(error, 1e-12)


class _Run:
    """Populations of positions (population, particle, dimension) at one temperature."""

    def __init__(self, bench: Workbench, rng: np.random.Generator, before: "_Run | None" = None):
        self._bench, self._rng, self._step = bench, rng, 0.5
        self.num_evaluations: int = 0 if before is None else before.num_evaluations
        self.doubts: list[str] = []
        self.positions = np.zeros((0, 0, bench.coords.dimension))

    def walk(self) -> np.ndarray:
        """Return the log evidence of each population."""
        self.positions = self._from_prior()
        total, beta, rate = np.zeros(NUM_POPULATIONS), 0.0, 1.0
        with progress_of(self._bench.progress).task("tempering", 100) as advance:
            for _ in range(MOST_STEPS):
                log_likelihood = self._log_likelihood()
                if not np.isfinite(log_likelihood.max(axis=1)).all():
                    return np.full(NUM_POPULATIONS, np.nan)
                ahead = _next(log_likelihood, beta)
                log_weights = _scaled(log_likelihood, ahead - beta)
                total += logsumexp(log_weights, axis=1) - np.log(NUM_PARTICLES)
                self.positions = self._resampled(log_weights)
                advance(int(100 * ahead**0.2) - int(100 * beta**0.2), f"β = {ahead:.2g}, log Z(β) ≈ {total.mean():.2f}")
                beta, rate = ahead, self._move(ahead)
                if beta == 1.0:
                    break
                if not self._bench.budget.left:
                    self.doubts.append(f"the budget ended at β = {beta:.2g}; raise it")
                    break
        if rate < LEAST_ACCEPTED:
            self.doubts.append(f"only {rate:.0%} of the last moves were accepted: the populations do not mix")
        return total

    def _from_prior(self) -> np.ndarray:
        size, d = NUM_POPULATIONS * NUM_PARTICLES, self._bench.coords.dimension
        draws = self._bench.coords.prior_positions(int(self._rng.integers(2**31)), size)
        return draws.reshape(NUM_POPULATIONS, NUM_PARTICLES, d)

    def _log_likelihood(self) -> np.ndarray:
        inside = np.isfinite(self.positions).all(axis=2)
        values = self._bench.coords.log_parts_many(np.where(inside[..., None], self.positions, 0.0))[..., 1]
        self.num_evaluations += values.size
        return np.where(inside & (values < np.inf), values, -np.inf)

    def _resampled(self, log_weights: np.ndarray) -> np.ndarray:
        """Return each population drawn anew, systematically, from itself."""
        weight = np.exp(log_weights - log_weights.max(axis=1, keepdims=True))
        chosen = []
        for x, w in zip(self.positions, np.cumsum(weight, axis=1)):
            ticks = (np.arange(NUM_PARTICLES) + self._rng.random()) / NUM_PARTICLES
            chosen.append(x[np.minimum(np.searchsorted(w / w[-1], ticks), NUM_PARTICLES - 1)])
        return np.array(chosen)

    def _move(self, beta: float) -> float:
        """Move every particle at this temperature; return the share accepted, and mind the step for the next time."""
        coords, flat = self._bench.coords, self.positions.reshape(-1, self.positions.shape[-1])
        covariance = np.atleast_2d(np.cov(flat.T))
        d = len(covariance)
        scale = np.linalg.cholesky(covariance + 1e-10 * np.diag(np.diag(covariance) + 1e-12))
        first: np.ndarray | None = None
        for i in range(MOST_MOVES):
            key = self._rng.integers(2**32, size=2, dtype=np.uint32)
            step = self._step * self._rng.uniform(0.8, 1.2) / d**0.25
            before, moved, share = (np.asarray(v) for v in _trajectories(coords, key, flat, beta, scale, step))
            flat, rate = moved, float(share)
            first = before if first is None else first
            self._step = float(np.clip(self._step * np.exp(rate - ACCEPTED), 1e-4, 2.0))
            self.num_evaluations += len(flat) * NUM_LEAPFROG
            if i >= FEWEST_MOVES and _remembered(first, before) < REMEMBERED:
                break
        self.positions = flat.reshape(self.positions.shape)
        return rate


def _scaled(log_likelihood: np.ndarray, power: float) -> np.ndarray:
    return np.where(np.isfinite(log_likelihood), power * np.maximum(log_likelihood, -1e300), -np.inf)


def _remembered(first: np.ndarray, now: np.ndarray) -> float:
    """Return the correlation of log likelihoods, over all particles, with what they were."""
    if not (np.isfinite(first).all() and np.isfinite(now).all()) or first.std() == 0 or now.std() == 0:
        return 0.0
    return float(np.corrcoef(first, now)[0, 1])


def _next(log_likelihood: np.ndarray, beta: float) -> float:
    """Return the temperature at which the worst population keeps its share of effective particles."""

    def spare(ahead: float) -> float:
        log_weights = _scaled(log_likelihood, ahead - beta)
        effective = 2 * logsumexp(log_weights, axis=1) - logsumexp(2 * log_weights, axis=1)
        alive = np.isfinite(log_likelihood).sum(axis=1)
        return float((effective - np.log(KEPT * alive)).min())

    if spare(1.0) >= 0:
        return 1.0
    return float(brentq(spare, beta + 1e-300, 1.0, xtol=1e-300, rtol=1e-6)) if spare(beta + 1e-300) > 0 else 1.0


@partial(compiled, static_argnums=0)
def _trajectories(coords: Coordinates, key: Any, x: Any, beta: Any, scale: Any, step: Any) -> Any:
    """Take one Hamiltonian trajectory from each position, in coordinates whitened by `scale`.

    Return log likelihoods before it, positions after it, and the share that moved.
    """

    def log_density(z: Any, origin: Any) -> Any:
        prior, likelihood, log_det = coords.log_parts(origin + scale @ z)
        value = prior + log_det + beta * likelihood
        return jnp.where(jnp.isnan(value), -jnp.inf, value), likelihood

    def one(data: Any, origin: Any) -> tuple[Any, Any, Any]:
        momentum_key, accept_key = jax.random.split(jax.random.wrap_key_data(data))
        slope = jax.grad(lambda z, origin: log_density(z, origin)[0])
        z, p = jnp.zeros_like(origin), jax.random.normal(momentum_key, origin.shape)
        before, likelihood = log_density(z, origin)
        before = before - 0.5 * p @ p

        def leap(_: Any, state: Any) -> Any:
            z, p = state
            z = z + step * p
            return z, p + step * slope(z, origin)

        p = p + 0.5 * step * slope(z, origin)
        z, p = jax.lax.fori_loop(0, NUM_LEAPFROG, leap, (z, p))
        p = p - 0.5 * step * slope(z, origin)
        gain = log_density(z, origin)[0] - 0.5 * p @ p - before
        accepted = (jnp.log(jax.random.uniform(accept_key)) < gain) & jnp.isfinite(z).all()
        return likelihood, jnp.where(accepted, origin + scale @ z, origin), accepted

    keys = jax.random.key_data(jax.random.split(jax.random.wrap_key_data(key), len(x)))
    likelihood, moved, accepted = jax.vmap(one)(keys, x)
    return likelihood, moved, accepted.mean()


def num_predicted(bench: Workbench) -> float:
    """Return about how many densities it takes: more, where the posterior is far narrower than the prior."""
    steps = NUM_TEMPERATURES * bench.coords.dimension**0.5
    return steps * TRAJECTORIES * NUM_LEAPFROG * 2 * NUM_POPULATIONS * NUM_PARTICLES

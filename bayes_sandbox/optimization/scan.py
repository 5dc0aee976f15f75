"""Modes that a few optimization runs do not meet: thousands of short ones side by side, and colder draws at each mode.

A mode whose basin of attraction holds 2 % of the starts is missed by sixteen runs three times out of four. A mode
inside another is met by no run at all, nor by draws from the posterior: in d dimensions a mode r times narrower has
r⁻ᵈ of the volume. Draws from the wide mode's Gaussian shrunk to a half, a quarter, an eighth come near it.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from ..compiler import compiled
from ..coordinates import Coordinates

MIN_DIMENSION, MAX_DIMENSION = 6, 100  # below, quadrature looks everywhere; above, a run has too far to go
RUN_WORK, DRAW_WORK = 5e8, 4e8  # elementary operations that all runs, and all colder draws, may take
LEAST_WORK = 200.0  # of a density, however little is in it
MIN_STARTS, MAX_STARTS, SIDE_BY_SIDE = 64, 2048, 512
NUM_STEPS, FIRST, FASTER, SLOWER = 60, 0.1, 1.2, 0.5  # of a run (Riedmiller & Braun 1993), in each coordinate
GRADIENT = 4.0  # densities that a gradient costs
WIDEST, FARTHEST = 4.0, 1e4  # of starts
NEAR = 3.0  # nats between a Gaussian's prediction and log f, and of the prediction itself for each coordinate
APART = 1.0  # standard deviations of the nearest mode, between ends that are worth another run
MATTERS = 30.0  # nats below the best end at which one is not worth it
COLDER, HOTTER = (0.5, 0.4, 0.3, 0.25, 0.2, 0.125), (2.0, 3.0, 4.0)  # times a mode's standard deviations
HOT_WORK, MAX_HOT = 1e9, 12  # operations for hotter draws, and dimensions in which they meet anything
MAX_DRAWS, BLOCK = 2**21, 2**16  # of each width, and at a time
SURPRISE, UNUSUAL = 0.1, 10.0  # nats above what the modes explain, and times what the highest percent of draws shows
ANNEALED_WORK, MAX_ANNEALED = 3e8, 30  # operations of an annealed search, and dimensions that it is worth
MIN_PARTICLES, MAX_PARTICLES = 1024, 2**14
USUAL_POWERS, MAX_POWERS, NUM_MOVES, HALF = 15, 200, 4, 0.5  # of the likelihood; moves at each; particles that count
MAX_FURTHER = 8  # runs from the ends and draws that the modes do not explain


class Gaussian(Protocol):
    """A mode with the Gaussian that it is to second order."""

    @property
    def position(self) -> np.ndarray: ...
    @property
    def scale(self) -> np.ndarray: ...
    @property
    def log_density(self) -> float: ...


def num_runs(coords: Coordinates) -> int:
    """Return how many short runs are worth their time; none where dimensions are few or a density is expensive."""
    if not MIN_DIMENSION <= coords.dimension <= MAX_DIMENSION:
        return 0
    most = RUN_WORK / (NUM_STEPS * GRADIENT * max(coords.work, LEAST_WORK))
    return int(min(most, MAX_STARTS)) // MIN_STARTS * MIN_STARTS


def ends_of_runs(coords: Coordinates, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where short runs from starts (n, d) end, those that end somewhere, and the log density there."""
    ends, size = [], min(len(starts), SIDE_BY_SIDE)
    for first in range(0, len(starts), size):
        some = starts[first : first + size]
        padded = np.concatenate([some, np.repeat(some[-1:], size - len(some), axis=0)])
        ends.append(np.asarray(_runs(coords.log_density, padded))[: len(some)])
    coords.num_evaluations += int(len(starts) * NUM_STEPS * GRADIENT)
    found = np.concatenate(ends)
    found = found[np.isfinite(found).all(axis=1)]
    heights = coords.log_density_many(found)
    keep = np.isfinite(heights)
    return found[keep], heights[keep]


@partial(compiled, static_argnums=0)
def _runs(log_density: Any, starts: Any) -> Any:
    """Take steps whose size in each coordinate grows while the slope keeps its sign and shrinks when it turns."""
    slopes = jax.vmap(jax.grad(log_density))

    def step(_: Any, state: Any) -> Any:
        x, size, before = state
        slope = jnp.nan_to_num(slopes(x), nan=0.0, posinf=0.0, neginf=0.0)
        turned = slope * before
        size = jnp.clip(size * jnp.where(turned > 0, FASTER, jnp.where(turned < 0, SLOWER, 1.0)), 1e-8, 50.0)
        return x + jnp.sign(slope) * size, size, jnp.where(turned < 0, 0.0, slope)

    first = starts, jnp.full(starts.shape, FIRST), jnp.zeros(starts.shape)
    return jax.lax.fori_loop(0, NUM_STEPS, step, first)[0]


def assigned(modes: Sequence[Gaussian], points: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """Return, for each point, the mode whose Gaussian explains its density from nearby, else −1."""
    best, owner = np.full(len(points), np.inf), np.full(len(points), -1)
    for k, mode in enumerate(modes):
        with np.errstate(over="ignore"):
            half = 0.5 * (np.linalg.solve(mode.scale, (points - mode.position).T) ** 2).sum(axis=0)
        near = (half < NEAR * points.shape[1]) & (np.abs(mode.log_density - half - heights) < NEAR + 0.25 * half)
        owner = np.where(near & (half < best), k, owner)
        best = np.where(near, np.minimum(best, half), best)
    return owner


def unexplained_ends(modes: Sequence[Gaussian], ends: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """Return ends that no mode explains, the highest first, each far from those before it; at most a few."""
    lost = (assigned(modes, ends, heights) < 0) & (heights > heights.max(initial=-np.inf) - MATTERS)
    order = np.flatnonzero(lost)[np.argsort(-heights[lost])]
    scales = np.array([np.linalg.norm(m.scale, axis=1) for m in modes]).min(axis=0) if modes else np.ones(ends.shape[1])
    chosen: list[int] = []
    for i in order:
        if all((np.abs(ends[i] - ends[j]) > APART * scales).any() for j in chosen):
            chosen.append(int(i))
        if len(chosen) == MAX_FURTHER:
            break
    return ends[chosen]


def colder_draws(coords: Coordinates, modes: Sequence[Gaussian], rng: np.random.Generator) -> np.ndarray:
    """Return draws from the modes' Gaussians, shrunk, at which there is more density than these explain."""
    return _surprising(coords, modes, COLDER, DRAW_WORK, rng)


def hotter_draws(coords: Coordinates, modes: Sequence[Gaussian], rng: np.random.Generator) -> np.ndarray:
    """Return the same of draws from the modes' Gaussians, widened: one in a million meets a narrow mode far away."""
    if not MIN_DIMENSION <= coords.dimension <= MAX_HOT:
        return np.zeros((0, coords.dimension))
    return _surprising(coords, modes, HOTTER, HOT_WORK, rng)


def _surprising(
    coords: Coordinates, modes: Sequence[Gaussian], widths: Sequence[float], work: float, rng: np.random.Generator
) -> np.ndarray:
    found, most = list[tuple[float, np.ndarray]](), work / max(coords.work, LEAST_WORK) / (len(widths) * len(modes))
    for mode in modes:
        for width in widths:
            num = int(np.clip(most, 32, MAX_DRAWS))
            blocks = [_most_surprising(coords, modes, mode, width, n, rng) for n in _in_blocks(num)]
            surprise, x, usual = max(blocks, key=lambda block: block[0])
            # A mode is no exact Gaussian; what counts is a peak among the draws. Very near its middle it is one.
            if surprise > SURPRISE + (0.0 if width == COLDER[-1] else UNUSUAL * max(usual, 0.0)):
                found.append((surprise, x))
    found.sort(key=lambda pair: -pair[0])
    return np.array([x for _, x in found[:MAX_FURTHER]]).reshape(-1, coords.dimension)


def _most_surprising(
    coords: Coordinates, modes: Sequence[Gaussian], mode: Gaussian, width: float, num: int, rng: np.random.Generator
) -> tuple[float, np.ndarray, float]:
    """Return how far log f is above what all modes explain at its most, where, and what the highest percent shows."""
    x = mode.position + width * rng.standard_normal((num, coords.dimension)) @ mode.scale.T
    surprise = coords.log_density_many(x) - np.logaddexp.reduce([_log_gaussian(m, x) for m in modes])
    best = int(np.argmax(surprise))
    return float(surprise[best]), x[best], float(np.quantile(surprise, 0.99))


def _in_blocks(num: int) -> list[int]:
    return [min(BLOCK, num - first) for first in range(0, num, BLOCK)]


def _log_gaussian(mode: Gaussian, x: np.ndarray) -> np.ndarray:
    half = 0.5 * (np.linalg.solve(mode.scale, (x - mode.position).T) ** 2).sum(axis=0)
    return np.asarray(mode.log_density - half)


def spread_starts(coords: Coordinates, prior: np.ndarray, num: int, rng: np.random.Generator) -> np.ndarray:
    """Return starts of short runs: draws from the prior and wide guesses, in equal parts."""
    inside = np.isfinite(prior).all(axis=1) & (np.abs(prior) < FARTHEST).all(axis=1)
    prior = prior[inside][: num // 2]
    wide = rng.uniform(-WIDEST, WIDEST, size=(num - len(prior), coords.dimension))
    return np.concatenate([prior, wide])


def unseen_share(owner: np.ndarray) -> float:
    """Return Good and Turing's estimate of the share of starts that lead to modes never met: those met once, over all.

    >>> unseen_share(np.array([0, 0, 1, 0, 2, -1]))
    0.4
    """
    met = owner[owner >= 0]
    return float((np.bincount(met) == 1).sum() / len(met)) if len(met) else 0.0


def annealed(coords: Coordinates, prior: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return where particles (n, d) from the prior walk to while the likelihood is raised to powers from 0 to 1.

    Sequential Monte Carlo (Del Moral, Doucet & Jasra 2006) with random-walk moves: at low powers particles cross
    between modes, and one that meets a narrow and massive mode is copied there. It is a search, not an estimate.
    """
    x = prior[np.isfinite(prior).all(axis=1) & (np.abs(prior) < FARTHEST).all(axis=1)]
    if len(x) < MIN_PARTICLES:
        return np.zeros((0, coords.dimension))
    flat, level = _flat_and_level(coords, x)
    power = 0.0
    for _ in range(MAX_POWERS):
        ahead = _next_power(level, power)
        log_weight = (ahead - power) * level
        weight = np.exp(log_weight - log_weight.max())
        chosen = rng.choice(len(x), size=len(x), p=weight / weight.sum())
        x, flat, level, power = x[chosen], flat[chosen], level[chosen], ahead
        for _ in range(NUM_MOVES):
            x, flat, level = _moved(coords, x, flat, level, power, rng)
        if power == 1.0:
            break
    return x


def num_particles(coords: Coordinates, few: bool = False) -> int:
    """Return how many particles an annealed search may have; none where densities are expensive, or dimensions few.

    With `few` dimensions need not be many: where no quadrature looks everywhere.
    """
    if not (few or coords.dimension >= MIN_DIMENSION) or coords.dimension > MAX_ANNEALED:
        return 0
    most = int(ANNEALED_WORK / (USUAL_POWERS * NUM_MOVES * max(coords.work, LEAST_WORK)))
    return 0 if most < MIN_PARTICLES else min(most, MAX_PARTICLES)


def _flat_and_level(coords: Coordinates, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the log prior of positions, Jacobian included, and the log likelihood; −∞ for what is no number."""
    prior, likelihood, log_det = coords.log_parts_many(x).T
    with np.errstate(invalid="ignore"):
        flat = prior + log_det
    bad = ~np.isfinite(flat) | np.isnan(likelihood) | (likelihood == np.inf)
    return np.where(bad, -np.inf, flat), np.where(bad, -np.inf, likelihood)


def _next_power(level: np.ndarray, power: float) -> float:
    """Return the power at which half of the particles count: by bisection, of its logarithm."""

    def effective(ahead: float) -> float:
        log_weight = (ahead - power) * level
        weight = np.exp(log_weight - log_weight.max())
        return float(weight.sum() ** 2 / (weight**2).sum() / np.isfinite(level).sum())

    if not np.isfinite(level.max()) or effective(1.0) >= HALF:
        return 1.0
    low, high = np.log(max(power, 1e-12)), 0.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if effective(float(np.exp(middle))) > HALF else (low, middle)
    return float(np.exp(high))


def _moved(
    coords: Coordinates, x: np.ndarray, flat: np.ndarray, level: np.ndarray, power: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return particles after one random-walk step of a size that differs between them."""
    d = x.shape[1]
    covariance = np.atleast_2d(np.cov(x.T)) + 1e-10 * np.eye(d)
    size = 2.38 / np.sqrt(d) * np.exp(rng.uniform(np.log(0.05), np.log(1.5), len(x)))
    there = x + size[:, None] * (rng.standard_normal(x.shape) @ np.linalg.cholesky(covariance).T)
    flat_there, level_there = _flat_and_level(coords, there)
    with np.errstate(invalid="ignore"):
        gain = flat_there - flat + power * (level_there - level)
    taken = (np.log(rng.random(len(x))) < gain) & np.isfinite(level_there)
    return np.where(taken[:, None], there, x), np.where(taken, flat_there, flat), np.where(taken, level_there, level)

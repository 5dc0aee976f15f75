"""The evidence by importance sampling: fresh draws from a fitted proposal, and the k-hat of their weights."""

import time

import numpy as np

from ..diagnostics import pareto_k
from ..records import MAX_TRUSTED_ERROR, Evidence
from .routes import GOOD_ENOUGH, PER_ROUND, ROUNDS, Route, Weighed, mean_weight, plain, straightened
from .workbench import Workbench

AIM = 0.005  # the standard error that final draws are to bring
FEWEST, MOST = 2**13, 2**15  # final draws
TERMS = 2e8  # densities times observations, that final draws may take
LARGEST_K_HAT = 0.7  # Vehtari et al. 2024: above it the error bar itself cannot be believed
SMALLEST_EFFICIENCY = 0.01
ALONE = 0.1  # efficiency from which no second proposal is needed
SECOND = 0.02  # efficiency from which another proposal can bear out the best
APART = 3.0  # standard errors between two proposals
MISSED, LARGEST_MISSED = 20.0, 0.02  # times too little of the proposal; the share of a chain's draws where that may be
FEW_DRAWS = 500


def estimate(bench: Workbench) -> Evidence:
    """Return log (1/n) Σ f(xᵢ)/q(xᵢ), xᵢ ~ q, with the delta-method standard error.

    q is a mixture of Student-t's over every mode found and over draws where some are at hand, with a share of the prior
    (Hesterberg 1995), in coordinates that are as nearly normal as they come; it is adapted in a few rounds (Cappé et
    al. 2008) and then frozen, so that the final draws are independent of it.
    """
    started = time.perf_counter()
    before = bench.coords.num_evaluations
    rng = bench.rng("importance")
    routes = _routes(bench, rng)
    if not routes:
        why = f"there is nothing to build a proposal on: {bench.laplace.message}, and no draws"
        return Evidence("importance", np.nan, np.inf, 0, time.perf_counter() - started, False, (why,))
    (best, pilot), *others = sorted(routes, key=lambda r: -r[1].efficiency)
    final = best.draw(rng, _num_final(best, pilot.efficiency))
    if not np.isfinite(final.log_weights.max()):
        why = "no draw of the proposal had a finite density"
        return Evidence("importance", np.nan, np.inf, 0, time.perf_counter() - started, False, (why,))
    bench.saw(final.positions, final.log_weights)
    value, error = mean_weight(final.log_weights)
    doubts = _doubts(bench, best, final, value, error)
    doubts += _contradictions(rng, others, value, error, final.efficiency)
    num_evaluations = bench.coords.num_evaluations - before
    seconds = time.perf_counter() - started
    return Evidence("importance", value, error, num_evaluations, seconds, not doubts, tuple(doubts))


def _routes(bench: Workbench, rng: np.random.Generator) -> list[tuple[Route, Weighed]]:
    """Return every route worth trying, adapted, with its last draws: more than one where the first is not good."""
    draws = bench.nuts.positions if bench.has_draws else None
    first = plain(bench, draws)
    found = [] if first is None else [first.adapted(rng)]
    if found and found[0][1].efficiency > GOOD_ENOUGH:
        return found
    if draws is None and found:
        draws = _resampled(found[0][1], rng)
    if draws is not None:
        second = straightened(bench, draws)
        if second is not None:
            found.append(second.adapted(rng))
    return found


def _resampled(drawn: Weighed, rng: np.random.Generator) -> np.ndarray | None:
    """Return draws from the posterior, resampled by their weights, as one chain; None where there are too few."""
    finite = np.isfinite(drawn.log_weights)
    if drawn.efficiency * len(finite) < 10 * drawn.positions.shape[1]:
        return None
    weight = np.exp(drawn.log_weights[finite] - drawn.log_weights[finite].max())
    chosen = rng.choice(np.flatnonzero(finite), size=2000, p=weight / weight.sum())
    return drawn.positions[chosen][None]


def _num_final(route: Route, efficiency: float) -> int:
    wanted = (1 / max(efficiency, 1e-6) - 1) / AIM**2
    fewest = min(FEWEST, 2 * route.per_round)
    affordable = max(TERMS / max(route.terms, 1), fewest)
    return int(2 ** np.ceil(np.log2(np.clip(wanted, fewest, min(MOST, affordable)))))


def _doubts(bench: Workbench, route: Route, final: Weighed, value: float, error: float) -> list[str]:
    k_hat, doubts = pareto_k(final.log_weights), []
    if not k_hat < LARGEST_K_HAT:
        doubts.append(f"Pareto k-hat is {k_hat:.2f} (should be below {LARGEST_K_HAT}): the proposal misses a tail")
    if final.efficiency < SMALLEST_EFFICIENCY:
        doubts.append(f"only {final.efficiency:.1%} of the draws count: the proposal does not fit")
    if error > MAX_TRUSTED_ERROR:
        doubts.append(f"the standard error is {error:.2f} (should be below {MAX_TRUSTED_ERROR})")
    if bench.has_draws:
        positions = bench.nuts.positions.reshape(-1, final.positions.shape[1])
        some = positions[:: max(len(positions) // FEW_DRAWS, 1)]
        missed = float((route.weigh(some) > value + np.log(MISSED)).mean())
        if missed > LARGEST_MISSED:
            doubts.append(f"{missed:.0%} of the chains' draws lie where the proposal has too little mass")
    return doubts


def _contradictions(
    rng: np.random.Generator, others: list[tuple[Route, Weighed]], value: float, error: float, efficiency: float
) -> list[str]:
    """Hold the value against that of every other proposal which could tell; below some efficiency one has to.

    A proposal that misses mass errs low: a higher value, whatever its weights, speaks against this one, a lower one
    against the other; only one whose own weights are sound can bear it out.
    """
    said, heard = [], 0
    for route, pilot in others:
        drawn = route.draw(rng, 2 * route.per_round).log_weights
        other, noise = mean_weight(drawn)
        allowed = APART * np.hypot(noise, error)
        sound = pilot.efficiency > SECOND and pareto_k(drawn) < LARGEST_K_HAT
        heard += sound and abs(other - value) <= allowed
        if other - value > allowed:
            said.append(f"another proposal ({route.name}) finds more: {other:.3f} ± {noise:.3f} instead of {value:.3f}")
    if efficiency < ALONE and not heard:
        said.append(f"only {efficiency:.1%} of the draws count, and no second proposal is good enough to bear it out")
    return said


def num_predicted(bench: Workbench) -> float:
    """Return the densities it takes at most, before anything is known of the posterior."""
    adapting = 2 * (ROUNDS + 1) * PER_ROUND  # of two proposals
    return float(adapting + MOST + 2 * PER_ROUND)

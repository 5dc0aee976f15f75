"""The evidence by randomised quasi-Monte Carlo: importance sampling from points that keep clear of one another."""

import time

import numpy as np

from ..diagnostics import pareto_k
from ..progress import progress_of
from ..proposals import HEAVY, StudentMixture, adapted, from_humps, from_positions, joined
from ..quadrature import affordable
from ..quadrature.frames import Frame
from ..records import MAX_TRUSTED_ERROR, Evidence
from .importance import LARGEST_K_HAT, SMALLEST_EFFICIENCY
from .workbench import Workbench

RANDOMISATIONS = 16
# A mean of 16 over its standard error follows Student's t with 15 degrees of freedom, of variance 15/13.
WIDENED = float(np.sqrt((RANDOMISATIONS - 1) / (RANDOMISATIONS - 3)))
ROUNDS, PER_ROUND = 4, 4096  # of fitting the proposal
FIRST = 2**8  # points of each randomisation, doubled until the error is small enough
PIECE = 2**12  # points of each laid out at a time
SMALLEST = 2 * FIRST * RANDOMISATIONS  # two sizes of point sets
MOST_SCOUTS = 2**16  # draws of the prior, as many as there are points, that look for what the proposal overlooks
LARGEST = 2**21  # densities altogether
TOLERANCE = 1e-4
RESOLUTION = 2.0**-30  # of SciPy's Sobol' points
NO_TAIL = 10.0  # times their mean: of 8,000 weights with a k of 0.7, the largest would be near 8,000^0.7 = 500 times
FORSAKEN = 100.0  # f/q over its mean at which the proposal is said to have next to nothing


class Cloud:
    """Independently scrambled Sobol' sequences, carried through a proposal q in a frame, with log f/q at each point."""

    def __init__(self, bench: Workbench, frame: Frame, proposal: StudentMixture, rng: np.random.Generator):
        from scipy.stats import qmc

        self._bench, self._frame, self._proposal, self._rng = bench, frame, proposal, rng
        dimension = proposal.centres.shape[1] + 2
        self._sequences = [qmc.Sobol(dimension, rng=child) for child in rng.spawn(RANDOMISATIONS)]
        self.log_weights = np.empty((RANDOMISATIONS, 0))

    @property
    def size(self) -> int:
        return self.log_weights.size

    def grow(self) -> float:
        """Double the points of each sequence, or begin; return the seconds it took."""
        started = time.perf_counter()
        n = self.log_weights.shape[1] or FIRST
        for _ in range(-(-n // PIECE)):
            cube = np.concatenate([sequence.random(min(n, PIECE)) for sequence in self._sequences])
            z = self._proposal.from_cube(cube + RESOLUTION / 2)  # never 0 or 1
            new = log_density(self._bench, self._frame, z) - self._proposal.log_density(z)
            self._bench.saw(self._frame.position(z), new)
            self.log_weights = np.concatenate([self.log_weights, new.reshape(RANDOMISATIONS, -1)], axis=1)
        return time.perf_counter() - started

    def mean(self) -> tuple[float, float]:
        """Return log (mean weight) and its standard error over randomisations; NaN and ∞ where there is none."""
        peak = self.log_weights.max()
        if not np.isfinite(peak):
            return np.nan, np.inf
        means = np.exp(self.log_weights - peak).mean(axis=1)
        error = means.std(ddof=1) / means.mean() / np.sqrt(RANDOMISATIONS)
        return float(peak + np.log(means.mean())), max(WIDENED * float(error), 1e-12)

    @property
    def num_scouts(self) -> int:
        return min(self.size, MOST_SCOUTS)

    def doubts(self, allowed: float) -> list[str]:
        """Return every reason not to believe the mean, in a sentence each; a share of mass `allowed` may be missed."""
        value, _ = self.mean()
        if not np.isfinite(value):
            return ["no point of the proposal had a finite density, or one had an infinite one"]
        log_weights = self.log_weights.ravel()
        weight = np.exp(log_weights - log_weights.max())
        efficiency = weight.sum() ** 2 / (weight**2).sum() / len(weight)
        k_hat, doubts = pareto_k(log_weights), []
        if not k_hat < LARGEST_K_HAT and weight.max() > NO_TAIL * weight.mean():
            doubts.append(f"Pareto k-hat is {k_hat:.2f} (should be below {LARGEST_K_HAT}): the proposal misses a tail")
        if efficiency < SMALLEST_EFFICIENCY:
            doubts.append(f"only {efficiency:.1%} of the points count: the proposal does not fit")
        share = self._overlooked(value)
        if share > allowed:
            doubts.append(f"draws of the prior found {share:.2g} of that again where the proposal has next to nothing")
        return doubts

    def _overlooked(self, value: float) -> float:
        """Return the mass where f/q is far above its mean, by draws of the prior, as a share of what was found.

        A proposal built on the modes that were found says nothing of those that were not; its weights look healthy.
        """
        coords = self._bench.coords
        positions = coords.prior_positions(int(self._rng.integers(2**31)), self.num_scouts)
        positions = positions[np.isfinite(positions).all(axis=1)]
        if not len(positions):
            return 0.0
        parts = coords.log_parts_many(positions)
        with np.errstate(invalid="ignore"):
            log_f = parts.sum(axis=1) + self._frame.log_det
        log_ratio = log_f - self._proposal.log_density(self._frame.inverse(positions)) - value
        forsaken = parts[log_ratio > np.log(FORSAKEN), 1] - value
        return float(np.exp(np.minimum(forsaken, 700.0)).sum() / self.num_scouts)


def estimate(bench: Workbench) -> Evidence:
    """Return log (1/Rn) Σᵣ Σᵢ f(xᵣᵢ)/q(xᵣᵢ), the xᵣ scrambled Sobol' points carried through q, and its standard error.

    q is a mixture of Student-t's over every mode found (and over draws, where some are at hand), fitted in a few rounds
    and then frozen. Scrambled points fill the cube evenly, so that the error of a smooth integrand falls faster than
    n^(−½) (Owen 1997); that the R scramblings are independent makes it measurable (L'Ecuyer & Lemieux 2002, section 2).
    """
    started = time.perf_counter()
    first = _first(bench)
    if first is None:
        return _declined(f"there is nothing to build a proposal on: {bench.laplace.message}, and no draws", started)
    most, rate = affordable(bench.coords, LARGEST, bench.budget.left)
    needed = ROUNDS * PER_ROUND + 2 * SMALLEST
    if needed > most:
        why = (
            f"a fitted proposal, the two smallest point sets and their check take {needed:,} densities, and "
            f"{most:,.0f} fit the budget at {rate:.1e} per second; raise the budget, or use laplace instead"
        )
        return _declined(why, started)
    # Whitened, so that a covariance from few draws is shrunk towards the first one, not towards independence.
    frame, rng = Frame(first.centres[0], first.scales[0]), bench.rng("rqmc")
    proposal, near = adapted(
        lambda z: log_density(bench, frame, z),
        first.whitened(frame.centre, frame.scale),
        rng,
        rounds=ROUNDS,
        num_draws=PER_ROUND,
    )
    cloud = Cloud(bench, frame, proposal, rng)
    _grow(bench, cloud)
    return _judged(bench, cloud, frame.position(near), started)


def log_density(bench: Workbench, frame: Frame, z: np.ndarray) -> np.ndarray:
    """Return the log density of a frame's z (n, d)."""
    return bench.coords.log_density_many(frame.position(z)) + frame.log_det


def _declined(why: str, started: float) -> Evidence:
    return Evidence("rqmc", np.nan, np.inf, 0, time.perf_counter() - started, False, (why,))


def _first(bench: Workbench) -> StudentMixture | None:
    modes = from_humps(bench.laplace.humps, HEAVY) if bench.laplace.humps else None
    if not bench.has_draws:
        return modes
    drawn = from_positions(bench.nuts.positions.reshape(-1, bench.coords.dimension))
    return drawn if modes is None else joined(modes, drawn)


def _grow(bench: Workbench, cloud: Cloud) -> None:
    """Double the cloud until its error is below the tolerance, or until twice as many would cost too much."""
    cloud.grow()
    with progress_of(bench.progress).task("randomised quasi-Monte Carlo", LARGEST) as advance:
        while True:
            spent = cloud.grow()
            value, error = cloud.mean()
            advance(cloud.size // 2, f"log p(D) ≈ {value:.4f} ± {error:.1g}")
            too_many = ROUNDS * PER_ROUND + 2 * cloud.size + MOST_SCOUTS > LARGEST
            if error < TOLERANCE or 2 * spent > bench.budget.left or too_many:
                return


def _judged(bench: Workbench, cloud: Cloud, near: np.ndarray, started: float) -> Evidence:
    value, error = cloud.mean()
    doubts = cloud.doubts(allowed=4 * error)
    if np.isfinite(value):
        doubts += bench.unvisited_modes(near, value)
        if error > MAX_TRUSTED_ERROR:
            doubts.append(f"the standard error is {error:.2f} (should be below {MAX_TRUSTED_ERROR})")
    count = ROUNDS * PER_ROUND + cloud.size + cloud.num_scouts
    return Evidence("rqmc", value, error, count, time.perf_counter() - started, not doubts, tuple(doubts))


def num_predicted(bench: Workbench) -> float:
    """Return the densities it takes at most, before anything is known of the posterior."""
    return float(LARGEST)

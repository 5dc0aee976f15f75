"""Random points from a proposal that fits: draws, the integral again, and what the proposal overlooks."""

import numpy as np

from ..diagnostics import pareto_k
from ..proposals import Proposal
from .job import Job
from .posterior import MOST_REVEALED, NUM_PROPOSED, Drawn

LARGEST_K_HAT, LARGEST_ERROR = 0.7, 0.02  # of the random points that check a sum
FORSAKEN = 20.0  # f/q over the integral at which a proposal has next to nothing


def draw_from_proposal(job: Job, proposal: Proposal, log_value: float, shape: tuple[int, int]) -> Drawn:
    """Draw from a proposal, weigh by the truth, and keep draws by their weight.

    The mean weight is the integral again, by points that are no nodes; prior draws where the proposal has next to
    nothing tell of mass that it overlooks.
    """
    x = proposal.sample(job.rng, job.coords.worth(*NUM_PROPOSED))
    log_weights = job.coords.log_density_many(x) - proposal.log_density(x)
    weight = np.exp(log_weights - log_weights.max())
    mean, size = weight.mean(), shape[0] * shape[1]
    error = float(weight.std() / mean / np.sqrt(len(weight)))
    kept = job.rng.choice(len(weight), size=size, p=weight / weight.sum())
    unseen, revealed = _overlooked(job, proposal, log_value)
    return Drawn(
        positions=x[kept].reshape(*shape, -1),
        ess=float(weight.sum() ** 2 / (weight**2).sum() / len(weight) * size),
        log_evidence=float(log_weights.max() + np.log(mean)),
        standard_error=error,
        unseen=unseen,
        revealed=np.concatenate([revealed, x[np.argsort(-log_weights)[:MOST_REVEALED]]]),
        doubts=tuple(_check_the_check(log_weights, error)),
    )


def _check_the_check(log_weights: np.ndarray, error: float) -> list[str]:
    k_hat = pareto_k(log_weights)
    if k_hat < LARGEST_K_HAT and error < LARGEST_ERROR:
        return []
    return [f"the random points that check it say little: ± {error:.1g}, Pareto k-hat {k_hat:.2f}"]


def _overlooked(job: Job, proposal: Proposal, log_value: float) -> tuple[float, np.ndarray]:
    """Return the mass that prior draws find where the proposal has next to nothing, and the highest such points."""
    points = job.points.finite()
    log_ratio = points.log_density - proposal.log_density(points.positions) - log_value
    forsaken = np.flatnonzero(log_ratio > np.log(FORSAKEN))
    highest = points.positions[forsaken[np.argsort(-points.log_density[forsaken])[:MOST_REVEALED]]]
    if job.model.improper or not len(job.prior):
        return 0.0, highest
    parts = job.coords.log_parts_many(job.prior)
    with np.errstate(invalid="ignore"):
        log_f = parts.sum(axis=1)
        here = log_f - proposal.log_density(job.prior) - log_value > np.log(FORSAKEN)
    return float(np.exp(np.minimum(parts[here, 1] - log_value, 50.0)).sum() / len(job.prior)), highest

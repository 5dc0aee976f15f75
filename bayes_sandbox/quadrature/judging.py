"""What speaks against a sum, and which of several to believe."""

from dataclasses import replace

import numpy as np

from ..proposals import HEAVY, from_humps
from .cell_integral import LOST
from .cell_posterior import draw_from_cells
from .choose import attempts
from .given import GivenIntegral
from .given_posterior import draw_given
from .integral import CellIntegral, Integral, MixtureIntegral, TensorIntegral, Tolerance
from .job import Job
from .ladder import heaviest_node
from .posterior import FEWEST_ALONG, MESH, NUM_CHAINS, NUM_DRAWS, NUM_PROPOSED, Drawn, draw_from_grid
from .proposed import draw_from_proposal
from .slices import SlicesIntegral

LOST_DIGITS = 0.01  # of a log density in float32: beyond it, no mean of them can be relied on
UNSEEN_SHARE = 1e-5  # of the integral: below it, points and nodes need not be reconciled
HALF = 0.5  # of an error: rounding is what it is made of
MOST_RESTARTS = 3  # times that new modes start it all over

Tried = tuple[Integral, Drawn, list[str]]


def try_rules(rule: str, job: Job) -> list[Tried]:
    """Return what each rule made of it, up to the first that nothing speaks against.

    Where points reveal what nodes did not see, they are climbed from; a new mode starts it all over.
    """
    tried: list[Tried] = []
    for _ in range(MOST_RESTARTS):
        for integral in attempts(rule, job):
            drawn = _draw(job, integral)
            integral = _charged(integral, drawn.lost, job.smooth)
            if not integral.settled and job.rounding.floor > HALF * integral.error:
                integral = replace(integral, unresolved=job.rounding.sentence)
            if job.single and isinstance(integral, TensorIntegral | MixtureIntegral):
                integral = _in_double(job, integral, drawn)
            if job.coords.worth(*NUM_PROPOSED) < NUM_PROPOSED[0]:  # a check by fewer points sees less
                integral = replace(integral, error=integral.error + drawn.standard_error)
            doubts, diverges = _doubts(job, integral, drawn), job.diverges(integral.log_value)
            if diverges:
                integral = replace(integral, error=np.inf)
            tried.append((integral, drawn, diverges + doubts))
            if not doubts or diverges:
                return tried
            revealed = drawn.revealed
            if isinstance(integral, TensorIntegral) and integral.whitened:
                revealed = np.concatenate([revealed, heaviest_node(integral)])
            if job.learn(revealed):
                break
        else:
            break
    return tried


def _charged(integral: Integral, lost: float, tolerance: Tolerance) -> Integral:
    """Return the sum with an error that counts what may lie where digits have run out."""
    error = integral.error + LOST * lost
    if error < tolerance.enough or not lost or not integral.settled:
        return replace(integral, error=error)
    why = f"{lost:.1g} of the integral lies where float64 cannot tell a parameter from its edge"
    return replace(integral, error=error, settled=False, unresolved=why)


def _in_double(job: Job, integral: Integral, drawn: Drawn) -> Integral:
    """Return a sum over densities in float32 as that in float64, log E[f₆₄/f₃₂] over draws from it higher.

    The draws come from a picture of the sum, not from itself, and there are so many: both are part of the error.
    """
    lost = job.coords.lost_in_single(drawn.positions.reshape(-1, job.model.dimension))
    digits = float(np.abs(lost).max())
    if not digits < LOST_DIGITS:  # NaN, too
        why = f"float32 has too few digits here (a log density is off by {digits:.1g}): use precision='float64'"
        return replace(integral, error=np.inf, settled=False, unresolved=why)
    back = float(np.log(np.exp(lost).mean()))
    error = integral.error + 0.1 * abs(back) + 4 * float(lost.std()) / np.sqrt(len(lost))
    why = f"{integral.why}; densities in float32, which cost {abs(back):.0e} that was given back"
    found = replace(integral, log_value=integral.log_value + back, error=error, why=why)
    if error < job.smooth.enough or not integral.settled:
        return found
    short = f"float32 leaves the sum open by {error:.1g}, more than the tolerance: use precision='float64'"
    return replace(found, settled=False, unresolved=short)


def _draw(job: Job, integral: Integral) -> Drawn:
    shape = NUM_CHAINS, NUM_DRAWS
    if isinstance(integral, CellIntegral):
        return draw_from_cells(job, integral, shape)
    if isinstance(integral, MixtureIntegral):
        return draw_from_proposal(job, from_humps(integral.humps, HEAVY), integral.log_value, shape)
    if isinstance(integral, SlicesIntegral):
        return draw_from_proposal(job, integral, integral.log_value, shape)
    if isinstance(integral, GivenIntegral):
        return draw_given(job, integral)
    assert isinstance(integral, TensorIntegral)
    mesh = job.coords.worth(max(MESH[0], FEWEST_ALONG**job.model.dimension), MESH[1])
    return draw_from_grid(job.coords, integral, job.points, job.rng, mesh, job.coords.worth(*NUM_PROPOSED))


def most_credible(tried: list[Tried]) -> Tried:
    """Return the attempt to believe most; one that did not settle errs by at least what others differ from it.

    Others count where nothing but their own error speaks against them.
    """
    integral, drawn, doubts = min(tried, key=_rank)
    rivals = [other for other, _, others in tried if set(others) <= {other.unresolved}]
    if not integral.settled and rivals:
        apart = max(abs(other.log_value - integral.log_value) - other.error for other in rivals)
        integral = replace(integral, error=max(integral.error, apart))
    return integral, drawn, doubts


def _rank(tried: Tried) -> tuple[bool, bool, float]:
    """Order attempts: contradicted ones last, settled ones first, then by their error."""
    integral, _, doubts = tried
    return bool(set(doubts) - {integral.unresolved}), not integral.settled, integral.error


def _doubts(job: Job, integral: Integral, drawn: Drawn) -> list[str]:
    """Return every reason not to believe the sum; an empty list is what makes it converged."""
    doubts = [*([integral.unresolved] if integral.unresolved else []), *drawn.doubts]
    gap = abs(drawn.log_evidence - integral.log_value)
    if not gap < 5 * drawn.standard_error + integral.error + 1e-9:
        doubts.append(
            f"random points between the nodes give {drawn.log_evidence:.4f} ± {drawn.standard_error:.1g}, "
            f"the sum {integral.log_value:.4f}"
        )
    if drawn.unseen > max(integral.error, UNSEEN_SHARE):
        doubts.append(f"points known beforehand reveal {drawn.unseen:.1g} of the integral where the nodes saw nothing")
    if integral.num_bad:
        doubts.append(f"the density was NaN or infinite at {integral.num_bad:,} nodes")
    if isinstance(integral, TensorIntegral) and integral.whitened and len(job.humps) > 1:
        doubts.append("there are several modes, and a Gauss–Hermite ladder agrees with itself while wrong on several")
    return doubts

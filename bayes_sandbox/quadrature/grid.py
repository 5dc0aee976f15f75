"""log p(D) and the posterior of a model with few parameters, by quadrature."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arguments import flag, number, one_of, positions, positive, probabilities
from ..coordinates import Coordinates, coordinates_of
from ..model import Model, require_model
from ..optimization import LaplaceFit, annealed_search, check_laplace, fit_laplace
from ..progress import progress_of
from ..records import MAX_TRUSTED_ERROR, Evidence
from ..seeds import check_seed
from .cell_posterior import cell_marginal
from .choose import CELLS_UP_TO, RULES, affordable, declined_sentence, fits
from .given import GivenIntegral, steering_of
from .given_posterior import given_marginal
from .integral import CellIntegral, Integral, MixtureIntegral, TensorIntegral, Tolerance
from .job import Job, first_frame
from .judging import most_credible, try_rules
from .mixture import mixture_marginal
from .posterior import (
    MESH,
    NUM_PROPOSED,
    Drawn,
    Joint,
    Marginal,
    axis_marginal,
    drawn_marginal,
    joint,
)
from .slices import SlicesIntegral
from .summing import LIKELIHOOD, Summer
from .trapezoid import trapezoid

LONG_AXIS, FEW_NODES = 64, 8e3  # nodes along an axis, and of a sum over what steers, as a rule
MARGINAL_NODES = 1e5, 1e6  # spent on all curves together: at least, at most
MAX_UNSETTLED_ERROR = 0.01  # trusted where a rule ran out of budget: the largest in the problem table is 0.006
MAX_ROUNDING = 1.0  # nats that rounding leaves open, at which nothing is left of the posterior
BLIND = "no rule can rule out a narrow mode outside every basin that was reached"


@dataclass(frozen=True)
class GridFit:
    """The posterior by quadrature.

    `mean` and `sd` are by parameter name, in the user's units; `marginals` by component label; `draws` are
    name → (chain, draw, …) with an effective size of `draws_ess`. `log_integral` is log ∫ p(D|θ) p(θ) dθ, which is
    the evidence where the prior is proper. `edge_mass` is the share on the outermost nodes, `num_nodes` the size of
    the final grid; `laplace` holds the modes known when it was done, which may be more than those it began with. Where
    the fit was declined `skipped` says why, the numbers are NaN and `laplace` is None.
    """

    evidence: Evidence
    log_integral: float
    error: float
    mean: dict[str, np.ndarray]
    sd: dict[str, np.ndarray]
    marginals: dict[str, Marginal]
    joint: Joint
    draws: dict[str, np.ndarray]
    draws_ess: float
    rule: str
    num_nodes: int
    edge_mass: float
    converged: bool
    skipped: str
    message: str
    num_evaluations: int
    seconds: float
    laplace: LaplaceFit | None

    def quantile(self, probability: float) -> dict[str, float]:
        """Return, for each component, the value below which this much of the posterior lies.

        Raises
        ------
        ArgumentError
            For what is no probability.
        """
        probabilities(number(probability, "probability"), "probability")
        return {label: float(m.quantile(probability)) for label, m in self.marginals.items()}

    def to_datatree(self) -> Any:
        """Return an xarray DataTree: `posterior` (draws through the grid), `grid` (curves, moments), `evidence`."""
        from ..datatree import grid_datatree

        return grid_datatree(self)


def fit_grid(
    model: Model,
    *,
    rule: str = "auto",
    tolerance: float | None = None,
    precision: str = "float64",
    max_evaluations: float = 1e7,
    budget: float = 120.0,
    seed: Any = 0,
    laplace: LaplaceFit | None = None,
    draws: np.ndarray | None = None,
    progress: bool = False,
) -> GridFit:
    """Compute log p(D) = log ∫ p(D|θ) p(θ) dθ and the posterior, by summing over a grid.

    Parameters
    ----------
    rule
        `"gauss-hermite"`: whitened at the mode, a ladder of rules, for one smooth hump. `"trapezoid"`: nested, for any
        smooth density of few parameters. `"cells"`: subdivision, for any density of up to five parameters, smooth or
        not, one hump or many. `"auto"` tries the smooth rules first (around every mode where there are several, along
        the ridge or over the sheet where there is one), holds each against points that are no nodes, and goes on to
        cells where one is in doubt. Where all is exactly a normal given one to three coordinates, as a hierarchy with
        normal observations is given its scales, it sums over these alone, in any dimension.
    tolerance
        The error of log p(D) at which to stop. By default 1e-6 for the smooth rules, whose error falls exponentially,
        and for cells 1e-5 while that is cheap and 1e-4 after.
    precision
        `"float32"`: the smooth rules ask the density in half the digits, at up to twice the speed (on a GPU more), and
        sum in float64. What that costs is measured at draws in float64, given back, and part of the error; where
        float32 has too few digits the sum says so.
    max_evaluations, budget
        Densities, and seconds, that it may take; beyond them it does not start, or stops with what it has.
    laplace
        A Laplace fit already at hand.
    draws
        Unconstrained positions of a NUTS run, (…, dimension): further points that the cells must explain.

    Returns
    -------
    GridFit
        `evidence.error` bounds |estimate − truth| as far as two shifted sums, or two rungs, can tell; it is trusted
        only if it settled and random points between the nodes do not contradict it.

    Raises
    ------
    ModelError
        Where `model` is not a `Model`, or is a program that has no float32 and is asked for in it.
    ArgumentError
        For a rule or precision that does not exist, numbers that are not positive, draws that are no positions of this
        model, and a Laplace fit of another one.

    Examples
    --------
    >>> import numpyro.distributions as dist
    >>> from bayes_sandbox import Model, fit_grid
    >>> urn = Model({"p": dist.Beta(1, 1)}, lambda p: dist.Binomial(10, p), observed=2)
    >>> fit = fit_grid(urn)
    >>> round(fit.evidence.log_evidence, 8), round(float(fit.mean["p"]), 8)  # −log 11 and 3/12
    (-2.39789527, 0.25)
    """
    require_model(model)
    one_of(rule, "rule", RULES)
    one_of(precision, "precision", ("float64", "float32"))
    if tolerance is not None:
        tolerance = positive(tolerance, "tolerance", example=1e-6)
    max_evaluations = positive(max_evaluations, "max_evaluations", infinite=True, example=1e7)
    budget = positive(budget, "budget", infinite=True, example=120)
    flag(progress, "progress")
    check_seed(seed)
    if draws is not None:
        draws = positions(draws, "draws", model.dimension)
    check_laplace(laplace, model)
    started = time.perf_counter()
    coords = coordinates_of(model)
    max_nodes, rate = affordable(coords, max_evaluations, budget)
    before = coords.num_evaluations
    few = steering_of(model, coords, seed) if rule == "auto" and model.dimension > CELLS_UP_TO else None
    if not few and not fits(model.dimension, max_nodes):
        return declined(model, declined_sentence(model.dimension, max_nodes, rate), started)
    laplace = laplace or annealed_search(model, fit_laplace(model, seed=seed), seed)
    job = Job(
        model, coords, laplace, tolerance, max_nodes, seed, draws, progress_of(progress), precision == "float32", few
    )
    job.count_from(before)
    if job.frame is None and not len(job.points.finite().positions):
        return declined(model, "no point tried had a finite density; there is nothing to sum", started)
    if rule == "auto":
        job.look_further()
    if diverges := job.diverges():
        return declined(model, diverges[0], started)
    tried = try_rules(rule, job)
    if not tried:
        fitting = fits(model.dimension, max_nodes)
        why = _too_fine(job) if fitting else declined_sentence(model.dimension, max_nodes, rate)
        return declined(model, why, started)
    if job.rounding.floor > MAX_ROUNDING:
        return declined(model, job.rounding.sentence, started)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # a parameter's largest values may overflow
        return _record(job, *most_credible(tried), started)


def integrate_likelihood(
    model: Model, *, tolerance: float = 1e-4, max_evaluations: float = 2e6, seed: Any = 0, laplace: LaplaceFit
) -> tuple[float, str]:
    """Return log ∫ p(D|θ) dθ, the integral people take for the evidence, or NaN with the reason.

    It has the units of the parameters, may be infinite, and knows no prior.
    """
    require_model(model)
    coords = coordinates_of(model)
    if not fits(model.dimension, max_evaluations):
        return np.nan, f"a grid in {model.dimension} dimensions does not fit"
    frame = first_frame(model, coords, laplace, seed)
    if frame is None:
        return np.nan, "no point tried had a finite density"
    summer, close = Summer(coords, LIKELIHOOD), Tolerance(tolerance, tolerance)
    found = trapezoid(coords, summer, frame, laplace.humps, close, max_evaluations, 0.0, beyond_ends=False)
    if found is None or not found.error < 0.01 or found.edge_mass > 1e-6:
        return np.nan, "it does not settle: the likelihood alone falls off too slowly, or not at all"
    return found.log_value, ""


def num_nodes_predicted(model: Model, max_evaluations: float = 1e7) -> float:
    """Return the densities that `auto` takes at most, before anything is known of the posterior: sums and checks.

    Where no grid fits, what a sum over the few that steer would take, should there be any.
    """
    if not fits(model.dimension, max_evaluations):
        return FEW_NODES * (model.dimension + 3.0)
    coords = coordinates_of(model)
    checks = sum(coords.worth(*bounds) for bounds in (MESH, NUM_PROPOSED, MARGINAL_NODES))
    return min(4.0 * LONG_AXIS**model.dimension, max_evaluations) + checks


def _too_fine(job: Job) -> str:
    modes, d = len(job.humps), job.model.dimension
    shape = f"{modes} modes" if modes > 1 else "this posterior's narrow places and long tails"
    return (
        f"{shape} in {d} dimensions need a finer grid than the {job.max_nodes:.1e} nodes that fit the "
        "budget; raise max_evaluations and budget, or use bridge or importance sampling instead"
    )


def _record(job: Job, integral: Integral, drawn: Drawn, doubts: list[str], started: float) -> GridFit:
    coords, model = job.coords, job.model
    draws = coords.constrain_many(drawn.positions)
    mean, sd = _moments(coords, integral, draws)
    marginals = _marginals(job, integral, draws)
    seconds = time.perf_counter() - started
    images = f"{job.laplace.images}; " if job.laplace.images else ""
    how = f"{integral.rule} ({integral.why}); {images}{_coarse_curves(marginals)}{BLIND}"
    return GridFit(
        evidence=_evidence(model, integral, doubts, job.num_evaluations, seconds),
        log_integral=integral.log_value,
        error=integral.error,
        mean=coords.unflatten(mean),
        sd=coords.unflatten(sd),
        marginals=marginals,
        joint=joint(coords, integral, list(marginals.values())),
        draws=draws,
        draws_ess=drawn.ess,
        rule=integral.rule,
        num_nodes=integral.num_nodes,
        edge_mass=integral.edge_mass,
        converged=integral.settled and not doubts,
        skipped="",
        message="; ".join(doubts) if doubts else f"converged: {how}",
        num_evaluations=job.num_evaluations,
        seconds=seconds,
        laplace=job.laplace,
    )


def _columns(draws: dict[str, np.ndarray]) -> np.ndarray:
    """Return draws of the params, flat: (chain, draw, num_params)."""
    return np.concatenate([v.reshape(*v.shape[:2], -1) for v in draws.values()], axis=-1)


def _moments(coords: Coordinates, integral: Integral, draws: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and sd of the params, flat."""
    if isinstance(integral, GivenIntegral):  # NaN for what more than one coordinate sets
        columns = _columns(draws)
        mean = np.where(np.isnan(integral.mean), columns.mean(axis=(0, 1)), integral.mean)
        return mean, np.where(np.isnan(integral.sd), columns.std(axis=(0, 1)), integral.sd)
    if isinstance(integral, CellIntegral):
        return integral.cut.found.moments()
    if isinstance(integral, MixtureIntegral | SlicesIntegral):
        return integral.mean, integral.sd
    assert isinstance(integral, TensorIntegral)
    sums = integral.sums
    shift = sums.value / sums.total
    variance = np.maximum(sums.square / sums.total - shift**2, 0)
    return coords.flat_at(integral.frame.centre) + shift, np.sqrt(variance)


def _coarse_curves(marginals: dict[str, Marginal]) -> str:
    if any(np.isnan(m.mass) for m in marginals.values()):
        return "some curves are smoothed draws, not sums; "
    worst = max((abs(m.mass - 1) for m in marginals.values() if np.isfinite(m.mass)), default=0.0)
    return f"curves come from coarser sums, off by {worst:.0e} before they were normalised; " if worst > 1e-3 else ""


def _evidence(model: Model, integral: Integral, doubts: list[str], num_evaluations: int, seconds: float) -> Evidence:
    if model.improper:
        name, why = next(iter(model.improper.items()))
        sentence = f"{name!r} has no proper prior ({why}): the evidence is undefined, the posterior is not"
        return Evidence("grid", np.nan, np.inf, num_evaluations, seconds, False, (sentence,))
    # Not settled to the tolerance is a wide answer, not a wrong one; anything else is a contradiction.
    most = MAX_UNSETTLED_ERROR if doubts else MAX_TRUSTED_ERROR
    usable = integral.error < most and doubts in ([], [integral.unresolved])
    return Evidence("grid", integral.log_value, integral.error, num_evaluations, seconds, bool(usable), tuple(doubts))


def _marginals(job: Job, integral: Integral, draws: dict[str, np.ndarray]) -> dict[str, Marginal]:
    own = job.coords.own_axis
    share = job.coords.worth(*MARGINAL_NODES) / max(int((own >= 0).sum()), 1)
    columns = _columns(draws)

    def one(i: int) -> Marginal:
        if own[i] < 0 or isinstance(integral, SlicesIntegral):
            return drawn_marginal(columns[..., i])
        if isinstance(integral, GivenIntegral):
            return given_marginal(integral, i, columns[..., i])
        if isinstance(integral, CellIntegral):
            return cell_marginal(job, integral, i, share) or drawn_marginal(columns[..., i])
        if isinstance(integral, MixtureIntegral):
            return mixture_marginal(job.coords, job.summer, integral, i, share)
        assert isinstance(integral, TensorIntegral)
        return axis_marginal(job.coords, job.summer, integral, i, share)

    return {label: one(i) for i, label in enumerate(job.model.parameters)}


def declined(model: Model, why: str, started: float) -> GridFit:
    """Return the fit of a grid that was not computed, with the reason; `started` is a `time.perf_counter()`."""
    nothing = {n: np.full(s, np.nan) for n, s in model.structure.shapes.items()}
    seconds = time.perf_counter() - started
    return GridFit(
        evidence=Evidence("grid", np.nan, np.inf, 0, seconds, False, (why,)),
        log_integral=np.nan,
        error=np.inf,
        mean=nothing,
        sd=nothing,
        marginals={},
        joint=Joint(np.zeros(0), np.zeros(0), np.zeros((0, 0))),
        draws={n: np.full((0, 0, *s), np.nan) for n, s in model.structure.shapes.items()},
        draws_ess=0.0,
        rule="none",
        num_nodes=0,
        edge_mass=np.nan,
        converged=False,
        skipped=why,
        message=why,
        num_evaluations=0,
        seconds=seconds,
        laplace=None,
    )

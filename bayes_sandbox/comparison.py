"""Do the ways agree? One model, its fits, its evidences, and every contradiction between them."""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from . import arguments
from .checkpoints import NO_CHECKPOINTS, Checkpoints, cached, require_checkpoints
from .document import document, flattened
from .errors import EvidenceError, SamplingError, failure, has_failed, is_internal, suggestion
from .evidence import DEFAULT, SECOND_TRY, Evidence, check_methods, check_options, estimate_with
from .evidence.tempering import LARGEST_DIMENSION
from .evidence.workbench import NUTS_OPTIONS, Workbench
from .model import Model, require_model
from .optimization import LaplaceFit, MAPFit, fit_map, unvisited_modes
from .progress import progress_of
from .quadrature import USUAL_NODES, GridFit, affordable, integrate_likelihood
from .quadrature.tails import DIVERGES
from .sampling import NUTSFit, compiled_beside

APART = 4.0  # standard errors at which two answers contradict each other
SD_APART = 0.05
NEARLY_SETTLED = 1e-3  # nats: moments are good to a few parts in a thousand
NEAR_ENOUGH = 0.3  # nats: the error of an estimate that can confirm another
METHODS = ("map", "grid", "nuts")
RECORDS = (Evidence, MAPFit, LaplaceFit, GridFit, NUTSFit)  # what checkpoints of a comparison contain
_COORDINATES = ("params", "unconstrained")


@dataclass(frozen=True)
class Agreement:
    """Whether the ways agree: True, False, or None where there was nothing to hold against another."""

    evidence: bool | None
    posterior: bool | None
    details: tuple[str, ...]


@dataclass(frozen=True)
class Lesson:
    """Why the integral is hard, for this model: numbers a report shows beside the fits. NaN where unknown.

    `log_occam_factor` is log p(D) − log p(D|θ_MAP): what the prior's width costs. `log_likelihood_integral` is
    log ∫ p(D|θ) dθ, which is not log p(D). `nodes` are (dimension, nodes, seconds) of a grid of nine nodes an axis.
    """

    log_likelihood_at_map: float
    log_occam_factor: float
    log_likelihood_integral: float
    log_likelihood_integral_missing: str
    nodes: tuple[tuple[int, float, float], ...]


@dataclass(frozen=True)
class Comparison:
    """All fits of one model side by side.

    `evidence` lists every estimate, demoted where another trusted one contradicts it; `best` is the trusted one with
    the smallest error, or None. Fits that were not asked for or could not be made are None; `skipped` holds the reason
    for each step that could not be made or failed; `interrupted` names the step during which somebody stopped it, if
    any. `warnings` come in order of importance.
    """

    model: Model
    map: MAPFit | None
    map_unconstrained: MAPFit | None
    laplace: LaplaceFit | None
    grid: GridFit | None
    nuts: NUTSFit | None
    evidence: tuple[Evidence, ...]
    agreement: Agreement
    lesson: Lesson
    skipped: dict[str, str]
    interrupted: str
    warnings: tuple[str, ...]
    settings: dict[str, Any]
    seconds: float

    @property
    def best(self) -> Evidence | None:
        """The trusted estimate with the smallest error; None where none is trusted."""
        trusted = [e for e in self.evidence if e.trusted]
        return min(trusted, key=lambda e: (e.error, e.method != "grid"), default=None)

    def summary(self) -> str:
        """Return what was found as a table of text, 80 columns wide."""
        from .report.tables import text_summary

        return text_summary(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document of the contract: plain numbers, what is not finite is None."""
        return document(self)

    def to_datatree(self) -> Any:
        """Return one xarray DataTree with all of ArviZ's groups, and `map`, `grid`, `evidence`."""
        from .datatree import comparison_datatree

        return comparison_datatree(self)

    def plot(self) -> dict[str, Any]:
        """Return every figure of the report, by name, as matplotlib figures."""
        from .report.figures import figures

        return figures(self.to_datatree(), self.to_dict())

    def report(self, folder: str | Path, *, force: bool = False) -> Path:
        """Write run.json, posterior.nc, summary.csv, plots/*.svg and report.html; return the report's path.

        A folder with files that this package did not write is refused unless `force` is given; they are kept anyway.
        """
        from .report import write_run

        return write_run(self, arguments.folder(folder, "folder"), force=arguments.flag(force, "force"))


def compare(
    model: Model,
    *,
    methods: Iterable[str] = METHODS,
    evidence: Iterable[str] | None = None,
    draws: Any = None,
    checkpoints: Checkpoints = NO_CHECKPOINTS,
    num_warmup: int = 1000,
    num_samples: int = 1000,
    num_chains: int = 4,
    budget: float = 120.0,
    seed: Any = 0,
    progress: bool = False,
) -> Comparison:
    """Fit a model by MAP, grid and NUTS, estimate its evidence by every way asked, and hold the answers together.

    Parameters
    ----------
    methods
        Which posteriors: among `map`, `grid`, `nuts`.
    evidence
        Which estimators of log p(D); an empty sequence for none. By default all that the fits asked for serve, if the
        prior is proper, and `tempering` where none of them is trusted; asked for by name where the prior is improper,
        they raise `ModelError`.
    draws
        A finished NUTS run to use instead of a new one.
    budget
        Seconds for the grid and all estimators together; modes and NUTS, whose length is said in draws, do not count.
    checkpoints
        Where finished results are kept, and recalled from. After an interruption (Ctrl-C) the comparison contains what
        was finished.

    Examples
    --------
    >>> import numpyro.distributions as dist
    >>> from bayes_sandbox import Model, compare
    >>> urn = Model({"p": dist.Beta(1, 1)}, lambda p: dist.Binomial(10, p), observed=2)
    >>> result = compare(urn, methods=["map", "grid"], evidence=["laplace", "grid"])
    >>> result.best.method, round(result.best.log_evidence, 6)
    ('grid', -2.397895)
    """
    require_model(model)
    wanted = _check_fits(methods)
    names = (
        _default_evidence(wanted, draws) if evidence is None else check_methods(evidence, name="evidence", empty=True)
    )
    check_options(model, draws, budget, seed, progress)
    require_checkpoints(checkpoints)
    given = {"num_warmup": num_warmup, "num_samples": num_samples, "num_chains": num_chains}
    options = {n: arguments.integer(v, n, at_least=1, example=NUTS_OPTIONS[n]) for n, v in given.items()}
    if evidence is not None and names:
        model.require_proper("have an evidence")
    started = time.perf_counter()
    bench = Workbench(
        model, seed=seed, draws=draws, budget=budget, progress=progress, nuts_options=options, checkpoints=checkpoints
    )
    run = _Run(bench)
    with _compiled_beside(bench, wanted):
        modes = run.modes() if "map" in wanted else []
        run.step("laplace", lambda: bench.laplace)
    nuts = run.nuts() if "nuts" in wanted or draws is not None else None
    grid = run.step("grid", lambda: bench.grid) if "grid" in wanted else None
    if grid is not None and grid.skipped:
        run.skipped["grid"] = grid.skipped
    estimates = [] if model.improper else [run.evidence(name) for name in names]
    judged, conflicts = _cross_check(estimates)
    unsettled = not run.interrupted and not any(e.trusted for e in estimates) and not _divergences(estimates)
    if unsettled and has_second_try(model, evidence, wanted):
        judged.append(_beside(estimates, run.evidence(SECOND_TRY)))
    posterior, posterior_details = _posterior_agreement(grid, nuts)
    agreement = Agreement(_evidence_agreement(estimates), posterior, (*conflicts, *posterior_details))
    laplace = run.step("laplace", lambda: bench.laplace)
    lesson = run.step("lesson", lambda: _lesson(bench, modes[0] if modes else None, judged))
    result = Comparison(
        model=model,
        map=modes[0] if modes else None,
        map_unconstrained=modes[1] if modes else None,
        laplace=laplace or bench.__dict__.get("laplace"),
        grid=grid,
        nuts=nuts,
        evidence=tuple(judged),
        agreement=agreement,
        lesson=lesson or _no_lesson(run.skipped.get("lesson", "interrupted before it was done")),
        skipped=run.skipped,
        interrupted=run.interrupted,
        warnings=(),
        settings={"seed": _plain_seed(seed), "budget": budget, **options},
        seconds=time.perf_counter() - started,
    )
    return replace(result, warnings=tuple(_warnings(result)))


def _compiled_beside(bench: Workbench, wanted: list[str]) -> AbstractContextManager[None]:
    """Have the sampler compiled while modes are searched, where there will be chains to run."""
    if "nuts" not in wanted or bench.has_draws or bench.checkpoints.recall("nuts") is not None:
        return nullcontext()
    return compiled_beside(bench.model, bench.nuts_options["num_warmup"], bench.nuts_options["num_chains"])


def has_second_try(model: Model, evidence: Iterable[str] | None, methods: Iterable[str]) -> bool:
    """Whether a comparison that was left its own estimators asks one more where it trusts none of them."""
    return evidence is None and "nuts" in methods and not model.improper and model.dimension <= LARGEST_DIMENSION


class _Run:
    """The steps of a comparison; after an interruption none is begun any more, and what was finished stands."""

    def __init__(self, bench: Workbench):
        self._bench, self.skipped, self.interrupted = bench, dict[str, str](), ""

    def step[Made](self, what: str, make: Callable[[], Made]) -> Made | None:
        """Return what a step makes; None after an interruption, or with its reason in `skipped` where it failed.

        A `UserError` is about the arguments and is raised.
        """
        if self.interrupted:
            return None
        try:
            return make()
        except Exception as error:
            if not is_internal(error):
                raise
            self.skipped[what] = str(error) if isinstance(error, SamplingError) else failure(error)
            return None
        except KeyboardInterrupt:
            self.interrupted = what
            return None

    def modes(self) -> list[MAPFit]:
        """Return the MAP in both coordinates, or none."""

        def both() -> list[MAPFit]:
            model, seed = self._bench.model, self._bench.seed
            with progress_of(self._bench.progress).stage("climbing to the mode, in both coordinates"):
                return [fit_map(model, coordinates=c, seed=seed) for c in _COORDINATES]

        return self.step("map", lambda: cached(self._bench.checkpoints, "map", both)) or []

    def nuts(self) -> NUTSFit | None:
        return self.step("nuts", lambda: self._bench.nuts)

    def evidence(self, name: str) -> Evidence:
        found = self.step(name, lambda: estimate_with(self._bench, name))
        return found or Evidence(name, math.nan, math.inf, 0, 0.0, False, ("interrupted before it was done",))


def _check_fits(methods: Iterable[str]) -> list[str]:
    def unknown(name: str) -> EvidenceError:
        return EvidenceError(f"methods: there is no fit {name!r}{suggestion(name, METHODS)}")

    return arguments.names(methods, "methods", METHODS, unknown, empty=True)


def _default_evidence(wanted: list[str], draws: Any) -> list[str]:
    """Return every estimator that needs no fit that was not asked for."""
    missing = {"grid"} - set(wanted)
    if "nuts" not in wanted and draws is None:
        missing.add("bridge")
    return [name for name in DEFAULT if name not in missing]


def _cross_check(estimates: Sequence[Evidence]) -> tuple[list[Evidence], list[str]]:
    """Demote both of every trusted pair that is further apart than its errors allow."""
    judged, said = list(estimates), []
    trusted = [i for i, e in enumerate(estimates) if e.trusted]
    for i, j in combinations(trusted, 2):
        one, other = estimates[i], estimates[j]
        gap, allowed = abs(one.log_evidence - other.log_evidence), APART * math.hypot(one.error, other.error)
        if gap > allowed:
            sentence = (
                f"{one.method} and {other.method} disagree: {one.log_evidence:.4f} ± {one.error:.2g} against "
                f"{other.log_evidence:.4f} ± {other.error:.2g}"
            )
            said.append(sentence)
            judged[i], judged[j] = judged[i].demoted(sentence), judged[j].demoted(sentence)
    return judged, said


def _beside(others: Sequence[Evidence], found: Evidence) -> Evidence:
    """Demote a second try that stands alone: what no other way comes near has been seen by one only.

    An estimate of no precision is near to anything, and says nothing.
    """
    near = [
        e
        for e in others
        if e.error < NEAR_ENOUGH
        and abs(e.log_evidence - found.log_evidence) <= APART * math.hypot(e.error, found.error)
    ]
    if near or not found.trusted:
        return found
    return found.demoted("no other estimate, trusted or not, comes near: one way alone is not believed here")


def _evidence_agreement(estimates: Sequence[Evidence]) -> bool | None:
    if sum(e.trusted for e in estimates) < 2:
        return None
    return not _cross_check(estimates)[1]


def _posterior_agreement(grid: GridFit | None, nuts: NUTSFit | None) -> tuple[bool | None, list[str]]:
    """Hold NUTS means within 4 MCSE and sds within 5 % of the grid's; None where either is missing."""
    if grid is None or nuts is None or not _usable(grid):
        return None, []
    details, unclear = [], []
    mean, sd = flattened(grid.mean), flattened(grid.sd)
    for label, drawn in flattened(nuts.mean).items():
        mcse = nuts.diagnostics.mcse_mean[label]
        if not math.isfinite(mcse):  # a constant, such as a Cholesky factor's zero
            continue
        if abs(mean[label] - drawn) > APART * mcse:
            details.append(f"mean of {label}: NUTS {drawn:.4g} ± {mcse:.2g}, grid {mean[label]:.4g}: beyond 4 MCSE")
    for label, drawn in flattened(nuts.sd).items():
        if abs(sd[label] - drawn) > SD_APART * sd[label]:
            noise = APART * nuts.diagnostics.mcse_sd[label]
            sentence = f"sd of {label}: NUTS {drawn:.4g}, grid {sd[label]:.4g}: more than 5 % apart"
            if abs(sd[label] - drawn) > noise:
                details.append(sentence)
            else:
                unclear.append(f"{sentence}, which so few draws cannot settle")
    return (False if details else None if unclear else True), details + unclear


def _usable(grid: GridFit) -> bool:
    """Whether a grid's moments can be held against draws: it settled, or nearly, and nothing contradicted it."""
    return grid.converged or (grid.evidence.trusted and grid.error < NEARLY_SETTLED)


def _warnings(result: Comparison) -> list[str]:
    """Every alert, the gravest first, each a sentence."""
    said = []
    if result.interrupted:
        said.append(f"interrupted during {result.interrupted}: only what was finished by then is shown")
    said += [f"{name} {why}" for name, why in result.skipped.items() if has_failed(why)]
    for name, why in result.model.improper.items():
        said.append(
            f"p(D) is undefined: {name!r} has no proper prior ({why}); MAP, NUTS and the grid's posterior stand"
        )
    said += _divergences(result.evidence)[:1]
    said += result.agreement.details
    if result.evidence and result.best is None:
        said.append("no evidence estimate is trusted; each says why below")
    if result.map is not None and not result.map.converged:
        said.append(f"MAP {result.map.message}")
    if result.laplace is not None and result.laplace.images:
        said.append(f"{result.laplace.images}; chains may stay in one of them, and means over all of them say little")
    if result.nuts is not None:
        said += [f"NUTS: {c}" for c in result.nuts.diagnostics.complaints]
        said += _missed(result)
    said += [f"{name} skipped: {why}" for name, why in result.skipped.items() if not has_failed(why)]
    if result.grid is not None and not result.grid.skipped and not result.grid.converged:
        said.append(f"grid not converged: {result.grid.message}")
    said += [
        f"{e.method} not trusted: {e.warnings[0]}" for e in result.evidence if not e.trusted and e.method != "grid"
    ]
    return list(dict.fromkeys(said))


def _divergences(estimates: Sequence[Evidence]) -> list[str]:
    """Return why p(D) may not exist, as the estimators say it."""
    return [w for e in estimates for w in e.warnings if DIVERGES in w]


def _lesson(bench: Workbench, fit: MAPFit | None, estimates: Sequence[Evidence]) -> Lesson:
    trusted = min((e for e in estimates if e.trusted), key=lambda e: e.error, default=None)
    at_map = fit.log_likelihood if fit is not None and fit.converged else np.nan
    total, why = integrate_likelihood(bench.model, seed=bench.seed, laplace=bench.laplace)
    _, rate = affordable(bench.coords, np.inf, np.inf)
    sizes = [(d, float(USUAL_NODES) ** d) for d in (1, 2, 5, 10, 20)]
    return Lesson(
        log_likelihood_at_map=at_map,
        log_occam_factor=math.nan if trusted is None else trusted.log_evidence - at_map,
        log_likelihood_integral=total,
        log_likelihood_integral_missing=why,
        nodes=tuple((d, size, size / rate) for d, size in sizes),
    )


def _no_lesson(why: str) -> Lesson:
    return Lesson(math.nan, math.nan, math.nan, why, ())


def _missed(result: Comparison) -> list[str]:
    if result.laplace is None or result.nuts is None:
        return []
    best = max((h.log_mass for h in result.laplace.humps), default=-np.inf)
    return [f"NUTS: {s}" for s in unvisited_modes(result.laplace.humps, result.nuts.positions, best)]


def _plain_seed(seed: Any) -> int | list[int]:
    if isinstance(seed, int | np.integer):
        return int(seed)
    import jax

    return [int(x) for x in np.asarray(jax.random.key_data(seed)).reshape(-1)]

"""log p(D), by one estimator a file, each with an error and a verdict on itself."""

from collections.abc import Iterable
from typing import Any, Protocol

from ..arguments import flag, integer, names, positive
from ..draws import check_draws
from ..errors import EvidenceError, suggestion
from ..model import Model, require_model
from ..quadrature import affordable
from ..records import Cost, Evidence
from ..seeds import check_seed
from . import bridge, grid, harmonic_mean, importance, laplace, nested, prior_average, rqmc, sparse, tempering
from .workbench import NUTS_OPTIONS, Workbench

__all__ = [
    "DEFAULT",
    "ESTIMATORS",
    "Cost",
    "Evidence",
    "check_methods",
    "check_options",
    "estimate_evidence",
    "estimate_with",
    "predict_costs",
]


class Estimator(Protocol):
    """What a file of an estimator has to offer."""

    def estimate(self, bench: Workbench) -> Evidence: ...
    def num_predicted(self, bench: Workbench) -> float: ...


ESTIMATORS: dict[str, Estimator] = {
    "laplace": laplace,
    "grid": grid,
    "importance": importance,
    "bridge": bridge,
    "sparse": sparse,
    "rqmc": rqmc,
    "tempering": tempering,
    "nested": nested,
    "prior_average": prior_average,
    "harmonic_mean": harmonic_mean,
}
DEFAULT = ("laplace", "grid", "importance", "bridge")
SECOND_TRY = "tempering"  # where none of the default is trusted: it needs no mode, and no chain that mixes
DRAWN = ("bridge", "harmonic_mean")  # need NUTS
SECONDS_A_STEP = 3e-5  # of a chain, whatever the density costs: steps come one after another


def estimate_evidence(
    model: Model,
    *,
    methods: Iterable[str] = DEFAULT,
    draws: Any = None,
    seed: Any = 0,
    budget: float = 120.0,
    progress: bool = False,
) -> list[Evidence]:
    """Estimate log p(D) by several methods, which share what they need.

    Parameters
    ----------
    methods
        Names among `laplace`, `grid`, `importance`, `bridge` (the default), `sparse`, `rqmc`, `tempering`, `nested`,
        `prior_average`, `harmonic_mean`.
    draws
        A finished NUTS run (a NumPyro `MCMC`, a `DataTree`, or a dict of (chain, draw, …) arrays); without it
        `bridge` makes its own.
    budget
        Seconds for all of them together; modes and NUTS, whose length is said in draws, are not counted.

    Returns
    -------
    list of Evidence
        In the order asked. A method that cannot tell says so: not trusted, with the reason.

    Raises
    ------
    ModelError
        Where the prior is improper: p(D) is undefined.
    EvidenceError
        For a method that does not exist, or draws that do not fit the model.
    ArgumentError
        For methods that are not names, and a budget, seed or switch that is none.

    Examples
    --------
    >>> import numpyro.distributions as dist
    >>> from bayes_sandbox import Model, estimate_evidence
    >>> model = Model({"mu": dist.Normal(0, 1)}, lambda mu: dist.Normal(mu, 1), observed=2.0)
    >>> [f"{e.method} {e.log_evidence:.4f}" for e in estimate_evidence(model, methods=["laplace", "grid"])]
    ['laplace -2.2655', 'grid -2.2655']
    """
    require_model(model)
    wanted = check_methods(methods, empty=True)
    check_options(model, draws, budget, seed, progress)
    model.require_proper("have an evidence")
    bench = Workbench(model, seed=seed, draws=draws, budget=float(budget), progress=progress)
    return [estimate_with(bench, name) for name in wanted]


def check_options(model: Model, draws: Any, budget: Any, seed: Any, progress: Any) -> None:
    """Raise `ArgumentError` for a wrong budget, seed or switch, and `EvidenceError` for draws of another model."""
    positive(budget, "budget", infinite=True, example=120)
    check_seed(seed)
    flag(progress, "progress")
    if draws is not None:
        check_draws(model, draws)


def estimate_with(bench: Workbench, name: str) -> Evidence:
    """Run one estimator on a workbench, once: asked again it answers from memory."""
    return bench.estimate(name, ESTIMATORS[name].estimate)


def predict_costs(
    model: Model, *, methods: Iterable[str] = DEFAULT, draws: Any = None, budget: float = 120.0, **nuts_options: int
) -> list[Cost]:
    """Say what each method may take, before it runs: densities, and seconds at the rate measured on this machine.

    Nothing is known of the posterior yet: these are the most that a method allows itself, or what is usual. Bridge
    sampling, the harmonic mean and NUTS share their draws, which are counted for each of them here.

    Parameters
    ----------
    nuts_options
        `num_warmup`, `num_samples` and `num_chains` of the run that draws come from.

    Examples
    --------
    >>> import numpyro.distributions as dist
    >>> from bayes_sandbox import Model, predict_costs
    >>> model = Model({"mu": dist.Normal(0, 1)}, lambda mu: dist.Normal(mu, 1), observed=2.0)
    >>> [(c.method, c.num_evaluations) for c in predict_costs(model, methods=["laplace", "grid"])]
    [('laplace', 2880.0), ('grid', 1327936.0)]
    """
    require_model(model)
    wanted = check_methods(methods, empty=True)
    check_options(model, draws, budget, 0, False)
    for option, value in nuts_options.items():
        if option not in NUTS_OPTIONS:
            raise TypeError(f"predict_costs() got an unexpected keyword argument {option!r}")
        integer(value, option, at_least=1, example=NUTS_OPTIONS[option])
    bench = Workbench(model, draws=draws, budget=float(budget), nuts_options=nuts_options)
    _, rate = affordable(bench.coords, 1.0, budget)
    found = []
    for name in wanted:
        num = ESTIMATORS[name].num_predicted(bench)
        drawn = bench.num_nuts_predicted if name in DRAWN else 0.0
        in_turn = drawn / rate + bench.num_steps_predicted * SECONDS_A_STEP * (name in DRAWN)
        found.append(Cost(name, num, min((num - drawn) / rate, budget) + in_turn))
    return found


def check_methods(methods: Iterable[str], *, name: str = "methods", empty: bool = False) -> list[str]:
    """Return the methods as a list, or raise `EvidenceError` for a name that is none."""

    def unknown(one: str) -> EvidenceError:
        return EvidenceError(f"{name}: there is no estimator {one!r}{suggestion(one, ESTIMATORS)}")

    return names(methods, name, ESTIMATORS, unknown, empty=empty)

"""log p(D), by one estimator a file, each with an error and a verdict on itself."""

from collections.abc import Callable, Iterable
from typing import Any

from ..errors import EvidenceError, suggestion
from ..model import Model, require_model
from ..records import Evidence
from . import bridge, grid, harmonic_mean, importance, laplace, nested, prior_average, rqmc, sparse, tempering
from .workbench import Workbench

__all__ = ["DEFAULT", "ESTIMATORS", "Evidence", "check_methods", "estimate_evidence", "estimate_with"]

ESTIMATORS: dict[str, Callable[[Workbench], Evidence]] = {
    "laplace": laplace.estimate,
    "grid": grid.estimate,
    "importance": importance.estimate,
    "bridge": bridge.estimate,
    "sparse": sparse.estimate,
    "rqmc": rqmc.estimate,
    "tempering": tempering.estimate,
    "nested": nested.estimate,
    "prior_average": prior_average.estimate,
    "harmonic_mean": harmonic_mean.estimate,
}
DEFAULT = ("laplace", "grid", "importance", "bridge")


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

    Examples
    --------
    >>> import numpyro.distributions as dist
    >>> from bayes_sandbox import Model, estimate_evidence
    >>> model = Model({"mu": dist.Normal(0, 1)}, lambda mu: dist.Normal(mu, 1), observed=2.0)
    >>> [f"{e.method} {e.log_evidence:.4f}" for e in estimate_evidence(model, methods=["laplace", "grid"])]
    ['laplace -2.2655', 'grid -2.2655']
    """
    require_model(model)
    names = check_methods(methods)
    model.require_proper("have an evidence")
    bench = Workbench(model, seed=seed, draws=draws, budget=budget, progress=progress)
    return [estimate_with(bench, name) for name in names]


def estimate_with(bench: Workbench, name: str) -> Evidence:
    """Run one estimator on a workbench, once: asked again it answers from memory."""
    return bench.estimate(name, ESTIMATORS[name])


def check_methods(methods: Iterable[str]) -> list[str]:
    """Return the methods as a list, or raise `EvidenceError` for a name that is none."""
    names = [methods] if isinstance(methods, str) else list(methods)
    for name in names:
        if name not in ESTIMATORS:
            raise EvidenceError(f"there is no estimator {name!r}{suggestion(str(name), ESTIMATORS)}")
    return list(dict.fromkeys(names))

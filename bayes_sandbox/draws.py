"""A NUTS run somebody already has: NumPyro's MCMC, an ArviZ DataTree, or a dict of arrays, as it stands."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .coordinates import coordinates_of
from .diagnostics import diagnose
from .errors import EvidenceError, suggestion
from .model import Model
from .sampling import NUTSFit
from .variable_names import to_site

STATS: dict[str, type] = {
    "diverging": bool,
    "energy": float,
    "acceptance_rate": float,
    "step_size": float,
    "n_steps": int,
    "tree_depth": int,
    "reached_max_treedepth": bool,
}


def adopt_draws(model: Model, draws: Any) -> NUTSFit:
    """Return finished draws as a `NUTSFit` of this model.

    Parameters
    ----------
    draws
        A NumPyro `MCMC` that has run, a `DataTree` with a `posterior` group, a `NUTSFit`, or a mapping of
        name → array (chain, draw, …).

    Raises
    ------
    EvidenceError
        Where a parameter is missing, has another shape, is not finite, or lies where this model has no density.
    """
    if isinstance(draws, NUTSFit):
        _checked(model, draws.draws)
        return draws
    given, stats = _read(draws)
    arrays = _checked(model, given)
    coords = coordinates_of(model)
    batch = next(iter(arrays.values())).shape[:2]
    positions = coords.unconstrain_many(arrays, batch)
    lp = coords.log_density_many(np.where(np.isfinite(positions), positions, 0.0))
    bad = int((~np.isfinite(lp) | ~np.isfinite(positions).all(axis=-1)).sum())
    if bad:
        raise EvidenceError(
            f"{bad} of {lp.size} draws lie where {model.name!r} has no density: were they drawn from another model, "
            "or in other units?"
        )
    stats = {**{k: v for k, v in stats.items() if v.shape == batch}, "lp": lp}
    return NUTSFit(
        draws=arrays,
        positions=positions,
        sample_stats=stats,
        diagnostics=diagnose(model.parameters, arrays, stats),
        whitened=False,
        num_warmup=0,
        num_starts=batch[0],
        message=f"draws given: {batch[0]} chain(s) of {batch[1]}",
        num_evaluations=0,
        seconds=0.0,
    )


def check_draws(model: Model, draws: Any) -> None:
    """Raise `EvidenceError` for draws that are none, or whose names and shapes are not this model's."""
    _checked(model, draws.draws if isinstance(draws, NUTSFit) else _read(draws)[0])


def _read(draws: Any) -> tuple[Mapping[str, Any], dict[str, np.ndarray]]:
    """Return (name → array, sample statistics) from any of the forms."""
    if hasattr(draws, "get_samples"):
        try:
            samples = draws.get_samples(group_by_chain=True)
            extra = draws.get_extra_fields(group_by_chain=True)
        except (AttributeError, AssertionError, TypeError) as error:
            raise EvidenceError("the MCMC object has no draws; call mcmc.run(...) first") from error
        if not isinstance(samples, Mapping):
            raise EvidenceError("the MCMC object was run on a bare potential; pass its draws as a dict by name")
        return samples, {k: np.asarray(extra[k]) for k in STATS if k in extra}
    if hasattr(draws, "children") and hasattr(draws, "groups"):
        if "posterior" not in draws.children:
            raise EvidenceError(f"the DataTree has no 'posterior' group{suggestion('posterior', draws.children)}")
        data = draws["posterior"].dataset.transpose("chain", "draw", ...)
        found: dict[str, np.ndarray] = {}
        if "sample_stats" in draws.children:
            stats = draws["sample_stats"].dataset
            found = {k: np.asarray(stats[k].values).astype(t) for k, t in STATS.items() if k in stats}
        return {to_site(str(k)): v.values for k, v in data.data_vars.items()}, found
    if isinstance(draws, Mapping):
        return draws, {}
    raise EvidenceError(
        f"draws must be a NumPyro MCMC, a DataTree, or a dict of (chain, draw, ...) arrays; got {type(draws).__name__}"
    )


def _checked(model: Model, given: Mapping[str, Any]) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    batch: tuple[int, ...] | None = None
    for name, shape in model.structure.shapes.items():
        if name not in given:
            raise EvidenceError(f"the draws lack the parameter {name!r}{suggestion(name, map(str, given))}")
        array = np.asarray(given[name], float)
        if array.shape == array.shape[:1] + shape and array.ndim == 1 + len(shape):
            raise EvidenceError(
                f"the draws of {name!r} have shape {array.shape}: the chain dimension is missing; pass (chain, draw, "
                "...), e.g. mcmc.get_samples(group_by_chain=True)"
            )
        if array.shape[2:] != shape or array.ndim != 2 + len(shape):
            raise EvidenceError(f"the draws of {name!r} have shape {array.shape}, expected (chain, draw, *{shape})")
        if batch is not None and array.shape[:2] != batch:
            raise EvidenceError(f"the draws of {name!r} are {array.shape[:2]} (chain, draw), others are {batch}")
        if not np.isfinite(array).all():
            raise EvidenceError(f"the draws of {name!r} are not all finite")
        arrays[name], batch = array, array.shape[:2]
    if batch is None or batch[1] < 20:
        raise EvidenceError("too few draws: at least 20 in each chain are needed")
    return arrays

"""Any fit as an xarray DataTree with ArviZ's groups; the only file that knows ArviZ's schema.

`posterior`, `unconstrained_posterior`, `sample_stats`, `log_likelihood`, `log_prior`, `posterior_predictive`, `prior`,
`prior_predictive`, `observed_data`, `constant_data` are ArviZ's; `map`, `laplace`, `grid` and `evidence` are ours.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
import xarray as xr

from .compiler import compiled
from .model import Model
from .optimization import LaplaceFit, MAPFit
from .quadrature import GridFit
from .records import Evidence
from .sampling import NUTSFit
from .seeds import as_key
from .variable_names import to_variable

if TYPE_CHECKING:
    from .comparison import Comparison

Arrays = Mapping[str, Any]
SAMPLES = ("chain", "draw")
NUM_PRIOR = 1000
BATCH = 500
KEY = ""  # beside the names of sites, of which none is empty
LARGEST_POINTWISE = (
    10_000_000  # numbers of one group that has one for each draw and observation; beyond, draws are thinned
)


def dataset(arrays: Arrays, leading: Sequence[str] = SAMPLES, attrs: Mapping[str, Any] | None = None) -> xr.Dataset:
    """Return arrays as an xarray Dataset; dims after `leading` are called `NAME_dim_K`, as ArviZ does.

    A name that a DataTree cannot have (`school/theta`) is percent-encoded; `variable_names.to_site` gives it back.
    """
    variables, coords = {}, {}
    for site, array in arrays.items():
        name, array = to_variable(site), np.asarray(array)
        own = [f"{name}_dim_{k}" for k in range(array.ndim - len(leading))]
        variables[name] = ((*leading, *own), array)
        for dim, size in zip((*leading, *own), array.shape):
            coords[dim] = np.arange(size)
    return xr.Dataset(variables, coords=coords, attrs={k: v for k, v in (attrs or {}).items() if v is not None})


def tree(groups: Mapping[str, xr.Dataset | None]) -> xr.DataTree:
    """Return the groups that are there as one DataTree."""
    return xr.DataTree.from_dict({name: data for name, data in groups.items() if data is not None})


def map_datatree(fit: MAPFit) -> xr.DataTree:
    """Return a MAP fit."""
    return tree({"map": _map(fit)})


def laplace_datatree(fit: LaplaceFit) -> xr.DataTree:
    """Return a Laplace fit."""
    return tree({"laplace": _laplace(fit)})


def grid_datatree(fit: GridFit) -> xr.DataTree:
    """Return a grid fit: draws through the grid as `posterior`, curves and moments as `grid`."""
    return tree({"posterior": _grid_posterior(fit), "grid": _grid(fit), "evidence": _evidence([fit.evidence])})


def nuts_datatree(fit: NUTSFit) -> xr.DataTree:
    """Return a NUTS fit."""
    return tree(
        {
            "posterior": dataset(fit.draws, attrs=_provenance(fit)),
            "unconstrained_posterior": dataset({"position": fit.positions}),
            "sample_stats": dataset(fit.sample_stats),
        }
    )


def evidence_datatree(estimates: Sequence[Evidence]) -> xr.DataTree:
    """Return evidence estimates."""
    return tree({"evidence": _evidence(estimates)})


def tables_datatree(tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> xr.DataTree:
    """Return tables, name → rows of one shape, as groups whose variables are the columns."""
    groups: dict[str, xr.Dataset | None] = {}
    for name, rows in tables.items():
        columns = {k: ("row", np.array([row[k] for row in rows])) for k in (rows[0] if rows else ())}
        groups[name] = xr.Dataset(columns, coords={"row": np.arange(len(rows))})
    return tree(groups)


def pointwise_datatree(model: Model, draws: Arrays) -> xr.DataTree:
    """Return posterior draws, name → (chain, draw, …), with the log density of every observation and of the prior.

    Of fewer draws where the data are many: the same ones in all groups.
    """
    kept, _ = _thinned(model, draws)
    densities = _densities(model, kept)
    return tree({"posterior": dataset(kept), **{k: densities[k] for k in ("log_likelihood", "log_prior")}})


def comparison_datatree(result: "Comparison") -> xr.DataTree:
    """Return everything a comparison knows; the posterior is NUTS's, or the grid's where there is no NUTS."""
    model = result.model
    groups: dict[str, xr.Dataset | None] = {}
    key, predictor = jax.random.fold_in(as_key(0), 7), _predictor(model)
    if result.nuts is not None:
        groups.update({k: v.to_dataset() for k, v in nuts_datatree(result.nuts).children.items()})
        draws, positions = result.nuts.draws, result.nuts.positions
        groups["posterior"] = dataset(
            {**draws, **_each(compiled(jax.vmap(model.deterministics)), draws)}, attrs=_provenance(result.nuts)
        )
        groups["unconstrained_posterior"] = dataset(_by_site(model, positions))
        groups.update(_densities(model, draws))
        groups["posterior_predictive"] = _predictive(model, predictor, draws, key)
    elif result.grid is not None and not result.grid.skipped:
        groups["posterior"] = _grid_posterior(result.grid)
        groups.update(_densities(model, result.grid.draws))
        groups["posterior_predictive"] = _predictive(model, predictor, result.grid.draws, key)
    groups.update(_prior(model, predictor, jax.random.fold_in(key, 1)))
    groups["observed_data"] = dataset(model.observed, ()) if model.observed else None
    groups["constant_data"] = dataset(model.inputs, ()) if model.inputs else None
    if result.map is not None:
        groups["map"] = _map(result.map, result.map_unconstrained)
    if result.laplace is not None:
        groups["laplace"] = _laplace(result.laplace)
    if result.grid is not None:
        groups["grid"] = _grid(result.grid)
    groups["evidence"] = _evidence(result.evidence) if result.evidence else None
    return tree(groups)


def _provenance(fit: NUTSFit) -> dict[str, Any]:
    return {
        "inference_library": "numpyro",
        "sampling_time": fit.seconds,
        "tuning_steps": fit.num_warmup,
        "num_starts": fit.num_starts,
        "message": fit.message,
        "created_by": "bayes_sandbox",
    }


def _each(function: Any, draws: Arrays) -> dict[str, np.ndarray]:
    """Apply a vmapped and compiled function of params to every draw, in batches of one size."""
    chains, num = next(iter(draws.values())).shape[:2]
    flat = {k: np.asarray(v).reshape(chains * num, *np.shape(v)[2:]) for k, v in draws.items()}
    found: list[dict[str, np.ndarray]] = []
    for start in range(0, chains * num, BATCH):
        index = np.minimum(np.arange(start, start + BATCH), chains * num - 1)
        found.append({k: np.asarray(v) for k, v in function({k: v[index] for k, v in flat.items()}).items()})
    joined = {k: np.concatenate([f[k] for f in found])[: chains * num] for k in found[0]}
    return {k: v.reshape(chains, num, *v.shape[1:]) for k, v in joined.items()}


def _by_site(model: Model, positions: np.ndarray) -> dict[str, np.ndarray]:
    parts, start = {}, 0
    for name, shape in model.structure.unconstrained_shapes.items():
        size = int(np.prod(shape))
        parts[name] = positions[..., start : start + size].reshape(*positions.shape[:2], *shape)
        start += size
    return parts


def _densities(model: Model, draws: Arrays) -> dict[str, xr.Dataset | None]:
    """Return the pointwise log likelihood of the observed sites (of fewer draws where the data are many), and the
    log prior of each parameter."""

    def pointwise(params: Arrays) -> dict[str, jax.Array]:
        return {k: v for k, v in model.log_likelihood(params).items() if k in model.structure.data}

    prior = dataset(_each(compiled(jax.vmap(model.log_prior_by_site)), draws))
    if not model.structure.data:
        return {"log_likelihood": None, "log_prior": prior}
    kept, index = _thinned(model, draws)
    likelihood = dataset(_each(compiled(jax.vmap(pointwise)), kept)).assign_coords(draw=index)
    return {"log_likelihood": likelihood, "log_prior": prior}


def _thinned(model: Model, draws: Arrays) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return so many draws that one number for each of them and each observation fits in memory, and which."""
    size = sum(v.size for v in model.observed.values())
    chains, num = next(iter(draws.values())).shape[:2]
    index = np.arange(0, num, max(1, -(-chains * num * size // LARGEST_POINTWISE)))
    return {k: np.asarray(v)[:, index] for k, v in draws.items()}, index


def _predictor(model: Model) -> Any:
    """Return the compiled predictor of a batch of params with raw keys beside them; None for factors alone."""
    if not model.structure.data:
        return None

    def one(point: Arrays) -> dict[str, jax.Array]:
        return model.predict(jax.random.wrap_key_data(point[KEY]), {k: v for k, v in point.items() if k != KEY})

    return compiled(jax.vmap(one))


def _predictive(model: Model, predictor: Any, draws: Arrays, key: jax.Array) -> xr.Dataset | None:
    if predictor is None:
        return None
    kept, index = _thinned(model, draws)
    keys = np.asarray(jax.random.key_data(jax.random.split(key, next(iter(kept.values())).shape[:2])))
    return dataset(_each(predictor, {**kept, KEY: keys})).assign_coords(draw=index)


def _prior(model: Model, predictor: Any, key: jax.Array) -> dict[str, xr.Dataset | None]:
    """Return draws from the prior and what they predict; nothing where the prior is improper."""
    if model.improper:
        return {}
    draws = {k: np.asarray(v)[None] for k, v in model.sample_prior(key, NUM_PRIOR).items()}
    return {
        "prior": dataset(draws),
        "prior_predictive": _predictive(model, predictor, draws, jax.random.fold_in(key, 1)),
    }


def _map(fit: MAPFit, other: MAPFit | None = None) -> xr.Dataset:
    points = dataset(fit.params, ())
    if other is not None:
        points = points.merge(dataset({f"{k}_unconstrained_mode": v for k, v in other.params.items()}, ()))
    path = dataset({f"{k}_path": v for k, v in fit.path.items()}, ("step",))
    return points.merge(path).assign_attrs(
        log_joint=fit.log_joint,
        log_prior=fit.log_prior,
        log_likelihood=fit.log_likelihood,
        converged=int(fit.converged),
        message=fit.message,
        num_modes=len(fit.modes),
    )


def _laplace(fit: LaplaceFit) -> xr.Dataset:
    data = {
        "position": (("coordinate",), fit.position),
        "scale": (("coordinate", "coordinate_bis"), fit.scale),
    }
    return xr.Dataset(data, attrs={"log_evidence": fit.log_evidence, "message": fit.message})


def _grid_posterior(fit: GridFit) -> xr.Dataset | None:
    if fit.skipped:
        return None
    return dataset(fit.draws, attrs={"ess": fit.draws_ess, "created_by": "bayes_sandbox", "rule": fit.rule})


def _grid(fit: GridFit) -> xr.Dataset:
    """Return the curves (component, point) and moments of a grid fit; only the reason where it was declined."""
    attrs = {
        "rule": fit.rule,
        "num_nodes": fit.num_nodes,
        "edge_mass": fit.edge_mass,
        "converged": int(fit.converged),
        "message": fit.message,
        "log_integral": fit.log_integral,
        "error": fit.error,
    }
    if fit.skipped:
        return xr.Dataset(attrs={"skipped": fit.skipped})
    curves: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
    for name in ("x", "density", "cdf"):
        longest = max(len(m.x) for m in fit.marginals.values())
        rows = np.full((len(fit.marginals), longest), np.nan)
        for row, marginal in zip(rows, fit.marginals.values()):
            values = getattr(marginal, name)
            row[: len(values)] = values
        curves[name] = (("component", "point"), rows)
    if fit.joint.x.size:
        curves["joint_x"] = (("joint_row",), fit.joint.x)
        curves["joint_y"] = (("joint_column",), fit.joint.y)
        curves["joint_density"] = (("joint_row", "joint_column"), fit.joint.density)
    moments = dataset({f"{k}_mean": v for k, v in fit.mean.items()} | {f"{k}_sd": v for k, v in fit.sd.items()}, ())
    return xr.Dataset(curves, coords={"component": list(fit.marginals)}).merge(moments).assign_attrs(attrs)


def _evidence(estimates: Sequence[Evidence]) -> xr.Dataset:
    names = ("log_evidence", "error", "num_evaluations", "seconds", "trusted")
    columns = {name: (("method",), np.array([getattr(e, name) for e in estimates])) for name in names}
    said = (("method",), np.array(["; ".join(e.warnings) for e in estimates], dtype=object))
    return xr.Dataset({**columns, "warnings": said}, coords={"method": [e.method for e in estimates]})

"""The JSON document of a comparison: plain numbers, not rounded; what is not finite is None."""

import importlib.metadata
import math
import platform
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from .naming import labels
from .optimization import MAPFit
from .quadrature import GridFit
from .records import Evidence
from .sampling import NUTSFit

if TYPE_CHECKING:
    from .comparison import Comparison

NOT_ASKED = "not asked for"
STACK = ("jax", "numpyro", "arviz", "scipy", "numpy", "matplotlib")


def document(result: "Comparison") -> dict[str, Any]:
    """Return a comparison as the contract's JSON document."""
    model, best = result.model, result.best
    return plain(
        {
            "model": {
                "name": model.name,
                "description": model.description,
                "file": result.settings.get("file"),
                "dimension": model.dimension,
                "parameters": model.parameters,
                "num_observations": model.num_observations,
                "data_sha256": model.data_sha256,
            },
            "settings": {
                "dtype": "float64",
                "backend": jax.default_backend(),
                "versions": versions(),
                "command": "bayes_sandbox.compare",
                **{k: v for k, v in result.settings.items() if k != "file"},
            },
            "fits": {
                "map": _map(result.map, result.map_unconstrained, result.skipped.get("map", NOT_ASKED)),
                "grid": _grid(result.grid, result.skipped.get("grid", NOT_ASKED)),
                "nuts": _nuts(result.nuts, result.skipped.get("nuts", NOT_ASKED)),
            },
            "evidence": [_evidence(e) for e in result.evidence],
            "best": None
            if best is None
            else {"method": best.method, "log_evidence": best.log_evidence, "error": best.error},
            "agreement": {
                "evidence": result.agreement.evidence,
                "posterior": result.agreement.posterior,
                "details": result.agreement.details,
            },
            "lesson": {
                "log_likelihood_at_map": result.lesson.log_likelihood_at_map,
                "log_occam_factor": result.lesson.log_occam_factor,
                "log_likelihood_integral": result.lesson.log_likelihood_integral,
                "log_likelihood_integral_missing": result.lesson.log_likelihood_integral_missing,
                "nodes": [dict(zip(("dimension", "nodes", "seconds"), row)) for row in result.lesson.nodes],
            },
            "warnings": result.warnings,
        }
    )


def versions() -> dict[str, str]:
    """Return the versions that numbers depend on."""
    found = {name: importlib.metadata.version(name) for name in STACK}
    from . import __version__

    return {"bayes_sandbox": __version__, "python": platform.python_version(), **found}


def flattened(params: Mapping[str, Any]) -> dict[str, float]:
    """Return params with one entry for each component, labelled as ArviZ does.

    >>> flattened({"mu": np.array(1.0), "w": np.array([2.0, 3.0])})
    {'mu': 1.0, 'w[0]': 2.0, 'w[1]': 3.0}
    """
    return {
        label: float(value)
        for name, array in params.items()
        for label, value in zip(labels(name, np.shape(array)), np.ravel(array))
    }


def plain(value: Any) -> Any:
    """Return a value that JSON can write: numbers as Python's, tuples as lists, what is not finite as None."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value if value is None or isinstance(value, str) else str(value)


def _map(fit: MAPFit | None, unconstrained: MAPFit | None, why: str) -> dict[str, Any]:
    if fit is None:
        return {"skipped": why}
    return {
        "params": flattened(fit.params),
        "log_joint": fit.log_joint,
        "log_prior": fit.log_prior,
        "log_likelihood": fit.log_likelihood,
        "converged": fit.converged,
        "message": fit.message,
        "edges": fit.edges,
        "modes": [
            {
                "params": flattened(m.params),
                "log_joint": m.log_joint,
                "log_mass": m.log_mass,
                "num_hits": m.num_hits,
                "edges": m.edges,
            }
            for m in fit.modes
        ],
        "params_unconstrained": None if unconstrained is None else flattened(unconstrained.params),
        "num_evaluations": fit.num_evaluations,
        "seconds": fit.seconds,
    }


def _grid(fit: GridFit | None, why: str) -> dict[str, Any]:
    if fit is None or fit.skipped:
        return {"skipped": why if fit is None else fit.skipped}
    return {
        "mean": flattened(fit.mean),
        "sd": flattened(fit.sd),
        "rule": fit.rule,
        "num_nodes": fit.num_nodes,
        "edge_mass": fit.edge_mass,
        "converged": fit.converged,
        "message": fit.message,
        "log_integral": fit.log_integral,
        "seconds": fit.seconds,
    }


def _nuts(fit: NUTSFit | None, why: str) -> dict[str, Any]:
    if fit is None:
        return {"skipped": why}
    d = fit.diagnostics
    return {
        "mean": flattened(fit.mean),
        "sd": flattened(fit.sd),
        "mcse_mean": d.mcse_mean,
        "mcse_sd": d.mcse_sd,
        "ess_bulk": d.ess_bulk,
        "ess_tail": d.ess_tail,
        "r_hat": d.r_hat,
        "num_divergent": d.num_divergent,
        "num_saturated": d.num_saturated,
        "bfmi": d.bfmi,
        "whitened": fit.whitened,
        "message": fit.message,
        "seconds": fit.seconds,
    }


def _evidence(e: Evidence) -> dict[str, Any]:
    return {
        "method": e.method,
        "log_evidence": e.log_evidence,
        "error": e.error,
        "num_evaluations": e.num_evaluations,
        "seconds": e.seconds,
        "trusted": e.trusted,
        "warnings": e.warnings,
    }

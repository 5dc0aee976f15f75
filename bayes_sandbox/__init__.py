"""A model is a prior and a likelihood. Fit it three ways. See whether they agree.

>>> import numpyro.distributions as dist
>>> import bayes_sandbox as bs
>>> coin = bs.Model(
...     prior={"theta": dist.Uniform(0, 1)},
...     likelihood=lambda theta: dist.Binomial(10, theta),
...     observed=2,
...     name="coin",
... )
>>> fit = bs.fit_grid(coin)
>>> round(fit.evidence.log_evidence, 6)  # -log(11)
-2.397895

Importing this package switches JAX to float64: an evidence summed in float32 has no digits to spare.
"""

import importlib
import os
import sys
from typing import Any

from .compiler import protect_process

__version__ = "0.1.0"

os.environ["JAX_ENABLE_X64"] = "1"
protect_process()
if "jax" in sys.modules:
    sys.modules["jax"].config.update("jax_enable_x64", True)

_HOMES = {
    "Model": "model",
    "ModelError": "model",
    "explain": "regularization",
    "Explanation": "regularization",
    "from_loss": "regularization",
    "fit_map": "optimization",
    "fit_laplace": "optimization",
    "MAPFit": "optimization",
    "LaplaceFit": "optimization",
    "descend": "optimization",
    "fit_grid": "quadrature",
    "GridFit": "quadrature",
    "fit_nuts": "sampling",
    "NUTSFit": "sampling",
    "SamplingError": "errors",
    "estimate_evidence": "evidence",
    "Evidence": "evidence",
    "predict_costs": "evidence",
    "Cost": "evidence",
    "compare": "comparison",
    "Comparison": "comparison",
    "compare_models": "selection",
    "ModelComparison": "selection",
    "savage_dickey": "nesting",
    "Study": "studies.study",
    "study_dimension": "studies.dimension",
    "study_problems": "studies.problems",
    "study_calibration": "studies.calibration",
    "study_prior_width": "studies.prior_width",
    "study_order": "studies.order",
    "study_sequential": "studies.sequential",
    "study_sensitivity": "studies.sensitivity",
    "study_regularization": "studies.regularization",
    "study_coordinates": "studies.coordinates",
    "study_optimizers": "studies.optimizers",
    "run_tasks": "workers",
    "main": "cli",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    """Load a public name from its home when it is first used, so that `--help` need not load JAX."""
    if name not in _HOMES:
        raise AttributeError(f"module 'bayes_sandbox' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"bayes_sandbox.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

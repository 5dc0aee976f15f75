"""Posteriors of 6 to 30 parameters for everyone: those of the table whose priors are independent.

The log likelihood is the model's own, compiled by JAX and vectorised: every peer gets the fastest density there is.
"""

from typing import Any

import numpy as np
from scipy import stats

from .posteriors import Points, Posterior

ROWS = 256  # points in one call; fewer are padded
NAMES = (
    "collinear regression 6d",
    "two turned normals 6d",
    "shell 6d, 0.1 thick",
    "edges 9d",
    "student noise 10d",
    "spike and slab 10d",
    "shell 10d, 0.17 thick",
    "lasso 12d",
    "rates 12d",
    "two that touch 12d",
    "prior far away 20d",
    "probit 25d",
    "collinear regression 30d",
)


def _scipy(prior: Any) -> list[Any]:
    """Return a NumPyro prior of independent entries as SciPy distributions, one for each."""
    import numpyro.distributions as dist

    base = prior.base_dist if isinstance(prior, dist.Independent) else prior
    if isinstance(base, dist.ExpandedDistribution):
        base = base.base_dist
    size = prior.event_shape[0]
    values = {k: np.broadcast_to(np.asarray(getattr(base, k), float), (size,)) for k in base.arg_constraints}
    make = {
        "Normal": lambda i: stats.norm(values["loc"][i], values["scale"][i]),
        "Laplace": lambda i: stats.laplace(values["loc"][i], values["scale"][i]),
        "Uniform": lambda i: stats.uniform(values["low"][i], values["high"][i] - values["low"][i]),
        "Gamma": lambda i: stats.gamma(values["concentration"][i], scale=1 / values["rate"][i]),
    }[type(base).__name__]
    return [make(i) for i in range(size)]


def _posterior(problem: Any) -> Posterior:
    import jax
    import jax.numpy as jnp

    model, priors = problem.make(), dict[str, Any]()

    def look(site: Any) -> Any:
        if site["type"] != "sample" or site["is_observed"]:
            return None
        priors[site["name"]] = site["fn"]
        return jnp.asarray(model.structure.example[site["name"]])

    model.trace_with(look)
    ((site, prior),) = priors.items()
    many = jax.jit(jax.vmap(lambda x: sum(jnp.sum(v) for v in model.log_likelihood({site: x}).values())))

    def log_likelihood(x: Points) -> np.ndarray:
        blocks = [x[i : i + ROWS] for i in range(0, len(x), ROWS)]
        return np.concatenate([np.asarray(many(np.resize(b, (ROWS, x.shape[1]))))[: len(b)] for b in blocks])

    return Posterior(
        problem.name, True, _scipy(prior), log_likelihood, problem.make, lambda: float(problem.log_evidence)
    )


def deep_posterior(name: str) -> Posterior:
    """Return one of them."""
    from bayes_sandbox import problems

    return _posterior(problems.find(name))

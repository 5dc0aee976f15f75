"""Every method as its documentation has it, with default settings: (log evidence, error quoted, densities)."""

from collections.abc import Callable

import numpy as np

from .posteriors import Posterior

Answer = tuple[float, float, int]
IMPOSSIBLE = -1e300  # what samplers that do not take −∞ are given


class Counted:
    """The log likelihood, counting points."""

    def __init__(self, posterior: Posterior):
        self._log_likelihood, self.count = posterior.log_likelihood, 0

    def __call__(self, x: np.ndarray) -> np.ndarray:
        rows = np.atleast_2d(x)
        self.count += len(rows)
        found = np.maximum(self._log_likelihood(rows), IMPOSSIBLE)
        return found if np.ndim(x) > 1 else found[0]


def bayes_sandbox(posterior: Posterior) -> Answer:
    import bayes_sandbox as bs

    fit = bs.fit_grid(posterior.model())
    return fit.log_integral, fit.error, fit.num_evaluations


def bayes_sandbox_compare(posterior: Posterior) -> Answer:
    """The best of all estimates, as `compare` recommends it; NaN where none is trusted."""
    import bayes_sandbox as bs

    found = bs.compare(posterior.model())
    densities = sum(e.num_evaluations for e in found.evidence)
    return (np.nan, np.inf, densities) if found.best is None else (found.best.log_evidence, found.best.error, densities)


def plain_bridge(posterior: Posterior) -> Answer:
    """NumPyro's NUTS and a bridge to one Gaussian with the moments of the same draws, as tutorials have it."""
    import jax
    import jax.numpy as jnp
    from numpyro.infer import MCMC, NUTS
    from scipy.special import logsumexp
    from scipy.stats import multivariate_normal

    from bayes_sandbox.coordinates import coordinates_of

    coords = coordinates_of(posterior.model())
    kernel = NUTS(potential_fn=lambda u: -coords.log_density(u))
    mcmc = MCMC(kernel, num_warmup=1000, num_samples=1000, num_chains=4, chain_method="vectorized", progress_bar=False)
    mcmc.run(jax.random.key(1), init_params=jnp.zeros((4, coords.dimension)), extra_fields=("num_steps",))
    draws = np.asarray(mcmc.get_samples())
    normal = multivariate_normal(draws.mean(axis=0), np.cov(draws.T))
    fresh = normal.rvs(len(draws), random_state=np.random.default_rng(1))
    above = coords.log_density_many(fresh) - normal.logpdf(fresh)
    below = coords.log_density_many(draws) - normal.logpdf(draws)
    value = float(np.median(below))
    for _ in range(1000):
        upper = logsumexp(above - np.logaddexp(above - value, 0.0))
        value, before = float(upper - logsumexp(-np.logaddexp(below - value, 0.0))), value
        if abs(value - before) < 1e-10:
            break
    top, bottom = 1 / (1 + np.exp(value - above)), 1 / (1 + np.exp(below - value))
    error = np.sqrt(top.var() / top.mean() ** 2 / len(top) + bottom.var() / bottom.mean() ** 2 / len(bottom))
    return value, float(error), int(2 * mcmc.get_extra_fields()["num_steps"].sum()) + 2 * len(draws)


def dynesty(posterior: Posterior) -> Answer:
    from dynesty import NestedSampler

    counted = Counted(posterior)
    sampler = NestedSampler(counted, posterior.transform, posterior.dimension, rstate=np.random.default_rng(1))
    sampler.run_nested(print_progress=False)
    return sampler.results.logz[-1], sampler.results.logzerr[-1], counted.count


def ultranest(posterior: Posterior) -> Answer:
    import logging

    from ultranest import ReactiveNestedSampler

    logging.getLogger("ultranest").setLevel(logging.ERROR)
    np.random.seed(1)  # noqa: NPY002 - what it draws from
    names, counted = [f"x{i}" for i in range(posterior.dimension)], Counted(posterior)
    sampler = ReactiveNestedSampler(names, counted, posterior.transform, vectorized=True)
    found = sampler.run(show_status=False, viz_callback=False)
    return found["logz"], found["logzerr"], counted.count


def nautilus(posterior: Posterior) -> Answer:
    from nautilus import Sampler

    counted = Counted(posterior)
    sampler = Sampler(posterior.transform, counted, n_dim=posterior.dimension, pass_dict=False, vectorized=True, seed=1)
    sampler.run(verbose=False)
    return sampler.log_z, 1 / np.sqrt(sampler.n_eff), counted.count


def pymc_smc(posterior: Posterior) -> Answer:
    import logging

    import pymc as pm
    import pytensor.tensor as pt
    from pytensor.compile.ops import wrap_py

    logging.getLogger("pymc").setLevel(logging.ERROR)
    counted = Counted(posterior)

    @wrap_py(itypes=[pt.dvector], otypes=[pt.dscalar])
    def log_likelihood(x):  # type: ignore[no-untyped-def]
        return np.array(counted(x))

    with pm.Model():
        parts = [_pymc_prior(pm, f"x{i}", p) for i, p in enumerate(posterior.prior)]
        pm.Potential("likelihood", log_likelihood(pt.stack(parts)))
        found = pm.sample_smc(chains=4, cores=1, random_seed=1, progressbar=False)
    ends = found["sample_stats"]["log_marginal_likelihood"].values
    values = np.array([_last(chain) for chain in ends.reshape(4, -1)])
    return float(values.mean()), float(values.std(ddof=1) / 2), counted.count


def _last(chain: np.ndarray) -> float:
    """Return the last of a chain's stages: numbers, or lists of them where chains took different numbers of stages."""
    return float(np.hstack([np.ravel(np.asarray(stage, float)) for stage in chain])[-1])


def _pymc_prior(pm, name, prior):  # type: ignore[no-untyped-def]
    if prior.dist.name == "norm":
        return pm.Normal(name, prior.args[0], prior.args[1])
    if prior.dist.name == "laplace":
        return pm.Laplace(name, prior.args[0], prior.args[1])
    if prior.dist.name == "gamma":
        return pm.Gamma(name, prior.args[0], 1 / prior.kwds["scale"])
    return pm.Uniform(name, prior.args[0], prior.args[0] + prior.args[1])


def scipy_cubature(posterior: Posterior) -> Answer:
    """Adaptive cubature over the prior's range, scaled by the highest of a thousand posterior values at hand."""
    from scipy.integrate import cubature

    count = 0
    low, high = posterior.box()
    peak = posterior.log_joint(posterior.transform(np.random.default_rng(1).random((20_000, len(low))))).max()

    def density(x: np.ndarray) -> np.ndarray:
        nonlocal count
        count += len(x)
        return np.exp(np.maximum(posterior.log_joint(x) - peak, -745.0))

    found = cubature(density, low, high, rtol=1e-6, atol=0.0)
    value = float(found.estimate)
    return peak + np.log(value), float(found.error) / value, count


METHODS: dict[str, Callable[[Posterior], Answer]] = {
    f.__name__: f
    for f in (
        bayes_sandbox,
        bayes_sandbox_compare,
        plain_bridge,
        dynesty,
        ultranest,
        nautilus,
        pymc_smc,
        scipy_cubature,
    )
}

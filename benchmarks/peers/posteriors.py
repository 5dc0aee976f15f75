"""Posteriors for everyone: our model, and the same prior and likelihood in NumPy for those who ask for functions.

A prior is a list of SciPy distributions, independent; the likelihood takes points (n, d). Truths are closed forms, or
one-dimensional integrals by SciPy, or (`reference`) our own sum at a tolerance of 1e-9, which the first column of the
results then cannot judge.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy import special, stats

Points = np.ndarray


@dataclass(frozen=True)
class Posterior:
    """What every method is given."""

    name: str
    smooth: bool
    prior: list[Any]
    log_likelihood: Callable[[Points], np.ndarray]
    model: Callable[[], Any]
    truth: Callable[[], float]

    @property
    def dimension(self) -> int:
        return len(self.prior)

    def transform(self, u: Points) -> Points:
        """Return points of the unit cube (…, d) as parameters."""
        return np.stack([p.ppf(u[..., i]) for i, p in enumerate(self.prior)], axis=-1)

    def log_joint(self, x: Points) -> np.ndarray:
        return self.log_likelihood(x) + sum(p.logpdf(x[:, i]) for i, p in enumerate(self.prior))

    def box(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the range outside which the prior has 1e-14 of its mass."""
        low, high = (np.array([p.ppf(q) for p in self.prior]) for q in (1e-14, 1 - 1e-14))
        return low, high


def _priors(*pairs: tuple[float, float]) -> tuple[list[Any], Any, Any]:
    loc, scale = (np.array(v, float) for v in zip(*pairs))
    return [stats.norm(m, s) for m, s in pairs], loc, scale


def regression(d: int) -> Posterior:
    """A conjugate regression on random predictors, correlated; closed form."""
    rng = np.random.default_rng(d)
    x = rng.normal(size=(25, d)) @ (np.eye(d) + 0.6)
    y, noise = x @ rng.normal(size=d) + rng.normal(0.0, 0.8, size=25), 0.8
    prior, loc, scale = _priors(*[(0.3, 2.0)] * d)
    constant = -len(y) * np.log(noise * np.sqrt(2 * np.pi))

    def model() -> Any:
        import numpyro.distributions as dist

        import bayes_sandbox as bs

        return bs.Model({"w": dist.Normal(loc, scale).to_event(1)}, lambda w: dist.Normal(x @ w, noise), observed=y)

    covariance = (x * scale**2) @ x.T + noise**2 * np.eye(len(y))
    return Posterior(
        f"conjugate regression {d}d",
        True,
        prior,
        lambda w: constant - 0.5 * (((y - w @ x.T) / noise) ** 2).sum(axis=1),
        model,
        lambda: float(stats.multivariate_normal(x @ loc, covariance).logpdf(y)),
    )


@cache
def _breast_cancer() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    return (data.data - data.data.mean(axis=0)) / data.data.std(axis=0), data.target.astype(float)


def logistic(d: int) -> Posterior:
    """Breast cancer (569 cases, scikit-learn), the first d − 1 columns and an intercept, w ~ N(0, 2²)."""
    columns, y = _breast_cancer()
    x = np.column_stack([np.ones(len(y)), columns[:, : d - 1]])
    sign = 2 * y - 1
    prior, loc, scale = _priors(*[(0.0, 2.0)] * d)

    def model() -> Any:
        import numpyro.distributions as dist

        import bayes_sandbox as bs

        return bs.Model({"w": dist.Normal(loc, scale).to_event(1)}, lambda w: dist.Bernoulli(logits=x @ w), observed=y)

    return Posterior(
        f"logistic regression {d}d",
        True,
        prior,
        lambda w: special.log_expit(sign * (w @ x.T)).sum(axis=1),
        model,
        lambda: reference(model),
    )


def reference(model: Callable[[], Any]) -> float:
    """Return our own sum by another rule than the one that `auto` takes in three dimensions, settled to 1e-9."""
    import bayes_sandbox as bs

    fit = bs.fit_grid(model(), rule="gauss-hermite", tolerance=1e-9)
    assert fit.error < 1e-6, fit.message
    return float(fit.log_integral)


def counts() -> Posterior:
    """Four counts with one rate, which is e^θ; by quadrature on a line."""
    y = np.array([7, 3, 11, 5])
    prior, loc, scale = _priors((1.0, 1.5))
    constant = -special.gammaln(y + 1).sum()

    def model() -> Any:
        import jax.numpy as jnp
        import numpyro.distributions as dist

        import bayes_sandbox as bs

        return bs.Model({"t": dist.Normal(loc[0], scale[0])}, lambda t: dist.Poisson(jnp.exp(t)), observed=y)

    def log_likelihood(t: Points) -> np.ndarray:
        return constant + y.sum() * t[:, 0] - len(y) * np.exp(t[:, 0])

    def truth() -> float:
        t = np.linspace(-12, 8, 200_001)
        return float(np.log(np.trapezoid(np.exp(log_likelihood(t[:, None]) + prior[0].logpdf(t)), t)))

    return Posterior("counts 1d", True, prior, log_likelihood, model, truth)


def eggbox() -> Posterior:
    """(2 + cos(x/2) cos(y/2))⁵ on (0, 10π)²: log evidence 235.8559403, by a trapezoid over whole periods."""

    def model() -> Any:
        import jax.numpy as jnp
        import numpyro
        import numpyro.distributions as dist

        import bayes_sandbox as bs

        def program() -> None:
            x = numpyro.sample("x", dist.Uniform(0.0, 10 * np.pi * np.ones(2)).to_event(1))
            numpyro.factor("egg", (2 + jnp.prod(jnp.cos(x / 2))) ** 5)

        return bs.Model.from_numpyro(program)

    prior = [stats.uniform(0, 10 * np.pi)] * 2
    return Posterior(
        "eggbox 2d", True, prior, lambda x: (2 + np.cos(x / 2).prod(axis=1)) ** 5, model, lambda: 235.8559403
    )


def spikes() -> Posterior:
    """Two normals of sd 0.05, weights 0.2 and 0.8, far apart in a four-dimensional box of side 6: −4 log 6."""
    centres = -3 + 6 * np.array([[0.37, 0.61, 0.23, 0.71], [0.73, 0.19, 0.67, 0.29]])
    log_weights = np.log([0.2, 0.8]) - 4 * np.log(0.05 * np.sqrt(2 * np.pi))

    def model() -> Any:
        import jax.numpy as jnp
        import numpyro
        import numpyro.distributions as dist
        from jax.scipy.special import logsumexp

        import bayes_sandbox as bs

        def program() -> None:
            x = numpyro.sample("x", dist.Uniform(-3.0, 3.0 * np.ones(4)).to_event(1))
            squares = jnp.sum(((x - centres) / 0.05) ** 2, axis=1)
            numpyro.factor("spikes", logsumexp(log_weights - squares / 2))

        return bs.Model.from_numpyro(program)

    def log_likelihood(x: Points) -> np.ndarray:
        squares = (((x[:, None] - centres) / 0.05) ** 2).sum(axis=2)
        return special.logsumexp(log_weights - squares / 2, axis=1)

    return Posterior("two spikes 4d", True, [stats.uniform(-3, 6)] * 4, log_likelihood, model, lambda: -4 * np.log(6.0))


def two_means() -> Posterior:
    """A mixture of two normals that does not know which is which: the evidence by allocation of every observation."""
    y, noise, loc, scale = np.array([-1.9, -1.4, -2.3, 3.1, 2.6, 3.4, 2.9]), 0.8, 0.5, 3.0

    def model() -> Any:
        import jax.numpy as jnp
        import numpyro.distributions as dist

        import bayes_sandbox as bs

        def likelihood(mu: Any) -> Any:
            return dist.MixtureSameFamily(dist.Categorical(probs=jnp.array([0.5, 0.5])), dist.Normal(mu, noise))

        return bs.Model({"mu": dist.Normal(loc, scale).expand([2]).to_event(1)}, likelihood, observed=y)

    def log_likelihood(mu: Points) -> np.ndarray:
        return (special.logsumexp(stats.norm.logpdf(y[:, None], mu[:, None], noise), axis=2) - np.log(2)).sum(axis=1)

    def truth() -> float:
        total = []
        for mask in np.ndindex(*(2,) * len(y)):
            chosen = np.array(mask, bool)
            parts = (
                stats.multivariate_normal(np.full(k, loc), noise**2 * np.eye(k) + scale**2).logpdf(part)
                for part in (y[chosen], y[~chosen])
                if (k := len(part))
            )
            total.append(sum(parts) - len(y) * np.log(2))
        return float(special.logsumexp(total))

    return Posterior("two means 2d", True, [stats.norm(loc, scale)] * 2, log_likelihood, model, truth)


def step() -> Posterior:
    """A uniform square of which what lies under a slanted line is impossible: a triangle is left."""

    def model() -> Any:
        import jax.numpy as jnp
        import numpyro
        import numpyro.distributions as dist

        import bayes_sandbox as bs

        def program() -> None:
            x = numpyro.sample("x", dist.Uniform(0.0, np.ones(2)).to_event(1))
            numpyro.factor("step", jnp.where(x[0] + 2 * x[1] > 2.3, 0.0, -jnp.inf))

        return bs.Model.from_numpyro(program)

    def log_likelihood(x: Points) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.log((x[:, 0] + 2 * x[:, 1] > 2.3).astype(float))

    return Posterior(
        "step 2d", False, [stats.uniform(0, 1)] * 2, log_likelihood, model, lambda: float(np.log(0.7 * 0.35 / 2))
    )


@cache
def posteriors() -> list[Posterior]:
    """Return all of them."""
    smooth = [counts(), regression(2), regression(3), regression(4), regression(5), logistic(3), logistic(5)]
    return [*smooth, eggbox(), two_means(), spikes(), step()]

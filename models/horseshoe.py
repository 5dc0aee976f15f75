"""Horseshoe: a prior that lets large slopes go (12 parameters)

The regression of `diabetes.py`, each slope with a scale of its own beside one that all share:

    y_i ~ Normal(x_i · w, sigma²),    w_j ~ Normal(0, (overall · local_j)²)
    local_j ~ HalfCauchy(1),    overall ~ HalfCauchy(0.1),    sigma ~ HalfNormal(1)

Ten measurements of 442 patients, and how far their disease had progressed a year later; all standardised, so that
no intercept is needed. Given the scales, the slopes are normal: they integrate out, and `w` reports their mean.

Source: Carvalho, Polson & Scott (2010), Biometrika 97, 465–480; data of Efron, Hastie, Johnstone & Tibshirani (2004).

What to notice. The prior of a slope has a pole at zero and Cauchy's tails: small slopes are shrunk harder than by ridge
or lasso, large ones hardly at all. What integrates out on paper should: with slopes to be drawn (22 parameters) chains
diverge in the funnels of their scales, and no estimate is trusted. log p(D) = −491.968 ± 0.005.
"""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from sklearn.datasets import load_diabetes

import bayes_sandbox as bs


def horseshoe(x, y):
    """The NumPyro program: given all scales the slopes are normal, and are integrated out."""
    overall = numpyro.sample("overall", dist.HalfCauchy(0.1))
    sigma = numpyro.sample("sigma", dist.HalfNormal(1))
    with numpyro.plate("slope", x.shape[1]):
        local = numpyro.sample("local", dist.HalfCauchy(1))
    scaled = x * (overall * local)
    precision = jnp.eye(x.shape[1]) + scaled.T @ scaled / sigma**2  # of the slopes in units of their scales
    numpyro.deterministic("w", overall * local * jnp.linalg.solve(precision, scaled.T @ y) / sigma**2)  # their mean
    noise = jnp.full(len(y), sigma**2)
    numpyro.sample("y", dist.LowRankMultivariateNormal(jnp.zeros(len(y)), scaled, noise), obs=y)


def standardised(a: np.ndarray) -> np.ndarray:
    """Return columns of mean 0 and standard deviation 1."""
    return (a - a.mean(axis=0)) / a.std(axis=0)


x, y = load_diabetes(return_X_y=True)
model = bs.Model.from_numpyro(horseshoe, standardised(x), standardised(y), name="horseshoe")

if __name__ == "__main__":
    bs.main(model)

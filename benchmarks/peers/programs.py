"""The posteriors of `benchmarks.sampling` in PyMC: the same priors, likelihoods and data, as its users write.

Data are those of the script in `models/`. Column `z` of `benchmarks.sampling` shows how far means are from ours.
"""

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt


def _standardised(a: np.ndarray) -> np.ndarray:
    return (a - a.mean(axis=0)) / a.std(axis=0)


def bioassay(data: Any) -> None:
    intercept, slope = pm.Normal("intercept", 0, 10), pm.Normal("slope", 0, 10)
    pm.Binomial("y", data.n, logit_p=intercept + slope * data.dose, observed=data.deaths)


def breast_cancer(data: Any, columns: int = 31) -> None:
    from sklearn.datasets import load_breast_cancer

    x, benign = load_breast_cancer(return_X_y=True)
    x = np.column_stack([np.ones(len(x)), _standardised(x)])[:, :columns]
    w = pm.Normal("w", 0, 2, shape=columns)
    pm.Bernoulli("y", logit_p=x @ w, observed=benign)


def challenger(data: Any) -> None:
    intercept, slope = pm.Normal("intercept", 0, 5), pm.Normal("slope", 0, 5)
    warmth = (data.fahrenheit - 70) / 10
    pm.Binomial("y", 1, logit_p=intercept + slope * warmth, observed=np.minimum(data.distressed, 1))


def coal_mining(data: Any) -> None:
    early, late = pm.Gamma("early", 2, 1), pm.Gamma("late", 2, 1)
    before = pt.cumsum(pm.logp(pm.Poisson.dist(early), data.counts))
    after = pt.cumsum(pm.logp(pm.Poisson.dist(late), data.counts)[::-1])[::-1]
    pm.Potential("counts", pt.logsumexp(before[:-1] + after[1:]))


def diabetes(data: Any) -> None:
    _regression(lambda num: pm.Normal("w", 0, 0.5, shape=num))


def lasso(data: Any) -> None:
    _regression(lambda num: pm.Laplace("w", 0, 0.1, shape=num))


def _regression(slopes: Any) -> None:
    from sklearn.datasets import load_diabetes

    x, y = map(_standardised, load_diabetes(return_X_y=True))
    w, intercept, sigma = slopes(x.shape[1]), pm.Normal("intercept", 0, 1), pm.HalfNormal("sigma", 1)
    pm.Normal("y", intercept + x @ w, sigma, observed=y)


def dyestuff(data: Any) -> None:
    mu, tau, sigma = pm.Normal("mu", 1500, 100), pm.HalfNormal("tau", 100), pm.HalfNormal("sigma", 100)
    num = data.davies.shape[1]
    cov = sigma**2 * np.eye(num) + tau**2 * np.ones((num, num))
    pm.MvNormal("y", mu * np.ones(num), cov=cov, observed=data.davies)


def eight_schools(data: Any) -> None:
    mu, tau, z = pm.Normal("mu", 0, 5), pm.HalfCauchy("tau", 5), pm.Normal("z", 0, 1, shape=8)
    pm.Normal("y", mu + tau * z, data.standard_error, observed=data.effect)


def fabric(data: Any) -> None:
    intercept, slope = pm.Normal("intercept", 2, 1), pm.Normal("slope", 1, 1)
    concentration = pm.Gamma("concentration", 2, 0.1)
    mean = pt.exp(intercept + slope * np.log(data.length / 600))
    pm.NegativeBinomial("y", mu=mean, alpha=concentration, observed=data.faults)


def normal(data: Any) -> None:
    pm.Normal("y", pm.Normal("mu", 0, 50), pm.HalfNormal("sigma", 50), observed=data.times)


def outliers(data: Any) -> None:
    intercept, slope = pm.Normal("intercept", 0, 2), pm.Cauchy("slope", 0, 1)
    fraction = pm.Uniform("fraction", 0, 1)
    mean, log_variance = pm.Normal("outlier_mean", 0, 1), pm.Normal("outlier_log_variance", 0, 1)
    x, sd, y = (data.x - 150) / 100, data.sd / 100, (data.y - 400) / 100
    parts = [
        pm.Normal.dist(intercept + slope * x, sd),
        pm.Normal.dist(mean * np.ones(len(x)), pt.sqrt(sd**2 + pt.exp(log_variance))),
    ]
    pm.Mixture("y", w=pt.stack([1 - fraction, fraction]), comp_dists=parts, observed=y)


def puromycin(data: Any) -> None:
    v_max, k, sigma = pm.HalfNormal("v_max", 400), pm.HalfNormal("k", 1), pm.HalfNormal("sigma", 50)
    pm.Normal("y", v_max * data.concentration / (k + data.concentration), sigma, observed=data.rate_treated)


def stack_loss(data: Any) -> None:
    days = _standardised(data.days)
    intercept, w, scale = pm.Normal("intercept", 0, 1), pm.Normal("w", 0, 1, shape=3), pm.HalfNormal("scale", 1)
    pm.StudentT("y", nu=4, mu=intercept + days[:, :3] @ w, sigma=scale, observed=days[:, 3])


def stopping(data: Any) -> None:
    s = data.speed / 20
    w, noise = pm.Normal("w", 0, 1, shape=2), pm.HalfNormal("noise", 1)
    pm.Normal("y", s[:, None] ** np.arange(1, 3) @ w, noise * s, observed=data.distance / 50)


def program(script: str, data: Any, **settings: Any) -> pm.Model:
    """Return the PyMC model of a script in `models/`, of which `data` is the module."""
    with pm.Model() as model:
        globals()[script](data, **settings)
    return model

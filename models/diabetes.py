"""Diabetes: ridge regression is a prior (12 parameters)

Ten measurements of 442 patients, and how far their disease had progressed a year later.

    y_i ~ Normal(intercept + x_i · w, sigma²)
    w_j ~ Normal(0, prior_scale²),    intercept ~ Normal(0, 1),    sigma ~ HalfNormal(1)

Columns and response are standardised, so that one scale suits all slopes.

Source: Efron, Hastie, Johnstone & Tibshirani (2004), Annals of Statistics 32, 407–499; shipped with scikit-learn.

What to notice. Given sigma, the highest point in w is the solution of `Ridge(alpha=sigma² / prior_scale²)`: the
strength of the penalty is a ratio of two variances, and the evidence chooses it with no data held out:
log p(D) is −520.8, −492.5, −497.3 and −513.9 for a `prior_scale` of 0.05, 0.2, 0.5 and 3. The columns s1
and s2 are nearly one (correlation 0.90): their slopes can be traded for one another, so each alone is
uncertain, whereas the prediction is not.
"""

import numpy as np
import numpyro.distributions as dist
from sklearn.datasets import load_diabetes

import bayes_sandbox as bs


def standardised(a: np.ndarray) -> np.ndarray:
    """Return columns of mean 0 and standard deviation 1."""
    return (a - a.mean(axis=0)) / a.std(axis=0)


def make_model(prior_scale: float = 0.5) -> bs.Model:
    """Return the regression with one prior standard deviation for all ten slopes."""
    x, y = load_diabetes(return_X_y=True)
    return bs.Model(
        prior={
            "w": dist.Normal(0, prior_scale).expand([x.shape[1]]).to_event(1),
            "intercept": dist.Normal(0, 1),
            "sigma": dist.HalfNormal(1),
        },
        likelihood=lambda w, intercept, sigma, x: dist.Normal(intercept + x @ w, sigma),
        inputs={"x": standardised(x)},
        observed=standardised(y),
        name="diabetes",
    )


model = make_model()

if __name__ == "__main__":
    bs.main(model)

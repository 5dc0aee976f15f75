"""Lasso: sparse at the mode, nowhere else (12 parameters)

The regression of `diabetes.py` with Laplace's prior for the slopes instead of a normal one:

    y_i ~ Normal(intercept + x_i · w, sigma²)
    w_j ~ Laplace(0, prior_scale),    intercept ~ Normal(0, 1),    sigma ~ HalfNormal(1)

Ten measurements of 442 patients, and how far their disease had progressed a year later; all standardised.

Source: Tibshirani (1996), J. R. Stat. Soc. B 58, 267–288, section 5, for the prior; Park & Casella (2008), J. Am. Stat.
Assoc. 103, 681–686, for its posterior; data of Efron, Hastie, Johnstone & Tibshirani (2004).

What to notice. At the mode the slopes of age and s2 are exactly zero: Laplace's density has a corner there. A corner
holds no mass: no draw is zero, no posterior mean is, and the marginal of a slope that the mode drops is a hump like
the others'. log p(D) = −493.381 ± 0.005, beside −492.5 for the best ridge of `diabetes.py`.
"""

import numpy as np
import numpyro.distributions as dist
from sklearn.datasets import load_diabetes

import bayes_sandbox as bs


def standardised(a: np.ndarray) -> np.ndarray:
    """Return columns of mean 0 and standard deviation 1."""
    return (a - a.mean(axis=0)) / a.std(axis=0)


def make_model(prior_scale: float = 0.1) -> bs.Model:
    """Return the regression with one scale of the Laplace prior for all ten slopes."""
    x, y = load_diabetes(return_X_y=True)
    return bs.Model(
        prior={
            "w": dist.Laplace(0, prior_scale).expand([x.shape[1]]).to_event(1),
            "intercept": dist.Normal(0, 1),
            "sigma": dist.HalfNormal(1),
        },
        likelihood=lambda w, intercept, sigma, x: dist.Normal(intercept + x @ w, sigma),
        inputs={"x": standardised(x)},
        observed=standardised(y),
        name="lasso",
    )


model = make_model()

if __name__ == "__main__":
    bs.main(model)

"""Breast cancer: logistic regression (31 parameters)

Is a tumour benign? 569 cases, thirty measurements of cell nuclei, standardised; the first column is the intercept's 1.

    benign_i ~ Bernoulli(p_i),    logit p_i = x_i · w,    w_j ~ Normal(0, 2²)

`columns=6` keeps the first six columns: few enough for a grid.

Source: Street, Wolberg & Mangasarian (1993), the Wisconsin diagnostic data of the UCI repository;
shipped with scikit-learn.

What to notice. The classes can be separated by a plane, so that without a prior no maximum exists: w runs off to
infinity. MAP here is `LogisticRegression(C=4)` with a penalised intercept: C is the prior's variance. No grid reaches
31 dimensions; from 6 to 31 columns Laplace's error grows to 0.75 nats, and bridge sampling still agrees with
importance sampling. With 3 columns log p(D) = −154.355450, with 6 it is −102.151427.
"""

import numpy as np
import numpyro.distributions as dist
from sklearn.datasets import load_breast_cancer

import bayes_sandbox as bs


def make_model(columns: int = 31, prior_scale: float = 2.0) -> bs.Model:
    """Return the regression on the first `columns` of [1, measurements]."""
    x, benign = load_breast_cancer(return_X_y=True)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    x = np.column_stack([np.ones(len(x)), x])[:, :columns]
    return bs.Model(
        prior={"w": dist.Normal(0, prior_scale).expand([columns]).to_event(1)},
        likelihood=lambda w, x: dist.Bernoulli(logits=x @ w),
        inputs={"x": x},
        observed=benign,
        name="breast_cancer",
    )


model = make_model()

if __name__ == "__main__":
    bs.main(model)

"""Newcomb's light: a normal's mean and scale (2 parameters)

In 1882 Simon Newcomb timed light over 7442 m, 66 times. The data are nanoseconds above 24,800.

    time_i ~ Normal(mu, sigma²),    mu ~ Normal(0, 50²),    sigma ~ HalfNormal(50)

`robust=True` replaces the normal by a Student t with 4 degrees of freedom and leaves the prior as it is.

Source: Newcomb's measurements as in Stigler (1977), Annals of Statistics 5, 1055–1098;
also Gelman et al., Bayesian Data Analysis (3rd ed., 2013), section 3.2.

What to notice. Two readings, −44 and −2, are no part of any bell. The normal model has to call them
ordinary: it stretches sigma to 11 and holds mu at 26.2, as in the book. The t model passes over them: 27.5,
twice as sure. A posterior cannot say that its own likelihood is wrong; two evidences under one prior can:
log p(D) = −256.923 and −225.502, a factor of exp(31). Neither reaches 33.0, the true value: no likelihood here
can see a systematic error.
"""

import numpy as np
import numpyro.distributions as dist

import bayes_sandbox as bs

# fmt: off
times = np.array([  # Stigler 1977
    28, -44, 29, 30, 24, 28, 37, 32, 36, 27, 26, 28, 29, 26, 27, 22, 23, 20, 25, 25, 36, 23,
    31, 32, 24, 27, 33, 16, 24, 29, 36, 21, 28, 26, 27, 27, 32, 25, 28, 24, 40, 21, 31, 32,
    28, 26, 30, 27, 26, 24, 32, 29, 34, -2, 25, 19, 36, 29, 30, 22, 28, 33, 39, 25, 16, 23,
])
# fmt: on


def make_model(robust: bool = False) -> bs.Model:
    """Return the normal model, or its robust twin."""
    normal, student = (lambda mu, sigma: dist.Normal(mu, sigma)), (lambda mu, sigma: dist.StudentT(4, mu, sigma))
    return bs.Model(
        prior={"mu": dist.Normal(0, 50), "sigma": dist.HalfNormal(50)},
        likelihood=student if robust else normal,
        observed=times,
        name="normal",
    )


model = make_model()

if __name__ == "__main__":
    bs.main(model)

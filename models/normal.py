"""Newcomb's light: a mean and a standard deviation (2 parameters)

In 1882 Simon Newcomb timed light over 7442 m, 66 times. The data are nanoseconds above 24,800.

    time_i ~ Normal(mu, sigma²),    mu ~ Normal(0, 50²),    sigma ~ HalfNormal(50)

`robust=True` replaces the normal by a Student t with 4 degrees of freedom and leaves the prior as it is.

Source: Newcomb's measurements as in Stigler (1977), Annals of Statistics 5, 1055–1098, table 5;
also Gelman et al., Bayesian Data Analysis (3rd ed., 2013), section 3.2.

What to notice. Two readings, −44 and −2, are no part of any bell. The normal model has to call them
ordinary: it stretches sigma to 10.8 and pulls mu down to 26.2, as in the book. The t model passes over them.
A posterior cannot say that its own likelihood is wrong; the evidences of the two models, with the same prior, can.
And neither reaches 33.0, today's value: no likelihood sees a systematic error.
"""

import numpy as np
import numpyro.distributions as dist

import bayes_sandbox as bs

times = np.array(
    [28, -44, 29, 30, 24, 28, 37, 32, 36, 27, 26, 28, 29, 26, 27, 22, 23, 20, 25, 25, 36, 23]  # Stigler 1977, table 5
    + [31, 32, 24, 27, 33, 16, 24, 29, 36, 21, 28, 26, 27, 27, 32, 25, 28, 24, 40, 21, 31, 32]
    + [28, 26, 30, 27, 26, 24, 32, 29, 34, -2, 25, 19, 36, 29, 30, 22, 28, 33, 39, 25, 16, 23]
)


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

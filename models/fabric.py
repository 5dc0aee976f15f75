"""Fabric: do faults come in clusters? (3 parameters)

Faults in 32 rolls of cloth of different lengths. Twice as long a roll should have twice as many. If they came one by
one, their number would be Poisson's, with a variance equal to its mean:

    faults_i ~ NegativeBinomial(mean_i, concentration),    variance_i = mean_i + mean_i² / concentration
    log mean_i = intercept + slope · log(length_i / 600)
    intercept ~ Normal(2, 1),    slope ~ Normal(1, 1),    concentration ~ Gamma(2, 0.1)

A negative binomial is a Poisson whose rate is itself drawn, from a gamma with this concentration; as that grows, it
becomes the Poisson, which `poisson=True` takes (2 parameters).

Source: Bissell (1972), Biometrika 59, 435–441. By maximum likelihood the Poisson has a deviance of 64.5 on 30 degrees
of freedom, twice what it should be.

What to notice. Both say that the slope is 1, as it must be; the Poisson is too sure of everything else. log p(D) is
−92.624 with clusters, −98.517 without: a Bayes factor of 360. The concentration has a long tail to the right, where
all values are nearly the Poisson: its mode is 9, its mean 12.
"""

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

import bayes_sandbox as bs

# Bissell 1972: metres of each roll, and its faults
# fmt: off
length = np.array([
    551, 651, 832, 375, 715, 868, 271, 630, 491, 372, 645, 441, 895, 458, 642, 492,
    543, 842, 905, 542, 522, 122, 657, 170, 738, 371, 735, 749, 495, 716, 952, 417,
])
faults = np.array([
    6, 4, 17, 9, 14, 8, 5, 7, 7, 7, 6, 8, 28, 4, 10, 4, 8, 9, 23, 9, 6, 1, 9, 4, 9, 14, 17, 10, 7, 3, 9, 2,
])
# fmt: on


def make_model(poisson: bool = False) -> bs.Model:
    """Return the model with clusters, or without."""
    prior = {"intercept": dist.Normal(2, 1), "slope": dist.Normal(1, 1)}
    if poisson:
        likelihood = lambda intercept, slope, x: dist.Poisson(jnp.exp(intercept + slope * x))  # noqa: E731
    else:
        prior["concentration"] = dist.Gamma(2, 0.1)
        likelihood = lambda intercept, slope, concentration, x: dist.NegativeBinomial2(  # noqa: E731
            jnp.exp(intercept + slope * x), concentration
        )
    return bs.Model(prior, likelihood, inputs={"x": np.log(length / 600)}, observed=faults, name="fabric")


model = make_model()

if __name__ == "__main__":
    bs.main(model)

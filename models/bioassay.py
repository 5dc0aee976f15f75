"""Bioassay: at which dose do the animals die? (2 parameters)

Four groups of five animals, each given one dose of a drug; the number that died is counted.

    deaths_i ~ Binomial(n_i, p_i),    logit p_i = intercept + slope · dose_i
    intercept, slope ~ Normal(0, 10²)

Source: Racine, Grieve, Flühler & Smith (1986), Applied Statistics 35, 93–150; the numbers are table 3.1
of Gelman et al., Bayesian Data Analysis (3rd ed., 2013), which fits them under a flat prior.

What to notice. Twenty animals do not make a Gaussian: the posterior is a bent wedge, and its mean lies
well to the upper right of its mode: (0.96, 8.9) against (0.65, 6.5). Under the flat prior they are (1.3, 11.6)
and (0.85, 7.7); this one holds back the steep slopes. Laplace's Gaussian sits on the mode and sees none of the
wedge: its log evidence, −5.933, is off by 0.048.
"""

import numpy as np
import numpyro.distributions as dist

import bayes_sandbox as bs

dose = np.array([-0.86, -0.30, -0.05, 0.73])  # log g/ml; BDA3 table 3.1
n = np.array([5, 5, 5, 5])
deaths = np.array([0, 1, 3, 5])


def make_model(prior_scale: float = 10.0) -> bs.Model:
    """Return the model; a wide `prior_scale` approaches the flat prior of the book, and costs evidence."""
    return bs.Model(
        prior={"intercept": dist.Normal(0, prior_scale), "slope": dist.Normal(0, prior_scale)},
        likelihood=lambda intercept, slope, dose, n: dist.Binomial(n, logits=intercept + slope * dose),
        inputs={"dose": dose, "n": n},
        observed=deaths,
        name="bioassay",
    )


model = make_model()

if __name__ == "__main__":
    bs.main(model)

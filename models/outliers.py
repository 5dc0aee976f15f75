"""A line through data with outliers (5 parameters)

Twenty points with known errors in y, most on a line, some not, and nobody marked which. Each point is on the
line with probability 1 − fraction, else it comes from a broad Gaussian; whether it does is summed out:

    y_i ~ (1 − fraction) · Normal(line_i, s_i²)  +  fraction · Normal(outlier_mean, s_i² + outlier_sd²)
    line_i = intercept + slope · x_i,    outlier_sd² = exp(outlier_log_variance)
    intercept ~ Normal(0, 2²),    slope ~ Cauchy(0, 1),    fraction ~ Uniform(0, 1)
    outlier_mean ~ Normal(0, 1),    outlier_log_variance ~ Normal(0, 1)

x and y are hundreds of the published units, from (150, 400) in the middle of the data: every parameter is
then of the order of one, and `intercept` is the height of the line at x = 150. The Cauchy prior of the slope is
a uniform prior of the line's angle.

Source: Hogg, Bovy & Lang (2010), arXiv:1008.4686, table 1 (without its errors in x), section 3 and exercise 6.

What to notice. The slope is that of least squares through points 5 to 20 alone, 2.24 ± 0.11 in the paper's
exercise 1, with nothing thrown away by hand; through all twenty it would be 1.08. What the outliers are like is
known by four points only: those marginals are broad and skewed. Lower modes call nearly every point an outlier, so
the best of several climbs is wanted. log p(D) = −23.4505.
"""

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

import bayes_sandbox as bs

# Hogg, Bovy & Lang 2010, table 1: x, y, and the standard deviation of y
x = np.array([201, 244, 47, 287, 203, 58, 210, 202, 198, 158, 165, 201, 157, 131, 166, 160, 186, 125, 218, 146])
y = np.array([592, 401, 583, 402, 495, 173, 479, 504, 510, 416, 393, 442, 317, 311, 400, 337, 423, 334, 533, 344])
sd = np.array([61, 25, 38, 15, 21, 15, 27, 14, 30, 16, 14, 25, 52, 16, 34, 31, 42, 26, 16, 22])


def line_or_outlier(intercept, slope, fraction, outlier_mean, outlier_log_variance, x, sd):
    """Return the distribution of y: a mixture of two Gaussians at each point."""
    line = intercept + slope * x
    loc = jnp.stack([line, jnp.full_like(line, outlier_mean)], axis=-1)
    scale = jnp.stack([sd, jnp.sqrt(sd**2 + jnp.exp(outlier_log_variance))], axis=-1)
    weights = jnp.stack([1 - fraction, fraction])
    return dist.MixtureSameFamily(dist.Categorical(probs=weights), dist.Normal(loc, scale))


model = bs.Model(
    prior={
        "intercept": dist.Normal(0, 2),
        "slope": dist.Cauchy(0, 1),
        "fraction": dist.Uniform(0, 1),
        "outlier_mean": dist.Normal(0, 1),
        "outlier_log_variance": dist.Normal(0, 1),
    },
    likelihood=line_or_outlier,
    inputs={"x": (x - 150) / 100, "sd": sd / 100},
    observed=(y - 400) / 100,
    name="outliers",
)

if __name__ == "__main__":
    bs.main(model)

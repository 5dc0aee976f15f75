"""Dyestuff: a variance with its mode at zero (3 parameters)

Six batches of a dyestuff, five samples of each: grams of standard colour. Do batches differ, or only samples?

    yield_bi = mu + batch_b + sample_bi,    batch_b ~ Normal(0, tau²),    sample_bi ~ Normal(0, sigma²)
    mu ~ Normal(1500, 100²),    tau ~ HalfNormal(100),    sigma ~ HalfNormal(100)

Batches integrate out: the five yields of one are a normal vector of covariance sigma² I + tau² 1 1ᵀ.
`second=True` takes a table of the same layout that Box and Tiao generated, in which batches agree better than samples
of one batch do, with mu ~ Normal(5, 5²), tau ~ HalfNormal(5), sigma ~ HalfNormal(5).

Source: Davies (1947), *Statistical Methods in Research and Production*, table 6.7; Box & Tiao (1973), *Bayesian
Inference in Statistical Analysis*, tables 5.1.3 and 5.1.4.

What to notice. In the second table the mode is at tau = 0, on the edge: "batches do not differ". Maximum likelihood
says so too, and a fit that reports a point says it without an error. The posterior has tau between 0.08 and 2.8 with
probability 0.9, and a mean of 1.07. In the first table the mode is 37, the mean 51. log p(D) is −168.5164970 and
−86.7669582.
"""

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

import bayes_sandbox as bs

davies = np.array(  # Davies 1947: a row a batch
    [
        [1545, 1440, 1440, 1520, 1580],
        [1540, 1555, 1490, 1560, 1495],
        [1595, 1550, 1605, 1510, 1560],
        [1445, 1440, 1595, 1465, 1545],
        [1595, 1630, 1515, 1635, 1625],
        [1520, 1455, 1450, 1480, 1445],
    ]
)
generated = np.array(  # Box & Tiao 1973
    [
        [7.298, 3.846, 2.434, 9.566, 7.990],
        [5.220, 6.556, 0.608, 11.788, -0.892],
        [0.110, 10.386, 13.434, 5.510, 8.166],
        [2.212, 4.852, 7.092, 9.288, 4.980],
        [0.282, 9.014, 4.458, 9.446, 7.198],
        [1.722, 4.782, 8.106, 0.758, 3.758],
    ]
)


def make_model(second: bool = False) -> bs.Model:
    """Return the model of the first table, or of the second."""
    data, centre, spread = (generated, 5.0, 5.0) if second else (davies, 1500.0, 100.0)
    num = data.shape[1]

    def likelihood(mu, tau, sigma):
        return dist.MultivariateNormal(jnp.full(num, mu), sigma**2 * jnp.eye(num) + tau**2 * jnp.ones((num, num)))

    return bs.Model(
        prior={"mu": dist.Normal(centre, spread), "tau": dist.HalfNormal(spread), "sigma": dist.HalfNormal(spread)},
        likelihood=likelihood,
        observed=data,
        name="dyestuff",
    )


model = make_model()

if __name__ == "__main__":
    bs.main(model)

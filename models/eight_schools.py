"""Eight schools: how much do effects differ? (10 parameters)

Eight schools coached their pupils for a test; each reports an effect and its standard error.

    y_j ~ Normal(theta_j, s_j²),    theta_j ~ Normal(mu, tau²),    mu ~ Normal(0, 5²),    tau ~ HalfCauchy(5)

Written non-centred: theta_j = mu + tau · z_j with z_j ~ Normal(0, 1). `centred=True` samples theta itself.
Both are the same model with the same evidence.

Source: Rubin (1981), J. Educational Statistics 6, 377–401; Gelman et al., Bayesian Data Analysis (3rd ed.,
2013), table 5.2; these priors are those of posteriordb's `eight_schools_noncentered`.

What to notice. Nothing says that the schools differ at all, so tau may be as small as it likes, and then all
thetas must be equal: the centred posterior is a funnel, and its density has no highest point whatever (let
theta = mu and tau → 0). Non-centred there is one, on the edge: tau = 0, complete pooling. In the logarithm of tau
there is another: tau = 29, hardly any. The mean is 3.60. A mode is no summary of a hierarchy, and Laplace's
evidence there is 6 nats off. log p(D) = −31.31134735, with mu and theta integrated in closed form, tau on a line.
"""

import numpy as np
import numpyro
import numpyro.distributions as dist

import bayes_sandbox as bs

effect = np.array([28, 8, -3, 7, -1, 1, 18, 12])  # Rubin 1981, table 1
standard_error = np.array([15, 10, 16, 11, 9, 11, 10, 18])


def schools(y, standard_error, centred):
    """The NumPyro program of both forms."""
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("school", 8):
        if centred:
            theta = numpyro.sample("theta", dist.Normal(mu, tau))
        else:
            theta = numpyro.deterministic("theta", mu + tau * numpyro.sample("z", dist.Normal(0, 1)))
        numpyro.sample("y", dist.Normal(theta, standard_error), obs=y)


def make_model(centred: bool = False) -> bs.Model:
    """Return the model in one of its two forms."""
    return bs.Model.from_numpyro(schools, effect, standard_error, centred, name="eight_schools")


model = make_model()

if __name__ == "__main__":
    bs.main(model)

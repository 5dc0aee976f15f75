"""Eight schools: how much do effects differ? (10 parameters, hierarchical)

Eight schools coached their pupils for a test; each reports an effect and its standard error.

    y_j ~ Normal(theta_j, s_j²),    theta_j ~ Normal(mu, tau²),    mu ~ Normal(0, 5²),    tau ~ HalfCauchy(5)

Written non-centred: theta_j = mu + tau · z_j with z_j ~ Normal(0, 1). `centred=True` samples theta itself.
Both are the same model with the same evidence.

Source: Rubin (1981), J. Educational Statistics 6, 377–401; Gelman et al., Bayesian Data Analysis (3rd ed.,
2013), table 5.2; these priors are those of posteriordb's `eight_schools_noncentered`.

What to notice. Nothing says that the schools differ at all, so tau may be as small as it likes, and then the
thetas must all be equal: in centred form the posterior is a funnel, and its density has no highest point
whatever (let all theta = mu and tau → 0). Non-centred it is nearly a bell, and MAP gives an answer: tau = 0,
complete pooling. Its mean of tau is 3.6. The mode here is not an approximation, it is another statement.
log p(D) = −31.31135, by integrating mu and theta in closed form and tau on a line.
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

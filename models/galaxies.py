"""Galaxies: how many clusters are in this sky? (8 parameters)

Velocities of 82 galaxies of the Corona Borealis region, in 1000 km/s: the faster, the farther away. Clusters with voids
between them show as a mixture of normals; which galaxy belongs to which is summed out:

    v_i ~ Σ_k share_k · Normal(centre_k, variance_k)
    share ~ Dirichlet(1, …, 1),    centre_k ~ Normal(20, 10²),    variance_k ~ InverseGamma(3, 20)

Source: Roeder (1990), J. Am. Stat. Assoc. 85, 617–624, after Postman, Huchra & Geller (1986); the priors are those of
Chib (1995), J. Am. Stat. Assoc. 90, 1313–1321.

What to notice. Components have no names: the posterior is 3! = 6 copies of one shape, and chains stay in some of them.
An estimator that visits one copy only is wrong by up to log 6. Chib's own value, −224.138, Neal (1999) disputed, since
his chains did not exchange labels; it is 2.6 nats from ours. log p(D) = −226.78 ± 0.05;
for two components −232.88, for four (`--set num_components=4`) −226.63 ± 0.04: two are too few; whether there are
three or four, this sky does not say.
"""

import numpy as np
import numpyro.distributions as dist

import bayes_sandbox as bs
from bayes_sandbox.real_data import GALAXIES


def make_model(num_components: int = 3) -> bs.Model:
    """Return the mixture of so many normals."""

    def likelihood(share, centre, variance):
        return dist.MixtureSameFamily(dist.Categorical(probs=share), dist.Normal(centre, variance**0.5))

    return bs.Model(
        prior={
            "share": dist.Dirichlet(np.ones(num_components)),
            "centre": dist.Normal(20, 10).expand([num_components]).to_event(1),
            "variance": dist.InverseGamma(3, 20).expand([num_components]).to_event(1),
        },
        likelihood=likelihood,
        observed=GALAXIES / 1000,
        name="galaxies",
    )


model = make_model()

if __name__ == "__main__":
    bs.main(model)

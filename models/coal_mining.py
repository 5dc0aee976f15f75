"""Coal mining: when did disasters become rarer? (2 parameters)

Yearly numbers of explosions that killed ten miners or more in Britain, 1851 to 1962. The rate changes once,
from `early` to `late`, in a year that is as likely to be any other:

    count_t ~ Poisson(early) for t < change, Poisson(late) for t ≥ change
    early, late ~ Gamma(2, 1),    change uniform on 1852, …, 1962

NUTS and MAP have no business with a whole number, so it is summed out, exactly:

    log p(counts | early, late) = logsumexp over change of [log p(counts | early, late, change) − log 111]

The terms of that sum, normalised, are the posterior of the year given the rates: nothing is lost.

Source: Jarrett (1979), Biometrika 66, 191–193: 191 disasters, counted by calendar year. Another array is in wide
use, with 111 values: it has 1854 and 1855 the wrong way round and loses a year in the 1940s, so that all
later ones stand one year too early.

What to notice. 3.1 disasters a year became 0.94, most probably from 1892 on (0.24; 1887 to 1893 hold 0.89). Given the
year the posterior is a product of two gammas, so the evidence is a sum of 111 closed forms, and so are the means:
log p(D) = −176.4678989, 3.0928 and 0.9377. A factor is a density, not a recipe: this model cannot predict.
"""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax.nn import logsumexp

import bayes_sandbox as bs

# fmt: off
counts = np.array([  # Jarrett 1979
    4, 5, 4, 1, 0, 4, 3, 4, 0, 6, 3, 3, 4, 0, 2, 6, 3, 3, 5, 4, 5, 3, 1, 4, 4, 1, 5, 5, 3,  # 1851–1879
    4, 2, 5, 2, 2, 3, 4, 2, 1, 3, 2, 2, 1, 1, 1, 1, 3, 0, 0, 1, 0, 1, 1, 0, 0, 3, 1, 0,  # 1880–1907
    3, 2, 2, 0, 1, 1, 1, 0, 1, 0, 1, 0, 0, 0, 2, 1, 0, 0, 0, 1, 1, 0, 2, 3, 3, 1, 1, 2,  # 1908–1935
    1, 1, 1, 1, 2, 3, 3, 0, 0, 0, 1, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1,  # 1936–1962
])
# fmt: on


def change_point(counts):
    """The NumPyro program; the sum over the year is one `factor`, the log likelihood of all counts together."""
    early = numpyro.sample("early", dist.Gamma(2, 1))
    late = numpyro.sample("late", dist.Gamma(2, 1))
    before = jnp.cumsum(dist.Poisson(early).log_prob(counts))  # of all years up to this one
    after = jnp.cumsum(dist.Poisson(late).log_prob(counts)[::-1])[::-1]  # of this year and all that follow
    by_change = before[:-1] + after[1:]
    numpyro.factor("counts", logsumexp(by_change) - jnp.log(len(by_change)))


model = bs.Model.from_numpyro(change_point, counts, name="coal_mining")

if __name__ == "__main__":
    bs.main(model)

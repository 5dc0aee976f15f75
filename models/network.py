"""Network: a hidden layer and its mirror images (8 parameters)

How a motorcyclist's helmet is slowed in a crash, by a neural network with one hidden layer:

    a_i ~ Normal(level + Σ_k out_k · tanh(bias_k + weight_k · t_i), noise²)
    weight_k, bias_k ~ Normal(0, 3²),    out_k ~ Normal(0, 1),    level ~ Normal(0, 1),    noise ~ HalfNormal(1)

with time in units of 13 ms, from 25 ms after the impact, and acceleration in units of 50 g. A normal prior of the
weights is *weight decay*: training with it climbs to this model's MAP.

Source: MacKay (1992), Neural Computation 4, 448–472, on networks and their evidence; data of Silverman (1985),
J. R. Stat. Soc. B 47, 1–52.

What to notice. Units can be exchanged, and tanh is odd: each unit's three weights can change their signs together.
Nothing in the data tells these 2! · 2² = 8 mirror images apart, and a mean over them is no network at all. The
evidence counts them all. log p(D) is −168.242, −110.81 ± 0.01 and −106.15 ± 0.06 for one, two and three units
(`--set num_hidden=3`).
"""

import jax.numpy as jnp
import numpyro.distributions as dist

import bayes_sandbox as bs
from bayes_sandbox.real_data import ACCELERATIONS, IMPACT_TIMES


def network(weight, bias, out, level, noise, t):
    """Return the distribution of accelerations around the network's curve."""
    hidden = jnp.tanh(bias + t[:, None] * weight)
    return dist.Normal(level + hidden @ out, noise)


def make_model(num_hidden: int = 2) -> bs.Model:
    """Return the network with so many hidden units."""
    wide, narrow = (dist.Normal(0, scale).expand([num_hidden]).to_event(1) for scale in (3, 1))
    return bs.Model(
        prior={
            "weight": wide,
            "bias": wide,
            "out": narrow,
            "level": dist.Normal(0, 1),
            "noise": dist.HalfNormal(1),
        },
        likelihood=network,
        inputs={"t": (IMPACT_TIMES - 25) / 13},
        observed=ACCELERATIONS / 50,
        name="network",
    )


model = make_model()

if __name__ == "__main__":
    bs.main(model)

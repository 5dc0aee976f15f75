"""Stopping: which powers of its speed stop a car? (3 parameters)

Fifty cars of the 1920s: speed in miles an hour, and how many feet it took to stop.

    distance_i ~ Normal(Σ_k w_k · speed_i^k, (noise · speed_i)²),    k = 1, …, order
    w_k ~ Normal(0, 1),    noise ~ HalfNormal(1)

with speed in units of 20 mph and distance in units of 50 ft. A car at rest has stopped, so there is no constant.
Mechanics says order 2: the driver's time to react, times the speed, and an energy for friction to take up.

Source: Ezekiel (1930), *Methods of Correlation Analysis*; R's `cars`.

What to notice. For order 1 to 5 (`--set order=3`) log p(D) is −17.124, −13.331, −14.148, −14.902, −15.565: highest
where mechanics says. The log likelihood at the mode, −11.23, −5.83, −5.86, −5.86, −5.84, stays where it is
from there on: the fit alone would not mind a power more.
"""

import numpy as np
import numpyro.distributions as dist

import bayes_sandbox as bs

# Ezekiel 1930: miles an hour, feet
# fmt: off
speed = np.array([
    4, 4, 7, 7, 8, 9, 10, 10, 10, 11, 11, 12, 12, 12, 12, 13, 13, 13, 13, 14, 14, 14, 14, 15, 15,
    15, 16, 16, 17, 17, 17, 18, 18, 18, 18, 19, 19, 19, 20, 20, 20, 20, 20, 22, 23, 24, 24, 24, 24, 25,
])
distance = np.array([
    2, 10, 4, 22, 16, 10, 18, 26, 34, 17, 28, 14, 20, 24, 28, 26, 34, 34, 46, 26, 36, 60, 80, 20, 26,
    54, 32, 40, 32, 40, 50, 42, 56, 76, 84, 36, 46, 68, 32, 48, 52, 56, 64, 66, 54, 70, 92, 93, 120, 85,
])
# fmt: on


def make_model(order: int = 2) -> bs.Model:
    """Return the polynomial of an order."""
    s = speed / 20
    return bs.Model(
        prior={"w": dist.Normal(0, 1).expand([order]).to_event(1), "noise": dist.HalfNormal(1)},
        likelihood=lambda w, noise, powers, s: dist.Normal(powers @ w, noise * s),
        inputs={"powers": s[:, None] ** np.arange(1, order + 1), "s": s},
        observed=distance / 50,
        name="stopping",
    )


model = make_model()

if __name__ == "__main__":
    bs.main(model)

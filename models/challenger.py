"""Challenger: do O-rings fail in the cold? (2 parameters)

The 23 shuttle flights before the accident whose boosters were recovered (those of the fourth sank):
temperature at launch, and how many of the six field-joint O-rings showed thermal distress.

    distress_i ~ Bernoulli(p_i),    logit p_i = intercept + slope · (°F_i − 70) / 10
    intercept ~ Normal(0, 5²),    slope ~ Normal(0, 5²)

Temperatures are centred at 70 °F, near their mean, and counted in tens of degrees, so that both priors
are wide: the intercept is the log odds of distress at 70 °F, the slope their change over 10 °F.
By default a flight counts as one trial, *any* distress or none, since rings that flew together share
their flight; `per_ring=True` takes them as six independent trials.

Source: Dalal, Fowlkes & Hoadley (1989), J. Am. Stat. Assoc. 84, 945–957, with both analyses.

What to notice. The likelihood alone is highest at logit p = 15.04 − 0.232 °F (per ring 5.085 − 0.1156 °F),
as in the paper. Challenger was launched at 31 °F, 22 degrees below the coldest flight. There the posterior
expects distress with probability 0.99 (90 % interval 0.95 to 1.00), and each ring alone with 0.73 (0.20 to 0.98);
but no datum stands there: the straight line in the logit carries these numbers so far, and no method checks it.
"""

import numpy as np
import numpyro.distributions as dist

import bayes_sandbox as bs

# Flights STS-1 to 61-C in order, without STS-4; Dalal et al. 1989, table 1.
fahrenheit = np.array([66, 70, 69, 68, 67, 72, 73, 70, 57, 63, 70, 78, 67, 53, 67, 75, 70, 81, 76, 79, 75, 58, 76])
distressed = np.array([0, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 2, 1, 0])
rings = 6


def make_model(per_ring: bool = False, prior_scale: float = 5.0) -> bs.Model:
    """Return the model of flights, or of single rings."""
    return bs.Model(
        prior={"intercept": dist.Normal(0, prior_scale), "slope": dist.Normal(0, prior_scale)},
        likelihood=lambda intercept, slope, warmth, trials: dist.Binomial(trials, logits=intercept + slope * warmth),
        inputs={"warmth": (fahrenheit - 70) / 10, "trials": rings if per_ring else 1},
        observed=distressed if per_ring else np.minimum(distressed, 1),
        name="challenger",
    )


model = make_model()

if __name__ == "__main__":
    bs.main(model)

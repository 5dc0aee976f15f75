"""Globe tossing: how much of the Earth is water? (1 parameter)

A globe is tossed up and caught nine times; six times the finger lands on water.

    waters ~ Binomial(9, p),    p ~ Uniform(0, 1)

Source: McElreath, Statistical Rethinking (2nd ed., 2020), section 2.2.

What to notice. Everything is known in closed form: the posterior is Beta(7, 4) with mean 7/11 and
the evidence is 1/10, because under a flat prior each of the counts 0, …, 9 is equally probable.
The highest point is 6/9 = 0.667 in p but 7/11 = 0.636 in the logit of p: the mode moves under a
change of variables, the integral does not.
"""

import numpyro.distributions as dist

import bayes_sandbox as bs

tosses, waters = 9, 6  # W L W W W L W L W

model = bs.Model(
    prior={"p": dist.Uniform(0, 1)},
    likelihood=lambda p, tosses: dist.Binomial(tosses, p),
    inputs={"tosses": tosses},
    observed=waters,
    name="globe",
)

if __name__ == "__main__":
    bs.main(model)

"""Horse kicks: deaths in the Prussian cavalry (1 parameter)

Over twenty years, 1875 to 1894, each of 14 army corps reported how many men a horse had kicked to death.

    deaths_i ~ Poisson(rate),    rate ~ Gamma(1, 1)

Source: von Bortkiewicz (1898), Das Gesetz der kleinen Zahlen; 280 corps-years, 196 deaths.

What to notice. The prior is conjugate, so that paper and pencil check every method: the posterior is
Gamma(1 + 196, 1 + 280), with mean 197/281 = 0.7011 and mode 196/281 = 0.6975, and
log p(D) = log Γ(197) − 197 log 281 − Σ log deaths_i! = −316.93315.
"""

import numpy as np
import numpyro.distributions as dist

import bayes_sandbox as bs

deaths = np.repeat([0, 1, 2, 3, 4], [144, 91, 32, 11, 2])  # corps-years with 0, …, 4 deaths; Bortkiewicz 1898

model = bs.Model(
    prior={"rate": dist.Gamma(1, 1)},
    likelihood=lambda rate, n: dist.Poisson(rate).expand([n]),
    inputs={"n": len(deaths)},
    observed=deaths,
    name="horse_kicks",
)

if __name__ == "__main__":
    bs.main(model)

"""Puromycin: the speed of a reaction (3 parameters)

How fast an enzyme works on more and more of its substrate, in cells treated with puromycin:

    rate_i ~ Normal(v_max · c_i / (k + c_i), sigma²)
    v_max ~ HalfNormal(400),    k ~ HalfNormal(1),    sigma ~ HalfNormal(50)

Michaelis and Menten's curve rises to v_max and is half of it at c = k. Rates are counts/min², concentrations ppm.
`treated=False` takes the untreated cells.

Source: Treloar (1974), in Bates & Watts (1988), *Nonlinear Regression Analysis and Its Applications*, table A1.3; least
squares is at v_max = 212.7, k = 0.0641.

What to notice. Few data lie far beyond k, so that a higher v_max with a larger k does nearly as well: the posterior is
bent. The mode is where least squares is, 212.6 and 0.0641, the mean at 213.8 and 0.0665. log p(D) = −54.9724024;
for untreated cells −50.0254615, v_max 162, k 0.051: the drug changes how fast, hardly how soon.
"""

import numpy as np
import numpyro.distributions as dist

import bayes_sandbox as bs

# Bates & Watts 1988, table A1.3: concentrations, and rates of treated and untreated cells
concentration = np.array([0.02, 0.02, 0.06, 0.06, 0.11, 0.11, 0.22, 0.22, 0.56, 0.56, 1.10, 1.10])
rate_treated = np.array([76, 47, 97, 107, 123, 139, 159, 152, 191, 201, 207, 200])
rate_untreated = np.array([67, 51, 84, 86, 98, 115, 131, 124, 144, 158, 160])


def make_model(treated: bool = True) -> bs.Model:
    """Return the model of treated, or of untreated, cells."""
    rate = rate_treated if treated else rate_untreated
    return bs.Model(
        prior={"v_max": dist.HalfNormal(400), "k": dist.HalfNormal(1), "sigma": dist.HalfNormal(50)},
        likelihood=lambda v_max, k, sigma, c: dist.Normal(v_max * c / (k + c), sigma),
        inputs={"c": concentration[: len(rate)]},
        observed=rate,
        name="puromycin",
    )


model = make_model()

if __name__ == "__main__":
    bs.main(model)

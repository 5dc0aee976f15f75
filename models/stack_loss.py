"""Stack loss: a regression robust to outliers (5 parameters)

Twenty-one days of a plant that oxidises ammonia: how much of it escaped through the stack, with the flow of cooling
air, the temperature of the cooling water and the concentration of the acid.

    loss_i ~ StudentT(4, intercept + x_i · w, scale)
    intercept ~ Normal(0, 1),    w_j ~ Normal(0, 1),    scale ~ HalfNormal(1)

Columns and response are standardised. `normal=True` has normal noise: ridge regression, nearly least squares.

Source: Brownlee (1960), *Statistical Theory and Methodology in Science and Engineering*, 491–500. Andrews (1974),
Technometrics 16, 523–531, sets days 1, 3, 4 and 21 aside.

What to notice. A squared loss grows without mercy, the Student's only as a logarithm: a day far from the line is let
go rather than obeyed. The slope of water temperature falls from 0.40 to 0.28, that of air flow rises from 0.64 to
0.74, and nobody set a day aside. log p(D) is −16.474, and −16.765 with normal noise: 21 days hardly tell
which is right.
"""

import numpy as np
import numpyro.distributions as dist

import bayes_sandbox as bs

# Brownlee 1960: air flow, water temperature, acid concentration (per 1000, minus 500), loss
# fmt: off
days = np.array([
    [80, 27, 89, 42], [80, 27, 88, 37], [75, 25, 90, 37], [62, 24, 87, 28], [62, 22, 87, 18], [62, 23, 87, 18],
    [62, 24, 93, 19], [62, 24, 93, 20], [58, 23, 87, 15], [58, 18, 80, 14], [58, 18, 89, 14], [58, 17, 88, 13],
    [58, 18, 82, 11], [58, 19, 93, 12], [50, 18, 89, 8], [50, 18, 86, 7], [50, 19, 72, 8], [50, 19, 79, 8],
    [50, 20, 80, 9], [56, 20, 82, 15], [70, 20, 91, 15],
])
# fmt: on


def make_model(normal: bool = False) -> bs.Model:
    """Return the regression with Student's noise, or with normal noise."""
    standardised = (days - days.mean(axis=0)) / days.std(axis=0)

    def likelihood(intercept, w, scale, x):
        line = intercept + x @ w
        return dist.Normal(line, scale) if normal else dist.StudentT(4, line, scale)

    return bs.Model(
        prior={
            "intercept": dist.Normal(0, 1),
            "w": dist.Normal(0, 1).expand([3]).to_event(1),
            "scale": dist.HalfNormal(1),
        },
        likelihood=likelihood,
        inputs={"x": standardised[:, :3]},
        observed=standardised[:, 3],
        name="stack_loss",
    )


model = make_model()

if __name__ == "__main__":
    bs.main(model)

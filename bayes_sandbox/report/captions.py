"""What does each figure show, and how is it read?"""

from typing import Any

CAPTIONS = {
    "marginals": "Each component's posterior by every way that has one. The grid's curve is wide and pale, so that "
    "NUTS, drawn on top, shows wherever the two part. Vertical lines mark the two modes.",
    "joint": "Pairs of the first parameters: draws, the contours of the grid (two parameters only), the Laplace "
    "Gaussian (where its coordinates are yours), and the way the optimizer climbed to the MAP.",
    "rank": "Ranks of each chain's draws among all draws, minus what chains that agree would give, for the components "
    "with the largest R-hat. Lines should stay near zero; black stretches are what ArviZ's test finds suspicious. "
    "With many components some fall below its level by chance.",
    "trace": "The draws in the order they came, for the components that mix worst: one chain has no "
    "other to agree with.",
    "energy": "How far the energy is from its mean, and its steps from draw to draw: curves alike mean that the "
    "sampler moves freely between energy levels. "
    "Left: E-BFMI of each chain, which should lie right of the dashed line.",
    "prior_predictive": "What the prior alone predicts, beside the data: were these data conceivable at all?",
    "posterior_predictive": "What the fitted model predicts, beside the data that it was fitted to.",
    "evidence": "Left: every estimate of log p(D) with its error; a bar that dwarfs the others is cut at the frame. "
    "Right: the quoted error (dot) beside the distance from the recommended estimate (cross): a cross far right of "
    "its dot is an error that was too small.",
    "occam": "The evidence is the best fit's likelihood, minus a price for all that the prior also held possible.",
    "curse": "The time of a grid of nine nodes an axis at the speed measured on this machine with this model (solid), "
    "and on one 500 times faster, as one GPU is (dotted). The star is what the recommended estimate in fact took. "
    "`bayes-sandbox study dimension` measures the same for every method.",
}

ALTERNATIVES = {
    "marginals": "Curves of the marginal posterior densities of {parameters}",
    "joint": "Scatter plots of pairs of parameters of {name}, with the optimizer's path to the MAP",
    "rank": "Rank plots of the chains of {parameters}",
    "trace": "Traces of the chain of {parameters}",
    "energy": "Energy distribution and E-BFMI of each chain",
    "prior_predictive": "Data predicted by the prior of {name}, beside the observed data",
    "posterior_predictive": "Data predicted by the posterior of {name}, beside the observed data",
    "evidence": "Estimates of the log evidence by method with their errors; the numbers are in the table above",
    "occam": "Bars that add up to the log evidence: log likelihood at the MAP and log Occam factor",
    "curse": "Time of a grid rising a straight line on a logarithmic axis with the number of parameters",
}


def alternative(name: str, doc: dict[str, Any]) -> str:
    """Return the words for who cannot see the figure."""
    labels = doc["model"]["parameters"]
    shown = ", ".join(labels[:4]) + (" and more" if len(labels) > 4 else "")
    return ALTERNATIVES[name].format(name=doc["model"]["name"], parameters=shown)

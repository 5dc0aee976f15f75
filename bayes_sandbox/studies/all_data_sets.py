"""The evidence of every data set there is: what a model gives to some it has to take from others."""

import numpy as np
from scipy.special import log_expit, logsumexp

from .study import Table

# Murray & Ghahramani (2005), "A note on the evidence and Bayesian Occam's razor": labels on a 3 × 3 grid of points, and
# weights ~ Normal(0, 10²): none, w₁ x₁, w₁ x₁ + w₂ x₂, and these with an intercept.
POINTS = np.array([[a, b] for a in (-1.0, 0.0, 1.0) for b in (-1.0, 0.0, 1.0)])
SCALE = 10.0
MODELS = {"no weight": 0, "one weight": 1, "two weights": 2, "two and an intercept": 3}
REACH = 6.5  # prior sds on either side: 1e-10 of the mass lies beyond
STEP = 2 / 3
BLOCK = 2**15  # nodes at a time


def data_sets() -> np.ndarray:
    """Return all 512 ways to label nine points, (512, 9) of zeros and ones."""
    return (np.arange(2 ** len(POINTS))[:, None] >> np.arange(len(POINTS))) & 1


def log_evidences(num_weights: int) -> np.ndarray:
    """Return log p(D) of every data set D under a logistic regression on the first columns of (x₁, x₂, 1).

    The trapezoid over the weights, all data sets at each node: for an integrand that is analytic in a strip of half
    width π about the real line its error falls like exp(−2π²/step) (Trefethen & Weideman 2014).

    >>> float(abs(np.exp(log_evidences(1)).sum() - 1).round(9))  # every model's evidences sum to one
    0.0
    """
    labels = data_sets()
    if not num_weights:
        return np.full(len(labels), -len(POINTS) * np.log(2))
    design = np.column_stack([POINTS, np.ones(len(POINTS))])[:, :num_weights]
    sums, which = np.unique(_up_to_symmetry(labels @ design), axis=0, return_inverse=True)
    axis = np.arange(-REACH * SCALE, REACH * SCALE + STEP / 2, STEP)
    log_weight = -0.5 * (axis / SCALE) ** 2 - np.log(SCALE * np.sqrt(2 * np.pi)) + np.log(STEP)
    total = np.full(len(sums), -np.inf)
    size = len(axis) ** num_weights
    for start in range(0, size, BLOCK):
        index = np.unravel_index(np.arange(start, min(start + BLOCK, size)), (len(axis),) * num_weights)
        weights = np.stack([axis[i] for i in index], axis=1)
        terms = log_expit(-weights @ design.T).sum(axis=1) + sum(log_weight[i] for i in index)
        total = np.logaddexp(total, logsumexp(terms[:, None] + weights @ sums.T, axis=0))
    return total[which.reshape(-1)]


def _up_to_symmetry(sums: np.ndarray) -> np.ndarray:
    """Return Σ x y of each data set, which is all that its evidence depends on, one for all that are mirror images.

    Points and prior are the same after x₁ → −x₁, x₂ → −x₂ and their exchange, and after all labels and weights change
    sides.
    """
    out = np.abs(sums)
    out[:, :2] = np.sort(out[:, :2], axis=1)
    if out.shape[1] > 2:
        out[:, 2] = np.minimum(out[:, 2], len(POINTS) - out[:, 2])
    return out


def evidence_table() -> Table:
    """Return a row for each data set: its labels, and log p(D) under each model."""
    columns = {name: log_evidences(k) for name, k in MODELS.items()}
    labels = ["".join(map(str, row)) for row in data_sets()]
    return [{"labels": label, **{n: float(v[i]) for n, v in columns.items()}} for i, label in enumerate(labels)]


def winners(sets: Table) -> Table:
    """Return, for each model, the sum of its evidences, how many data sets it explains best, and their share of it."""
    evidence = np.exp([[row[model] for row in sets] for model in MODELS])
    best = evidence.argmax(axis=0)
    return [
        {
            "model": model,
            "total": float(each.sum()),
            "num_best": int((best == i).sum()),
            "share_best": float(each[best == i].sum()),
        }
        for i, (model, each) in enumerate(zip(MODELS, evidence))
    ]

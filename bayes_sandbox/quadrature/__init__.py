"""Summing: how much lies under the surface?"""

from .choose import USUAL_NODES, affordable
from .grid import GridFit, declined, fit_grid, integrate_likelihood, num_nodes_predicted
from .posterior import Marginal

__all__ = [
    "USUAL_NODES",
    "GridFit",
    "Marginal",
    "affordable",
    "declined",
    "fit_grid",
    "integrate_likelihood",
    "num_nodes_predicted",
]

"""Summing: how much lies under the surface?"""

from .choose import USUAL_NODES, affordable, num_nodes_predicted
from .grid import GridFit, fit_grid, integrate_likelihood
from .posterior import Marginal

__all__ = [
    "USUAL_NODES",
    "GridFit",
    "Marginal",
    "affordable",
    "fit_grid",
    "integrate_likelihood",
    "num_nodes_predicted",
]

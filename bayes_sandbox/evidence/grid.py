"""The evidence by quadrature, as `fit_grid` judges it."""

from ..quadrature import num_nodes_predicted
from ..records import Evidence
from .workbench import Workbench


def estimate(bench: Workbench) -> Evidence:
    """Return the grid's evidence; declined, it is not trusted and says what it would have cost."""
    return bench.grid.evidence


def num_predicted(bench: Workbench) -> float:
    """Return the densities it takes at most, before anything is known of the posterior."""
    return num_nodes_predicted(bench.model)

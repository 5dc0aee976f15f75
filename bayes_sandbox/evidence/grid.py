"""The evidence by quadrature, as `fit_grid` judges it."""

from ..records import Evidence
from .workbench import Workbench


def estimate(bench: Workbench) -> Evidence:
    """Return the grid's evidence; declined, it is not trusted and says what it would have cost."""
    return bench.grid.evidence

"""Summing: how much lies under the surface?"""

from .grid import GridFit, fit_grid
from .posterior import Marginal

__all__ = ["GridFit", "Marginal", "fit_grid"]

"""Climbing: where is the highest point, and what does a Gaussian there say?"""

from .laplace import Hump, LaplaceFit, fit_laplace
from .map import MAPFit, Mode, fit_map

__all__ = ["Hump", "LaplaceFit", "MAPFit", "Mode", "fit_laplace", "fit_map"]

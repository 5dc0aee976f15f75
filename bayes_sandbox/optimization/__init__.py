"""Climbing: where is the highest point, and what does a Gaussian there say?"""

from .laplace import Hump, LaplaceFit, climb_further, fit_laplace
from .map import MAPFit, Mode, fit_map

__all__ = ["Hump", "LaplaceFit", "MAPFit", "Mode", "climb_further", "fit_laplace", "fit_map"]

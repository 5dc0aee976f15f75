"""Climbing: where is the highest point, and what does a Gaussian there say? And how each optimizer gets there."""

from .landscapes import LANDSCAPES, Landscape, bowl, posterior_landscape
from .laplace import (
    Hump,
    LaplaceFit,
    annealed_search,
    check_laplace,
    climb_further,
    fit_laplace,
    unvisited_modes,
)
from .map import MAPFit, Mode, fit_map
from .optimizers import OPTIMIZERS, Path, descend

__all__ = [
    "LANDSCAPES",
    "OPTIMIZERS",
    "Hump",
    "Landscape",
    "LaplaceFit",
    "MAPFit",
    "Mode",
    "Path",
    "annealed_search",
    "bowl",
    "check_laplace",
    "climb_further",
    "descend",
    "fit_laplace",
    "fit_map",
    "posterior_landscape",
    "unvisited_modes",
]

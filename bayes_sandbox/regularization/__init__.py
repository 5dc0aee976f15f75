"""A regularizer is a prior: which prior is this penalty, which likelihood this loss, which λ does each library mean?"""

from .building import from_loss, weights
from .distributions import ElasticNet, GroupLaplace, HorseshoeLike, Huber, UniformBall
from .explaining import Explanation, explain
from .gaussian import GaussianFit, choose_scales, fit_gaussian
from .libraries import CONVENTIONS, prior_scale, strength_of
from .losses import LOSSES, Loss
from .penalties import PENALTIES, Penalty

__all__ = [
    "CONVENTIONS",
    "LOSSES",
    "PENALTIES",
    "ElasticNet",
    "Explanation",
    "GaussianFit",
    "GroupLaplace",
    "HorseshoeLike",
    "Huber",
    "Loss",
    "Penalty",
    "UniformBall",
    "choose_scales",
    "explain",
    "fit_gaussian",
    "from_loss",
    "prior_scale",
    "strength_of",
    "weights",
]

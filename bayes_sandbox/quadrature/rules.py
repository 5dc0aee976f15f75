"""Nodes and log weights on one axis.

Each rule stands for ∫ g(z) dz ≈ Σ wᵢ g(zᵢ) over the real line: a Gaussian weight, where a rule is built on one, is
already divided out.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np


@dataclass(frozen=True)
class Axis:
    """One axis of a tensor grid: nodes and the logarithms of their weights, both (n,)."""

    nodes: np.ndarray
    log_weights: np.ndarray

    def __len__(self) -> int:
        return len(self.nodes)


@lru_cache
def gauss_hermite(k: int) -> Axis:
    """Return the k-point rule that is exact for exp(−z²/2) times a polynomial of degree 2k − 1.

    The probabilists' family (Abramowitz & Stegun 25.4.46 with x = z/√2): nodes of unit-variance width, so that a
    whitened coordinate needs no further √2.

    >>> axis = gauss_hermite(5)
    >>> density = np.exp(-axis.nodes**2 / 2) / np.sqrt(2 * np.pi)
    >>> float(np.sum(np.exp(axis.log_weights) * density * axis.nodes**4)).__round__(9)  # E z⁴
    3.0
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(k)
    return Axis(nodes, np.log(weights) + nodes**2 / 2)


def sinh_trapezoid(lower: float, upper: float, step: float, shift: float = 0.0) -> Axis:
    """Return the trapezoidal rule in t with z = sinh t, at every t = (i + shift)·step for which z is in the range.

    For an analytic integrand that dies out at both ends the error falls like exp(−c/step) (Trefethen & Weideman
    2014, section 5); sinh makes algebraic tails die out like exponential ones (Takahasi & Mori 1974). No end
    weights: the ends are where the integrand has vanished, and `edge_mass` tells if it has not.

    >>> axis = sinh_trapezoid(-1e5, 1e5, 0.1)
    >>> float(np.sum(np.exp(axis.log_weights) / (np.pi * (1 + axis.nodes**2)))).__round__(4)  # a Cauchy density
    1.0
    """
    first = np.ceil(np.arcsinh(lower) / step - shift - 1e-9)
    last = np.floor(np.arcsinh(upper) / step - shift + 1e-9)
    t = (np.arange(first, last + 1) + shift) * step
    return Axis(np.sinh(t), np.log(step) + np.log(np.cosh(t)))

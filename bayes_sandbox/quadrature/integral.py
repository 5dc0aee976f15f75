"""What one rule made of the integral, and how far it settled."""

from dataclasses import dataclass

import numpy as np

from ..optimization import Hump
from .cutting import Cut
from .frames import Frame, Share
from .stratified import Sample
from .sums import Sums


@dataclass(frozen=True)
class Tolerance:
    """The error at which to stop, and the one that will do where going on would cost too much."""

    fine: float
    enough: float


@dataclass(frozen=True)
class Integral:
    """A value of log ∫ with the rule's own estimate of its error, in log units.

    `settled` says that the error fell below the tolerance; `unresolved` is a sentence where it did not; `why` says
    what made this rule the one to use. `edge_mass` is the share at the outermost nodes: what may lie beyond is of that
    order. `num_bad` counts nodes at which the density was NaN or infinite.
    """

    rule: str
    why: str
    log_value: float
    error: float
    settled: bool
    unresolved: str
    num_nodes: int
    edge_mass: float
    num_bad: int


@dataclass(frozen=True)
class TensorIntegral(Integral):
    """A sum over a tensor grid: nodes on the axes of a frame.

    `whitened`: the nodes are Gauss–Hermite's, few and made for one hump. `step` is the trapezoid's in t, z = sinh t;
    `span` (dimension, 2) is where along each z the mass is.
    """

    whitened: bool
    frame: Frame
    step: float
    span: np.ndarray
    sums: Sums


@dataclass(frozen=True)
class MixtureIntegral(Integral):
    """A sum of shares, each around its own mode."""

    humps: tuple[Hump, ...]
    shares: tuple[Share, ...]
    parts: tuple[Sums, ...]
    mean: np.ndarray  # of the params, flat
    sd: np.ndarray


@dataclass(frozen=True)
class CellIntegral(Integral):
    """A sum over cells.

    `check` is the same integral by random points within the cells, none of them a node and none seen before.
    """

    cut: Cut
    check: Sample

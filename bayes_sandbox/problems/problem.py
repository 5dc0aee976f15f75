"""A posterior with its truth."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..model import Model

Moments = Mapping[str, Any]
MANY = 50  # parameters, beyond which a tenth of a nat is asked for
ROUGH = frozenset({"step", "void", "kink", "plateau", "pole", "cornered", "edge", "corner", "laplace"})


@dataclass(frozen=True)
class Problem:
    """A model whose log evidence is known without the package, and what makes it hard (`tags`).

    `make()` builds the model anew. `mean` and `sd`, name → array, are empty where they do not exist. `box` and `breaks`
    hold the flat params and where a quadrature in them has to be cut; `route` is a second way to the same evidence,
    through the density of the model itself, and draws from the posterior where that can be done exactly.
    """

    name: str
    make: Callable[[], Model]
    dimension: int
    log_evidence: float
    mean: Moments = field(default_factory=dict)
    sd: Moments = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    box: tuple[tuple[float, float], ...] = ()
    breaks: tuple[tuple[float, ...], ...] = ()
    route: Any = None

    @property
    def smooth(self) -> bool:
        """Whether the posterior has neither edge nor corner nor jump; some say so, the others by what they lack."""
        return "smooth" in self.tags or not self.tags & ROUGH

    @property
    def tolerance(self) -> float:
        """How near an estimate has to come: 0.02 nats, 0.1 for hierarchies, funnels and beyond fifty parameters."""
        return 0.1 if self.tags & {"hierarchy", "funnel"} or self.dimension > MANY else 0.02

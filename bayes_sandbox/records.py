"""The record every evidence estimator returns, and the honesty rule it keeps."""

import math
from dataclasses import dataclass, replace
from typing import Any

MAX_TRUSTED_ERROR = 0.1  # nats: a Bayes factor of two such numbers is good to 15 %


@dataclass(frozen=True)
class Evidence:
    """log p(D) by one method, with an error that means something.

    For a deterministic method `error` is meant to bound |estimate − truth|; for a stochastic one it is a standard
    error. `trusted` means that every check passed and that the error is below 0.1, good enough for a Bayes factor;
    where it is False, `warnings` says why.

    Examples
    --------
    >>> Evidence("grid", -2.4, 1e-9, 100, 0.1, True, ()).demoted("bridge disagrees").trusted
    False
    """

    method: str
    log_evidence: float
    error: float
    num_evaluations: int
    seconds: float
    trusted: bool
    warnings: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.trusted and not (math.isfinite(self.error) and math.isfinite(self.log_evidence)):
            raise ValueError(f"{self.method}: a trusted evidence needs a finite value and error")
        if not self.trusted and not self.warnings:
            raise ValueError(f"{self.method}: an evidence that is not trusted needs a sentence that says why")

    def demoted(self, reason: str) -> "Evidence":
        """Return the same estimate, no longer trusted, with the reason appended."""
        return replace(self, trusted=False, warnings=(*self.warnings, reason))

    def to_datatree(self) -> Any:
        """Return an xarray DataTree with an `evidence` group of one method."""
        from .datatree import evidence_datatree

        return evidence_datatree([self])


@dataclass(frozen=True)
class Cost:
    """What a method may take: densities, and seconds on this machine with compilation apart."""

    method: str
    num_evaluations: float
    seconds: float

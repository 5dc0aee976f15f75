"""What was found, in rows: of the parameters, of the evidence, of the diagnostics; and as text for a terminal."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .numbers import NONE, brief, count, duration, number, plus_minus, rounded

if TYPE_CHECKING:
    from ..comparison import Comparison

APART = 4.0  # MCSEs at which two means disagree: comparison.APART, which cannot be imported without JAX
SD_APART = 0.05  # comparison.SD_APART
NEARLY_SETTLED = 1e-3  # comparison.NEARLY_SETTLED

Document = dict[str, Any]


@dataclass(frozen=True)
class ParameterRow:
    """One component by every way, not rounded; NaN where a way has nothing to say of it."""

    label: str
    map: float
    map_unconstrained: float
    grid_mean: float
    grid_sd: float
    nuts_mean: float
    nuts_sd: float
    mcse_mean: float
    mcse_sd: float
    ess_bulk: float
    ess_tail: float
    r_hat: float
    comparable: bool  # whether the grid is one to hold NUTS against

    @property
    def apart(self) -> float:
        """How many MCSEs the two means are apart; NaN where there is nothing to compare."""
        gap = abs(self.nuts_mean - self.grid_mean)
        return gap / self.mcse_mean if self.comparable and self.mcse_mean > 0 else math.nan

    @property
    def agree(self) -> bool | None:
        """Whether means are within 4 MCSE and sds within 5 %; None where that is unclear or nothing is to compare."""
        if not math.isfinite(self.apart):
            return None
        gap = abs(self.nuts_sd - self.grid_sd)
        if self.apart > APART or gap > max(SD_APART * self.grid_sd, APART * self.mcse_sd):
            return False
        return True if gap <= SD_APART * self.grid_sd else None

    @property
    def verdict(self) -> str:
        """What stands in the column 'agree?': how many MCSEs apart the means are, or the sds by how much."""
        if not math.isfinite(self.apart):
            return NONE
        word = {True: "yes", False: "no", None: "unclear"}[self.agree]
        if self.agree or self.apart > APART:
            return f"{word}, {self.apart:.1f}"
        return f"{word}, sd {self.nuts_sd / self.grid_sd - 1:+.0%}"

    def point(self, value: float) -> str:
        """Return a mode with three digits of the posterior's sd."""
        sd = self.grid_sd if math.isfinite(self.grid_sd) else self.nuts_sd
        return rounded(value, sd, 3)

    @property
    def grid(self) -> str:
        """The grid's 'mean ± sd', with three digits of the sd."""
        return _mean_sd(self.grid_mean, self.grid_sd, self.grid_sd / 100)

    @property
    def nuts(self) -> str:
        """NUTS's 'mean ± sd', with the digits that its MCSE leaves standing."""
        return _mean_sd(self.nuts_mean, self.nuts_sd, self.mcse_mean)

    @property
    def r_hat_text(self) -> str:
        """R-hat with the three decimals that its threshold has."""
        return f"{self.r_hat:.3f}" if math.isfinite(self.r_hat) else NONE

    @property
    def mcse_text(self) -> str:
        """The MCSE of NUTS's mean."""
        return brief(self.mcse_mean, 2)


def _mean_sd(mean: float, sd: float, error: float) -> str:
    return NONE if not math.isfinite(mean) else f"{rounded(mean, error, 1)} ± {rounded(sd, error, 1)}"


def parameter_rows(doc: Document) -> list[ParameterRow]:
    """Return one row for each component of the parameters."""
    fits = doc["fits"]
    grid, nuts = fits["grid"], fits["nuts"]
    columns = {
        "map": fits["map"].get("params"),
        "map_unconstrained": fits["map"].get("params_unconstrained"),
        "grid_mean": grid.get("mean"),
        "grid_sd": grid.get("sd"),
        "nuts_mean": nuts.get("mean"),
        "nuts_sd": nuts.get("sd"),
        **{name: nuts.get(name) for name in ("mcse_mean", "mcse_sd", "ess_bulk", "ess_tail", "r_hat")},
    }
    trusted = any(e["method"] == "grid" and e["trusted"] and e["error"] < NEARLY_SETTLED for e in doc["evidence"])
    return [
        ParameterRow(
            label=label,
            comparable=bool(grid.get("converged")) or trusted,
            **{name: number((column or {}).get(label)) for name, column in columns.items()},
        )
        for label in doc["model"]["parameters"]
    ]


def evidence_rows(doc: Document) -> list[dict[str, Any]]:
    """Return one row of strings for each estimate of log p(D), with its warnings."""
    return [
        {
            "method": row["method"],
            "value": plus_minus(number(row["log_evidence"]), number(row["error"])),
            "evaluations": count(row["num_evaluations"]),
            "time": duration(number(row["seconds"])),
            "trusted": "yes" if row["trusted"] else "no",
            "warnings": row["warnings"],
        }
        for row in doc["evidence"]
    ]


def best_sentence(doc: Document) -> str:
    """Return the recommended estimate in a sentence, or the honest statement that there is none."""
    best = doc["best"]
    if best is not None:
        return f"log p(D) = {plus_minus(number(best['log_evidence']), number(best['error']))}, by {best['method']}."
    if doc["evidence"]:
        return "log p(D): none of the estimates is trusted."
    return "log p(D) was not estimated."


def text_summary(result: "Comparison") -> str:
    """Return what a comparison found as plain text, 80 columns wide."""
    from .text import summary

    return summary(result.to_dict())

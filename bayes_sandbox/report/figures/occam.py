"""How does the evidence split into fit and price?"""

from typing import Any

import xarray as xr
from matplotlib.figure import Figure

from .style import BLUE, GREEN, VERMILION, new_figure


def occam(tree: xr.DataTree, doc: dict[str, Any]) -> Figure | None:
    """Return log p(D) = log p(D|θ_MAP) + log Occam factor as a waterfall."""
    fit, price = doc["lesson"]["log_likelihood_at_map"], doc["lesson"]["log_occam_factor"]
    if fit is None or price is None:
        return None
    return _waterfall(
        [
            (r"$\log\,p(D\,|\,\theta_{MAP})$" "\nthe best fit", 0.0, fit, GREEN),
            ("log Occam factor\nwhat the prior's width costs", fit, price, VERMILION),
            (r"$\log\,p(D)$" "\nthe evidence", 0.0, fit + price, BLUE),
        ]
    )


def _waterfall(bars: list[tuple[str, float, float, str]]) -> Figure:
    """Draw bars (name, start, length, colour) below each other, each tied to the end of the one above."""
    figure = new_figure(7.2, 2.5)
    axes = figure.subplots()
    for at, (_, start, length, colour) in enumerate(bars):
        axes.barh(at, length, left=start, height=0.6, color=colour, alpha=0.85)
        shown, right = f"{length:.3f}".replace("-", "−"), max(start, start + length)
        axes.annotate(shown, (right, at), (5, 0), textcoords="offset points", va="center")
        if at + 1 < len(bars):
            axes.plot([start + length] * 2, [at - 0.3, at + 1.3], color="#555555", lw=0.9, ls=":")
    axes.set(yticks=range(3), yticklabels=[bar[0] for bar in bars], xlabel="nats", ylim=(2.55, -0.55))
    axes.axvline(0, color="#444444", lw=0.9)
    axes.margins(x=0.14)
    return figure

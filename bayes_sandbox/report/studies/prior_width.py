"""Evidence, prediction and estimate against a prior's scale; the evidence of all data sets."""

import numpy as np
from matplotlib.figure import Figure

from ..figures.style import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILION, new_figure
from .columns import Tables, columns

SIGNIFICANT = 0.05  # a tail area that is commonly taken for a finding
LOOKS = ((GREY, ":"), (BLUE, "-"), (ORANGE, "--"), (VERMILION, "-."))


def widths(tables: Tables) -> Figure:
    """Draw, against the prior's scale: evidence and LOO, the estimate, the split, the Bayes factor."""
    rows, null = tables["widths"], tables["null"][0]
    scale, evidence, elpd, mean, sd = columns(rows, "scale", "log_evidence", "elpd_loo", "mean", "sd")
    fit, factor, occam, area = columns(
        rows, "log_likelihood_at_map", "log_bayes_factor", "log_occam_factor", "tail_area"
    )
    figure = new_figure(9.6, 6.4)
    (values, estimate), (split, bayes) = figure.subplots(2, 2, sharex=True)
    values.plot(scale, evidence, "o-", color=BLUE, ms=5, label="log p(D)")
    values.plot(scale, elpd, "s-", color=GREEN, ms=5, mfc="none", label="LOO")
    values.axhline(null["log_evidence"], color=GREY, lw=1.2, ls=":", label="log p(D), the parameter known")
    values.set(ylabel="nats", title="The evidence falls; prediction does not care")
    values.legend(loc="best")
    estimate.fill_between(scale, mean - sd, mean + sd, color=BLUE, alpha=0.2, label="± sd")
    estimate.plot(scale, mean, "o-", color=BLUE, ms=5, label="posterior mean")
    estimate.axhline(null["value"], color=GREY, lw=1.2, ls=":")
    estimate.set(title="A narrow prior shrinks the estimate")
    estimate.legend(loc="best")
    split.plot(scale, fit, "^-", color=GREEN, ms=5, label=r"$\log\,p(D\,|\,\theta_{MAP})$")
    split.plot(scale, occam, "v-", color=VERMILION, ms=5, label="log Occam factor")
    split.plot(scale, evidence, "o-", color=BLUE, ms=5, label="their sum, log p(D)")
    split.set(xlabel="scale of the prior", ylabel="nats", title="Fit is bought with Occam's factor")
    split.legend(loc="best")
    bayes.plot(scale, factor, "o-", color=PURPLE, ms=5)
    bayes.axhline(0, color=BLACK, lw=0.9)
    bayes.set(xlabel="scale of the prior", ylabel="log Bayes factor against the null", xscale="log")
    lindley = factor.max() > 0 > factor[-1] and area[-1] < SIGNIFICANT
    said = f"Lindley: one tail area of {area[-1]:.2g}, two verdicts" if lindley else f"tail area {area[-1]:.2g}"
    bayes.set_title(said)
    top, bottom = max(factor.max(), 0.5), factor.min()
    bayes.set_ylim(bottom - 0.1 * (top - bottom), top + 0.25 * (top - bottom))
    for text, at, side in (("for the parameter", 0.97, "top"), ("for the null", 0.03, "bottom")):
        bayes.text(0.01, at, text, transform=bayes.transAxes, va=side, color=GREY)
    return figure


def data_sets(tables: Tables) -> Figure:
    """Draw the evidence of every data set, each model's own from its largest to its smallest."""
    figure = new_figure(9.6, 3.8)
    ranked, won = figure.subplots(1, 2, width_ratios=[1.4, 1])
    sets = tables["data_sets"]
    for i, (row, (colour, style)) in enumerate(zip(tables["winners"], LOOKS)):
        ordered = np.exp(np.sort(columns(sets, row["model"])[0])[::-1])
        ranked.plot(np.arange(1, len(ordered) + 1), ordered, color=colour, ls=style, lw=2, label=row["model"])
        won.barh(i, row["num_best"], 0.6, color=colour)
        text = f"{row['num_best']}, {100 * row['share_best']:.0f} % of its mass"
        won.annotate(text, (row["num_best"], i), (4, 0), textcoords="offset points", va="center")
    names = [row["model"] for row in tables["winners"]]
    ranked.set(xscale="log", yscale="log", xlabel="data sets, from the best explained on", ylabel="p(D | model)")
    ranked.set_title("Each curve sums to one")
    won.set(yticks=range(len(names)), yticklabels=names, xlabel=f"of {len(sets)} data sets", ylim=(3.5, -0.5))
    won.set_title("Data sets that a model explains best")
    won.set_xlim(0, 1.5 * len(sets))
    won.set_xticks([0, len(sets) // 2, len(sets)])
    ranked.legend(loc="best")
    return figure


FIGURES = {
    "widths": (
        widths,
        "One parameter's prior is made wider, from left to right. Top: the evidence pays for every value that the "
        "prior held possible and the data ruled out, while leave-one-out prediction and the estimate stay as they "
        "are. Bottom left: the same evidence as fit times Occam's factor. Bottom right: the Bayes factor against the "
        "hypothesis that the parameter is known; where it turns, it does so at one and the same tail area.",
    ),
    "data_sets": (
        data_sets,
        "All 512 ways to label nine points, under four logistic regressions (Murray & Ghahramani 2005). What a model "
        "gives to some data sets it has to take from others: Occam's razor is that probabilities sum to one.",
    ),
}

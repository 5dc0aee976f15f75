"""Posteriors that are hard to sum, in one to five dimensions, each with an evidence known to 1e-8 or better.

Modes, edges, curves, tails: nothing is centred on zero or on a fraction of its box that halving would find, and what
can be turned is. Every problem brings a second route to its evidence, through the density of the model itself.
"""

import problems_curved
import problems_edges
import problems_mixtures
import problems_modes
import problems_tails

__all__ = ["HARD"]

HARD = (
    *problems_modes.PROBLEMS,
    *problems_mixtures.PROBLEMS,
    *problems_curved.PROBLEMS,
    *problems_edges.PROBLEMS,
    *problems_tails.PROBLEMS,
)

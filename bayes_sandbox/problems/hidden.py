"""Modes that a few runs of an optimizer do not meet: inside another, in a small basin, far away, or mirrored.

Each part is a round normal under a normal prior, so that evidence, means and sds are sums over the parts.
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from scipy import stats

from ..model import Model
from .modes import round_precisions, under_normal
from .problem import Problem
from .routes import Product

NOISE = 0.1


def parts(
    name: str, d: int, scale: float, weights: Sequence[float], means: Sequence[Any], sds: Sequence[float]
) -> Problem:
    """Return round normals under the prior N(0, scale²), tagged as hidden."""
    centres = np.array([np.broadcast_to(m, d) for m in means], float)
    return under_normal(name, 0.0, scale, weights, centres, round_precisions(d, *sds), "modes", "hidden", "unequal")


def inside(d: int, offset: float, ratio: float, mass: float) -> Problem:
    """A narrow mode with `mass` times as much inside a wide one, off its centre by `offset` of its sds on each axis.

    No start and no draw of the wide mode comes near it: its volume is ratioᵈ of the wide one's.
    """
    centre, sd = 0.3, 0.1
    means = (centre, centre + offset * sd)
    return parts(f"a mode inside another {d}d", d, 1.0, [1.0, mass], means, [sd, ratio * sd])


def basins(d: int, seed: int) -> Problem:
    """Three modes, the narrowest with a tenth of the mass and few of the starts."""
    centres = 1.5 * np.random.default_rng(seed).normal(size=(3, d))
    return parts(f"three basins {d}d", d, 2.0, [0.5, 0.4, 0.1], list(centres), [0.3, 0.28, 0.2])


def distant(d: int, scale: float, mass: float) -> Problem:
    """A spike, a tenth as wide as the slab that holds the prior's centre, three of its sds away on each axis.

    All coordinates of the spike are equal: a line along the diagonal meets it. No search met one with alternating signs
    in seven or eight dimensions.
    """
    name = f"a distant spike {d}d under N(0, {scale:g})"
    return parts(name, d, scale, [1.0, mass], [0.0, 1.5], [0.5, 0.05])


def signs(d: int) -> Problem:
    """y ~ N(|x|, σ²): every sign is open, 2ᵈ modes of equal mass."""
    y, var, name = np.linspace(0.8, 1.9, d), 1.0 + NOISE**2, f"{2**d} modes by signs"
    mean, sd = y / var, NOISE / np.sqrt(var)  # of |x|, before it is cut off at zero
    log_mass = np.log(2.0) + stats.norm.logpdf(y, 0.0, np.sqrt(var)) + stats.norm.logcdf(mean / sd)
    size = stats.truncnorm(-mean / sd, np.inf, mean, sd)

    def make() -> Model:
        prior = {"x": dist.Normal(0.0, jnp.ones(d)).to_event(1)}
        return Model(prior, lambda x: dist.Normal(jnp.abs(x), NOISE), observed=y, name=name)

    bell = np.linspace(-9, 9, 19) * sd
    cuts = [np.unique([*(m + bell), *(-m + bell), 0.0]) for m in mean]
    return Problem(
        name,
        make,
        d,
        log_mass.sum(),
        {"x": np.zeros(d)},
        {"x": np.sqrt(size.moment(2))},
        frozenset({"modes", "hidden", "mirrored", "kink"}),
        route=Product(np.zeros(d), np.eye(d), cuts, base=mean),
    )


PROBLEMS = (
    inside(6, 0.5, 0.1, 5.0),
    inside(8, 0.4, 0.1, 10.0),
    inside(12, 0.3, 0.15, 30.0),
    inside(16, 0.35, 0.12, 40.0),
    inside(20, 0.33, 0.1, 100.0),
    basins(8, 5),
    basins(9, 2),
    basins(10, 0),
    basins(11, 1),
    basins(12, 3),
    distant(6, 1.0, 24.0),
    distant(6, 3.0, 24.0),
    distant(7, 2.0, 24.0),
    distant(8, 1.0, 10.0),
    distant(10, 1.5, 50.0),
    distant(6, 2.0, 24.0),
    distant(6, 1.5, 50.0),
    *(signs(d) for d in (6, 7, 8)),
)

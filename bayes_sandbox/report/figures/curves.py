"""Which curve is drawn over a component's axis, and over which part of it?"""

from typing import Any

import numpy as np
import xarray as xr
from arviz_stats.base import array_stats
from scipy.interpolate import PchipInterpolator
from scipy.stats import norm

from ...variable_names import to_variable
from .components import draws_of, fitted, posterior_draws, split_label

Curve = tuple[np.ndarray, np.ndarray]
TAIL = 0.001  # of the posterior, left out on either side of a panel
STRETCH = 1.0  # panel widths that a mode may lie outside before it is left out of the panel


def window(tree: xr.DataTree, doc: dict[str, Any], label: str) -> tuple[float, float]:
    """Return the part of a component's axis to show: nearly all of the posterior, and the modes if they are near."""
    draws = posterior_draws(tree, label)
    low, high = np.quantile(draws, [TAIL, 1 - TAIL])
    width = high - low
    near = [m for m in modes(doc, label).values() if low - STRETCH * width < m < high + STRETCH * width]
    low, high = min([low, *near]), max([high, *near])
    room = 0.06 * (high - low)
    least, most = draws.min(), draws.max()
    # Room beyond every draw and every mode would suggest that the support goes on there.
    return max(low - room, min(least, *near, low)), min(high + room, max(most, *near, high))


def modes(doc: dict[str, Any], label: str) -> dict[str, float]:
    """Return where the two modes lie, as far as the search for them converged."""
    fit = fitted(doc, "map")
    if not fit.get("converged"):
        return {}
    found = {"map": fit["params"].get(label), "map_unconstrained": (fit["params_unconstrained"] or {}).get(label)}
    return {name: value for name, value in found.items() if value is not None}


def grid_curve(tree: xr.DataTree, label: str) -> Curve | None:
    """Return the marginal that the quadrature gave."""
    if "grid" not in tree.children or "density" not in tree["grid"]:
        return None
    row = tree["grid"].dataset.sel(component=label)
    x, density = np.asarray(row["x"]), np.asarray(row["density"])
    keep = np.isfinite(density) & np.isfinite(x)
    return (x[keep], density[keep]) if keep.any() else None


def smooth(draws: np.ndarray | None, low: float, high: float) -> Curve | None:
    """Return ArviZ's kernel density of the draws within a window, which holds its share of the mass."""
    if draws is None:
        return None
    # Wider than what is shown, so that the estimate's own edges stay out of sight, but without a heavy tail's end.
    inside = draws[(draws >= low - (high - low)) & (draws <= high + (high - low))]
    if inside.size < 20 or np.ptp(inside) == 0:
        return None
    x, density, _ = array_stats.kde(inside)
    return np.asarray(x), np.asarray(density) * inside.size / draws.size


def laplace_curve(tree: xr.DataTree, label: str, low: float, high: float) -> Curve | None:
    """Return the Laplace Gaussian carried to the user's axis, where one coordinate alone sets the component.

    The map between the two is read off the draws, which are stored in both: mass of the Gaussian between
    neighbouring points, over their distance.
    """
    at = coordinate(tree, label)
    if at is None or "laplace" not in tree.children:
        return None
    laplace = tree["laplace"].dataset
    centre = float(laplace["position"][at])
    scale = float(np.linalg.norm(laplace["scale"][at]))
    if not np.isfinite(scale):
        return None
    points = np.linspace(low, high, 400)
    if identity(tree, label):
        positions = points
    elif (pairs := _pairs(tree, label)) is not None:
        points = points[(points >= pairs[0][0]) & (points <= pairs[0][-1])]
        positions = PchipInterpolator(*pairs)(points)
    else:
        return None
    mass = np.diff(norm.cdf(positions, centre, scale))
    return (points[1:] + points[:-1]) / 2, np.abs(mass) / np.diff(points)


def coordinate(tree: xr.DataTree, label: str) -> int | None:
    """Return the position coordinate that belongs to a component; None where its parameter changes size."""
    if "unconstrained_posterior" not in tree.children:
        return None
    site, index = split_label(label)
    name, start = to_variable(site), 0
    for other, values in tree["unconstrained_posterior"].data_vars.items():
        shape = values.shape[2:]
        if other == name:
            same = shape == tree["posterior"][name].shape[2:]
            return start + int(np.ravel_multi_index(index, shape)) if same and shape else start if same else None
        start += int(np.prod(shape))
    return None


def identity(tree: xr.DataTree, label: str) -> bool:
    """Return whether a component is its own coordinate, so that a Gaussian stays one."""
    own = draws_of(tree, "unconstrained_posterior", label) if coordinate(tree, label) is not None else None
    return own is not None and np.allclose(own, posterior_draws(tree, label))


def _pairs(tree: xr.DataTree, label: str) -> Curve | None:
    """Return the component and its coordinate at the draws, in increasing order; None where neither rises steadily."""
    x, u = posterior_draws(tree, label), draws_of(tree, "unconstrained_posterior", label)
    if u is None:
        return None
    x, first = np.unique(x, return_index=True)
    u = u.reshape(-1)[first]
    steps = np.diff(u)
    return (x, u) if len(x) > 10 and (np.all(steps > 0) or np.all(steps < 0)) else None

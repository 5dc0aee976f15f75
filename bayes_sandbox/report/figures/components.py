"""Where in a DataTree is the component called `w[0]`?"""

from typing import Any

import numpy as np
import xarray as xr

from ...variable_names import to_variable


def split_label(label: str) -> tuple[str, tuple[int, ...]]:
    """Return the parameter's name and the index of a component's label.

    >>> split_label("mu"), split_label("S[0, 1]")
    (('mu', ()), ('S', (0, 1)))
    """
    name, bracket, index = label.partition("[")
    return name, tuple(int(i) for i in index.rstrip("]").split(",")) if bracket else ()


def component(data: Any, label: str, suffix: str = "") -> np.ndarray | None:
    """Return one component out of a group of a DataTree, its leading dims kept; None where it is not there."""
    name, index = split_label(label)
    variable = to_variable(name + suffix)
    if variable not in data:
        return None
    where: tuple[Any, ...] = (..., *index)
    values: np.ndarray = np.asarray(data[variable])[where]
    return values


def draws_of(tree: xr.DataTree, group: str, label: str) -> np.ndarray | None:
    """Return the draws of one component, (chain, draw); None where the group or the component is missing."""
    return component(tree[group], label) if group in tree.children else None


def posterior_draws(tree: xr.DataTree, label: str) -> np.ndarray:
    """Return the posterior draws, (chain, draw), of a component that is known to have some."""
    draws = draws_of(tree, "posterior", label)
    if draws is None:
        raise KeyError(label)
    return draws


def moving(tree: xr.DataTree, doc: dict[str, Any]) -> list[str]:
    """Return the labels of all components that vary: a Cholesky factor's zeros have no density to draw."""
    found = []
    for label in doc["model"]["parameters"]:
        draws = draws_of(tree, "posterior", label)
        if draws is not None and np.ptp(draws) > 0:
            found.append(label)
    return found


def flat_draws(tree: xr.DataTree, labels: list[str]) -> xr.DataTree:
    """Return a tree whose posterior has one scalar variable for each component, so that ArviZ titles each plainly."""
    draws = {to_variable(label): (("chain", "draw"), posterior_draws(tree, label)) for label in labels}
    coords = dict(zip(("chain", "draw"), map(np.arange, posterior_draws(tree, labels[0]).shape)))
    return xr.DataTree.from_dict({"posterior": xr.Dataset(draws, coords=coords)})


def sampled(doc: dict[str, Any]) -> bool:
    """Return whether the posterior's draws are NUTS's; where there is no NUTS they come from the grid."""
    return "skipped" not in doc["fits"]["nuts"]


def fitted(doc: dict[str, Any], way: str) -> dict[str, Any]:
    """Return a fit of the document; an empty dict where it was skipped."""
    fit: dict[str, Any] = doc["fits"][way]
    return {} if "skipped" in fit else fit

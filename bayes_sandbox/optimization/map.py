"""Where is the highest point? The maximum a posteriori, in the user's coordinates or in unconstrained ones."""

import time
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..arguments import integer, one_of
from ..compiler import compiled
from ..coordinates import Coordinates, coordinates_of
from ..model import Model, require_model
from ..seeds import check_seed
from .climb import Climb, Kind
from .edges import AT_EDGE, edge_coordinates, edge_names, snapped
from .modes import Search, search
from .starts import MORE, starting_positions
from .surface import LARGEST_HESSIAN, Density, Surface


@dataclass(frozen=True)
class Mode:
    """A distinct local maximum: where, how high, how many starts ended there, and how much lies around it.

    `log_mass` is what a Gaussian of its curvature holds, log p(D, θ*) + (d/2) log 2π − ½ log|H|; NaN on an edge or at a
    corner, where none fits. A high mode may hold next to nothing, and a low one nearly all.
    """

    params: dict[str, np.ndarray]
    log_joint: float
    log_mass: float
    num_hits: int
    edges: tuple[str, ...]


@dataclass(frozen=True)
class MAPFit:
    """The highest point found, and whether it is one.

    `params` is the mode (the last iterate where `converged` is False), `log_joint = log_prior + log_likelihood`
    its height in the user's density. `hessian` is −∂²(the density climbed): with respect to the flat params in
    the user's coordinates, to the position in unconstrained ones. `modes` runs from the highest down; `path` is
    the way of the start that got there; `edges` names every parameter on an edge of its support.
    """

    params: dict[str, np.ndarray]
    position: np.ndarray
    coordinates: str
    log_joint: float
    log_prior: float
    log_likelihood: float
    hessian: np.ndarray
    modes: tuple[Mode, ...]
    path: dict[str, np.ndarray]
    edges: tuple[str, ...]
    converged: bool
    message: str
    num_evaluations: int
    seconds: float

    def to_datatree(self) -> Any:
        """Return an xarray DataTree with a `map` group."""
        from ..datatree import map_datatree

        return map_datatree(self)


def fit_map(model: Model, *, coordinates: str = "params", num_starts: int = 16, seed: Any = 0) -> MAPFit:
    """Find θ* = argmax p(D|θ) p(θ), the mode that a regularized loss has.

    Parameters
    ----------
    coordinates
        `"params"`: the mode of the user's density, no Jacobian: what equals penalised likelihood.
        `"unconstrained"`: the mode of the density of the position, `p(D, θ(u)) |J(u)|`, which is another point:
        a mode moves under a change of variables, an integral does not.
    num_starts
        Climbs, half from wide guesses, half from prior draws; up to eight times as many where there are several modes,
        until each was hit three times.

    Returns
    -------
    MAPFit
        `converged` is False, with the reason in `message`, on a flat direction, a density without bound, or a
        mode at infinity (separation). A mode on the edge of a support is a mode.

    Raises
    ------
    ModelError
        Where `model` is not a `Model`.
    ArgumentError
        For other coordinates, less than one start, and a seed that is none.

    Examples
    --------
    >>> import numpyro.distributions as dist
    >>> from bayes_sandbox import Model, fit_map
    >>> globe = Model({"p": dist.Uniform(0, 1)}, lambda p: dist.Binomial(9, p), observed=6)
    >>> f"{fit_map(globe).params['p']:.3f}", f"{fit_map(globe, coordinates='unconstrained').params['p']:.3f}"
    ('0.667', '0.636')
    """
    require_model(model)
    one_of(coordinates, "coordinates", ("params", "unconstrained"))
    num_starts = integer(num_starts, "num_starts", at_least=1, example=16)
    check_seed(seed)
    started = time.perf_counter()
    coords = coordinates_of(model)
    density = coords.log_joint if coordinates == "params" else coords.log_density
    found = search(model, coords, density, starting_positions(model, coords, seed, MORE * num_starts), num_starts)
    return _record(model, coords, coordinates, density, found, started)


def _record(
    model: Model, coords: Coordinates, coordinates: str, density: Density, found: Search, started: float
) -> MAPFit:
    end = found.trouble or found.best
    if end is None:
        end = Climb(np.zeros(model.dimension), np.inf, np.zeros((1, model.dimension)), Kind.STUCK, np.zeros(0))
    params, flat = _at_mode(model, coords, end)
    log_prior, log_likelihood, _ = (float(v) + 0.0 for v in coords.log_parts_many(end.position[None])[0])
    converged = found.trouble is None and bool(found.modes)
    return MAPFit(
        params=params,
        position=end.position,
        coordinates=coordinates,
        log_joint=log_prior + log_likelihood,
        log_prior=log_prior,
        log_likelihood=log_likelihood,
        hessian=_hessian(model, coords, coordinates, flat, end.position),
        modes=tuple(_mode(model, coords, density, m, h) for m, h in zip(found.modes, found.hits)),
        path=coords.constrain_many(end.path),
        edges=tuple(edge_names(coords, model.parameters, end)) if end.kind is Kind.EDGE else (),
        converged=converged,
        message=_message(model, coords, found, end, converged),
        num_evaluations=found.num_evaluations,
        seconds=time.perf_counter() - started,
    )


def _mode(model: Model, coords: Coordinates, density: Density, at: Climb, num_hits: int) -> Mode:
    params, _ = _at_mode(model, coords, at)
    edges = tuple(edge_names(coords, model.parameters, at)) if at.kind is Kind.EDGE else ()
    parts = coords.log_parts_many(at.position[None])[0]
    return Mode(params, float(parts[:2].sum()), _log_mass(density, at, float(parts.sum())), num_hits, edges)


def _log_mass(density: Density, at: Climb, height: float) -> float:
    """Return the Laplace mass around a mode: of the user's density, at whose mode −∂² in u is Jᵀ H J, as of any other.

    `height` is that of the density of the position, with its Jacobian.
    """
    d = len(at.position)
    if at.kind is not Kind.PEAK or d > LARGEST_HESSIAN:
        return np.nan
    sign, log_det = np.linalg.slogdet(Surface(density).hessian(at.position))
    return float(height + 0.5 * d * np.log(2 * np.pi) - 0.5 * log_det) if sign > 0 else np.nan


def _at_mode(model: Model, coords: Coordinates, at: Climb) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return params and their vector, an edge without its rounding error where the density is finite on it."""
    flat = snapped(coords, at)
    if at.kind is Kind.EDGE and not np.isfinite(float(model.log_joint(coords.unflatten(flat)))):
        flat = coords.flat_at(at.position)
    return {k: np.asarray(v) for k, v in coords.unflatten(flat).items()}, flat


def _hessian(model: Model, coords: Coordinates, coordinates: str, flat: np.ndarray, position: np.ndarray) -> np.ndarray:
    if coordinates == "unconstrained":
        return -np.asarray(compiled(jax.hessian(coords.log_density))(jnp.asarray(position)))

    def log_joint(vector: jax.Array) -> jax.Array:
        return sum(model.log_parts(coords.unflatten(vector)), start=jnp.zeros(()))

    return -np.asarray(compiled(jax.hessian(log_joint))(jnp.asarray(flat)))


def _message(model: Model, coords: Coordinates, found: Search, end: Climb, converged: bool) -> str:
    if not found.ends:
        return (
            "not converged: no start had a finite density; check that the data are possible under the prior, "
            "or that the program does not overflow"
        )
    if converged:
        others = f"; {len(found.modes) - 1} lower or equal mode(s) kept" if len(found.modes) > 1 else ""
        where = f" on an edge of the support ({', '.join(edge_names(coords, model.parameters, end))})"
        corners = int(end.direction.sum())
        zeros = f" with {corners} coordinate(s) exactly at the corner of their prior" if corners else " on a kink"
        kind = {Kind.EDGE: where, Kind.CORNER: zeros}.get(end.kind, "")
        return f"converged{kind}: {found.hits[0]} of {len(found.ends)} starts ended here{others}"
    return f"not converged: {trouble_sentence(coords, end)}"


def trouble_sentence(coords: Coordinates, end: Climb) -> str:
    """Return what is wrong at an end that is not a mode, with the parameters it is about."""
    along, towards = ", ".join(_along(coords, end)), ", ".join(_towards(coords, end))
    if coords.is_proper:
        flat = "drop a parameter, or give it a prior that is not flat there"
        rising = (
            "no finite mode was found, although every prior is proper; give it a tighter prior, or rely on quadrature "
            "and NUTS, which need no mode"
        )
    else:
        flat = "give it a proper prior or drop a parameter"
        rising = "there is no finite mode (separation, if the model is a classification); give it a proper prior"
    return {
        Kind.FLAT: f"the density does not change along {along} (a flat direction): the data and the prior leave it "
        f"open; {flat}",
        Kind.RISING: f"the density keeps rising, ever more slowly, as {towards}: {rising}",
        Kind.UNBOUNDED: f"the density rises without bound as {towards}: it has no maximum, though it may have an "
        "integral; use NUTS and the evidence, or write a hierarchy non-centred",
        Kind.SADDLE: f"the climb ended on a saddle along {along}; try more starts",
        Kind.STUCK: f"the climb stopped before the top along {along}: the density is rough or ill-conditioned there; "
        "rescale the data or try more starts",
    }.get(end.kind, "")


def _chosen(end: Climb) -> np.ndarray:
    size = np.abs(end.direction)
    if not size.size or not np.isfinite(size).all() or size.max() == 0:
        return np.zeros(0, int)
    chosen = np.flatnonzero(size > 0.3 * size.max())
    return chosen[np.argsort(-size[chosen], kind="stable")][:4]


def _along(coords: Coordinates, end: Climb) -> list[str]:
    return [coords.labels[i] for i in _chosen(end)] or ["an unknown direction"]


def _towards(coords: Coordinates, end: Climb) -> list[str]:
    """Where the parameters of the direction are going, in the user's units: 'tau → 0', 'slope → ∞'."""
    edges, names = edge_coordinates(coords), []
    for i in _chosen(end):
        side = 1 if end.direction[i] > 0 else 0
        goal = "∞" if side else "−∞"
        if edges[i, side]:
            away = np.zeros(coords.dimension)
            away[i] = AT_EDGE if side else -AT_EDGE
            at = coords.flat_many(away[None])[0][coords.own_axis == i]
            goal = f"{float(f'{at[0]:.6g}'):g}" if at.size and abs(at[0]) > 1e-300 else "0" if at.size else "its edge"
        names.append(f"{coords.labels[i]} → {goal}")
    return names or ["a parameter runs away"]

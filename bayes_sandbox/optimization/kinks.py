"""A density with kinks (absolute residuals, quantiles, whole groups at zero): its mode, by rounding them ever less.

A term c|r| is climbed as √((cr)² + ε²), which has curvature, for ε from 1 down to 1e-9, each climb from the end of the
one before (graduated non-convexity; for a linear programme the same path that interior-point methods walk). Weights
under a prior with a corner whose c|r| has gone down with ε are then held at zero, exactly.
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from scipy.linalg import eigh

from ..compiler import compiled
from ..coordinates import Coordinates
from ..model import Model
from ..regularization.distributions import ElasticNet, GroupLaplace, norm
from ..sites import bare, is_data, is_latent
from .climb import NUDGE, Climb, Kind, climb, walk
from .edges import Pinned
from .surface import Density, Surface

ROUNDINGS = tuple(10.0**-k for k in range(10))  # of c|r|, in nats
FINEST = ROUNDINGS[-1]
WIDE = 1e-3  # a rounding whose curvature tells how far to look around
AT_ZERO = 1e3  # times the finest rounding: what has gone down with it


def kinked(model: Model) -> bool:
    """Whether a likelihood has kinks, or a prior corners of whole groups."""
    found: list[bool] = []

    def look(params: Any) -> None:
        trace = model.trace_at(params)
        found.extend(_kink(s["fn"], s["value"]) is not None for s in trace.values() if is_data(s))
        found.extend(isinstance(bare(s["fn"]), GroupLaplace) for s in trace.values() if is_latent(s))

    jax.eval_shape(look, model.structure.example)
    return any(found)


class Kinks:
    """The surface with its kinks rounded by ε: a climb asks it, as it asks any other."""

    def __init__(self, model: Model, coords: Coordinates, density: Density):
        self._model, self._coords, self._density = model, coords, density
        self.far: Any = np.inf
        self.rounding = 1.0
        self._derivatives = compiled(lambda u, e: tuple(d(u, e) for d in _all_derivatives(self._rounded)))
        self._values = compiled(jax.vmap(self._rounded, (0, None)))
        self._sizes = compiled(self._corner_sizes)
        self._last: tuple[Any, ...] = (None,)
        self.num_evaluations = 0

    # --- a surface ---

    def _rounded(self, position: jax.Array, rounding: Any) -> jax.Array:
        """Return the log density with every −c|r| replaced by ε − √((cr)² + ε²)."""
        total = self._density(position)
        for sizes, _ in self._terms(position):
            total = total + jnp.sum(sizes - (jnp.sqrt(jnp.square(sizes) + rounding**2) - rounding))
        return total

    def _terms(self, position: jax.Array) -> Iterator[tuple[jax.Array, str | None]]:
        """Yield c|r| of every kink, and the latent site that it is a corner of, if it is one."""
        params = self._coords.constrain(position)
        for name, site in self._model.trace_at(params).items():
            sizes = _kink(site["fn"], site["value"]) if site["type"] == "sample" else None
            if sizes is not None:
                yield sizes, name if is_latent(site) else None

    def _corner_sizes(self, position: jax.Array) -> dict[str, jax.Array]:
        return {name: sizes for sizes, name in self._terms(position) if name}

    def _at(self, position: np.ndarray) -> tuple[Any, ...]:
        key = (np.asarray(position, float).tobytes(), self.rounding)
        if self._last[0] != key:
            self._last = (key, *(np.asarray(x) for x in self._derivatives(np.asarray(position, float), self.rounding)))
            self.num_evaluations += 1
        return self._last

    def value(self, position: np.ndarray) -> float:
        value = -float(self._at(position)[1])
        return np.inf if np.isnan(value) else value

    def gradient(self, position: np.ndarray) -> np.ndarray:
        return -np.asarray(self._at(position)[2])

    def hessian(self, position: np.ndarray) -> np.ndarray:
        hessian = -np.asarray(self._at(position)[3])
        return (hessian + hessian.T) / 2

    def values(self, positions: Any) -> np.ndarray:
        self.num_evaluations += len(positions)
        values = -np.asarray(self._values(np.asarray(positions, float), self.rounding))
        return np.where(np.isnan(values), np.inf, values)

    # --- a climb ---

    def climb(self, surface: Surface, start: np.ndarray) -> Climb:
        """Climb with the kinks rounded ever less, hold what is at a corner, and look around on the true surface."""
        before = self.num_evaluations
        self.far, self.rounding = surface.far, ROUNDINGS[0]
        end = climb(self, start)
        path = [end.path]
        if end.kind is Kind.PEAK:
            position = end.position
            for self.rounding in ROUNDINGS[1:]:
                position = walk(self, position)[-1]
                path.append(position[None])
            held = self._held(position)
            position = self._at_corner(position, held)
            path.append(position[None])
            end = self._judged(surface, position, held, np.concatenate(path))
        surface.num_evaluations += self.num_evaluations - before
        return end

    def _held(self, position: np.ndarray) -> np.ndarray:
        """Return which coordinates have gone to a corner of their prior: booleans (d,)."""
        held = {n: np.zeros(s, bool) for n, s in self._model.structure.unconstrained_shapes.items()}
        for name, sizes in self._sizes(position).items():
            at_zero = np.asarray(sizes) < AT_ZERO * FINEST
            shape = held[name].shape
            held[name] = np.broadcast_to(at_zero.reshape(at_zero.shape + (1,) * (len(shape) - at_zero.ndim)), shape)
        return np.concatenate([h.reshape(-1) for h in held.values()])

    def _at_corner(self, position: np.ndarray, held: np.ndarray) -> np.ndarray:
        """Return the position with what is held moved onto its corner exactly, and the rest climbed once more."""
        if not held.any():
            return position
        position = np.where(held, self._corners(position), position)
        if not held.all():
            inner = Pinned(self, position, held)
            position = inner.full(walk(inner, position[inner.free])[-1])
        return position

    def _corners(self, position: np.ndarray) -> np.ndarray:
        """Return where the corners are: zero, or the loc of a Laplace prior."""
        params = {k: jnp.asarray(v) for k, v in self._coords.params_at(position).items()}
        where = {n: np.zeros(s) for n, s in self._model.structure.unconstrained_shapes.items()}
        for name, site in self._model.trace_at(params).items():
            if is_latent(site) and name in where:
                where[name] = np.broadcast_to(np.asarray(getattr(bare(site["fn"]), "loc", 0.0)), where[name].shape)
        return np.concatenate([w.reshape(-1) for w in where.values()])

    def _judged(self, surface: Surface, position: np.ndarray, held: np.ndarray, path: np.ndarray) -> Climb:
        """Walk both ways along the axes of the rounded curvature: a mode falls off, on the true surface, everywhere."""
        value = surface.value(position)
        self.rounding = WIDE
        curvatures, axes = eigh(self.hessian(position))
        largest = max(np.abs(curvatures).max(), 1e-300)
        spreads = 1 / np.sqrt(np.maximum(np.abs(curvatures), 1e-12 * largest))
        rises = [
            np.minimum(*(surface.values(position + sign * h * spreads[:, None] * axes.T) - value for sign in (1, -1)))
            for h in (NUDGE / 100, NUDGE)
        ]
        rounding = 1e-9 * (1 + abs(value))
        if not np.isfinite(value) or min(r.min() for r in rises) < -rounding:
            return Climb(position, value, path, Kind.STUCK, axes[:, rises[-1].argmin()])
        if rises[-1].min() <= rounding:
            return Climb(position, value, path, Kind.FLAT, axes[:, rises[-1].argmin()])
        return Climb(position, value, path, Kind.CORNER, held.astype(float))


def _all_derivatives(function: Callable[..., jax.Array]) -> tuple[Callable[..., Any], ...]:
    return function, jax.grad(function), jax.jacfwd(jax.grad(function))


# --- where the kinks are ---


def _kink(fn: Any, value: Any) -> jax.Array | None:
    """Return c|r| of the kink of −log p at r = 0, elementwise, or None for a density without."""
    if isinstance(fn, dist.MaskedDistribution):
        inner = _kink(fn.base_dist, value)
        mask = jnp.asarray(fn._mask)
        return (
            None if inner is None else jnp.where(mask.reshape(mask.shape + (1,) * (inner.ndim - mask.ndim)), inner, 0.0)
        )
    if isinstance(fn, dist.Independent | dist.ExpandedDistribution):
        return _kink(fn.base_dist, value)
    if isinstance(fn, dist.Laplace):
        return jnp.abs(value - fn.loc) / fn.scale
    if isinstance(fn, dist.AsymmetricLaplaceQuantile):
        return jnp.abs(value - fn.loc) / (2 * fn.scale)
    if isinstance(fn, dist.AsymmetricLaplace):
        return jnp.abs(value - fn.loc) * (1 / fn.left_scale + 1 / fn.right_scale) / 2
    if isinstance(fn, ElasticNet):
        return jnp.abs(value) / fn.laplace_scale
    if isinstance(fn, GroupLaplace):
        return norm(value) / fn.scale
    return None

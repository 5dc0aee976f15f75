"""A density with corners (Laplace and elastic-net priors): the mode found with its exact zeros.

Each coordinate under such a prior is written w = loc + p − n with p, n ≥ 0, in which −|w − loc|/b becomes the
smooth −(p + n)/b: the same maximum, and a bounded search leaves p = n = 0 exactly where the corner wins.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from numpyro.distributions import biject_to
from scipy.optimize import minimize

from ..compiler import compiled
from ..coordinates import Coordinates
from ..model import Model
from ..regularization.distributions import ElasticNet
from ..sites import bare, is_latent
from .climb import Climb, Kind, climb
from .edges import Pinned
from .surface import Density, Surface


def cornered(model: Model) -> list[str]:
    """Return the latent sites whose prior has a corner."""
    found: list[str] = []

    def look(params: Any) -> None:
        found.extend(n for n, fn in model.site_distributions(params).items() if _corner(fn) is not None)

    jax.eval_shape(look, model.structure.example)  # traced: nothing in it need be computed
    return found


class Split:
    """The surface over (position, p, n), where the position's entries under such priors are replaced by p − n."""

    def __init__(self, model: Model, coords: Coordinates, density: Density):
        self._model, self._coords = model, coords
        self.sites = cornered(model)
        mask = {n: np.full(s, n in self.sites) for n, s in model.structure.unconstrained_shapes.items()}
        self.index = np.flatnonzero(np.concatenate([m.reshape(-1) for m in mask.values()]))
        self._place = compiled(self._position)
        self._all = compiled(jax.value_and_grad(lambda x: -self._smooth(density, x)))

    def _smooth(self, density: Density, x: jax.Array) -> jax.Array:
        d, k = self._coords.dimension, len(self.index)
        free, up, down = x[:d], x[d : d + k], x[d + k :]
        position, loc, scale = self._follow(free, up - down)
        correction = jnp.abs(position[self.index] - loc) / scale - (up + down) / scale
        return density(position) + correction.sum()

    def _follow(self, free: jax.Array, offset: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Walk the program: each cornered site is its own loc plus its offset, whatever loc depends on."""
        parts, locs, scales, start = self._coords.split(free), [], [], 0

        def place(site: Any) -> Any:
            nonlocal start
            if not is_latent(site):
                return None
            name = site["name"]
            if name not in self.sites:
                return biject_to(site["fn"].support)(parts[name])
            shape = parts[name].shape
            size = math.prod(shape)
            loc, scale = (jnp.broadcast_to(v, shape) for v in _corner(site["fn"]) or ())
            parts[name] = loc + offset[start : start + size].reshape(shape)
            start += size
            locs.append(loc.reshape(-1))
            scales.append(scale.reshape(-1))
            return parts[name]

        self._model.trace_with(place)
        position = jnp.concatenate([parts[n].reshape(-1) for n in self._model.structure.shapes])
        return position, jnp.concatenate(locs), jnp.concatenate(scales)

    def climb(self, surface: Surface, start: np.ndarray) -> Climb:
        """Search with bounds from one start, then hold the zeros and finish in the smooth rest."""
        d, k = len(start), len(self.index)
        x0 = np.concatenate([start, np.maximum(start[self.index], 0), np.maximum(-start[self.index], 0)])
        bounds = [(None, None)] * d + [(0, None)] * (2 * k)
        steps = [x0]
        result = minimize(
            lambda x: tuple(map(np.asarray, self._all(x))),
            x0,
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            callback=lambda xk: steps.append(np.array(xk)),
            options={"maxiter": 5000, "maxfun": 20000, "ftol": 1e-15, "gtol": 1e-9},
        )
        surface.num_evaluations += int(result.nfev)
        zero = (result.x[d : d + k] == 0) & (result.x[d + k :] == 0)
        position = self.position(result.x)
        path = np.array([self.position(x) for x in steps])
        held = np.zeros(d, bool)
        held[self.index[zero]] = True
        if held.all():
            return Climb(position, surface.value(position), path, Kind.CORNER, held.astype(float))
        rest = climb(Pinned(surface, position, held), position[~held])
        position[~held] = rest.position
        kind = Kind.CORNER if rest.kind is Kind.PEAK and held.any() else rest.kind
        direction = held.astype(float)
        if rest.kind is not Kind.PEAK:
            direction[~held] = rest.direction
        return Climb(position, rest.value, np.concatenate([path, [position]]), kind, direction)

    def position(self, x: np.ndarray) -> np.ndarray:
        """Return the position of (position, p, n)."""
        return np.array(self._place(x))

    def _position(self, x: jax.Array) -> jax.Array:
        d, k = self._coords.dimension, len(self.index)
        return self._follow(x[:d], x[d : d + k] - x[d + k :])[0]


def _corner(fn: Any) -> tuple[Any, Any] | None:
    """Return (loc, b) of the −|w − loc|/b in a log density, or None where there is no such term."""
    fn = bare(fn)
    if isinstance(fn, dist.Laplace):
        return fn.loc, fn.scale
    return (0.0, fn.laplace_scale) if isinstance(fn, ElasticNet) else None

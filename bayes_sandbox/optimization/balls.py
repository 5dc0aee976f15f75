"""A mode on the sphere that bounds ‖w‖ ≤ δ: a search with that constraint, in the user's own w.

The map of a ball to ℝᵏ sends its sphere to infinity, in every direction; no coordinate can be pinned there.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.distributions import biject_to
from scipy.optimize import minimize

from ..compiler import compiled
from ..coordinates import Coordinates
from ..model import Model
from ..regularization.distributions import Ball, norm
from ..sites import is_latent
from .climb import Climb, Kind
from .surface import Surface

OUTSIDE = 1e9  # a position whose w is on the sphere to every digit
INSIDE = 1e-9  # of the radius: where the search begins
POLISHES = 6


def ball_sites(model: Model) -> list[str]:
    """Return the latent sites whose support is a ball, each a single vector."""
    found: list[str] = []

    def look(params: Any) -> None:
        fns = model.site_distributions(params)
        found.extend(n for n, fn in fns.items() if isinstance(fn.support, Ball) and len(model.structure.shapes[n]) == 1)

    jax.eval_shape(look, model.structure.example)
    return found


class Balls:
    """The surface over x: a position in which the entries of every ball are w itself, with ‖w‖ ≤ δ to be kept."""

    def __init__(self, model: Model, coords: Coordinates, sites: list[str]):
        self._model, self._coords, self.sites = model, coords, sites
        sizes = {n: math.prod(s) for n, s in model.structure.unconstrained_shapes.items()}
        starts = np.cumsum([0, *sizes.values()])
        self._where = {n: slice(int(a), int(a) + sizes[n]) for n, a in zip(sizes, starts) if n in sites}
        self._value = compiled(jax.value_and_grad(lambda x: self._height(x)[0]))
        self._slack = compiled(lambda x: (self._height(x)[1], jax.jacobian(lambda v: self._height(v)[1])(x)))
        self._newton = compiled(self._newton_step)

    def _height(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return −log p(D, θ) and (δ² − ‖w‖²)/2 of every ball."""
        parts, slack = self._coords.split(x), []

        def place(site: Any) -> Any:
            if not is_latent(site):
                return None
            name = site["name"]
            if name not in self.sites:
                return biject_to(site["fn"].support)(parts[name])
            radius = site["fn"].support.radius
            slack.append((radius**2 - jnp.sum(jnp.square(parts[name]))) / 2)
            inward = jnp.minimum(1.0, radius / jnp.maximum(norm(parts[name]), 1e-300))  # the density ends there
            parts[name] = jnp.where(inward < 1, parts[name] * jax.lax.stop_gradient(inward), parts[name])
            return parts[name]

        trace = self._model.trace_with(place)
        params = {n: trace[n]["value"] for n in self._model.structure.shapes}
        return -sum(self._model.log_parts(params), start=jnp.zeros(())), jnp.stack(slack)

    def _newton_step(self, x: jax.Array, weights: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Take one Newton step to where the gradient stands on the sphere, ∇(−f) = μ ∇slack, slack = 0."""
        m = len(self.sites)

        def lagrangian(both: jax.Array) -> jax.Array:
            height, slack = self._height(both[:-m])
            return height - both[-m:] @ slack

        both = jnp.concatenate([x, weights])
        step = jnp.linalg.solve(jax.jacfwd(jax.grad(lagrangian))(both), jax.grad(lagrangian)(both))
        return (both - step)[:-m], (both - step)[-m:]

    def settle(self, surface: Surface, ran: Climb) -> Climb | None:
        """Return the mode on a sphere that a climb ran towards; None where it is none."""
        x, params = ran.position.copy(), self._coords.params_at(ran.position)
        for name, where in self._where.items():
            x[where] = params[name] * (1 - INSIDE)
        found = minimize(
            lambda v: tuple(map(np.asarray, self._value(v))),
            x,
            jac=True,
            method="SLSQP",
            constraints={
                "type": "ineq",
                "fun": lambda v: np.asarray(self._slack(v)[0]),
                "jac": lambda v: np.asarray(self._slack(v)[1]),
            },
            options={"maxiter": 500, "ftol": 1e-14},
        )
        surface.num_evaluations += int(found.nfev)
        slack, normals = map(np.asarray, self._slack(found.x))
        weights = np.linalg.lstsq(normals.T, np.asarray(self._value(found.x)[1]), rcond=None)[0]
        if not np.isfinite(found.x).all() or (np.abs(slack) > 1e-6).any() or (weights <= 0).any():
            return None
        return self._on_sphere(surface, ran, found.x, weights)

    def _on_sphere(self, surface: Surface, ran: Climb, x: np.ndarray, weights: np.ndarray) -> Climb | None:
        for _ in range(POLISHES):
            moved, new = map(np.asarray, self._newton(x, weights))
            if not np.isfinite(moved).all() or np.abs(moved - x).max() > 1e-3 * (1 + np.abs(x).max()):
                break
            x, weights = moved, new
        position, pinned = x.copy(), np.zeros(len(x))
        for where in self._where.values():
            position[where] = OUTSIDE * x[where] / np.linalg.norm(x[where])
            pinned[where] = 1.0
        value = surface.value(position)
        if not np.isfinite(value) or value > ran.value + 1e-9 * (1 + abs(value)):
            return None
        return Climb(position, value, np.concatenate([ran.path, position[None]]), Kind.EDGE, pinned)

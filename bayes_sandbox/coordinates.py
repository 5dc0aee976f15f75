"""User's parameters <-> unconstrained position, with log|J|. The only Jacobians in the house.

A `position` is a flat vector u in ℝᵈ; `params` are the user's own. Each latent site has the smooth map
`θ = T(u)` that NumPyro registers for its support. A density moves with its Jacobian,

    p_u(u) = p(T(u)) |det ∂T/∂u|,

so that integrals agree in both coordinates while modes do not.
"""

import functools
import math
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import jax
import jax.extend
import jax.numpy as jnp
import numpy as np
from numpyro.distributions import biject_to

from .batches import batch_size, chunk_size, evaluate, in_batches
from .compiler import compiled
from .complements import completed
from .devices import num_lanes
from .model import PRIOR_BATCH, Model
from .naming import labels
from .rounding import Rounding, perturbed, scatter
from .seeds import as_rng
from .single import in_float32
from .sites import is_latent
from .transforms import is_bounded, is_finite, prior_draw, to_support
from .work import work_of

Position = jax.Array | np.ndarray
NUM_RUNS = 8  # of a density with every rounding changed: its scatter is known to a quarter
ROUNDED_AT_ONCE, ROUNDED_TERMS = 8, 2e6  # points, and of all runs densities times observations, in one call
NUM_PARTS = 3  # of a log density: prior, likelihood, Jacobian
NEARBY, ROUNDING = 1e-3, 1e-9  # along each coordinate, to see which parameters it changes; of the change, no change
CHECK_TERMS = 2e7  # densities times observations, that the check of a sum or its curves may take
DEAR_TERMS, FEWEST = 1e9, 1024  # where even the least is dear: what it may take, and the densities it is at least
MAX_CHECKED, LOST_AT_EDGE = 64, 1e-3  # positions at an edge whose rounding is measured; nats that it may cost
FAR = 20.0  # no float64 runs out of digits nearer to the middle than this


def coordinates_of(model: Model) -> "Coordinates":
    """Return the model's coordinates, made once and kept with it, so that what was compiled is used again."""
    if model.compiled is None:
        model.compiled = Coordinates(model)
    return model.compiled


class Coordinates:
    """The map between a model's params and its flat, unconstrained position.

    Supports may depend on earlier parameters (`Uniform(0, mu)`): the map is followed through the program.

    Examples
    --------
    >>> import numpyro.distributions as dist
    >>> from bayes_sandbox import Model
    >>> from bayes_sandbox.coordinates import coordinates_of
    >>> model = Model({"s": dist.HalfNormal(1)}, lambda s: dist.Normal(0, s), observed=[0.5, -1.0])
    >>> coords = coordinates_of(model)
    >>> params, log_det = coords.constrain_with_log_det(jnp.array([0.0]))
    >>> float(params["s"]), float(log_det)
    (1.0, 0.0)
    """

    def __init__(self, model: Model):
        self._model = model
        self._shapes = dict(model.structure.shapes)
        self._sizes = dict(model.structure.unconstrained_shapes)
        self.dimension = model.dimension
        self.num_observations = model.num_observations
        self.num_evaluations = 0  # densities at many positions, by whoever asked
        self.searches: dict[Hashable, Any] = {}  # for modes, the last few
        self.climbers: dict[Hashable, Any] = {}  # of densities that are not smooth, with what was compiled for them
        self.labels = [label for name, shape in self._sizes.items() for label in labels(name, shape)]

    @property
    def is_proper(self) -> bool:
        """Whether every prior integrates to one."""
        return not self._model.improper

    def split(self, position: Position) -> dict[str, jax.Array]:
        """Cut a flat position into one unconstrained array for each site, in the program's order."""
        parts: dict[str, jax.Array] = {}
        start, position = 0, jnp.asarray(position)
        for name, shape in self._sizes.items():
            size = math.prod(shape)
            parts[name] = position[start : start + size].reshape(shape)
            start += size
        return parts

    def constrain_with_log_det(self, position: Position) -> tuple[dict[str, jax.Array], jax.Array]:
        """Return (params, log|det ∂params/∂position|) at one position of shape (dimension,)."""
        parts = self.split(jnp.asarray(position, float))
        params: dict[str, jax.Array] = {}
        log_dets = [jnp.zeros(())]

        def place(site: Any) -> Any:
            if not is_latent(site):
                return None
            name = site["name"]
            params[name], log_det = to_support(site["fn"].support, parts[name])
            log_dets.append(log_det)
            return params[name]

        self._model.trace_with(place)
        return params, sum(log_dets[1:], start=log_dets[0])

    def constrain(self, position: Position) -> dict[str, jax.Array]:
        """Return the params at one position."""
        return self.constrain_with_log_det(position)[0]

    def unconstrain(self, params: Mapping[str, Any]) -> jax.Array:
        """Return the position of one point in the user's parameters."""
        parts: dict[str, jax.Array] = {}

        def take(site: Any) -> Any:
            if not is_latent(site):
                return None
            value = jnp.asarray(params[site["name"]], float)
            parts[site["name"]] = biject_to(site["fn"].support).inv(value).reshape(-1)
            return value

        self._model.trace_with(take)
        return jnp.concatenate([parts[name] for name in self._sizes])

    def log_parts(self, position: Position) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Return (log prior, log likelihood, log|J|) at one position."""
        log_prior, log_likelihood, log_det, _ = self._parts_and_flat(position)
        return log_prior, log_likelihood, log_det

    def _parts_and_flat(self, position: Position) -> tuple[jax.Array, ...]:
        *terms, log_det, flat = self._program(jnp.asarray(position, float))
        num, zero = len(self._shapes), jnp.zeros(())
        return sum(terms[:num], start=zero), sum(terms[num:], start=zero), log_det, flat

    @functools.cached_property
    def _program(self) -> Any:
        """(the terms of log p(D, θ), log|J|, flat params) of a position, traced once, with the digits near edges."""

        def everything(position: jax.Array) -> tuple[jax.Array, ...]:
            params, log_det = self.constrain_with_log_det(position)
            return (*self._model.log_terms(params).values(), log_det, self.flat(params))

        self._traced = jax.make_jaxpr(completed(everything))(jax.ShapeDtypeStruct((self.dimension,), float))
        return jax.extend.core.jaxpr_as_fun(self._traced)

    @functools.cached_property
    def work(self) -> float:
        """About how many elementary operations a log density takes."""
        assert self._program
        return work_of(self._traced.jaxpr)

    def log_density(self, position: Position) -> jax.Array:
        """Return log p(D, θ(u)) + log|J(u)|: the joint density as a density of the position."""
        return sum(self.log_parts(position), start=jnp.zeros(()))

    def log_joint(self, position: Position) -> jax.Array:
        """Return log p(D, θ(u)) without a Jacobian: the height of the user's density above this position."""
        log_prior, log_likelihood, _ = self.log_parts(position)
        return log_prior + log_likelihood

    def parts_and_params(self, position: Position) -> jax.Array:
        """Return (log prior, log likelihood, log|J|) and the flat params at one position, as one vector.

        What sums, searches and estimators ask at many positions is read off this one compiled program.
        """
        parts = self._parts_and_flat(position)
        # Not woven into one another: a compiler that joins a long sum with a few copies makes a slow loop of both.
        *parts, flat = jax.lax.optimization_barrier(parts)
        return jnp.concatenate([jnp.stack(parts), flat])

    def flat(self, params: Mapping[str, Any]) -> jax.Array:
        """Return the params of one point as a vector, in the order of `Model.parameters`."""
        return jnp.concatenate([jnp.ravel(params[name]) for name in self._shapes])

    def constrain_flat(self, position: Position) -> jax.Array:
        """Return the params at one position as a vector, in the order of `Model.parameters`."""
        return self.flat(self.constrain(position))

    def unflatten(self, vector: Any) -> dict[str, Any]:
        """Return vectors (…, num_params) as name → array (…, *shape)."""
        params, start = {}, 0
        for name, shape in self._shapes.items():
            size = math.prod(shape)
            part = vector[..., start : start + size]
            params[name] = part.reshape(part.shape[:-1] + shape)
            start += size
        return params

    # --- many points: one compiled program, in batches of one size ------------------------------------------

    @property
    def batch(self) -> int:
        """How many positions are evaluated at once."""
        return min(batch_size(self.num_observations), self.chunk // num_lanes())

    @property
    def chunk(self) -> int:
        """How many positions go to the device in one call."""
        return chunk_size(NUM_PARTS + sum(math.prod(shape) for shape in self._shapes.values()))

    def evaluate(self, positions: Any, count: int, single: bool = False) -> jax.Array:
        """Return `parts_and_params` at the first `count` of a chunk of positions, all columns, left on the device.

        `single` has them computed in float32. Threads may ask this, so that counting is left to whoever began them.
        """
        function = self._in_single if single else self.parts_and_params
        return evaluate(function, self.batch, positions, -(-count // self.batch))

    @functools.cached_property
    def _in_single(self) -> Any:
        return in_float32(self.parts_and_params)

    def worth(self, least: float, most: float) -> int:
        """Return how many densities to spend on a check or a curve: the most, unless a density is dear.

        With hundreds of thousands of observations it is fewer than the least.
        """
        terms = max(self.num_observations, 1)
        least = min(least, max(FEWEST, DEAR_TERMS / terms))
        return int(min(most, max(least, CHECK_TERMS / terms)))

    def constrain_many(self, positions: Any) -> dict[str, np.ndarray]:
        """Return positions (…, dimension) as params name → array (…, *shape)."""
        return self.unflatten(self.flat_many(positions))

    def params_at(self, position: np.ndarray) -> dict[str, np.ndarray]:
        """Return the params of one position, through the compiled program for many."""
        return self.unflatten(self.flat_at(position))

    def flat_at(self, position: np.ndarray) -> np.ndarray:
        """Return the flat params of one position, through the compiled program for many."""
        return self.flat_many(np.asarray(position, float)[None])[0]

    def flat_many(self, positions: Any) -> np.ndarray:
        """Return positions (…, dimension) as vectors of params (…, num_params)."""
        if np.size(positions) * self.num_observations > DEAR_TERMS * self.dimension:  # not at the price of densities
            return in_batches(self.constrain_flat, self.chunk, self.chunk)(positions)
        return self.everything_many(positions)[..., NUM_PARTS:]

    def unconstrain_many(self, params: Mapping[str, Any], batch_shape: tuple[int, ...]) -> np.ndarray:
        """Return params with leading `batch_shape` as positions (*batch_shape, dimension)."""
        flat = np.concatenate([np.reshape(params[n], (*batch_shape, -1)) for n in self._shapes], axis=-1)
        return in_batches(self._unconstrain_flat, chunk_size())(flat)

    def prior_positions(self, seed: Any, num: int) -> np.ndarray:
        """Return draws from the prior as positions (num, dimension), with digits where a value has none to spare.

        The draws are those of `Model.sample_prior` for the same seed. A position is not finite where the value is not
        inside the support, which only distributions without a draw in logarithms do.
        """
        self._model.require_proper("be sampled from its prior")
        size = -(-num // PRIOR_BATCH) * PRIOR_BATCH
        keys = as_rng(seed, "prior").integers(2**32, size=(size, 2), dtype=np.uint32)
        found = [self._prior_batch(keys[i : i + PRIOR_BATCH]) for i in range(0, size, PRIOR_BATCH)]
        return np.concatenate([np.zeros((0, self.dimension)), *found])[:num]

    @functools.cached_property
    def _prior_batch(self) -> Any:
        def one(data: jax.Array) -> jax.Array:
            parts: dict[str, jax.Array] = {}

            def place(site: Any, key: Any) -> Any:
                position, value = prior_draw(site["fn"], key)
                parts[site["name"]] = position.reshape(-1)
                return value

            self._model.trace_prior(jax.random.wrap_key_data(data), place)
            return jnp.concatenate([parts[name] for name in self._sizes])

        return compiled(jax.vmap(one), hasty=True)

    def log_density_many(self, positions: Any) -> np.ndarray:
        """Return `log_density` at positions (…, dimension); NaN counts as −∞."""
        with np.errstate(invalid="ignore", over="ignore"):  # ∞ − ∞
            values = self.log_parts_many(positions).sum(axis=-1)
        return np.where(np.isnan(values), -np.inf, values)

    def rounding(self, positions: Any) -> Rounding:
        """Return what float64 rounding leaves open in `log_density` at positions (n, dimension)."""
        positions = np.asarray(positions, float)
        found = [self._perturbed(some) for some in _padded(positions, ROUNDED_AT_ONCE)]
        self.num_evaluations += (1 + NUM_RUNS) * len(positions)
        terms = np.concatenate([np.zeros((1 + NUM_RUNS, 0, 1 + len(self._model.term_names))), *found], axis=1)
        terms = terms[:, : len(positions)]
        return Rounding(scatter(terms.sum(axis=2)), scatter(terms), (*self._model.term_names, "the Jacobian"))

    @functools.cached_property
    def _perturbed(self) -> Any:
        function = perturbed(lambda position: jnp.stack(self._program(position)[:-1]))
        runs = np.repeat(np.arange(1.0 + NUM_RUNS), ROUNDED_AT_ONCE)
        at_once = int(np.clip(ROUNDED_TERMS / max(self.num_observations, 1), 1, len(runs)))

        def many(positions: jax.Array) -> jax.Array:
            points = jnp.tile(positions, (1 + NUM_RUNS, 1)), jnp.asarray(runs)
            found = jax.lax.map(lambda point: function(*point), points, batch_size=at_once)
            return found.reshape(1 + NUM_RUNS, ROUNDED_AT_ONCE, -1)

        return compiled(many, hasty=True)

    def lost_in_single(self, positions: Any) -> np.ndarray:
        """Return `log_density` at positions (…, dimension) less what it is in float32."""
        self.num_evaluations += math.prod(np.shape(positions)[:-1])
        found = in_batches(self._in_single, self.batch, self.chunk)(positions)[..., :NUM_PARTS]
        with np.errstate(invalid="ignore"):
            return self.log_density_many(positions) - found.sum(axis=-1)

    def log_parts_many(self, positions: Any) -> np.ndarray:
        """Return (log prior, log likelihood, log|J|) at positions (…, dimension) as an array (…, 3)."""
        return self.everything_many(positions)[..., :NUM_PARTS]

    def everything_many(self, positions: Any) -> np.ndarray:
        """Return `parts_and_params` at positions (…, dimension)."""
        self.num_evaluations += math.prod(np.shape(positions)[:-1])
        return in_batches(self.parts_and_params, self.batch, self.chunk)(positions)

    def _unconstrain_flat(self, vector: jax.Array) -> jax.Array:
        return self.unconstrain(self.unflatten(vector))

    @functools.cached_property
    def finite_axes(self) -> np.ndarray:
        """For each position coordinate whether it stands for an interval or a share: bounded at both ends."""
        return self._axes_where(is_finite)

    @functools.cached_property
    def bounded_axes(self) -> np.ndarray:
        """For each position coordinate whether its support is anything but the whole line."""
        return self._axes_where(is_bounded)

    def _axes_where(self, holds: Callable[[Any], bool]) -> np.ndarray:
        found: dict[str, bool] = {}

        def look(site: Any) -> Any:
            if not is_latent(site):
                return None
            found[site["name"]] = holds(site["fn"].support)
            return jnp.asarray(self._model.structure.example[site["name"]])

        jax.eval_shape(lambda: self._model.trace_with(look) and None)  # traced: nothing in it need be computed
        return np.repeat([found[n] for n in self._sizes], [math.prod(s) for s in self._sizes.values()])

    def saturated(self, positions: np.ndarray) -> np.ndarray:
        """Return, for positions (n, d), whether float64 has run out of digits that the density needs.

        A step of one towards the middle of a finite axis leaves every parameter as it is: a bounded parameter cannot be
        told from its edge. That matters only where roundings of parameters change the density.
        """
        found = self._at_edge(positions)
        some = np.flatnonzero(found)
        some = some[:: max(len(some) // MAX_CHECKED, 1)][:MAX_CHECKED]
        return found if len(some) and (self.rounding(positions[some]).error > LOST_AT_EDGE).any() else found & False

    def _at_edge(self, positions: np.ndarray) -> np.ndarray:
        found = np.zeros(len(positions), bool)
        here = self.flat_many(positions) if self.finite_axes.any() else positions
        for j in np.flatnonzero(self.finite_axes):
            far = np.flatnonzero(np.abs(positions[:, j]) > FAR)
            if len(far):
                inner = positions[far].copy()
                inner[:, j] -= np.sign(inner[:, j])
                found[far] |= (self.flat_many(inner) == here[far]).all(axis=1)
        return found

    @functools.cached_property
    def own_axis(self) -> np.ndarray:
        """For each of the model's parameters the one position coordinate that alone sets it, else −1.

        Read off how params change from a few positions to others nearby, coordinate by coordinate: where only one
        coordinate changes a parameter, that one is its own.
        """
        points, d = np.random.default_rng(0).normal(size=(4, self.dimension)), self.dimension
        moved = points[:, None] + NEARBY * np.eye(d)
        here, there = np.split(self.flat_many(np.concatenate([points, moved.reshape(-1, d)])), [len(points)])
        change = there.reshape(len(points), d, -1) - here[:, None]  # (points, coordinates, parameters)
        most = np.abs(change).max(axis=0)
        alone = (most > ROUNDING * most.max(axis=0)).sum(axis=0) == 1
        own = most.argmax(axis=0)
        change_of_own = np.take_along_axis(change, own[None, None], axis=1)[:, 0]
        monotone = (change_of_own > 0).all(axis=0) | (change_of_own < 0).all(axis=0)
        return np.where(alone & monotone, own, -1)


def _padded(rows: np.ndarray, size: int) -> list[np.ndarray]:
    """Return rows in blocks of one size, the last padded with its last row."""
    blocks = [rows[i : i + size] for i in range(0, len(rows), size)]
    return [np.concatenate([b, np.repeat(b[-1:], size - len(b), axis=0)]) for b in blocks]

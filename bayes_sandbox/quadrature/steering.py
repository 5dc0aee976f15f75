"""Which few coordinates steer a posterior that is exactly a normal given them, and the density of these few alone.

Given its scales a hierarchy with normal observations is a normal in everything else, and so is a regression given its
noise. The many then integrate out in closed form (Rue, Martino & Chopin 2009, equation 3, where it is exact),

    log ∫ f(h, w) dw = log f(h, m) + ½ dim(w) log 2π − ½ log|Λ|,

with m = m(h) the mode of w given h and Λ = Λ(h) minus its Hessian there.
"""

from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..batches import chunk_size, evaluate, in_batches
from ..coordinates import NUM_PARTS, Coordinates
from ..optimization.surface import LARGEST_HESSIAN, Surface
from .rules import gauss_hermite

MOST_STEERING = 3
NUM_PROBES = 2
STEP = 0.37  # of a coordinate's spread: how far it is moved, to see whether curvature changes
SAME = 1e-7  # of curvature: no change
JITTER = 1e-15  # of the diagonal: where a neck is so narrow that float64 loses the rest, there is still a factor
NODES = 9, 15  # along each of the many: means and variances of params that are no linear function of them
ALIKE = 1e-5  # of a variance: the two rules agree, or draws have to do
TERMS = 2**17  # of the matrices of one batch
NUM_SCALARS = 3  # log mass, log determinant, distance


def steering(coords: Coordinates, positions: np.ndarray) -> tuple[int, ...]:
    """Return the fewest coordinates given which curvature is the same everywhere; none where it takes more than three.

    Each coordinate is moved in turn from some of these positions (n, d): a triple (j, a, b) of coordinates where
    moving j changes ∂²/∂a∂b has one that steers, at least. What is left to steer nothing is taken out greedily.
    Nor is there any where nothing at all changes: that is a Gaussian.
    """
    d = coords.dimension
    if d > LARGEST_HESSIAN:
        return ()
    heights = coords.log_density_many(positions)
    order = np.argsort(-heights)[: max(len(positions) // 10, NUM_PROBES)]
    spread = positions[order].std(axis=0) + 1e-3
    surface, changed = Surface(coords.log_density), np.zeros((d, d, d), bool)
    for base in positions[order[:NUM_PROBES]]:
        before = surface.hessian(base)
        coords.num_evaluations += d * (d + 1)
        for j in range(d):
            after = surface.hessian(base + STEP * spread[j] * np.eye(d)[j])
            if not np.isfinite(after - before).all():
                return ()
            width = np.sqrt(np.maximum(np.abs(np.diag(before)), np.abs(np.diag(after))))
            width = np.maximum(width, 1e-8 * width.max())
            changed[j] |= np.abs(after - before) > SAME * np.outer(width, width)
            if changed[np.arange(d), np.arange(d), np.arange(d)].sum() > MOST_STEERING:
                return ()  # each of these can only be one that steers
    found = list[int]()
    while changed.any() and len(found) <= MOST_STEERING:
        times = changed.sum(axis=(1, 2)) + changed.sum(axis=(0, 2)) + changed.sum(axis=(0, 1))
        worst = int(times.argmax())
        found.append(worst)
        changed[worst], changed[:, worst], changed[:, :, worst] = False, False, False
    return tuple(sorted(found)) if len(found) <= min(MOST_STEERING, d - 1) else ()


class Steering(Coordinates):
    """The steering coordinates h as coordinates of their own, with the density of h that is left of the whole one.

    As params they have the conditional means and variances of the model's params, and what rounding leaves open.
    """

    def __init__(self, whole: Coordinates, few: tuple[int, ...], start: np.ndarray):
        self.whole, self.start, self.num_observations = whole, start, whole.num_observations
        self.few = np.array(few)
        self.rest = np.setdiff1d(np.arange(whole.dimension), self.few)
        self.dimension = len(few)
        self.num_evaluations = 0
        self.labels = [whole.labels[i] for i in few]

    @property
    def cost(self) -> int:
        """What one point costs, in densities: a gradient for each of the many, and a few."""
        return len(self.rest) + 3

    def charge(self) -> None:
        """Count what was asked here among the densities of the whole."""
        self.whole.num_evaluations += self.num_evaluations * self.cost
        self.num_evaluations = 0

    @property
    def batch(self) -> int:
        terms = max(self.num_observations, len(self.rest)) * len(self.rest)
        return int(np.clip(2 ** round(np.log2(TERMS / terms)), 4, 256))

    @property
    def chunk(self) -> int:
        return chunk_size(NUM_SCALARS + 2 * self.num_params + 1)

    # --- one point ---

    def given(self, point: Any) -> jax.Array:
        """Return, for (h, x) of shape (d,), what is known given h, as one vector that `Given` takes apart.

        x is taken for ζ, a draw from a standard normal of which w = m + L⁻ᵀ ζ is made, and for a w, whose distance from
        m is |Lᵀ (w − m)|².
        """
        h, x = point[: self.dimension], point[self.dimension :]
        mode, height, factor, diagonal = self._normal(h)
        inverse = jax.scipy.linalg.solve_triangular(factor, jnp.eye(len(mode)), lower=True)
        sd = jnp.sqrt((inverse**2).sum(axis=0))
        log_det = jnp.log(jnp.diag(factor)).sum()
        log_mass = height + 0.5 * len(mode) * jnp.log(2 * jnp.pi) - log_det
        rounding = jnp.finfo(float).eps * len(mode) * (jnp.abs(diagonal) * sd**2).sum()
        distance = ((factor.T @ (x - mode)) ** 2).sum()
        scalars = jnp.stack([log_mass, log_det, distance])
        params = self._params(h, mode, sd)
        return jnp.concatenate([scalars, *params, jnp.clip(rounding, 0, 1)[None], mode + inverse.T @ x, sd])

    def _normal(self, h: Any) -> tuple[Any, Any, Any, Any]:
        """Return m, log f there, the Cholesky factor of Λ and its diagonal."""
        first = jnp.asarray(self.start[self.rest])

        def fall(w: Any) -> Any:
            return -self.whole.log_density(self._placed(h, w))

        precision = jax.jacfwd(jax.grad(fall))(first)
        diagonal = jnp.diag(precision)
        factor = jnp.linalg.cholesky((precision + precision.T) / 2 + JITTER * jnp.diag(jnp.abs(diagonal)))

        def step(_: Any, state: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
            ahead, _, _ = state
            depth, slope = jax.value_and_grad(fall)(ahead)
            return ahead - jax.scipy.linalg.cho_solve((factor, True), slope), ahead, depth

        # One step leads to the mode of a normal, a second takes away what rounding left, a third asks how high it is.
        _, mode, depth = jax.lax.fori_loop(0, 3, step, (first, first, jnp.zeros(())))
        return mode, -depth, factor, diagonal

    def _params(self, h: Any, mode: Any, sd: Any) -> tuple[jax.Array, jax.Array]:
        """Return conditional means and variances of the params, each set by one coordinate alone; NaN if not known."""

        def by(k: int) -> tuple[jax.Array, jax.Array]:
            axis = gauss_hermite(k)
            weights = jnp.exp(axis.log_weights - axis.nodes**2 / 2) / jnp.sqrt(2 * jnp.pi)
            points = mode + sd * jnp.asarray(axis.nodes)[:, None]
            values = jax.vmap(lambda w: self.whole.constrain_flat(self._placed(h, w)))(points)
            mean = weights @ values
            return mean, weights @ (values - mean) ** 2

        (crude, wide), (mean, variance) = by(NODES[0]), by(NODES[1])
        alike = (jnp.abs(wide - variance) <= ALIKE * variance) & ((crude - mean) ** 2 <= ALIKE**2 * variance)
        rounded = variance <= 1e-20 * (1 + mean**2)  # set by h alone
        return mean, jnp.where(alike | rounded, variance, jnp.nan)

    def parts_and_params(self, position: Any) -> jax.Array:
        found = self.given(jnp.concatenate([position, jnp.zeros(len(self.rest))]))
        return self._as_parts(found)

    def constrain_flat(self, position: Any) -> jax.Array:
        """Return the model's params, of which only those set by h are meant."""
        return self.whole.constrain_flat(self._placed(position, jnp.asarray(self.start[self.rest])))

    def _placed(self, h: Any, w: Any) -> jax.Array:
        return jnp.zeros(self.whole.dimension).at[self.few].set(h).at[self.rest].set(w)

    def _as_parts(self, found: Any) -> jax.Array:
        """Return what `Coordinates.parts_and_params` would, of vectors (…, n)."""
        zeros = jnp.zeros((NUM_PARTS - 1, *found.shape[1:]))
        return jnp.concatenate([found[:1], zeros, found[NUM_SCALARS : NUM_SCALARS + 2 * self.num_params + 1]])

    @property
    def num_params(self) -> int:
        return len(self.whole.own_axis)

    # --- many points ---

    def evaluate(self, positions: Any, count: int, single: bool = False) -> jax.Array:
        assert not single, "what is integrated out has no digits to lose"
        points = jnp.concatenate([positions, jnp.zeros((len(self.rest), positions.shape[1]))])
        return self._as_parts(evaluate(self.given, self.batch, points, -(-count // self.batch)))

    def everything_many(self, positions: Any) -> np.ndarray:
        positions = np.asarray(positions, float)
        rows = positions.reshape(-1, self.dimension)
        points = np.column_stack([rows, np.zeros((len(rows), len(self.rest)))])
        found = np.asarray(self._as_parts(self._many(points).T)).T
        return found.reshape(positions.shape[:-1] + found.shape[1:])

    def given_many(self, h: np.ndarray, x: np.ndarray | None = None) -> "Given":
        """Return what is known given each h (n, k), and of x (n, d − k), taken for ζ and for w."""
        x = np.zeros((len(h), len(self.rest))) if x is None else x
        return Given(self, h, x, self._many(np.column_stack([h, x])))

    def _many(self, points: np.ndarray) -> np.ndarray:
        self.num_evaluations += len(points)
        return in_batches(self.given, self.batch, self.chunk)(points)

    def saturated(self, positions: np.ndarray) -> np.ndarray:
        return np.zeros(len(positions), bool)

    @cached_property
    def own_axis(self) -> np.ndarray:
        """For each of the model's parameters the steering coordinate that alone sets it, by its place here; else −1."""
        place = np.full(self.whole.dimension + 1, -1)
        place[self.few] = np.arange(self.dimension)
        return place[self.whole.own_axis]


class Given:
    """What is known given h (n, k): the mass, a point (h, w) made from x, and the marginals of each w."""

    def __init__(self, reduced: Steering, h: np.ndarray, x: np.ndarray, found: np.ndarray):
        num, (log_mass, self.log_det, self._distance) = len(reduced.rest), found[:, :NUM_SCALARS].T
        self.log_mass = np.where(np.isnan(log_mass), -np.inf, log_mass)  # as `log_density_many` has it
        self.rounding = found[:, NUM_SCALARS + 2 * reduced.num_params]
        self.w, self.sd = found[:, -2 * num : -num], found[:, -num:]
        self.positions = np.zeros((len(h), reduced.whole.dimension))
        self.positions[:, reduced.few], self.positions[:, reduced.rest] = h, self.w
        self._radius, self._top = (x**2).sum(axis=1), self.log_mass + self.log_det - 0.5 * num * np.log(2 * np.pi)

    @property
    def log_predicted(self) -> np.ndarray:
        """Return log f at `positions`, if it is a normal given h."""
        return np.asarray(self._top - 0.5 * self._radius)

    @property
    def log_predicted_at_x(self) -> np.ndarray:
        """Return log f at (h, x), if it is a normal given h."""
        return np.asarray(self._top - 0.5 * self._distance)

    @property
    def size(self) -> np.ndarray:
        """Return the size of what log f is a sum of, at either."""
        return np.asarray(1 + np.abs(self.log_mass) + np.abs(self.log_det) + np.maximum(self._radius, self._distance))

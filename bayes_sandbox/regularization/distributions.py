"""Densities that penalties and losses imply and NumPyro lacks, each with its normalising constant."""

import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jax import random
from jax.scipy.special import gammaln, log_ndtr, ndtr, ndtri
from numpyro.distributions import biject_to, constraints
from numpyro.distributions.transforms import Transform
from numpyro.distributions.util import promote_shapes, validate_sample

LOG_2PI = math.log(2 * math.pi)


class Huber(dist.Distribution):
    """What law of noise makes Huber's loss its −log density? A normal core with exponential tails.

    p(y) = exp(−ρ(z)) / (scale Z), z = (y − loc) / scale, where ρ(z) = z²/2 up to the threshold t and t|z| − t²/2
    beyond, and Z = √(2π) (2Φ(t) − 1) + (2/t) exp(−t²/2).

    Source: Huber (1964), Annals of Mathematical Statistics 35, 73–101: the least favourable distribution.

    Examples
    --------
    >>> from scipy.integrate import quad
    >>> import numpy as np
    >>> noise = Huber(1.0, 0.5, 1.35)
    >>> round(quad(lambda y: float(np.exp(noise.log_prob(y))), -20, 20, points=[0.3, 1.7])[0], 6)
    1.0
    """

    arg_constraints: ClassVar[dict[str, Any]] = {
        "loc": constraints.real,
        "scale": constraints.positive,
        "threshold": constraints.positive,
    }
    support = constraints.real
    reparametrized_params: ClassVar[list[str]] = ["loc", "scale"]

    def __init__(self, loc: Any = 0.0, scale: Any = 1.0, threshold: Any = 1.35, *, validate_args: bool | None = None):
        self.loc, self.scale, self.threshold = promote_shapes(loc, scale, threshold)
        shape = jnp.broadcast_shapes(*map(jnp.shape, (loc, scale, threshold)))
        super().__init__(batch_shape=shape, validate_args=validate_args)

    def _masses(self) -> tuple[jax.Array, jax.Array]:
        """Return what the core and both tails hold of Z."""
        t = self.threshold
        core = math.sqrt(2 * math.pi) * (2 * ndtr(t) - 1)
        return core, 2 / t * jnp.exp(-(t**2) / 2)

    @validate_sample
    def log_prob(self, value: Any) -> jax.Array:
        core, tails = self._masses()
        return -huber((value - self.loc) / self.scale, self.threshold) - jnp.log(self.scale) - jnp.log(core + tails)

    def sample(self, key: Any, sample_shape: tuple[int, ...] = ()) -> jax.Array:
        keys = random.split(key, 4)
        shape, t = sample_shape + self.batch_shape, self.threshold
        core, tails = self._masses()
        low = ndtr(-t)
        inner = ndtri(low + (1 - 2 * low) * random.uniform(keys[0], shape))
        outer = random.rademacher(keys[1], shape) * (t + random.exponential(keys[2], shape) / t)
        return self.loc + self.scale * jnp.where(random.uniform(keys[3], shape) * (core + tails) < core, inner, outer)


def huber(z: Any, threshold: Any) -> jax.Array:
    """Return ρ(z): z²/2 up to the threshold, a straight line beyond.

    >>> huber(jnp.array([1.0, -3.0]), 2.0).tolist()
    [0.5, 4.0]
    """
    inner = jnp.clip(z, -threshold, threshold)
    return inner**2 / 2 + threshold * (jnp.abs(z) - jnp.abs(inner))


class ElasticNet(dist.Distribution):
    """What prior is the elastic net's penalty? A normal with a corner.

    p(w) = exp(−|w|/b − w²/(2τ²)) / Z, with b = `laplace_scale`, τ = `normal_scale`, a = τ/b and
    Z = 2 √(2π) τ exp(a²/2) Φ(−a).

    Source: Zou & Hastie (2005), Journal of the Royal Statistical Society B 67, 301–320, §2.3.

    Examples
    --------
    >>> from scipy.integrate import quad
    >>> import numpy as np
    >>> prior = ElasticNet(laplace_scale=0.5, normal_scale=2.0)
    >>> round(quad(lambda w: float(np.exp(prior.log_prob(w))), -20, 20, points=[0.0])[0], 6)
    1.0
    """

    arg_constraints: ClassVar[dict[str, Any]] = {
        "laplace_scale": constraints.positive,
        "normal_scale": constraints.positive,
    }
    support = constraints.real

    def __init__(self, laplace_scale: Any = 1.0, normal_scale: Any = 1.0, *, validate_args: bool | None = None):
        self.laplace_scale, self.normal_scale = promote_shapes(laplace_scale, normal_scale)
        shape = jnp.broadcast_shapes(jnp.shape(laplace_scale), jnp.shape(normal_scale))
        super().__init__(batch_shape=shape, validate_args=validate_args)

    @validate_sample
    def log_prob(self, value: Any) -> jax.Array:
        a = self.normal_scale / self.laplace_scale
        log_z = math.log(2) + LOG_2PI / 2 + jnp.log(self.normal_scale) + a**2 / 2 + log_ndtr(-a)
        return -jnp.abs(value) / self.laplace_scale - (value / self.normal_scale) ** 2 / 2 - log_z

    def sample(self, key: Any, sample_shape: tuple[int, ...] = ()) -> jax.Array:
        keys = random.split(key)
        shape = sample_shape + self.batch_shape
        a = self.normal_scale / self.laplace_scale
        tail = random.uniform(keys[0], shape, minval=jnp.finfo(float).tiny) * ndtr(-a)  # of a normal beyond a
        return random.rademacher(keys[1], shape) * self.normal_scale * (-ndtri(tail) - a)


class GroupLaplace(dist.Distribution):
    """What prior is the group lasso's penalty? One whose corner is where a whole group is zero.

    p(w) = exp(−‖w‖/b) / (S Γ(k) bᵏ) for w in ℝᵏ, with b = `scale` and S = 2 π^(k/2) / Γ(k/2), the unit sphere's area.

    Source: Yuan & Lin (2006), Journal of the Royal Statistical Society B 68, 49–67.

    Examples
    --------
    >>> import numpyro.distributions as dist
    >>> one, two = GroupLaplace(2.0, 1).log_prob(jnp.array([0.7])), dist.Laplace(0, 2.0).log_prob(0.7)
    >>> bool(jnp.allclose(one, two))
    True
    """

    arg_constraints: ClassVar[dict[str, Any]] = {"scale": constraints.positive}
    support = constraints.real_vector
    pytree_aux_fields = ("size",)

    def __init__(self, scale: Any = 1.0, size: int = 1, *, validate_args: bool | None = None):
        self.scale, self.size = jnp.asarray(scale, float), int(size)
        super().__init__(batch_shape=jnp.shape(scale), event_shape=(self.size,), validate_args=validate_args)

    @validate_sample
    def log_prob(self, value: Any) -> jax.Array:
        k = self.size
        log_z = math.log(2) + k / 2 * math.log(math.pi) - gammaln(k / 2) + gammaln(k) + k * jnp.log(self.scale)
        return -norm(value) / self.scale - log_z

    def sample(self, key: Any, sample_shape: tuple[int, ...] = ()) -> jax.Array:
        keys = random.split(key)
        shape = sample_shape + self.batch_shape
        along = random.normal(keys[0], (*shape, self.size))
        radius = self.scale * random.gamma(keys[1], float(self.size), shape)
        return radius[..., None] * along / norm(along)[..., None]


def norm(value: Any) -> jax.Array:
    """Return ‖w‖ along the last axis, with gradient zero, not NaN, at the origin.

    >>> float(norm(jnp.array([3.0, 4.0]))), jax.grad(norm)(jnp.zeros(2)).tolist()
    (5.0, [0.0, 0.0])
    """
    squared = jnp.sum(jnp.square(value), axis=-1)
    at_zero = squared == 0
    return jnp.where(at_zero, 0.0, jnp.sqrt(jnp.where(at_zero, 1.0, squared)))


class HorseshoeLike(dist.Distribution):
    """What prior has no shrinkage for the large and a spike without bound at zero, in closed form?

    p(w) = log(1 + s²/w²) / (2π s), s = `scale`: a Cauchy density averaged over scales from 0 to s. It is infinite at
    zero: the mode of a posterior under it is at zero whatever the data say, and only the integral means something.

    Source: Bhadra, Datta, Li & Polson (2019), Statistica Sinica 31, 1333–1354.

    Examples
    --------
    >>> from scipy.integrate import quad
    >>> import numpy as np
    >>> prior = HorseshoeLike(0.5)
    >>> round(2 * quad(lambda t: float(np.exp(prior.log_prob(np.exp(t)) + t)), -40, 40)[0], 6)
    1.0
    """

    arg_constraints: ClassVar[dict[str, Any]] = {"scale": constraints.positive}
    support = constraints.real

    def __init__(self, scale: Any = 1.0, *, validate_args: bool | None = None):
        self.scale = jnp.asarray(scale, float)
        super().__init__(batch_shape=jnp.shape(scale), validate_args=validate_args)

    @validate_sample
    def log_prob(self, value: Any) -> jax.Array:
        tail = 2 * (jnp.log(self.scale) - jnp.log(jnp.abs(value)))  # log(s²/w²)
        return jnp.log(softplus(tail)) - LOG_2PI - jnp.log(self.scale)

    def sample(self, key: Any, sample_shape: tuple[int, ...] = ()) -> jax.Array:
        keys = random.split(key)
        shape = sample_shape + self.batch_shape
        return self.scale * random.uniform(keys[0], shape) * random.cauchy(keys[1], shape)


def softplus(x: Any) -> jax.Array:
    """Return log(1 + eˣ), in the form that XLA computes several times faster than its own.

    >>> softplus(jnp.array([0.0, 1000.0])).tolist()
    [0.6931471805599453, 1000.0]
    """
    return jnp.maximum(x, 0) + jnp.log1p(jnp.exp(-jnp.abs(x)))


# --- a ball ---


class Ball(constraints.Constraint):
    """‖w‖ ≤ radius."""

    event_dim = 1

    def __init__(self, radius: Any):
        self.radius = radius

    def __call__(self, x: Any) -> jax.Array:
        return norm(x) <= self.radius * (1 + 1e-9)

    def feasible_like(self, prototype: Any) -> jax.Array:
        return jnp.zeros_like(prototype)

    def tree_flatten(self) -> tuple[Any, Any]:
        return (self.radius,), (("radius",), {})


class BallTransform(Transform):
    """ℝᵏ to the ball: w = radius · u / √(1 + ‖u‖²), |det| = radiusᵏ (1 + ‖u‖²)^(−(k+2)/2)."""

    domain = constraints.real_vector

    def __init__(self, radius: Any):
        self.radius = radius

    @property
    def codomain(self) -> Any:
        return Ball(self.radius)

    def __call__(self, x: Any) -> jax.Array:
        return self.radius * x / jnp.sqrt(1 + jnp.sum(jnp.square(x), axis=-1, keepdims=True))

    def _inverse(self, y: Any) -> jax.Array:
        w = y / self.radius
        left = jnp.maximum(1 - jnp.sum(jnp.square(w), axis=-1, keepdims=True), jnp.finfo(float).tiny)
        return w / jnp.sqrt(left)

    def log_abs_det_jacobian(self, x: Any, y: Any, intermediates: Any = None) -> jax.Array:
        k = jnp.shape(x)[-1]
        return k * jnp.log(self.radius) - (k / 2 + 1) * jnp.log1p(jnp.sum(jnp.square(x), axis=-1))

    def tree_flatten(self) -> tuple[Any, Any]:
        return (self.radius,), (("radius",), {})


biject_to.register(Ball)(lambda ball: BallTransform(ball.radius))


class UniformBall(dist.Distribution):
    """What prior is the constraint ‖w‖ ≤ δ? Uniform over the ball, of volume π^(k/2) δᵏ / Γ(k/2 + 1).

    Examples
    --------
    >>> from scipy.special import loggamma
    >>> disc = UniformBall(2.0, 2)
    >>> round(float(jnp.exp(-disc.log_prob(jnp.array([1.0, 1.0])))), 6), round(4 * math.pi, 6)
    (12.566371, 12.566371)
    >>> float(disc.log_prob(jnp.array([2.0, 2.0])))
    -inf
    """

    arg_constraints: ClassVar[dict[str, Any]] = {"radius": constraints.positive}
    pytree_aux_fields = ("size",)

    def __init__(self, radius: Any = 1.0, size: int = 1, *, validate_args: bool | None = None):
        self.radius, self.size = jnp.asarray(radius, float), int(size)
        super().__init__(batch_shape=jnp.shape(radius), event_shape=(self.size,), validate_args=validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=1)
    def support(self) -> Any:
        return Ball(self.radius)

    def log_prob(self, value: Any) -> jax.Array:
        k = self.size
        log_volume = k / 2 * math.log(math.pi) - gammaln(k / 2 + 1) + k * jnp.log(self.radius)
        return jnp.where(Ball(self.radius)(value), -log_volume, -jnp.inf)

    def sample(self, key: Any, sample_shape: tuple[int, ...] = ()) -> jax.Array:
        keys = random.split(key)
        shape = sample_shape + self.batch_shape
        along = random.normal(keys[0], (*shape, self.size))
        radius = self.radius * random.uniform(keys[1], shape) ** (1 / self.size)
        return radius[..., None] * along / norm(along)[..., None]

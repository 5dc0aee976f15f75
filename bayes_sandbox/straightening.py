"""Maps to coordinates in which a posterior is nearly a normal: what a proposal that only knows normals needs.

A latent z stands for a position u = T(z); a density moves with log|∂u/∂z|. Whatever the map, a proposal in z is a
proper density in u: a poor map costs accuracy, never correctness.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import minimize

from .compiler import compiled
from .coordinates import Coordinates

Mapped = tuple[np.ndarray, np.ndarray]  # points (n, d), and log|∂u/∂z| at each (n,)

MOST_STEERING = 6  # coordinates that others may depend on
BENT = 0.3  # nats: Σ T²/12 of the third derivatives T, the divergence that a skewness leaves a normal
PROBES = 8  # draws at which third derivatives are looked at
LARGEST_BENT = 120  # coordinates, of which third derivatives are affordable
NEWTON_STEPS, SETTLED = 8, 1e-4  # squared distance from the conditional mode, in conditional standard deviations
SHORTER = (0.0, 1.0, 0.3, 0.1, 0.03)  # times Newton's step, of which the best is taken
MOST_KNOWN = 2**14  # latents remembered
BATCH, CHUNK = 128, 2048  # points at once, and in one call: each has a matrix of its own
NUM_WARPED = 2048  # draws that a warp is fitted to
LEAST_WARPED = 0.01  # nats, that the warp of a coordinate has to be worth


class Straightening(Protocol):
    """A map u = T(z), one to one."""

    def to_position(self, z: np.ndarray) -> Mapped: ...
    def to_latent(self, u: np.ndarray) -> Mapped: ...


@dataclass(frozen=True)
class Affine:
    """u = centre + scale z."""

    centre: np.ndarray
    scale: np.ndarray  # lower triangular

    @cached_property
    def _log_det(self) -> float:
        return float(np.log(np.diag(self.scale)).sum())

    def to_position(self, z: np.ndarray) -> Mapped:
        return self.centre + z @ self.scale.T, np.full(len(z), self._log_det)

    def to_latent(self, u: np.ndarray) -> Mapped:
        off = (u - self.centre).T  # not finite where the link before this one does not reach
        return solve_triangular(self.scale, off, lower=True, check_finite=False).T, np.full(len(u), self._log_det)


@dataclass(frozen=True)
class Chain:
    """One map after another, the first of them nearest to the position."""

    links: Sequence[Straightening]

    def to_position(self, z: np.ndarray) -> Mapped:
        total = np.zeros(len(z))
        for link in reversed(self.links):
            z, log_det = link.to_position(z)
            total = total + log_det
        return z, total

    def to_latent(self, u: np.ndarray) -> Mapped:
        total = np.zeros(len(u))
        for link in self.links:
            u, log_det = link.to_latent(u)
            total = total + log_det
        return u, total


# --- one coordinate at a time ---


@dataclass(frozen=True)
class Warp:
    """u = ξ + η sinh((asinh z + ε)/δ) in each coordinate: skewness ε and tails δ (Jones & Pewsey 2009, section 2)."""

    shift: np.ndarray
    stretch: np.ndarray
    skew: np.ndarray
    tail: np.ndarray

    def to_position(self, z: np.ndarray) -> Mapped:
        w = (np.arcsinh(z) + self.skew) / self.tail
        log_det = np.log(self.stretch / self.tail) + _log_cosh(w) - np.log1p(z**2) / 2
        with np.errstate(over="ignore"):
            return self.shift + self.stretch * np.sinh(w), log_det.sum(axis=1)

    def to_latent(self, u: np.ndarray) -> Mapped:
        y = (u - self.shift) / self.stretch
        w = self.tail * np.arcsinh(y) - self.skew
        log_det = np.log(self.stretch / self.tail) + np.log1p(y**2) / 2 - _log_cosh(w)
        with np.errstate(over="ignore"):
            return np.sinh(w), log_det.sum(axis=1)


def warp(draws: np.ndarray) -> Warp | None:
    """Return the warp of highest likelihood for draws (n, d), of the coordinates where it is worth it; None if none."""
    some = draws[np.linspace(0, len(draws) - 1, NUM_WARPED).astype(int)]  # one shape: one program
    centre, spread = some.mean(axis=0), some.std(axis=0)
    x, none = (some - centre) / spread, np.zeros((4, draws.shape[1]))

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = _warp_gradient(flat.reshape(none.shape), x)
        return float(value), np.asarray(slope).ravel()

    best = minimize(loss, none.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 200}).x.reshape(none.shape)
    gain = np.asarray(_warp_losses(none, x)) - np.asarray(_warp_losses(best, x))
    if not (gain > LEAST_WARPED).any():
        return None
    shift, log_stretch, skew, log_tail = np.where(gain > LEAST_WARPED, best, 0.0)
    return Warp(centre + spread * shift, spread * np.exp(log_stretch), skew, np.exp(log_tail))


def _losses(params: Any, x: Any) -> Any:
    """Return −log density of x (n, d), its mean for each coordinate, and a little for bending it at all."""
    shift, log_stretch, skew, log_tail = params
    y = (x - shift) * jnp.exp(-log_stretch)
    w = jnp.exp(log_tail) * jnp.arcsinh(y) - skew
    log_density = log_tail - log_stretch - (jnp.sinh(w) ** 2 + jnp.log(2 * jnp.pi)) / 2
    log_density = log_density + jnp.logaddexp(w, -w) - jnp.log(2.0) - jnp.log1p(y**2) / 2
    return 1e-3 * (skew**2 + log_tail**2) - log_density.mean(axis=0)


@compiled
def _warp_losses(params: Any, x: Any) -> Any:
    return _losses(params, x)


@compiled
def _warp_gradient(params: Any, x: Any) -> Any:
    return jax.value_and_grad(lambda p: _losses(p, x).sum())(params)


def _log_cosh(w: np.ndarray) -> np.ndarray:
    return np.asarray(np.logaddexp(w, -w) - np.log(2))


# --- a normal given few coordinates ---


@dataclass(frozen=True)
class GivenFew:
    """z = (h, ζ): given the steering coordinates h, the others are w = m(h) + L(h)⁻ᵀ ζ, m their conditional mode.

    L is the Cholesky factor of their conditional precision. What is a normal given h, as the effects of a hierarchy
    often are given its scales, is one in ζ, however narrow the neck of its funnel.
    """

    coords: Coordinates
    steering: tuple[int, ...]
    start: np.ndarray  # (d,): where climbs to the conditional mode begin
    spread: np.ndarray  # (d,): of each coordinate, where no climb succeeds

    def to_position(self, z: np.ndarray) -> Mapped:
        return self._mapped(True, z)

    def to_latent(self, u: np.ndarray) -> Mapped:
        """Return the latents of positions; those of draws are asked for again and again, and remembered."""
        keys = [row.tobytes() for row in np.ascontiguousarray(u)]
        new = [i for i, key in enumerate(keys) if key not in self._known]
        fresh = dict[bytes, np.ndarray]()
        if new:
            fresh = dict(zip([keys[i] for i in new], np.column_stack(self._mapped(False, u[new]))))
        if len(self._known) + len(fresh) <= MOST_KNOWN:
            self._known.update(fresh)
        found = np.array([fresh[key] if key in fresh else self._known[key] for key in keys]).reshape(len(u), -1)
        return found[:, :-1], found[:, -1]

    @cached_property
    def _known(self) -> dict[bytes, np.ndarray]:
        return {}

    def _mapped(self, forward: bool, points: np.ndarray) -> Mapped:
        found = self._climbed(True, forward, points)
        far = np.flatnonzero(found[:, -1] == 0)  # from one step, which is all that a normal takes
        if len(far):
            found[far] = self._climbed(False, forward, points[far])
        image, log_det, _ = np.split(found, [-2, -1], axis=1)
        return image, log_det[:, 0]

    def _climbed(self, quickly: bool, forward: bool, points: np.ndarray) -> np.ndarray:
        size = int(np.clip(CHUNK * 100**2 // len(self.start) ** 2, 64, CHUNK))
        found = []
        for first in range(0, len(points), size):
            block = points[first : first + size]
            padded = np.concatenate([block, np.broadcast_to(block[-1:], (size - len(block), block.shape[1]))])
            mapped = _many(self.coords, self.steering, quickly, forward, self.start, self.spread, padded)
            found.append(np.array(mapped)[: len(block)])
        climbed = np.concatenate(found)
        steps = len(points) if quickly else int(climbed[:, -1].sum()) * (1 + len(SHORTER))
        self.coords.num_evaluations += steps  # as climbs count theirs
        return climbed


@partial(compiled, static_argnums=(0, 1, 2))
def _many(
    coords: Coordinates, steering: tuple[int, ...], quickly: bool, forward: Any, start: Any, spread: Any, points: Any
) -> Any:
    """Return the image of each point (n, d), log|∂u/∂z| and the steps of its climb after it, as (n, d + 2)."""
    d = points.shape[1]
    few, rest = np.array(steering), np.setdiff1d(np.arange(d), steering)

    def one(point: Any) -> Any:
        if quickly:
            mode, factor, steps = _in_one_step(coords, few, rest, point[few], start[rest])
        else:
            mode, factor, steps = _conditional(coords, few, rest, point[few], start[rest], spread[rest])
        ahead, back = (
            jax.scipy.linalg.solve_triangular(factor.T, point[rest], lower=False),
            factor.T @ (point[rest] - mode),
        )
        image = jnp.where(forward, mode + ahead, back)  # both are cheap beside the mode, and one program will do
        return jnp.append(point.at[rest].set(image), jnp.array([-jnp.log(jnp.diag(factor)).sum(), steps]))

    return jax.lax.map(one, points, batch_size=min(BATCH, len(points)))


def _in_one_step(coords: Coordinates, few: Any, rest: Any, h: Any, start: Any) -> tuple[Any, Any, Any]:
    """Return the same by one Hessian, and one step; none where there is more to climb."""

    def fall(w: Any) -> Any:
        return -coords.log_density(jnp.zeros(len(few) + len(rest)).at[few].set(h).at[rest].set(w))

    factor, slope = jnp.linalg.cholesky(jax.hessian(fall)(start)), jax.grad(fall)
    mode = start - jax.scipy.linalg.cho_solve((factor, True), slope(start))
    left = slope(mode)
    step = jax.scipy.linalg.cho_solve((factor, True), left)
    settled = (jnp.abs(step @ left) < SETTLED) & jnp.isfinite(factor).all() & jnp.isfinite(step).all()
    return mode - step, factor, jnp.where(settled, 1, 0)


def _conditional(coords: Coordinates, few: Any, rest: Any, h: Any, start: Any, spread: Any) -> tuple[Any, Any, Any]:
    """Return the mode of the other coordinates given h, the Cholesky factor of their precision there, and the steps."""

    def fall(w: Any) -> Any:
        return -coords.log_density(jnp.zeros(len(few) + len(rest)).at[few].set(h).at[rest].set(w))

    def newton(state: Any) -> Any:
        w, _, count, _ = state
        factor, slope = jnp.linalg.cholesky(jax.hessian(fall)(w)), jax.grad(fall)(w)
        step = jax.scipy.linalg.cho_solve((factor, True), slope)
        settled = jnp.abs(step @ slope) < SETTLED
        tried = w - jnp.array(SHORTER)[:, None] * jnp.where(jnp.isfinite(step), step, 0.0)
        height = jax.vmap(fall)(tried)
        best = tried[jnp.argmin(jnp.where(jnp.isnan(height), jnp.inf, height))]
        return jnp.where(settled, w, best), factor, count + 1, settled

    first = (start, jnp.diag(1 / spread), 0, False)
    mode, factor, steps, _ = jax.lax.while_loop(lambda s: ~s[3] & (s[2] < NEWTON_STEPS), newton, first)
    good = jnp.isfinite(factor).all() & jnp.isfinite(mode).all()
    return jnp.where(good, mode, start), jnp.where(good, factor, jnp.diag(1 / spread)), steps


def given_few(coords: Coordinates, draws: np.ndarray, rng: np.random.Generator) -> GivenFew | None:
    """Return the map given the fewest coordinates that leave nearly a normal; None if many would be needed, or none.

    A normal has no third derivatives: coordinates that take part in them are left out, the largest part first.
    """
    if not 2 < draws.shape[1] <= LARGEST_BENT:
        return None
    try:
        return _given_few(coords, draws, rng)
    except np.linalg.LinAlgError:  # chains that hardly moved: their covariance is singular
        return None


def _given_few(coords: Coordinates, draws: np.ndarray, rng: np.random.Generator) -> GivenFew | None:
    d = draws.shape[1]
    precision = np.linalg.inv(np.cov(draws.T) + 1e-9 * np.diag(draws.var(axis=0)))
    probes = draws[rng.choice(len(draws), size=PROBES, replace=False)]
    found = (np.asarray(_third_derivatives(coords, p)) for p in probes)
    third = np.array([t for t in found if np.isfinite(t).all()])
    rest = np.arange(d)
    if not len(third) or _bent(third, precision, rest) < BENT:
        return None
    while len(rest) > d - MOST_STEERING and len(rest) > 1:
        width = 1 / np.sqrt(np.diag(precision)[rest])
        inner = third[np.ix_(range(len(third)), rest, rest, rest)] * width[:, None, None] * width[:, None] * width
        rest = np.delete(rest, np.argmax((inner**2).sum(axis=(0, 1, 2))))
        if _bent(third, precision, rest) < BENT:
            steering = np.setdiff1d(np.arange(d), rest)
            return GivenFew(coords, tuple(int(i) for i in steering), draws.mean(axis=0), draws.std(axis=0))
    return None


def _bent(third: np.ndarray, precision: np.ndarray, rest: np.ndarray) -> float:
    """Return Σ T²/12 over these coordinates, in units of their conditional standard deviations."""
    whiten = np.linalg.cholesky(np.linalg.inv(precision[np.ix_(rest, rest)]))
    inner = third[np.ix_(range(len(third)), rest, rest, rest)]
    for _ in range(3):
        inner = np.moveaxis(inner @ whiten, -1, 1)
    return float(np.median((inner**2).sum(axis=(1, 2, 3))) / 12)


@partial(compiled, static_argnums=0, hasty=True)
def _third_derivatives(coords: Coordinates, position: Any) -> Any:
    hessian = jax.hessian(coords.log_density)
    return jax.lax.map(lambda e: jax.jvp(hessian, (position,), (e,))[1], jnp.eye(len(position)))

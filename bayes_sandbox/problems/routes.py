"""Second routes to an evidence: each sums the model's own density, and knows of the posterior only where it lies.

A route's `find(density)` returns (log evidence, mean, sd), the moments None where it has none to offer; `density` takes
flat rows of the user's parameters to log p(D, θ).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpyro
from scipy import integrate, special

from ..model import Model

Rows = np.ndarray
Density = Callable[[Rows], np.ndarray]
Draw = Callable[[np.random.Generator, int], Rows]
Found = tuple[float, Any, Any]

AGREE = 1e-9  # of log densities, relative to their size
BELL = np.array([-9.0, -6.0, -4.0, -2.0, 0.0, 2.0, 4.0, 6.0, 9.0])  # where to cut a standard normal
LOG_2PI = np.log(2 * np.pi)


# --- small pieces that problems and routes share ---


def rotation(d: int, seed: int) -> np.ndarray:
    """Return an orthogonal matrix, the same for the same seed."""
    q, r = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))
    return q * np.sign(np.diag(r))


def log_normal(x: Any, loc: Any, scale: Any) -> Any:
    """Return log N(x; loc, scale²), without the cost of scipy.stats."""
    return -(((x - loc) / scale) ** 2) / 2 - np.log(scale) - LOG_2PI / 2


def factor_model(name: str, prior: Any, log_factor: Callable[[Any], Any]) -> Model:
    """Return the model x ~ prior with one `numpyro.factor` as its likelihood."""

    def program() -> None:
        numpyro.factor("likelihood", log_factor(numpyro.sample("x", prior)))

    return Model.from_numpyro(program, name=name)


def room(centre: Any, reach: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the (lo, hi) of a box that holds centre ± reach, the centre at 1.13/2.74 = 0.412 of every side."""
    return centre - 1.13 * np.asarray(reach), centre + 1.61 * np.asarray(reach)


def panels(cuts: Any, n: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Return Gauss–Legendre nodes and log weights over the intervals between consecutive cuts."""
    x, w = np.polynomial.legendre.leggauss(n)
    cuts = np.asarray(cuts, float)
    half = np.diff(cuts)[:, None] / 2
    return (cuts[:-1, None] + half * (1 + x)).ravel(), np.log(half * w).ravel()


def condition(loc: Any, variance: Any, design: Any, y: Any, noise: Any) -> tuple[Any, Any, Any]:
    """Return (log evidence, mean, precision) of y ~ N(X w, noise²) with w ~ N(loc, variance), w's covariance diagonal.

    Any argument may have leading axes. The mean is written with the data's covariance and the other with w's precision:
    neither cancels where the data know w far better, or far worse, than the prior does.
    """
    noise = np.asarray(noise, float)[..., None, None]
    spread = design * np.asarray(variance)[..., None, :]  # X C
    seen = spread @ np.swapaxes(design, -1, -2) + noise**2 * np.eye(design.shape[-2])
    gap = (y - (design @ np.asarray(loc)[..., None])[..., 0])[..., None]
    solved = np.linalg.solve(seen, gap)
    mean = loc + (np.swapaxes(spread, -1, -2) @ solved)[..., 0]
    log_z = -(np.sum(gap * solved, axis=(-2, -1)) + np.linalg.slogdet(seen)[1] + design.shape[-2] * LOG_2PI) / 2
    diagonal = np.eye(design.shape[-1]) / np.asarray(variance)[..., None, :]
    return log_z, mean, diagonal + np.swapaxes(design, -1, -2) @ design / noise**2


def log_gaussian(rows: Any, mean: Any, precision: Any) -> Any:
    """Return log N(rows; mean, precision⁻¹) over any leading axes."""
    factor = np.linalg.cholesky(precision)
    z = np.einsum("...i,...ij->...j", rows - mean, factor)
    log_det = np.log(np.diagonal(factor, axis1=-2, axis2=-1)).sum(-1)
    return log_det - (z**2).sum(-1) / 2 - rows.shape[-1] * LOG_2PI / 2


# --- the posterior is known ---


@dataclass(frozen=True)
class GaussianMixture:
    """Σ w N(means, precisions⁻¹), its parts to be read off by a model's factor too."""

    weights: np.ndarray
    means: np.ndarray
    precisions: np.ndarray

    @cached_property
    def covariances(self) -> np.ndarray:
        return np.linalg.inv(self.precisions)

    def logpdf(self, rows: Rows) -> np.ndarray:
        parts = log_gaussian(rows[:, None, :], self.means, self.precisions)
        return special.logsumexp(parts, b=self.weights, axis=1)

    def draw(self, rng: np.random.Generator, n: int) -> Rows:
        which = rng.choice(len(self.weights), n, p=self.weights)
        factor = np.linalg.cholesky(self.precisions)[which]
        z = np.linalg.solve(np.swapaxes(factor, -1, -2), rng.normal(size=(n, self.means.shape[1], 1)))
        return self.means[which] + z[..., 0]

    @cached_property
    def mean(self) -> np.ndarray:
        return self.weights @ self.means

    @cached_property
    def covariance(self) -> np.ndarray:
        gaps = self.means - self.mean
        return np.einsum("k,kij->ij", self.weights, self.covariances) + (self.weights * gaps.T) @ gaps

    @property
    def sd(self) -> np.ndarray:
        return np.sqrt(np.diag(self.covariance))


@dataclass(frozen=True)
class Known:
    """The posterior's density is known with its constant: p(D, θ)/p(θ|D) is the evidence, whatever θ.

    `elsewhere` draws from all over the prior: mass that `logpdf` knows nothing of would show there.
    """

    logpdf: Callable[[Rows], np.ndarray]
    draw: Draw
    elsewhere: Draw

    def find(self, density: Density) -> Found:
        rng = np.random.default_rng(11)
        rows = np.concatenate([self.draw(rng, 400), self.elsewhere(rng, 100)])
        joint = density(rows)
        constant = joint - self.logpdf(rows)
        log_z = float(np.mean(constant[:400]))
        size = 1 + np.abs(joint) + np.abs(joint - constant)
        assert np.all(np.abs(constant - log_z) <= AGREE * size), np.max(np.abs(constant - log_z) / size)
        many = self.draw(rng, 60_000)
        return log_z, many.mean(axis=0), many.std(axis=0)


# --- it factors, but for a few coordinates, along lines ---


@dataclass(frozen=True)
class Product:
    """θ = origin + matrix u, where the density is a product: of the first `block` coordinates, and of each other.

    Each axis is cut where it turns; the density is summed over the block and along every other axis through `base`.
    """

    origin: Any
    matrix: Any
    cuts: Any
    block: int = 1
    base: Any = 0.0
    nodes: int = 24

    def find(self, density: Density) -> Found:
        d = len(self.cuts)
        base = np.zeros(d) + self.base
        log_f = lambda u: density(self.origin + u @ np.transpose(self.matrix))  # noqa: E731
        groups = [list(range(self.block)), *([i] for i in range(self.block, d))]
        self._check_product(log_f, base, groups)
        foot = log_f(base[None])[0]
        total, mean, covariance = foot, np.zeros(d), np.zeros((d, d))
        for group in groups:
            mass, centre, spread = self._sum(log_f, base, group)
            total += mass - foot
            mean[group], covariance[np.ix_(group, group)] = centre, spread
        matrix = np.asarray(self.matrix)
        sd = np.sqrt(np.diag(matrix @ covariance @ matrix.T))
        return total + np.linalg.slogdet(matrix)[1], self.origin + matrix @ mean, sd

    def _sum(self, log_f: Any, base: np.ndarray, group: list[int]) -> tuple[float, Any, Any]:
        axes = [panels(self.cuts[i], self.nodes) for i in group]
        points = np.stack([g.ravel() for g in np.meshgrid(*(a[0] for a in axes), indexing="ij")], axis=-1)
        log_w = sum(g.ravel() for g in np.meshgrid(*(a[1] for a in axes), indexing="ij"))
        u = np.tile(base, (len(points), 1))
        u[:, group] = points
        terms = log_f(u) + log_w
        mass = special.logsumexp(terms)
        share = np.exp(terms - mass)
        mean = share @ points
        return mass, mean, np.einsum("n,ni,nj->ij", share, points - mean, points - mean)

    def _check_product(self, log_f: Any, base: np.ndarray, groups: list[list[int]]) -> None:
        rng = np.random.default_rng(12)
        u = np.stack([rng.uniform(c[0], c[-1], 200) for c in self.cuts], axis=-1)
        parts = 0.0
        for group in groups:
            along = np.tile(base, (len(u), 1))
            along[:, group] = u[:, group]
            parts = parts + log_f(along)
        whole = log_f(u) + (len(groups) - 1) * log_f(base[None])
        np.testing.assert_allclose(whole, parts, rtol=AGREE, atol=AGREE)


# --- it is Gaussian, given one coordinate ---


@dataclass(frozen=True)
class Sliced:
    """θ = bend(origin + matrix (outer(v), w)), w Gaussian given v: `slices(v)` → (log density, w's mean, precision).

    `log_slope` is log |∂(outer(v), w)/∂(v, w)| and that of the bend, if any; moments are those before the bend.

    `truth` integrates the slices by SciPy; `find` takes v from Gauss–Legendre, draws any w there and divides the
    model's density by w's conditional one, once for each of two draws.
    """

    slices: Callable[[np.ndarray], tuple[Any, Any, Any]]
    cuts: Any
    origin: Any
    matrix: Any
    outer: Callable[[Any], Any] = np.asarray
    log_slope: Callable[[Any], Any] = np.zeros_like
    bend: Callable[[Rows], Rows] = np.asarray

    def truth(self) -> Found:
        peak = np.max(self.slices(panels(self.cuts)[0])[0])

        def integrand(v: np.ndarray) -> np.ndarray:
            log_f, mean, precision = self.slices(v[:, 0])
            u = np.column_stack([self.outer(v[:, 0]), mean])
            second = u[:, :, None] * u[:, None, :]
            second[:, 1:, 1:] += np.linalg.inv(precision)
            columns = np.column_stack([np.ones(len(v)), u, second.reshape(len(v), -1)])
            return np.exp(log_f - peak)[:, None] * columns

        pieces = (
            integrate.cubature(integrand, [lo], [hi], rule="gk21", rtol=1e-12, atol=1e-13).estimate
            for lo, hi in zip(self.cuts, self.cuts[1:])
        )
        total = sum(pieces)
        k = len(self.origin)
        mean, second = total[1 : 1 + k] / total[0], total[1 + k :].reshape(k, k) / total[0]
        matrix = np.asarray(self.matrix)
        covariance = matrix @ (second - np.outer(mean, mean)) @ matrix.T
        return peak + np.log(total[0]), self.origin + matrix @ mean, np.sqrt(np.diag(covariance))

    def find(self, density: Density) -> Found:
        v, log_w = panels(self.cuts, 40)
        _, mean, precision = self.slices(v)
        offset = log_w + self.log_slope(v) + np.linalg.slogdet(self.matrix)[1]
        terms = np.array([self._height(density, v, mean, precision, seed) + offset for seed in (13, 14)])
        found = special.logsumexp(terms, axis=1)
        gap = np.abs(np.exp(terms[0] - found[0]) - np.exp(terms[1] - found[0]))  # of the evidence, node by node
        assert np.max(gap) < AGREE, np.max(gap)
        share = np.exp(terms[0] - found[0])
        u = np.column_stack([self.outer(v), mean])
        centre = share @ u
        covariance = np.einsum("n,ni,nj->ij", share, u - centre, u - centre)
        covariance[1:, 1:] += np.einsum("n,nij->ij", share, np.linalg.inv(precision))
        matrix = np.asarray(self.matrix)
        return found[0], self.origin + matrix @ centre, np.sqrt(np.diag(matrix @ covariance @ matrix.T))

    def _height(self, density: Density, v: Any, mean: Any, precision: Any, seed: int) -> np.ndarray:
        z = np.random.default_rng(seed).normal(size=(*mean.shape, 1))
        factor = np.linalg.cholesky(precision)
        w = mean + np.linalg.solve(np.swapaxes(factor, -1, -2), z)[..., 0]
        rows = self.origin + np.column_stack([self.outer(v), w]) @ np.transpose(self.matrix)
        return density(self.bend(rows)) - log_gaussian(w, mean, precision)


# --- it turns about an axis through a centre ---


@dataclass(frozen=True)
class Polar:
    """The density depends on the distance from `centre` and on the angle to `axis` alone; several centres add up.

    Its other directions are drawn, twice; both draws must agree.
    """

    centres: Any
    axis: Any
    radii: Any  # for each centre, the cuts of the distance

    def find(self, density: Density) -> Found:
        first, again = ([self._turn(density, *c, s) for c in zip(self.centres, self.radii)] for s in (1, 2))
        mass = np.array([turn[0] for turn in first])
        log_z = special.logsumexp(mass)
        np.testing.assert_allclose(special.logsumexp([turn[0] for turn in again]), log_z, rtol=0, atol=AGREE)
        mean, second = (np.exp(mass - log_z) @ np.array([turn[i] for turn in first]) for i in (1, 2))
        return log_z, mean, np.sqrt(second - mean**2)

    def _turn(self, density: Density, centre: Any, radii: Any, seed: int) -> tuple[float, Any, Any]:
        """Return (log mass, mean, mean square) about one centre, from one draw of the other directions."""
        d = len(centre)
        axis = np.asarray(self.axis) / np.linalg.norm(self.axis)
        (r, log_r), (angle, log_angle) = panels(radii), panels(np.linspace(0, np.pi, 7))
        r, angle = (g.ravel() for g in np.meshgrid(r, angle, indexing="ij"))
        along, off = r * np.cos(angle), r * np.sin(angle)
        other = np.random.default_rng(seed).normal(size=(len(r), d))
        other -= (other @ axis)[:, None] * axis
        other /= np.linalg.norm(other, axis=1)[:, None]
        rows = centre + along[:, None] * axis + off[:, None] * other
        sphere = np.log(2) + (d - 1) / 2 * np.log(np.pi) - special.gammaln((d - 1) / 2)  # area of S^(d−2)
        terms = density(rows) + (log_r[:, None] + log_angle).ravel() + np.log(r) + (d - 2) * np.log(off) + sphere
        mass = special.logsumexp(terms)
        share = np.exp(terms - mass)
        square = 2 * centre * axis * (share @ along) + axis**2 * (share @ along**2)
        return mass, centre + axis * (share @ along), centre**2 + square + (1 - axis**2) / (d - 1) * (share @ off**2)

"""Densities to draw from: mixtures of multivariate Student-t's that cover every mode with something to spare."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import gammaincinv, gammaln, logsumexp, ndtri

from .optimization import Hump

DF = 5.0  # tails heavier than any Gaussian's, light enough to keep most draws near
NEARLY_NORMAL = 1e6  # degrees of freedom
FEWEST = 10  # effective points for each dimension, before a component is moved


class Proposal(Protocol):
    """A density that can be drawn from."""

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray: ...
    def log_density(self, x: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class StudentMixture:
    """Σₖ wₖ t_νₖ(cₖ, Lₖ Lₖᵀ) over positions."""

    weights: np.ndarray  # (k,)
    centres: np.ndarray  # (k, d)
    scales: np.ndarray  # (k, d, d), lower triangular
    df: np.ndarray  # (k,): ν

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Return n draws (n, d)."""
        which = rng.choice(len(self.weights), size=n, p=self.weights)
        df = self.df[which]
        off = rng.standard_normal((n, self.centres.shape[1])) * np.sqrt(df / rng.chisquare(df))[:, None]
        return self._placed(which, off)

    def from_cube(self, u: np.ndarray) -> np.ndarray:
        """Return points of the open unit cube (n, d + 2) as draws (n, d): which component, how far, which way."""
        which = np.searchsorted(np.cumsum(self.weights)[:-1], u[:, 0], side="right")
        df = self.df[which]
        return self._placed(which, np.sqrt(df / (2 * gammaincinv(df / 2, u[:, 1])))[:, None] * ndtri(u[:, 2:]))

    def _placed(self, which: np.ndarray, off: np.ndarray) -> np.ndarray:
        for k, (centre, scale) in enumerate(zip(self.centres, self.scales)):
            off[which == k] = centre + off[which == k] @ scale.T
        return off

    def parts(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return log wₖ t(x) and the squared distances, both (n, k)."""
        d = self.centres.shape[1]
        log_parts, distances = np.empty((len(x), len(self.weights))), np.empty((len(x), len(self.weights)))
        for k, (w, c, scale, df) in enumerate(zip(self.weights, self.centres, self.scales, self.df)):
            inverse = solve_triangular(scale, np.eye(d), lower=True)
            distances[:, k] = (((x - c) @ inverse.T) ** 2).sum(axis=1)
            constant = gammaln((df + d) / 2) - gammaln(df / 2) - 0.5 * d * np.log(df * np.pi)
            log_det = np.log(np.diag(scale)).sum()
            log_parts[:, k] = np.log(w) + constant - log_det - (df + d) / 2 * np.log1p(distances[:, k] / df)
        return log_parts, distances

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """Return the log density at x (n, d)."""
        return logsumexp(self.parts(x)[0], axis=1)

    def whitened(self, centre: np.ndarray, scale: np.ndarray) -> "StudentMixture":
        """Return the same as a density of z, x = centre + scale z."""
        centres = np.linalg.solve(scale, (self.centres - centre).T).T
        return replace(self, centres=centres, scales=np.linalg.solve(scale[None], self.scales))

    def widened(self, by: float) -> "StudentMixture":
        """Return the same with every scale so many times as large."""
        return replace(self, scales=by * self.scales)

    def fitted(self, x: np.ndarray, weight: np.ndarray) -> "StudentMixture":
        """Return the mixture one EM step closer to weighted points (Cappé et al. 2008, section 4.2)."""
        log_parts, distances = self.parts(x)
        log_total = logsumexp(log_parts, axis=1, keepdims=True)
        reached = np.isfinite(log_total)  # a point too far from every component pulls on none
        share = np.where(reached, np.exp(log_parts - np.where(reached, log_total, 0.0)), 0.0) * weight[:, None]
        d = x.shape[1]
        weights, centres, scales = [], [], []
        for k, df in enumerate(self.df):
            pull = share[:, k] * (df + d) / (df + distances[:, k])
            size = share[:, k].sum()
            effective = size**2 / max((share[:, k] ** 2).sum(), 1e-300)
            weights.append(max(size, 0.01))
            if effective < FEWEST * d:  # too few points to move it
                centres.append(self.centres[k])
                scales.append(self.scales[k])
                continue
            centre = pull @ x / pull.sum()
            off = x - centre
            covariance = (pull[:, None] * off).T @ off / size
            centres.append(centre)
            scales.append(shrunk_factor(covariance, effective))
        total = np.array(weights)
        return StudentMixture(total / total.sum(), np.array(centres), np.array(scales), self.df)


@dataclass(frozen=True)
class ProductMixture:
    """A mixture for each of some groups of coordinates, independent of one another."""

    columns: tuple[np.ndarray, ...]
    factors: tuple[StudentMixture, ...]

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Return n draws (n, d)."""
        x = np.empty((n, sum(map(len, self.columns))))
        for columns, factor in zip(self.columns, self.factors):
            x[:, columns] = factor.sample(rng, n)
        return x

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """Return the log density at x (n, d)."""
        return np.asarray(sum(f.log_density(x[:, c]) for c, f in zip(self.columns, self.factors)))

    def fitted(self, x: np.ndarray, weight: np.ndarray) -> "ProductMixture":
        """Return every factor one EM step closer to weighted points."""
        return replace(self, factors=tuple(f.fitted(x[:, c], weight) for c, f in zip(self.columns, self.factors)))

    def widened(self, by: float) -> "ProductMixture":
        """Return the same with every scale so many times as large."""
        return replace(self, factors=tuple(f.widened(by) for f in self.factors))


def shrunk_factor(covariance: np.ndarray, num_points: float) -> np.ndarray:
    """Return the Cholesky factor of a covariance, shrunk towards its diagonal by what so few points leave open."""
    d = len(covariance)
    keep = num_points / (num_points + d)
    diagonal = np.diag(np.maximum(np.diag(covariance), 1e-300))
    return np.linalg.cholesky(keep * covariance + (1 - keep) * diagonal + 1e-10 * diagonal)


# Around each centre: nearly a normal, a Student-t, and one of twice the width. (share, times the scale, df)
SHELLS = ((0.5, 1.0, NEARLY_NORMAL), (0.25, 1.0, DF), (0.25, 2.0, DF))
HEAVY = ((0.7, 1.0, DF), (0.3, 2.0, DF))  # to check a sum with: nothing but tails


def around(
    weights: np.ndarray, centres: np.ndarray, scales: np.ndarray, shells: Sequence[tuple[float, float, float]] = SHELLS
) -> StudentMixture:
    """Return the mixture of some shells about each of these centres (k, d), scales (k, d, d) being normals'."""
    return StudentMixture(
        np.concatenate([share * weights for share, _, _ in shells]),
        np.concatenate([centres] * len(shells)),
        np.concatenate([wider * scales for _, wider, _ in shells]),
        np.repeat([df for _, _, df in shells], len(weights)),
    )


def standard(dimension: int) -> StudentMixture:
    """Return the three shells about the origin."""
    return around(np.ones(1), np.zeros((1, dimension)), np.eye(dimension)[None])


def from_humps(humps: Sequence[Hump], shells: Sequence[tuple[float, float, float]] = SHELLS) -> StudentMixture:
    """Return a mixture over every mode by Laplace mass."""
    mass = np.array([h.log_mass for h in humps])
    weight = np.maximum(np.exp(mass - mass.max()), 0.02)
    centres, scales = (np.array([getattr(h, f) for h in humps]) for f in ("position", "scale"))
    return around(weight / weight.sum(), centres, scales, shells)


def from_positions(positions: np.ndarray) -> StudentMixture:
    """Return a mixture with the mean and covariance of draws (n, d)."""
    factor = shrunk_factor(np.atleast_2d(np.cov(positions.T)), len(positions))
    return around(np.ones(1), positions.mean(axis=0)[None], factor[None])


def joined(one: StudentMixture, other: StudentMixture) -> StudentMixture:
    """Return the even mixture of two mixtures."""
    return StudentMixture(
        np.concatenate([one.weights, other.weights]) / 2,
        np.concatenate([one.centres, other.centres]),
        np.concatenate([one.scales, other.scales]),
        np.concatenate([one.df, other.df]),
    )


def adapted(
    log_density: Callable[[np.ndarray], np.ndarray],
    proposal: StudentMixture,
    rng: np.random.Generator,
    rounds: int,
    num_draws: int,
) -> tuple[StudentMixture, np.ndarray]:
    """Return a proposal fitted to a density in so many rounds of importance-weighted EM, and its last draws (n, d)."""
    for _ in range(rounds):
        x = proposal.sample(rng, num_draws)
        log_weights = log_density(x) - proposal.log_density(x)
        if not np.isfinite(log_weights.max()):
            continue
        proposal = proposal.fitted(x, clipped(log_weights))
    return proposal, x


def clipped(log_weights: np.ndarray) -> np.ndarray:
    """Return weights to adapt by, the largest clipped to √n times the mean (Ionides 2008): one draw must not lead."""
    weight = np.exp(log_weights - log_weights.max())
    weight = np.minimum(weight, np.sqrt(len(weight)) * weight.mean())
    return np.asarray(weight / weight.sum())

"""Densities to draw from: mixtures of multivariate Student-t's that cover every mode with something to spare."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import gammaincinv, gammaln, logsumexp, ndtri

from .optimization import Hump

DF = 5.0  # tails heavier than any Gaussian's, light enough to keep most draws near


class Proposal(Protocol):
    """A density that can be drawn from."""

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray: ...
    def log_density(self, x: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class StudentMixture:
    """Σₖ wₖ t_ν(cₖ, Lₖ Lₖᵀ) over positions."""

    weights: np.ndarray  # (k,)
    centres: np.ndarray  # (k, d)
    scales: np.ndarray  # (k, d, d), lower triangular

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Return n draws (n, d)."""
        which = rng.choice(len(self.weights), size=n, p=self.weights)
        normal = rng.standard_normal((n, self.centres.shape[1]))
        stretch = np.sqrt(DF / rng.chisquare(DF, size=n))
        return self.centres[which] + stretch[:, None] * np.einsum("nij,nj->ni", self.scales[which], normal)

    def from_cube(self, u: np.ndarray) -> np.ndarray:
        """Return points of the open unit cube (n, d + 2) as draws (n, d): which component, how far, which way."""
        which = np.searchsorted(np.cumsum(self.weights)[:-1], u[:, 0], side="right")
        stretch = np.sqrt(DF / (2 * gammaincinv(DF / 2, u[:, 1])))
        off = stretch[:, None] * ndtri(u[:, 2:])
        for k, (centre, scale) in enumerate(zip(self.centres, self.scales)):
            off[which == k] = centre + off[which == k] @ scale.T
        return off

    def parts(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return log wₖ t(x) and the squared distances, both (n, k)."""
        d = self.centres.shape[1]
        log_parts, distances = np.empty((len(x), len(self.weights))), np.empty((len(x), len(self.weights)))
        constant = gammaln((DF + d) / 2) - gammaln(DF / 2) - 0.5 * d * np.log(DF * np.pi)
        for k, (w, c, scale) in enumerate(zip(self.weights, self.centres, self.scales)):
            distances[:, k] = (np.linalg.solve(scale, (x - c).T) ** 2).sum(axis=0)
            log_det = np.log(np.diag(scale)).sum()
            log_parts[:, k] = np.log(w) + constant - log_det - (DF + d) / 2 * np.log1p(distances[:, k] / DF)
        return log_parts, distances

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """Return the log density at x (n, d)."""
        return logsumexp(self.parts(x)[0], axis=1)

    def fitted(self, x: np.ndarray, weight: np.ndarray) -> "StudentMixture":
        """Return the mixture one EM step closer to weighted points (Cappé et al. 2008, section 4.2)."""
        log_parts, distances = self.parts(x)
        share = np.exp(log_parts - logsumexp(log_parts, axis=1, keepdims=True)) * weight[:, None]
        d = x.shape[1]
        weights, centres, scales = [], [], []
        for k in range(len(self.weights)):
            pull = share[:, k] * (DF + d) / (DF + distances[:, k])
            size = share[:, k].sum()
            effective = size**2 / max((share[:, k] ** 2).sum(), 1e-300)
            weights.append(max(size, 0.01))
            if effective < 10 * d:  # too few points to move it
                centres.append(self.centres[k])
                scales.append(self.scales[k])
                continue
            centre = pull @ x / pull.sum()
            off = x - centre
            covariance = (pull[:, None] * off).T @ off / size
            centres.append(centre)
            scales.append(shrunk_factor(covariance, effective))
        total = np.array(weights)
        return StudentMixture(total / total.sum(), np.array(centres), np.array(scales))


def shrunk_factor(covariance: np.ndarray, num_points: float) -> np.ndarray:
    """Return the Cholesky factor of a covariance, shrunk towards its diagonal by what so few points leave open."""
    d = len(covariance)
    keep = num_points / (num_points + d)
    diagonal = np.diag(np.maximum(np.diag(covariance), 1e-300))
    return np.linalg.cholesky(keep * covariance + (1 - keep) * diagonal + 1e-10 * diagonal)


def from_humps(humps: Sequence[Hump]) -> StudentMixture:
    """Return a mixture over every mode by Laplace mass, each at its own width and at twice that."""
    mass = np.array([h.log_mass for h in humps])
    weight = np.maximum(np.exp(mass - mass.max()), 0.02)
    weight /= weight.sum()
    return StudentMixture(
        np.concatenate([0.7 * weight, 0.3 * weight]),
        np.array([h.position for h in humps] * 2),
        np.array([h.scale for h in humps] + [2 * h.scale for h in humps]),
    )


def from_positions(positions: np.ndarray) -> StudentMixture:
    """Return a mixture with the mean and covariance of draws (n, d), at their width and at twice that."""
    mean = positions.mean(axis=0)
    factor = shrunk_factor(np.atleast_2d(np.cov(positions.T)), len(positions))
    narrow = factor * np.sqrt((DF - 2) / DF)  # a t's covariance is ν/(ν − 2) times its scale
    return StudentMixture(np.array([0.8, 0.2]), np.array([mean, mean]), np.array([narrow, 2 * factor]))


def joined(one: StudentMixture, other: StudentMixture) -> StudentMixture:
    """Return the even mixture of two mixtures."""
    return StudentMixture(
        np.concatenate([one.weights, other.weights]) / 2,
        np.concatenate([one.centres, other.centres]),
        np.concatenate([one.scales, other.scales]),
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
        weight = np.exp(log_weights - log_weights.max())
        weight = np.minimum(weight, np.sqrt(num_draws) * weight.mean())  # one draw must not lead (Ionides 2008)
        proposal = proposal.fitted(x, weight / weight.sum())
    return proposal, x

"""Where a grid lies: affine frames, and one mode's share of what several have in common."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


@dataclass(frozen=True)
class Frame:
    """An affine map z → position = centre + scale z."""

    centre: np.ndarray
    scale: np.ndarray

    @property
    def log_det(self) -> float:
        return float(np.linalg.slogdet(self.scale)[1])

    def position(self, z: np.ndarray) -> np.ndarray:
        return self.centre + z @ self.scale.T

    def inverse(self, position: np.ndarray) -> np.ndarray:
        return np.linalg.solve(self.scale, (position - self.centre).T).T

    @property
    def covariance(self) -> np.ndarray:
        return self.scale @ self.scale.T

    @property
    def directions(self) -> np.ndarray:
        """Unit vectors (d, d) in z: along which each position coordinate grows, all others left alone in the slice."""
        return np.asarray(self.scale / np.linalg.norm(self.scale, axis=1, keepdims=True))

    def moved(self, mean: np.ndarray, covariance: np.ndarray) -> "Frame":
        """Return the frame in which a density with these moments of z has mean 0 and covariance I."""
        return Frame(self.position(mean), np.linalg.cholesky(self.scale @ covariance @ self.scale.T))

    def led_by(self, j: int) -> "Frame":
        """Return a frame of the same covariance in which the first z alone sets position coordinate j."""
        order = np.r_[j, np.delete(np.arange(len(self.centre)), j)]
        factor = np.linalg.cholesky(self.covariance[np.ix_(order, order)])
        return Frame(self.centre, factor[np.argsort(order)])


class Share(NamedTuple):
    """One component's share r of a Gaussian mixture at each position: a partition of unity, Σ r = 1 everywhere."""

    index: Any
    log_weights: Any  # (k,)
    centres: Any  # (k, d)
    inverses: Any  # (k, d, d): of the Cholesky factors

    def log_at(self, position: Any) -> Any:
        z = jnp.einsum("kij,kj->ki", self.inverses, position - self.centres)
        log_parts = self.log_weights - 0.5 * (z**2).sum(axis=1)
        return log_parts[self.index] - jax.nn.logsumexp(log_parts)

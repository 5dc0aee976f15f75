"""Mixtures of normals whose labels may be switched: the evidence is a sum over every allocation of the data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from scipy import special, stats

from ..model import Model
from .problem import Problem
from .routes import LOG_2PI, Known, log_normal

TWELVE = np.array([1.62, 4.91, 2.13, 5.38, 1.17, 4.44, 3.05, 5.02, 1.94, 4.73, 2.48, 4.15])
EIGHT = np.array([-1.83, 2.36, 6.71, -1.21, 2.94, 6.08, 1.87, 7.15])


@dataclass(frozen=True)
class Allocations:
    """Every way to give n data to k components: counts, sums and squares about `loc` of each, (kⁿ, k) arrays."""

    y: np.ndarray
    k: int
    loc: float

    @cached_property
    def members(self) -> np.ndarray:
        each = np.array(list(product(range(self.k), repeat=len(self.y))))
        return (each[:, :, None] == np.arange(self.k)).astype(float)

    @cached_property
    def n(self) -> np.ndarray:
        return self.members.sum(axis=1)

    @cached_property
    def sums(self) -> np.ndarray:
        return np.einsum("anj,n->aj", self.members, self.y - self.loc)

    @cached_property
    def squares(self) -> np.ndarray:
        return np.einsum("anj,n->aj", self.members, (self.y - self.loc) ** 2)


@dataclass(frozen=True)
class Block:
    """Some of the parameters: what the data say of them, given an allocation (a row of each array).

    `log_parts` takes (rows, 1, k) to (rows, allocations), `draw` allocations to a row for each, `prior` a size to rows.
    """

    log_evidence: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    log_parts: Callable[[np.ndarray], Any]
    draw: Callable[[np.random.Generator, np.ndarray], np.ndarray]
    prior: Callable[[np.random.Generator, int], np.ndarray]


def known_weights(cells: Allocations, weights: Any) -> Block:
    none = np.zeros((len(cells.n), 0))
    return Block(
        cells.n @ np.log(weights),
        none,
        none,
        lambda rows: 0.0,
        lambda rng, which: none[which],
        lambda rng, n: np.zeros((n, 0)),
    )


def beta_weight(cells: Allocations, beta: tuple[float, float]) -> Block:
    """The weight of the first of two components ~ Beta."""
    a, b = (cells.n + beta).T
    after = stats.beta(a, b)
    return Block(
        special.betaln(a, b) - special.betaln(*beta),
        after.mean()[:, None],
        after.var()[:, None],
        lambda rows: after.logpdf(rows[..., 0]),
        lambda rng, which: rng.beta(a[which], b[which])[:, None],
        lambda rng, n: rng.beta(*beta, (n, 1)),
    )


def normal_means(cells: Allocations, scale: float, noise: float) -> Block:
    """μ ~ N(loc, scale²) and one known noise: each component's data are N(loc, noise² + scale² 11ᵀ)."""
    n = cells.n
    square = (cells.squares - scale**2 * cells.sums**2 / (noise**2 + n * scale**2)) / noise**2
    log_evidence = -(square + n * (LOG_2PI + 2 * np.log(noise)) + np.log1p(n * (scale / noise) ** 2)) / 2
    variance = 1 / (scale**-2 + n / noise**2)
    mean, sd = cells.loc + variance * cells.sums / noise**2, np.sqrt(variance)
    return Block(
        log_evidence.sum(axis=1),
        mean,
        variance,
        lambda rows: log_normal(rows, mean, sd).sum(axis=-1),
        lambda rng, which: rng.normal(mean[which], sd[which]),
        lambda rng, n: rng.normal(cells.loc, scale, (n, cells.k)),
    )


def normal_gammas(cells: Allocations, kappa: float, a: float, b: float) -> Block:
    """τ ~ Gamma(a, b) and μ ~ N(loc, 1/(κ τ)): all τ first, then all μ."""
    k, shape = kappa + cells.n, a + cells.n / 2
    rate = b + (cells.squares - cells.sums**2 / k) / 2
    tau, centre = stats.gamma(shape, scale=1 / rate), cells.loc + cells.sums / k
    log_evidence = special.gammaln(shape) - special.gammaln(a) + a * np.log(b) - shape * np.log(rate)
    log_evidence += (np.log(kappa / k) - cells.n * LOG_2PI) / 2

    def log_parts(rows: np.ndarray) -> np.ndarray:
        t, mu = rows[..., : cells.k], rows[..., cells.k :]
        return (tau.logpdf(t) + log_normal(mu, centre, 1 / np.sqrt(k * t))).sum(axis=-1)

    def draw(rng: np.random.Generator, which: np.ndarray) -> np.ndarray:
        t = rng.gamma(shape[which], 1 / rate[which])
        return np.column_stack([t, rng.normal(centre[which], 1 / np.sqrt(k[which] * t))])

    return Block(
        log_evidence.sum(axis=1),
        np.column_stack([tau.mean(), centre]),
        np.column_stack([tau.var(), rate / (shape - 1) / k]),  # μ is a Student t
        log_parts,
        draw,
        lambda rng, n: np.column_stack([rng.gamma(a, 1 / b, (n, cells.k)), rng.normal(cells.loc, 3.0, (n, cells.k))]),
    )


def enumerated(name: str, make: Any, sites: Mapping[str, Any], blocks: Sequence[Block], *tags: str) -> Problem:
    """Sum over the allocations; `sites` say which columns of the blocks, side by side, are which parameter."""
    log_weights = sum(b.log_evidence for b in blocks)
    log_z = special.logsumexp(log_weights)
    share = special.softmax(log_weights)
    each, within = (np.column_stack([getattr(b, f) for b in blocks]) for f in ("mean", "variance"))
    mean = share @ each
    sd = np.sqrt(share @ (within + (each - mean) ** 2))
    ends = np.cumsum([b.mean.shape[1] for b in blocks])[:-1]

    def logpdf(rows: np.ndarray) -> np.ndarray:
        found = []
        for some in np.array_split(rows, 1 + len(rows) // 50):  # the parts are many
            parts = sum(b.log_parts(piece) for b, piece in zip(blocks, np.split(some[:, None, :], ends, axis=-1)))
            found.append(special.logsumexp(parts + log_weights - log_z, axis=1))
        return np.concatenate(found)

    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        which = rng.choice(len(share), n, p=share)
        return np.column_stack([b.draw(rng, which) for b in blocks])

    return Problem(
        name,
        make,
        len(mean),
        log_z,
        {site: mean[columns] for site, columns in sites.items()},
        {site: sd[columns] for site, columns in sites.items()},
        frozenset({"smooth", "labels", "modes", *tags}),
        route=Known(logpdf, draw, lambda rng, n: np.column_stack([b.prior(rng, n) for b in blocks])),
    )


def means(name: str, y: np.ndarray, loc: float, scale: float, noise: float, weights: Any, *tags: str) -> Problem:
    """Means in known proportions."""
    k = len(weights)
    cells = Allocations(y, k, loc)

    def likelihood(mu: Any) -> Any:
        return dist.MixtureSameFamily(dist.Categorical(probs=jnp.asarray(weights)), dist.Normal(mu, noise))

    return enumerated(
        name,
        lambda: Model({"mu": dist.Normal(loc, np.full(k, scale)).to_event(1)}, likelihood, observed=y, name=name),
        {"mu": slice(None)},
        [known_weights(cells, weights), normal_means(cells, scale, noise)],
        *tags,
    )


def pair(weight: Any, mu: Any, noise: Any) -> Any:
    """Return the mixture of two normals."""
    weights = jnp.stack([jnp.asarray(weight), 1 - jnp.asarray(weight)])
    return dist.MixtureSameFamily(dist.Categorical(probs=weights), dist.Normal(mu, noise))


def means_and_weight(name: str, y: np.ndarray, loc: float, scale: float, noise: float, beta: Any) -> Problem:
    cells = Allocations(y, 2, loc)

    def make() -> Model:
        prior = {"weight": dist.Beta(*beta), "mu": dist.Normal(loc, np.full(2, scale)).to_event(1)}
        return Model(prior, lambda weight, mu: pair(weight, mu, noise), observed=y, name=name)

    blocks = [beta_weight(cells, beta), normal_means(cells, scale, noise)]
    return enumerated(name, make, {"weight": 0, "mu": slice(1, None)}, blocks, "skewed")


def means_and_precisions(
    name: str, y: np.ndarray, loc: float, prior: tuple[float, float, float], weight: Any
) -> Problem:
    """Two means, two precisions, and a weight that is a number or the (a, b) of its Beta."""
    cells = Allocations(y, 2, loc)
    free = isinstance(weight, tuple)
    kappa, a, b = prior

    def make() -> Model:
        entries = {
            **({"weight": dist.Beta(*weight)} if free else {}),
            "tau": dist.Gamma(a, np.full(2, b)).to_event(1),
            "mu": lambda tau: dist.Normal(loc, 1 / jnp.sqrt(kappa * tau)).to_event(1),
        }
        if free:
            likelihood: Any = lambda weight, tau, mu: pair(weight, mu, 1 / jnp.sqrt(tau))  # noqa: E731
        else:
            likelihood = lambda tau, mu: pair(weight, mu, 1 / jnp.sqrt(tau))  # noqa: E731
        return Model(entries, likelihood, observed=y, name=name)

    weights = beta_weight(cells, weight) if free else known_weights(cells, [weight, 1 - weight])
    sites = {"weight": 0, "tau": slice(1, 3), "mu": slice(3, 5)} if free else {"tau": slice(0, 2), "mu": slice(2, 4)}
    return enumerated(name, make, sites, [weights, normal_gammas(cells, *prior)], "skewed", "correlated")


PROBLEMS = (
    means("two means 2d", TWELVE, 2.7, 3.0, 0.7, [0.5, 0.5], "mirrored"),
    means("two means in unequal parts 2d", TWELVE[:8], 2.7, 3.0, 0.9, [0.3, 0.7]),
    means("three means 3d", EIGHT, 1.9, 4.0, 0.6, [1 / 3, 1 / 3, 1 / 3], "mirrored"),
    means_and_weight("two means and a weight 3d", TWELVE, 2.7, 3.0, 0.7, (1.5, 2.5)),
    means_and_precisions("two means and precisions 4d", TWELVE[:10], 2.7, (0.15, 2.0, 0.9), 0.5),
    means_and_precisions("two means, precisions and a weight 5d", TWELVE[:10], 2.7, (0.15, 2.0, 0.9), (1.5, 2.5)),
)

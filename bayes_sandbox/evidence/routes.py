"""Ways to a proposal: a map to coordinates that are nearly normal, and a mixture there that covers the posterior."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logsumexp

from ..proposals import (
    ProductMixture,
    StudentMixture,
    clipped,
    from_humps,
    from_positions,
    joined,
    shrunk_factor,
    standard,
)
from ..straightening import Affine, Chain, GivenFew, Straightening, given_few, warp
from .workbench import Workbench

PRIOR_SHARE = 0.05  # of the draws come from the prior: no weight is then above L / 0.05, whatever the mixture misses
ROUNDS, PER_ROUND = 5, 4096
GOOD_ENOUGH = 0.5  # efficiency at which a proposal is adapted no further
FEWEST_A_ROUND, ROUND_TERMS = 2**10, 1e8  # draws of a round, where a draw is dear; terms of a likelihood
MOST_TERMS = 2e10  # that a map may cost for all draws; beyond it the map is not looked for
GAINED = 1.1  # times the efficiency before, or a round was the last

Mixture = StudentMixture | ProductMixture


@dataclass(frozen=True)
class LatentMixture:
    """A mixture in the latent space of a map, as a density of positions."""

    straightening: Straightening
    mixture: Mixture

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return positions (n, d), their latents and log densities."""
        z = self.mixture.sample(rng, n)
        u, log_det = self.straightening.to_position(z)
        return u, z, self.mixture.log_density(z) - log_det

    def at(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the latents of positions and the log density there; −∞ where the map does not reach."""
        z, log_det = self.straightening.to_latent(positions)
        good = np.isfinite(z).all(axis=1) & np.isfinite(log_det)
        log_q = self.mixture.log_density(np.where(good[:, None], z, 0.0)) - np.where(good, log_det, 0.0)
        return z, np.where(good, log_q, -np.inf)


@dataclass(frozen=True)
class Weighed:
    """Draws of a route: positions (n, d), latents, and log f/q at each."""

    positions: np.ndarray
    latents: np.ndarray
    log_weights: np.ndarray

    @property
    def efficiency(self) -> float:
        """The effective number of draws over their number."""
        finite = self.log_weights[np.isfinite(self.log_weights)]
        if not len(finite):
            return 0.0
        return float(np.exp(2 * logsumexp(finite) - logsumexp(2 * finite)) / len(self.log_weights))


@dataclass(frozen=True)
class Route:
    """A proposal with a share of the prior."""

    name: str
    bench: Workbench
    proposal: LatentMixture

    @property
    def terms(self) -> float:
        """What a draw costs, in terms of a likelihood: a map that climbs for each point is dear."""
        links = self.proposal.straightening.links if isinstance(self.proposal.straightening, Chain) else ()
        dear = any(isinstance(link, GivenFew) for link in links)
        return self.bench.model.num_observations + (_terms_of_a_climb(self.bench) if dear else 0)

    @property
    def per_round(self) -> int:
        """How many draws a round of adaptation takes."""
        return int(2 ** np.floor(np.log2(np.clip(ROUND_TERMS / max(self.terms, 1), FEWEST_A_ROUND, PER_ROUND))))

    def draw(self, rng: np.random.Generator, n: int) -> Weighed:
        """Return n draws, the prior's share of them from the prior, weighed by what both together propose."""
        num_prior = round(PRIOR_SHARE * n)
        u, z, log_q = self.proposal.sample(rng, n - num_prior)
        from_prior = self.bench.prior_positions(rng, num_prior)
        inside = np.isfinite(from_prior).all(axis=1)
        latent, log_q_prior = self.proposal.at(np.where(inside[:, None], from_prior, 0.0))
        positions = np.concatenate([u, from_prior])
        log_weights = self._weights(positions, np.concatenate([log_q, log_q_prior]))
        return Weighed(positions, np.concatenate([z, latent]), log_weights)

    def weigh(self, positions: np.ndarray) -> np.ndarray:
        """Return log f/q at positions (n, d)."""
        return self._weights(positions, self.proposal.at(positions)[1])

    def _weights(self, positions: np.ndarray, log_q: np.ndarray) -> np.ndarray:
        inside = np.isfinite(positions).all(axis=1)
        prior, likelihood, log_det = self.bench.coords.log_parts_many(np.where(inside[:, None], positions, 0.0)).T
        with np.errstate(invalid="ignore"):
            log_prior = prior + log_det
            both = np.logaddexp(np.log1p(-PRIOR_SHARE) + log_q, np.log(PRIOR_SHARE) + log_prior)
            log_weights = log_prior + likelihood - both
        return np.where(inside & ~np.isnan(log_weights), log_weights, -np.inf)

    def adapted(self, rng: np.random.Generator) -> tuple["Route", Weighed]:
        """Return the route fitted to its own weighted draws, for as long as that helps, and its last draws."""
        best, drawn = self, self.draw(rng, self.per_round)
        for _ in range(ROUNDS):
            usable = np.isfinite(drawn.latents).all(axis=1) & np.isfinite(drawn.log_weights)
            if drawn.efficiency > GOOD_ENOUGH or not usable.any():
                break
            mixture = best.proposal.mixture.fitted(drawn.latents[usable], clipped(drawn.log_weights[usable]))
            ahead = replace(best, proposal=replace(best.proposal, mixture=mixture))
            again = ahead.draw(rng, self.per_round)
            before, after = drawn.efficiency, again.efficiency
            if after > before:
                best, drawn = ahead, again
            if after < GAINED * before and after > 0.01:
                break
        return best, drawn


def _terms_of_a_climb(bench: Workbench) -> float:
    """Return what the conditional mode at one point costs: two Hessians, each a few gradients for every coordinate."""
    d = bench.coords.dimension
    return 8.0 * d * max(bench.model.num_observations, 1) + 2.0 * d**2


def mean_weight(log_weights: np.ndarray) -> tuple[float, float]:
    """Return log (1/n) Σ wᵢ and its standard error, by the delta method."""
    peak = log_weights.max()
    if not np.isfinite(peak):
        return -np.inf, np.inf
    weight = np.exp(log_weights - peak)
    error = float(weight.std(ddof=1) / weight.mean() / np.sqrt(len(weight)))
    return float(peak + np.log(weight.mean())), max(error, 1e-12)


@dataclass(frozen=True)
class Whitener:
    """Whitening by the highest mode, or by draws where there is none."""

    bench: Workbench

    def fit(self, draws: np.ndarray | None) -> Affine:
        """Return the map; draws are (n, d)."""
        if self.bench.laplace.humps:
            hump = max(self.bench.laplace.humps, key=lambda h: h.log_density)
            return Affine(hump.position, hump.scale)
        assert draws is not None
        return _standardizing(draws)

    def standard(self) -> Mixture:
        """Return the mixture that stands for a normal in the latent space."""
        return standard(self.bench.coords.dimension)

    def moments(self, z: np.ndarray) -> Mixture:
        """Return the mixture with the moments of latents (n, d)."""
        return from_positions(z)


@dataclass(frozen=True)
class Straightener:
    """A map to a normal given few coordinates, or one that warps each coordinate, or both."""

    bench: Workbench
    few: GivenFew | None
    is_warped: bool

    @property
    def name(self) -> str:
        labels = self.bench.coords.labels
        given = [] if self.few is None else [f"a normal given {', '.join(labels[i] for i in self.few.steering)}"]
        return " and ".join([*given, *(["a warp of each coordinate"] if self.is_warped else [])])

    def fit(self, draws: np.ndarray) -> Straightening:
        """Return the map, its warp fitted to draws (n, d)."""
        z, links = draws, list[Straightening]()
        if self.few is not None:
            links.append(self.few)
            z = self.few.to_latent(z)[0]
        warped = warp(z) if self.is_warped else None
        if warped is not None:
            links.append(warped)
            z = warped.to_latent(z)[0]
        # Given few, the rest is white by construction: a full covariance would only add the noise of draws.
        return Chain(
            [*links, _standardizing(z) if self.few is None else Affine(z.mean(axis=0), np.diag(z.std(axis=0)))]
        )

    @property
    def _columns(self) -> tuple[np.ndarray, ...]:
        everything = np.arange(self.bench.coords.dimension)
        if self.few is None:
            return (everything,)
        return np.array(self.few.steering), np.setdiff1d(everything, self.few.steering)

    def standard(self) -> Mixture:
        return ProductMixture(self._columns, tuple(standard(len(c)) for c in self._columns))

    def moments(self, z: np.ndarray) -> Mixture:
        return ProductMixture(self._columns, tuple(from_positions(z[:, c]) for c in self._columns))


def plain(bench: Workbench, draws: np.ndarray | None) -> Route | None:
    """Return the mixture of every mode, and of draws (chain, draw, d) where there are any, in whitened coordinates."""
    humps = bench.laplace.humps
    if not humps and draws is None:
        return None
    frame = Whitener(bench).fit(None if draws is None else draws.reshape(-1, draws.shape[-1]))
    mixtures = [from_humps(humps).whitened(frame.centre, frame.scale)] if humps else []
    if draws is not None:
        mixtures.append(_of_chains(frame.to_latent(draws.reshape(-1, draws.shape[-1]))[0].reshape(draws.shape)))
    mixture = mixtures[0] if len(mixtures) == 1 else joined(*mixtures)
    return Route("a mixture over modes and draws", bench, LatentMixture(frame, mixture))


def straightened(bench: Workbench, draws: np.ndarray) -> Route | None:
    """Return a normal in straightened coordinates, fitted to draws (chain, draw, d); None where there are no better."""
    flat = draws.reshape(-1, draws.shape[-1])
    found = straightener(bench, flat)
    return None if found is None else Route(found.name, bench, LatentMixture(found.fit(flat), found.standard()))


def straightener(bench: Workbench, draws: np.ndarray) -> Straightener | None:
    """Return a map that does more than whiten, for draws (n, d), looked for once; None where none is worth it."""
    return bench.remembered(("straightener", draws.tobytes()), lambda: _straightener(bench, draws))


def _straightener(bench: Workbench, draws: np.ndarray) -> Straightener | None:
    dear = len(draws) * _terms_of_a_climb(bench) > MOST_TERMS
    few = None if dear else given_few(bench.coords, draws, bench.rng("probes"))
    seen = draws if few is None else few.to_latent(draws)[0]
    if not np.isfinite(seen).all():
        return None
    is_warped = warp(seen) is not None
    return None if few is None and not is_warped else Straightener(bench, few, is_warped)


def _standardizing(x: np.ndarray) -> Affine:
    return Affine(x.mean(axis=0), shrunk_factor(np.atleast_2d(np.cov(x.T)), len(x)))


def _of_chains(z: np.ndarray) -> StudentMixture:
    """Return a mixture of the draws as a whole, or of each chain where chains are in different places."""
    means, within = z.mean(axis=1), z.std(axis=1).mean(axis=0)
    if len(z) == 1 or not (np.ptp(means, axis=0) > within).any():
        return from_positions(z.reshape(-1, z.shape[-1]))
    parts = [from_positions(chain) for chain in z]
    together = {f: np.concatenate([getattr(p, f) for p in parts]) for f in ("weights", "centres", "scales", "df")}
    return StudentMixture(**{**together, "weights": together["weights"] / len(parts)})

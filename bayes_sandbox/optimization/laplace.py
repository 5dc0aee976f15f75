"""What does a Gaussian at the mode say? The second-order Taylor polynomial of the log density, integrated."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..arguments import instance, integer
from ..coordinates import Coordinates, coordinates_of
from ..errors import ArgumentError
from ..model import Model, require_model
from ..seeds import as_rng, check_seed
from .climb import Climb, Kind
from .lines import peaks_on_lines
from .map import trouble_sentence
from .modes import SAME, Search, search
from .scan import (
    annealed,
    assigned,
    colder_draws,
    ends_of_runs,
    hotter_draws,
    num_particles,
    num_runs,
    spread_starts,
    unexplained_ends,
    unseen_share,
)
from .starts import MORE, starting_positions
from .surface import LARGEST_HESSIAN, Surface
from .symmetry import find_symmetries, images, images_sentence

MAX_ROUNDS = 6  # of runs from where modes do not explain the density
HEAVY, MAX_HEAVY = 7.0, 8  # nats below the most massive mode, and modes around which colder draws are made
NO_MASS = 4.0  # nats below the evidence: a mode of 2 % may be left unvisited
SAME_HEIGHT = 1e-7  # of log f at an image of a mode, relative
NUM_POINTS = 16  # at which a symmetry must hold
MAX_HEIGHT_GAP = 1.0, 1e-3  # nats, and relative: two programs of one density differ by less, whatever cancels in it


@dataclass(frozen=True)
class Hump:
    """One mode as a Gaussian in unconstrained coordinates: centre, Cholesky factor of H⁻¹, height, its log mass."""

    position: np.ndarray
    scale: np.ndarray  # lower triangular L with L Lᵀ = H⁻¹
    log_density: float
    log_mass: float  # log density + (d/2) log 2π − ½ log|H|


@dataclass(frozen=True)
class LaplaceFit:
    """A Gaussian at the highest mode in unconstrained coordinates, `N(position, scale scaleᵀ)`, and its evidence.

    `humps` holds every distinct mode, the most massive first; `log_evidence` is that of the highest alone. `images`
    says which relabellings or changes of sign make images of the highest mode, and how many; every image is a hump.
    `unseen` estimates the share of starts that would lead to modes not found (Good & Turing 1953). `probes` (n, d) are
    the positions of peaks on lines through the modes that these do not explain.
    Where `converged` is False the numbers are NaN and `message` says why.
    """

    params: dict[str, np.ndarray]
    position: np.ndarray
    scale: np.ndarray
    log_evidence: float
    humps: tuple[Hump, ...]
    images: str
    unseen: float
    probes: np.ndarray
    converged: bool
    message: str
    num_evaluations: int
    seconds: float

    def sample(self, seed: Any, num_samples: int) -> np.ndarray:
        """Return draws of the position, (num_samples, dimension).

        Raises
        ------
        ArgumentError
            For less than one draw, a seed that is none, and a fit that did not converge: it has no Gaussian.
        """
        num_samples = integer(num_samples, "num_samples", at_least=1, example=1000)
        check_seed(seed)
        if not self.converged:
            raise ArgumentError(f"this Laplace fit has no Gaussian to draw from ({self.message}); draw from a NUTSFit")
        normal = as_rng(seed, "laplace").normal(size=(num_samples, len(self.position)))
        return self.position + normal @ self.scale.T

    def to_datatree(self) -> Any:
        """Return an xarray DataTree with a `laplace` group."""
        from ..datatree import laplace_datatree

        return laplace_datatree(self)


def fit_laplace(model: Model, *, num_starts: int = 16, seed: Any = 0) -> LaplaceFit:
    """Approximate the posterior by a Gaussian at the mode u* of the unconstrained density f.

    log p(D) ≈ f(u*) + (d/2) log 2π − ½ log|−∂²f(u*)|   (Tierney & Kadane 1986, section 2)

    Examples
    --------
    >>> import numpyro.distributions as dist
    >>> from bayes_sandbox import Model, fit_laplace
    >>> model = Model({"mu": dist.Normal(0, 1)}, lambda mu: dist.Normal(mu, 1), observed=2.0)
    >>> round(fit_laplace(model).log_evidence, 6)  # exact here: the posterior is a Gaussian
    -2.265512
    """
    require_model(model)
    num_starts = integer(num_starts, "num_starts", at_least=1, example=16)
    check_seed(seed)
    started = time.perf_counter()
    coords = coordinates_of(model)
    starts = starting_positions(model, coords, seed, MORE * num_starts)
    found = search(model, coords, coords.log_density, starts, num_starts)
    surface = Surface(coords.log_density)
    humps = [h for m in found.modes if m.kind is Kind.PEAK and (h := _hump(surface, m)) is not None]
    why = _why_not(coords, found, humps, model.dimension)
    if why:
        return _declined(coords, found, tuple(humps), why, started)
    highest = max(humps, key=lambda h: h.log_density)
    fit = LaplaceFit(
        params=coords.params_at(highest.position),
        position=highest.position,
        scale=highest.scale,
        log_evidence=highest.log_mass,
        humps=tuple(sorted(humps, key=lambda h: -h.log_mass)),
        images="",
        unseen=0.0,
        probes=np.zeros((0, model.dimension)),
        converged=True,
        message=f"a Gaussian at the highest of {len(humps)} mode(s) in unconstrained coordinates",
        num_evaluations=found.num_evaluations + surface.num_evaluations,
        seconds=0.0,
    )
    fit = _with_images(model, coords, fit, starts)
    fit = _along_lines(model, coords, fit, as_rng(seed, "lines"))
    fit = _scanned(model, coords, fit, as_rng(seed, "scan"))
    return replace(fit, seconds=time.perf_counter() - started)


def _along_lines(model: Model, coords: Coordinates, fit: LaplaceFit, rng: np.random.Generator) -> LaplaceFit:
    """Return the fit with the modes that peaks on lines through its modes lead to, too."""
    probes = peaks_on_lines(coords, fit.humps, rng)
    return replace(climb_further(model, fit, probes), probes=probes) if len(probes) else fit


def _scanned(model: Model, coords: Coordinates, fit: LaplaceFit, rng: np.random.Generator) -> LaplaceFit:
    """Return the fit with the modes that short runs from many starts and colder draws lead to, too."""
    num = num_runs(coords)
    if not num:
        return fit
    prior = np.zeros((0, coords.dimension))
    if not model.improper:
        prior = coords.prior_positions(int(rng.integers(2**31)), num // 2)
    ends, heights = ends_of_runs(coords, spread_starts(coords, prior, num, rng))
    for _ in range(MAX_ROUNDS):
        further = [unexplained_ends(fit.humps, ends, heights), colder_draws(coords, _heavy(fit.humps), rng)]
        ahead = climb_further(model, fit, np.concatenate(further)) if sum(map(len, further)) else fit
        if len(ahead.humps) == len(fit.humps):
            break
        fit = ahead
    return replace(fit, unseen=unseen_share(assigned(fit.humps, ends, heights)))


def unvisited_modes(humps: Sequence[Hump], positions: np.ndarray, log_evidence: float) -> list[str]:
    """Return a sentence on modes whose Laplace mass matters and that no draw (…, d) came near, if there are any.

    Of many, as of mirror images, the heaviest is described and the others are counted.
    """
    flat, missed = positions.reshape(-1, positions.shape[-1]), []
    for hump in humps:
        if hump.log_mass < log_evidence - NO_MASS:
            continue
        distance = (np.linalg.solve(hump.scale, (flat - hump.position).T) ** 2).sum(axis=0).min()
        if distance > 2 * flat.shape[1] + 4:
            missed.append((hump.log_mass, float(np.sqrt(distance))))
    if not missed:
        return []
    mass, distance = max(missed)
    sentence = (
        f"a mode of Laplace log mass {mass:.2f} was found that no draw came near "
        f"(nearest {distance:.1f} standard deviations away)"
    )
    return [sentence + (f", and {len(missed) - 1} more" if len(missed) > 1 else "")]


def annealed_search(model: Model, fit: LaplaceFit, seed: Any, *, few: bool = False) -> LaplaceFit:
    """Return the fit with the modes to which annealed particles and wide draws lead, too, where densities are cheap.

    In few dimensions only with `few`: quadrature looks everywhere by itself.
    """
    coords, rng = coordinates_of(model), as_rng(seed, "annealed")
    num = num_particles(coords, few)
    if not num or model.improper or not fit.converged:
        return fit
    found = annealed(coords, coords.prior_positions(int(rng.integers(2**31)), num), rng)
    starts = unexplained_ends(fit.humps, found, coords.log_density_many(found))
    starts = np.concatenate([starts, hotter_draws(coords, _heavy(fit.humps), rng)])
    return climb_further(model, fit, starts) if len(starts) else fit


def _heavy(humps: Sequence[Hump]) -> list[Hump]:
    """Return the most massive modes, those that could hide another."""
    return [h for h in humps if h.log_mass > humps[0].log_mass - HEAVY][:MAX_HEAVY]


def check_laplace(laplace: Any, model: Model) -> None:
    """Raise `ArgumentError` unless `laplace` is None or a Laplace fit of this model."""
    if laplace is None:
        return
    instance(laplace, "laplace", LaplaceFit, "pass what fit_laplace(model) returned, or leave it out")
    shapes = {name: np.shape(value) for name, value in laplace.params.items()}
    if shapes != model.structure.shapes or laplace.position.shape != (model.dimension,):
        raise ArgumentError(
            f"laplace must be a fit of {model.name!r} with parameters {', '.join(model.structure.shapes)}, got one of "
            f"{', '.join(shapes)} in {laplace.position.size} dimension(s); pass what fit_laplace(model) returned"
        )
    if not laplace.converged:
        return
    found = float(coordinates_of(model).log_density_many(laplace.position[None])[0])
    height = max(h.log_density for h in laplace.humps)
    if not abs(found - height) <= MAX_HEIGHT_GAP[0] + MAX_HEIGHT_GAP[1] * abs(height):
        raise ArgumentError(
            f"laplace must be a fit of {model.name!r}, got one of other data or another prior (log density at its mode "
            f"{height:.6g}, here {found:.6g}); pass what fit_laplace(model) returned"
        )


def climb_further(model: Model, fit: LaplaceFit, starts: np.ndarray) -> LaplaceFit:
    """Return the fit with the modes that climbs from these positions (n, dimension) lead to, too."""
    coords = coordinates_of(model)
    found = search(model, coords, coords.log_density, starts, len(starts))
    surface = Surface(coords.log_density)
    humps = list(fit.humps)
    for mode in found.modes:
        if mode.kind is Kind.PEAK and not any(_is_at(h, mode) for h in humps):
            humps += [h for h in [_hump(surface, mode)] if h is not None]
    spent = fit.num_evaluations + found.num_evaluations + surface.num_evaluations
    fit = replace(fit, humps=tuple(sorted(humps, key=lambda h: -h.log_mass)), num_evaluations=spent)
    if not fit.converged:
        return fit
    highest = max(humps, key=lambda h: h.log_density)
    return replace(
        fit,
        params=coords.params_at(highest.position),
        position=highest.position,
        scale=highest.scale,
        log_evidence=highest.log_mass,
        message=f"a Gaussian at the highest of {len(humps)} mode(s) in unconstrained coordinates",
    )


def _is_at(hump: Hump, at: Climb) -> bool:
    gap = np.linalg.solve(hump.scale, at.position - hump.position)
    return bool(abs(hump.log_density + at.value) < 1e-4 and np.linalg.norm(gap) < SAME)


def _with_images(model: Model, coords: Coordinates, fit: LaplaceFit, points: np.ndarray) -> LaplaceFit:
    """Look for symmetries of the density, and climb to every image of the highest mode that was not found."""
    flat = coords.flat_at(fit.position)
    heights = np.array([h.log_density for h in fit.humps])
    equals = [h for h in fit.humps if abs(h.log_density - heights.max()) < 0.5 and h.position is not fit.position]
    modes = [flat, *(coords.flat_at(h.position) for h in equals)]
    # Far from a narrow mode nothing is seen of it: a symmetry of the rest must hold at the mode, too.
    at = np.concatenate([coords.flat_many(points[:NUM_POINTS]), modes])
    symmetries = find_symmetries(model, coords, at, modes)
    orbit = images(symmetries, flat)
    if len(orbit) == 1:
        return fit
    starts = coords.unconstrain_many(coords.unflatten(orbit[1:]), (len(orbit) - 1,))
    fit = _with_modes_at(coords, fit, starts[np.isfinite(starts).all(axis=1)])
    return replace(fit, images=images_sentence(symmetries, len(orbit)))


def _with_modes_at(coords: Coordinates, fit: LaplaceFit, positions: np.ndarray) -> LaplaceFit:
    """Return the fit with modes at these positions, images of one that is known: as high as it, wherever they lie."""
    surface, humps, highest = Surface(coords.log_density), list(fit.humps), max(h.log_density for h in fit.humps)
    for position in positions:
        at = Climb(position, surface.value(position), position[None], Kind.PEAK, position)
        same = abs(at.value + highest) < SAME_HEIGHT * (1 + abs(highest))
        if same and not any(_is_at(h, at) for h in humps):
            humps += [h for h in [_hump(surface, at)] if h is not None]
    message = f"a Gaussian at the highest of {len(humps)} mode(s) in unconstrained coordinates"
    spent = fit.num_evaluations + surface.num_evaluations
    humps.sort(key=lambda h: -h.log_mass)
    return replace(fit, humps=tuple(humps), message=message, num_evaluations=spent)


def _hump(surface: Surface, at: Climb) -> Hump | None:
    d = len(at.position)
    if d > LARGEST_HESSIAN:
        return None
    precision = surface.hessian(at.position)
    try:
        # chol(H⁻¹), not inv(chol(H)): the determinant agrees, the directions do not.
        scale = np.linalg.cholesky(np.linalg.inv(precision))
    except np.linalg.LinAlgError:
        return None
    if not np.isfinite(scale).all():
        return None
    log_volume = 0.5 * d * np.log(2 * np.pi) + np.log(np.diag(scale)).sum()
    return Hump(at.position, scale, -at.value, float(-at.value + log_volume))


def _why_not(coords: Coordinates, found: Search, humps: list[Hump], dimension: int) -> str:
    if found.trouble is not None:
        return trouble_sentence(coords, found.trouble)
    if not found.ends:
        return "no start had a finite density"
    if dimension > LARGEST_HESSIAN:
        return f"{dimension} coordinates would need a {dimension}×{dimension} Hessian"
    top = found.modes[0] if found.modes else None
    if top is None or top.kind is not Kind.PEAK:
        return "the highest point is no smooth peak, so that no Gaussian fits it"
    if not humps or humps[0].log_density < -top.value - 1e-9:
        return "the Hessian at the mode is singular"
    return ""


def _declined(coords: Coordinates, found: Search, humps: tuple[Hump, ...], why: str, started: float) -> LaplaceFit:
    d = coords.dimension
    end = found.trouble or found.best
    position = end.position if end is not None else np.zeros(d)
    return LaplaceFit(
        params=coords.params_at(position),
        position=position,
        scale=np.full((d, d), np.nan),
        log_evidence=np.nan,
        humps=humps,
        images="",
        unseen=0.0,
        probes=np.zeros((0, d)),
        converged=False,
        message=f"no Laplace approximation: {why}",
        num_evaluations=found.num_evaluations,
        seconds=time.perf_counter() - started,
    )

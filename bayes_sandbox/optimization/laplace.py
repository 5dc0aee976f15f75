"""What does a Gaussian at the mode say? The second-order Taylor polynomial of the log density, integrated."""

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..arguments import instance, integer
from ..coordinates import Coordinates, coordinates_of
from ..errors import ArgumentError
from ..model import Model, require_model
from ..seeds import as_rng, check_seed
from .climb import Climb, Kind
from .map import trouble_sentence
from .modes import SAME, Search, search
from .starts import MORE, starting_positions
from .surface import LARGEST_HESSIAN, Surface
from .symmetry import find_symmetries, images, images_sentence

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
    Where `converged` is False the numbers are NaN and `message` says why.
    """

    params: dict[str, np.ndarray]
    position: np.ndarray
    scale: np.ndarray
    log_evidence: float
    humps: tuple[Hump, ...]
    images: str
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
        converged=True,
        message=f"a Gaussian at the highest of {len(humps)} mode(s) in unconstrained coordinates",
        num_evaluations=found.num_evaluations + surface.num_evaluations,
        seconds=0.0,
    )
    return replace(_with_images(model, coords, fit, starts), seconds=time.perf_counter() - started)


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
    symmetries = find_symmetries(model, coords, coords.flat_many(points[:NUM_POINTS]), modes)
    orbit = images(symmetries, flat)
    if len(orbit) == 1:
        return fit
    starts = coords.unconstrain_many(coords.unflatten(orbit[1:]), (len(orbit) - 1,))
    fit = climb_further(model, fit, starts[np.isfinite(starts).all(axis=1)])
    return replace(fit, images=images_sentence(symmetries, len(orbit)))


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
        converged=False,
        message=f"no Laplace approximation: {why}",
        num_evaluations=found.num_evaluations,
        seconds=time.perf_counter() - started,
    )

"""What is in a NumPyro program, and what is wrong with it, before anything is fitted?"""

import functools
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax import lax
from numpyro import handlers
from numpyro.distributions import biject_to

from .errors import ModelError
from .program import ONE_AT_A_TIME
from .seeds import as_key
from .sites import bare


@dataclass(frozen=True)
class Structure:
    """What a program declares: its latent sites, its observed sites, and where its prior is no density."""

    shapes: dict[str, tuple[int, ...]]  # latent site -> shape, in the order of the program
    unconstrained_shapes: dict[str, tuple[int, ...]]  # latent site -> shape of its unconstrained coordinates
    example: dict[str, np.ndarray]  # one point of the prior's support
    data: dict[str, np.ndarray]  # observed site -> its values
    factors: tuple[str, ...]  # numpyro.factor terms
    improper: dict[str, str]  # latent site -> why its prior does not integrate to one
    guarded: tuple[str, ...]  # observed sites whose support moves with the parameters
    num_observations: int


def inspect_program(program: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Structure:
    """Trace a program twice and return its `Structure`; raise `ModelError` for what cannot be fitted."""
    trace, again = (_trace(program, args, kwargs, 0) for _ in range(2))
    for site in trace.values():
        _check_kind(site)
    _check_repeats(trace, again)
    samples = {n: s for n, s in trace.items() if s["type"] == "sample"}
    latent = {n: s for n, s in samples.items() if not s["is_observed"]}
    factors = {n: s for n, s in samples.items() if s["is_observed"] and isinstance(bare(s["fn"]), dist.Unit)}
    data = {n: s for n, s in samples.items() if s["is_observed"] and n not in factors}
    if not latent:
        raise ModelError("the program has no latent site: there is no parameter to infer; add a numpyro.sample")
    if not data and not factors:
        raise ModelError(
            "the program has no observed site and no factor: without data there is no likelihood; "
            "was `obs=` left out, or the data argument (y=...) not passed?"
        )
    for name, site in latent.items():
        _check_latent(name, site)
    guarded = _guarded(data, lambda: _trace(program, args, kwargs, 1))
    for name, site in data.items():
        _check_data(name, site, fixed_support=name not in guarded)
    return Structure(
        shapes={n: tuple(jnp.shape(s["value"])) for n, s in latent.items()},
        unconstrained_shapes={n: _unconstrained_shape(s) for n, s in latent.items()},
        example={n: np.asarray(s["value"]) for n, s in latent.items()},
        data={n: np.asarray(s["value"]) for n, s in data.items()},
        factors=tuple(factors),
        improper={n: why for n, s in latent.items() if (why := _improper(s))},
        guarded=guarded,
        num_observations=sum(_num_observed(s) for s in data.values()),
    )


def _trace(program: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], seed: int) -> Any:
    start = functools.partial(_start, np.random.default_rng(seed))
    try:
        with ONE_AT_A_TIME, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what they warn about is checked below, with a sentence
            # Values come first: a site that has one needs no random key, and none is made.
            placed = handlers.substitute(program, substitute_fn=start)
            seeded = handlers.seed(placed, as_key(seed))
            return handlers.trace(seeded).get_trace(*args, **kwargs)
    except ModelError:
        raise
    except Exception as error:  # the author's program may raise anything
        raise ModelError(_reason(error)) from error


def _start(rng: np.random.Generator, site: Any) -> Any:
    """Return a value near the middle of a site's support, as NumPyro's `init_to_uniform` chooses it."""
    if site["type"] != "sample" or site["is_observed"] or site["value"] is not None:
        return None
    support = site["fn"].support
    if support is None or support.is_discrete:
        return None
    try:
        transform = biject_to(support)
    except NotImplementedError:
        raise ModelError(
            f"the support of {site['name']!r} ({type(support).__name__.strip('_')}) has no smooth map from the real "
            "line; use a distribution on an interval, simplex or matrix support instead"
        ) from None
    return transform(jnp.asarray(rng.uniform(-2, 2, size=transform.inverse_shape(tuple(site["fn"].shape())))))


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    if "must have unique names" in text:
        return "a name is used twice in the program; every numpyro.sample needs a name of its own"
    if isinstance(error, TypeError) and "missing" in text and "argument" in text:
        return f"the program was not given all its arguments: {text}"
    return f"the program could not be run once: {type(error).__name__}: {text[:300]}"


def _check_kind(site: Any) -> None:
    name, kind = site["name"], site["type"]
    if kind == "param":
        raise ModelError(
            f"numpyro.param {name!r} is not a random variable and would stay at its first value; "
            "give it a prior with numpyro.sample, or pass it as an argument"
        )
    if kind == "plate" and site["args"][1] is not None and site["args"][0] != site["args"][1]:
        raise ModelError(
            f"plate {name!r} subsamples {site['args'][1]} of {site['args'][0]}: the density would be random; "
            "drop subsample_size"
        )
    if kind == "control_flow":
        raise ModelError(f"control flow {name!r} (scan, cond) with sites inside is not supported; use plates")


def _check_latent(name: str, site: Any) -> None:
    if _holds_delta(site["fn"]):
        raise ModelError(
            f"{name!r} has a Delta distribution as its prior, which has no density: it is a constant, not a parameter; "
            "use numpyro.deterministic, pass it as an input, or give it a narrow continuous prior"
        )
    support = site["fn"].support
    if support is None or support.is_discrete:
        raise ModelError(
            f"{name!r} is a discrete latent parameter ({type(bare(site['fn'])).__name__}); gradients and grids need "
            "continuous ones: sum it out by hand, e.g. with jax.scipy.special.logsumexp or a mixture distribution"
        )
    if not np.issubdtype(jnp.result_type(site["value"]), np.floating):
        raise ModelError(f"{name!r} is not real-valued; only real parameters are supported")


def _holds_delta(fn: Any) -> bool:
    """Whether a distribution is a point mass, or a mixture with one."""
    fn = bare(fn)
    inside = [getattr(fn, "base_dist", None), *(getattr(fn, "component_distributions", None) or ())]
    return isinstance(fn, dist.Delta) or any(_holds_delta(f) for f in inside if f is not None)


def _check_data(name: str, site: Any, fixed_support: bool) -> None:
    fn, value = site["fn"], np.asarray(site["value"])
    if value.dtype == object or value.dtype.kind not in "biuf":
        raise ModelError(
            f"the data of {name!r} must be real numbers, got dtype {value.dtype}; convert them with numpy.asarray"
        )
    if value.dtype == np.float32:
        warnings.warn(
            f"the data of {name!r} arrived in float32: its digits beyond the seventh are rounding; pass float64",
            stacklevel=2,
        )
    if value.size == 0:
        raise ModelError(f"the data of {name!r} is empty (shape {value.shape}); pass at least one observation")
    shape = tuple(fn.shape())
    try:
        fits = lax.broadcast_shapes(shape, value.shape) == value.shape
    except ValueError:
        fits = False
    if not fits:
        raise ModelError(
            f"the likelihood of {name!r} has shape {shape} but the data has shape {value.shape}; it must broadcast "
            "to the data (the reverse would count the same observation many times): reshape one of them"
        )
    used = ~_masked(site)
    if value.dtype.kind == "f" and np.isnan(value[used]).any():
        raise ModelError(
            f"the data of {name!r} has {int(np.isnan(value[used]).sum())} NaN; drop these rows, "
            "or mask them with numpyro.handlers.mask"
        )
    if fixed_support and not (inside := _inside(fn, value)[used]).all():
        raise ModelError(
            f"{int((~inside).sum())} of {inside.size} values of {name!r} lie outside the support of "
            f"{type(bare(fn)).__name__}, e.g. {value[used][~inside].flat[0]:g}; "
            "check the data, or choose a likelihood that can produce it"
        )


def _inside(fn: dist.Distribution, value: np.ndarray) -> np.ndarray:
    support = fn.support
    inside = np.asarray(support(value))
    inside = inside.reshape(inside.shape + (1,) * support.event_dim)
    return np.broadcast_to(inside, value.shape)


def _unconstrained_shape(site: Any) -> tuple[int, ...]:
    return tuple(biject_to(site["fn"].support).inverse_shape(jnp.shape(site["value"])))


def _masked(site: Any) -> np.ndarray:
    """Where the data is hidden by a mask, one boolean for each number in the data."""
    fn, shape = site["fn"], jnp.shape(site["value"])
    if not isinstance(fn, dist.MaskedDistribution):
        return np.zeros(shape, bool)
    hidden = ~np.asarray(fn._mask)
    event = (1,) * len(fn.event_shape)
    return np.broadcast_to(hidden.reshape(hidden.shape + event), shape)


def _num_observed(site: Any) -> int:
    return int((~_masked(site)).sum())


def _check_repeats(one: Any, other: Any) -> None:
    """Raise `ModelError` where two runs of a program at one point are not the same."""
    for name, site in one.items():
        if site["type"] not in ("sample", "deterministic"):
            continue
        if name not in other or not _same(_numbers(site), _numbers(other[name])):
            raise ModelError(
                f"the program is not the same when it is run twice at one point: {name!r} differs; it draws random "
                "numbers in Python (numpy.random) or changes its own data; draw them once and pass them as an argument"
            )


def _numbers(site: Any) -> list[np.ndarray]:
    """Return every number that the density of a site depends on."""
    fn = site.get("fn")
    parts = site["value"], vars(fn) if hasattr(fn, "log_prob") else None, site.get("scale")
    leaves = jax.tree.leaves(parts)
    return [np.asarray(x) for x in leaves if isinstance(x, bool | int | float | np.ndarray | np.generic | jax.Array)]


def _same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    """Whether two lists of numbers are equal; NaN equals NaN."""
    if len(one) != len(other):
        return False
    return all(
        np.array_equal(a, b, equal_nan=a.dtype.kind in "fc" and b.dtype.kind in "fc") for a, b in zip(one, other)
    )


def _guarded(data: Mapping[str, Any], trace_elsewhere: Callable[[], Any]) -> tuple[str, ...]:
    """Return the observed sites whose support moves with the parameters.

    A bound that is a Python number, or none, cannot depend on a parameter; only other bounds need a second point.
    """
    open_ones = [n for n, s in data.items() if any(hasattr(x, "dtype") for x in jax.tree.leaves(s["fn"].support))]
    elsewhere = trace_elsewhere() if open_ones else {}
    return tuple(n for n in open_ones if not _same_support(data[n], elsewhere[n]))


def _same_support(one: Any, other: Any) -> bool:
    try:
        return bool(one["fn"].support == other["fn"].support)
    except (TypeError, ValueError):
        return False


def _improper(site: Any) -> str:
    """Why the prior of a latent site is not a density, or an empty string."""
    fn = site["fn"]
    if site["scale"] is not None and not np.all(np.asarray(site["scale"]) == 1):
        return "its prior is scaled (numpyro.handlers.scale), which leaves it unnormalised"
    while True:
        if isinstance(fn, dist.MaskedDistribution) and not np.all(np.asarray(fn._mask)):
            return "its prior is masked, which leaves it flat"
        if isinstance(fn, dist.ImproperUniform):
            return "its prior is flat over an unbounded range (ImproperUniform)"
        if not hasattr(fn, "base_dist"):
            return ""
        fn = fn.base_dist

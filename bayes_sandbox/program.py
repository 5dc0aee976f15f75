"""How do a prior and a likelihood become one NumPyro program, and how is half of a program replaced?"""

import functools
import inspect
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import lax
from numpyro import handlers
from numpyro.primitives import Messenger

from .errors import ModelError, suggestion

Entry = Any  # a NumPyro distribution, or a function of earlier parameters and inputs that returns one

OBSERVED = "observed"  # the name of the pair form's observed site
ONE_AT_A_TIME = threading.RLock()  # NumPyro's handlers are one stack, for all threads


def _mend_numpyro() -> None:
    """Give NumPyro's packages the modules that they lost, for whoever imported ArviZ before it.

    ArviZ 1.3 has NumPyro loaded lazily, by `importlib.util.LazyLoader`: `import numpyro.distributions` then makes that
    package twice, and the second time its modules are there already and become nobody's attributes. What NumPyro
    itself looks up there, `numpyro.factor` its distribution of no extent, is not found.
    """
    for name in [n for n in sys.modules if n.startswith("numpyro.")]:
        package, _, module = name.rpartition(".")
        if package in sys.modules and not hasattr(sys.modules[package], module):
            setattr(sys.modules[package], module, sys.modules[name])


_mend_numpyro()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Have what a program says heard by nobody outside, while no other thread runs one."""
    with ONE_AT_A_TIME, handlers.block():
        yield


def argument_names(function: Callable[..., Any]) -> list[str]:
    """Return the names a function must be given; arguments with defaults and *args are its own affair."""
    parameters = inspect.signature(function).parameters.values()
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    for p in parameters:
        if p.kind is inspect.Parameter.POSITIONAL_ONLY:
            raise ModelError(f"argument {p.name!r} is positional-only; arguments are bound by name: remove the '/'")
    return [p.name for p in parameters if p.kind in named]


def bind(function: Callable[..., Any], values: Mapping[str, Any]) -> Any:
    """Call a function with those of `values` it names."""
    return function(**{name: values[name] for name in argument_names(function) if name in values})


def as_distribution(entry: Entry, values: Mapping[str, Any], role: str) -> dist.Distribution:
    """Return the distribution that an entry of the prior, or the likelihood, stands for at these values."""
    # `callable(dist.Normal(0, 1))` is True: ask for a distribution first.
    found = entry if isinstance(entry, dist.Distribution) else bind(entry, values)
    if not isinstance(found, dist.Distribution):
        raise ModelError(
            f"{role} must give a NumPyro distribution, got {_name(found)}; return e.g. dist.Normal(loc, scale)"
        )
    return found


def pair_program(prior: Mapping[str, Entry], likelihood: Callable[..., Any]) -> Callable[..., None]:
    """Return the NumPyro program `program(observed, **inputs)` that the pair means."""

    def program(observed: Any, **inputs: Any) -> None:
        values: dict[str, Any] = dict(inputs)
        for name, entry in prior.items():
            values[name] = numpyro.sample(name, as_distribution(entry, values, f"the prior of {name!r}"))
        numpyro.sample(OBSERVED, as_distribution(likelihood, values, "the likelihood"), obs=observed)

    return program


def check_pair(prior: Any, likelihood: Any, inputs: Any, observed: Any) -> None:
    """Raise `ModelError` where the parts cannot be bound to one another by name."""
    if not isinstance(prior, Mapping) or not prior:
        raise ModelError(
            f"prior must be a non-empty mapping of name -> distribution, got {_name(prior)}; write for example "
            'prior={"mu": dist.Normal(0, 1)}'
        )
    if not isinstance(inputs, Mapping):
        raise ModelError(
            f'inputs must be a mapping of name -> array, got {_name(inputs)}; write for example inputs={{"x": x}}'
        )
    if observed is None:
        raise ModelError("observed is None: a model without data has no evidence; pass observed=the_data")
    if isinstance(likelihood, dist.Distribution) or not callable(likelihood):
        raise ModelError(
            "likelihood must be a function of parameters and inputs that returns the distribution of `observed`, "
            f"got {_name(likelihood)}; write likelihood=lambda theta: dist.Normal(theta, 1)"
        )
    for name in [*prior, *inputs]:
        if not isinstance(name, str) or not name.isidentifier():
            raise ModelError(f"the name {name!r} is not a Python identifier; names bind function arguments")
        if name == OBSERVED:
            raise ModelError(f"the name {OBSERVED!r} is taken by the data; call this parameter or input something else")
    for name in prior:
        if name in inputs:
            raise ModelError(f"{name!r} is used twice: as a parameter and as an input; rename one")
    _check_names(prior, likelihood, inputs)


def _check_names(prior: Mapping[str, Entry], likelihood: Callable[..., Any], inputs: Mapping[str, Any]) -> None:
    known = list(inputs)
    for name, entry in prior.items():
        if not isinstance(entry, dist.Distribution):
            if not callable(entry):
                raise ModelError(
                    f"the prior of {name!r} must be a NumPyro distribution or a function returning one, "
                    f"got {_name(entry)}; a fixed number belongs in inputs"
                )
            _check_arguments(entry, known, f"the prior of {name!r}", later=list(prior))
        known.append(name)
    _check_arguments(likelihood, known, "the likelihood", later=[])


def _check_arguments(function: Callable[..., Any], known: list[str], role: str, later: list[str]) -> None:
    for p in inspect.signature(function).parameters.values():
        bindable = p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        if not bindable or p.default is not p.empty or p.name in known:
            continue
        if p.name in later:
            raise ModelError(
                f"{role} asks for {p.name!r}, which is not an earlier parameter; list {p.name!r} before it"
            )
        raise ModelError(
            f"{role} asks for {p.name!r}, which is neither a parameter nor an input{suggestion(p.name, known)}"
        )


def replace_prior(program: Callable[..., Any], replacements: Mapping[str, Entry]) -> Callable[..., Any]:
    """Return the program with another distribution at the named latent sites, expanded by their plates."""

    @functools.wraps(program)
    def replaced(*args: Any, **kwargs: Any) -> Any:
        arguments = inspect.signature(program).bind(*args, **kwargs).arguments
        with _ReplacePrior(replacements, dict(arguments)):
            return program(*args, **kwargs)

    return replaced


def as_many_as_observed(program: Callable[..., Any]) -> Callable[..., Any]:
    """Return the program with each likelihood expanded to its data: new data are as many as the old."""
    return _Expanded(program)


class _Expanded(Messenger):
    def process_message(self, msg: Any) -> None:
        if msg["type"] != "sample" or not msg["is_observed"] or isinstance(msg["fn"], dist.Unit):
            return
        shape = jnp.shape(msg["value"])
        batch = shape[: len(shape) - msg["fn"].event_dim]
        if tuple(msg["fn"].batch_shape) != batch:
            msg["fn"] = msg["fn"].expand(batch)


class LatentDraws(Messenger):
    """Chooses the value of each latent site by a function of the site and a key; the program is seeded within."""

    def __init__(self, draw: Callable[[Any, Any], Any]):
        self.draw = draw
        super().__init__(None)

    def process_message(self, msg: Any) -> None:
        if msg["type"] == "sample" and not msg["is_observed"] and msg["value"] is None:
            msg["value"] = self.draw(msg, msg["kwargs"]["rng_key"])


class _ReplacePrior(Messenger):
    def __init__(self, replacements: Mapping[str, Entry], values: dict[str, Any]):
        self.replacements, self.values = replacements, values
        super().__init__(None)

    def process_message(self, msg: Any) -> None:
        if msg["type"] != "sample" or msg["is_observed"] or msg["name"] not in self.replacements:
            return
        entry = self.replacements[msg["name"]]
        fn = as_distribution(entry, self.values, f"the prior of {msg['name']!r}")
        plates = [1] * max((-f.dim for f in msg["cond_indep_stack"]), default=0)
        for frame in msg["cond_indep_stack"]:
            plates[frame.dim] = frame.size
        msg["fn"] = fn.expand(lax.broadcast_shapes(tuple(fn.batch_shape), tuple(plates)))

    def postprocess_message(self, msg: Any) -> None:
        if msg["type"] in ("sample", "deterministic"):
            self.values[msg["name"]] = msg["value"]


def _name(value: Any) -> str:
    kind = type(value)
    return "None" if value is None else f"a {kind.__module__}.{kind.__name__}".replace("builtins.", "")

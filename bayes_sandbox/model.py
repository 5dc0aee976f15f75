"""What is the density of these parameters and these data? The one noun of the house."""

import functools
import hashlib
import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro import handlers
from numpyro.infer.util import compute_log_probs

from .arguments import integer, mapping, shown, text
from .compiler import compiled
from .counts import LargeCounts
from .data import as_array, owned, owned_distribution
from .errors import ModelError, suggestion
from .inspection import Structure, inspect_program
from .naming import describe, labels
from .program import (
    OBSERVED,
    Entry,
    LatentDraws,
    as_many_as_observed,
    check_pair,
    pair_program,
    replace_prior,
    undisturbed,
)
from .seeds import as_key, as_rng
from .sites import is_latent
from .supports import log_prob_at_edge, log_prob_inside

__all__ = ["Model", "ModelError", "Params", "require_model"]

Params = Mapping[str, Any]
PRIOR_BATCH = 512


class Model:
    """A prior and a likelihood: what is believed before the data, and how data come about.

    The joint density `p(D, θ) = p(D|θ) p(θ)`, with every normalising constant, in the user's own units.

    Parameters
    ----------
    prior
        Name → NumPyro distribution, or → a function of *earlier* parameters and of inputs that returns one.
    likelihood
        A function whose arguments are parameters and inputs, **by name**; it returns the distribution of `observed`.
    observed
        The data.
    inputs
        Name → array: everything known that is neither parameter nor data (predictors, counts, known errors).
    name
        What reports call it.

    Raises
    ------
    ModelError
        With a sentence, at construction, for everything that could not be fitted or would be misread.

    Examples
    --------
    >>> import numpyro.distributions as dist
    >>> from bayes_sandbox import Model
    >>> model = Model(
    ...     prior={"mu": dist.Normal(0, 5), "theta": lambda mu: dist.Normal(mu, 1)},
    ...     likelihood=lambda theta, scale: dist.Normal(theta, scale),
    ...     inputs={"scale": 2.0},
    ...     observed=[1.0, 2.5],
    ... )
    >>> model.dimension, model.parameters
    (2, ['mu', 'theta'])
    >>> float(model.log_prior({"mu": 0.0, "theta": 0.0})).__round__(4)
    -3.4473
    """

    def __init__(
        self,
        prior: Mapping[str, Entry],
        likelihood: Callable[..., dist.Distribution],
        observed: Any,
        inputs: Mapping[str, Any] | None = None,
        name: str = "model",
    ):
        inputs = {} if inputs is None else inputs
        check_pair(prior, likelihood, inputs, observed)
        entries = {k: owned_distribution(entry) for k, entry in prior.items()}
        self._pair: dict[str, Any] | None = {"prior": entries, "likelihood": likelihood}
        known = {k: as_array(v, f"input {k!r}") for k, v in inputs.items()}
        data = as_array(observed, "observed")
        self._assemble(pair_program(entries, likelihood), (), {OBSERVED: data, **known}, text(name, "name"))

    @classmethod
    def from_numpyro(cls, program: Callable[..., Any], *args: Any, name: str | None = None, **kwargs: Any) -> "Model":
        """Take any NumPyro program as it stands, with the arguments it is run with.

        Latent sites are the prior; observed sites and `numpyro.factor` terms are the likelihood.

        Examples
        --------
        >>> import numpyro
        >>> import numpyro.distributions as dist
        >>> from bayes_sandbox import Model
        >>> def program(y):
        ...     mu = numpyro.sample("mu", dist.Normal(0, 5))
        ...     numpyro.sample("y", dist.Normal(mu, 1), obs=y)
        >>> Model.from_numpyro(program, 1.5).dimension
        1
        """
        if isinstance(program, Model) or not callable(program):
            raise ModelError(
                f"from_numpyro takes a NumPyro program (a function), got {shown(program)}; pass the function itself, "
                "and its arguments after it"
            )
        if name is not None:
            text(name, "name")
        try:
            inspect.signature(program).bind(*args, **kwargs)
        except TypeError as error:
            raise ModelError(f"the program cannot be called with these arguments: {error}") from error
        args = tuple(owned(v, f"argument {i} of the program") for i, v in enumerate(args, 1))
        kwargs = {k: owned(v, f"argument {k!r} of the program") for k, v in kwargs.items()}
        model = cls.__new__(cls)
        model._pair = None
        model._assemble(program, args, kwargs, str(name or getattr(program, "__name__", "model")))
        return model

    def _assemble(
        self, program: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], name: str
    ) -> None:
        self.name = name
        self._program, self._args, self._kwargs = program, args, dict(kwargs)
        self.compiled: Any = None  # what `coordinates` compiles for this model is kept here
        self.structure: Structure = inspect_program(program, args, self._kwargs)
        self._check_traceable()
        self.parameters = [label for n, shape in self.structure.shapes.items() for label in labels(n, shape)]

    def _check_traceable(self) -> None:
        try:
            jax.make_jaxpr(self.log_parts)(self.structure.example)
        except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError) as error:
            raise ModelError(
                "the program looks at the value of a parameter in Python (an if, float() or NumPy call); "
                "use jnp.where and jax.numpy instead"
            ) from error

    def __getstate__(self) -> dict[str, Any]:
        """Return what travels to another process: what is compiled does not."""
        return {k: v for k, v in vars(self).items() if k != "_draw_batch"} | {"compiled": None}

    def __repr__(self) -> str:
        kind = "from_numpyro" if self._pair is None else "pair"
        return f"Model({self.name!r}, {kind}, parameters={self.parameters})"

    # --- densities: one point in the user's units; vmap for many -----------------------------------------

    def log_prior(self, params: Params) -> jax.Array:
        """Return log p(θ), a scalar; −∞ outside the prior's support. Raises `ModelError` for a missing name."""
        return sum(self.log_prior_by_site(params).values(), start=jnp.zeros(()))

    def log_prior_by_site(self, params: Params) -> dict[str, jax.Array]:
        """Return the terms of log p(θ): latent site → scalar, each given the ones before it."""
        log_probs, trace = self._log_probs(params)
        limits = {n: log_prob_at_edge(trace[n], log_probs[n]) for n in self.structure.shapes}
        return {n: jnp.sum(log_prob_inside(trace[n], limits[n])) for n in self.structure.shapes}

    def log_likelihood(self, params: Params) -> dict[str, jax.Array]:
        """Return log p(D|θ) pointwise: observed site → array; a `numpyro.factor` term under its own name."""
        log_probs, _ = self._log_probs(params)
        return {n: log_probs[n] for n in (*self.structure.data, *self.structure.factors)}

    def log_joint(self, params: Params) -> jax.Array:
        """Return log p(D, θ) = log p(D|θ) + log p(θ), a scalar; −∞ outside the prior's support."""
        return self.log_prior(params) + sum(jnp.sum(v) for v in self.log_likelihood(params).values())

    def log_parts(self, params: Params) -> tuple[jax.Array, jax.Array]:
        """Return (log prior, summed log likelihood) at parameters known to lie in the support."""
        terms = self.log_terms(params)
        prior = sum((terms[n] for n in self.structure.shapes), start=jnp.zeros(()))
        return prior, sum((v for n, v in terms.items() if n not in self.structure.shapes), start=jnp.zeros(()))

    def log_terms(self, params: Params) -> dict[str, jax.Array]:
        """Return what log p(D, θ) is the sum of: site → scalar, latent sites first, at parameters in the support."""
        log_probs, _ = self._log_probs(params)
        return {n: jnp.sum(log_probs[n]) for n in self.term_names}

    def _log_probs(self, params: Params) -> tuple[dict[str, jax.Array], Any]:
        values = self._checked(params)
        with undisturbed(), numpyro.validation_enabled(False):  # supports are looked at here, once
            program = LargeCounts(self._program)
            log_probs, trace = compute_log_probs(program, self._args, self._kwargs, values, sum_log_prob=False)
        for name in self.structure.guarded:  # NumPyro's log_prob does not look at the support
            log_probs[name] = log_prob_inside(trace[name], log_probs[name])
        return log_probs, trace

    def _checked(self, params: Params) -> dict[str, jax.Array]:
        values, params = {}, mapping(params, "params", "parameter name -> value")
        for name, shape in self.structure.shapes.items():
            if name not in params:
                raise ModelError(f"params lacks {name!r}{suggestion(name, map(str, params))}")
            values[name] = _real(name, params[name])
            if values[name].shape != shape:
                raise ModelError(
                    f"params[{name!r}] has shape {values[name].shape}, expected {shape}: "
                    "densities take one point; use jax.vmap for many"
                )
        return values

    # --- simulation ---------------------------------------------------------------------------------------

    def sample_prior(self, key: Any, n: int) -> dict[str, jax.Array]:
        """Return `n` draws from the prior: name → array (n, …). Raises `ModelError` where the prior is improper."""
        n = integer(n, "n", at_least=1, example=1000)
        self.require_proper("be sampled from its prior")

        size = -(-n // PRIOR_BATCH) * PRIOR_BATCH
        keys = as_rng(key, "prior").integers(2**32, size=(size, 2), dtype=np.uint32)
        batches = [self._draw_batch(keys[start : start + PRIOR_BATCH]) for start in range(0, len(keys), PRIOR_BATCH)]
        return {k: jnp.asarray(np.concatenate([b[k] for b in batches])[:n]) for k in self.structure.shapes}

    @functools.cached_property
    def _draw_batch(self) -> Callable[[np.ndarray], dict[str, jax.Array]]:
        """Prior draws for a batch of raw keys: compiled once, samplers being the slowest thing to compile."""

        def one(data: jax.Array) -> dict[str, jax.Array]:
            seeded = handlers.seed(self._program, jax.random.wrap_key_data(data))
            with undisturbed(), numpyro.validation_enabled(False):
                trace = handlers.trace(seeded).get_trace(*self._args, **self._kwargs)
            return {name: trace[name]["value"] for name in self.structure.shapes}

        return compiled(jax.vmap(one), hasty=True)

    def trace_prior(self, key: jax.Array, draw: Callable[[Any, Any], Any]) -> None:
        """Run the program once with latent values chosen by `draw(site, key)`, a key of its own for each site."""
        with undisturbed(), numpyro.validation_enabled(False), handlers.trace(), LatentDraws(draw):
            handlers.seed(self._program, key)(*self._args, **self._kwargs)

    def predict(self, key: Any, params: Params) -> dict[str, jax.Array]:
        """Return new data of the observed sites at one point θ. Raises `ModelError` where there are only factors."""
        if not self.structure.data:
            raise ModelError(f"{self.name!r} has only numpyro.factor terms: it has a density but cannot generate data")
        values = self._checked(params)
        with undisturbed():
            fresh = handlers.seed(handlers.uncondition(as_many_as_observed(self._program)), as_key(key))
            trace = handlers.trace(handlers.substitute(fresh, data=values)).get_trace(*self._args, **self._kwargs)
        return {name: trace[name]["value"] for name in self.structure.data}

    def deterministics(self, params: Params) -> dict[str, jax.Array]:
        """Return the program's `numpyro.deterministic` values at one point θ."""
        with undisturbed():
            program = handlers.substitute(handlers.seed(self._program, 0), data=self._checked(params))
            trace = handlers.trace(program).get_trace(*self._args, **self._kwargs)
        return {name: jnp.asarray(s["value"]) for name, s in trace.items() if s["type"] == "deterministic"}

    def site_distributions(self, params: Params) -> dict[str, dist.Distribution]:
        """Return the prior distribution of each latent site, given the other parameters at θ."""
        _, trace = self._log_probs(params)
        return {name: trace[name]["fn"] for name in self.structure.shapes}

    def trace_with(self, substitute_fn: Callable[[Any], Any]) -> Any:
        """Run the program once with latent values chosen by `substitute_fn(site)`; return NumPyro's trace."""
        with undisturbed(), numpyro.validation_enabled(False):
            program = handlers.substitute(self._program, substitute_fn=substitute_fn)
            return handlers.trace(program).get_trace(*self._args, **self._kwargs)

    def trace_at(self, params: Params) -> Any:
        """Return NumPyro's trace of the program with these values of its latent sites."""
        return self.trace_with(lambda site: params[site["name"]] if is_latent(site) else None)

    # --- one half stays, the other is swapped ---------------------------------------------------------------

    def with_prior(self, **entries: Entry) -> "Model":
        """Return a new model with these parameters' priors replaced, the likelihood unchanged.

        On a NumPyro program the new distribution is expanded by the plates of the site it replaces.
        """
        for name in entries:
            if name not in self.structure.shapes:
                raise ModelError(f"there is no parameter {name!r}{suggestion(name, self.structure.shapes)}")
        if self._pair is not None:
            pair = {**self._pair, "prior": {**self._pair["prior"], **entries}}
            return self._with_pair(pair, self._kwargs)
        for name, entry in entries.items():
            if not isinstance(entry, dist.Distribution) and not callable(entry):
                raise ModelError(f"the prior of {name!r} must be a NumPyro distribution, got {type(entry).__name__}")
        program = replace_prior(self._program, entries)
        return Model.from_numpyro(program, *self._args, name=self.name, **self._kwargs)

    def with_data(self, **data: Any) -> "Model":
        """Return a new model with this data (`observed=…`, inputs, or a program's arguments by name)."""
        if self._pair is not None:
            _check_known(data, self._kwargs)
            return self._with_pair(self._pair, {**self._kwargs, **data})
        signature = inspect.signature(self._program)
        bound = signature.bind(*self._args, **self._kwargs)
        _check_known(data, signature.parameters)
        bound.arguments.update(data)
        return Model.from_numpyro(self._program, *bound.args, name=self.name, **bound.kwargs)

    def _with_pair(self, pair: Mapping[str, Any], data: Mapping[str, Any]) -> "Model":
        inputs = {k: v for k, v in data.items() if k != OBSERVED}
        return Model(**pair, observed=data[OBSERVED], inputs=inputs, name=self.name)

    # --- what it is ---------------------------------------------------------------------------------------

    @property
    def term_names(self) -> tuple[str, ...]:
        """What each term of `log_terms` is called: latent sites, observed sites, factors."""
        return (*self.structure.shapes, *self.structure.data, *self.structure.factors)

    @property
    def description(self) -> dict[str, list[str]]:
        """The model in words: a line for each latent site's prior, and one for each observed site or factor."""
        lines: dict[str, str] = {}

        def read(params: Params) -> jax.Array:  # traced, so that whatever depends on a parameter shows itself
            _, trace = self._log_probs(params)
            lines.update({n: describe(n, trace[n]["fn"]) for n in (*self.structure.shapes, *self.structure.data)})
            return jnp.zeros(())

        jax.make_jaxpr(read)(self.structure.example)
        factors = [f"{n}: a numpyro.factor term" for n in self.structure.factors]
        return {
            "prior": [lines[n] for n in self.structure.shapes],
            "likelihood": [lines[n] for n in self.structure.data] + factors,
        }

    @property
    def observed(self) -> dict[str, np.ndarray]:
        """The data: observed site → array."""
        return dict(self.structure.data)

    @property
    def inputs(self) -> dict[str, np.ndarray]:
        """The inputs of the pair form, or a program's arguments that are arrays; the data is not among them."""
        bound = inspect.signature(self._program).bind(*self._args, **self._kwargs)
        given = dict(bound.arguments)
        given.update(given.pop("inputs", {}) if self._pair is not None else {})
        seen = [v.tobytes() for v in self.observed.values()]
        arrays = {k: np.asarray(v) for k, v in given.items() if _is_numeric(v)}
        return {k: v for k, v in arrays.items() if v.tobytes() not in seen}

    @property
    def data_sha256(self) -> str | None:
        """A hash of the observed values alone; None where there are only factors."""
        if not self.structure.data:
            return None
        digest = hashlib.sha256()
        for value in self.observed.values():
            plain = np.where(np.isnan(value), np.nan, value).astype(float) + 0.0  # one NaN, one zero, one dtype
            digest.update(str(plain.shape).encode() + plain.tobytes())
        return digest.hexdigest()

    @property
    def dimension(self) -> int:
        """How many unconstrained coordinates the parameters have; a simplex of 3 has 2."""
        return sum(math.prod(shape) for shape in self.structure.unconstrained_shapes.values())

    @property
    def num_observations(self) -> int:
        """How many numbers were observed; masked ones do not count."""
        return self.structure.num_observations

    @property
    def improper(self) -> dict[str, str]:
        """Parameter → why its prior does not integrate to one. Empty where the evidence exists."""
        return self.structure.improper

    def require_proper(self, purpose: str) -> None:
        """Raise `ModelError` where the prior does not integrate to one."""
        for name, why in self.improper.items():
            raise ModelError(f"{self.name!r} cannot {purpose}: {name!r} has no proper prior ({why}); give it one")


def require_model(model: Any) -> Model:
    """Return the model, or raise the sentence that says how to make one."""
    if isinstance(model, Model):
        return model
    if callable(model):
        raise ModelError(
            "expected a bayes_sandbox.Model, got a function; if it is a NumPyro program, wrap it: "
            "Model.from_numpyro(program, *args)"
        )
    raise ModelError(f"expected a bayes_sandbox.Model, got {type(model).__name__}; build one with Model(prior=…, …)")


def _check_known(data: Mapping[str, Any], known: Any) -> None:
    for name in data:
        if name not in known:
            raise ModelError(f"with_data: there is no {name!r}{suggestion(name, known)}")


def _real(name: str, value: Any) -> jax.Array:
    """Return the value of a parameter as a JAX array of floats."""
    try:
        if np.iscomplexobj(value):
            raise TypeError("it is complex")
        return jnp.asarray(value, float)
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"params[{name!r}] must be a number or an array of numbers, got {shown(value)}; pass its value"
        ) from error


def _is_numeric(value: Any) -> bool:
    return hasattr(value, "dtype") or isinstance(value, int | float | list | tuple)

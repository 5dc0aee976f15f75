"""A model changed in one respect, as `with_prior` and `with_data` change it in theirs."""

import inspect
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from numpyro import handlers
from numpyro.primitives import Messenger

from .errors import ModelError, suggestion
from .model import Model


def with_observations(model: Model, index: Any) -> Model:
    """Return the model of some of its observations: `index` picks along the first axis of the data.

    Every input, and every array a program is run with, whose first axis is as long as that of the data is cut with it.

    Raises
    ------
    ModelError
        Where the data have no such axis, or what is left does not fit together.

    Examples
    --------
    >>> import numpyro.distributions as dist
    >>> x, y = [1, 2, 3], [1.0, 2.0, 4.0]
    >>> model = Model({"b": dist.Normal(0, 1)}, lambda b, x: dist.Normal(b * x, 1), y, {"x": x})
    >>> with_observations(model, [0, 2]).observed["observed"].tolist()
    [1.0, 4.0]
    """
    length = num_rows(model)
    cut = {k: np.asarray(v)[index] for k, v in _arguments(model).items() if np.shape(v)[:1] == (length,)}
    return model.with_data(**cut)


def num_rows(model: Model) -> int:
    """Return how long the data's first axis is; raise `ModelError` where they have none, or several."""
    lengths = {value.shape[:1] for value in model.observed.values()}
    if len(lengths) != 1 or () in lengths:
        shapes = [value.shape for value in model.observed.values()]
        raise ModelError(
            f"{model.name!r} cannot be cut along its data: expected observed arrays of one length, got shapes {shapes}"
        )
    ((length,),) = lengths
    return length


def with_known(model: Model, **values: Any) -> Model:
    """Return the model in which these parameters are known: neither estimated nor paid for by a prior.

    Raises
    ------
    ModelError
        For a name that is no parameter.

    Examples
    --------
    >>> import numpyro.distributions as dist
    >>> prior = {"mu": dist.Normal(0, 5), "sigma": dist.HalfNormal(5)}
    >>> model = Model(prior, lambda mu, sigma: dist.Normal(mu, sigma), observed=[1.0, 2.5])
    >>> with_known(model, mu=0.0).parameters
    ['sigma']
    """
    for name in values:
        if name not in model.structure.shapes:
            raise ModelError(f"there is no parameter {name!r}{suggestion(name, model.structure.shapes)}")
    known = {name: jnp.asarray(value, float) for name, value in values.items()}

    def handle(program: Callable[..., Any]) -> Callable[..., Any]:
        return handlers.block(handlers.substitute(program, data=known), hide=list(known))

    return _handled(model, handle)


def with_powers(model: Model, *, prior: float = 1.0, likelihood: float = 1.0) -> Model:
    """Return the model whose log prior and log likelihood are multiplied by these powers.

    A prior to a power other than one has no constant that makes it integrate to one: the posterior stands, its
    evidence does not. A likelihood to the power 1/n is the lecture's mean loss.

    Examples
    --------
    >>> import numpyro.distributions as dist
    >>> model = Model({"mu": dist.Normal(0, 1)}, lambda mu: dist.Normal(mu, 1), observed=[2.0])
    >>> halved = with_powers(model, likelihood=0.5)
    >>> float(halved.log_joint({"mu": 1.0}) - 0.5 * model.log_joint({"mu": 1.0})).__round__(4)  # half a log prior
    -0.7095
    """
    if not (prior > 0 and likelihood > 0):
        raise ModelError(f"expected positive powers, got {prior} of the prior and {likelihood} of the likelihood")
    return _handled(model, lambda program: _Powers(program, prior, likelihood))


class _Powers(Messenger):
    """Multiplies the log density of latent sites by one number, of observed ones by another."""

    def __init__(self, program: Callable[..., Any], prior: float, likelihood: float):
        self._prior, self._likelihood = prior, likelihood
        super().__init__(program)

    def process_message(self, site: Any) -> None:
        if site["type"] != "sample":
            return
        power = self._likelihood if site["is_observed"] else self._prior
        if power != 1.0:  # a prior that is not touched stays one that integrates to one
            site["scale"] = power if site.get("scale") is None else site["scale"] * power


def _handled(model: Model, handle: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Model:
    return Model.from_numpyro(handle(model._program), *model._args, name=model.name, **model._kwargs)


def _arguments(model: Model) -> dict[str, Any]:
    """Return all arrays that the model's program is run with, by name."""
    bound = inspect.signature(model._program).bind(*model._args, **model._kwargs).arguments
    given = {**bound, **bound.get("inputs", {})} if model._pair is not None else bound
    return {k: v for k, v in given.items() if hasattr(v, "dtype") or isinstance(v, list | tuple)}

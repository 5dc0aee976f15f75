"""From a regularized loss to a model: which prior and likelihood have this objective as their −log joint?"""

import inspect
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from numpyro.distributions import constraints

from ..arguments import flag, integer, number, numbers, text
from ..errors import UserError, suggestion
from ..model import Model
from .libraries import Convention, find_convention
from .losses import LOSSES, Loss
from .penalties import PENALTIES, STEPPED, Penalty

FLAT = ("none", "non_negative", "ball")  # penalties that have no strength
POSITIVE = {  # the same penalty on w ≥ 0
    "none": PENALTIES["non_negative"].prior,
    "non_negative": PENALTIES["non_negative"].prior,
    "l2": lambda strength, shape: dist.HalfNormal(1 / jnp.sqrt(strength)).expand(shape).to_event(1),
    "l1": lambda strength, shape: dist.Exponential(strength).expand(shape).to_event(1),
}


def from_loss(
    loss: str,
    penalty: str = "none",
    *,
    x: Any,
    y: Any,
    strength: float = 1.0,
    convention: str = "sum",
    scale: Any = 1.0,
    intercept: Any = True,
    positive: bool = False,
    name: str | None = None,
    **options: Any,
) -> Model:
    """Which model has this regularized loss as its −log joint density?

    argmin Σᵢ l(f(xᵢ), yᵢ) + λ h(w), f(x) = intercept + x · w, is the mode of the model that is returned: its
    likelihood is exp(−weight · l), its prior exp(−weight · λ h), both with their normalising constants.

    Parameters
    ----------
    loss
        `squared`, `absolute`, `huber`, `quantile`, `logistic`, `multinomial` (y counts classes from 0) or `poisson`.
    penalty
        `none`, `l2`, `l1`, `elastic_net`, `group_lasso`, `student_t`, `horseshoe`, `non_negative`, `fused`, `smooth`
        or `ball`.
    x, y
        Features (n, p) and targets (n,).
    strength, convention
        λ, and whose: `sum` is Σ l + λ h; `mean` is (1/n) Σ l + λ h, whose λ is n times as strong; a library's
        estimator (`Ridge`, `Lasso`, …, `LogisticRegression`, whose strength is C) is what it says it minimises.
    scale
        The noise's: σ of a squared or Huber loss, b of an absolute or quantile one. A loss alone leaves it open; the
        posterior and the evidence need it. A distribution makes it a parameter, and the prior of w scales with it.
    intercept
        True: unpenalised, a flat prior, with which there is no evidence; False: none; or a prior of its own. Under
        `fused` and `smooth` it is the `level`, which is always there.
    positive
        w ≥ 0: a half-normal under `l2`, an exponential under `l1`.
    options
        `threshold` (of Huber's loss), `quantile`, `l1_ratio`, `size` of a group, `radius` of the ball, `width` of a
        Student-t or horseshoe.

    Returns
    -------
    Model
        With parameters `w`, `intercept`, `scale` as asked for; `fused` and `smooth` have `level` and `steps`, of which
        `weights` makes w.

    Raises
    ------
    UserError
        For a name that does not exist, and for the hinge, which is the −log density of no data.

    Examples
    --------
    >>> import numpy as np
    >>> from bayes_sandbox import fit_map
    >>> x, y = np.array([[1.0], [2.0], [3.0]]), np.array([1.1, 1.9, 3.2])
    >>> model = from_loss("squared", "l2", x=x, y=y, strength=2.0, convention="Ridge", intercept=False)
    >>> round(float(fit_map(model).params["w"][0]), 6), round(float(x[:, 0] @ y / (x[:, 0] @ x[:, 0] + 2.0)), 6)
    (0.90625, 0.90625)
    """
    law, prior = _loss(text(loss, "loss")), _penalty(text(penalty, "penalty"))
    strength, positive = number(strength, "strength"), flag(positive, "positive")
    _check_kinds(scale, intercept, options)
    whose = _convention(convention, law, prior)
    x, y = _data(x, y)
    of_loss, of_penalty = _options(law, prior, options)
    is_known = not isinstance(scale, dist.Distribution)

    def nats(scale: Any) -> Any:
        """Return λ of a loss that is a −log likelihood."""
        return whose.penalised(strength, len(y), scale) * scale**-law.power

    _check_numbers(prior, whose, strength, scale, is_known)
    if penalty == "student_t" and not (is_known and nats(float(scale)) > 0.5):
        raise UserError(
            "the Student-t penalty is a density only where λ in nats (strength × the loss's weight) is over ½"
        )
    make, shape = _made(prior, positive), _shape(law, prior, x, y, of_penalty)

    def weights_prior(scale: Any) -> dist.Distribution:
        return make(nats(scale), shape, **of_penalty)

    entries: dict[str, Any] = {} if is_known or not law.scaled else {"scale": scale}
    own, beside = ("steps", "level") if penalty in STEPPED else ("w", "intercept")
    entries[own] = weights_prior if "scale" in entries else weights_prior(float(scale) if law.scaled else 1.0)
    if beside == "level" or intercept is not False:
        entries[beside] = intercept if isinstance(intercept, dist.Distribution) else _flat_intercept(law, y)
    inputs = {"x": x} | ({"scale": float(scale)} if is_known and law.scaled else {})
    return Model(
        entries,
        _likelihood(law, tuple(entries), of_loss),
        observed=y,
        inputs=inputs,
        name=name or (loss if penalty == "none" else f"{loss} + {penalty}"),
    )


def weights(params: Any) -> Any:
    """Return the weights of a model that `from_loss` made, as a vector or matrix: w, or the walk of level and steps.

    >>> weights({"level": 1.0, "steps": np.array([0.0, 2.0])}).tolist()
    [1.0, 1.0, 3.0]
    """
    if "steps" in params:
        steps = jnp.asarray(params["steps"])
        return params["level"] + jnp.concatenate([jnp.zeros_like(steps[..., :1]), jnp.cumsum(steps, axis=-1)], axis=-1)
    return params["w"]


def _likelihood(law: Loss, names: tuple[str, ...], options: dict[str, float]) -> Callable[..., dist.Distribution]:
    """Return a likelihood whose arguments are the model's own, by name."""

    def likelihood(**given: Any) -> dist.Distribution:
        w = weights(given)
        if law.name != "multinomial":
            w = jnp.ravel(w)  # groups
        prediction = given["x"] @ w + given.get("intercept", 0.0)
        assert law.law is not None
        return law.law(prediction, given.get("scale", 1.0), **options)

    arguments = dict.fromkeys((*names, "x", *(["scale"] if law.scaled else [])))
    likelihood.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY) for n in arguments]
    )
    return likelihood


def _convention(name: str, law: Loss, prior: Penalty) -> Convention:
    """Return the convention of a strength; raise `UserError` where it is of another objective."""
    whose = find_convention(name)
    if law.name not in whose.losses or prior.name not in (*whose.penalties, "none"):
        raise UserError(
            f"{name} minimises {whose.objective}: a {' or '.join(whose.losses)} loss with "
            f"{' or '.join(whose.penalties)}, not {law.name} with {prior.name}"
        )
    return whose


def _data(x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(x), np.asarray(y)
    for name, array in (("x", x), ("y", y)):
        numbers(array.astype(int) if array.dtype == bool else array, name)
    if x.ndim != 2 or y.shape != x.shape[:1] or not x.size:
        raise UserError(
            f"expected features x (n, p) and n targets y, got shapes {x.shape} and {y.shape}; reshape one of them"
        )
    return x, y


def _check_kinds(scale: Any, intercept: Any, options: dict[str, Any]) -> None:
    """Raise `ArgumentError` where an argument is of a kind that it cannot be."""
    if not isinstance(scale, dist.Distribution):
        number(scale, "scale")
    if not isinstance(intercept, dist.Distribution):
        flag(intercept, "intercept")
    for name, value in options.items():
        if name == "size":
            integer(value, name, at_least=1)
        else:
            number(value, name)


def _check_numbers(prior: Penalty, whose: Convention, strength: float, scale: Any, is_known: bool) -> None:
    if is_known and not float(scale) > 0:
        raise UserError(f"expected a positive scale of the noise, got {scale}")
    if not is_known and whose.name == "HuberRegressor":
        raise UserError("HuberRegressor's strength means a prior only at a known scale: give a number")
    if strength < 0 or (prior.name not in FLAT and strength == 0):
        raise UserError(f"expected a positive strength, got {strength}; without a penalty it is penalty='none'")


def _loss(name: str) -> Loss:
    if name not in LOSSES:
        raise UserError(f"there is no loss {name!r}{suggestion(name, LOSSES)}; there are {', '.join(LOSSES)}")
    loss = LOSSES[name]
    if loss.law is None:
        raise UserError(
            f"the {name} loss is {loss.note}; a classifier that has a likelihood is logistic regression: use 'logistic'"
        )
    return loss


def _penalty(name: str) -> Penalty:
    if name not in PENALTIES:
        raise UserError(f"there is no penalty {name!r}{suggestion(name, PENALTIES)}; there are {', '.join(PENALTIES)}")
    return PENALTIES[name]


def _options(law: Loss, prior: Penalty, given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the loss's and the penalty's options, as given or as usual; `width` is a penalty's own scale."""
    known = {"width" if k == "scale" else k: v for k, v in prior.options.items()}
    for key in given:
        if key not in (*law.options, *known):
            raise UserError(
                f"{law.name} with {prior.name} takes {', '.join((*law.options, *known)) or 'no options'}, not {key!r}"
            )
    of_loss = {k: given.get(k, v) for k, v in law.options.items()}
    return of_loss, {"scale" if k == "width" else k: given.get(k, v) for k, v in known.items()}


def _made(prior: Penalty, positive: bool) -> Callable[..., dist.Distribution]:
    if not positive:
        return prior.prior
    if prior.name not in POSITIVE:
        raise UserError(f"positive weights go with {', '.join(POSITIVE)}, not with {prior.name}")
    return POSITIVE[prior.name]


def _shape(law: Loss, prior: Penalty, x: np.ndarray, y: np.ndarray, options: dict[str, Any]) -> tuple[int, ...]:
    p = x.shape[1]
    if law.name == "multinomial":
        if prior.name in ("group_lasso", "ball", *STEPPED):
            raise UserError(f"multinomial has a matrix of weights: use l2, l1 or elastic_net, not {prior.name}")
        return (p, int(y.max()) + 1)
    size = options.get("size")
    if size is not None and p % size:
        raise UserError(f"{p} weights do not part into groups of {size}")
    return (p - 1,) if prior.name in STEPPED else (p,)


def _flat_intercept(law: Loss, y: np.ndarray) -> dist.Distribution:
    if law.name == "multinomial":  # a constant added to all classes changes nothing
        return dist.ImproperUniform(constraints.zero_sum(1), (), (int(y.max()) + 1,))
    return dist.ImproperUniform(constraints.real, (), ())

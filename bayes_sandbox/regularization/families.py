"""How does a distribution's −log density read as a loss or a penalty? One row for each family."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpyro.distributions as dist

from .distributions import ElasticNet, GroupLaplace, HorseshoeLike, Huber, UniformBall, huber, norm, softplus


@dataclass(frozen=True)
class Family:
    """A family: its words, its term with `{r}` for the value from its loc, and what of its scale is left over.

    `term` and `latex` are templates over `{v}` (the value), `{r}` (value − loc) and the family's arguments; `value` is
    the term itself, elementwise; `log_of` names the argument whose log is counted once for each element.
    """

    words: str
    term: str
    latex: str
    value: Callable[[Any, Any], Any]
    arguments: tuple[str, ...] = ()
    log_of: str = ""
    where: str = ""  # the support, where it is not everything


def _z(fn: Any, v: Any) -> Any:
    return (v - fn.loc) / fn.scale


def _log_rate(fn: Any) -> Any:
    return jnp.log(fn.rate)


def logits_of(fn: Any) -> Any:
    """Return the log odds of a Bernoulli or binomial, whichever way it was written."""
    return fn.logits if hasattr(fn, "logits") else jnp.log(fn.probs) - jnp.log1p(-fn.probs)


def _logistic(fn: Any, v: Any) -> Any:
    f = logits_of(fn)
    total = getattr(fn, "total_count", 1)
    return total * softplus(f) - v * f


def _pinball(fn: Any, v: Any) -> Any:
    r = (v - fn.loc) / fn.scale
    return r * (fn.quantile - (r < 0))


NORMAL = Family(
    "L2", "½ ({r}/{scale})²", r"\tfrac12 ({r}/{scale})^2", lambda fn, v: _z(fn, v) ** 2 / 2, ("loc", "scale"), "scale"
)
LAPLACE = Family("L1", "|{r}|/{scale}", r"|{r}|/{scale}", lambda fn, v: jnp.abs(_z(fn, v)), ("loc", "scale"), "scale")
LOGISTIC = Family("logistic", "log(1 + eᶠ) − y f", r"\log(1 + e^f) - y f", _logistic)

FAMILIES: Mapping[type, Family] = MappingProxyType(
    {
        dist.Normal: NORMAL,
        dist.Laplace: LAPLACE,
        dist.StudentT: Family(
            "Student-t",
            "({df} + 1)/2 log(1 + ({r}/{scale})²/{df})",
            r"\tfrac{{{df} + 1}}{{2}} \log(1 + ({r}/{scale})^2/{df})",
            lambda fn, v: (fn.df + 1) / 2 * jnp.log1p(_z(fn, v) ** 2 / fn.df),
            ("df", "loc", "scale"),
            "scale",
        ),
        dist.Cauchy: Family(
            "Cauchy",
            "log(1 + ({r}/{scale})²)",
            r"\log(1 + ({r}/{scale})^2)",
            lambda fn, v: jnp.log1p(_z(fn, v) ** 2),
            ("loc", "scale"),
            "scale",
        ),
        dist.HalfNormal: Family(
            "L2",
            "½ ({v}/{scale})²",
            r"\tfrac12 ({v}/{scale})^2",
            lambda fn, v: (v / fn.scale) ** 2 / 2,
            ("scale",),
            "scale",
            "≥ 0",
        ),
        dist.HalfCauchy: Family(
            "Cauchy",
            "log(1 + ({v}/{scale})²)",
            r"\log(1 + ({v}/{scale})^2)",
            lambda fn, v: jnp.log1p((v / fn.scale) ** 2),
            ("scale",),
            "scale",
            "≥ 0",
        ),
        dist.Exponential: Family("L1", "{rate} {v}", r"{rate}\, {v}", lambda fn, v: fn.rate * v, ("rate",), "", "≥ 0"),
        dist.Gamma: Family(
            "Gamma",
            "{rate} {v} − ({concentration} − 1) log {v}",
            r"{rate}\, {v} - ({concentration} - 1) \log {v}",
            lambda fn, v: fn.rate * v - (fn.concentration - 1) * jnp.log(v),
            ("concentration", "rate"),
            where="> 0",
        ),
        dist.Beta: Family(
            "Beta",
            "−({concentration1} − 1) log {v} − ({concentration0} − 1) log(1 − {v})",
            r"-({concentration1} - 1) \log {v} - ({concentration0} - 1) \log(1 - {v})",
            lambda fn, v: -(fn.concentration1 - 1) * jnp.log(v) - (fn.concentration0 - 1) * jnp.log1p(-v),
            ("concentration1", "concentration0"),
            where="in [0, 1]",
        ),
        dist.Uniform: Family(
            "none", "0", "0", lambda fn, v: jnp.zeros(jnp.shape(v)), ("low", "high"), "", "in [{low}, {high}]"
        ),
        dist.ImproperUniform: Family("none", "0", "0", lambda fn, v: jnp.zeros(())),
        ElasticNet: Family(
            "elastic net",
            "|{v}|/{laplace_scale} + ½ ({v}/{normal_scale})²",
            r"|{v}|/{laplace_scale} + \tfrac12 ({v}/{normal_scale})^2",
            lambda fn, v: jnp.abs(v) / fn.laplace_scale + (v / fn.normal_scale) ** 2 / 2,
            ("laplace_scale", "normal_scale"),
        ),
        GroupLaplace: Family(
            "group lasso", "‖{v}‖/{scale}", r"\|{v}\|/{scale}", lambda fn, v: norm(v) / fn.scale, ("scale",)
        ),
        HorseshoeLike: Family(
            "horseshoe-like",
            "−log log(1 + ({scale}/{v})²)",
            r"-\log\log(1 + ({scale}/{v})^2)",
            lambda fn, v: -jnp.log(jnp.log1p(jnp.square(fn.scale / v))),
            ("scale",),
        ),
        UniformBall: Family("constraint", "0", "0", lambda fn, v: jnp.zeros(()), ("radius",), "", "‖{v}‖ ≤ {radius}"),
        Huber: Family(
            "Huber",
            "ρ({r}/{scale}), straight beyond {threshold}",
            r"\rho_{{{threshold}}}({r}/{scale})",
            lambda fn, v: huber(_z(fn, v), fn.threshold),
            ("loc", "scale", "threshold"),
            "scale",
        ),
        dist.AsymmetricLaplaceQuantile: Family(
            "quantile",
            "({r})({quantile} − [{v} < f])/{scale}",
            r"({r})({quantile} - [{v} < f])/{scale}",
            _pinball,
            ("loc", "scale", "quantile"),
            "scale",
        ),
        dist.BernoulliLogits: LOGISTIC,
        dist.BernoulliProbs: LOGISTIC,
        dist.BinomialLogits: Family("logistic", "n log(1 + eᶠ) − y f", r"n \log(1 + e^f) - y f", _logistic),
        dist.BinomialProbs: Family("logistic", "n log(1 + eᶠ) − y f", r"n \log(1 + e^f) - y f", _logistic),
        dist.CategoricalLogits: Family(
            "multinomial",
            "log Σₖ exp fₖ − f_y",
            r"\log \sum_k e^{{f_k}} - f_y",
            lambda fn, v: (
                jax.nn.logsumexp(fn.logits, axis=-1)
                - jnp.take_along_axis(fn.logits, jnp.asarray(v)[..., None], axis=-1)[..., 0]
            ),
        ),
        dist.Poisson: Family("Poisson", "eᶠ − y f", "e^f - y f", lambda fn, v: fn.rate - v * _log_rate(fn)),
    }
)
FLAT = {"none", "constraint"}  # words of what asks nothing of a value inside the support
LOSS_WORDS: Mapping[str, str] = MappingProxyType({"L2": "squared", "L1": "absolute"})
PENALTY_WORDS: Mapping[str, str] = MappingProxyType({"L2": "L2 (ridge, weight decay)", "L1": "L1 (lasso)"})

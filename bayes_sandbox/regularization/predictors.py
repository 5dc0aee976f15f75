"""Is the prediction of a model linear in its parameters, and in which columns?"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from ..model import Model
from ..sites import bare
from .families import logits_of

LINEAR = 1e-9  # relative change of a derivative between points that is rounding


@dataclass(frozen=True)
class Predictor:
    """f = offset + Σ design · params: `columns` maps each site that f depends on to its columns of `design`."""

    design: np.ndarray  # (n, columns)
    columns: dict[str, slice]
    offset: np.ndarray  # (n,)

    @property
    def intercepts(self) -> list[str]:
        """Sites whose one column is the same for every observation."""
        return [
            n
            for n, c in self.columns.items()
            if c.stop - c.start == 1 and np.ptp(self.design[:, c]) < LINEAR * np.abs(self.design[:, c]).max()
        ]


def predictor_of(model: Model, points: list[Any]) -> Predictor | None:
    """Return the linear prediction of a model with one observed site, or None where it is not linear."""
    if len(model.structure.data) != 1 or model.structure.factors:
        return None
    (site,) = model.structure.data

    def predicted(params: Any) -> jax.Array | None:
        value = prediction(bare(model.trace_at(params)[site]["fn"]))
        return None if value is None else jnp.broadcast_to(value, model.structure.data[site].shape).reshape(-1)

    if predicted(points[0]) is None:
        return None
    slopes = [{k: np.asarray(v) for k, v in jax.jacobian(predicted)(p).items()} for p in points]
    columns, parts, start = {}, [], 0
    for name in model.structure.shapes:
        first = slopes[0][name]
        if any(not np.allclose(s[name], first, rtol=LINEAR, atol=LINEAR * (1 + np.abs(first).max())) for s in slopes):
            return None
        if np.abs(first).max() > 0:
            part = first.reshape(len(first), -1)
            columns[name] = slice(start, start + part.shape[1])
            parts.append(part)
            start += part.shape[1]
    if not parts:
        return None
    design = np.concatenate(parts, axis=1)
    weights = np.concatenate([np.ravel(points[0][n]) for n in columns])
    offset = np.asarray(predicted(points[0])) - design @ weights
    return Predictor(
        design, columns, np.where(np.abs(offset) < LINEAR * (1 + np.abs(design @ weights).max()), 0.0, offset)
    )


def prediction(fn: Any) -> jax.Array | None:
    """Return f of a likelihood: its loc, its log odds or the log of its rate; None for what has no such number."""
    if isinstance(fn, dist.BernoulliLogits | dist.BernoulliProbs | dist.BinomialLogits | dist.BinomialProbs):
        return jnp.asarray(logits_of(fn))
    if isinstance(fn, dist.Poisson):
        return jnp.log(fn.rate)
    return jnp.asarray(fn.loc) if hasattr(fn, "loc") and not fn.event_shape else None

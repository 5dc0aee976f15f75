"""Run by `test_devices` in processes of their own: sums and chains on whatever devices there are, told as JSON."""

import json
import sys
from typing import Any

import bayes_sandbox as bs


def told() -> dict[str, Any]:
    import jax
    import jax.numpy as jnp
    import numpy as np
    import numpyro.distributions as dist

    from bayes_sandbox.devices import num_lanes

    x = np.random.default_rng(0).normal(size=(30, 3))
    y = (x.sum(axis=1) > 0).astype(float)
    prior = {"w": dist.Normal(0, 2).expand([3]).to_event(1)}
    logistic = bs.Model(prior, lambda w: dist.Bernoulli(logits=x @ w), observed=y, name="logistic")
    skew = bs.Model(
        {"a": dist.Normal(0, 3), "s": dist.HalfCauchy(1)}, lambda a, s: dist.StudentT(4, a, s), observed=x[:9, 0]
    )
    found: dict[str, Any] = {"devices": num_lanes(), "processes": jax.process_count()}
    ways = {"hermite": (logistic, "gauss-hermite"), "trapezoid": (skew, "trapezoid"), "cells": (skew, "cells")}
    for name, (model, rule) in ways.items():
        fit = bs.fit_grid(model, rule=rule, tolerance=1e-9 if rule != "cells" else 1e-4)
        found[name] = [fit.log_integral, *(float(v) for m in fit.mean.values() for v in np.ravel(m))]
        found[name] += [float(v) for m in fit.sd.values() for v in np.ravel(m)]
    if jax.process_count() == 1:
        nuts = bs.fit_nuts(logistic, num_warmup=100, num_samples=300)
        found["chains"] = nuts.draws["w"].mean(axis=(0, 1)).tolist()
        found["ess"] = float(jnp.asarray(list(nuts.diagnostics.ess_bulk.values())).min())
    return found


if __name__ == "__main__":
    if len(sys.argv) > 1:
        import jax

        jax.distributed.initialize(sys.argv[1], 2, int(sys.argv[2]))
    print(json.dumps(told()))

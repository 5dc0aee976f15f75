"""Published posteriors with a stated log evidence, by `compare` as it stands: within four errors, or not trusted.

The data stay where they are; without them this module has nothing to ask. Those that a grid sums alone are in
`test_posteriordb`.
"""

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest

import bayes_sandbox as bs

FOLDER = Path(__file__).parents[2] / "shared" / "data" / "posteriordb"
if not FOLDER.is_dir():
    pytest.skip("the posteriordb files are not here", allow_module_level=True)

DIGITS = 1e-8  # the stated values are rounded to ten figures


def dogs(data: dict[str, Any]) -> bs.Model:
    y = np.asarray(data["y"])
    zero = np.zeros((len(y), 1))
    avoided = np.concatenate([zero, np.cumsum(1 - y, axis=1)[:, :-1]], axis=1)[:, 1:]
    shocked = np.concatenate([zero, np.cumsum(y, axis=1)[:, :-1]], axis=1)[:, 1:]
    return bs.Model(
        {"a": dist.Uniform(0.0, 1.0), "b": dist.Uniform(0.0, 1.0)},
        lambda a, b, avoided, shocked: dist.Bernoulli(a**shocked * b**avoided),
        inputs={"avoided": avoided, "shocked": shocked},
        observed=y[:, 1:],
    )


def schools(centred: bool) -> Any:
    def make(data: dict[str, Any]) -> bs.Model:
        y, sigma = np.asarray(data["y"], float), np.asarray(data["sigma"], float)
        prior = {"mu": dist.Normal(0.0, 5.0), "tau": dist.HalfCauchy(5.0)}
        if centred:
            prior["theta"] = lambda mu, tau: dist.Normal(mu, tau).expand([8]).to_event(1)
            return bs.Model(prior, lambda theta: dist.Normal(theta, sigma), observed=y)
        prior["eps"] = dist.Normal(0.0, 1.0).expand([8]).to_event(1)
        return bs.Model(prior, lambda mu, tau, eps: dist.Normal(mu + tau * eps, sigma), observed=y)

    return make


def hidden_markov(data: dict[str, Any]) -> bs.Model:
    y = jnp.asarray(data["y"])

    def program() -> None:
        rows = jnp.stack([numpyro.sample(f"theta{i}", dist.Dirichlet(jnp.ones(2))) for i in (1, 2)])
        # The priors of the two means as they are written, not renormalised for 0 < μ₁ < μ₂.
        first = numpyro.sample("mu1", dist.TruncatedNormal(3.0, 1.0, low=0.0))
        second = numpyro.sample("mu2", dist.TruncatedNormal(10.0, 1.0, low=first))
        numpyro.factor(
            "cut", dist.Normal(3.0, 1.0).log_prob(first) - dist.TruncatedNormal(3.0, 1.0, low=0.0).log_prob(first)
        )
        numpyro.factor(
            "cut2",
            dist.Normal(10.0, 1.0).log_prob(second) - dist.TruncatedNormal(10.0, 1.0, low=first).log_prob(second),
        )
        seen = dist.Normal(jnp.stack([first, second]), 1.0).log_prob(y[:, None])

        def step(forward: Any, here: Any) -> Any:
            return jax.scipy.special.logsumexp(forward[:, None] + jnp.log(rows), axis=0) + here, None

        forward, _ = jax.lax.scan(step, seen[0], seen[1:])
        numpyro.factor("states", jax.scipy.special.logsumexp(forward))

    return bs.Model.from_numpyro(program)


def radon(data: dict[str, Any]) -> bs.Model:
    county = np.asarray(data["county_idx"]) - 1
    num = int(data["J"])
    return bs.Model(
        {
            "mu": dist.Normal(0.0, 10.0),
            "spread": dist.HalfNormal(1.0),
            "sigma": dist.HalfNormal(1.0),
            "alpha": lambda mu, spread: dist.Normal(mu, spread).expand([num]).to_event(1),
        },
        lambda alpha, sigma: dist.Normal(alpha[county], sigma),
        observed=np.asarray(data["log_radon"]),
    )


def radon_pooled(data: dict[str, Any]) -> bs.Model:
    normal = dist.Normal(0.0, 10.0)
    return bs.Model(
        {"alpha": normal, "beta": normal, "sigma": dist.HalfNormal(1.0)},
        lambda alpha, beta, sigma, floor: dist.Normal(alpha + beta * floor, sigma),
        inputs={"floor": np.asarray(data["floor_measure"], float)},
        observed=np.asarray(data["log_radon"]),
    )


def regression(data: dict[str, Any]) -> bs.Model:
    x = np.asarray(data["X"], float)
    return bs.Model(
        {"beta": dist.Normal(0.0, 10.0).expand([5]).to_event(1), "sigma": dist.HalfNormal(10.0)},
        lambda beta, sigma: dist.Normal(x @ beta, sigma),
        observed=np.asarray(data["y"], float),
    )


def seeds(data: dict[str, Any]) -> bs.Model:
    x1, x2 = (np.asarray(data[k], float) for k in ("x1", "x2"))
    normal = dist.Normal(0.0, 1.0)
    return bs.Model(
        {
            **dict.fromkeys(("alpha0", "alpha1", "alpha2", "alpha12"), normal),
            "sigma": dist.HalfCauchy(1.0),
            "b": lambda sigma: dist.Normal(0.0, sigma).expand([21]).to_event(1),
        },
        lambda alpha0, alpha1, alpha2, alpha12, b, total: dist.Binomial(
            total, logits=alpha0 + alpha1 * x1 + alpha2 * x2 + alpha12 * x1 * x2 + b
        ),
        inputs={"total": np.asarray(data["N"])},
        observed=np.asarray(data["n"]),
    )


MODELS = {
    "dogs-dogs_hierarchical": dogs,
    "eight_schools-eight_schools_centered": schools(centred=True),
    "eight_schools-eight_schools_noncentered": schools(centred=False),
    "hmm_example-hmm_example": hidden_markov,
    "radon_mn-radon_partially_pooled_centered": radon,
    "radon_mn-radon_pooled": radon_pooled,
    "sblrc-blr": regression,
    "sblri-blr": regression,
    "seeds_data-seeds_stanified_model": seeds,
}
FAST = {"eight_schools-eight_schools_centered", "sblrc-blr"}


@pytest.mark.parametrize("name", [n if n in FAST else pytest.param(n, marks=pytest.mark.slow) for n in MODELS])
def test_compare_finds_the_evidence_that_is_stated(name):
    entry = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    truth = entry["log_evidence"]
    found = bs.compare(MODELS[name](entry["data"]))
    for e in found.evidence:
        if e.trusted:
            assert abs(e.log_evidence - truth) < 4 * e.error + DIGITS * abs(truth), e
    assert found.best is not None, found.warnings
    assert abs(found.best.log_evidence - truth) < 0.1

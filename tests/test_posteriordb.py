"""Published posteriors with a stated log evidence, by grid: within the error given, or not trusted with a reason.

The data stay where they are; without them this module has nothing to ask.
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
from scipy import special

import bayes_sandbox as bs

FOLDER = Path(__file__).parents[2] / "shared" / "data" / "posteriordb"
if not FOLDER.is_dir():
    pytest.skip("the posteriordb files are not here", allow_module_level=True)

DIGITS = 1e-8  # the stated values are rounded to ten figures


def flat(*shape: int) -> dist.Distribution:
    return dist.ImproperUniform(dist.constraints.real, shape, ())


def rate(data: dict[str, Any]) -> bs.Model:
    return bs.Model({"theta": dist.Beta(1.0, 1.0)}, lambda theta: dist.Binomial(data["n"], theta), observed=data["k"])


def capture(data: dict[str, Any]) -> bs.Model:
    """Data augmentation: an animal never seen is either there and missed, or not there."""
    y = np.asarray(data["y"])
    caught = y.sum(axis=1)

    def program() -> None:
        omega = numpyro.sample("omega", dist.Uniform(0.0, 1.0))
        p = numpyro.sample("p", dist.Uniform(0.0, 1.0))
        seen = jnp.log(omega) + dist.Binomial(y.shape[1], p).log_prob(caught)
        missed = jnp.logaddexp(jnp.log(omega) + y.shape[1] * jnp.log1p(-p), jnp.log1p(-omega))
        numpyro.factor("animals", jnp.where(caught > 0, seen, missed).sum())

    return bs.Model.from_numpyro(program)


def peregrines(data: dict[str, Any]) -> bs.Model:
    normal = dist.Normal(0.0, 100.0)
    return bs.Model(
        {"alpha": normal, "beta1": normal, "beta2": normal},
        lambda alpha, beta1, beta2, year, n: dist.Binomial(n, logits=alpha + beta1 * year + beta2 * year**2),
        inputs={"year": np.asarray(data["year"], float), "n": np.asarray(data["N"])},
        observed=np.asarray(data["C"]),
    )


def arma(data: dict[str, Any]) -> bs.Model:
    y = jnp.asarray(data["y"])

    def likelihood(mu: Any, phi: Any, theta: Any, sigma: Any) -> dist.Distribution:
        def step(error: Any, pair: Any) -> Any:
            before, now = pair
            mean = mu + phi * before + theta * error
            return now - mean, mean

        first = mu + phi * mu
        _, rest = jax.lax.scan(step, y[0] - first, (y[:-1], y[1:]))
        return dist.Normal(jnp.concatenate([first[None], rest]), sigma)

    return bs.Model(
        {
            "mu": dist.Normal(0.0, 10.0),
            "phi": dist.Normal(0.0, 2.0),
            "theta": dist.Normal(0.0, 2.0),
            "sigma": dist.HalfCauchy(2.5),
        },
        likelihood,
        observed=y,
    )


def dogs(data: dict[str, Any]) -> bs.Model:
    y = np.asarray(data["y"])
    zero = np.zeros((len(y), 1))
    avoided = np.concatenate([zero, np.cumsum(1 - y, axis=1)[:, :-1]], axis=1)
    shocked = np.concatenate([zero, np.cumsum(y, axis=1)[:, :-1]], axis=1)
    return bs.Model(
        {"beta": dist.Normal(0.0, 100.0).expand([3])},
        lambda beta, avoided, shocked: dist.Bernoulli(logits=beta[0] + beta[1] * avoided + beta[2] * shocked),
        inputs={"avoided": avoided, "shocked": shocked},
        observed=y,
    )


def dugongs(data: dict[str, Any]) -> bs.Model:
    return bs.Model(
        {
            "alpha": dist.Normal(0.0, 1000.0),
            "beta": dist.Normal(0.0, 1000.0),
            "lambda_": dist.Uniform(0.5, 1.0),
            "tau": dist.Gamma(1e-4, 1e-4),
        },
        lambda alpha, beta, lambda_, tau, x: dist.Normal(alpha - beta * lambda_**x, tau**-0.5),
        inputs={"x": np.asarray(data["x"], float)},
        observed=np.asarray(data["Y"], float),
    )


def wells(data: dict[str, Any]) -> bs.Model:
    return bs.Model(
        {"beta": flat(2)},
        lambda beta, distance: dist.Bernoulli(logits=beta[0] + beta[1] * distance),
        inputs={"distance": np.asarray(data["dist"], float)},
        observed=np.asarray(data["switched"]),
    )


def kidiq(data: dict[str, Any]) -> bs.Model:
    return bs.Model(
        {"beta": flat(2), "sigma": dist.HalfCauchy(2.5)},
        lambda beta, sigma, iq: dist.Normal(beta[0] + beta[1] * iq, sigma),
        inputs={"iq": np.asarray(data["mom_iq"], float)},
        observed=np.asarray(data["kid_score"], float),
    )


MODELS = {
    "Rate_1_data-Rate_1_model": rate,
    "M0_data-M0_model": capture,
    "GLM_Binomial_data-GLM_Binomial_model": peregrines,
    "arma-arma11": arma,
    "dogs-dogs": dogs,
    "dugongs_data-dugongs_model": dugongs,
    "wells_data-wells_dist": wells,
    "kidiq-kidscore_momiq": kidiq,
}
HARD = {"dugongs_data-dugongs_model"}  # a thin tail to λ = 1 along which α and β run to their priors' 1000
FAST = {"Rate_1_data-Rate_1_model", "M0_data-M0_model"}
NAMES = [n if n in FAST else pytest.param(n, marks=pytest.mark.slow) for n in MODELS]


@pytest.fixture(scope="module")
def fits() -> dict[str, tuple[dict[str, Any], bs.GridFit]]:
    return {}


def fitted(fits: Any, name: str) -> tuple[dict[str, Any], bs.GridFit]:
    if name not in fits:
        entry = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        fits[name] = entry, bs.fit_grid(MODELS[name](entry["data"]))
    return fits[name]


def with_its_tail(data: dict[str, Any]) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the dugongs' evidence, whose stated value (2.6e-6 lower) stops short of λ = 1, and α and β's moments.

    Given λ and τ the lengths are normal, of mean 0 and covariance I/τ + 1000² A Aᵀ; in α − β and β the columns of A
    stay apart, 1 and 1 − λˣ. What is left is Simpson's over log(1 − λ) and a trapezoid over log τ.
    """
    x, y = (np.asarray(data[k], float) for k in ("x", "Y"))
    s, t = np.linspace(np.log(1e-9), np.log(0.5), 2001), np.linspace(np.log(1e-3), np.log(1e5), 801)
    tau, log_f, first, second = np.exp(t), *(np.empty((*k, len(s), len(t))) for k in ((), (2,), (2,)))
    root = 1000.0 * np.linalg.cholesky([[2.0, -1.0], [-1.0, 1.0]])
    for i, short in enumerate(np.exp(s)):
        columns = np.stack([np.ones_like(x), -np.expm1(x * np.log1p(-short))], axis=1) @ root
        size, turn = np.linalg.eigh(columns.T @ columns)
        grown = 1 + tau[:, None] * size
        pulled = tau[:, None] * (turn.T @ columns.T @ y)
        squares = tau * (y @ y) - (pulled**2 / grown).sum(axis=1)
        back = np.array([[1.0, 1.0], [0.0, 1.0]]) @ root @ turn  # to α and β
        first[:, i] = back @ (pulled / grown).T
        second[:, i] = first[:, i] ** 2 + back**2 @ (1 / grown).T
        log_f[i] = 0.5 * (len(y) * (t - np.log(2 * np.pi)) - np.log(grown).sum(axis=1) - squares)
    log_prior = 1e-4 * np.log(1e-4) - special.gammaln(1e-4) + 1e-4 * (t - tau)
    log_f += log_prior + s[:, None] + np.log(2.0)
    weight = np.where(np.arange(len(s)) % 2, 4.0, 2.0) / 3
    weight[[0, -1]] = 1 / 3
    share = weight[:, None] * np.exp(log_f - log_f.max())
    mean, square = ((m * share).sum(axis=(1, 2)) / share.sum() for m in (first, second))
    log_value = log_f.max() + np.log(share.sum() * (s[1] - s[0]) * (t[1] - t[0]))
    return float(log_value), mean, np.sqrt(square - mean**2)


@pytest.mark.parametrize("name", NAMES)
def test_the_evidence_is_the_one_stated(fits, name):
    entry, fit = fitted(fits, name)
    if entry["log_evidence"] is None:
        assert not fit.evidence.trusted
        assert np.isnan(fit.evidence.log_evidence)
        assert "proper prior" in fit.evidence.warnings[0]
    elif fit.evidence.trusted:
        stated = with_its_tail(entry["data"])[0] if name in HARD else entry["log_evidence"]
        gap = abs(fit.evidence.log_evidence - stated)
        assert gap <= fit.evidence.error + DIGITS * (1 + abs(stated))
    else:
        assert fit.evidence.warnings


@pytest.mark.parametrize("name", NAMES)
def test_it_settles(fits, name):
    _, fit = fitted(fits, name)
    assert fit.converged or name in HARD, fit.message


@pytest.mark.parametrize("name", NAMES)
def test_the_moments_are_the_references(fits, name):
    """To a thousandth of a standard deviation of what posteriordb's authors, or a quadrature, found."""
    entry, fit = fitted(fits, name)
    if not fit.converged:
        assert "converged" not in fit.message
        return
    reference = {k: v for k, v in entry["reference"].items() if k not in ("sigma", "U3") or "dugongs" not in name}
    means = np.array([v.get("exact_mean", v["mean"]) for v in reference.values()])
    sds = np.array([v.get("exact_sd", v["sd"]) for v in reference.values()])
    found_mean = np.concatenate([np.ravel(v) for v in fit.mean.values()])
    found_sd = np.concatenate([np.ravel(v) for v in fit.sd.values()])
    if name in HARD:  # the reference has no tail, where α and β are hundreds
        _, means[:2], sds[:2] = with_its_tail(entry["data"])
    np.testing.assert_array_less(np.abs(found_mean - means), 1e-3 * sds)
    np.testing.assert_allclose(found_sd, sds, rtol=2e-3)

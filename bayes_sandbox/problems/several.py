"""Posteriors of two to four parameters: corners, funnels, bananas, ridges, simplices and regressions."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from scipy import integrate, stats

from ..model import Model
from .problem import Problem
from .truths import cut_gaussian, linear_gaussian

# --- two dimensions ---


def laplace_pair() -> Model:
    x = np.array([[1.0, 0.8], [0.3, 1.1], [1.2, 1.0]])
    return Model(
        {"w": dist.Laplace(0.0, 0.7).expand([2]).to_event(1)},
        lambda w: dist.Normal(x @ w, 0.9),
        observed=np.array([0.4, 1.5, 0.9]),
    )


def laplace_pair_problem() -> Problem:
    """One weight by hand in each orthant, where the log density is a parabola; the other by quadrature."""
    x, y = np.array([[1.0, 0.8], [0.3, 1.1], [1.2, 1.0]]), np.array([0.4, 1.5, 0.9])
    noise, b = 0.9, 0.7
    p = x[:, 1] @ x[:, 1] / noise**2

    def inner(a: float) -> Any:
        """Return ∫ (1, w, w²) exp(…) dw at a first weight of a."""
        r = y - x[:, 0] * a
        constant = -(r @ r) / (2 * noise**2) - 3 * np.log(noise * np.sqrt(2 * np.pi)) - abs(a) / b - 2 * np.log(2 * b)
        found = np.zeros(3)
        for sign, lo, hi in ((1, 0.0, np.inf), (-1, -np.inf, 0.0)):
            q = x[:, 1] @ r / noise**2 - sign / b
            height = np.exp(constant + q**2 / (2 * p)) * np.sqrt(2 * np.pi / p)
            found += height * cut_gaussian(q / p, p**-0.5, lo, hi)
        return found

    def total(f: Any) -> float:
        return sum(integrate.quad(f, a, c, epsabs=1e-13, epsrel=1e-10)[0] for a, c in ((-8, 0), (0, 8)))

    mass = total(lambda a: inner(a)[0])
    mean = np.array([total(lambda a: a * inner(a)[0]), total(lambda a: inner(a)[1])]) / mass
    second = np.array([total(lambda a: a * a * inner(a)[0]), total(lambda a: inner(a)[2])]) / mass
    box, breaks = ((-8.0, 8.0), (-8.0, 8.0)), ((0.0, 0.0),)
    tags = frozenset({"kink", "correlated"})
    return Problem(
        "laplace pair", laplace_pair, 2, np.log(mass), {"w": mean}, {"w": np.sqrt(second - mean**2)}, tags, box, breaks
    )


def funnel() -> Model:
    return Model(
        {"v": dist.Normal(-1.0, 3.0), "x": lambda v: dist.Normal(0.0, jnp.exp(v / 2))},
        lambda x: dist.Normal(x, 0.5),
        observed=1.2,
    )


def banana() -> Model:
    return Model(
        {"a": dist.Normal(0.5, 1.2), "b": lambda a: dist.Normal(a**2, 0.6)},
        lambda a, b: dist.Normal(a + b, 0.4),
        observed=3.0,
    )


def steered_problem(name: str, make: Any, names: tuple[str, str], truth: Any, box: Any, *tags: str) -> Problem:
    log_evidence, mean, sd = truth
    return Problem(name, make, 2, log_evidence, dict(zip(names, mean)), dict(zip(names, sd)), frozenset(tags), box)


def nested_support() -> Model:
    return Model(
        {"hi": dist.Uniform(1.0, 3.0), "x": lambda hi: dist.Uniform(0.0, hi)},
        lambda x: dist.Normal(x, 0.5),
        observed=1.4,
    )


def nested_support_problem() -> Problem:
    def inner(hi: float) -> Any:
        return cut_gaussian(1.4, 0.5, 0.0, hi) / hi / 2

    def total(f: Any) -> float:
        return integrate.quad(f, 1.0, 3.0, epsrel=1e-12)[0]

    mass = total(lambda h: inner(h)[0])
    mean = np.array([total(lambda h: h * inner(h)[0]), total(lambda h: inner(h)[1])]) / mass
    second = np.array([total(lambda h: h * h * inner(h)[0]), total(lambda h: inner(h)[2])]) / mass
    sd = np.sqrt(second - mean**2)
    return Problem(
        "nested support",
        nested_support,
        2,
        np.log(mass),
        {"hi": mean[0], "x": mean[1]},
        {"hi": sd[0], "x": sd[1]},
        frozenset({"bounded", "edge"}),
    )


def ridge() -> Model:
    """Two weights of which the data know only the sum, to one part in a thousand."""
    return Model(
        {"a": dist.Normal(1.0, 10.0), "b": dist.Normal(-2.0, 10.0)},
        lambda a, b: dist.Normal(a + b, 0.01),
        observed=np.array([3.0]),
    )


def ridge_problem() -> Problem:
    log_evidence, mean, sd = linear_gaussian([[1.0, 1.0]], [3.0], [1.0, -2.0], [10.0, 10.0], 0.01)
    return Problem(
        "ridge",
        ridge,
        2,
        log_evidence,
        {"a": mean[0], "b": mean[1]},
        {"a": sd[0], "b": sd[1]},
        frozenset({"smooth", "gaussian", "correlated"}),
    )


DICE = np.array([3, 1, 7])
CONCENTRATION = np.array([1.0, 2.0, 0.8])


def dice() -> Model:
    return Model({"p": dist.Dirichlet(CONCENTRATION)}, lambda p: dist.Multinomial(11, p), observed=DICE)


def dice_problem() -> Problem:
    after = stats.dirichlet(CONCENTRATION + DICE)
    return Problem(
        "dice",
        dice,
        2,
        stats.dirichlet_multinomial(CONCENTRATION, 11).logpmf(DICE),
        {"p": after.mean()},
        {"p": np.sqrt(after.var())},
        frozenset({"simplex", "skewed"}),
    )


# --- regressions ---

DESIGN = np.column_stack([np.ones(6), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], [0.1, 1.2, 1.8, 3.3, 3.9, 5.2]])  # correlated
RESPONSE = np.array([1.4, 2.9, 5.3, 7.2, 8.8, 11.1])
WEIGHT_LOC, WEIGHT_SCALE, NOISE = np.array([1.0, -0.5, 0.5]), np.array([2.0, 1.5, 3.0]), 0.7


def regression() -> Model:
    return Model(
        {"w": dist.Normal(WEIGHT_LOC, WEIGHT_SCALE).to_event(1)},
        lambda w, x: dist.Normal(x @ w, NOISE),
        inputs={"x": DESIGN},
        observed=RESPONSE,
        name="regression",
    )


def regression_problem() -> Problem:
    log_evidence, mean, sd = linear_gaussian(DESIGN, RESPONSE, WEIGHT_LOC, WEIGHT_SCALE, NOISE)
    tags = frozenset({"smooth", "gaussian", "correlated"})
    return Problem("regression", regression, 3, log_evidence, {"w": mean}, {"w": sd}, tags)


NOISE_SHAPE, NOISE_SCALE, LINE_SCALE = 3.0, 2.0, np.array([3.0, 2.0])


def noisy_line() -> Model:
    """A line with unknown noise: normal–inverse-gamma."""
    return Model(
        {
            "variance": dist.InverseGamma(NOISE_SHAPE, NOISE_SCALE),
            "w": lambda variance: dist.Normal(0.0, jnp.sqrt(variance) * LINE_SCALE).to_event(1),
        },
        lambda w, variance, x: dist.Normal(x @ w, jnp.sqrt(variance)),
        inputs={"x": DESIGN[:, :2]},
        observed=RESPONSE,
    )


def noisy_line_problem() -> Problem:
    x, y, n = DESIGN[:, :2], RESPONSE, len(RESPONSE)
    shape = np.eye(n) + (x * LINE_SCALE**2) @ x.T
    prior = stats.multivariate_t(np.zeros(n), NOISE_SCALE / NOISE_SHAPE * shape, df=2 * NOISE_SHAPE)
    a, b = NOISE_SHAPE + n / 2, NOISE_SCALE + y @ np.linalg.solve(shape, y) / 2
    covariance = np.linalg.inv(np.diag(LINE_SCALE**-2.0) + x.T @ x)
    after = stats.invgamma(a, scale=b)
    return Problem(
        "noisy line",
        noisy_line,
        3,
        prior.logpdf(y),
        {"variance": after.mean(), "w": covariance @ x.T @ y},
        {"variance": after.std(), "w": np.sqrt(np.diag(covariance) * b / (a - 1))},
        frozenset({"skewed", "correlated"}),
    )


def four_weights() -> Model:
    x = four_weights_design()
    return Model(
        {"w": dist.Normal(0.5, 2.0).expand([4]).to_event(1)},
        lambda w: dist.Normal(x @ w, 1.1),
        observed=x @ np.array([1.0, -2.0, 0.5, 3.0]) + 0.3,
    )


def four_weights_design() -> Any:
    rng = np.random.default_rng(4)
    return rng.normal(size=(15, 4)) @ np.array([[1, 0.9, 0, 0], [0, 0.4, 0, 0], [0, 0, 1, -0.8], [0, 0, 0, 0.5]])


def four_weights_problem() -> Problem:
    x = four_weights_design()
    y = x @ np.array([1.0, -2.0, 0.5, 3.0]) + 0.3
    log_evidence, mean, sd = linear_gaussian(x, y, np.full(4, 0.5), np.full(4, 2.0), 1.1)
    tags = frozenset({"smooth", "gaussian", "correlated"})
    return Problem("four weights", four_weights, 4, log_evidence, {"w": mean}, {"w": sd}, tags)

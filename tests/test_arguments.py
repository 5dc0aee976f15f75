"""Bad arguments by the hundreds, over the whole public API: a typed error with one sentence that names the argument."""

import math
import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import jax
import numpy as np
import numpyro.distributions as dist
import pytest

import bayes_sandbox as bs
from bayes_sandbox.errors import ArgumentError, UserError
from bayes_sandbox.optimization import LANDSCAPES, bowl, posterior_landscape
from bayes_sandbox.regularization import choose_scales, fit_gaussian, prior_scale, strength_of

Call = Callable[[Any], Any]
SECONDS = 1.0  # of this process, for one refusal: compiling a model takes about as long
DELTA = {"p": dist.Beta(2, 2)}

COUNTS = (0, -1, 2.5, 3.0, math.nan, "3", True, [3], None)
NUMBERS = (math.nan, math.inf, "1", True, None, [1.0, 2.0], 1j)
POSITIVE = (*NUMBERS, 0, -1.5)
LIMITS = (math.nan, "60", True, None, 0, -1, [60.0, 1.0], 1j)  # infinity is no limit
SEEDS = (1.5, "zero", None, True, [1, 2], math.nan, np.array([1, 2]), {})
STUDY_SEEDS = (*SEEDS, -1)
SWITCHES = ("yes", 1, None, [])
PROBABILITIES = (2, -0.1, math.nan, "half", None, True)
METHODS = ("grdi", ["grid", "nothing"], 3, None, [3], {"grid": 1}, True)
MAPPINGS = (3, "mu", None, [("p", 0.5)], np.zeros(2))
MODELS = (None, 3, "coin", lambda p: p, dist.Normal(0, 1), [1.0])
LAPLACE = (3, "laplace", {}, np.zeros(1))
DRAWS = (3, "draws", [1.0], np.zeros((4, 100)), {"q": np.zeros((4, 100))}, {"p": np.zeros(100)}, {"p": np.ones((2, 5))})
FOLDERS = (3, None, "", "a\0b", b"run", [])
NAMES = (3, "", "  ", b"coin", ["coin"])
TEXTS = (3, None, ["squared"], b"squared")
ARRAYS = ("x", None, [["a"]], [[math.nan]], [[1j]], [[True, None]])
DATA = (None, "text", [1.0, None], [1j], [], object(), np.array([1.0], np.longdouble), [math.nan, 1.0])


@cache
def coin() -> bs.Model:
    return bs.Model(DELTA, lambda p, n: dist.Binomial(n, p), observed=3, inputs={"n": 10}, name="coin")


@cache
def pair() -> bs.Model:
    prior = {"mu": dist.Normal(0, 5), "sigma": dist.HalfNormal(2)}
    return bs.Model(prior, lambda mu, sigma: dist.Normal(mu, sigma), observed=[0.3, 1.2, 0.8], name="pair")


@cache
def compared() -> bs.Comparison:
    return bs.compare(coin(), methods=["grid"], evidence=["grid"])


@cache
def laplace() -> bs.LaplaceFit:
    return bs.fit_laplace(coin())


@cache
def grid() -> bs.GridFit:
    found = compared().grid
    assert found is not None
    return found


def keyword(function: Callable[..., Any], *given: Callable[[], Any], name: str, **others: Any) -> Call:
    """Return the call of a function with one of its keyword arguments left open."""
    return lambda value: function(*(make() for make in given), **{name: value, **others})


def of(function: Callable[..., Any], *given: Callable[[], Any], **bad: Any) -> Iterator[tuple[str, str, Call, Any]]:
    for name, values in bad.items():
        for value in values:
            yield function.__name__, name, keyword(function, *given, name=name), value


def table() -> Iterator[tuple[str, str, Call, Any]]:
    """Yield (function, argument, call, bad value)."""
    nuts = {"num_warmup": COUNTS, "num_samples": COUNTS, "num_chains": COUNTS}
    maybe_nuts = {k: v[:-1] if k != "num_samples" else v for k, v in nuts.items()}  # None is the usual
    yield from of(bs.fit_map, coin, num_starts=COUNTS, seed=SEEDS, coordinates=("native", 3, None, ["params"]))
    yield from of(bs.fit_laplace, coin, num_starts=COUNTS, seed=SEEDS)
    yield from of(bs.fit_nuts, coin, **maybe_nuts, seed=SEEDS, progress=SWITCHES, laplace=LAPLACE)
    numbers = {"tolerance": tuple(v for v in POSITIVE if v is not None), "max_evaluations": LIMITS, "budget": LIMITS}
    names = {"rule": ("simpson", 3, None), "precision": ("float16", 32, None)}
    bad_draws = (3, "draws", np.zeros(3), [[math.nan]], np.zeros((4, 5, 2)))
    grids = {"seed": SEEDS, "laplace": LAPLACE, "progress": SWITCHES, "draws": bad_draws}
    yield from of(bs.fit_grid, coin, **numbers, **names, **grids)
    shared = {"budget": LIMITS, "draws": DRAWS}
    yield from of(bs.estimate_evidence, coin, methods=METHODS, seed=SEEDS, progress=SWITCHES, **shared)
    yield from of(bs.predict_costs, coin, methods=METHODS, **shared, **nuts)
    evidence = tuple(v for v in METHODS if v is not None)
    methods = (*METHODS[1:], "mpa")
    places = (None, 3, "folder")
    yield from of(
        bs.compare, coin, methods=methods, evidence=evidence, checkpoints=places, seed=SEEDS, **shared, **nuts
    )
    yield from of(bs.compare, coin, progress=SWITCHES)
    yield from results()
    yield from models()
    yield from studies()
    yield from regularizers()


def results() -> Iterator[tuple[str, str, Call, Any]]:
    for function in (bs.fit_map, bs.fit_laplace, bs.fit_nuts, bs.fit_grid, bs.estimate_evidence, bs.predict_costs):
        for value in MODELS:
            yield function.__name__, "Model", function, value
    for function in (bs.compare, bs.explain, posterior_landscape):
        for value in MODELS:
            yield function.__name__, "Model", function, value
    for value in PROBABILITIES:
        yield "GridFit.quantile", "probability", lambda p: grid().quantile(p), value
        yield "Marginal.quantile", "probability", lambda p: grid().marginals["p"].quantile(p), value
    for value in COUNTS:
        yield "LaplaceFit.sample", "num_samples", lambda n: laplace().sample(0, n), value
    for value in SEEDS:
        yield "LaplaceFit.sample", "seed", lambda s: laplace().sample(s, 10), value
    for value in FOLDERS:
        yield "Comparison.report", "folder", lambda f: compared().report(f), value
    for value in ({}, {"p": "half"}, {"p": math.nan}, {"q": 0.5}, *MAPPINGS):
        yield "savage_dickey", "", lambda at: bs.savage_dickey(compared(), at=at), value
    for value in (None, 3, coin, "compared"):
        yield "savage_dickey", "done", lambda done: bs.savage_dickey(done, at={"p": 0.5}), value
    two = lambda: [coin(), coin()]  # noqa: E731
    for value in (None, 3, "models", [], [3, 4], {"a": 1, "b": 2}, b"ab", {3: 4}):
        yield "compare_models", "models", bs.compare_models, value
    for value in ([1.0], ["a", "b"], [1.0, -1.0], [math.nan, 1.0], 3, {"a": 1}):
        yield "compare_models", "prior", lambda p: bs.compare_models(two(), prior_probabilities=p), value
    for value in (3, [("a", "b")], {"a": {}}, {("coin", "dime"): {"p": 0.5}}, {("coin", "coin (2)"): 0.5}):
        yield "compare_models", "nested", lambda n: bs.compare_models(two(), nested=n), value
    for value in SEEDS:
        yield "compare_models", "seed", lambda s: bs.compare_models(two(), seed=s), value


def models() -> Iterator[tuple[str, str, Call, Any]]:
    for value in COUNTS:
        yield "Model.sample_prior", "n", lambda n: coin().sample_prior(0, n), value
    for value in SEEDS:
        yield "Model.sample_prior", "seed", lambda s: coin().sample_prior(s, 10), value
        yield "Model.predict", "seed", lambda s: coin().predict(s, {"p": 0.5}), value
    for value in (*MAPPINGS, {}, {"q": 0.5}, {"p": "half"}, {"p": [0.1, 0.2]}, {"p": None}, {"p": 1j}):
        for name in ("log_prior", "log_joint", "log_likelihood", "deterministics", "site_distributions"):
            yield f"Model.{name}", "params", lambda v, name=name: getattr(coin(), name)(v), value
        yield "Model.predict", "params", lambda v: coin().predict(0, v), value
    for value in NAMES:
        yield "Model", "name", lambda v: bs.Model(DELTA, lambda p: dist.Binomial(9, p), 3, name=v), value
        yield "Model.from_numpyro", "name", lambda v: bs.Model.from_numpyro(lambda: None, name=v), value
    for value in DATA:
        yield "Model", "observed", lambda v: bs.Model({"m": dist.Normal(0, 1)}, lambda m: dist.Normal(m, 1), v), value
    for value in (*MAPPINGS[:2], [("n", 1)], {"n": None}, {"n": "x"}, {"p": 1}, {3: 1}, {"a b": 1}):
        yield "Model", "", lambda v: bs.Model(DELTA, lambda p: dist.Binomial(9, p), 3, inputs=v), value
    for value in (*MAPPINGS, {}, {"p": 3}, {"p": "beta"}, {3: dist.Beta(1, 1)}, {"p": dist.Delta(0.5)}):
        yield "Model", "", lambda v: bs.Model(v, lambda p: dist.Binomial(9, p), 3), value
    for value in (None, 3, "binomial", dist.Normal(0, 1), lambda q: q):
        yield "Model", "likelihood", lambda v: bs.Model(DELTA, v, 3), value
    for value in (None, 3, "program", {}, [1], coin):
        yield "from_numpyro", "", lambda v: bs.Model.from_numpyro(v() if v is coin else v), value
    for value in (3, None, "beta"):
        yield "Model.with_prior", "p", lambda v: coin().with_prior(p=v), value
    for value in DATA:
        yield "Model.with_data", "observed", lambda v: pair().with_data(observed=v), value
    for value in (None, 3, lambda: None, "ab"):
        yield "run_tasks", "tasks", lambda v: bs.run_tasks(len, v), value
    for value in (0, -1, 2.5, "two", True, object()):
        yield "run_tasks", "executor", lambda v: bs.run_tasks(len, ["a"], executor=v), value
    for value in (None, 3, "folder"):
        yield "run_tasks", "checkpoints", lambda v: bs.run_tasks(len, ["a"], checkpoints=v), value
    for value in (None, 3, "len"):
        yield "run_tasks", "do", lambda v: bs.run_tasks(v, ["a"]), value


def studies() -> Iterator[tuple[str, str, Call, Any]]:
    common = {"seed": STUDY_SEEDS, "fast": SWITCHES, "progress": SWITCHES, "checkpoints": (None, 3, "folder")}
    names = ("polynomialz", 3, None, [3], [])
    some = {
        bs.study_dimension: {"families": names, "methods": names, "dimensions": (0, "2", [0], [2.5], [], None, [True])}
        | {"tolerance": POSITIVE, "budget": LIMITS},
        bs.study_problems: {"names": (3, None, [3]), "methods": METHODS[:3], "num_seeds": COUNTS},
        bs.study_calibration: {"methods": METHODS, "names": (3, [3])}
        | {"num_seeds": COUNTS, "num_trials": COUNTS},
        bs.study_prior_width: {"value": NUMBERS, "parameter": NAMES}
        | {"scales": (3j, "1", [], [0.0], [-1.0], [math.nan])},
        bs.study_order: {"families": names},
        bs.study_sequential: {"num_steps": (2.5, "3", True, None), "num_orders": (2.5, "3", True, None)},
        bs.study_sensitivity: {"powers": ([], "2", [math.nan], None, [-1.0])},
        bs.study_regularization: {"data": TEXTS, "penalties": names, "order": COUNTS}
        | {"strengths": ("1", [math.nan], [1j])},
        bs.study_coordinates: {"heads": COUNTS, "tosses": COUNTS, "num_draws": COUNTS},
        bs.study_optimizers: {"landscapes": names, "optimizers": names, "num_steps": COUNTS}
        | {"dimensions": (0, "2", [0], [2.5], [], None)},
    }  # fmt: skip
    for study, bad in some.items():
        yield from of(study, **common, **bad)
    for study in (bs.study_prior_width, bs.study_sensitivity, bs.study_sequential):
        for value in MODELS[1:]:
            yield study.__name__, "Model", study, value


def regularizers() -> Iterator[tuple[str, str, Call, Any]]:
    x, y = np.arange(6.0).reshape(3, 2), np.array([1.0, 2.0, 3.0])
    good = {"loss": "squared", "penalty": "l2", "x": x, "y": y}
    bad = {"loss": ("hinge", "sqared", *TEXTS), "penalty": ("l3", *TEXTS), "x": (*ARRAYS, y), "y": (*ARRAYS, y[:2])}
    bad |= {"strength": (*NUMBERS, -1.0), "scale": POSITIVE, "intercept": SWITCHES, "positive": SWITCHES}
    bad |= {"convention": ("Rigde", *TEXTS), "name": NAMES[:1], "l1_ratio": (0.5,)}
    for name, values in bad.items():
        for value in values:
            yield "from_loss", name, lambda v, name=name: bs.from_loss(**{**good, name: v}), value
    for name, values in {"optimizer": ("adamm", 3), "step_size": POSITIVE, "num_steps": COUNTS}.items():
        usual = {"landscape": LANDSCAPES["bowl"], "optimizer": "adam"}
        for value in values:
            yield "descend", name, lambda v, name=name, usual=usual: bs.descend(**{**usual, name: v}), value
    for value in (None, 3, "bowl", coin):
        yield "descend", "landscape", lambda v: bs.descend(v, "adam"), value
    for value in ("here", [1.0], [math.nan, 1.0], 3.0):
        yield "descend", "start", lambda v: bs.descend(LANDSCAPES["bowl"], "adam", start=v), value
    for value in STUDY_SEEDS:
        yield "descend", "seed", lambda v: bs.descend(LANDSCAPES["bowl"], "adam", seed=v), value
    for value in COUNTS:
        yield "descend", "batch", lambda v: bs.descend(LANDSCAPES["bowl"], "sgd", batch=v), value
    for value in ([], "1", [math.nan]):
        yield "bowl", "curvatures", bowl, value
    for value in POSITIVE:
        yield "prior_scale", "strength", lambda v: prior_scale("Ridge", v), value
        yield "strength_of", "prior", lambda v: strength_of("Ridge", v), value
        yield "fit_gaussian", "scale", lambda v: fit_gaussian(x, y, prior_scale=1.0, scale=v), value
        yield "fit_gaussian", "prior_scale", lambda v: fit_gaussian(x, y, prior_scale=v, scale=1.0), value
        if value is not None:
            yield "choose_scales", "scale", lambda v: choose_scales(x, y, scale=v), value


ROWS = list(table())


def named(row: tuple[str, str, Call, Any]) -> str:
    function, argument, _, value = row
    return f"{function}-{argument}-{str(value)[:20]!r}"


@pytest.fixture(scope="module", autouse=True)
def _made_once() -> None:
    for make in (coin, pair, compared, laplace):
        make()


def refused(call: Call, value: Any) -> UserError:
    """Return the typed error of a call, which must come before anything is computed."""
    started = time.process_time()
    with pytest.raises(UserError) as caught:
        call(value)
    assert time.process_time() - started < SECONDS
    return caught.value


@pytest.mark.parametrize("row", ROWS, ids=named)
def test_a_bad_argument_is_one_sentence(row: tuple[str, str, Call, Any]) -> None:
    _, argument, call, value = row
    said = str(refused(call, value))
    assert argument in said
    assert "\n" not in said
    assert "Traceback" not in said
    assert 20 < len(said) < 500
    assert said == said.strip()


def test_there_are_hundreds() -> None:
    assert len(ROWS) > 300
    assert {function for function, *_ in ROWS} >= {"fit_grid", "compare", "Model", "study_order", "from_loss"}


def test_a_type_that_is_wrong_is_a_type_error_too() -> None:
    for call in (lambda: bs.fit_map(coin(), seed="x"), lambda: bs.fit_nuts(coin(), num_samples=2.5)):
        with pytest.raises(TypeError):
            call()
        with pytest.raises(ArgumentError):
            call()
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        bs.fit_map(coin(), num_start=3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        bs.predict_costs(coin(), num_sample=3)


def test_a_laplace_fit_of_another_model_is_refused() -> None:
    other_data, other_name = coin().with_data(observed=9), coin().with_prior(p=dist.Beta(20, 1))
    for model in (other_data, other_name, pair()):
        for fit in (bs.fit_grid, bs.fit_nuts):
            with pytest.raises(ArgumentError, match="laplace must be a fit of"):
                fit(model, laplace=laplace())
    declined = bs.fit_laplace(bs.Model({"x": dist.Uniform(0, 1)}, lambda x: dist.Exponential(1.0), 1.0))
    if not declined.converged:
        with pytest.raises(ArgumentError, match="no Gaussian"):
            declined.sample(0, 3)


@pytest.mark.parametrize(
    "seed", [2**70, -(2**70), -1, 2**63, 2**64 - 1, np.int64(3), jax.random.key(3), jax.random.PRNGKey(3)]
)
def test_any_integer_or_key_is_a_seed(seed: Any) -> None:  # fmt: skip
    one, two = (coin().sample_prior(seed, 5)["p"] for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert laplace().sample(seed, 3).shape == (3, 1)


def test_a_seed_of_many_bits_is_a_seed_of_its_own() -> None:
    seeds = (2**70, 2**70 + 1, -(2**70), 2**64, 0)
    draws = [float(coin().sample_prior(seed, 1)["p"][0]) for seed in seeds]
    assert len(set(draws)) == len(seeds)


def test_what_is_right_is_left_alone() -> None:
    fit = bs.fit_grid(coin(), budget=math.inf, max_evaluations=np.float64(1e6), tolerance=1e-5, laplace=laplace())
    assert fit.evidence.trusted
    assert fit.quantile(0)["p"] <= fit.quantile(np.float32(0.5))["p"] <= fit.quantile(1)["p"]
    assert fit.marginals["p"].quantile([0.1, 0.9]).shape == (2,)
    assert bs.fit_map(coin(), num_starts=np.int64(2)).converged

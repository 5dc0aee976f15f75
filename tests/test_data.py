"""Data belong to the model: copied at construction, and refused where JAX or the copy would misread them."""
# ruff: noqa: NPY002  numpy.random is what some of these programs are refused for

import itertools
import random
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import pytest

import bayes_sandbox as bs

Y = np.array([1.0, 2.5, -0.5])


class Data(NamedTuple):
    x: np.ndarray
    y: np.ndarray


def line(data: Any) -> None:
    slope = numpyro.sample("slope", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(slope * data["x"], 1), obs=data["y"])


def mean_of(y: Any) -> None:
    numpyro.sample("y", dist.Normal(numpyro.sample("mu", dist.Normal(0, 1)), 1), obs=y)


def test_a_pair_keeps_its_data_when_the_caller_changes_them() -> None:
    x, y, loc, prior = np.ones(3), Y.copy(), np.zeros(3), {}
    prior["b"] = dist.Normal(loc, np.ones(3)).to_event(1)
    model = bs.Model(prior, lambda b, x: dist.Normal(b * x, 1), y, {"x": x})
    at = {"b": np.full(3, 0.5)}
    before, hashed = float(model.log_joint(at)), model.data_sha256
    x[:], y[:], loc[:] = 7.0, 8.0, 9.0
    prior["c"] = prior.pop("b")
    assert float(model.log_joint(at)) == before
    assert model.data_sha256 == hashed
    assert model.with_prior(b=dist.Normal(np.zeros(3), 1.0).to_event(1)).parameters == ["b[0]", "b[1]", "b[2]"]


@pytest.mark.parametrize("nest", [dict, lambda **kw: {"x": kw["x"], "y": kw["y"], "more": ([kw["y"]], {kw["n"]})}])
def test_a_program_keeps_its_data_when_the_caller_changes_them(nest) -> None:
    x, y = np.ones(3), Y.copy()
    model = bs.Model.from_numpyro(line, nest(x=x, y=y, n=3))
    before = float(model.log_joint({"slope": 0.5}))
    x[:], y[:] = 7.0, 8.0
    assert float(model.log_joint({"slope": 0.5})) == before
    np.testing.assert_array_equal(model.observed["y"], Y)


def test_a_named_tuple_and_a_data_frame_keep_their_kind() -> None:
    def program(data: Data, frame: Any) -> None:
        slope = numpyro.sample("slope", dist.Normal(0, 1))
        numpyro.sample("y", dist.Normal(slope * data.x, 1), obs=jnp.asarray(frame["y"].to_numpy()))

    data, frame = Data(np.ones(3), Y.copy()), pd.DataFrame({"y": Y})
    model = bs.Model.from_numpyro(program, data, frame)
    before = float(model.log_joint({"slope": 0.5}))
    data.x[:] = 7.0
    frame.loc[:, "y"] = 8.0
    assert float(model.log_joint({"slope": 0.5})) == before


def test_the_data_of_a_model_cannot_be_written_to() -> None:
    for model in (
        bs.Model.from_numpyro(mean_of, Y),
        bs.Model({"mu": dist.Normal(0, 1)}, lambda mu: dist.Normal(mu, 1), Y),
    ):
        with pytest.raises(ValueError, match="read-only"):
            next(iter(model.observed.values()))[0] = 3.0


def centred_in_place(y: Any) -> None:
    y -= y.mean() + 1
    mean_of(y)


def test_a_program_that_writes_to_its_data_is_refused() -> None:
    with pytest.raises(bs.ModelError, match="read-only"):
        bs.Model.from_numpyro(centred_in_place, Y.copy())


def test_masked_values_can_be_modelled_as_the_sentence_says() -> None:
    y = np.ma.masked_equal([1.0, 999.0, 3.0], 999.0)
    prior, law = {"mu": dist.Normal(0, 1)}, lambda mu, seen: dist.Normal(mu, 1).mask(seen)
    with pytest.raises(bs.ModelError, match=r"seen=~array.mask"):
        bs.Model(prior, lambda mu: dist.Normal(mu, 1), y)
    masked = bs.Model(prior, law, y.filled(0), {"seen": ~y.mask})
    dropped = bs.Model(prior, lambda mu: dist.Normal(mu, 1), y.compressed())
    assert masked.num_observations == 2
    assert float(masked.log_joint({"mu": 0.3})) == pytest.approx(float(dropped.log_joint({"mu": 0.3})), abs=1e-12)


def test_a_masked_array_without_a_masked_value_is_an_array() -> None:
    plain, masked = (bs.Model.from_numpyro(mean_of, y) for y in (Y, np.ma.masked_array(Y)))
    assert plain.data_sha256 == masked.data_sha256


BAD = {
    "masked": (np.ma.masked_equal([1.0, 999.0], 999.0), "masked"),
    "long double": (np.array([1.0, 2.0], np.longdouble), "long double"),
    "complex": (np.array([1.0 + 0j, 2.0]), "real numbers"),
    "text": (np.array(["a", "b"]), "numbers"),
    "an object": (object(), "numbers"),
    "a date": (np.array(["2020-01-01"], "datetime64[D]"), "numbers"),
    "pandas with a missing integer": (pd.Series([1, None], dtype="Int64"), "NaN|missing"),
    "pandas with a missing float": (pd.Series([1.0, np.nan]), "NaN"),
    "pandas with a missing text": (pd.Series(["a", None]), "missing"),
    "a list with None": ([1.0, None], "missing"),
    "a list with a masked value": ([1.0, np.ma.masked], "NaN"),
}


@pytest.mark.filterwarnings("ignore:Warning. converting a masked element to nan")
@pytest.mark.parametrize("name", BAD)
def test_data_that_are_no_numbers_are_refused(name) -> None:
    value, word = BAD[name]
    for as_input in (False, True):
        observed, x = ([1.0, 2.0], value) if as_input else (value, 1.0)
        with pytest.raises(bs.ModelError, match=word) as caught:
            bs.Model({"mu": dist.Normal(0, 1)}, lambda mu, x: dist.Normal(mu * x, 1), observed, {"x": x})
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["masked", "long double", "complex", "text", "pandas with a missing float"])
def test_a_program_refuses_them_too(name) -> None:
    value, _ = BAD[name]
    with pytest.raises(bs.ModelError):
        bs.Model.from_numpyro(mean_of, value if not isinstance(value, pd.Series) else value.to_numpy())


def normal(y: Any = Y, *, loc: float = 0.0, scale: float = 1.0) -> None:
    numpyro.sample("y", dist.Normal(numpyro.sample("mu", dist.Normal(loc, 1)), scale), obs=y)


COUNTER = itertools.count(1)
RANDOM = {
    "data": lambda: normal(np.random.rand(3)),
    "a scale": lambda: normal(scale=1 + np.random.rand()),
    "a prior": lambda: normal(loc=random.random()),
    "a generator of its own": lambda: normal(Y + np.random.default_rng().normal(size=3)),
    "a factor": lambda: numpyro.factor("f", -(numpyro.sample("mu", dist.Normal(0, 1)) ** 2) + np.random.rand()),
    "a counter": lambda: normal(scale=next(COUNTER)),
    "a scaled site": lambda: numpyro.handlers.scale(normal, scale=1 + np.random.rand())(),
}


@pytest.mark.parametrize("name", RANDOM)
def test_a_program_that_is_random_in_python_is_refused(name) -> None:
    with pytest.raises(bs.ModelError, match="twice at one point"):
        bs.Model.from_numpyro(RANDOM[name])


def test_a_pair_that_is_random_in_python_is_refused() -> None:
    with pytest.raises(bs.ModelError, match="twice at one point"):
        bs.Model({"mu": dist.Normal(0, 1)}, lambda mu: dist.Normal(mu + np.random.normal(), 1), Y)
    with pytest.raises(bs.ModelError, match="twice at one point"):
        bs.Model({"mu": lambda: dist.Normal(np.random.normal(), 1)}, lambda mu: dist.Normal(mu, 1), Y)


def test_a_fixed_seed_in_python_and_missing_values_are_no_randomness() -> None:
    def program(y: Any) -> None:
        noise = np.random.default_rng(3).normal(size=3)
        mu = numpyro.sample("mu", dist.Normal(0, 1))
        with numpyro.handlers.mask(mask=~np.isnan(y)):
            numpyro.sample("y", dist.Normal(mu + noise, 1), obs=y)

    assert bs.Model.from_numpyro(program, np.array([1.0, np.nan, 2.0])).num_observations == 2


@pytest.mark.parametrize("prior", [
    dist.Delta(2.0),
    dist.Delta(np.ones(2)).to_event(1),
    dist.Delta(2.0).expand([3]),
    dist.MixtureGeneral(dist.Categorical(jnp.ones(2) / 2), [dist.Delta(0.0), dist.Normal(0, 1)],
                        support=dist.constraints.real),
    dist.TransformedDistribution(dist.Delta(2.0), dist.transforms.ExpTransform()),
])  # fmt: skip
def test_a_point_mass_is_no_prior(prior) -> None:
    with pytest.raises(bs.ModelError, match="Delta"):
        bs.Model({"c": prior}, lambda c: dist.Normal(jnp.sum(c), 1), 1.0)

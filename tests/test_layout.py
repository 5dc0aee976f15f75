"""A grid in blocks: every node once, and sums, moments and overflow as if it were laid out whole."""

import itertools
import math

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest

import bayes_sandbox as bs
from bayes_sandbox.coordinates import coordinates_of
from bayes_sandbox.quadrature import blocks, summing
from bayes_sandbox.quadrature.frames import Frame, Share
from bayes_sandbox.quadrature.layout import slabs
from bayes_sandbox.quadrature.rules import Axis
from bayes_sandbox.quadrature.summing import Summer

RNG = np.random.default_rng(0)


def _axes(*counts: int) -> list[Axis]:
    return [Axis(np.sort(RNG.normal(size=n)), RNG.normal(size=n)) for n in counts]


@pytest.mark.parametrize("counts", [(5,), (40000,), (3, 20000), (300, 7, 4), (2, 2, 2, 2), (1, 1), (70000, 3)])
def test_every_node_is_met_once(counts: tuple[int, ...]) -> None:
    axes, met = _axes(*counts), np.zeros(counts, int)
    for slab in slabs(axes, 2**14):
        assert len(slab.inner) <= 2**14
        for table, own in ((slab.outer, axes[: slab.outer.z.shape[1]]), (slab.inner, axes[slab.outer.z.shape[1] :])):
            np.testing.assert_array_equal(
                table.z, np.array([a.nodes[i] for a, i in zip(own, table.index.T)]).T.reshape(table.z.shape)
            )
            np.testing.assert_allclose(
                table.log_weight, sum((a.log_weights[i] for a, i in zip(own, table.index.T)), 0.0)
            )
        rows = np.repeat(slab.outer.index, len(slab.inner), axis=0)
        columns = np.tile(slab.inner.index, (len(slab.outer), 1))
        np.add.at(met, tuple(np.column_stack([rows, columns]).T), 1)
    assert (met == 1).all()


def _model(dimension: int) -> bs.Model:
    def program() -> None:
        total = 0.0
        for j in range(dimension):
            total += numpyro.sample(f"x{j}", dist.Normal(0.3 * j, 1) if j % 2 else dist.LogNormal(0, 0.5))
        numpyro.sample("y", dist.Normal(total, 0.7), obs=np.array([1.0, 1.5]))

    return bs.Model.from_numpyro(program)


@pytest.mark.parametrize("counts", [(57,), (30, 41), (11, 13, 9), (3, 4, 5, 6)])
@pytest.mark.parametrize("shared", [False, True])
def test_the_sums_are_those_of_the_whole_grid(counts: tuple[int, ...], shared: bool, on_device: None) -> None:
    d = len(counts)
    coords = coordinates_of(_model(d))
    axes = [Axis(np.linspace(-2, 2, n), RNG.normal(size=n)) for n in counts]
    frame = Frame(0.2 * RNG.normal(size=d), np.tril(0.3 * RNG.normal(size=(d, d))) + 0.5 * np.eye(d))
    share = Share(0, np.zeros(2), np.array([frame.centre, frame.centre + 1]), np.tile(np.eye(d), (2, 1, 1)))
    found = Summer(coords).run(frame, axes, share=share if shared else None)

    index = np.array(list(itertools.product(*map(range, counts))))
    z = np.column_stack([axis.nodes[i] for axis, i in zip(axes, index.T)])
    position = frame.position(z)
    terms = coords.log_density_many(position) + frame.log_det
    terms = terms + sum(axis.log_weights[i] for axis, i in zip(axes, index.T))
    if shared:
        terms += np.array([float(share.log_at(jnp.asarray(p))) for p in position])
    p, off = np.exp(terms - terms.max()), coords.flat_many(position) - coords.flat_at(frame.centre)
    assert float(found.peak) == pytest.approx(terms.max(), abs=1e-12)
    np.testing.assert_allclose(found.total, p.sum(), rtol=1e-12)
    np.testing.assert_allclose(found.z, p @ z, atol=1e-11 * p.sum())
    np.testing.assert_allclose(found.zz, (p[:, None] * z).T @ z, atol=1e-11 * p.sum())
    np.testing.assert_allclose(found.value, p @ off, atol=1e-11 * p.sum())
    np.testing.assert_allclose(found.square, p @ off**2, atol=1e-11 * p.sum())
    for j, n in enumerate(counts):
        np.testing.assert_allclose(found.axes[j, :n], np.bincount(index[:, j], p, n), atol=1e-11 * p.sum())


@pytest.fixture(params=["host", "device"])
def on_device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a CPU NumPy places nodes and sums blocks; on an accelerator the device does: both are run here."""
    if request.param == "device":
        for room in (summing, blocks):
            monkeypatch.setattr(room, "on_host", lambda: False)


def test_no_number_and_overflow_count_as_nothing(on_device: None) -> None:
    def program() -> None:
        x = numpyro.sample("x", dist.LogNormal(0, 400))
        numpyro.factor("f", -0.5 * jnp.log(x) ** 2 + jnp.where(jnp.log(x) < -9, jnp.nan, 0.0))

    coords = coordinates_of(bs.Model.from_numpyro(program))
    axis = Axis(np.linspace(-10, 1000, 1011), np.zeros(1011))
    found = Summer(coords).run(Frame(np.zeros(1), np.eye(1)), [axis])
    assert int(found.num_nan) == 1
    kept = np.arange(-9, 40)
    p = np.exp(-0.5 * kept**2 * (1 + 1 / 400**2))
    mean = (np.exp(kept) * p).sum() / p.sum()
    assert float(found.value[0] / found.total) == pytest.approx(mean - 1, rel=1e-9)
    assert math.isfinite(float(found.square[0]))


def test_a_grid_without_mass_says_so() -> None:
    def program() -> None:
        x = numpyro.sample("x", dist.Normal(0, 1))
        numpyro.factor("f", jnp.where(x > -1e9, -jnp.inf, 0.0))

    found = Summer(coordinates_of(bs.Model.from_numpyro(program))).run(
        Frame(np.zeros(1), np.eye(1)), [Axis(np.linspace(-1, 1, 5), np.zeros(5))]
    )
    assert found.log_total == -math.inf

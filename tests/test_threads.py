"""Blocks of work side by side on a CPU's cores: in order, the same to the last bit, and no more than a few ahead."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import numpyro.distributions as dist
import pytest

import bayes_sandbox as bs
from bayes_sandbox import devices
from bayes_sandbox.coordinates import coordinates_of
from bayes_sandbox.quadrature.frames import Frame
from bayes_sandbox.quadrature.rules import Axis
from bayes_sandbox.quadrature.summing import Summer


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    yield monkeypatch
    devices._threads.cache_clear()


def _on(num: int, threads: pytest.MonkeyPatch) -> None:
    devices._threads.cache_clear()
    threads.setattr(devices, "num_threads", lambda: num)


def _model() -> bs.Model:
    data = np.random.default_rng(1).normal(1.0, 2.0, size=20)
    prior = {"mu": dist.Normal(0, 5), "s": dist.HalfNormal(5)}
    return bs.Model(prior, lambda mu, s: dist.Normal(mu, s), observed=data)


def test_a_sum_does_not_depend_on_the_number_of_threads(threads: pytest.MonkeyPatch) -> None:
    axes, found = [Axis(np.linspace(-6, 6, 401), np.zeros(401))] * 2, []
    for num in (1, 2, 5):
        _on(num, threads)
        coords = coordinates_of(_model())
        found.append(Summer(coords).run(Frame(np.array([1.0, 0.7]), 0.4 * np.eye(2)), axes))
        assert coords.num_evaluations == 401**2 + 1  # and the origin
    for other in found[1:]:
        for one, two in zip(found[0], other):
            np.testing.assert_array_equal(one, two)


def test_many_points_come_back_in_their_order(threads: pytest.MonkeyPatch) -> None:
    coords, points = coordinates_of(_model()), np.random.default_rng(0).normal(size=(50_001, 2))
    _on(3, threads)
    found = coords.log_density_many(points)
    np.testing.assert_array_equal(found[::10_000], coords.log_density_many(points[::10_000]))


def test_programs_are_traced_by_one_thread_at_a_time() -> None:
    seen, params = list[float](), {"mu": np.array(1.0), "s": np.array(2.0)}

    def ask() -> None:
        seen.append(float(_model().log_joint(params)))

    expected = float(_model().log_joint(params))
    together = [threading.Thread(target=ask) for _ in range(8)]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    np.testing.assert_allclose(seen, [expected] * 8, rtol=1e-14)


def test_only_a_few_are_begun_ahead_and_none_after_an_error(threads: pytest.MonkeyPatch) -> None:
    _on(2, threads)
    begun: list[int] = []

    def do(i: int) -> int:
        begun.append(i)
        time.sleep(0.01)
        return i

    found = devices.side_by_side(do, range(1000))
    assert [next(found) for _ in range(3)] == [0, 1, 2]
    found.close()  # type: ignore[attr-defined]  # as a KeyboardInterrupt does
    time.sleep(0.1)
    assert len(begun) < 20
    with pytest.raises(ZeroDivisionError):
        list(devices.side_by_side(lambda i: 1 // i, range(3)))

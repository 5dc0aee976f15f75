"""Many tasks, whoever does them: the same results, a dead worker costs its task, a finished one is not redone."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bayes_sandbox as bs
from bayes_sandbox.checkpoints import FolderCheckpoints
from bayes_sandbox.errors import UserError
from bayes_sandbox.workers import run_tasks

NAMES = ["a", "b", "c", "d", "e"]


@pytest.fixture(scope="module")
def dask_client() -> Iterator[Any]:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def fitted(name: str, key: Any) -> dict[str, Any]:
    """Return the fit of data that the key makes."""
    import jax
    import numpyro.distributions as dist

    heads = int(jax.random.binomial(key, 20, 0.3))
    model = bs.Model({"p": dist.Beta(2, 2)}, lambda p: dist.Binomial(20, p), observed=heads, name=name)
    fit = bs.fit_laplace(model, seed=key)
    return {"name": name, "heads": heads, "log_evidence": fit.log_evidence, "sd": float(fit.scale[0, 0])}


def same(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one["name"] == other["name"]
        assert one["heads"] == other["heads"]
        assert one["log_evidence"] == pytest.approx(other["log_evidence"], abs=1e-12)
        assert one["sd"] == pytest.approx(other["sd"], abs=1e-12)


def test_the_engine_does_not_change_the_results() -> None:
    here = run_tasks(fitted, NAMES, seed=3)
    assert len({row["heads"] for row in here}) > 1
    same(run_tasks(fitted, NAMES[::-1], seed=3)[::-1], here)
    same(run_tasks(fitted, NAMES, seed=3, executor=2), here)
    same(run_tasks(fitted, NAMES[:2], seed=bs.seeds.as_key(3), executor=1), here[:2])
    with ThreadPoolExecutor(1) as threads:
        same(run_tasks(fitted, NAMES, seed=3, executor=threads), here)


def deadly(folder: Path, victim: str, often: int = 1) -> Callable[[str], tuple[str, float]]:
    """Return a task that notes in a folder who does it, and kills its process where it is the victim's turn."""

    def do(name: str) -> tuple[str, float]:
        tries = len(list(folder.glob(f"{name}-*")))
        (folder / f"{name}-{tries}").write_text(str(os.getpid()))
        if name == victim and tries < often:
            os.kill(os.getpid(), signal.SIGKILL)
        return name, float(np.sqrt(len(name)))

    return do


def tries_of(folder: Path) -> dict[str, int]:
    return {name: len(list(folder.glob(f"{name}-*"))) for name in NAMES}


def test_a_killed_process_costs_its_task_alone(tmp_path: Path) -> None:
    found = run_tasks(deadly(tmp_path, "b"), NAMES, executor=2)
    assert found == [(name, 1.0) for name in NAMES]
    assert tries_of(tmp_path) == {name: 2 if name == "b" else 1 for name in NAMES}


def test_a_task_that_kills_every_process_is_named_and_the_rest_is_kept(tmp_path: Path) -> None:
    checkpoints = FolderCheckpoints(tmp_path / "parts", "one identity")
    notes = tmp_path / "notes"
    notes.mkdir()
    with pytest.raises(UserError, match=r"'c' took its process down 3 times.*fewer processes"):
        run_tasks(deadly(notes, "c", often=9), NAMES, executor=1, checkpoints=checkpoints)
    assert tries_of(notes) == {"a": 1, "b": 1, "c": 3, "d": 0, "e": 0}
    for note in notes.glob("c-*"):
        note.unlink()
    assert run_tasks(deadly(notes, "nobody"), NAMES, checkpoints=checkpoints) == [(name, 1.0) for name in NAMES]
    assert tries_of(notes) == dict.fromkeys(NAMES, 1)  # what was finished was not done again


@pytest.mark.filterwarnings("ignore")
def test_a_worker_of_a_cluster_is_killed_halfway_and_the_table_is_the_same(dask_client: Any, tmp_path: Path) -> None:
    here = run_tasks(fitted, NAMES, seed=3)
    same(run_tasks(fitted, NAMES, seed=3, executor=dask_client), here)
    found = run_tasks(deadly(tmp_path, "c"), NAMES, executor=dask_client)
    assert found == [(name, 1.0) for name in NAMES]
    assert tries_of(tmp_path)["c"] == 2


def broken(name: str) -> str:
    if name == "b":
        raise ValueError("no such data")
    return name


@pytest.mark.parametrize("executor", [None, 1])
def test_what_a_task_raises_is_raised_and_what_came_before_is_kept(executor: Any, tmp_path: Path) -> None:
    checkpoints = FolderCheckpoints(tmp_path, 1)
    with pytest.raises(ValueError, match="no such data"):
        run_tasks(broken, NAMES, executor=executor, checkpoints=checkpoints)
    assert checkpoints.recall("tasks:a") == "a"


def test_an_executor_that_breaks_says_what_to_do(tmp_path: Path) -> None:
    pool: Executor = ProcessPoolExecutor(1, get_context("spawn"))
    with pool, pytest.raises(UserError, match="start a new one"):
        run_tasks(deadly(tmp_path, "b", often=9), ["b"], executor=pool)


@pytest.mark.parametrize("executor", [0, True, "dask", 2.0])
def test_an_engine_that_is_none_is_refused(executor: Any) -> None:
    with pytest.raises(UserError, match="executor must be None, a number of processes"):
        run_tasks(str, ["a"], executor=executor)


@pytest.mark.slow
def test_a_study_is_the_same_by_two_processes() -> None:
    def told(executor: Any) -> list[Any]:
        study = bs.study_problems(names=["coin"], methods=["grid", "laplace"], fast=True, executor=executor)
        return [(r["problem"], r["method"], r["gap"], r["trusted"]) for r in study.tables["estimates"]]

    assert told(2) == told(None)


def test_a_model_travels_without_what_it_compiled() -> None:
    import cloudpickle
    import jax
    import numpyro.distributions as dist

    model = bs.Model({"p": dist.Beta(2, 2)}, lambda p: dist.Binomial(20, p), observed=7, name="coin")
    model.sample_prior(jax.random.key(0), 3)
    bs.fit_laplace(model)
    assert model.compiled is not None
    again = cloudpickle.loads(cloudpickle.dumps(model))
    assert again.compiled is None
    assert (again.name, again.data_sha256) == (model.name, model.data_sha256)
    assert float(again.log_joint({"p": 0.3})) == float(model.log_joint({"p": 0.3}))
    assert bs.fit_laplace(again).log_evidence == pytest.approx(bs.fit_laplace(model).log_evidence, abs=1e-12)


def test_workers_are_refused_where_tasks_are_done_in_turn() -> None:
    from click.testing import CliRunner

    from bayes_sandbox.cli import cli

    done = CliRunner().invoke(cli, ["study", "dimension", "--workers", "2"])
    assert done.exit_code == 2
    assert "does its tasks one after another; leave --workers out" in done.output

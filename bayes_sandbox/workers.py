"""Many tasks, whoever does them: here, in local processes, on a Dask cluster, in any `concurrent.futures` executor.

Fits of many data sets, priors or seeds do not know of each other. What a task returns depends on the task and the seed
alone, so that the same table comes from one worker or a hundred. A finished task is kept, if there is somewhere to keep
it; one whose worker died is done again.
"""

import functools
import multiprocessing
import signal
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    as_completed,
    wait,
)
from functools import partial
from typing import Any

import cloudpickle

from .arguments import flag, listed, shown
from .checkpoints import NO_CHECKPOINTS, Checkpoints, require_checkpoints
from .errors import ArgumentTypeError, UserError
from .progress import progress_of

PATIENCE = 3  # times that a task may take its worker down with it
UNKNOWN = object()


def run_tasks[Task](
    do: Callable[..., Any],
    tasks: Sequence[Task],
    *,
    seed: Any = None,
    executor: Any = None,
    checkpoints: Checkpoints = NO_CHECKPOINTS,
    progress: bool = False,
    label: str = "tasks",
) -> list[Any]:
    """Return `do(task)` for every task, in their order; with a seed, `do(task, key)`.

    The key is `jax.random.fold_in` of the seed and the task's name, `str(task)`: it depends neither on the order of
    tasks nor on who does them. Functions and results travel by cloudpickle, so that a lambda may be sent.

    Parameters
    ----------
    executor
        None: here, one after another. A number: so many local processes, started anew (`spawn`), which a script has to
        guard by `if __name__ == "__main__":`. A `dask.distributed.Client`, or any `concurrent.futures.Executor`.
    checkpoints
        Where finished tasks are kept, under `label` and `str(task)`, and not done again. What a task returns must then
        consist of numbers, text, arrays, lists, tuples and dictionaries.

    Raises
    ------
    UserError
        Where a task takes its worker down three times, or an executor of yours breaks. Whatever a task raises is raised
        here, once the finished ones are kept.

    Examples
    --------
    >>> run_tasks(lambda x: x**2, [1, 2, 3])
    [1, 4, 9]
    >>> import jax
    >>> draws = run_tasks(lambda name, key: float(jax.random.normal(key)), ["a", "b"], seed=0)
    >>> draws == run_tasks(lambda name, key: float(jax.random.normal(key)), ["b", "a"], seed=0)[::-1]
    True
    """
    engine = _engine(executor)
    tasks = listed(tasks, "tasks", "tasks")
    flag(progress, "progress")
    require_checkpoints(checkpoints)
    found = {i: kept for i, task in enumerate(tasks) if (kept := checkpoints.recall(f"{label}:{task}")) is not None}
    if not callable(do):
        raise ArgumentTypeError(f"do must be a function of a task, got {shown(do)}; pass the function itself")
    work = do if seed is None else partial(_with_key, do, _words(seed))
    open_tasks = [(i, task) for i, task in enumerate(tasks) if i not in found]
    with progress_of(progress).task(label, len(tasks)) as advance:
        advance(len(found))
        for i, value in engine(work, open_tasks):
            found[i] = value
            checkpoints.keep(f"{label}:{tasks[i]}", value)
            advance(1, str(tasks[i]))
    return [found[i] for i in range(len(tasks))]


Work = Callable[[Any], Any]
Numbered = Sequence[tuple[int, Any]]  # tasks by their place
Engine = Callable[[Work, Numbered], Iterator[tuple[int, Any]]]


def _engine(executor: Any) -> Engine:
    if executor is None:
        return _here
    if isinstance(executor, int) and not isinstance(executor, bool) and executor > 0:
        return partial(_in_processes, executor)
    if isinstance(executor, Executor):
        return partial(_in_executor, executor)
    if hasattr(executor, "get_executor"):  # a Dask client
        return partial(_in_executor, executor.get_executor(pure=False))
    raise UserError(
        f"executor must be None, a number of processes, a concurrent.futures.Executor or a dask.distributed.Client; "
        f"got {executor!r}"
    )


def _here(work: Work, tasks: Numbered) -> Iterator[tuple[int, Any]]:
    for i, task in tasks:
        yield i, work(task)


def _in_executor(executor: Executor, work: Work, tasks: Numbered) -> Iterator[tuple[int, Any]]:
    packed = cloudpickle.dumps(work)
    places = {executor.submit(_call, packed, cloudpickle.dumps(task)): (i, task) for i, task in tasks}
    try:
        for future in as_completed(places):
            i, task = places[future]
            try:
                yield i, cloudpickle.loads(future.result())
            except BrokenExecutor as error:
                raise UserError(
                    f"the executor broke while it did {str(task)!r}: start a new one; what is finished is kept where "
                    "there is somewhere to keep it. A number of processes instead of an executor mends itself"
                ) from error
    finally:
        for future in places:
            future.cancel()


def _in_processes(num: int, work: Work, tasks: Numbered) -> Iterator[tuple[int, Any]]:
    """Do tasks in so many processes, each a pool of its own: one that dies takes no other with it."""
    packed, waiting, died = cloudpickle.dumps(work), deque(tasks), Counter[int]()
    idle = [_process() for _ in range(min(num, len(tasks)))]
    busy: dict[Future[bytes], tuple[ProcessPoolExecutor, int, Any]] = {}
    try:
        while waiting or busy:
            while waiting and idle:
                process, (i, task) = idle.pop(), waiting.popleft()
                busy[process.submit(_call, packed, cloudpickle.dumps(task))] = (process, i, task)
            for future in wait(busy, return_when=FIRST_COMPLETED).done:
                process, i, task = busy.pop(future)
                answer: Any = UNKNOWN
                try:
                    answer = cloudpickle.loads(future.result())
                except BrokenExecutor as error:
                    process.shutdown(wait=False)
                    process = _process()
                    waiting.appendleft((i, task))
                    died[i] += 1
                    if died[i] == PATIENCE:
                        raise UserError(
                            f"{str(task)!r} took its process down {PATIENCE} times, for want of memory perhaps; "
                            "use fewer processes, or leave it out"
                        ) from error
                finally:
                    idle.append(process)
                if answer is not UNKNOWN:
                    yield i, answer
    finally:
        for process in [*idle, *(process for process, _, _ in busy.values())]:
            for worker in list((process._processes or {}).values()):
                worker.kill()  # what is running now is no longer wanted
            process.shutdown(wait=True, cancel_futures=True)


def _process() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=_leave_interrupts)


def _leave_interrupts() -> None:
    """Leave Ctrl-C to whoever started this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _call(packed: bytes, task: bytes) -> bytes:
    return bytes(cloudpickle.dumps(_unpacked(packed)(cloudpickle.loads(task))))


@functools.lru_cache(maxsize=8)
def _unpacked(packed: bytes) -> Work:
    """Return the function, one object for all tasks of a process: what it compiled is found again."""
    work: Work = cloudpickle.loads(packed)
    return work


def _words(seed: Any) -> list[int]:
    import jax

    from .seeds import as_key

    words: list[int] = jax.random.key_data(as_key(seed)).tolist()
    return words


def _with_key(do: Callable[..., Any], words: list[int], task: Any) -> Any:
    import jax
    import jax.numpy as jnp

    key = jax.random.wrap_key_data(jnp.asarray(words, jnp.uint32))
    return do(task, jax.random.fold_in(key, zlib.crc32(str(task).encode())))

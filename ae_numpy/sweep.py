"""Many trainings at once, spread over processes.

A job is anything that can be pickled; what is done with one is a function that every process can
import. Jobs are started in the order given, so put the longest first: the last to end is then a
short one.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")
Report = Callable[[Any], None]

# One core per training is the fastest way to many trainings. Libraries of linear algebra read
# these when they are loaded, hence in the environment that a process is started with.
_ONE_THREAD = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
_SECONDS_BETWEEN_REPORTS = 0.2

_reports: Any = None  # in a worker: the queue to the process that waits


def run_jobs(
    function: Callable[[Job, Report], Result],
    jobs: Sequence[Job],
    *,
    processes: int,
    on_report: Report = lambda message: None,
) -> list[Result]:
    """Do all jobs, several at a time.

    Parameters
    ----------
    function : callable
        ``function(job, report)`` does one job and returns its result. Whatever it passes to
        ``report`` arrives at `on_report`. It must be importable: a function of a module.
    jobs : sequence
        In the order in which they are to be started.
    processes : int
        How many processes; each is started afresh, without fork, and uses one thread.
    on_report : callable
        Called in this process with every message.

    Returns
    -------
    list
        Results, in the order of the jobs.

    Raises
    ------
    Exception
        What a job has raised. The others are then stopped, as they are on KeyboardInterrupt.
    """
    context = multiprocessing.get_context("spawn")
    reports = context.SimpleQueue()  # without a thread of its own: what is put has arrived
    with _environment(_ONE_THREAD), _pool(processes, context, reports) as pool:
        futures = [pool.submit(_do, function, job) for job in jobs]
        pending = set(futures)
        while pending:
            done, pending = wait(pending, _SECONDS_BETWEEN_REPORTS, FIRST_COMPLETED)
            for message in _drain(reports):
                on_report(message)
            for future in done:
                future.result()
        for message in _drain(reports):
            on_report(message)
        return [future.result() for future in futures]


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Set environment variables for the processes that are started meanwhile."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _pool(processes: int, context: Any, reports: Any) -> Iterator[ProcessPoolExecutor]:
    """Open a pool whose processes end at once when the block is left by an exception."""
    pool = ProcessPoolExecutor(processes, context, _start_worker, (reports,))
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        pool.shutdown()


def _start_worker(reports: Any) -> None:
    global _reports
    _reports = reports
    # Ctrl-C reaches every process of a terminal; the one that waits decides what to do.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _do(function: Callable[[Job, Report], Result], job: Job) -> Result:
    return function(job, _reports.put)


def _drain(reports: Any) -> Iterator[Any]:
    while not reports.empty():
        yield reports.get()

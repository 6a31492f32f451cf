"""Many training runs at once, spread over the cores of this machine or over other machines.

A job is anything that can be pickled; what is done with one is a function that every process can
import, or, where cloudpickle is installed, any function. Jobs are started in the order given, so
put the longest first: the last one to end is then short.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from contextlib import closing
from typing import Any, TypeVar

from ae_numpy.sweep import processes as worker_processes
from ae_numpy.sweep.processes import Outcome, WorkerDiedError
from ae_numpy.validation import checked_integer

__all__ = ["Report", "SweepError", "WorkerDiedError", "ignore", "run_jobs"]

Job = TypeVar("Job")
Result = TypeVar("Result")
Report = Callable[[Any], None]

# On Windows, Ctrl-C is not noticed before a wait ends.
_SECONDS_BETWEEN_LOOKS = 0.5


class SweepError(RuntimeError):
    """Some jobs have failed; its message names them all.

    Attributes
    ----------
    failures : list of (job, exception)
        In the order of the jobs; the first exception is also the cause of this one.
    results : list of (job, result)
        Of the jobs that ended well, in the order of the jobs.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> with ThreadPoolExecutor(1) as executor:
    ...     try:
    ...         run_jobs(lambda job, report: 1 / job, [2, 0], executor=executor)
    ...     except SweepError as error:
    ...         print(error.results, error)
    [(2, 0.5)] 1 of 2 jobs failed:
      0: ZeroDivisionError: division by zero
    """

    def __init__(
        self,
        message: str,
        failures: Sequence[tuple[Any, BaseException]] = (),
        results: Sequence[tuple[Any, Any]] = (),
    ) -> None:
        super().__init__(message)
        self.failures = list(failures)
        self.results = list(results)


def ignore(*anything: Any) -> None:
    """Do nothing with a report or a result.

    Parameters
    ----------
    *anything
        Ignored.

    Examples
    --------
    >>> ignore("a report") is None
    True
    """


def run_jobs(
    function: Callable[[Job, Report], Result],
    jobs: Sequence[Job],
    *,
    processes: int | None = None,
    executor: Executor | None = None,
    on_report: Report = ignore,
    on_result: Callable[[Job, Result], None] = ignore,
    name: Callable[[Job], str] = str,
) -> list[Result]:
    """Do all jobs, several at a time, on this machine or wherever an executor runs them.

    Parameters
    ----------
    function : callable
        ``function(job, report)`` does one job and returns its result. It must be importable by
        the processes that do the jobs: a function of a module, or of the script that runs. With
        `processes`, where cloudpickle is installed, it may also be one of a notebook or of a
        prompt, a lambda or a closure.
    jobs : sequence
        In the order in which they are to be started; each can be pickled.
    processes : int
        How many processes of this machine, -1 for one per core; each is started afresh, without
        fork, and uses one thread. They end with this process, however it ends. Either this or
        `executor` is given.
    executor : concurrent.futures.Executor
        Is given all jobs at once, and is not shut down. With dask: ``client.get_executor()``.
    on_report : callable
        Called in this process with whatever a job passes to ``report``, while the job runs. With
        an `executor`, reports are dropped. A job that is done again, see Notes, reports again.
    on_result : callable
        ``on_result(job, result)`` is called in this process when a job has ended well.
    name : callable
        What an error calls a job.

    Returns
    -------
    list
        Results, in the order of the jobs.

    Raises
    ------
    SweepError
        When all jobs have ended, if some have failed.
    TypeError, ValueError
        For invalid arguments; no job has been started.
    RuntimeError
        For `processes` inside a daemonic process, which cannot start others.

    Notes
    -----
    A process of this machine that dies, killed or out of memory, leaves the others undisturbed.
    Its job is done once more when the others have ended, while nothing else runs; if the process
    dies again, the job has failed with `WorkerDiedError`.

    When this function is left early, by KeyboardInterrupt or an error of `on_report` or
    `on_result`, `processes` are killed, and futures of an `executor` are cancelled.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> def square(job, report):
    ...     return job * job
    >>> with ThreadPoolExecutor(2) as executor:
    ...     run_jobs(square, [3, 1, 2], executor=executor)
    [9, 1, 4]
    """
    given = {"function": function, "on_report": on_report, "on_result": on_result, "name": name}
    for parameter, value in given.items():
        if not callable(value):
            raise TypeError(f"{parameter} must be callable, got {value!r:.200}")
    if not isinstance(jobs, Sequence) or isinstance(jobs, str | bytes):
        raise TypeError(f"jobs must be a sequence, such as a list, got {jobs!r:.200}")
    outcomes = _outcomes(function, jobs, processes, executor, on_report)
    done: dict[int, Result] = {}
    failed: dict[int, BaseException] = {}
    with closing(outcomes):
        for number, result, error in outcomes:
            if error is not None:
                failed[number] = error
            else:
                done[number] = result
                on_result(jobs[number], result)
    if failed:
        failures = [(jobs[number], error) for number, error in sorted(failed.items())]
        results = [(jobs[number], done[number]) for number in sorted(done)]
        lines = [f"{name(job)}: {type(error).__name__}: {error}" for job, error in failures]
        message = "\n  ".join([f"{len(failures)} of {len(jobs)} jobs failed:", *lines])
        raise SweepError(message, failures, results) from failures[0][1]
    return [done[number] for number in range(len(jobs))]


def _outcomes(
    function: Callable, jobs: Sequence, processes: Any, executor: Any, on_report: Report
) -> Generator[Outcome]:
    """Choose what runs the jobs."""
    if (processes is None) == (executor is None):
        expected = "exactly one of processes and executor must be given"
        raise TypeError(f"{expected}, got {processes=!r:.200} and {executor=!r:.200}")
    if executor is None:
        is_all = isinstance(processes, int) and processes == -1
        processes = checked_integer(os.cpu_count() or 1 if is_all else processes, "processes", 1)
        if multiprocessing.current_process().daemon:
            raise RuntimeError(
                f"processes={processes} cannot be started inside a daemonic process, such as a "
                "worker of a Pool: call run_jobs outside of it, or give an executor of threads"
            )
        return worker_processes.outcomes_of(function, jobs, processes, on_report)
    if not isinstance(executor, Executor):
        raise TypeError(f"executor must be a concurrent.futures.Executor, got {executor!r:.200}")
    return _outcomes_of_futures(executor, function, jobs)


def _outcomes_of_futures(
    executor: Executor, function: Callable, jobs: Sequence
) -> Generator[Outcome]:
    numbers: dict[Future, int] = {}
    try:
        for number, job in enumerate(jobs):
            numbers[executor.submit(function, job, ignore)] = number
        pending = set(numbers)
        while pending:
            ended, pending = wait(pending, _SECONDS_BETWEEN_LOOKS, FIRST_COMPLETED)
            for future in sorted(ended, key=numbers.__getitem__):
                error = CancelledError("cancelled") if future.cancelled() else future.exception()
                yield numbers[future], future.result() if error is None else None, error
    except BaseException:
        for future in numbers:
            future.cancel()
        raise

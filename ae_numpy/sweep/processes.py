"""Processes of this machine that do jobs, one at a time each.

Every worker has its own pipe and shares nothing with the others, no lock and no queue. So we know
what a worker was doing when it died, and its death, even in the middle of a message, leaves the
others undisturbed.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, MutableMapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Any

Outcome = tuple[int, Any, BaseException | None]
"""The number of a job, its result, and None or the error that it ended with."""

# One core per job is the fastest way to train many models. Linear algebra libraries read these
# when they are loaded, so they must be in the environment that a process is started with.
_ONE_THREAD = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
_SECONDS_TO_EXIT = 5.0  # for a worker that has nothing more to do

# What a worker sends, and what is reported when it has died.
_READY, _REPORT, _RESULT, _ERROR, _DEATH = "ready", "report", "result", "error", "death"


class WorkerDiedError(RuntimeError):
    """The process that did a job has died: killed, crashed, out of memory, or by `os._exit`.

    Examples
    --------
    >>> failures = [("28 units", ValueError("diverged")), ("56 units", WorkerDiedError("killed"))]
    >>> [job for job, error in failures if isinstance(error, WorkerDiedError)]
    ['56 units']
    """


class WorkerStartError(WorkerDiedError):
    """A process died before it could begin the job that it was given."""


def outcomes_of(
    function: Callable[[Any, Callable[[Any], None]], Any],
    jobs: Sequence[Any],
    processes: int,
    on_report: Callable[[Any], None],
) -> Generator[Outcome]:
    """Do all jobs, and yield the outcome of each as it ends; leaving early kills the workers.

    Jobs whose process died are done again when the others have ended, each with the machine to
    itself: what another job did to them, say by taking the memory, does not happen again.

    Parameters
    ----------
    function : callable
        Called in a worker with a job and a function that sends its argument to `on_report`.
    jobs : sequence
    processes : int
    on_report : callable

    Yields
    ------
    Outcome

    Raises
    ------
    TypeError
        If the function or a job cannot be sent to a process: see `_dumps`.
    WorkerStartError
        If a process cannot be started before anything else has happened.
    """
    calls = list(enumerate(_pickled_calls(function, jobs)))
    died = []
    with closing(_do(calls, processes, on_report)) as outcomes:
        for ended, (number, result, error) in enumerate(outcomes):
            if ended == 0 and isinstance(error, WorkerStartError):
                raise error  # as would happen to all the others
            if isinstance(error, WorkerDiedError):
                died.append(number)
            else:
                yield number, result, error
    for number in died:
        yield from _do([calls[number]], 1, on_report)


def _pickled_calls(function: Callable, jobs: Sequence[Any]) -> Iterator[bytes]:
    try:
        _dumps(function, function)
    except Exception as error:
        expected = "a function that a module defines, to be imported by other processes"
        got = f"{function!r:.200}: {error!s:.200}"
        raise TypeError(f"function must be {expected}, got {got}") from error
    for number, job in enumerate(jobs):
        try:
            yield _dumps((function, job), function)
        except Exception as error:
            got = f"{job!r:.200}: {error!s:.200}"
            raise TypeError(f"jobs[{number}] must be picklable, got {got}") from error


def _dumps(what: Any, function: Callable) -> bytes:
    """Pickle for a process that has every module, but of `__main__` only what its file defines."""
    try:
        pickled = pickle.dumps(what)
        if b"__main__" not in pickled or _is_in_a_script(function):
            return pickled
        problem = "other processes do not have what a notebook or a prompt defines"
    except Exception as error:
        problem = str(error)
    try:
        import cloudpickle
    except ImportError:
        advice = "put it into a module (a .py file) and import it, or pip install cloudpickle"
        raise TypeError(f"{problem}; {advice}") from None
    return cloudpickle.dumps(what)


def _is_in_a_script(function: Callable) -> bool:
    """Whether `__main__` is a file that a new process runs again, and has the function."""
    name = getattr(getattr(sys.modules["__main__"], "__spec__", None), "name", None)
    is_run_again = not name.endswith("__main__") if name else os.path.isfile(_file_of_main())
    code = getattr(function, "__code__", None)
    return is_run_again and (code is None or os.path.isfile(code.co_filename))


def _file_of_main() -> str:
    return getattr(sys.modules["__main__"], "__file__", None) or ""


def _do(
    calls: list[tuple[int, bytes]], processes: int, on_report: Callable[[Any], None]
) -> Generator[Outcome]:
    """Do jobs, several at a time; a job whose process dies ends with WorkerDiedError."""
    waiting = deque(calls)
    busy: list[_Worker] = []
    idle: list[_Worker] = []
    try:
        while waiting or busy:
            while waiting and len(busy) < processes:
                busy.append(idle.pop() if idle else _Worker())
                busy[-1].start(*waiting.popleft())
            for worker in _with_news(busy):
                kind, content = worker.receive()
                if kind == _REPORT:
                    on_report(content)
                if kind in (_READY, _REPORT):
                    continue
                busy.remove(worker)
                if kind != _DEATH:
                    idle.append(worker)
                result, error = (content, None) if kind == _RESULT else (None, content)
                yield worker.job, result, error
    except BaseException:
        for worker in idle + busy:
            worker.process.kill()
        raise
    finally:
        for worker in idle + busy:
            worker.connection.close()
        for worker in idle + busy:
            worker.join()


class _Worker:
    """A process, the pipe to it, and the number of the job that it was given last."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.is_ready = False
        self.connection, theirs = context.Pipe()
        # A daemon: should this process end in the middle of everything, it ends these.
        self.process = context.Process(target=_work, args=(theirs,), daemon=True)
        # A file "<stdin>", say, is nothing that a new process could run.
        no_file = {} if os.path.isfile(_file_of_main()) else {"__file__": None}
        with _set(os.environ, _ONE_THREAD), _set(vars(sys.modules["__main__"]), no_file):
            self.process.start()
        theirs.close()  # so that the worker's end is closed when the worker dies

    def start(self, job: int, call: bytes) -> None:
        """Begin a job."""
        self.job = job
        with suppress(OSError):  # of a worker that has died; `receive` will say so
            self.connection.send_bytes(call)

    def receive(self) -> tuple[str, Any]:
        """Return the kind and the content of the next message, once there is one."""
        message = None
        with suppress(EOFError, OSError):  # dead, perhaps in the middle of a message
            if self.connection.poll():
                message = self.connection.recv()
        if message is None:
            self.join()
            return _DEATH, self._death()
        kind, content = message
        self.is_ready = True
        try:
            return kind, pickle.loads(content)
        except Exception as error:
            if kind == _REPORT:
                raise
            return _ERROR, error

    def join(self) -> None:
        """Wait for the end of the process, but not for ever."""
        self.process.join(_SECONDS_TO_EXIT)
        self.process.kill()
        self.process.join()

    def _death(self) -> WorkerDiedError:
        code = self.process.exitcode or 0
        by_signal = {-one: f"was ended by {one.name}" for one in signal.Signals}
        how = by_signal.get(code, f"has exited with code {code}")
        if self.is_ready:
            return WorkerDiedError(f"the process that did it {how}")
        return WorkerStartError(
            f"the process that was to do it {how} before it could begin; a script that calls "
            'run_jobs does so under `if __name__ == "__main__":`'
        )


def _with_news(workers: list[_Worker]) -> list[_Worker]:
    """Wait until some have sent something or died, and return these."""
    news = wait([end for w in workers for end in (w.connection, w.process.sentinel)])
    return [w for w in workers if w.connection in news or w.process.sentinel in news]


@contextmanager
def _set(variables: MutableMapping[str, Any], values: Mapping[str, Any]) -> Iterator[None]:
    """Set variables of the environment or of a module for a while."""
    before = {name: variables[name] for name in values if name in variables}
    variables.update(values)
    try:
        yield
    finally:
        for name in values:
            del variables[name]
        variables.update(before)


def _work(connection: Connection) -> None:
    """Do the jobs that come, in a worker, until the pipe is closed."""
    # Ctrl-C reaches every process of a terminal; the parent decides what to do.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_caller, daemon=True).start()
    lock = threading.Lock()  # a job may report from several threads

    def send(kind: str, content: Any) -> None:
        data = pickle.dumps(content)
        with lock:
            connection.send((kind, data))

    with suppress(EOFError, OSError):  # the other end is closed
        send(_READY, None)
        while True:
            call = connection.recv_bytes()
            try:
                function, job = pickle.loads(call)
                send(_RESULT, function(job, partial(send, _REPORT)))
            except BaseException as error:  # SystemExit, too, ends only the job
                send(_ERROR, _portable(error))


def _end_with_the_caller() -> None:
    """End this process when the one that started it has ended, even in the middle of a job."""
    caller = multiprocessing.parent_process()
    assert caller is not None
    caller.join()
    os._exit(1)


def _portable(error: BaseException) -> BaseException:
    """Return an error that can be sent, with its traceback as a note."""
    where = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        error = RuntimeError("".join(traceback.format_exception_only(error)).strip())
    error.add_note(f"In the worker process:\n{where}")
    return error

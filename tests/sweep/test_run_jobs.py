"""Many jobs at a time: order, results, reports; and all that can go wrong with jobs and workers."""

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from ae_numpy.sweep import SweepError, WorkerDiedError, run_jobs

SECONDS_OF_PATIENCE = 30  # with a busy machine; nothing here takes that long


def square(job, report):
    report(("did", job))
    return job * job


def wait_for(condition):
    deadline = time.monotonic() + SECONDS_OF_PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def wait_for_file(path, report):
    report(path)
    wait_for(path.exists)
    return "came"


def fail_on_three(job, report):
    if job == 3:
        raise ValueError("three is too much")
    return job


class UnloadableError(Exception):
    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


class Unloadable:
    def __reduce__(self):
        return int, ("no number",)


def fail_oddly(job, report):
    if job == "error that cannot be loaded":
        raise UnloadableError("odd", "even")
    if job == "result that cannot be pickled":
        return threading.Lock()
    if job == "result that cannot be loaded":
        return Unloadable()
    if job == "exit":
        sys.exit("enough")
    return job


def threads_start_method_and_interrupt(job, report):
    return (
        os.environ["OPENBLAS_NUM_THREADS"],
        multiprocessing.get_start_method(allow_none=True),
        signal.getsignal(signal.SIGINT),
    )


def test_results_come_in_the_order_of_the_jobs_and_everything_that_is_told_arrives():
    reports, results = [], []
    assert run_jobs(
        square,
        [3, 1, 2],
        processes=2,
        on_report=reports.append,
        on_result=lambda job, result: results.append((job, result)),
    ) == [9, 1, 4]
    assert sorted(reports) == [("did", 1), ("did", 2), ("did", 3)]
    assert sorted(results) == [(1, 1), (2, 4), (3, 9)]


def test_jobs_are_started_in_the_order_given():
    reports = []
    run_jobs(square, [3, 1, 2], processes=1, on_report=reports.append)
    assert reports == [("did", 3), ("did", 1), ("did", 2)]


def test_a_report_arrives_while_the_job_runs(tmp_path):
    jobs = [tmp_path / "file"]
    assert run_jobs(wait_for_file, jobs, processes=1, on_report=Path.touch) == ["came"]


def test_no_jobs_have_no_results():
    assert run_jobs(square, [], processes=2) == []


def test_a_failing_job_is_named_and_the_others_are_done():
    results = []
    with pytest.raises(SweepError) as caught:
        run_jobs(
            fail_on_three,
            [1, 3, 2, 4],
            processes=2,
            on_result=lambda job, result: results.append(result),
            name=lambda job: f"job number {job}",
        )
    assert str(caught.value) == (
        "1 of 4 jobs failed:\n  job number 3: ValueError: three is too much"
    )
    [(job, error)] = caught.value.failures
    assert job == 3
    assert error is caught.value.__cause__
    assert "in fail_on_three" in error.__notes__[0]
    assert caught.value.results == [(1, 1), (2, 2), (4, 4)]
    assert sorted(results) == [1, 2, 4]


def test_what_cannot_be_sent_fails_its_own_job_only():
    odd = [
        "error that cannot be loaded",
        "result that cannot be pickled",
        "result that cannot be loaded",
        "exit",
    ]
    with pytest.raises(SweepError) as caught:
        run_jobs(fail_oddly, [*odd, "fine"], processes=1)
    assert [job for job, _ in caught.value.failures] == odd
    assert [type(error) for _, error in caught.value.failures] == [
        RuntimeError,
        TypeError,
        ValueError,
        SystemExit,
    ]
    assert "UnloadableError: odd and even" in str(caught.value)
    assert caught.value.results == [("fine", "fine")]


def test_workers_have_one_thread_and_ignore_ctrl_c_and_the_caller_keeps_its_environment(
    monkeypatch,
):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    [(threads, start_method, interrupt)] = run_jobs(
        threads_start_method_and_interrupt, [0], processes=1
    )
    assert threads == "1"
    assert start_method == "spawn"
    assert interrupt is signal.SIG_IGN
    assert os.environ["OPENBLAS_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({}, TypeError, r"exactly one of processes and executor .* processes=None and exec"),
        ({"processes": 1, "executor": ThreadPoolExecutor()}, TypeError, "exactly one of proc"),
        ({"processes": 0}, ValueError, "processes must be an integer of at least 1, got 0"),
        ({"processes": 1.5}, TypeError, r"processes must be an integer of at least 1, got 1\.5"),
        ({"executor": 2}, TypeError, r"executor must be a concurrent\.futures\.Executor, got 2"),
        ({"processes": 1, "jobs": 3}, TypeError, "jobs must be a sequence, such as a list, got 3"),
        ({"processes": 1, "jobs": "abc"}, TypeError, "jobs must be a sequence"),
        ({"processes": 1, "jobs": [1, print, threading.Lock()]}, TypeError, r"jobs\[2\] must be "),
        ({"processes": 1, "function": 5}, TypeError, "function must be callable, got 5"),
        ({"processes": -2}, ValueError, "processes must be an integer of at least 1, got -2"),
        ({"processes": 1, "on_result": None}, TypeError, "on_result must be callable, got None"),
        ({"processes": 1, "name": "x"}, TypeError, "name must be callable, got 'x'"),
    ],
)
def test_bad_input_is_refused_by_name(arguments, kind, message):
    with pytest.raises(kind, match=message):
        run_jobs(**({"function": square, "jobs": [1]} | arguments))


# Workers that die. A job here is (name, directory); what has run is written down in the directory.


def die_if_told_to(job, report):
    name, directory = job
    with (directory / f"{name} ran").open("a") as runs:
        runs.write("x")
    n_runs = (directory / f"{name} ran").stat().st_size
    report((name, n_runs))
    running = directory / f"{name} is running"
    running.touch()
    time.sleep(0.3)
    others = sorted(path.name for path in directory.glob("* is running") if path != running)
    (directory / f"{name} saw").write_text(str(others))
    running.unlink()
    if name == "exits" or (name == "exits once" and n_runs == 1):
        os._exit(3)
    if name == "is killed":
        os.kill(os.getpid(), signal.SIGKILL)
    return name, n_runs


def test_a_worker_that_dies_once_costs_nothing_but_its_own_time(tmp_path):
    names = ["a", "exits once", "b", "c"]
    reports = []
    jobs = [(name, tmp_path) for name in names]
    results = run_jobs(die_if_told_to, jobs, processes=2, on_report=reports.append)
    assert results == [("a", 1), ("exits once", 2), ("b", 1), ("c", 1)]
    assert sorted(reports) == [("a", 1), ("b", 1), ("c", 1), ("exits once", 1), ("exits once", 2)]


def test_a_job_that_always_kills_its_worker_is_named_and_the_others_are_done(tmp_path):
    jobs = [(name, tmp_path) for name in ("is killed", "a", "exits", "b")]
    with pytest.raises(SweepError) as caught:
        run_jobs(die_if_told_to, jobs, processes=2, name=lambda job: f"The one that {job[0]}")
    assert str(caught.value) == (
        "2 of 4 jobs failed:\n"
        "  The one that is killed: WorkerDiedError: the process that did it was ended by SIGKILL\n"
        "  The one that exits: WorkerDiedError: the process that did it has exited with code 3"
    )
    assert all(type(error) is WorkerDiedError for _, error in caught.value.failures)
    assert [result for _, result in caught.value.results] == [("a", 1), ("b", 1)]
    for name in ("is killed", "exits"):
        assert (tmp_path / f"{name} ran").read_text() == "xx"
        assert (tmp_path / f"{name} saw").read_text() == "[]", "was not alone the second time"


def report_until_told_to_stop(path, report):
    message = (path, os.getpid(), bytes(1_000_000))  # more than a pipe holds
    report(message)
    while not path.exists():
        report(message)
    return path.name


def test_workers_killed_in_the_middle_of_a_message_leave_nobody_waiting(tmp_path):
    killed = []

    def kill_once(message):
        path, pid, _ = message
        if not path.exists():
            time.sleep(0.02)  # for the next message to fill the pipe
            os.kill(pid, signal.SIGKILL)
            path.touch()
            killed.append(path.name)

    names = list("abcd")
    jobs = [tmp_path / name for name in names]
    assert run_jobs(report_until_told_to_stop, jobs, processes=2, on_report=kill_once) == names
    assert sorted(killed) == names


def test_an_error_of_the_caller_ends_the_workers(tmp_path):
    pids = []

    def object_to(message):
        pids.append(message[1])
        raise ArithmeticError("no more")

    with pytest.raises(ArithmeticError, match="no more"):
        run_jobs(report_until_told_to_stop, [tmp_path / "a"], processes=1, on_report=object_to)
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_minus_one_process_is_one_per_core(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    given = []
    monkeypatch.setattr(
        "ae_numpy.sweep.worker_processes.outcomes_of",
        lambda function, jobs, processes, on_report: (given.append(processes), (_ for _ in ()))[1],
    )
    assert run_jobs(square, [], processes=-1) == []
    assert given == [3]


def a_closure():
    factor = 3
    return lambda job, report: factor * job


@pytest.mark.parametrize("function", [lambda job, report: 3 * job, a_closure()])
def test_a_function_without_a_module_needs_cloudpickle(monkeypatch, function):
    pytest.importorskip("cloudpickle")
    assert run_jobs(function, [1, 2], processes=1) == [3, 6]
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises(TypeError, match=r"function must be a .* module \(a \.py .* cloudpickle"):
        run_jobs(function, [1, 2], processes=1)


IN_MAIN = """
import sys
from ae_numpy.sweep import run_jobs
if sys.argv[-1] == "without":
    sys.modules["cloudpickle"] = None
def double(job, report):
    return 2 * job
if __name__ == "__main__":
    print(run_jobs(double, [1, 2], processes=1))
"""


def python(*arguments, **settings):
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True, text=True, timeout=SECONDS_OF_PATIENCE, check=False, **settings,
    )  # fmt: skip


@pytest.mark.parametrize("how", ["stdin", "-c", "-m", "script"])
def test_a_function_of_main_works_in_a_script_and_needs_cloudpickle_elsewhere(tmp_path, how):
    pytest.importorskip("cloudpickle")
    (tmp_path / "script.py").write_text(IN_MAIN)
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__main__.py").write_text(IN_MAIN)
    way = {
        "stdin": ["-"], "-c": ["-c", IN_MAIN], "-m": ["-m", "package"], "script": ["script.py"]
    }[how]  # fmt: skip
    settings = {"cwd": tmp_path, "input": IN_MAIN if how == "stdin" else ""}
    assert python(*way, "with", **settings).stdout == "[2, 4]\n"
    without = python(*way, "without", **settings)
    if how == "script":
        assert without.stdout == "[2, 4]\n"
    else:
        assert "TypeError: function must be a function that a module defines" in without.stderr
        assert "notebook or a prompt defines; put it into a module" in without.stderr


def test_a_module_s_function_works_from_standard_input(tmp_path):
    (tmp_path / "job.py").write_text("def square(job, report):\n    return job * job\n")
    code = (
        "import job, ae_numpy.sweep as s; print(s.run_jobs(job.square, [3], processes=1), __file__)"
    )
    assert python("-", cwd=tmp_path, input=code).stdout == "[9] <stdin>\n"


def sweep(job, report):
    return run_jobs(square, [job], processes=1)


def sweep_with_threads(job, report):
    with ThreadPoolExecutor(1) as executor:
        return run_jobs(square, [job], executor=executor)


def test_inside_a_daemonic_process_an_error_says_what_to_do():
    with pytest.raises(
        SweepError, match=r"processes=1 cannot be .* daemonic .*executor of threads"
    ):
        run_jobs(sweep, [3], processes=1)
    assert run_jobs(sweep_with_threads, [3], processes=1) == [[9]]


# Callers that die, in their own processes. Their workers hold their output open, so that its
# end is the end of them all.


@pytest.fixture
def start_caller(tmp_path):
    """A function that starts a script in its own process group, all of which is ended."""
    (tmp_path / "job.py").write_text(
        textwrap.dedent(
            """
            def square(job, report):
                return job * job

            def work(job, report):
                report("at work")
                while True:
                    pass
            """
        )
    )
    callers = []

    def start(main):
        (tmp_path / "main.py").write_text(
            "import job\nfrom ae_numpy.sweep import run_jobs\n" + textwrap.dedent(main)
        )
        caller = subprocess.Popen(
            [sys.executable, "-W", "error", "main.py"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        callers.append(caller)
        return caller

    yield start
    for caller in callers:
        with suppress(ProcessLookupError):
            os.killpg(caller.pid, signal.SIGKILL)
        caller.communicate()


# Whatever started the tests may ignore SIGHUP, as nohup does, and that is inherited.
AT_WORK = """
    import signal
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if __name__ == "__main__":
        run_jobs(job.work, [1, 2], processes=2, on_report=lambda m: print(m, flush=True))
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"])
def test_workers_end_with_the_caller_however_it_ends(start_caller, name):
    caller = start_caller(AT_WORK)
    assert [caller.stdout.readline() for _ in range(2)] == ["at work\n"] * 2
    started = time.monotonic()
    if name == "SIGINT":  # as from a terminal, to all of them
        os.killpg(caller.pid, signal.SIGINT)
    else:
        caller.send_signal(signal.Signals[name])
    _, errors = caller.communicate(timeout=SECONDS_OF_PATIENCE)
    assert time.monotonic() - started < 10
    if name == "SIGINT":
        assert errors.count("Traceback") == 1
        assert errors.endswith("KeyboardInterrupt\n")
    else:
        assert errors == ""
        assert caller.returncode == -signal.Signals[name]


def test_nothing_is_left_to_complain_of_at_exit(start_caller):
    caller = start_caller(
        """
        if __name__ == "__main__":
            print(run_jobs(job.square, [1, 2, 3], processes=2))
        """,
    )
    assert caller.communicate(timeout=SECONDS_OF_PATIENCE) == ("[1, 4, 9]\n", "")


def test_a_script_without_a_guard_is_told_so_at_once(start_caller):
    caller = start_caller("run_jobs(job.square, range(1000), processes=1)")
    _, errors = caller.communicate(timeout=SECONDS_OF_PATIENCE)
    assert "WorkerStartError" in errors
    assert 'does so under `if __name__ == "__main__":`' in errors


# Executors.


def test_an_executor_does_the_jobs_and_stays_open():
    reports, results = [], []
    with ThreadPoolExecutor(2) as executor:
        assert run_jobs(
            square,
            [3, 1, 2],
            executor=executor,
            on_report=reports.append,
            on_result=lambda job, result: results.append((job, result)),
        ) == [9, 1, 4]
        assert executor.submit(abs, -1).result() == 1
    assert reports == []
    assert sorted(results) == [(1, 1), (2, 4), (3, 9)]


def test_a_failing_job_of_an_executor_is_named_and_the_others_are_done():
    with ThreadPoolExecutor(2) as executor, pytest.raises(SweepError) as caught:
        run_jobs(fail_on_three, [1, 3, 2], executor=executor)
    assert str(caught.value) == "1 of 3 jobs failed:\n  3: ValueError: three is too much"
    assert caught.value.results == [(1, 1), (2, 2)]


def wait_after_the_first(job, report, started, gate):
    started.append(job)
    if job > 0:
        gate.wait(SECONDS_OF_PATIENCE)


def test_an_interrupt_cancels_what_an_executor_has_not_begun():
    started, gate = [], threading.Event()
    function = partial(wait_after_the_first, started=started, gate=gate)

    def interrupt(job, result):
        wait_for(lambda: started == [0, 1])
        raise KeyboardInterrupt

    with ThreadPoolExecutor(1) as executor:
        with pytest.raises(KeyboardInterrupt):
            run_jobs(function, [0, 1, 2, 3], executor=executor, on_result=interrupt)
        gate.set()
    assert started == [0, 1]

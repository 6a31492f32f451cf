"""Many jobs over several processes: order, results, reports, failures."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from ae_numpy.sweep import run_jobs


def square(job, report):
    report(("did", job))
    return job * job


def fail_on_three(job, report):
    if job == 3:
        raise ValueError("three is too much")
    time.sleep(0.01)
    return job


def threads_and_start_method(job, report):
    import multiprocessing

    return os.environ["OPENBLAS_NUM_THREADS"], multiprocessing.get_start_method(allow_none=True)


def test_results_come_in_the_order_of_the_jobs_and_every_report_arrives():
    reports = []
    assert run_jobs(square, [3, 1, 2], processes=2, on_report=reports.append) == [9, 1, 4]
    assert sorted(reports) == [("did", 1), ("did", 2), ("did", 3)]


def test_a_failing_job_raises_its_own_error_in_the_caller():
    with pytest.raises(ValueError, match="three is too much"):
        run_jobs(fail_on_three, [1, 2, 3, 4], processes=2)


def test_workers_have_one_thread_and_the_caller_keeps_its_environment(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    threads, start_method = run_jobs(threads_and_start_method, [0], processes=1)[0]
    assert threads == "1"
    assert start_method == "spawn"
    assert os.environ["OPENBLAS_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ


def test_an_interrupt_ends_the_workers_within_seconds(tmp_path):
    (tmp_path / "job.py").write_text(
        textwrap.dedent(
            """
            import time

            def sleep(job, report):
                report("asleep")
                time.sleep(600)
            """
        )
    )
    (tmp_path / "main.py").write_text(
        textwrap.dedent(
            """
            import job
            from ae_numpy.sweep import run_jobs

            if __name__ == "__main__":
                run_jobs(job.sleep, [1, 2], processes=2, on_report=lambda m: print(m, flush=True))
            """
        )
    )
    process = subprocess.Popen(
        [sys.executable, "main.py"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "asleep\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode != 0
    assert "KeyboardInterrupt" in errors

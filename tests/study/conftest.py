"""A cluster of dask's processes, on this machine."""

import json
import subprocess
import sys
import time

import pytest


@pytest.fixture(name="start")
def fixture_start(tmp_path):
    """A function that starts one of dask's processes, all of which are ended."""
    processes = []

    def start(kind, *arguments):
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *arguments]
        log = (tmp_path / f"{kind}.log").open("w")
        processes.append(subprocess.Popen([*command, "--no-dashboard"], stdout=log, stderr=log))
        log.close()
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture(name="scheduler")
def fixture_scheduler(start, tmp_path):
    """A scheduler without workers, and its address.

    It is a separate process: in this one it would import the package that the client sends.
    """
    pytest.importorskip("distributed")
    file = tmp_path / "scheduler.json"
    process = start("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", file)
    deadline = time.monotonic() + 60
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return process, json.loads(file.read_text())["address"]

"""The main job on a cluster that has faults."""

import os
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import reproduce_table1
from study import cluster, run
from study.data import DataSource
from study.training import SettingsDifferError

pytest.importorskip("distributed")

FEW = DataSource("stroke-digits", n_train=60, n_test=20)


@pytest.fixture(name="when_alone")
def fixture_when_alone(monkeypatch, capsys):
    """Do something while a block runs, once the lack of workers has been reported."""
    monkeypatch.setattr(cluster, "_SECONDS_WITHOUT_WORKERS", 0.5)

    @contextmanager
    def when_alone(action):
        said = []

        def wait():
            deadline = time.monotonic() + 60
            while "no workers" not in "".join(said) and time.monotonic() < deadline:
                time.sleep(0.1)
                said.append(capsys.readouterr().err)
            action()

        waiting = threading.Thread(target=wait)
        waiting.start()
        yield
        waiting.join()
        assert "".join(said).count("no workers: waiting for one") == 1

    return when_alone


def train_on(address, folder):
    with cluster.dask_executor(address) as executor:
        run.train(run.make_pairs(["corrected"], [0], [392], 1, FEW, folder), executor=executor)


def test_a_cluster_without_workers_says_so_and_a_late_worker_is_checked(
    start, scheduler, when_alone, tmp_path, monkeypatch
):
    monkeypatch.setattr(run, "versions", lambda: {"ae_numpy": "another"})
    _, address = scheduler
    (models := tmp_path / "models").mkdir()
    with when_alone(lambda: start("worker", address, "--nthreads", "1", "--no-nanny")):
        message = r"the worker \(process \d+ on .*expected {'ae_numpy': 'another'}"
        with pytest.raises(SettingsDifferError, match=message):
            train_on(address, models)
    assert [path.name for path in models.iterdir()] == [run.WALL_SECONDS]


def test_a_scheduler_that_is_lost_is_named(scheduler, when_alone, tmp_path):
    process, address = scheduler
    message = f"the scheduler at {address} was lost"
    with when_alone(process.kill), pytest.raises(ConnectionError, match=message):
        train_on(address, tmp_path)


def test_paths_for_a_cluster_do_not_depend_on_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AE_NUMPY_DATA", "mnist")
    parse = reproduce_table1._parser().parse_args
    for given, data_dir in (
        ([], tmp_path / "mnist"),
        (["--data-dir", "data"], tmp_path / "data"),
        (["--data-dir", "~/data"], Path("~/data").expanduser()),
    ):
        options = parse(["--dask", "tcp://somewhere", "--out", "results", *given])
        reproduce_table1._make_absolute(options)
        assert options.out == tmp_path / "results"
        assert options.data_dir == os.fspath(data_dir)
    monkeypatch.delenv("AE_NUMPY_DATA")
    options = parse(["--dask", "tcp://somewhere"])
    reproduce_table1._make_absolute(options)
    assert options.data_dir is None

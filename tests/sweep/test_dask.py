"""Many jobs at a time on a cluster: dask's scheduler and workers, here all on this machine."""

import os
import time

import pytest

from ae_numpy.sweep import SweepError, run_jobs

distributed = pytest.importorskip("distributed")
dask = pytest.importorskip("dask")


def square_somewhere(job, report):
    report("to nobody")
    if job == 3:
        raise ValueError("three is too much")
    return job * job, os.getpid()


def exit_on_three(job, report):
    if job == 3:
        os._exit(3)
    return job


def linger_after_the_first(job, report):
    number, directory = job
    (directory / str(number)).touch()
    if number > 0:
        time.sleep(0.1)


@pytest.fixture(scope="module")
def client():
    with (
        # A job that has killed one worker is not given to another: that would take seconds.
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def test_a_cluster_does_the_jobs(client):
    told = []
    results = run_jobs(
        square_somewhere,
        [2, 4, 1],
        executor=client.get_executor(),
        on_report=told.append,
        on_result=lambda job, result: told.append((job, result[0])),
    )
    assert [result for result, _ in results] == [4, 16, 1]
    assert os.getpid() not in [pid for _, pid in results]
    assert sorted(told) == [(1, 1), (2, 4), (4, 16)]


def test_a_failing_job_of_a_cluster_is_named_and_the_others_are_done(client):
    with pytest.raises(SweepError) as caught:
        run_jobs(square_somewhere, [1, 3, 2], executor=client.get_executor())
    assert str(caught.value) == "1 of 3 jobs failed:\n  3: ValueError: three is too much"
    assert [(job, result) for job, (result, _) in caught.value.results] == [(1, 1), (2, 4)]


def test_a_job_that_kills_workers_of_a_cluster_is_named_and_the_others_are_done(client):
    with pytest.raises(SweepError) as caught:
        run_jobs(exit_on_three, [1, 3], executor=client.get_executor())
    [(job, error)] = caught.value.failures
    assert job == 3
    assert isinstance(error, distributed.KilledWorker)
    assert caught.value.results == [(1, 1)]


def test_an_interrupt_cancels_what_a_cluster_has_not_begun(client, tmp_path):
    def interrupt(job, result):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_jobs(
            linger_after_the_first,
            [(number, tmp_path) for number in range(40)],
            executor=client.get_executor(),
            on_result=interrupt,
        )
    time.sleep(2.2)  # two workers would have finished all jobs
    assert len(list(tmp_path.iterdir())) < 20

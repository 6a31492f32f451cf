"""The trainings on a Dask cluster (needs distributed, the extra `cluster`)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import study
from study.run import versions
from study.training import SettingsDifferError


@contextmanager
def dask_executor(address: str) -> Iterator[Executor]:
    """Connect to the scheduler at an address, and yield the executor that is its cluster.

    The workers need ae_numpy; this package is sent to them.

    Parameters
    ----------
    address : str
        For instance ``tcp://127.0.0.1:8786``.

    Raises
    ------
    ImportError
        Without distributed.
    OSError
        If there is no scheduler.
    SettingsDifferError
        If a worker has other versions of what trains than this process.
    """
    try:
        from distributed import Client
    except ImportError as error:
        message = "--dask needs distributed: pip install 'ae_numpy[cluster]'"
        raise ImportError(message) from error
    with Client(address) as client:
        with TemporaryDirectory() as folder:
            root = Path(study.__file__).parents[1]
            client.upload_file(shutil.make_archive(f"{folder}/study", "zip", root, "study"))
        _check_versions(client.run(versions))
        # Not pure: a pair is trained anew if its files are gone, whatever was done before.
        yield client.get_executor(pure=False)


def _check_versions(of_workers: dict[str, dict[str, str]]) -> None:
    for worker, found in of_workers.items():
        if found != versions():
            raise SettingsDifferError(f"the worker {worker} has {found}, expected {versions()}")

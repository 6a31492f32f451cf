"""Training on a Dask cluster (needs distributed, the extra `cluster`)."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, Executor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import study
from ae_numpy.progress import tell
from ae_numpy.sweep import SweepError
from study.run import check_surroundings, surroundings

_SECONDS_WITHOUT_WORKERS = 5.0


@contextmanager
def dask_executor(address: str) -> Iterator[Executor]:
    """Connect to the scheduler at an address, and yield the executor that is its cluster.

    The workers need ae_numpy; this package is sent to them. A line says when there are none.

    Parameters
    ----------
    address : str
        For instance ``tcp://127.0.0.1:8786``.

    Raises
    ------
    ImportError
        Without distributed.
    OSError
        If there is no scheduler, or it is lost.
    SettingsDifferError
        If a worker has other versions of the packages that train, or another kind of processor,
        than this process.
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
        client.run(check_surroundings, surroundings())
        ended = threading.Event()
        threading.Thread(target=_watch, args=(client, address, ended), daemon=True).start()
        try:
            # Not pure: a pair is trained again if its files are gone, whatever was done before.
            yield client.get_executor(pure=False)
        except SweepError as error:
            if not any(isinstance(cause, CancelledError) for _, cause in error.failures):
                raise
            # Its client would log a traceback while it is closed.
            logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
            raise ConnectionError(f"the scheduler at {address} was lost") from error
        finally:
            ended.set()


def _watch(client: Any, address: str, ended: threading.Event) -> None:
    """Say so, once, whenever there have been no workers for a while."""
    seen, told = time.monotonic(), False
    while not ended.wait(1):
        try:
            workers = client.nthreads()
        except Exception:  # of any kind: a lost scheduler is reported elsewhere
            continue
        if workers:
            seen, told = time.monotonic(), False
        elif not told and time.monotonic() > seen + _SECONDS_WITHOUT_WORKERS:
            told = True
            tell(f"no workers: waiting for one, started by `dask worker {address}` say")

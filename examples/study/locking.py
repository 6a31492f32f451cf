"""One run at a time in a folder: another one waits, and continues from what the first has left.

It waits instead of refusing, because afterwards it only has to show the same results, or to train
what the first was not asked for.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from ae_numpy.progress import tell

LOCK = "lock"
_SECONDS_BETWEEN_TRIES = 0.2


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold a folder for this run, once no other run of any process holds it.

    The operating system holds the lock: it ends with the process, however that ends. The locked
    file, `LOCK`, stays; it says who was the last to hold it. Where the file system has no
    locks, a line says so, and the run continues.

    Parameters
    ----------
    folder : path
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(open(folder / LOCK, "a+b", buffering=0))
            _wait_for(file, folder)
        except OSError as error:
            if os.access(folder, os.W_OK):  # else no run can ruin anything
                tell(f"no lock keeps a second run out of {folder} ({error.strerror}): start none")
        yield


def _wait_for(file: IO[bytes], folder: Path) -> None:
    if not _locked(file):
        file.seek(0)
        owner = file.read(200).decode(errors="replace") or "another run"
        tell(f"{folder} is in use by {owner}; waiting for its end")
        while not _locked(file):
            time.sleep(_SECONDS_BETWEEN_TRIES)
    with suppress(OSError):  # the disk may be full, which does not unlock it
        file.truncate(0)
        now = time.strftime("%Y-%m-%d %H:%M:%S")
        file.write(f"process {os.getpid()} on {socket.gethostname()} since {now}".encode())


def _locked(file: IO[bytes]) -> bool:
    """Lock a file, unless another has locked it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(1 << 20)  # past the text, which would be locked for readers, too
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True

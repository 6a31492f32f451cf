"""Files that are there whole, or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[IO[bytes]]:
    """Open a file for writing that takes its name when all has been written.

    Whatever ends the writing, even the end of the process, the path names the old file or the new
    one. A process that is killed leaves a hidden file beside it, whose name ends in ``.part``.

    Parameters
    ----------
    path : str or path
        Replaced if it exists; if it is a link, what it points to.

    Yields
    ------
    binary file

    Raises
    ------
    OSError
        If the file cannot be written; what was there is as it was.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with replacing(folder / "note.txt") as file:
    ...     _ = file.write(b"all of it")
    >>> [path.name for path in folder.iterdir()]
    ['note.txt']
    """
    target = Path(os.path.realpath(path))
    # Not of tempfile: its files are for their owner alone, whatever the system's umask.
    temporary = target.with_name(f".{target.name[:40]}.{secrets.token_hex(4)}.part")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise

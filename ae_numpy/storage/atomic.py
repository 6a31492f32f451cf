"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
import platform
import re
import secrets
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

# The name has the writer's machine and process: on a shared disk, a machine can tell only whether
# its own processes are alive. Without these two, age alone decides.
_PART = re.compile(r"\..+?\.(?:([0-9a-f]{8})-(\d+)-)?[0-9a-f]{8}\.part")
_MACHINE = f"{zlib.crc32(platform.node().encode()):08x}"
_SECONDS_TO_KEEP = 24 * 60 * 60


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[IO[bytes]]:
    """Open a file for writing that takes its name once everything is written.

    However writing ends, even if the process dies, the path names the old file or the new one. A
    process that is killed leaves a hidden file next to it, whose name ends in ``.part``; the next
    writer in the folder removes it, if its process is dead or it is a day old.

    Parameters
    ----------
    path : str or path
        Replaced if it exists; if it is a link, what it points to. Its mode is kept, and its owner
        and group where the system permits that.

    Yields
    ------
    binary file

    Raises
    ------
    OSError
        If the file cannot be written, or the path is not a regular file; an existing file is
        unchanged. The error names `path`.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with replacing(folder / "note.txt") as file:
    ...     _ = file.write(b"all of it")
    >>> [path.name for path in folder.iterdir()]
    ['note.txt']
    """
    refuse_what_is_no_file(path)
    target = Path(os.path.realpath(path))
    _remove_abandoned(target.parent)
    # Not by tempfile: only the owner could read its files, whatever the umask.
    writer = f"{_MACHINE}-{os.getpid()}-{secrets.token_hex(4)}"
    temporary = target.with_name(f".{target.name[:40]}.{writer}.part")
    try:
        with open(temporary, "xb") as file:
            if os.name == "posix":
                _take_over(file.fileno(), target)  # before there is anything to read
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
        _sync_folder(target.parent)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and str(error.filename) == str(temporary):
            raise OSError(error.errno, error.strerror, os.fspath(path)) from None
        raise


def refuse_what_is_no_file(path: str | os.PathLike) -> None:
    """Raise OSError, which names it, if a path is a directory, a pipe or a device."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise OSError(errno.EINVAL, "must be a regular file", os.fspath(path))


def _take_over(descriptor: int, old: Path) -> None:
    """Give a file mode, group and owner of an old one: what there is and what is permitted."""
    with suppress(OSError):
        status = old.stat()
        os.fchmod(descriptor, status.st_mode & 0o777)
        os.fchown(descriptor, -1, status.st_gid)
        os.fchown(descriptor, status.st_uid, -1)


def _sync_folder(folder: Path) -> None:
    """Let a new name outlive a power failure; Windows opens no folder."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        with suppress(OSError):
            os.fsync(descriptor)
        os.close(descriptor)


def _remove_abandoned(folder: Path) -> None:
    """Remove what killed writers have left."""
    oldest = time.time() - _SECONDS_TO_KEEP
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            part = _PART.fullmatch(entry.name)
            if part and (_is_dead(*part.groups()) or entry.stat().st_mtime < oldest):
                with suppress(OSError):
                    os.unlink(entry)


def _is_dead(machine: str | None, process: str | None) -> bool:
    """Whether it is certain that the writer has ended."""
    if process is None or machine != _MACHINE or os.name != "posix":
        return False  # on Windows, signal 0 is Ctrl-C
    try:
        os.kill(int(process), 0)
    except (OSError, OverflowError) as error:
        return not isinstance(error, PermissionError)  # another user's lives
    return False

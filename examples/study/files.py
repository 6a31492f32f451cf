"""Files of the study: complete or absent, and named in errors as the user named them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ae_numpy.storage.atomic import replacing


def write(path: Path, content: str | bytes) -> None:
    """Write a file completely or not at all.

    Raises
    ------
    OSError
        Names the path; what was there is unchanged.
    """
    with naming(path), replacing(path) as file:
        file.write(content if isinstance(content, bytes) else content.encode())


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Make an OSError name this path: otherwise it names a temporary file, or no file."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error

"""Faulty surroundings, on purpose."""

from __future__ import annotations

import contextlib

import pytest


@contextlib.contextmanager
def full_disk(size: int):
    """Make longer writes fail as on a full disk (EFBIG instead of ENOSPC)."""
    resource = pytest.importorskip("resource", reason="needs POSIX limits")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:  # before pytest continues, which may itself be writing to a file
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

"""Compiled kernels on disk, where that is possible.

Numba's own cache raises where it has no directory to write to, a full disk, or a file that is
damaged; a person who wants to train a model cannot do anything about that while the training
waits. Here it costs compiling anew and, where nothing can be kept, one warning.

Numba compiles a function anew when its own file has changed. Kernels are made of functions in
other files, too, so that here a change in any file of the folder counts.
"""

from __future__ import annotations

import contextlib
import hashlib
import pickle
import warnings
from pathlib import Path
from typing import Any

from numba.core.caching import CompileResultCacheImpl, FunctionCache
from numba.core.serialize import dumps

_warned = False

_SOURCES = sorted(Path(__file__).parent.glob("*.py"))
_STAMP = hashlib.sha256(b"".join(path.read_bytes() for path in _SOURCES)).hexdigest()


class _SummedResults(CompileResultCacheImpl):
    """Machine code with its checksum: damaged code would not raise but crash, or miscalculate."""

    def reduce(self, result: Any) -> tuple[bytes, bytes]:
        content = dumps(super().reduce(result))
        return hashlib.sha256(content).digest(), content

    def rebuild(self, context: Any, payload: tuple[bytes, bytes]) -> Any:
        digest, content = payload
        if hashlib.sha256(content).digest() != digest:
            raise ValueError("a file of the cache is damaged")
        return super().rebuild(context, pickle.loads(content))


class _LenientCache(FunctionCache):
    """Numba's cache of one function, which never raises."""

    _impl_class = _SummedResults

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        self._cache_file._source_stamp = _STAMP

    def load_overload(self, signature: Any, context: Any) -> Any:
        try:
            return super().load_overload(signature, context)
        except Exception:  # a damaged pickle raises whatever it likes
            with contextlib.suppress(OSError):
                self.flush()  # an index that cannot be read could not be added to either
            return None

    def save_overload(self, signature: Any, result: Any) -> None:
        try:
            super().save_overload(signature, result)
        except Exception as error:
            _warn(error)


def keep(kernel: Any) -> Any:
    """Make a jitted function look for its compiled code on disk, and leave it there.

    Parameters
    ----------
    kernel : numba dispatcher
        Or a plain function, where Numba is told not to compile.

    Returns
    -------
    kernel
    """
    if hasattr(kernel, "enable_caching"):
        try:
            kernel._cache = _LenientCache(kernel.py_func)
        except (RuntimeError, OSError) as error:  # there is no directory to write to
            _warn(error)
    return kernel


def _warn(error: Exception) -> None:
    """Say once in a process that kernels are compiled in every one."""
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(
            f"Compiled kernels cannot be kept on disk ({error}): every process compiles them "
            "again, which takes up to a minute. Set NUMBA_CACHE_DIR to a directory that can be "
            "written to.",
            RuntimeWarning,
            stacklevel=2,
        )

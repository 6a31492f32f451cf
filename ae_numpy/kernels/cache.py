"""Compiled kernels on disk, if possible.

Numba's own cache raises if it has no directory to write to, the disk is full, or a file is damaged;
none of these is a reason to stop a training run. Here the kernels are compiled again and, if
nothing can be saved, there is one warning.

Numba recompiles a function when its own file has changed. Kernels also use functions from other
files, so here a change in any file of the folder counts.
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
        except Exception:  # a damaged pickle may raise anything
            with contextlib.suppress(OSError):
                self.flush()  # an index that cannot be read cannot be extended either
            return None

    def save_overload(self, signature: Any, result: Any) -> None:
        try:
            super().save_overload(signature, result)
        except Exception as error:
            _warn(error)


def keep(kernel: Any) -> Any:
    """Make a jitted function load its compiled code from disk, and save it there.

    Parameters
    ----------
    kernel : numba dispatcher
        Or a plain function, if Numba is set not to compile.

    Returns
    -------
    kernel
    """
    if hasattr(kernel, "enable_caching"):
        try:
            kernel._cache = _LenientCache(kernel.py_func)
        except (RuntimeError, OSError) as error:  # no directory to write to
            _warn(error)
    return kernel


def _warn(error: Exception) -> None:
    """Warn once per process that kernels are compiled in every process."""
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

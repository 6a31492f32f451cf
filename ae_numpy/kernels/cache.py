"""Compiled kernels on disk, if possible.

Numba's own cache raises if it has no directory to write to, the disk is full, or a file is damaged;
none of these is a reason to stop a training run. Here the kernels are compiled again and, if
nothing can be saved, there is one warning.

Numba's cache is replaced by way of its private parts (see `numba_cache`). Where a version of Numba
has others, kernels are not kept at all. Numba recompiles a function when its own file has changed.
Kernels also use functions from other files, so here a change in any file of the folder counts.
"""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import Any

_warned = False

_SOURCES = sorted(Path(__file__).parent.glob("*.py"))
_STAMP = hashlib.sha256(b"".join(path.read_bytes() for path in _SOURCES)).hexdigest()


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
            from ae_numpy.kernels.numba_cache import LenientCache

            lenient = LenientCache(kernel.py_func, _warn)
            _ = kernel._cache, lenient._cache_file._source_stamp  # they have these names, or raise
            kernel._cache, lenient._cache_file._source_stamp = lenient, _STAMP
        except Exception as error:  # no directory of our own, or another Numba
            _warn(error)
    return kernel


def _warn(error: Exception) -> None:
    """Warn once per process that kernels are compiled in every process."""
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(
            f"Compiled kernels cannot be kept on disk ({error}): every process compiles them "
            "again, which takes up to a minute. Set NUMBA_CACHE_DIR to a directory of your own.",
            RuntimeWarning,
            stacklevel=2,
        )

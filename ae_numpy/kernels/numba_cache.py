"""Numba's cache of compiled code, which is only read where nobody else can write, and never raises.

What is kept is code: reading it runs it.
"""

from __future__ import annotations

import contextlib
import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba.core.caching import CompileResultCacheImpl, FunctionCache
from numba.core.serialize import dumps

from ae_numpy.trust import require_ours

# What is replaced below. Under another name, it would be left as it is.
_FUNCTIONS = FunctionCache._impl_class, FunctionCache.load_overload, FunctionCache.save_overload
_RESULTS = CompileResultCacheImpl.reduce, CompileResultCacheImpl.rebuild


class SummedResults(CompileResultCacheImpl):
    """Machine code with its checksum: damaged code would not raise but crash, or miscalculate."""

    def reduce(self, result: Any) -> tuple[bytes, bytes]:
        content = dumps(super().reduce(result))
        return hashlib.sha256(content).digest(), content

    def rebuild(self, context: Any, payload: tuple[bytes, bytes]) -> Any:
        digest, content = payload
        if hashlib.sha256(content).digest() != digest:
            raise ValueError("a file of the cache is damaged")
        return super().rebuild(context, pickle.loads(content))


class LenientCache(FunctionCache):
    """Numba's cache of one function, which never raises."""

    _impl_class = SummedResults

    def __init__(self, function: Any, warn: Callable[[Exception], None]) -> None:
        super().__init__(function)
        # Once is enough: where others may not write, they cannot put anything later.
        require_ours(Path(self.cache_path), "*.nb[ic]")
        self._warn = warn

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
            self._warn(error)

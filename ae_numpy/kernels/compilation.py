"""How kernels are compiled: the flags, with a reason for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

from ae_numpy.kernels.cache import keep

# What the compiler may do with floating-point numbers, a reason for each. Never "nnan" or "ninf":
# they would let it assume that there is no NaN, and a diverging training run would go unnoticed.
# - contract: a * b + c in one instruction, rounded once: faster and more accurate.
# - nsz: 0 and -0 are as good as each other: lets select instructions replace branches.
# - reassoc: add in another order: without it no sum could use vector instructions.
_ELEMENTWISE = {"contract", "nsz"}
_SUMS = _ELEMENTWISE | {"reassoc"}


def _compile(fastmath: set[str], **options: Any) -> Callable:
    """Return the decorator that compiles with these floating-point flags."""
    # With NumPy's error model a division by zero gives inf, and costs no check in the loop. Kernels
    # own no memory; without reference counts (`_nrt`) a view is free: a step on one sample makes
    # about fifty of them, which would take a tenth of its time at two hidden units.
    options |= {"fastmath": fastmath, "error_model": "numpy", "_nrt": False}
    compiled = numba.njit(**options)
    return lambda function: keep(compiled(function))


elementwise = _compile(_ELEMENTWISE, forceinline=True)
sums = _compile(_SUMS, forceinline=True)
stage = _compile(_SUMS)  # called for many samples at once: compiled for itself, not inlined
# Inlined into the caller before its types are known: so it may return a view, although there are no
# reference counts, and pass on a number that must be literal.
inlined = _compile(_ELEMENTWISE, inline="always")

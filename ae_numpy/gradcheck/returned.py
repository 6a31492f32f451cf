"""What came back from the user's function, or an error that says what it is instead."""

from __future__ import annotations

from typing import Any

import numpy as np

from ae_numpy.gradcheck.compare import largest
from ae_numpy.gradcheck.packing import Array, as_array, require_finite

# Two calls with equal arguments may differ in the last bits: the order of a sum can depend on how
# memory happens to be aligned. Dropout or a fresh batch changes far more than this.
REPEATABLE = 1e-10

NARROW = (
    "although its arguments were float64: the function casts on the way, and seven digits "
    "are too few to tell a wrong gradient from rounding. Let it compute in the dtype of its "
    "arguments"
)


def real_gradient(name: str, value: Any) -> Array:
    """A gradient as a float64 array of its own, or an error that names it."""
    if value is None:
        raise TypeError(f"gradient {name!r} is None; an array was expected: was it assigned?")
    array = as_array(f"gradient {name!r}", value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"gradient {name!r} has dtype {array.dtype}; real numbers were expected")
    require_finite(f"gradient {name!r}", array)
    return array.astype(np.float64)  # always a copy: the function may reuse its buffers


def scalar_loss(loss: Any) -> float:
    """The loss as a float, or an error that says what it is instead."""
    array = as_array("the loss", loss)
    if array.shape != ():
        raise ValueError(
            f"the loss has shape {array.shape}; a scalar was expected: sum it, or average it"
        )
    if array.dtype == object:
        raise TypeError(
            f"the loss is a {type(loss).__name__}; a real number was expected: return "
            f"(loss, gradients), in this order"
        )
    if array.dtype.kind not in "fiu":
        raise TypeError(f"the loss has dtype {array.dtype}; a real number was expected")
    if array.dtype in (np.float16, np.float32):
        raise TypeError(f"the loss is {array.dtype} {NARROW}")
    require_finite("the loss", array)
    return float(array)


def require_repeatable(what: str, first: Array, second: Array) -> None:
    scale = max(largest(first), largest(second))
    if first.shape == second.shape and np.all(np.abs(first - second) <= REPEATABLE * scale):
        return
    message = (
        f"loss_and_gradients is not deterministic: two calls with the same arguments gave {what} as"
    )
    if first.shape != second.shape:
        raise ValueError(f"{message} arrays of shape {first.shape} and {second.shape}")
    i = np.unravel_index(np.argmax(np.abs(first - second)), first.shape)
    if np.all(np.abs(second - 2 * first) <= REPEATABLE * scale):
        reason = "the second is twice the first: a buffer is added to that was not set to zero"
    else:
        reason = (
            "seed its random numbers (dropout, a random batch) inside the function, or pass the "
            "batch; and look for what it keeps between calls (a buffer, a momentum)"
        )
    raise ValueError(f"{message} {first[i]:.6g} and {second[i]:.6g}; {reason}")


def same(before: Array, after: Array) -> bool:
    return np.array_equal(before, after, equal_nan=before.dtype.kind in "fc")


def shape_hint(given: tuple[int, ...], expected: tuple[int, ...]) -> str:
    """What a wrong shape usually means."""
    if len(expected) == 2 and given == expected[::-1]:
        return ": it is transposed"
    if given == (1, *expected):
        return ": sum over the batch without keepdims"
    return ""

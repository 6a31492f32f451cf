"""The user's function under supervision: every call of it goes through here.

`Problem` calls `loss_and_gradients` with copies, looks at what came back, and tells bad input
apart from a wrong gradient: a loss that is not a scalar, a missing key, a wrong shape, a NaN, a
function that changes its arguments or draws random numbers are errors of their own, with a name.
`watched` calls it once with arrays that note what is done to them.
"""

from __future__ import annotations

import contextlib
import copy
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ae_numpy.gradcheck.packing import Array, Packing, as_array, largest, leaves, require_finite
from ae_numpy.gradcheck.verdict import apart, table

# How far apart, relative to the parameters, two losses are taken that must differ in all digits.
NEARBY = 1e-3

# Seconds after which somebody who waits wants to know for how long.
SLOW = 5.0
# Rows of a batch up to which each is looked at alone.
LARGEST_BATCH = 64

# Two calls with equal arguments may differ in the last bits: the order of a sum can depend on how
# memory happens to be aligned. Dropout or a fresh batch changes far more than this.
REPEATABLE = 1e-10

NARROW = (
    "although its arguments were float64: seven digits are too few to tell a wrong gradient from "
    "rounding. Let it compute in the dtype of its arguments"
)


# Names of operations that only compare, and of those that may hide a part of the loss.
COMPARING, HIDING = (set(table("operations.toml")[key]) for key in ("comparing", "hiding"))


class Progress:
    """Says what a slow check will cost, and how far it has come."""

    def __init__(self) -> None:
        self.calls, self.expected, self.fastest = 0, 0, np.inf
        self.spoken, self.last = time.perf_counter(), -np.inf

    def announce(self, calls: int) -> None:
        """Say how long this many calls will take, if that is long."""
        if calls * self.fastest > SLOW:
            self.calls, self.expected = 0, calls
            cost = f"{1e3 * self.fastest:.0f} ms, {calls * self.fastest:.0f} s in all"
            self._say(f"about {calls} calls of {cost} (less: fewer max_entries, or 'directional')")

    def tick(self) -> None:
        """Count a call, before it is made."""
        now = time.perf_counter()
        self.fastest, self.last = min(self.fastest, now - self.last), now
        self.calls += 1
        if self.expected and now - self.spoken > SLOW:
            self._say(f"{self.calls} of about {self.expected} calls")

    def _say(self, words: str) -> None:
        self.spoken = time.perf_counter()
        print(f"gradient check: {words}", file=sys.stderr, flush=True)


class Problem:
    """A loss, its claimed gradients, and the point at which they are looked at.

    Parameters
    ----------
    function : callable
        `function(parameters, *batch) -> (loss, gradients)`.
    parameters : dict, list or array
        See `ae_numpy.gradcheck.packing.Packing`.
    batch : tuple or None
        Further arguments of `function`; float32 arrays among them are widened to float64.
    """

    def __init__(
        self, function: Callable[..., Any], parameters: Any, batch: Sequence[Any] | None = None
    ) -> None:
        if not callable(function):
            raise TypeError(f"loss_and_gradients must be callable, got {type(function).__name__}")
        if batch is not None and not isinstance(batch, (tuple, list)):
            kind = type(batch).__name__
            raise TypeError(f"batch must be a tuple of arguments, such as (X, y); got a {kind}")
        self.function, self.casts_allowed = function, False
        self.renamed: dict[str, str] = {}
        self.progress, self.packing = Progress(), Packing(parameters)
        self.batch = None if batch is None else tuple(_widen(argument) for argument in batch)
        self.point = self.packing.vector

    def reduction(self) -> str:
        """Is the loss of the batch the "mean", or the "sum", of its rows', a penalty aside?

        "neither" is said only where it is seen; what cannot be found out is "unknown".
        """
        count = min(self.batch_size or 0, LARGEST_BATCH)
        if count < 2:
            return "unknown"
        alone = [self._loss_of(slice(i, i + 1)) for i in range(count)]
        whole, penalty = self._loss_of(slice(count)), alone[0] + alone[1] - self._loss_of(slice(2))
        scale = REPEATABLE * count * largest(np.array([*alone, whole]))
        if not np.isfinite(scale):
            return "unknown"
        if abs(whole - np.mean(alone)) <= scale:
            return "mean"
        return "sum" if abs(whole - sum(alone) + (count - 1) * penalty) <= scale else "neither"

    def _loss_of(self, rows: slice) -> float:
        """The loss of some rows of the batch; what is not an array with rows stays as it is."""
        batch = (a[rows] if isinstance(a, np.ndarray) and a.ndim else a for a in self.batch or ())
        return float(self.elsewhere(batch=tuple(batch)).loss(self.point).real)

    @property
    def batch_size(self) -> int | None:
        """Rows of the batch, if `batch` was given and its arrays agree on them."""
        arrays = [a for a in self.batch or () if isinstance(a, np.ndarray) and a.ndim > 0]
        rows = {len(array) for array in arrays}
        return rows.pop() if len(rows) == 1 else None

    def elsewhere(self, point: Array | None = None, batch: Any = None) -> Problem:
        """The same function at another point, or on another batch."""
        other = copy.copy(self)
        other.point = self.point if point is None else point
        other.batch = self.batch if batch is None else batch
        return other

    def loss(self, vector: Array) -> float | complex:
        """The loss alone, at a real or complex point.

        Where a real point makes the function raise, it is outside of the function's domain, and
        the loss is NaN. What a complex point makes it raise is for the caller to judge.
        """
        try:
            loss = self._call(vector, casts_allowed=self.casts_allowed)[0]
        except Exception:
            if np.iscomplexobj(vector):
                raise
            return float("nan")
        return np.asarray(loss).item()

    def gradients(self, vector: Array) -> dict[str, Array]:
        """The claimed gradients at a real point, unchecked; a batch axis left over is summed."""
        named = self.packing.gradients_of(self._call(vector)[1])[0]
        return {name: self.summed(name, np.asarray(g, np.float64)) for name, g in named.items()}

    def summed(self, name: str, gradient: Array) -> Array:
        """A copy of a gradient in its parameter's shape; a batch axis left over is summed."""
        if gradient.ndim > len(self.packing.shapes[name]):
            return np.asarray(gradient.sum(axis=0))
        return gradient.copy()

    def examine(self) -> tuple[float, dict[str, Array]]:
        """Loss and claimed gradients at the point, after all checks of what came back.

        Raises
        ------
        TypeError, ValueError
            Naming what was wrong, what was given and what was expected.
        """
        loss, gradients = self._examined_call()
        again, gradients_again = self._examined_call()
        require_repeatable("the loss", np.asarray(loss), np.asarray(again))
        for name, gradient in gradients.items():
            require_repeatable(f"gradient {name!r}", gradient, gradients_again[name])
        self._require_double(loss)
        return loss, gradients

    def _call(self, vector: Array, casts_allowed: bool = True) -> tuple[Any, Any]:
        """A call without warnings: they were shown at the first one."""
        self.progress.tick()
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if not casts_allowed:
                # A discarded imaginary part would be a derivative of zero.
                warnings.simplefilter("error", np.exceptions.ComplexWarning)
            return self.function(self.packing.unpack(vector), *(self.batch or ()))

    def watched(self) -> tuple[set[str], bool]:
        """Non-analytic operations that the loss applies to its parameters; could all be watched?"""
        seen, loss = set[str](), None
        point = self.packing.unpack(self.point + 0j, lambda array: _watch(array.copy(), seen))
        with np.errstate(all="ignore"), warnings.catch_warnings(), contextlib.suppress(Exception):
            # Whatever is raised on the way: the point of the exercise is what was seen until then.
            warnings.simplefilter("ignore")
            loss = self.function(point, *(self.batch or ()))[0]
        return seen, isinstance(loss, _Watched)

    def _examined_call(self) -> tuple[float, dict[str, Array]]:
        self.progress.tick()
        parameters = self.packing.unpack(self.point)
        batch = tuple(a.copy() if isinstance(a, np.ndarray) else a for a in self.batch or ())
        result = self.function(parameters, *batch)
        self._require_unchanged(parameters, batch)
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            kind = type(result).__name__
            raise TypeError(f"a pair (loss, gradients) was expected; the function gave a {kind}")
        loss = scalar_loss(result[0])
        named, self.renamed = self.packing.gradients_of(result[1])
        return loss, {name: self._gradient(name, value) for name, value in named.items()}

    def _require_double(self, loss: float) -> None:
        """A float() around a float32 loss hides its dtype; its digits still show it."""
        moves = np.random.default_rng(0).uniform(1, 2, (3, self.point.size))
        losses = [loss, *(self.loss(self.point * (1 + NEARBY * move)).real for move in moves)]
        with np.errstate(all="ignore"):
            narrow = np.array_equal(losses, np.array(losses, np.float32))
        if narrow and len(set(losses)) == len(losses):
            raise TypeError(f"the loss holds float32 numbers {NARROW}")

    def _require_unchanged(self, parameters: Any, batch: tuple[Any, ...]) -> None:
        after = dict(leaves(parameters))
        pairs = [(repr(name), before, after.get(name))
                 for name, before in self.packing.by_name(self.point).items()]  # fmt: skip
        pairs += [(f"batch[{i}]", before, batch[i]) for i, before in enumerate(self.batch or ())
                  if isinstance(before, np.ndarray)]  # fmt: skip
        for name, before, now in pairs:
            if now is None:
                raise ValueError(f"the function removed {name} from the container: work on a copy")
            if not np.array_equal(before, now, equal_nan=before.dtype.kind in "fc"):
                raise ValueError(
                    f"the function changed its argument {name}: work on a copy (an update such as "
                    f"W -= rate * dW belongs outside the function)"
                )

    def _gradient(self, name: str, value: Any) -> Array:
        """One gradient as float64; a batch axis that was not summed is let through."""
        array, shape = real_gradient(name, value), self.packing.shapes[name]
        rows = self.batch_size or max(len(array), 2) if array.ndim else 0
        if array.shape not in (shape, (rows, *shape)):
            hints = {shape[::-1]: ": it is transposed"}
            hints[(1, *shape)] = ": sum over the batch without keepdims"
            given = f"gradient {name!r} has shape {array.shape}; the parameter has shape {shape}"
            raise ValueError(given + hints.get(array.shape, ""))
        return array


def _widen(argument: Any) -> Any:
    """float32 and float16 arrays as float64; everything else as it is."""
    narrow = isinstance(argument, np.ndarray) and argument.dtype in (np.float16, np.float32)
    return argument.astype(np.float64) if narrow else argument


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
    if array.size != 1:
        what = f"the loss has shape {array.shape}"
        raise ValueError(f"{what}; a scalar was expected: sum it, or average it")
    if array.dtype.kind not in "fiu":
        kind = f"the loss has dtype {array.dtype}; a real number was expected"
        raise TypeError(f"{kind}, and the loss is a {type(loss).__name__}: (loss, gradients)?")
    if array.dtype in (np.float16, np.float32):
        raise TypeError(f"the loss is {array.dtype} {NARROW}")
    require_finite("the loss", array)
    return float(array.item())


def require_repeatable(what: str, first: Array, second: Array) -> None:
    message = f"loss_and_gradients is not deterministic: two equal calls gave {what} as"
    if first.shape != second.shape:
        raise ValueError(f"{message} arrays of shape {first.shape} and {second.shape}")
    allowed = REPEATABLE * max(largest(first), largest(second))
    if largest(first - second) <= allowed:
        return
    i = np.unravel_index(np.argmax(np.abs(first - second)), first.shape)
    reason = (
        "seed its random numbers (dropout, a random batch) inside the function, or pass the "
        "batch; and look for what it keeps between calls (a buffer, a momentum)"
    )
    if largest(second - 2 * first) <= allowed:
        reason = "the second is twice the first: a buffer is added to that was not set to zero"
    raise ValueError(f"{message} {' and '.join(apart(first[i], second[i]))}; {reason}")


class _Watched(np.ndarray):
    """An array that notes in a set which non-analytic operations it went through."""

    seen: set[str] | None
    cut = False  # is it a real part? That may be compared, but not computed with.

    def __array_finalize__(self, parent: Any) -> None:
        self.seen = getattr(parent, "seen", None)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        self._note(ufunc.__name__)
        if ufunc.__name__ not in COMPARING:
            for array in inputs:
                if isinstance(array, _Watched) and array.cut:
                    array._note("real")
        if "out" in options:
            options["out"] = tuple(_plain(array) for array in options["out"])
        result = getattr(ufunc, method)(*(_plain(array) for array in inputs), **options)
        return _watch(result, self.seen) if isinstance(result, (np.ndarray, np.generic)) else result

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        self._note(function.__name__)
        result = super().__array_function__(function, types, args, kwargs)
        return _watch(result, self.seen) if isinstance(result, (np.ndarray, np.generic)) else result

    def __getattribute__(self, name: str) -> Any:
        if name not in ("real", "imag"):
            return super().__getattribute__(name)
        part = _watch(getattr(self.view(np.ndarray), name), self.seen)
        part.cut = True
        return part

    def _note(self, name: str) -> None:
        if self.seen is not None and name in COMPARING | HIDING:
            self.seen.add(name)


def _watch(array: Any, seen: set[str] | None) -> Any:
    watched = np.asarray(array).view(_Watched)
    watched.seen = seen
    return watched


def _plain(array: Any) -> Any:
    return array.view(np.ndarray) if isinstance(array, _Watched) else array

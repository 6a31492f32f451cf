"""Is the loss analytic, so that the complex step tells the truth about it?

An `abs`, a comparison of complex numbers or a cast to float inside the loss makes the complex step
return something smooth-looking and wrong. Four tests find that: the loss must accept complex
parameters, return a complex number, whose real part is the loss, and whose derivative agrees with
central differences along a random direction of every array. When one fails, `culprits` runs
the loss once more on arrays that report what is done to them, so that the report can name it.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ae_numpy.gradcheck.derivative import COMPLEX_STEP, Derivative
from ae_numpy.gradcheck.packing import Array
from ae_numpy.gradcheck.probe import Probe

# Central differences are trusted to this many digits when they speak against the complex step:
# fewer would let a small term that is not analytic, an L1 penalty, pass unseen.
SLACK = 1e-9

# Operations that are not differentiable in the complex sense. Those that only compare are harmless
# away from the point where the comparison turns (relu, max), so they explain and do not convict.
NOT_ANALYTIC = {
    "absolute", "fabs", "conjugate", "sign", "maximum", "minimum", "fmax", "fmin", "greater",
    "greater_equal", "less", "less_equal", "floor", "ceil", "rint", "trunc", "isfinite", "real",
    "imag", "angle", "max", "min", "amax", "amin", "argmax", "argmin", "sort", "argsort", "clip",
    "median", "round", "norm", "linalg.norm", "vdot", "where", "linalg.svd",
}  # fmt: skip


def why_not_analytic(probe: Probe, loss: float) -> str | None:
    """What forbids the complex step, in a sentence; None if nothing does."""
    everywhere = probe.rng.standard_normal(probe.problem.packing.size)
    try:
        stepped = _stepped(probe, everywhere)
    except Exception as error:  # whatever the user's code raises when it meets a complex number
        return f"complex parameters made the function raise {type(error).__name__}: {error}"
    if not isinstance(stepped, complex):
        return "the loss of complex parameters came back real (abs, .real or a cast on the way)"
    if not abs(stepped.real - loss) <= 1e-9 * abs(loss) + 1e3 * probe.noise:
        return f"complex parameters changed the loss from {loss:.6g} to {stepped.real:.6g}"
    for name in probe.names:
        if disagreement := _disagreement(probe, name):
            return disagreement
    return None


def _stepped(probe: Probe, direction: Array) -> complex:
    """The loss of complex parameters. A cast in the backward pass is no cast in the loss."""
    line = probe.line(direction)
    try:
        return line(complex(0.0, COMPLEX_STEP))
    except np.exceptions.ComplexWarning:
        probe.problem.casts_allowed = True
        return line(complex(0.0, COMPLEX_STEP))


def _disagreement(probe: Probe, name: str) -> str | None:
    """Complex step against central differences along a random direction of one array."""
    direction = probe.direction(name)
    by_step = probe.complex_along(direction)
    # A cast somewhere is no proof, but a reason to look closely.
    slack = 0.0 if probe.problem.casts_allowed else SLACK
    refuting = _refuting(by_step, slack, partial(probe.central_along, name, direction))
    if refuting is None:
        return None
    if refuting.jump:
        return f"the loss has a kink in {name!r}: its slope jumps by {abs(refuting.jump):.3g}"
    return (
        f"along a random direction of {name!r} the complex step says {by_step:.6g}, central "
        f"differences say {refuting.value:.6g}"
    )


def contradicted(probe: Probe, name: str, entry: int, expected: float) -> bool:
    """True if central differences at one entry refute the complex step's value."""
    return _refuting(expected, SLACK, partial(probe.central_at, name, entry)) is not None


def _refuting(
    by_step: float, slack: float, central: Callable[[float], Derivative]
) -> Derivative | None:
    """The central difference that speaks against the complex step's value; None if one agrees.

    A second, much finer start: only where both ladders contradict the complex step is it refuted,
    but for a kink, which is proof by itself.
    """
    for shrink in (1.0, 2.0**-10):
        derivative = central(shrink)
        allowed = 10 * derivative.error + slack * abs(derivative.value)
        if derivative.jump:
            return derivative
        if not abs(by_step - derivative.value) > allowed:
            return None
    return derivative


def culprits(probe: Probe) -> tuple[str, ...]:
    """Names of the non-analytic operations that the loss applies to its parameters, sorted."""
    problem, seen = probe.problem, set[str]()
    watched = problem.packing.unpack(problem.point + 0j, lambda array: _watch(array.copy(), seen))
    with np.errstate(all="ignore"), warnings.catch_warnings(), contextlib.suppress(Exception):
        # Whatever is raised on the way: the point of the exercise is what was seen until then.
        warnings.simplefilter("ignore")
        problem.function(watched, *(problem.batch or ()))
    return tuple(sorted(seen))


class _Watched(np.ndarray):
    """An array that notes in a set which non-analytic operations it went through."""

    seen: set[str] | None

    def __array_finalize__(self, parent: Any) -> None:
        self.seen = getattr(parent, "seen", None)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        self._note(ufunc.__name__)
        if "out" in options:
            options["out"] = tuple(_plain(array) for array in options["out"])
        result = getattr(ufunc, method)(*(_plain(array) for array in inputs), **options)
        return _watch(result, self.seen) if isinstance(result, (np.ndarray, np.generic)) else result

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        self._note(function.__name__)
        return super().__array_function__(function, types, args, kwargs)

    def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> Any:
        if np.dtype(dtype).kind != "c":
            self._note(f"astype({np.dtype(dtype)})", always=True)
        return super().astype(dtype, *args, **kwargs)

    def __float__(self) -> float:
        self._note("float", always=True)
        return float(self.view(np.ndarray).real)

    def _note(self, name: str, always: bool = False) -> None:
        if self.seen is not None and (always or name in NOT_ANALYTIC):
            self.seen.add(name)


def _watch(array: Any, seen: set[str] | None) -> Any:
    watched = np.asarray(array).view(_Watched)
    watched.seen = seen
    return watched


def _plain(array: Any) -> Any:
    return array.view(np.ndarray) if isinstance(array, _Watched) else array

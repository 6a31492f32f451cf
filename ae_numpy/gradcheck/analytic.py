"""Is the loss analytic, so that the complex step tells the truth about it?

An `abs`, a comparison of complex numbers or a cast to float inside the loss makes the complex step
return something smooth-looking and wrong. Four tests find that: the loss must accept complex
parameters, return a complex number, whose real part is the loss, and whose derivative agrees with
central differences along a random direction of every array. `watched` runs the
loss once more on arrays that note what is done to them: what may hide a part of the loss from the
step makes these tests look closer, and the report can name it.
"""

from __future__ import annotations

import contextlib
import warnings
from typing import Any

import numpy as np

from ae_numpy.gradcheck.derivative import COMPLEX_STEP, SPACINGS, Derivative, Probe
from ae_numpy.gradcheck.measure import MARGIN, Slope
from ae_numpy.gradcheck.packing import Array
from ae_numpy.gradcheck.verdict import table

# Central differences are trusted to this many digits when they speak against the complex step:
# fewer would let a small term that is not analytic, an L1 penalty, pass unseen.
SLACK = 1e-9

# Names of operations that only compare, and of those that may hide a part of the loss.
COMPARING, HIDING = (set(table("operations.toml")[key]) for key in ("comparing", "hiding"))


def why_not_analytic(probe: Probe, loss: float) -> str | None:
    """What forbids the complex step, in a sentence; None if nothing does."""
    try:
        stepped = _stepped(probe, probe.rng.standard_normal(probe.problem.point.size))
    except Exception as error:  # whatever the user's code raises when it meets a complex number
        return f"complex parameters made the function raise {type(error).__name__}: {error}"
    if not isinstance(stepped, complex):
        return "the loss of complex parameters came back real (abs, .real or a cast on the way)"
    if not abs(stepped.real - loss) <= 1e-9 * abs(loss) + 1e3 * probe.noise:
        return f"complex parameters changed the loss from {loss:.6g} to {stepped.real:.6g}"
    seen, whole = watched(probe)
    probe.hiding = probe.problem.casts_allowed or bool(HIDING & seen)
    for name in probe.problem.packing.names:
        slope = Slope(probe, name, np.zeros(0), probe.direction(name), probe.size(name))
        refuting, unseen = refutation(slope)
        if refuting is None:
            probe.hidden[name] = unseen if probe.hiding or not whole else 0.0
        elif refuting.jump:
            return f"the loss has a kink in {name!r}: its slope jumps by {abs(refuting.jump):.3g}"
        else:
            slopes = f"{slope.measured().value:.6g}, central differences say {refuting.value:.6g}"
            return f"along a random direction of {name!r} the complex step says {slopes}"
    return None


def _stepped(probe: Probe, direction: Array) -> complex:
    """The loss of complex parameters. A cast in the backward pass is no cast in the loss."""
    line = probe.line(direction)
    try:
        return line(complex(0.0, COMPLEX_STEP))
    except np.exceptions.ComplexWarning:
        probe.problem.casts_allowed = True
        return line(complex(0.0, COMPLEX_STEP))


def refutation(slope: Slope) -> tuple[Derivative | None, float]:
    """The central difference that speaks against the complex step, or None; what it left unseen.

    A second, much finer start: only where both ladders contradict the complex step is it refuted,
    but a kink is proof by itself. A step that is rough itself, or a contradiction that vanishes at
    half the parameters where nothing in the loss could hide from the step, is saturation.
    """
    probe, by_step = slope.probe, slope.measured().value
    slack = 0.0 if probe.problem.casts_allowed else SLACK  # a cast is a reason to look closely
    unseen = np.inf
    # Where a part may hide, the ladder that sees most counts, else the first that agrees.
    for shrink in (8.0, 1.0, 2.0**-10) if probe.hiding else (1.0, 2.0**-10):
        found = slope.central(shrink)
        if found.jump:
            return found, np.inf
        if not abs(by_step - found.value) > 10 * found.error + slack * abs(found.value):
            unseen = min(unseen, found.error)
            if not probe.hiding:
                return None, unseen
    apart = abs(by_step - found.value)
    rough = max(slope.roughness(spacing, claimed=False) for spacing in SPACINGS)
    if np.isfinite(unseen) or found.error == np.inf or not apart > MARGIN * rough:
        return None, unseen
    half = slope.at(probe.problem.point / 2)
    there = half.central(0.5)
    gone = abs(half.measured().value - there.value) <= 10 * there.error + 1e-3 * apart
    return (None if gone and not probe.hiding else found), unseen


def watched(probe: Probe) -> tuple[set[str], bool]:
    """Non-analytic operations that the loss applies to its parameters; could all be watched?"""
    problem, seen, loss = probe.problem, set[str](), None
    point = problem.packing.unpack(problem.point + 0j, lambda array: _watch(array.copy(), seen))
    with np.errstate(all="ignore"), warnings.catch_warnings(), contextlib.suppress(Exception):
        # Whatever is raised on the way: the point of the exercise is what was seen until then.
        warnings.simplefilter("ignore")
        loss = problem.function(point, *(problem.batch or ()))[0]
    return seen, isinstance(loss, _Watched)


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

"""One run of a check: does the complex step tell the truth about the loss, and what is found?

An `abs`, a comparison of complex numbers or a cast to float inside the loss makes the complex step
return something smooth-looking and wrong. Four tests find that: the loss must accept complex
parameters, return a complex number, whose real part is the loss, and whose derivative agrees with
central differences along a random direction of every array. What was seen to hide a part of a loss
from the step (`Problem.watched`) makes these tests look closer, and the report can name it. Then
every array is measured; where the complex step finds an error, central differences confirm it.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from ae_numpy.gradcheck.derivative import COMPLEX_STEP, MARGIN, SPACINGS, Derivative, Probe, Slope
from ae_numpy.gradcheck.function import HIDING, Problem
from ae_numpy.gradcheck.measure import Options, compare_directions, compare_entries, ignores
from ae_numpy.gradcheck.packing import Packing, largest, leaves
from ae_numpy.gradcheck.verdict import CANNOT_TELL, RIGHT, WRONG, ArrayCheck, table
from ae_numpy.gradcheck.views import Arrays, Batch, Checks, Measured

# Central differences are trusted to this many digits when they speak against the complex step:
# fewer would let a small term that is not analytic, an L1 penalty, pass unseen.
SLACK = 1e-9

NOTES: dict[str, str] = table("notes.toml")


class Run:
    """State of one run: the problem, what it claims, and how it is measured."""

    def __init__(
        self, problem: Problem, options: Options, masks: Any = None,
        random_state: int | np.random.Generator = 0,
    ) -> None:  # fmt: skip
        self.problem, self.options = problem, options
        self.masks = checked_masks(masks, problem.packing)
        self.loss, self.given = problem.examine()
        self.summed = {name: problem.summed(name, g) for name, g in self.given.items()}
        rng = np.random.default_rng(random_state)
        self.probe = Probe(problem.loss, problem.gradients, problem.packing, self.loss, rng)

    def measured(self) -> Measured:
        """Measure, confirm, and hand on what was found."""
        arrays, notes = self._confirmed()
        problem, flat = self.problem, self.problem.packing.flat
        return Measured(
            arrays, self._words(), self.tolerance, tuple(notes + self._notes(arrays)),
            problem.packing.by_name(problem.point), self.masks,
            problem.batch or (), problem.batch_size or 0, look=partial(self._look, arrays),
            loss=lambda point, batch: problem.elsewhere(batch=batch).loss(flat(point)).real,
            reduction=lambda point: problem.elsewhere(flat(point)).reduction(),
            ignores=partial(ignores, self.probe),
        )  # fmt: skip

    @property
    def tolerance(self) -> float:
        """Relative error from which on an entry is wrong."""
        return self.options.limits(self.probe.use_complex)[0]

    def _confirmed(self) -> tuple[Checks, list[str]]:
        """Checks of all arrays, and if not made as wanted, a note that says why."""
        if self.options.method == "central":
            return self._measure(False), []
        try:
            reason = why_not_analytic(self.problem, self.probe, self.loss)
            arrays = () if reason else self._measure(True)
            reason = reason or self._contradiction(arrays)
        except Exception as error:  # the user's code, at some other complex point
            reason = f"complex parameters made the function raise {type(error).__name__}"
        if reason is None:
            return arrays, []
        seen = sorted(self.problem.watched()[0]) + ["a cast to float"] * self.problem.casts_allowed
        if seen:
            reason += f". The loss applies {', '.join(seen)} to the parameters"
        return self._measure(False), [NOTES["not_analytic"].format(reason)]

    def _measure(self, use_complex: bool) -> Checks:
        self.probe.use_complex, options = use_complex, self.options
        entries = sum(min(given.size, options.max_entries) for given in self.given.values())
        each = entries if options.entrywise else options.directions * len(self.given)
        calls = (each if use_complex else 30 * each) + 50 * len(self.given)
        self.problem.progress.announce(calls)
        return tuple(self._measure_array(name) for name in self.given)

    def _measure_array(self, name: str) -> ArrayCheck:
        given, which = self.summed[name], (self.probe, name, self.summed[name], self.masks[name])
        entries, entrywise, subgradient, directions = np.arange(0), None, False, None
        if self.options.entrywise:
            entries, entrywise, subgradient = compare_entries(*which, self.options)
        if entrywise is None or len(entries) < given.size:
            directions = compare_directions(*which, self.options)
        return ArrayCheck(
            name, given.shape, self.given[name], entries, entrywise, directions,
            unsummed=self.given[name].ndim > given.ndim, subgradient=subgradient,
        )  # fmt: skip

    def _look(self, arrays: Checks, point: Arrays, batch: Batch) -> tuple[Arrays, Arrays]:
        """Claimed and right gradients elsewhere; NaN where not looked at, zero where masked."""
        problem = self.problem.elsewhere(self.problem.packing.flat(point), batch)
        given, expected = problem.gradients(problem.point), {}
        probe = self.probe.of(problem.loss, problem.gradients, problem.point)
        for array in arrays:
            values, trained = np.full(array.size, np.nan), np.ravel(self.masks[array.name])
            enough = 0.01 * self.tolerance * largest(array.gradient)
            for i in array.entries[trained[array.entries]]:
                values[i] = probe.slope(array.name, int(i)).measured(enough=enough).value
            expected[array.name] = np.where(trained, values, 0.0).reshape(array.shape)
        return given, expected

    def _notes(self, arrays: Checks) -> list[str]:
        """What a reader of the verdict should know, and what cannot be seen at this point."""
        problem, names = self.problem, ", ".join
        verdicts = {array.verdict for array in arrays}
        along = [array.size for array in arrays if array.entrywise is None]
        size, directions = max(along, default=0), self.options.directions
        missed = probability_of_missing(size, directions, self.tolerance)
        point = problem.packing.by_name(problem.point)
        concerned = {
            "sampled": names(a.name for a in arrays if a.entrywise and a.checked < a.size),
            "kink": names(a.name for a in arrays if a.subgradient and a.verdict == RIGHT),
            "missed": bool(along) and f"{missed:.0e}",
            "only_factors": bool(along) and WRONG in verdicts,
            "cannot_tell": CANNOT_TELL in verdicts,
            "widened": names(problem.packing.widened),
            "zeros": names(name for name, a in point.items() if a.size and not a.any()),
            "one_sample": problem.batch_size == 1,
            "shared": problem.reduction() == "neither",
        }
        keys = [f"the gradient of {n!r} was found as {key!r}" for n, key in problem.renamed.items()]
        return [NOTES[key].format(value) for key, value in concerned.items() if value] + keys

    def _contradiction(self, arrays: Checks) -> str | None:
        """Do central differences side with the claim where the complex step calls it wrong?"""
        for array in arrays:
            part = array.entrywise
            if part is not None and part.verdict == WRONG:
                entry = int(array.entries[part.worst])
                if refutation(self.problem, self.probe.slope(array.name, entry))[0]:
                    place = f"{array.name}{array.worst.index}"
                    return f"central differences contradict the complex step at {place}"
        return None

    def _words(self) -> str:
        """How the expected values were computed."""
        base = "complex step" if self.probe.use_complex else "central differences"
        directions = f" along {self.options.directions} random directions per array"
        return base if self.options.entrywise else base + directions


def why_not_analytic(problem: Problem, probe: Probe, loss: float) -> str | None:
    """What forbids the complex step, in a sentence; None if nothing does."""
    try:
        stepped = _stepped(problem, probe)
    except Exception as error:  # whatever the user's code raises when it meets a complex number
        return f"complex parameters made the function raise {type(error).__name__}: {error}"
    if not isinstance(stepped, complex):
        return "the loss of complex parameters came back real (abs, .real or a cast on the way)"
    if not abs(stepped.real - loss) <= 1e-9 * abs(loss) + 1e3 * probe.noise:
        return f"complex parameters changed the loss from {loss:.6g} to {stepped.real:.6g}"
    seen, whole = problem.watched()
    probe.hiding = problem.casts_allowed or bool(HIDING & seen)
    for name in probe.sections:
        slope = Slope(probe, name, np.zeros(0), probe.direction(name), probe.size(name))
        refuting, unseen = refutation(problem, slope)
        if refuting is None:
            probe.hidden[name] = unseen if probe.hiding or not whole else 0.0
        elif refuting.jump:
            return f"the loss has a kink in {name!r}: its slope jumps by {abs(refuting.jump):.3g}"
        else:
            slopes = f"{slope.measured().value:.6g}, central differences say {refuting.value:.6g}"
            return f"along a random direction of {name!r} the complex step says {slopes}"
    return None


def _stepped(problem: Problem, probe: Probe) -> complex:
    """The loss of complex parameters. A cast in the backward pass is no cast in the loss."""
    line = probe.line(probe.rng.standard_normal(probe.point.size))
    try:
        return line(complex(0.0, COMPLEX_STEP))
    except np.exceptions.ComplexWarning:
        problem.casts_allowed = True
        return line(complex(0.0, COMPLEX_STEP))


def refutation(problem: Problem, slope: Slope) -> tuple[Derivative | None, float]:
    """The central difference that speaks against the complex step, or None; what it left unseen.

    A second, much finer start: only where both ladders contradict the complex step is it refuted,
    but a kink is proof by itself. A step that is rough itself, or a contradiction that vanishes at
    half the parameters where nothing in the loss could hide from the step, is saturation.
    """
    probe, by_step = slope.probe, slope.measured().value
    slack = 0.0 if problem.casts_allowed else SLACK  # a cast is a reason to look closely
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
    half = slope.at(probe.point / 2)
    there = half.central(0.5)
    gone = abs(half.measured().value - there.value) <= 10 * there.error + 1e-3 * apart
    return (None if gone and not probe.hiding else found), unseen


def checked_masks(masks: Any, packing: Packing) -> Arrays:
    """One boolean array per parameter, True where it is trained; missing ones are all True."""
    result: Arrays = {n: np.ones(shape, bool) for n, shape in packing.shapes.items()}
    for name, value in () if masks is None else leaves(masks):
        mask = np.asarray(value)
        if name not in result:
            raise ValueError(f"masks names {name!r}; the parameters are {list(result)}")
        if mask.shape != packing.shapes[name] or not np.all((mask == 0) | (mask == 1)):
            wanted = f"mask {name!r} must hold booleans in shape {packing.shapes[name]}"
            raise ValueError(f"{wanted}; got dtype {mask.dtype} and shape {mask.shape}")
        result[name] = mask.astype(bool)
    return result


def probability_of_missing(
    size: int, directions: int, tolerance: float, error: float = 0.01
) -> float:
    """Bound on the probability that random directions miss a single wrong entry.

    A direction v misses an entry i that is wrong by d if `|v_i d| <= tolerance * norm(g)`; v_i is
    standard normal, `d = error * max|g|`, and `norm(g) <= sqrt(size) * max|g|`. So the probability
    is at most `erf(tolerance * sqrt(size) / (error * sqrt(2))) ** directions`.

    Examples
    --------
    >>> print(f"{probability_of_missing(87808, 8, 1e-9):.0e}")
    1e-37
    """
    return math.erf(tolerance * math.sqrt(size) / (error * math.sqrt(2))) ** directions

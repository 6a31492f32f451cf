"""One run of a gradient check, from the user's function to the report.

The order: call the function and look at what came back; decide whether the complex step applies;
measure every array; where the complex step finds an error, let central differences confirm it;
explain what is wrong.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ae_numpy.gradcheck.analytic import contradicted, culprits, why_not_analytic
from ae_numpy.gradcheck.compare import CENTRAL_TOLERANCE, COMPLEX_TOLERANCE, WRONG
from ae_numpy.gradcheck.diagnosis import Diagnosis, diagnose
from ae_numpy.gradcheck.explain import evidence_of
from ae_numpy.gradcheck.measure import Settings, compare_directions, compare_entries
from ae_numpy.gradcheck.notes import notes_on
from ae_numpy.gradcheck.options import ENTRYWISE, checked_masks, require_options
from ae_numpy.gradcheck.packing import Array
from ae_numpy.gradcheck.probe import Probe
from ae_numpy.gradcheck.problem import Problem
from ae_numpy.gradcheck.recognition import causes_of
from ae_numpy.gradcheck.report import ArrayCheck, GradientReport
from ae_numpy.gradcheck.taylor import Remainder, remainder


class Run:
    """State of one run: the problem, what it claims, and the options of `check_gradients`."""

    def __init__(
        self,
        problem: Problem,
        *,
        method: str = "complex_step",
        masks: Any = None,
        tolerance: float | None = None,
        max_entries: int = 1000,
        directions: int = 8,
        random_state: int | np.random.Generator = 0,
    ) -> None:
        require_options(method, tolerance, max_entries, directions)
        self.problem, self.method, self.tolerance = problem, method, tolerance
        self.max_entries, self.directions = max_entries, directions
        self.masks = checked_masks(masks, problem.packing)
        self.parameters = problem.packing.by_name(problem.point)
        self.loss, self.given = problem.examine()
        summed = {name: self.summed(name) for name in self.given}
        self.probe = Probe(problem, self.loss, summed, np.random.default_rng(random_state))

    def report(self) -> GradientReport:
        """Measure, confirm, explain."""
        arrays, analytic, reason = self._measured()
        notes = [] if reason is None else [self._not_analytic(reason)]
        settings = self._settings(analytic)
        notes += notes_on(arrays, self.problem.packing.widened, settings)
        diagnosis = Diagnosis()
        if any(array.verdict == WRONG for array in arrays):
            with np.errstate(all="ignore"):  # a prediction may overflow; then it does not fit
                diagnosis = diagnose(evidence_of(self, arrays, settings), causes_of(self))
        return GradientReport(
            arrays, self._words(settings), settings.tolerance, diagnosis, tuple(notes)
        )

    def arrays(self) -> tuple[ArrayCheck, ...]:
        """What was measured, without words."""
        return self._measured()[0]

    def _measured(self) -> tuple[tuple[ArrayCheck, ...], bool, str | None]:
        """Checks of all arrays, whether by complex step, and if not so although wanted, why."""
        if self.method not in ("complex_step", "directional"):
            return self._measure(False), False, None
        reason = why_not_analytic(self.probe, self.loss)
        if reason is None:
            try:
                arrays = self._measure(True)
                reason = self._contradiction(arrays)
            except Exception as error:  # the user's code, at some other complex point
                reason = f"complex parameters made the function raise {type(error).__name__}"
        if reason is not None:
            arrays = self._measure(False)
        return arrays, reason is None, reason

    def losses_nearby(self) -> list[tuple[dict[str, Array], float]]:
        """The loss at the point and at two others near it, with the parameters by name."""
        points = [self.problem.point]
        for _ in range(2):
            points.append(self.problem.point + 0.1 * self.probe.everywhere())
        by_name = self.problem.packing.by_name
        return [(by_name(point), float(self.problem.loss(point).real)) for point in points]

    def summed(self, name: str) -> Array:
        """The claimed gradient in the parameter's shape; a batch axis left over is summed."""
        return self.problem.summed(name, self.given[name])

    def claimed_slope(self, name: str) -> tuple[Array, float]:
        """A random direction in the trained entries of an array, and the slope claimed along it."""
        direction = self.probe.direction(name)
        section = self.problem.packing.section(name)
        direction[section] *= np.ravel(self.masks[name])
        return direction, float(np.ravel(self.summed(name)) @ direction[section])

    def _settings(self, use_complex: bool) -> Settings:
        default = COMPLEX_TOLERANCE if use_complex else CENTRAL_TOLERANCE
        tolerance = default if self.tolerance is None else self.tolerance
        return Settings(tolerance, use_complex, self.max_entries, self.directions)

    def _measure(self, use_complex: bool) -> tuple[ArrayCheck, ...]:
        settings = self._settings(use_complex)
        return tuple(self._measure_array(name, settings) for name in self.given)

    def _measure_array(self, name: str, settings: Settings) -> ArrayCheck:
        given, mask = self.summed(name), self.masks[name]
        entries = entrywise = derivatives = directions = None
        if self.method in ENTRYWISE:
            found = compare_entries(self.probe, name, given, mask, settings)
            entries, entrywise, derivatives = found
        if entries is None or len(entries) < given.size:
            directions = compare_directions(self.probe, name, given, mask, settings)
        return ArrayCheck(
            name, given.shape, self.given[name], entries, entrywise, directions, derivatives,
            self._remainder(name) if self.method == "taylor" else None,
            unsummed=self.given[name].ndim > given.ndim,
        )  # fmt: skip

    def _remainder(self, name: str) -> Remainder:
        direction, slope = self.claimed_slope(name)
        step = self.probe.size(name)
        return remainder(self.probe.line(direction), slope, step, self.probe.noise)

    def _contradiction(self, arrays: tuple[ArrayCheck, ...]) -> str | None:
        """Do central differences side with the claim where the complex step calls it wrong?"""
        for array in arrays:
            part = array.entrywise
            if part is None or part.verdict != WRONG or array.entries is None:
                continue
            k = part.worst
            entry = int(array.entries[k])
            measured = float(array.derivatives[k]) if array.derivatives is not None else 0.0
            if contradicted(self.probe, array.name, entry, measured):
                index = tuple(int(i) for i in np.unravel_index(entry, array.shape))
                return f"central differences contradict the complex step at {array.name}{index}"
        return None

    def _not_analytic(self, reason: str) -> str:
        seen = list(culprits(self.probe))
        if self.problem.casts_allowed:
            seen.append("a cast to float")
        suspects = f" The loss applies {', '.join(seen)} to the parameters." if seen else ""
        return (
            f"the loss is not analytic, so the complex step does not apply: {reason}.{suspects} "
            f"Central differences were used instead"
        )

    def _words(self, settings: Settings) -> str:
        base = "complex step" if settings.use_complex else "central differences"
        if self.method in ENTRYWISE:
            return base
        return f"{base} along {self.directions} random directions per array"

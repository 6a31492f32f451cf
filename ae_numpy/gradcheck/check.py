"""`check_gradients`: the claimed gradients of any function against numerical ones.

The order: call the function and look at what came back; decide whether the complex step applies;
measure every array; where the complex step finds an error, let central differences confirm it;
explain what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ae_numpy.gradcheck.analytic import refutation, watched, why_not_analytic
from ae_numpy.gradcheck.derivative import Probe
from ae_numpy.gradcheck.diagnosis import diagnose
from ae_numpy.gradcheck.function import Problem
from ae_numpy.gradcheck.measure import Options, compare_directions, compare_entries, entry_slope
from ae_numpy.gradcheck.packing import Array, Packing, leaves
from ae_numpy.gradcheck.report import GradientReport, probability_of_missing
from ae_numpy.gradcheck.verdict import CANNOT_TELL, RIGHT, WRONG, ArrayCheck, Diagnosis, table
from ae_numpy.gradcheck.views import Views

NOTES: dict[str, str] = table("notes.toml")


def check_gradients(
    loss_and_gradients: Callable[..., Any],
    parameters: Any,
    *,
    batch: Sequence[Any] | None = None,
    method: str = "complex_step",
    masks: Any = None,
    tolerance: float | None = None,
    max_entries: int = 1000,
    directions: int = 8,
    random_state: int | np.random.Generator = 0,
) -> GradientReport:
    """Check a hand-written gradient against a numerical one, and say what is wrong with it.

    The error of an entry is `|given - expected| / max|expected|`, the maximum over the entries of
    its array; an entry that is small beside the others is held to its own size as well. There is no
    absolute tolerance. Before anything is called wrong it has to stand out from rounding: rounding
    is rough in the parameters, and a bug is smooth.

    Parameters
    ----------
    loss_and_gradients : callable
        `loss_and_gradients(parameters) -> (loss, gradients)`: a scalar and, in a container like
        `parameters`, arrays of the same shapes (a key `dW` will do for `W`). With `batch` it is
        called as `loss_and_gradients(parameters, *batch)`. Its last call is at the real point.
    parameters : one array, or dicts, lists, tuples and dataclasses of arrays, nested as you like
        Where to check. Random numbers are a good choice, zeros a bad one. float32 is widened to
        float64; a function that casts back to float32 is refused.
    batch : tuple, optional
        Further arguments, such as `(X,)` or `(X, y)`, whose rows are samples. With it the diagnosis
        can tell errors that concern the batch.
    method : {"complex_step", "central", "directional"}
        `"complex_step"`: every entry, exact to rounding. Where the loss is not analytic (abs, a
        comparison, a cast to float) the report says so, and central differences are used.
        `"central"`: every entry by Richardson-extrapolated central differences, each with its
        own step and estimated error. `"directional"`: random directions only, for models too
        large for entries; the report states the probability of missing a wrong entry.
    masks : like `parameters`, optional
        Boolean arrays, False where a parameter is held constant: its gradient must be exactly 0
        although the loss depends on it. A dict may name some of the parameters only.
    tolerance : float, optional
        Largest relative error of a right entry. Where the numerical derivative is less certain
        than this, the verdict is "cannot tell". By default 1e-9 for the complex step and 1e-8 for
        central differences, and where rounding leaves fewer digits, five of them must agree: the
        report says how many do.
    max_entries : int
        Larger arrays are sampled, and checked as a whole along random directions.
    directions : int
        Number of random directions per array, where directions are used.
    random_state : int or numpy.random.Generator
        For samples and directions.

    Returns
    -------
    GradientReport
        True if the gradient is right; ``.verdict``, ``.worst``, ``.digits``, ``.diagnosis``,
        ``.raise_if_failed()``; print it.

    Raises
    ------
    TypeError, ValueError
        For bad input: a loss that is no scalar, a gradient missing or of the wrong shape, NaN,
        integer parameters, a function that changes its arguments or is not deterministic.

    References
    ----------
    Squire and Trapp, "Using complex variables to estimate derivatives of real functions", SIAM
    Review 40 (1998). Richardson, Phil. Trans. A 210 (1911). Ridders, "Accurate computation of F'(x)
    and F'(x) F''(x)", Advances in Engineering Software 4 (1982).

    Examples
    --------
    >>> def half_square(w):
    ...     return 0.5 * np.sum(w**2), w
    >>> check_gradients(half_square, np.array([1.0, 2.0])).ok
    True
    >>> report = check_gradients(lambda w: (np.sum(w**2), w), np.array([1.0, 2.0]))
    >>> report.ok, report.worst
    (False, Worst(name='parameters', index=(1,), given=2.0, expected=4.0))
    """
    run = Run(
        Problem(loss_and_gradients, parameters, batch),
        Options(method, tolerance, max_entries, directions), masks, random_state,
    )  # fmt: skip
    try:
        return run.report()
    finally:
        run.problem.loss(run.problem.point)  # what the function keeps of it is real, and here


def check_network(
    network: Any,
    X: Array,
    target: Array | None = None,
    *,
    loss_and_gradients: Callable[..., Any] | None = None,
    **options: Any,
) -> GradientReport:
    """Check the gradient of a `Network` on a batch, knowing its layers, masks and rule.

    Parameters
    ----------
    network : Network
        Its `loss_and_gradients` is checked at its own parameters. A network with
        `backprop="raw_error"` fails below its last layer, and the diagnosis says so.
    X : array, shape (B, I)
    target : array, shape (B, O), optional
        X if not given.
    loss_and_gradients : callable, optional
        Somebody's own `loss_and_gradients(parameters, X, target)` for the same network, to be
        checked in place of the network's.
    **options
        As for `check_gradients`: method, tolerance, max_entries, directions, random_state.

    Returns
    -------
    GradientReport

    Raises
    ------
    TypeError, ValueError
        For bad input, as `check_gradients`.

    Examples
    --------
    >>> from ae_numpy.network import Network
    >>> network = Network((4, 2, 4), backprop="raw_error")
    >>> network.parameters[:] = np.random.default_rng(0).normal(size=network.parameters.shape)
    >>> report = check_network(network, np.random.default_rng(1).random((3, 4)))
    >>> {array.name: array.verdict for array in report.arrays}
    {'W0': 'wrong', 'b0': 'wrong', 'W1': 'right', 'b1': 'right'}
    >>> report.diagnosis.findings[0].causes
    ('the rule "raw_error"',)
    """
    function = loss_and_gradients or network.loss_and_gradients
    batch = tuple(map(np.asarray, (X, X if target is None else target)))
    masks = {f"b{i}": layer.bias_mask for i, layer in enumerate(network.layers)}
    return check_gradients(function, network.as_dict(), batch=batch, masks=masks, **options)


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
        self.probe = Probe(problem, self.loss, np.random.default_rng(random_state))

    def report(self, explain: bool = True) -> GradientReport:
        """Measure, confirm, explain."""
        arrays, notes = self._measured()
        tolerance = self.options.limits(self.probe.use_complex)[0]
        notes += self._notes(arrays, tolerance)
        views = Views(self.probe, arrays, self.masks, self.options)
        diagnosis = diagnose(views) if explain else Diagnosis()
        return GradientReport(arrays, self._words(), tolerance, diagnosis, tuple(notes))

    def _measured(self) -> tuple[tuple[ArrayCheck, ...], list[str]]:
        """Checks of all arrays, and if not made as wanted, a note that says why."""
        if self.options.method == "central":
            return self._measure(False), []
        try:
            reason = why_not_analytic(self.probe, self.loss)
            arrays = () if reason else self._measure(True)
            reason = reason or self._contradiction(arrays)
        except Exception as error:  # the user's code, at some other complex point
            reason = f"complex parameters made the function raise {type(error).__name__}"
        if reason is None:
            return arrays, []
        seen = sorted(watched(self.probe)[0]) + ["a cast to float"] * self.problem.casts_allowed
        if seen:
            reason += f". The loss applies {', '.join(seen)} to the parameters"
        return self._measure(False), [NOTES["not_analytic"].format(reason)]

    def _measure(self, use_complex: bool) -> tuple[ArrayCheck, ...]:
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

    def _notes(self, arrays: tuple[ArrayCheck, ...], tolerance: float) -> list[str]:
        """What a reader of the verdict should know, and what cannot be seen at this point."""
        problem, names = self.problem, ", ".join
        verdicts = {array.verdict for array in arrays}
        entrywise = [array for array in arrays if array.entrywise is not None]
        along = [array.size for array in arrays if array.entrywise is None]
        missed = probability_of_missing(max(along, default=0), self.options.directions, tolerance)
        point = problem.packing.by_name(problem.point)
        concerned = {
            "sampled": names(a.name for a in entrywise if a.checked < a.size),
            "kink": names(a.name for a in arrays if a.subgradient and a.verdict == RIGHT),
            "missed": bool(along) and f"{missed:.0e}",
            "only_factors": bool(along) and WRONG in verdicts,
            "cannot_tell": CANNOT_TELL in verdicts,
            "widened": names(problem.packing.widened),
            "zeros": names(name for name, a in point.items() if a.size and not a.any()),
            "one_sample": problem.batch_size == 1,
            "shared": problem.reduction() == "neither",
        }
        renamed = problem.renamed.items()
        return [NOTES[key].format(value) for key, value in concerned.items() if value] + [
            f"the gradient of {name!r} was found as {key!r}" for name, key in renamed
        ]

    def _contradiction(self, arrays: tuple[ArrayCheck, ...]) -> str | None:
        """Do central differences side with the claim where the complex step calls it wrong?"""
        for array in arrays:
            part = array.entrywise
            if part is not None and part.verdict == WRONG:
                entry = int(array.entries[part.worst])
                if refutation(entry_slope(self.probe, array.name, entry))[0]:
                    place = f"{array.name}{array.worst.index}"
                    return f"central differences contradict the complex step at {place}"
        return None

    def _words(self) -> str:
        """How the expected values were computed."""
        base = "complex step" if self.probe.use_complex else "central differences"
        directions = f" along {self.options.directions} random directions per array"
        return base if self.options.entrywise else base + directions


def checked_masks(masks: Any, packing: Packing) -> dict[str, Array]:
    """One boolean array per parameter, True where it is trained; missing ones are all True."""
    result: dict[str, Array] = {n: np.ones(shape, bool) for n, shape in packing.shapes.items()}
    for name, value in () if masks is None else leaves(masks):
        mask = np.asarray(value)
        if name not in result:
            raise ValueError(f"masks names {name!r}; the parameters are {list(result)}")
        if mask.shape != packing.shapes[name] or not np.all((mask == 0) | (mask == 1)):
            wanted = f"mask {name!r} must hold booleans in shape {packing.shapes[name]}"
            raise ValueError(f"{wanted}; got dtype {mask.dtype} and shape {mask.shape}")
        result[name] = mask.astype(bool)
    return result

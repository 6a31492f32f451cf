"""The evidence of a run: what was claimed and measured, put in order for the diagnosis."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ae_numpy.gradcheck.compare import CANNOT_TELL, WRONG, largest
from ae_numpy.gradcheck.evidence import Evidence
from ae_numpy.gradcheck.measure import Settings, derivative_along, derivative_at
from ae_numpy.gradcheck.numeric import Derivative
from ae_numpy.gradcheck.packing import Array
from ae_numpy.gradcheck.probe import Probe
from ae_numpy.gradcheck.report import ArrayCheck

if TYPE_CHECKING:
    from ae_numpy.gradcheck.run import Run


def evidence_of(run: Run, arrays: tuple[ArrayCheck, ...], settings: Settings) -> Evidence:
    """What the causes may look at; for directions, the slopes stand in for the entries."""
    return Evidence(
        given={a.name: _claimed(a) for a in arrays},
        expected={a.name: _expanded(a, "expected") for a in arrays},
        unmasked={a.name: _expanded(a, "unmasked") for a in arrays},
        uncertainty={a.name: _expanded(a, "uncertainty") for a in arrays},
        parameters=run.parameters,
        unsummed=tuple(a.name for a in arrays if a.unsummed),
        wrong=tuple(a.name for a in arrays if a.verdict == WRONG),
        tolerance=settings.tolerance,
        batch_size=run.problem.batch_size,
        outputs=_outputs(run),
        complete=all(array.complete and not array.open_entries for array in arrays),
        slopes=partial(_slopes, run, settings),
        elsewhere=partial(_elsewhere, run, arrays, settings),
    )


def _outputs(run: Run) -> int | None:
    """Columns of the last argument of the batch, if the last parameter has as many."""
    last = (run.problem.batch or (None,))[-1]
    shape = list(run.parameters.values())[-1].shape
    if np.ndim(last) != 2 or not shape or np.shape(last)[1] != shape[-1] or shape[-1] == 1:
        return None
    return int(shape[-1])


def _slopes(run: Run, settings: Settings, rows: slice) -> dict[str, tuple[float, float]]:
    """Claimed and measured derivative along a direction, the latter on some rows only."""
    probe, result = run.probe.moved(run.problem.rows(rows), None), {}
    for name in run.given:
        direction, claimed = run.claimed_slope(name)
        result[name] = claimed, _or_nan(derivative_along, probe, name, direction, settings)
    return result


def _elsewhere(
    run: Run,
    arrays: tuple[ArrayCheck, ...],
    settings: Settings,
    rows: slice | None = None,
    parameters: Array | None = None,
) -> dict[str, Array]:
    """Measured gradients on some rows of the batch, or at other parameters."""
    problem = run.problem if rows is None else run.problem.rows(rows)
    probe = run.probe.moved(problem, parameters)
    return {array.name: _values(run, probe, array, settings) for array in arrays}


def _values(run: Run, probe: Probe, array: ArrayCheck, settings: Settings) -> Array:
    """Derivatives at the entries that were checked, NaN elsewhere, zero where masked."""
    values = np.full(array.size, np.nan)
    if array.entries is not None:
        enough = 0.01 * settings.tolerance * largest(array.gradient)
        values[array.entries] = [
            _or_nan(derivative_at, probe, array.name, int(i), settings, enough)
            for i in array.entries
        ]
    return np.where(run.masks[array.name], values.reshape(array.shape), 0.0)


def _or_nan(derivative: Callable[..., Derivative], *arguments: Any) -> float:
    """A derivative where the function may raise: not every loss takes a batch of one row."""
    try:
        return derivative(*arguments).value
    except Exception:
        return float("nan")


def _claimed(array: ArrayCheck) -> Array:
    """The claimed gradient, or its slopes if only directions were measured."""
    if array.entries is None and array.directions is not None and not array.unsummed:
        return array.directions.given
    return array.gradient


def _expanded(array: ArrayCheck, kind: str) -> Array:
    """Expected, unmasked or uncertainty in the parameter's shape, NaN where nothing is known."""
    part = array.directions if array.entrywise is None else array.entrywise
    if part is None:
        return np.full(array.shape, np.nan)
    values = part.uncertainty if kind == "uncertainty" else part.expected
    if kind == "unmasked" and array.derivatives is not None:
        values = array.derivatives
    known = np.where(part.verdicts == CANNOT_TELL, np.nan, values)
    if array.entries is None:
        return known
    result = np.full(array.size, np.nan)
    result[array.entries] = known
    return result.reshape(array.shape)

"""Expected values: which entries or directions are looked at, and what they should be.

Each method of `check_gradients` ends in one or two `Comparison`s per array. A measurement knows
nothing of diagnosis or reports.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ae_numpy.gradcheck.derivative import Derivative
from ae_numpy.gradcheck.packing import Array, largest, root_mean_square
from ae_numpy.gradcheck.probe import NOISE_MARGIN, Probe
from ae_numpy.gradcheck.verdict import WRONG, Comparison


@dataclass(frozen=True)
class Settings:
    """The options of `check_gradients` that a measurement needs."""

    tolerance: float
    use_complex: bool
    max_entries: int
    directions: int


def chosen_entries(given: Array, limit: int, rng: np.random.Generator) -> Array:
    """Flat indices of the entries to check, sorted: all, or a sample of `limit`.

    Half of a sample are the largest given entries, so that the scale of the errors is that of the
    array and not of its background; the other half is drawn from the rest.
    """
    if given.size <= limit:
        return np.arange(given.size)
    by_size = np.argsort(-np.abs(np.ravel(given)), kind="stable")
    top = by_size[: limit // 2]
    drawn = rng.choice(by_size[limit // 2 :], limit - limit // 2, replace=False)
    return np.sort(np.concatenate([top, drawn]))


def compare_entries(
    probe: Probe, name: str, given: Array, mask: Array, settings: Settings
) -> tuple[Array, Comparison, Array]:
    """Checked entries, their comparison, and the derivatives there before masking."""
    entries = chosen_entries(given, settings.max_entries, probe.rng)
    # A hundredth of what the verdict needs, if the claim has the right size; if it has not, the
    # verdict does not need it.
    enough = 0.01 * settings.tolerance * largest(given)
    derivatives = [derivative_at(probe, name, int(i), settings, enough) for i in entries]
    raw = np.array([d.value for d in derivatives])
    error = np.array([d.error for d in derivatives])
    trained = np.ravel(mask)[entries]
    expected, error = np.where(trained, raw, 0.0), np.where(trained, error, 0.0)
    claimed = np.ravel(given)[entries]
    comparison = _comparison(probe, name, claimed, expected, error, settings)
    if not settings.use_complex and comparison.verdict == WRONG:
        error = np.maximum(error, _doubt(probe, name, entries, comparison) * trained)
        comparison = _comparison(probe, name, claimed, expected, error, settings)
    return entries, comparison, raw


def _doubt(probe: Probe, name: str, entries: Array, comparison: Comparison) -> Array:
    """How much central differences from much finer steps disagree, for entries found wrong.

    A loss that oscillates inside the first step can fool one table; it does not fool two.
    """
    doubt = np.zeros(len(entries))
    for k in np.flatnonzero(comparison.verdicts == WRONG):
        finer = probe.central_at(name, int(entries[k]), 2.0**-10)
        apart = abs(finer.value - comparison.expected[k])
        doubt[k] = apart if apart > 3 * (finer.error + comparison.uncertainty[k]) else 0.0
    return doubt


def compare_directions(
    probe: Probe, name: str, given: Array, mask: Array, settings: Settings
) -> Comparison:
    """The gradient of one whole array along random directions: claimed and measured slopes.

    The scale is the root mean square of the measured slopes, an estimate of the gradient's norm.
    """
    claimed, derivatives = [], []
    section = probe.problem.packing.section(name)
    for _ in range(settings.directions):
        direction = probe.direction(name, mask)
        derivatives.append(derivative_along(probe, name, direction, settings))
        # A held entry is expected to be given as 0: whatever is claimed there is in the way.
        held = np.where(np.ravel(mask), 0.0, probe.rng.standard_normal(given.size))
        claimed.append(float(np.ravel(given) @ (direction[section] + held)))
    expected = np.array([d.value for d in derivatives])
    error = np.array([d.error for d in derivatives])
    rounding = 4 * np.finfo(float).eps * np.linalg.norm(given) * np.sqrt(given.size)
    return _comparison(
        probe, name, np.array(claimed), expected, error + rounding, settings,
        scale=root_mean_square(expected), spread=np.sqrt(given.size),
    )  # fmt: skip


def derivative_at(
    probe: Probe, name: str, entry: int, settings: Settings, enough: float = 0.0
) -> Derivative:
    """The derivative with respect to one entry, by the method of the settings."""
    if settings.use_complex:
        return Derivative(probe.complex_along(probe.unit(name, entry)), 0.0)
    return probe.central_at(name, entry, enough=enough)


def derivative_along(probe: Probe, name: str, direction: Array, settings: Settings) -> Derivative:
    """The derivative along a direction inside one array, by the method of the settings."""
    if settings.use_complex:
        return Derivative(probe.complex_along(direction), 0.0)
    return probe.central_along(name, direction)


def _comparison(
    probe: Probe,
    name: str,
    given: Array,
    expected: Array,
    error: Array,
    settings: Settings,
    scale: float | None = None,
    spread: float = 1.0,
) -> Comparison:
    """A comparison whose uncertainty includes rounding, and which knows a zero when it sees one."""
    noise = NOISE_MARGIN * probe.gradient_noise[name] * spread
    scale = largest(expected) if scale is None else scale
    uncertainty = error + noise
    slack = 0.0
    tiny = scale <= max(largest(uncertainty), probe.residue(name) * spread)
    if tiny and largest(given) <= noise and probe.ignores(name):
        # The loss ignores this array. What was measured is rounding, and so is what was given
        # where terms cancel, as for a bias in front of a normalisation; where nothing cancels
        # there is no noise, and then only an exact zero will do.
        expected, uncertainty = np.zeros_like(expected), np.zeros_like(expected)
        scale, slack = 0.0, noise
    elif settings.use_complex and not np.any(expected):
        uncertainty = np.zeros_like(expected)  # the complex step of a zero derivative is exact
    found = Comparison(given, expected, uncertainty, scale, settings.tolerance, slack)
    if scale > 0 and found.verdict == WRONG:
        floor = np.where(found.verdicts == WRONG, probe.indistinct(name) * spread, 0.0)
        found = replace(found, uncertainty=np.maximum(uncertainty, floor))
    return found

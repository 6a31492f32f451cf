"""Expected values: which entries or directions are looked at, and what they should be.

Each array ends in one or two `Comparison`s. Before an entry is called wrong, it has to stand out
from rounding: given minus expected is evaluated at nearby points, and where the difference is no
larger than its own roughness, nothing is said.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np

from ae_numpy.gradcheck.derivative import (
    EPSILON,
    LEVELS,
    SPACINGS,
    Derivative,
    Probe,
    central,
    complex_step,
    nearest_slopes,
    roughness,
)
from ae_numpy.gradcheck.packing import Array, largest, root_mean_square
from ae_numpy.gradcheck.verdict import CANNOT_TELL, RIGHT, WRONG, Comparison

METHODS = ("central", "complex_step", "directional")

# The complex step is exact to rounding and a hand-written gradient nearly so: 1e-14 is what
# correct code shows. 1e-9 leaves room for long sums, and is below the 3e-8 of a float32 cast.
COMPLEX_TOLERANCE = 1e-9
# Extrapolated central differences reach 1e-9 to 1e-12. Still below a float32 cast.
CENTRAL_TOLERANCE = 1e-8
# Unless a tolerance is given, a gradient is called right only if five digits are known.
RESOLUTION = 1e-5
# A difference stands out if it is this many times as large as its own roughness; it is rounding
# if it is not even CALM times as large. In between nothing is known.
MARGIN, CALM = 20.0, 4.0
# What is saturated changes in single digits only, over distances that are no longer near.
FAR = 1e-2
# At one of these parts of the parameters saturation is over; an error that is a power of them still
# shows. A claim of exactly 0 is no such power, and may lie as deep in saturation as it likes.
PARTS, DEEPER = (1 / 2, 1 / 8), tuple(0.5 ** np.arange(4, 24))
# An entry that is small beside the others of its array is wrong from this error on, relative to
# its own size; of those that look so, this many are examined.
OWN_TOLERANCE, EXAMINED = 1e-6, 8


@dataclass(frozen=True)
class Options:
    """How to measure, as `check_gradients` describes it; bad values are refused by name."""

    method: str = "complex_step"
    tolerance: float | None = None
    max_entries: int = 1000
    directions: int = 8

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method={self.method!r}: expected one of {sorted(METHODS)}")
        given = self.tolerance
        if given is not None and not (isinstance(given, Real) and 0 < given < 1):
            raise ValueError(f"tolerance={given!r}: a relative error between 0 and 1 was expected")
        require_count("max_entries", self.max_entries)
        require_count("directions", self.directions)

    @property
    def entrywise(self) -> bool:
        """Is every entry looked at, or only random directions?"""
        return self.method != "directional"

    def limits(self, use_complex: bool) -> tuple[float, float]:
        """Relative error from which on an entry is wrong; uncertainty up to which it is right."""
        usual = COMPLEX_TOLERANCE if use_complex else CENTRAL_TOLERANCE
        return self.tolerance or usual, self.tolerance or RESOLUTION


def require_count(name: str, value: int) -> None:
    if not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name}={value!r}: a whole number of at least 1 was expected")


class Slope(NamedTuple):
    """A number that is claimed and measured: the slope along a direction inside one array.

    Attributes
    ----------
    probe : Probe
    name : str
    claim : array
        Weights of the array's claimed entries, flat.
    direction : array
        Weights of all parameters in the measured derivative, flat; zero where held.
    reach : float
        The distance on which the loss may be expected to bend.
    """

    probe: Probe
    name: str
    claim: Array
    direction: Array
    reach: float

    @property
    def claimed(self) -> float:
        """What the user's function says."""
        problem = self.probe.problem
        return float(np.ravel(problem.gradients(problem.point)[self.name]) @ self.claim)

    def measured(self, shrink: float = 1.0, enough: float = 0.0) -> Derivative:
        """What the loss says; 0 where everything is held."""
        if not self.direction.any():
            return Derivative(0.0, 0.0)
        if self.probe.use_complex:
            return Derivative(complex_step(self.probe.line(self.direction)), 0.0)
        return self.central(shrink, enough)

    def central(self, shrink: float = 1.0, enough: float = 0.0, levels: int = LEVELS) -> Derivative:
        """The same by central differences."""
        line, step = self.probe.line(self.direction), 0.1 * shrink * self.reach
        return central(line, step, self.probe.noise, enough, levels)

    def at(self, point: Array, stretch: float = 1.0) -> Slope:
        """The same slope at another point, its direction and its claim stretched."""
        probe = self.probe.moved(self.probe.problem.elsewhere(point))
        return Slope(probe, self.name, stretch * self.claim, stretch * self.direction, self.reach)

    def gap(self, claimed: bool = True) -> float:
        """Claimed minus measured slope, or the measured one; NaN outside the function's domain."""
        try:
            return (self.claimed if claimed else 0.0) - self.measured().value
        except Exception:
            return float("nan")

    def relative_gap(self) -> float:
        """The gap, relative to the larger of both slopes; 1 if there is none."""
        gap, measured = self.gap(), self.gap(claimed=False)
        larger = max(abs(measured), abs(gap - measured))
        return abs(gap) / larger if larger else 1.0

    def roughness(self, spacing: float, claimed: bool = True, along: Array | None = None) -> float:
        """How rough the gap is along a direction, the slope's own if none is given.

        Stretching moves the rounding of the direction's own weights.
        """
        point = self.probe.problem.point
        step = self.reach * self.direction if along is None else along

        def gap(t: complex) -> complex:
            return self.at(point + t.real * step, 1 + t.real).gap(claimed) / (1 + t.real)

        return roughness(gap, spacing, kinks=spacing < FAR)


def entry_slope(probe: Probe, name: str, entry: int, trained: bool = True) -> Slope:
    """One entry of one array."""
    direction, section = probe.unit(name, entry), probe.problem.packing.sections[name]
    reach = max(abs(float(probe.problem.point[section][entry])), probe.size(name))
    return Slope(probe, name, direction[section], trained * direction, reach)


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
    probe: Probe, name: str, given: Array, mask: Array, options: Options
) -> tuple[Array, Comparison, bool]:
    """Checked entries, their comparison; is it a subgradient?"""
    entries = chosen_entries(given, options.max_entries, probe.rng)
    limits, trained = options.limits(probe.use_complex), np.ravel(mask)
    slopes = [entry_slope(probe, name, int(i), bool(trained[i])) for i in entries]
    # A hundredth of what the verdict needs, if the claim has the right size; if it has not, the
    # verdict does not need it.
    found, kinks = _found(slopes, 0.01 * limits[0] * largest(given))
    claimed, expected = np.ravel(given)[entries], np.array([d.value for d in found])
    uncertainty = np.array([3 * d.error for d in found])
    nearest = nearest_slopes(probe, name, entries[kinks], claimed[kinks]) if kinks else None
    if nearest is None:
        kinks = []
    else:
        expected[kinks], uncertainty[kinks] = nearest, 0.0
    scale = np.full(len(entries), largest(expected))
    comparison = Comparison(claimed, expected, uncertainty, scale, *limits)
    subgradient = bool(kinks) and np.array_equal(expected[kinks], claimed[kinks])
    return entries, settled(comparison, slopes, given, kinks), subgradient


def _found(slopes: list[Slope], enough: float) -> tuple[list[Derivative], list[int]]:
    """The measured slopes, by fine steps where coarse ones say nothing; which are at a kink?"""
    found, kinks = [slope.measured(enough=enough) for slope in slopes], []
    for k, derivative in enumerate(found):
        if np.isinf(derivative.error):
            finer = slopes[k].measured(2.0**-10)
            kinks += [k] if finer.jump else []
            found[k] = derivative if finer.jump else finer
    return found, kinks


def compare_directions(
    probe: Probe, name: str, given: Array, mask: Array, options: Options
) -> Comparison:
    """The gradient of one whole array along random directions: claimed and measured slopes.

    The scale is the root mean square of the measured slopes, an estimate of the gradient's norm.
    """
    slopes, section = [], probe.problem.packing.sections[name]
    for _ in range(options.directions):
        direction = probe.direction(name, mask)
        # A held entry is expected to be given as 0: whatever is claimed there is in the way.
        held = np.where(np.ravel(mask), 0.0, probe.rng.standard_normal(given.size))
        slopes.append(Slope(probe, name, direction[section] + held, direction, probe.size(name)))
    found = [slope.measured() for slope in slopes]
    expected, claimed = np.array([d.value for d in found]), np.ravel(given)
    rounding = 4 * EPSILON * np.linalg.norm(given) * np.sqrt(given.size)
    comparison = Comparison(
        np.array([float(claimed @ slope.claim) for slope in slopes]), expected,
        np.array([3 * d.error for d in found]) + rounding,
        np.full(len(slopes), root_mean_square(expected)), *options.limits(probe.use_complex),
    )  # fmt: skip
    return settled(comparison, slopes, given)


def convicted(
    comparison: Comparison, slope: Callable[[int], Slope], kinks: Sequence[int] = (),
    cast: bool = False,
) -> Comparison:  # fmt: skip
    """The comparison once what looks wrong had to stand out from its own roughness."""
    while comparison.verdict == WRONG:
        k, difference = comparison.worst, comparison.difference
        if k in kinks:
            return comparison  # the pieces that meet there were compared already
        rough = doubt(slope(k), not cast)
        if difference[k] > MARGIN * rough:
            return comparison
        # Errors of this size are rounding, wherever in the array they are.
        rounding = np.where(difference <= CALM * rough, CALM * rough, np.inf)
        excused = np.where(difference <= difference[k], rounding, 0.0)
        comparison = replace(comparison, uncertainty=np.maximum(comparison.uncertainty, excused))
    return comparison


def settled(
    comparison: Comparison, slopes: list[Slope], given: Array, kinks: Sequence[int] = ()
) -> Comparison:
    """The comparison with rounding excused, small entries looked at, hidden digits taken off."""
    if not slopes:
        return comparison
    comparison = convicted(comparison, slopes.__getitem__, kinks, cast=_is_float32(given))
    if comparison.verdict == CANNOT_TELL and _is_zero(comparison, slopes):
        zero = np.zeros_like(comparison.given)
        return replace(comparison, given=zero, expected=zero, uncertainty=zero, scale=zero)
    probe = slopes[0].probe
    if probe.use_complex and comparison.verdict != WRONG:
        comparison = _small_entries(comparison, slopes)
    if not probe.use_complex or comparison.verdict != RIGHT:
        return comparison
    hidden = probe.hidden.get(slopes[0].name, 0.0)
    if not probe.hiding:  # no operation was seen that hides, but not all could be seen
        hidden = min(hidden, comparison.resolution * float(np.min(comparison.scale)))
    uncertainty = np.maximum(comparison.uncertainty, hidden * (comparison.scale > 0))
    return replace(comparison, uncertainty=uncertainty)


def _is_zero(comparison: Comparison, slopes: list[Slope]) -> bool:
    """Does the loss ignore this array, and is what was given and measured of it rounding?

    So it is for a bias in front of a normalisation, where terms cancel. Where nothing cancels there
    is no rounding, and then only an exact zero will do.
    """
    slope = slopes[int(np.argmax(np.abs(comparison.given)))]
    rounding = MARGIN * min(doubt(slope), slope.probe.noise / slope.reach)
    tiny = largest(comparison.expected) <= max(rounding, largest(comparison.uncertainty))
    return tiny and largest(comparison.given) <= rounding and slope.probe.ignores(slope.name)


def doubt(slope: Slope, claimed: bool = True) -> float:
    """Size of the rounding in the gap between a claimed and a measured slope.

    A rounding cast does not excuse the claim: then `claimed` is False, and only the measured slope
    is looked at. Where the gap vanishes at a part of the parameters, it may come from saturation:
    there the last digits change only over longer distances, or have no effect on the loss at all.
    """
    probe, point = slope.probe, slope.probe.problem.point
    rough = max(slope.roughness(spacing, claimed) for spacing in SPACINGS)
    # Where the slope's own direction happens to change no digit, another one does.
    rough = max(rough, slope.roughness(SPACINGS[0], claimed, probe.everywhere()))
    parts, here = PARTS if slope.claimed else PARTS + DEEPER, slope.relative_gap()
    if MARGIN * rough >= abs(slope.gap()) or not any(
        slope.at(point * part).relative_gap() < 1e-3 * here for part in parts
    ):
        return rough
    coarse = slope.central(levels=5)
    if abs(slope.claimed - coarse.value) <= 3 * coarse.error < np.inf:
        return np.inf
    return max(rough, slope.roughness(FAR, claimed), 32 * probe.noise / slope.reach)


def _small_entries(comparison: Comparison, slopes: list[Slope]) -> Comparison:
    """The comparison with entries that are wrong beside their own size, if there are any.

    The complex step knows each entry to rounding; one of the wrong sign is wrong although another
    is 1e12 times larger.
    """
    difference = comparison.difference
    own = np.maximum(np.abs(comparison.given), np.abs(comparison.expected))
    suspect = difference > max(OWN_TOLERANCE, comparison.tolerance) * own
    by_size = np.argsort(np.where(suspect, difference, 0.0))[len(own) - np.sum(suspect) :]
    places = np.linspace(0, len(by_size) - 1, min(EXAMINED, len(by_size))).astype(int)
    for k in reversed(by_size[places]):
        rough = doubt(slopes[k])
        if difference[k] > max(MARGIN * rough, comparison.uncertainty[k]):
            wrong = suspect & (difference > MARGIN * rough)
            return replace(comparison, scale=np.where(wrong, own, comparison.scale))
    return comparison


def _is_float32(given: Array) -> bool:
    """Does an array hold numbers of single precision, with more digits than constants have?"""
    digits = np.frexp(given)[0] * 2.0**24  # whole numbers in single precision
    return bool(np.all(digits % 1 == 0) and np.any(digits % 2**12 != 0))

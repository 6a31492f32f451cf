"""Expected values: which entries or directions are looked at, and what they should be.

Each array ends in one or two `Comparison`s. Before an entry is called wrong, it has to stand out
from rounding: given minus expected is evaluated at nearby points, and where the difference is no
larger than its own roughness, nothing is said. At a kink, the pieces that meet there are asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from numbers import Integral, Real

import numpy as np

from ae_numpy.gradcheck.derivative import FAR, MARGIN, SPACINGS, Derivative, Probe, Slope, roughness
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
# A difference is rounding if it is not even CALM times as large as its own roughness. Between that
# and MARGIN nothing is known.
CALM = 4.0
# At one of these parts of the parameters saturation is over; an error that is a power of them still
# shows. A claim of exactly 0 is no such power, and may lie as deep in saturation as it likes.
PARTS, DEEPER = (1 / 2, 1 / 8), tuple(0.5 ** np.arange(4, 24))
# An entry that is small beside the others of its array is wrong from this error on, relative to
# its own size; of those that look so, this many are examined.
OWN_TOLERANCE, EXAMINED = 1e-6, 8

# Points at which the pieces of a kink are looked for and directions along which they are compared;
# more entries than MOST at kinks are left open.
PIECES, CROSSINGS, MOST = 24, 32, 64
# Distance of the points, and of the differences there, relative to the parameters.
AWAY, STEP = 1e-4, 1e-7


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
    slopes = [probe.slope(name, int(i), bool(trained[i])) for i in entries]
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
    slopes, section = [], probe.sections[name]
    for _ in range(options.directions):
        direction = probe.direction(name, mask)
        # A held entry is expected to be given as 0: whatever is claimed there is in the way.
        held = np.where(np.ravel(mask), 0.0, probe.rng.standard_normal(given.size))
        slopes.append(Slope(probe, name, direction[section] + held, direction, probe.size(name)))
    found = [slope.measured() for slope in slopes]
    expected, claimed = np.array([d.value for d in found]), np.ravel(given)
    rounding = 4 * np.finfo(np.float64).eps * np.linalg.norm(given) * np.sqrt(given.size)
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
    return tiny and largest(comparison.given) <= rounding and ignores(slope.probe, slope.name)


def doubt(slope: Slope, claimed: bool = True) -> float:
    """Size of the rounding in the gap between a claimed and a measured slope.

    A rounding cast does not excuse the claim: then `claimed` is False, and only the measured slope
    is looked at. Where the gap vanishes at a part of the parameters, it may come from saturation:
    there the last digits change only over longer distances, or have no effect on the loss at all.
    """
    probe, point = slope.probe, slope.probe.point
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


def ignores(probe: Probe, name: str) -> bool:
    """True if the loss does not move by more than rounding when array `name` does, and far.

    A gradient that is zero at a minimum fails this; one that is zero everywhere passes.
    """
    if not np.isfinite(probe.noise):
        return False
    for distance in (-1.0, 0.01, 1.0, 100.0, 1e4, -100.0, 10.0, -10.0):
        step = distance * probe.size(name) * probe.direction(name)
        line = probe.line(step)
        there = probe.at(probe.point + step).line(step)
        rounding = probe.noise + roughness(there, SPACINGS[0])
        if not abs(line(1.0).real - line(0.0).real) <= 32 * rounding:
            return False
    return True


def nearest_slopes(probe: Probe, name: str, entries: Array, claimed: Array) -> Array | None:
    """The slopes nearest to the claimed ones that the pieces allow; None if that is left open.

    Near a kink a loss is smooth, and its slopes there are those of the pieces that meet. A claim
    between them, along each entry and along random directions, is a subgradient (Clarke,
    Optimization and Nonsmooth Analysis, 1983) and comes back as it is; one outside any is wrong.
    """
    if not 0 < len(entries) <= MOST or not np.isfinite(probe.noise):
        return None
    units = np.array([probe.unit(name, int(i)) for i in entries])
    points = [probe.point + AWAY * probe.everywhere() for _ in range(PIECES)]
    around = np.array([[_slope(probe, name, p, unit) for unit in units] for p in points])
    if not np.all(np.isfinite(around)):
        return None
    low, high = around.min(axis=0), around.max(axis=0)
    rounding = 10 * probe.noise / (STEP * probe.size(name))
    # The pieces bend a little on the way to the points.
    slack = 1e-2 * (high - low) + 1e-3 * np.maximum(np.abs(low), np.abs(high)) + rounding
    nearest = np.clip(claimed, low, high)
    inside = np.abs(claimed - nearest) <= slack
    # One kink along an entry shows two slopes; of many at once, the extreme ones may not be seen.
    two_valued = np.all((around <= low + slack) | (around >= high - slack), axis=0)
    if np.any(~inside & two_valued):
        return np.where(inside, claimed, nearest)
    jumps, few = _span(around - around[0])
    projected = around[0] + (claimed - around[0]) @ jumps.T @ jumps
    if few and np.any(np.abs(projected - claimed) > 2 * slack.max()):
        return projected
    if np.all(inside) and _between(probe, name, units, around, claimed, 2 * slack.max()):
        return claimed
    return None


def _slope(probe: Probe, name: str, point: Array, direction: Array) -> float:
    """The slope of the loss near the kink, by one difference."""
    line = probe.at(point).line(direction)
    h = STEP * probe.size(name)
    return (line(h).real - line(-h).real) / (2 * h)


def _span(jumps: Array) -> tuple[Array, bool]:
    """Orthonormal directions of the jumps between pieces; are they fewer than points can show?"""
    sizes, directions = np.linalg.svd(jumps, full_matrices=False)[1:]
    rank = int(np.sum(sizes > 1e-2 * sizes[0]))
    return directions[:rank], rank <= PIECES // 2


def _between(
    probe: Probe, name: str, units: Array, around: Array, claimed: Array, slack: float
) -> bool:
    """Is the claimed slope between those of the pieces along random directions?"""
    h = STEP * probe.size(name)
    for weights in probe.rng.standard_normal((CROSSINGS, len(claimed))):
        line = probe.line(weights @ units)
        sides = [(line(h) - line(0.0)).real / h, (line(0.0) - line(-h)).real / h]
        pieces = np.append(around @ weights, sides)
        reach = slack * np.abs(weights).sum()
        if not pieces.min() - reach <= claimed @ weights <= pieces.max() + reach:
            return False
    return True

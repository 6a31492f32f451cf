"""Derivatives of the user's loss, and how rough they are.

`Probe` joins a `Problem` (whose loss) with `derivative` (which formula): slopes of one entry or
along a direction inside one array, at the point in question or a little away from it. Rounding is
rough and a bug is smooth in the parameters; so whatever is to be told from rounding is evaluated at
a row of nearby points, and its fourth differences say how large the rounding in it is. At a kink,
`nearest_slopes` asks the pieces that meet there.
"""

from __future__ import annotations

import copy

import numpy as np

from ae_numpy.gradcheck.derivative import (
    LEVELS,
    Derivative,
    Line,
    central,
    complex_step,
    roughness,
)
from ae_numpy.gradcheck.function import Problem
from ae_numpy.gradcheck.packing import Array, root_mean_square

EPSILON = float(np.finfo(np.float64).eps)

# Distances between nearby points, relative to the parameters. The first is more than the rounding
# of float32 and so little that a loss is smooth on it; the second moves a saturated `1 - a`, which
# has few digits left, from one of them to the next.
SPACINGS = (1e-6, 1e-4)

# Points at which the pieces are looked for and directions along which they are compared; more
# entries than MOST at kinks are left open.
PIECES, CROSSINGS, MOST = 24, 32, 64
# Distance of the points, and of the differences there, relative to the parameters.
AWAY, STEP = 1e-4, 1e-7


class Probe:
    """Numerical derivatives of a loss, by complex step or central differences.

    Parameters
    ----------
    problem : Problem
        The loss and the point.
    loss : float
        The loss there.
    rng : numpy.random.Generator
        Source of the random directions.
    """

    def __init__(self, problem: Problem, loss: float, rng: np.random.Generator) -> None:
        self.problem, self.rng, self.use_complex = problem, rng, True
        # Does the loss apply operations that could hide a part of it from the complex step? And, by
        # array, how large a slope would be that nobody has noticed.
        self.hiding = False
        self.hidden: dict[str, float] = {}
        self.names = problem.packing.names
        line = self.line(self.everywhere())
        self.noise = max(EPSILON * abs(loss), roughness(line, SPACINGS[0]))
        if self.noise > 1e-3 * max(abs(loss), abs(line(SPACINGS[0])), abs(line(-SPACINGS[0]))):
            self.noise = np.inf  # the loss oscillates: no difference quotient is its slope

    def moved(self, problem: Problem) -> Probe:
        """A probe of another batch or another point, with the same idea of rounding."""
        probe = copy.copy(self)
        probe.problem = problem
        return probe

    def size(self, name: str) -> float:
        """Typical magnitude of the entries of an array, 1 for an array of zeros."""
        return root_mean_square(self.problem.point[self.problem.packing.section(name)]) or 1.0

    def reach(self, name: str, entry: int) -> float:
        """The distance on which a loss may be expected to bend when one entry moves."""
        value = self.problem.point[self.problem.packing.section(name)][entry]
        return max(abs(float(value)), self.size(name))

    def direction(self, name: str, mask: Array | float = 1.0) -> Array:
        """A normal random direction in the trained entries of one array; (size,) flat."""
        direction = np.zeros_like(self.problem.point)
        section = self.problem.packing.section(name)
        direction[section] = self.rng.standard_normal(section.stop - section.start) * np.ravel(mask)
        return direction

    def everywhere(self) -> Array:
        """A random direction in all arrays together, each moved in proportion to its size."""
        moves = (self.size(name) * self.direction(name) for name in self.names)
        return np.sum(list(moves), axis=0)

    def unit(self, name: str, entry: int) -> Array:
        """The direction of one entry of one array."""
        direction = np.zeros_like(self.problem.point)
        direction[self.problem.packing.section(name).start + entry] = 1.0
        return direction

    def line(self, direction: Array) -> Line:
        """The loss as a function of the distance along `direction`."""
        return lambda t: self.problem.loss(self.problem.point + t * direction)

    def slope(
        self, direction: Array, reach: float, shrink: float = 1.0, enough: float = 0.0
    ) -> Derivative:
        """The derivative along a direction, where the loss bends on a distance of `reach`."""
        if self.use_complex:
            return Derivative(complex_step(self.line(direction)), 0.0)
        return self.central(direction, reach, shrink, enough)

    def central(
        self, direction: Array, reach: float, shrink: float = 1.0, enough: float = 0.0,
        levels: int = LEVELS,
    ) -> Derivative:  # fmt: skip
        """The same by central differences."""
        return central(self.line(direction), 0.1 * shrink * reach, self.noise, enough, levels)

    def ignores(self, name: str) -> bool:
        """True if the loss does not move by more than rounding when array `name` does, and far.

        A gradient that is zero at a minimum fails this; one that is zero everywhere passes.
        """
        if not np.isfinite(self.noise):
            return False
        for distance in (-1.0, 0.01, 1.0, 100.0, 1e4, -100.0, 10.0, -10.0):
            line = self.line(self.size(name) * self.direction(name))
            rounding = self.noise + roughness(_from(line, distance), SPACINGS[0])
            if not abs(line(distance).real - line(0.0).real) <= 32 * rounding:
                return False
        return True


def _from(line: Line, distance: float) -> Line:
    """The line seen from a point far along it, in units of the distance."""
    return lambda t: line(distance + distance * t)


def nearest_slopes(probe: Probe, name: str, entries: Array, claimed: Array) -> Array | None:
    """The slopes nearest to the claimed ones that the pieces allow; None if that is left open.

    Near a kink a loss is smooth, and its slopes there are those of the pieces that meet. A claim
    between them, along each entry and along random directions, is a subgradient (Clarke,
    Optimization and Nonsmooth Analysis, 1983) and comes back as it is; one outside any is wrong.
    """
    if not 0 < len(entries) <= MOST or not np.isfinite(probe.noise):
        return None
    units = np.array([probe.unit(name, int(i)) for i in entries])
    points = [probe.problem.point + AWAY * probe.everywhere() for _ in range(PIECES)]
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
    line = probe.moved(probe.problem.at(point)).line(direction)
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

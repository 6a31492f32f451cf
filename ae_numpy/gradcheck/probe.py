"""Derivatives of the user's loss, and how rough they are.

`Probe` joins a `Problem` (whose loss) with `derivative` (which formula): slopes of one entry or
along a direction inside one array, at the point in question or a little away from it. Rounding is
rough and a bug is smooth in the parameters; so whatever is to be told from rounding is evaluated at
a row of nearby points, and its fourth differences say how large the rounding in it is.
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
        direction = np.zeros(self.problem.packing.size)
        section = self.problem.packing.section(name)
        direction[section] = self.rng.standard_normal(section.stop - section.start) * np.ravel(mask)
        return direction

    def everywhere(self) -> Array:
        """A random direction in all arrays together, each moved in proportion to its size."""
        moves = (self.size(name) * self.direction(name) for name in self.names)
        return np.sum(list(moves), axis=0)

    def unit(self, name: str, entry: int) -> Array:
        """The direction of one entry of one array."""
        direction = np.zeros(self.problem.packing.size)
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
        return central(self.line(direction), 0.1 * shrink * reach, self.noise, enough)

    def central(
        self, direction: Array, reach: float, shrink: float = 1.0, levels: int = LEVELS
    ) -> Derivative:
        """The same by central differences."""
        return central(self.line(direction), 0.1 * shrink * reach, self.noise, levels=levels)

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

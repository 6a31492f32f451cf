"""Derivatives of the user's loss at the point in question.

`Probe` joins a `Problem` (whose loss) with `numeric` (which formula): derivatives of one entry or
along a direction inside one array, and the rounding noise of loss and gradients.
"""

from __future__ import annotations

import copy

import numpy as np

from ae_numpy.gradcheck.derivative import Derivative, Line, central, complex_step, roughness
from ae_numpy.gradcheck.function import Problem
from ae_numpy.gradcheck.packing import Array, largest, root_mean_square

EPSILON = float(np.finfo(np.float64).eps)

# Rounding errors differ from one perturbation to the next; the largest of a few, times this,
# covers what another one might have shown.
NOISE_MARGIN = 32.0

# Of the points at which roughness is looked for, relative to the parameters: more than the
# rounding of float32, and so little that the loss is smooth on it.
SPACING = 1e-6


class Probe:
    """Numerical derivatives of a loss, by complex step or central differences.

    Parameters
    ----------
    problem : Problem
        The loss and the point.
    loss, given : float, dict of arrays
        What `problem.examine()` returned.
    rng : numpy.random.Generator
        Source of the random directions.
    """

    def __init__(
        self, problem: Problem, loss: float, given: dict[str, Array], rng: np.random.Generator
    ) -> None:
        self.problem, self.rng = problem, rng
        self.names = problem.packing.names
        self.rounding = loss_noise(problem, problem.point, loss, rng, repeats=4)
        # A cast to float32 on the way hides the last digits of the parameters: moving those
        # shows no rounding, where there is much of it.
        self.noise = max(self.rounding, roughness(self.line(self.everywhere()), SPACING))
        self.gradient_noise = gradient_noise(problem, given, rng)
        self.terms = max(self.size(name) * largest(given[name]) for name in self.names)

    def moved(self, problem: Problem) -> Probe:
        """A probe of another batch or another point, with the same idea of rounding."""
        probe = copy.copy(self)
        probe.problem = problem
        return probe

    def size(self, name: str) -> float:
        """Typical magnitude of the entries of an array, 1 for an array of zeros."""
        return root_mean_square(self.problem.point[self.problem.packing.section(name)]) or 1.0

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

    def indistinct(self, name: str) -> float:
        """Derivatives that differ by less than this differ by less than the loss is rounded.

        A saturated `a * (1 - a)` has only the digits that `1 - a` has left, although nothing in
        the gradient moves when the parameters do; the complex step keeps them all. The margin
        counts twice: large weights above the saturated layer amplify its rounding.
        """
        return NOISE_MARGIN**2 * self.rounding / self.size(name)

    def residue(self, name: str) -> float:
        """What rounding may leave of a derivative in which terms as large as the others' cancel."""
        return NOISE_MARGIN * EPSILON * self.terms / self.size(name)

    def unit(self, name: str, entry: int) -> Array:
        """The direction of one entry of one array."""
        direction = np.zeros(self.problem.packing.size)
        direction[self.problem.packing.section(name).start + entry] = 1.0
        return direction

    def line(self, direction: Array) -> Line:
        """The loss as a function of the distance along `direction`."""
        return lambda t: self.problem.loss(self.problem.point + t * direction)

    def complex_along(self, direction: Array) -> float:
        """Complex-step derivative along a direction."""
        return complex_step(self.line(direction))

    def central_along(self, name: str, direction: Array, shrink: float = 1.0) -> Derivative:
        """Central derivative along a direction inside array `name`."""
        return central(self.line(direction), 0.1 * shrink * self.size(name), self.noise)

    def central_at(
        self, name: str, entry: int, shrink: float = 1.0, enough: float = 0.0
    ) -> Derivative:
        """Central derivative with respect to one entry; the step follows its size."""
        value = self.problem.point[self.problem.packing.section(name)][entry]
        step = 0.1 * shrink * max(abs(float(value)), self.size(name))
        return central(self.line(self.unit(name, entry)), step, self.noise, enough)

    def ignores(self, name: str) -> bool:
        """True if the loss does not move by more than rounding when array `name` does, and far.

        A gradient that is zero at a minimum fails this; one that is zero everywhere passes.
        """
        direction = self.size(name) * self.direction(name)
        here = self.problem.loss(self.problem.point).real
        for distance in (-1.0, 0.01, 1.0, 100.0, 1e4):
            far = self.problem.point + distance * direction
            loss = self.problem.loss(far).real
            noise = self.noise + loss_noise(self.problem, far, loss, self.rng)
            if not abs(loss - here) <= NOISE_MARGIN * noise:
                return False
        return True


def jittered(point: Array, rng: np.random.Generator) -> Array:
    """The point with every entry moved by one rounding error up or down."""
    return np.asarray(point * (1 + EPSILON * rng.choice([-1.0, 1.0], point.size)))


def loss_noise(
    problem: Problem, point: Array, loss: float, rng: np.random.Generator, repeats: int = 2
) -> float:
    """How much the loss moves when all parameters move by one rounding error."""
    noise = EPSILON * abs(loss)
    for _ in range(repeats):
        noise = max(noise, abs(problem.loss(jittered(point, rng)).real - loss))
    return noise


def gradient_noise(
    problem: Problem, given: dict[str, Array], rng: np.random.Generator
) -> dict[str, float]:
    """How much each claimed gradient moves when all parameters move by one rounding error.

    Sums that cancel make this large, and then the gradient has not the digits it seems to have.
    """
    noise = dict.fromkeys(given, 0.0)
    for _ in range(4):
        for name, gradient in problem.gradients(jittered(problem.point, rng)).items():
            noise[name] = max(noise[name], largest(gradient - given[name]))
    return noise

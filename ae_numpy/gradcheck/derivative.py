"""Derivatives of a loss, each with an honest error, and how rough they are.

Everything the checker knows about a loss it learns along lines: `phi(t) = loss(point + t * v)`.
There are two ways to get `phi'(0)`.

Complex step (Squire and Trapp, SIAM Review 40, 1998; Martins, Sturdza and Alonso, ACM TOMS 29,
2003): for an analytic function `phi(i h) = phi(0) + i h phi'(0) - h^2 phi''(0) / 2 - ...`, so
`Im phi(i h) / h` is the derivative. There is no subtraction and therefore no cancellation: `h` can
be so small that the error term h^2 vanishes, and the result is exact to rounding.

Central differences: `(phi(h) - phi(-h)) / 2h` has an error series in even powers of `h`.
Richardson (Phil. Trans. A 210, 1911) cancels the powers one after the other in a triangular
table; Ridders (Advances in Engineering Software 4, 1982) halves `h` until the table's own
disagreement, which is the estimated error, is smallest.

A `Probe` lays lines through a point; a `Slope` is what is claimed and measured along one. Rounding
is rough and a bug is smooth in the parameters; so whatever is to be told from rounding is evaluated
at a row of nearby points, and its fourth differences say how large the rounding in it is.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ae_numpy.gradcheck.packing import Array, Packing, root_mean_square

# A power of two, so that the division by it is exact; its square (1e-200) is still far from
# underflow, and it is small against any parameter a float64 program has reason to hold.
COMPLEX_STEP = 2.0**-332

# Halvings of the step at most. 0.1 / 2**23 = 1e-8 of the parameter: below that, rounding dominates.
LEVELS = 24

EPSILON = float(np.finfo(np.float64).eps)

# Distances between nearby points, relative to the parameters. The first is more than the rounding
# of float32 and so little that a loss is smooth on it; the second moves a saturated `1 - a`, which
# has few digits left, from one of them to the next.
SPACINGS = (1e-6, 1e-4)
# A difference stands out if it is this many times as large as its own roughness.
MARGIN = 20.0
# What is saturated changes in single digits only, over distances that are no longer near.
FAR = 1e-2

Line = Callable[[complex], complex]
Loss = Callable[[Array], complex]
Gradients = Callable[[Array], dict[str, Array]]


class Derivative(NamedTuple):
    """A numerical derivative and how far it can be trusted.

    Attributes
    ----------
    value : float
        The derivative.
    error : float
        Estimated absolute error of `value`; infinite if nothing is known, as at a kink: any
        slope may be claimed there that lies between those of the pieces that meet.
    jump : float
        Right-hand minus left-hand derivative, 0 where the function is smooth.
    """

    value: float
    error: float
    jump: float = 0.0


def complex_step(phi: Line) -> float:
    """The derivative of `phi` at 0 by the complex step.

    Raises
    ------
    ValueError
        If `phi` of a complex number is real: its imaginary part was lost on the way.

    Examples
    --------
    >>> complex_step(lambda t: complex(np.exp(2 * t)))
    2.0
    >>> complex_step(lambda t: abs(t + 1.0))
    Traceback (most recent call last):
    ...
    ValueError: the loss of complex parameters came back real
    """
    loss = phi(complex(0.0, COMPLEX_STEP))
    if not isinstance(loss, complex):
        raise ValueError("the loss of complex parameters came back real")
    return loss.imag / COMPLEX_STEP


def central(
    phi: Line, step: float, noise: float, enough: float = 0.0, levels: int = LEVELS
) -> Derivative:
    """The derivative of `phi` at 0 by Ridders' method, with its estimated error.

    Parameters
    ----------
    phi : callable
        A real function of one real variable.
    step : float
        The largest step: a tenth of the scale on which `phi` is expected to bend.
    noise : float
        Absolute rounding error of one value of `phi`.
    enough : float
        Stop halving once the estimated error is below this.
    levels : int
        Halve the step this many times at most.

    Examples
    --------
    >>> value, error, jump = central(lambda t: np.exp(2 * t), 0.1, 1e-16)
    >>> bool(abs(value - 2) < error < 1e-11), jump
    (True, 0.0)
    >>> print(f"{central(abs, 0.1, 1e-16).jump:.6f}")
    2.000000
    """
    middle = phi(0.0).real
    best = Derivative(0.0, np.inf)
    jump, smooth = 0.0, False
    row: list[float] = []
    firsts: list[float] = []
    seconds: list[float] = []
    for level in range(levels):
        h = step / 2**level
        right, left = phi(h).real, phi(-h).real
        if not (np.isfinite(right) and np.isfinite(left)):
            row, firsts, seconds = [], [], []  # outside the domain: start again
            continue
        firsts.append((right - left) / (2 * h))
        seconds.append((right - 2 * middle + left) / h)
        new = _richardson(firsts[-1], row)
        best = min(best, _best_of(new, row, noise / h), key=lambda d: d.error)
        row = new
        jump, smooth = _jump(seconds, noise / h)
        if (jump or smooth) and best.error <= max(enough, 1e-12 * abs(best.value), 2 * noise / h):
            break  # it is known well enough, or no smaller step can know it better
    known = smooth and not jump and _converges(firsts, best.value, noise / h)
    return Derivative(best.value, best.error if known else np.inf, jump)


def roughness(phi: Line, spacing: float, kinks: bool = True) -> float:
    """Size of the part of `phi` near 0 that no smooth function has: its rounding.

    Fourth differences of a smooth function are of order `spacing**4`, those of rounding errors
    `sqrt(70)` times as large as the errors (Hamming; More and Wild, SIAM J. Sci. Comput. 33, 2011).
    The smoother of both sides of 0 counts if there may be kinks: a kink is not rounding.

    Examples
    --------
    >>> bool(roughness(np.exp, 1e-6) < 1e-15)
    True
    >>> bool(roughness(lambda t: float(np.float32(t + 1)), 1e-6) > 1e-8)
    True
    """
    sides = (np.array([phi(sign * spacing * k).real for k in range(9)]) for sign in (1, -1))
    with np.errstate(all="ignore"):  # outside the domain a difference may be infinity - infinity
        rough = [float(np.max(np.abs(np.diff(values, 4)))) / np.sqrt(70) for values in sides]
    return (min if kinks else max)((r for r in rough if np.isfinite(r)), default=0.0)


def _richardson(difference: float, row: list[float]) -> list[float]:
    """The next row of the table: column m is free of the powers h^2 ... h^(2m)."""
    new = [difference]
    for m, above in enumerate(row, start=1):
        new.append(new[-1] + (new[-1] - above) / (4**m - 1))
    return new


def _best_of(new: list[float], row: list[float], rounding: float) -> Derivative:
    """The entry of the row `new` that agrees best with its two neighbours in the table."""
    entries = (
        Derivative(value, max(abs(value - left), abs(value - above)) + 2 * rounding)
        for value, left, above in zip(new[1:], new, row, strict=False)
    )
    return min(entries, key=lambda entry: entry.error, default=Derivative(0.0, np.inf))


def _converges(firsts: list[float], value: float, rounding: float) -> bool:
    """Are the plain differences on their way to `value`?

    Their distance is c h^2: it shrinks fourfold per level. Where it does not, the small
    disagreement inside the table was luck (an oscillation inside the step), and nothing is known.
    """
    far = [abs(first - value) for first in firsts[-3:]]
    return len(firsts) > 3 and all(b <= a / 2 + 4 * rounding for a, b in pairwise(far))


def _jump(seconds: list[float], rounding: float) -> tuple[float, bool]:
    """Difference of the one-sided derivatives, and whether the function is seen to be smooth.

    The second difference over h is `jump + c1 h + c3 h^3 + ...`; halving h removes the powers. The
    jump is 0 unless it stands out from its own error. A smooth function leaves next to nothing;
    what is left otherwise are kinks inside the step. Then the plain differences may agree by luck:
    those of a loss of straight pieces do so exactly.
    """
    if len(seconds) < 4:
        return 0.0, False
    once = [2 * b - a for a, b in pairwise(seconds[-4:])]
    twice = [(8 * b - a) / 7 for a, b in pairwise(once)]
    error = abs(twice[1] - twice[0]) + 16 * rounding
    smooth = max(abs(twice[0]), abs(twice[1])) <= 1e-3 * abs(seconds[-1]) + 64 * rounding
    return twice[1] if abs(twice[1]) > 10 * error else 0.0, smooth


class Probe:
    """Numerical derivatives of a loss, by complex step or central differences.

    Parameters
    ----------
    loss, gradients : callable
        Of the flat vector of all parameters: the loss, and what is claimed of it, by name.
    packing : Packing
        The names in that vector; the point is its own.
    value : float
        The loss there.
    rng : numpy.random.Generator
        Source of the random directions.
    """

    def __init__(
        self, loss: Loss, gradients: Gradients, packing: Packing, value: float,
        rng: np.random.Generator,
    ) -> None:  # fmt: skip
        self.loss, self.gradients, self.rng, self.use_complex = loss, gradients, rng, True
        self.sections, self.point = packing.sections, packing.vector
        # Does the loss apply operations that could hide a part of it from the complex step? And, by
        # array, how large a slope would be that nobody has noticed.
        self.hiding = False
        self.hidden: dict[str, float] = {}
        line = self.line(self.everywhere())
        self.noise = max(EPSILON * abs(value), roughness(line, SPACINGS[0]))
        if self.noise > 1e-3 * max(abs(value), abs(line(SPACINGS[0])), abs(line(-SPACINGS[0]))):
            self.noise = np.inf  # the loss oscillates: no difference quotient is its slope

    def at(self, point: Array) -> Probe:
        """A probe of another point, with the same idea of rounding."""
        return self.of(self.loss, self.gradients, point)

    def of(self, loss: Loss, gradients: Gradients, point: Array) -> Probe:
        """A probe of another loss, as that of another batch, with the same idea of rounding."""
        probe = copy.copy(self)
        probe.loss, probe.gradients, probe.point = loss, gradients, point
        return probe

    def size(self, name: str) -> float:
        """Typical magnitude of the entries of an array, 1 for an array of zeros."""
        return root_mean_square(self.point[self.sections[name]]) or 1.0

    def direction(self, name: str, mask: Array | float = 1.0) -> Array:
        """A normal random direction in the trained entries of one array."""
        direction, section = np.zeros_like(self.point), self.sections[name]
        direction[section] = self.rng.standard_normal(section.stop - section.start) * np.ravel(mask)
        return direction

    def everywhere(self) -> Array:
        """A random direction in all arrays together, each moved in proportion to its size."""
        return np.sum([self.size(name) * self.direction(name) for name in self.sections], axis=0)

    def unit(self, name: str, entry: int) -> Array:
        """The direction of one entry of one array."""
        return (np.arange(self.point.size) == self.sections[name].start + entry).astype(float)

    def slope(self, name: str, entry: int, trained: bool = True) -> Slope:
        """What is claimed and measured of one entry of one array."""
        direction, section = self.unit(name, entry), self.sections[name]
        reach = max(abs(float(self.point[section][entry])), self.size(name))
        return Slope(self, name, direction[section], trained * direction, reach)

    def line(self, direction: Array) -> Line:
        """The loss as a function of the distance along `direction`."""
        return lambda t: self.loss(self.point + t * direction)


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
        return float(np.ravel(self.probe.gradients(self.probe.point)[self.name]) @ self.claim)

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
        claim, direction = stretch * self.claim, stretch * self.direction
        return self._replace(probe=self.probe.at(point), claim=claim, direction=direction)

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
        point = self.probe.point
        step = self.reach * self.direction if along is None else along

        def gap(t: complex) -> complex:
            return self.at(point + t.real * step, 1 + t.real).gap(claimed) / (1 + t.real)

        return roughness(gap, spacing, kinks=spacing < FAR)

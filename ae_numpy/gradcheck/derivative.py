"""Derivatives of a loss, each with an honest error, and how rough they are.

Everything the checker knows about a loss it learns along lines: `phi(t) = loss(point + t * v)`.
Two ways to get `phi'(0)` stand here.

Complex step (Squire and Trapp, SIAM Review 40, 1998; Martins, Sturdza and Alonso, ACM TOMS 29,
2003): for an analytic function `phi(i h) = phi(0) + i h phi'(0) - h^2 phi''(0) / 2 - ...`, so
`Im phi(i h) / h` is the derivative. There is no subtraction and therefore no cancellation: `h` can
be so small that the error term h^2 vanishes, and the result is exact to rounding.

Central differences: `(phi(h) - phi(-h)) / 2h` has an error series in even powers of `h`.
Richardson (Phil. Trans. A 210, 1911) cancels the powers one after the other in a triangular
table; Ridders (Advances in Engineering Software 4, 1982) halves `h` until the table's own
disagreement, which is the estimated error, is smallest.

`Probe` joins a `Problem` (whose loss) with a formula. Rounding is rough and a bug is smooth in the
parameters; so whatever is to be told from rounding is evaluated at a row of nearby points, and its
fourth differences say how large the rounding in it is. At a kink, `nearest_slopes` asks the pieces
that meet there.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ae_numpy.gradcheck.function import Problem
from ae_numpy.gradcheck.packing import Array, root_mean_square

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

# Points at which the pieces are looked for and directions along which they are compared; more
# entries than MOST at kinks are left open.
PIECES, CROSSINGS, MOST = 24, 32, 64
# Distance of the points, and of the differences there, relative to the parameters.
AWAY, STEP = 1e-4, 1e-7

Line = Callable[[complex], complex]


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
        return root_mean_square(self.problem.point[self.problem.packing.sections[name]]) or 1.0

    def spread(self, name: str, values: Array) -> Array:
        """Numbers for the entries of one array as a direction of all parameters."""
        direction = np.zeros_like(self.problem.point)
        direction[self.problem.packing.sections[name]] = values
        return direction

    def direction(self, name: str, mask: Array | float = 1.0) -> Array:
        """A normal random direction in the trained entries of one array."""
        section = self.problem.packing.sections[name]
        normal = self.rng.standard_normal(section.stop - section.start)
        return self.spread(name, normal * np.ravel(mask))

    def everywhere(self) -> Array:
        """A random direction in all arrays together, each moved in proportion to its size."""
        names = self.problem.packing.names
        return np.sum([self.size(name) * self.direction(name) for name in names], axis=0)

    def unit(self, name: str, entry: int) -> Array:
        """The direction of one entry of one array."""
        section = self.problem.packing.sections[name]
        return self.spread(name, np.arange(section.stop - section.start) == entry)

    def line(self, direction: Array) -> Line:
        """The loss as a function of the distance along `direction`."""
        return lambda t: self.problem.loss(self.problem.point + t * direction)

    def ignores(self, name: str) -> bool:
        """True if the loss does not move by more than rounding when array `name` does, and far.

        A gradient that is zero at a minimum fails this; one that is zero everywhere passes.
        """
        if not np.isfinite(self.noise):
            return False
        for distance in (-1.0, 0.01, 1.0, 100.0, 1e4, -100.0, 10.0, -10.0):
            step = distance * self.size(name) * self.direction(name)
            line = self.line(step)
            there = self.moved(self.problem.elsewhere(self.problem.point + step)).line(step)
            rounding = self.noise + roughness(there, SPACINGS[0])
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
    line = probe.moved(probe.problem.elsewhere(point)).line(direction)
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

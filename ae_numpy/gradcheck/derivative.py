"""Derivatives of a function of one variable, each with an honest error.

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
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

# A power of two, so that the division by it is exact; its square (1e-200) is still far from
# underflow, and it is small against any parameter a float64 program has reason to hold.
COMPLEX_STEP = 2.0**-332

# Halvings of the step at most. 0.1 / 2**23 = 1e-8 of the parameter: below that, rounding dominates.
LEVELS = 24

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
    error = max(best.error, _unconverged(firsts, best.value, noise / h))
    return Derivative(best.value, error if smooth and not jump else np.inf, jump)


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
    best = Derivative(0.0, np.inf)
    for m in range(1, len(new)):
        error = max(abs(new[m] - new[m - 1]), abs(new[m] - row[m - 1])) + 2 * rounding
        if error < best.error:
            best = Derivative(new[m], error)
    return best


def _unconverged(firsts: list[float], value: float, rounding: float) -> float:
    """0 if the plain differences are on their way to `value`, else infinity.

    Their distance is c h^2: it shrinks fourfold per level. Where it does not, the small
    disagreement inside the table was luck (an oscillation inside the step), and nothing is known.
    """
    if len(firsts) < 4:
        return np.inf
    far = [abs(first - value) for first in firsts[-3:]]
    shrinks = all(b <= a / 2 + 4 * rounding for a, b in pairwise(far))
    return 0.0 if shrinks else np.inf


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

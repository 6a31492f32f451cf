"""Given against expected: the error formula and the three verdicts.

The error of an entry is `|given - expected| / scale`, where `scale` is the largest expected
entry of its array in absolute value. There is no absolute tolerance: a gradient of size 1e-12 is
held to as many digits as one of size 1. Where everything expected is zero, every other value given
has an infinite error.

A verdict is never stronger than its evidence. `uncertainty` is how far the expected value itself
may be off; an entry is

* wrong, if its error exceeds the tolerance and three times the uncertainty,
* right, if neither its error nor the uncertainty exceeds the tolerance,
* otherwise: cannot tell.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ae_numpy.gradcheck.packing import Array

RIGHT = "right"
WRONG = "wrong"
CANNOT_TELL = "cannot tell"

# The complex step is exact to rounding and a hand-written gradient nearly so: 1e-14 is what
# correct code shows. 1e-9 leaves room for long sums, and is below the 3e-8 of a float32 cast.
COMPLEX_TOLERANCE = 1e-9
# Extrapolated central differences reach 1e-9 to 1e-12. Still below a float32 cast.
CENTRAL_TOLERANCE = 1e-8


@dataclass(frozen=True, eq=False)
class Comparison:
    """K numbers given, K expected, and what may be said about them.

    Attributes
    ----------
    given, expected, uncertainty : (K,) arrays
        The claim, the numerical derivative, and the absolute error of the latter.
    scale : float
        What an error is measured against.
    tolerance : float
        Largest relative error of a right entry.
    slack : float
        Absolute rounding error of an array that is zero by cancellation only (a bias in front of
        a normalisation); 0 everywhere else.

    Examples
    --------
    >>> zero = np.zeros(2)
    >>> Comparison(np.array([1.0, 2.0]), np.array([1.0, 4.0]), zero, 4.0, 1e-9).errors
    array([0. , 0.5])
    """

    given: Array
    expected: Array
    uncertainty: Array
    scale: float
    tolerance: float
    slack: float = 0.0

    @property
    def errors(self) -> Array:
        """Relative error of each entry, (K,)."""
        difference = np.maximum(np.abs(self.given - self.expected) - self.slack, 0.0)
        if self.scale > 0:
            with np.errstate(over="ignore"):
                return np.asarray(difference / self.scale)
        return np.where(difference > 0, np.inf, 0.0)

    @property
    def verdicts(self) -> Array:
        """One of the three verdicts per entry, (K,) of str."""
        allowed = self.tolerance * self.scale + self.slack
        difference = np.abs(self.given - self.expected)
        wrong = (difference > allowed) & (difference > 3 * self.uncertainty)
        right = (difference <= allowed) & (self.uncertainty <= allowed)
        return np.select([wrong, right], [WRONG, RIGHT], CANNOT_TELL)

    @property
    def verdict(self) -> str:
        """The verdict on all of them: one wrong entry is enough, one open one forbids "right"."""
        return overall(self.verdicts)

    @property
    def worst(self) -> int:
        """Position of the largest error; among entries of the worst verdict there is."""
        of_verdict = self.verdicts == self.verdict
        return int(np.argmax(np.where(of_verdict, self.errors, -1.0)))


def overall(verdicts: Array | list[str]) -> str:
    """The verdict on a collection of verdicts."""
    for verdict in (WRONG, CANNOT_TELL):
        if np.any(np.asarray(verdicts, dtype=object) == verdict):
            return verdict
    return RIGHT


def largest(values: Array) -> float:
    """Largest absolute value, 0 of an empty array."""
    return float(np.max(np.abs(values), initial=0.0))


def root_mean_square(values: Array) -> float:
    """Root of the mean square, 0 of an empty array."""
    peak = largest(values)
    if peak == 0.0:
        return 0.0
    # Scaled first: the square of 1e-200 would be zero.
    return peak * float(np.sqrt(np.mean((values / peak) ** 2)))

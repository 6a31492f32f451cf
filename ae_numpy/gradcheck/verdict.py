"""Given against expected: the error formula, the three verdicts, and a row per array.

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
from typing import NamedTuple

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


class Worst(NamedTuple):
    """The entry with the largest error; `index` is None if only a direction was looked at.

    Attributes
    ----------
    name : str
        The parameter.
    index : tuple of int or None
    given, expected : float

    Examples
    --------
    >>> Worst("W0", (2, 1), given=0.5, expected=0.25).index
    (2, 1)
    """

    name: str
    index: tuple[int, ...] | None  # type: ignore[assignment]  # hides tuple.index, knowingly
    given: float
    expected: float


@dataclass(frozen=True, eq=False)
class ArrayCheck:
    """What was found about one parameter array.

    Attributes
    ----------
    name, shape : str, tuple of int
        The parameter.
    gradient : array
        The claimed gradient; with a batch axis in front if it was not summed.
    entries : (K,) array of int, or None
        Flat indices of the entries that were looked at one by one.
    entrywise : Comparison or None
        These entries: given and expected.
    directions : Comparison or None
        The whole array along random directions, where not every entry was looked at.
    derivatives : (K,) array or None
        Measured derivatives at `entries` before the mask was applied.
    unsummed : bool
        True if the gradient has the batch axis in front.

    Examples
    --------
    >>> from ae_numpy.gradcheck import check_gradients
    >>> report = check_gradients(lambda w: (np.sum(w**2), 2 * w), np.array([1.0, 2.0]))
    >>> [(array.name, array.verdict, array.checked) for array in report.arrays]
    [('parameters', 'right', 2)]
    """

    name: str
    shape: tuple[int, ...]
    gradient: Array
    entries: Array | None
    entrywise: Comparison | None
    directions: Comparison | None
    derivatives: Array | None = None
    unsummed: bool = False

    @property
    def size(self) -> int:
        """Number of entries of the parameter."""
        return int(np.prod(self.shape))

    @property
    def checked(self) -> int:
        """Number of entries that were looked at one by one."""
        return 0 if self.entries is None else len(self.entries)

    @property
    def complete(self) -> bool:
        """True if every entry was looked at."""
        return self.checked == self.size

    @property
    def open_entries(self) -> int:
        """Number of entries that nothing can be said about."""
        return sum(int(np.sum(part.verdicts == CANNOT_TELL)) for part in self._parts)

    @property
    def verdict(self) -> str:
        """One of "right", "wrong" and "cannot tell"."""
        if self.unsummed:
            return WRONG
        return overall([part.verdict for part in self._parts])

    @property
    def max_error(self) -> float:
        """Largest relative error; infinite for a gradient of the wrong shape."""
        if self.unsummed:
            return np.inf
        return max((float(np.max(part.errors, initial=0.0)) for part in self._parts), default=0.0)

    @property
    def worst(self) -> Worst:
        """The entry (or direction) that the verdict rests on."""
        parts = [part for part in self._parts if part.given.size]
        if not parts:
            return Worst(self.name, None, 0.0, 0.0)
        part = next((part for part in parts if part.verdict == self.verdict), parts[0])
        k = part.worst
        index = None
        if part is self.entrywise and self.entries is not None:
            index = tuple(int(i) for i in np.unravel_index(self.entries[k], self.shape))
        return Worst(self.name, index, float(part.given[k]), float(part.expected[k]))

    @property
    def _parts(self) -> list[Comparison]:
        return [part for part in (self.entrywise, self.directions) if part is not None]

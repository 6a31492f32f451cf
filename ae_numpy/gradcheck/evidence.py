"""What a cause may look at (`Evidence`), and what it says (`Prediction`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ae_numpy.gradcheck.compare import largest
from ae_numpy.gradcheck.packing import Array


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a cause may look at.

    Attributes
    ----------
    given : dict of arrays
        The claimed gradients, with a batch axis in front where it was not summed.
    expected, unmasked : dict of arrays
        The measured gradients with masks applied, and without; NaN where not measured.
    uncertainty : dict of arrays
        Absolute uncertainty of each expected entry.
    parameters : dict of arrays
        The point.
    unsummed : tuple of str
        Names of the arrays whose claimed gradient has the batch axis in front.
    wrong : tuple of str
        Names of the arrays to be explained.
    tolerance : float
        Relative error up to which numbers count as equal.
    batch_size : int or None
        None if `batch` was not given.
    outputs : int or None
        Number of outputs per sample, if it is known.
    complete : bool
        True if every entry was measured.
    slopes : callable
        `slopes(rows)`: by name, claimed and measured derivative along one random direction, the
        latter on these rows of the batch only.
    elsewhere : callable
        `elsewhere(rows=None, parameters=None)`: measured gradients on some rows of the batch, or
        at other parameters (a flat vector).
    """

    given: dict[str, Array]
    expected: dict[str, Array]
    unmasked: dict[str, Array]
    uncertainty: dict[str, Array]
    parameters: dict[str, Array]
    unsummed: tuple[str, ...]
    wrong: tuple[str, ...]
    tolerance: float
    batch_size: int | None
    outputs: int | None
    complete: bool
    slopes: Callable[[slice], dict[str, tuple[float, float]]]
    elsewhere: Callable[..., dict[str, Array]]

    def agrees(self, name: str, predicted: Array) -> bool:
        """Is the claimed gradient of an array what was predicted, as far as was measured?"""
        return self.close(name, self.given[name], predicted)

    def close(self, name: str, given: Array, predicted: Array) -> bool:
        """Are two candidates for the gradient of an array equal as far as was measured?

        Entries whose derivative could not be told are no evidence for anything.
        """
        if predicted.shape != given.shape:
            return False
        seen = np.isfinite(given) & np.isfinite(predicted)
        uncertainty: Array | float = 0.0
        if given.shape == self.expected[name].shape:
            seen &= np.isfinite(self.expected[name])
            uncertainty = self.uncertainty[name]
        scale = max(largest(given[seen]), largest(predicted[seen]))
        near = np.abs(given - predicted) <= self.tolerance * scale + 3 * uncertainty
        return bool(seen.any() and np.all(near[seen]))

    def informative(self, name: str) -> int:
        """Number of measured entries that are large enough to refute a cause."""
        expected = np.nan_to_num(self.expected[name])
        visible = 1e3 * self.tolerance * largest(expected)
        return int(np.count_nonzero(np.abs(expected) > visible))


class Prediction(NamedTuple):
    """What a mistake would have returned.

    Attributes
    ----------
    label : str
        The mistake in a few words, with its numbers.
    sentence : str
        The mistake explained to a student.
    arrays : dict of arrays
        The gradients it leads to; all of them must agree with the claim.
    fitted : int
        How many constants were fitted to the claim: as many entries explain nothing.
    possible : bool
        True if something is assumed that was not given, such as the number of rows.
    """

    label: str
    sentence: str
    arrays: dict[str, Array]
    fitted: int = 0
    possible: bool = False


Cause = Callable[[Evidence], Iterator[Prediction]]

"""What a reader of the verdict should know: the notes below the table."""

from __future__ import annotations

import math

from ae_numpy.gradcheck.compare import CANNOT_TELL, WRONG
from ae_numpy.gradcheck.measure import Settings
from ae_numpy.gradcheck.report import ArrayCheck

CANNOT_TELL_ADVICE = (
    "cannot tell: the numerical derivative is not accurate enough there for a verdict (a kink, "
    "rounding, or a gradient that vanishes at this point); check at another point, or pass a "
    "larger tolerance"
)
Arrays = tuple[ArrayCheck, ...]


def notes_on(arrays: Arrays, widened: tuple[str, ...], settings: Settings) -> list[str]:
    """All notes that apply."""
    notes = []
    if widened:
        notes.append(
            f"{', '.join(widened)} widened to float64: the formulas were checked, not their "
            f"rounding in a smaller dtype"
        )
    sampled = [a.name for a in arrays if a.entries is not None and not a.complete]
    if sampled:
        notes.append(
            f"{', '.join(sampled)}: a sample of the entries was checked one by one, half of it "
            f"the largest given ones, and the whole array along random directions"
        )
    if any(array.entries is None for array in arrays):
        notes += _on_directions(arrays, settings)
    if any(array.verdict == CANNOT_TELL for array in arrays):
        notes.append(CANNOT_TELL_ADVICE)
    return notes


def _on_directions(arrays: Arrays, settings: Settings) -> list[str]:
    """What random directions, and the Taylor test along them, can and cannot show."""
    size = max(array.size for array in arrays)
    chance = probability_of_missing(size, settings.directions, settings.tolerance)
    notes = [
        f"a single entry that is wrong by 1 % of its array's largest is missed with probability "
        f"{chance:.0e} at most"
    ]
    slopes = [f"{a.name} {a.remainder.words}" for a in arrays if a.remainder is not None]
    if slopes:
        notes.append(
            f"slope of the Taylor remainder: {', '.join(slopes)}. 2 is right and 1 is wrong; an "
            f"error so small that it hides under the curvature shows in the table alone"
        )
    if any(array.verdict == WRONG for array in arrays):
        notes.append(
            "along directions only factors can be recognised: method='complex_step' or 'central' "
            "can name more causes"
        )
    return notes


def probability_of_missing(
    size: int, directions: int, tolerance: float, error: float = 0.01
) -> float:
    """Bound on the probability that random directions miss a single wrong entry.

    A direction v misses an entry i that is wrong by d if `|v_i d| <= tolerance * norm(g)`; v_i is
    standard normal, `d = error * max|g|`, and `norm(g) <= sqrt(size) * max|g|`. So the probability
    is at most `erf(tolerance * sqrt(size) / (error * sqrt(2))) ** directions`.

    Examples
    --------
    >>> print(f"{probability_of_missing(87808, 8, 1e-9):.0e}")
    1e-37
    """
    return math.erf(tolerance * math.sqrt(size) / (error * math.sqrt(2))) ** directions

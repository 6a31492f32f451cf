"""What a gradient check found: a table, a verdict, a diagnosis, in text and as HTML."""

from __future__ import annotations

import html
import math
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ae_numpy.gradcheck.evidence import Diagnosis
from ae_numpy.gradcheck.function import apart
from ae_numpy.gradcheck.verdict import (
    CANNOT_TELL,
    COLOURS,
    RIGHT,
    WRONG,
    ArrayCheck,
    Worst,
    overall,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Of more arrays than this, only those are printed that are not right.
MANY = 20
COLUMNS = ("parameter", "shape", "checked", "largest error", "at", "given", "expected", "verdict")
FORMULA = "error = |given - expected| / largest |expected| of the array; right up to {:.0e}"
CANNOT_TELL_ADVICE = (
    "cannot tell: the numerical derivative is not accurate enough there for a verdict (a kink, "
    "rounding, or a gradient that vanishes at this point); check at another point, or pass a "
    "larger tolerance"
)
SAMPLED = (
    "a sample of the entries was checked one by one, half of it the largest given ones, and the "
    "whole array along random directions"
)
KINK = (
    "at a kink, where the claim is right as a subgradient: it lies between the slopes on both sides"
)
MISSED = (
    "a single entry that is wrong by 1 % of its array's largest is missed with probability {:.0e} "
    "at most"
)
ONLY_FACTORS = (
    "along directions only factors can be recognised: method='complex_step' or 'central' can name "
    "more causes"
)


@dataclass(frozen=True, eq=False)
class GradientReport:
    """The result of a gradient check. `print` it, or let a notebook show it.

    Attributes
    ----------
    arrays : tuple of ArrayCheck
        One per parameter array.
    method : str
        How the expected values were computed, in words.
    tolerance : float
        Largest relative error of a right entry.
    diagnosis : Diagnosis
        What the wrong gradient is, where that can be told; empty (false) for a right one.
    notes : tuple of str
        What a reader of the verdict should know.

    Examples
    --------
    >>> import numpy as np
    >>> from ae_numpy.gradcheck import check_gradients
    >>> report = check_gradients(lambda w: (np.sum(w**2), -2 * w), np.array([1.0, 2.0]))
    >>> report.ok, report.verdict, report.max_relative_error
    (False, 'wrong', 2.0)
    """

    arrays: tuple[ArrayCheck, ...]
    method: str
    tolerance: float
    diagnosis: Diagnosis = field(default_factory=Diagnosis)
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """One of "right", "wrong" and "cannot tell"."""
        return overall([array.verdict for array in self.arrays])

    @property
    def ok(self) -> bool:
        """True only for "right": what could not be told has not passed."""
        return self.verdict == RIGHT

    def __bool__(self) -> bool:
        return self.ok

    @property
    def digits(self) -> int:
        """Decimal digits to which all claimed and measured gradients are known to agree."""
        return min(array.digits for array in self.arrays)

    @property
    def max_relative_error(self) -> float:
        """Largest error in any array, relative to the largest expected entry of that array."""
        return max(array.max_error for array in self.arrays)

    @property
    def worst(self) -> Worst:
        """Name, index, given and expected value of the entry the verdict rests on."""
        decisive = [array for array in self.arrays if array.verdict == self.verdict]
        return max(decisive, key=lambda array: array.max_error).worst

    def raise_if_failed(self) -> None:
        """Raise an AssertionError with the report's words unless the gradient is right.

        Raises
        ------
        AssertionError
            If the gradient is wrong, or it cannot be told.

        Examples
        --------
        >>> import numpy as np
        >>> from ae_numpy.gradcheck import check_gradients
        >>> report = check_gradients(lambda w: (np.sum(w**2), 2 * w), np.array([1.0, 2.0]))
        >>> report.raise_if_failed() is None
        True
        """
        if not self.ok:
            raise AssertionError("\n" + str(self))

    def plot(self) -> Figure:
        """The error of every checked entry as a picture per parameter (needs matplotlib).

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ImportError
            If matplotlib is not installed.

        Examples
        --------
        >>> import numpy as np
        >>> from ae_numpy.gradcheck import check_gradients
        >>> report = check_gradients(lambda w: (np.sum(w**2), 2 * w), np.ones((3, 4)))
        >>> report.plot().axes[0].images[0].get_array().shape
        (3, 4)
        """
        from ae_numpy.gradcheck.plot import plot_arrays

        title = f"Gradient {self.verdict} ({self.method})"
        return plot_arrays(self.arrays, self.tolerance, title)

    def _heading(self) -> str:
        checked = sum(array.checked for array in self.arrays)
        size = sum(array.size for array in self.arrays)
        how = f"{self.method}, {checked} of {size} entries checked"
        digits = f", to {self.digits} digits" if self.ok else ""
        return f"Gradient {self.verdict}{digits}: {how}"

    def _shown(self) -> tuple[list[ArrayCheck], str]:
        """The rows worth printing, and a line for the others: of many, only what is not right."""
        shown = [a for a in self.arrays if len(self.arrays) <= MANY or a.verdict != RIGHT]
        rest = len(self.arrays) - len(shown)
        return shown, f"{rest} other arrays are right" if shown else f"all {rest} arrays are right"

    def __str__(self) -> str:
        shown, rest = self._shown()
        rows = [COLUMNS, *(_cells(array) for array in shown)] if shown else []
        widths = [max(len(row[k]) for row in rows) for k in range(len(COLUMNS) * bool(rows))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        lines += [rest] * (len(shown) < len(self.arrays))
        parts = [self._heading(), "\n".join(lines), str(self.diagnosis)]
        parts += [FORMULA.format(self.tolerance), "\n".join(_wrapped(note) for note in self.notes)]
        return "\n\n".join(part for part in parts if part)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "".join(
            f"<th style='text-align:left;padding-right:1em'>{name}</th>" for name in COLUMNS
        )
        shown, rest = self._shown()
        rows = "".join(f"<tr>{_html_cells(array)}</tr>" for array in shown)
        if len(shown) < len(self.arrays):
            rows += f"<tr><td colspan='{len(COLUMNS)}'>{rest}</td></tr>"
        text = html.escape(FORMULA.format(self.tolerance))
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self.notes)
        return (
            f"<div><p><b>{html.escape(self._heading())}</b></p>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
            f"{self.diagnosis._repr_html_()}<p><small>{text}</small></p>"
            + (f"<ul>{notes}</ul>" if notes else "")
            + "</div>"
        )


def _cells(array: ArrayCheck) -> tuple[str, ...]:
    """The row of the table, in the order of `COLUMNS`."""
    worst = array.worst
    given, expected = f"{worst.given:.6g}", f"{worst.expected:.6g}"
    if array.verdict != RIGHT and worst.given != worst.expected:
        given, expected = apart(worst.given, worst.expected)
    if array.unsummed:
        given = f"shape {array.gradient.shape}".replace(" ", "")
    where = "a direction" if worst.index is None else str(worst.index)
    checked = f"{array.checked} of {array.size}"
    if array.directions is not None:
        checked += f" + {array.directions.given.size} directions"
    error = f"{array.max_error:.1e}"
    return (
        array.name, str(array.shape), checked, error, where, given, expected, array.verdict
    )  # fmt: skip


def _html_cells(array: ArrayCheck) -> str:
    """The cells of one row; the verdict coloured and in words, so that colour is not needed."""
    *cells, verdict = (html.escape(cell) for cell in _cells(array))
    colour = COLOURS[array.verdict]
    plain = "".join(f"<td style='text-align:left;padding-right:1em'>{cell}</td>" for cell in cells)
    return plain + f"<td style='text-align:left;color:{colour}'><b>{verdict}</b></td>"


def _wrapped(note: str) -> str:
    return textwrap.fill(f"Note: {note}", 98, subsequent_indent="  ")


def notes_on(arrays: tuple[ArrayCheck, ...], tolerance: float) -> list[str]:
    """All notes that apply."""
    concerned = {
        SAMPLED: [a.name for a in arrays if a.entrywise is not None and not a.complete],
        KINK: [a.name for a in arrays if a.subgradient and a.verdict == RIGHT],
    }
    notes = [f"{', '.join(names)}: {text}" for text, names in concerned.items() if names]
    verdicts = {array.verdict for array in arrays}
    along = [a for a in arrays if a.entrywise is None and a.directions is not None]
    if along:
        size, directions = max((a.size, a.directions.given.size) for a in along if a.directions)
        chance = probability_of_missing(size, directions, tolerance)
        notes.append(MISSED.format(chance))
        notes += [ONLY_FACTORS] * (WRONG in verdicts)
    return notes + [CANNOT_TELL_ADVICE] * (CANNOT_TELL in verdicts)


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

"""What a gradient check found: a table, a verdict, a diagnosis, in text and as HTML."""

from __future__ import annotations

import html
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ae_numpy.gradcheck.compare import CANNOT_TELL, RIGHT, WRONG, Comparison, overall
from ae_numpy.gradcheck.diagnosis import Diagnosis
from ae_numpy.gradcheck.packing import Array
from ae_numpy.gradcheck.taylor import Remainder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = ("parameter", "shape", "checked", "largest error", "at", "given", "expected", "verdict")
FORMULA = "error = |given - expected| / largest |expected| of the array; right up to {:.0e}"
COLOURS = {RIGHT: "#1b7837", WRONG: "#b2182b", CANNOT_TELL: "#8a6d00"}


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
    remainder : Remainder or None
        The Taylor remainder, for `method="taylor"`.
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
    remainder: Remainder | None = None
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

    def cells(self) -> tuple[str, ...]:
        """The row of the table, in the order of `COLUMNS`."""
        worst = self.worst
        given, expected = _both(worst.given, worst.expected, self.unsummed or self.verdict == RIGHT)
        if self.unsummed:
            given = f"shape {self.gradient.shape}".replace(" ", "")
        where = "a direction" if worst.index is None else str(worst.index)
        checked = f"{self.checked} of {self.size}"
        if self.directions is not None:
            checked += f" + {self.directions.given.size} directions"
        error = f"{self.max_error:.1e}"
        return (
            self.name, str(self.shape), checked, error, where, given, expected, self.verdict
        )  # fmt: skip


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
        >>> from ae_numpy.gradcheck import check_gradients
        >>> report = check_gradients(lambda w: (np.sum(w**2), 2 * w), np.ones((3, 4)))
        >>> report.plot().axes[0].images[0].get_array().shape
        (3, 4)
        """
        from ae_numpy.gradcheck.plot import plot_report

        return plot_report(self)

    def _heading(self) -> str:
        checked = sum(array.checked for array in self.arrays)
        size = sum(array.size for array in self.arrays)
        return f"Gradient {self.verdict}: {self.method}, {checked} of {size} entries checked"

    def __str__(self) -> str:
        rows = [COLUMNS, *(array.cells() for array in self.arrays)]
        widths = [max(len(row[k]) for row in rows) for k in range(len(COLUMNS))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        parts = [self._heading(), "\n".join(lines), str(self.diagnosis)]
        parts += [FORMULA.format(self.tolerance), "\n".join(_wrapped(note) for note in self.notes)]
        return "\n\n".join(part for part in parts if part)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "".join(
            f"<th style='text-align:left;padding-right:1em'>{name}</th>" for name in COLUMNS
        )
        rows = "".join(f"<tr>{_html_cells(array)}</tr>" for array in self.arrays)
        text = html.escape(FORMULA.format(self.tolerance))
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self.notes)
        return (
            f"<div><p><b>{html.escape(self._heading())}</b></p>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
            f"{self.diagnosis._repr_html_()}<p><small>{text}</small></p>"
            + (f"<ul>{notes}</ul>" if notes else "")
            + "</div>"
        )


def _html_cells(array: ArrayCheck) -> str:
    """The cells of one row; the verdict coloured and in words, so that colour is not needed."""
    *cells, verdict = (html.escape(cell) for cell in array.cells())
    colour = COLOURS[array.verdict]
    plain = "".join(f"<td style='text-align:left;padding-right:1em'>{cell}</td>" for cell in cells)
    return plain + f"<td style='text-align:left;color:{colour}'><b>{verdict}</b></td>"


def _wrapped(note: str) -> str:
    return textwrap.fill(f"Note: {note}", 98, subsequent_indent="  ")


def _both(given: float, expected: float, agree: bool) -> tuple[str, str]:
    """Both numbers; if they disagree, with as many digits as are needed to see it."""
    texts = f"{given:.6g}", f"{expected:.6g}"
    for digits in range(7, 18):
        if agree or texts[0] != texts[1]:
            break
        texts = f"{given:.{digits}g}", f"{expected:.{digits}g}"
    return texts

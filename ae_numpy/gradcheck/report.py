"""What a gradient check found: a table, a verdict, a diagnosis, in text and as HTML."""

from __future__ import annotations

import html
import re
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ae_numpy.gradcheck.packing import Array
from ae_numpy.gradcheck.verdict import COLOURS, RIGHT, ArrayCheck, Diagnosis, Worst, apart, overall

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Of more arrays than this, only those are printed that are not right.
MANY = 20
COLUMNS = ("parameter", "shape", "checked", "largest error", "at", "given", "expected", "verdict")
FORMULA = "error = |given - expected| / largest |expected| of the array; right up to {:.0e}"
# Smallest error worth a colour of its own: the rounding error of float64.
FLOOR = 1e-17


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

        Blue is below the tolerance, red above it, grey was not looked at. The last axis goes
        across; where only directions were looked at, each is a column.

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
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            message = "report.plot() needs matplotlib: pip install 'ae_numpy[plot]'"
            raise ImportError(message) from error
        count, tolerance = len(self.arrays), self.tolerance
        rows, columns = -(-count // 3), min(count, 3)
        figure = Figure((4.2 * columns + 0.6, 3.0 * rows + 0.5), layout="constrained")
        figure.suptitle(f"Gradient {self.verdict} ({self.method})")
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        reach = tolerance / 1e-16  # as far above the tolerance as rounding lies below it
        for panel, array in zip(panels, self.arrays, strict=False):
            panel.set_facecolor("0.85")
            picture = panel.imshow(_picture(array), cmap="RdBu_r", norm="log", aspect="auto")
            picture.set_clim(tolerance / reach, tolerance * reach)
            title, colour = f"{array.name} {array.shape}: {array.verdict}", COLOURS[array.verdict]
            panel.set_title(title, color=colour, fontsize=10)
        for panel in panels[count:]:
            panel.set_axis_off()
        bar = figure.colorbar(picture, ax=list(panels[:count]), extend="both")
        bar.set_label(f"relative error; white = tolerance {tolerance:.0e}")
        return figure

    def _heading(self) -> str:
        checked = sum(array.checked for array in self.arrays)
        size = sum(array.size for array in self.arrays)
        how = f"{self.method}, {checked} of {size} entries checked"
        digits = f", to {self.digits} digits" if self.ok else ""
        return f"Gradient {self.verdict}{digits}: {how}"

    def __str__(self) -> str:
        shown = [a for a in self.arrays if len(self.arrays) <= MANY or a.verdict != RIGHT]
        rows = [COLUMNS, *map(_cells, shown)] if shown else []
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        if rest := len(self.arrays) - len(shown):
            lines.append(f"{f'{rest} other' if shown else f'all {rest}'} arrays are right")
        parts = [self._heading(), "\n".join(lines), str(self.diagnosis)]
        notes = (textwrap.fill(f"Note: {n}", 98, subsequent_indent="  ") for n in self.notes)
        parts += [FORMULA.format(self.tolerance), "\n".join(notes)]
        return "\n\n".join(part for part in parts if part)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The text with its verdicts coloured; they are in words, so that colour is not needed."""
        page = html.escape(str(self))
        for verdict, colour in COLOURS.items():
            bold = f"<b style='color:{colour}'>{verdict}</b>"
            page = re.sub(f"(?<=  ){verdict}$", bold, page, flags=re.MULTILINE)
        return f"<pre>{page}</pre>"


def _cells(array: ArrayCheck) -> tuple[str, ...]:
    """The row of the table, in the order of `COLUMNS`."""
    worst = array.worst
    given, expected = f"{worst.given:.6g}", f"{worst.expected:.6g}"
    if array.verdict != RIGHT and worst.given != worst.expected:
        given, expected = apart(worst.given, worst.expected)
    if array.unsummed:
        given = f"shape {array.gradient.shape}".replace(" ", "")
    checked = f"{array.checked} of {array.size}"
    if array.directions is not None:
        checked += f" + {array.directions.given.size} directions"
    return (
        array.name, str(array.shape), checked, f"{array.max_error:.1e}",
        "a direction" if worst.index is None else str(worst.index), given, expected, array.verdict,
    )  # fmt: skip


def _picture(array: ArrayCheck) -> Array:
    """Errors as rows and columns, the last axis across; along directions, as one row."""
    if array.entrywise is None and not array.unsummed:
        return np.clip([array.parts[0].errors], FLOOR, 1e30)
    errors = np.full(max(array.size, 1), np.nan)
    if array.entrywise is not None and not array.unsummed:
        errors[array.entries] = np.clip(array.entrywise.errors, FLOOR, 1e30)
    return errors.reshape(-1, array.shape[-1] if array.size and array.shape else 1)

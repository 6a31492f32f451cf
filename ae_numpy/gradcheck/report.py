"""What a gradient check found: a table, a verdict, a diagnosis, in text and as HTML."""

from __future__ import annotations

import html
import math
import re
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ae_numpy.gradcheck.function import apart
from ae_numpy.gradcheck.packing import Array
from ae_numpy.gradcheck.verdict import (
    CANNOT_TELL,
    COLOURS,
    RIGHT,
    WRONG,
    ArrayCheck,
    Diagnosis,
    Worst,
    overall,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

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


# Smallest error worth a colour of its own: the rounding error of float64.
FLOOR = 1e-17
VERDICT_COLOURS = COLOURS | {RIGHT: "#2166ac"}  # the blue that errors below the tolerance have


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
        figure = _figure(self.arrays, self.tolerance)
        figure.suptitle(f"Gradient {self.verdict} ({self.method})")
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
            lines.append(
                f"{rest} other arrays are right" if shown else f"all {rest} arrays are right"
            )
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


def _figure(arrays: tuple[ArrayCheck, ...], tolerance: float) -> Figure:
    """One panel per parameter: errors as a picture, or as dots along directions.

    Blue is below the tolerance, red above it, grey was not looked at. Higher-dimensional
    parameters are laid out with their last axis across.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        message = "report.plot() needs matplotlib: pip install 'ae_numpy[plot]'"
        raise ImportError(message) from error
    columns = 2 if len(arrays) in (2, 4) else min(len(arrays), 3)
    rows = -(-len(arrays) // columns)
    figure = Figure(figsize=(4.2 * columns + 0.6, 3.0 * rows + 0.5), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    pictures = {}
    for panel, array in zip(panels, arrays, strict=False):
        if array.size == 0 or array.unsummed:
            words = "not summed over the batch" if array.unsummed else "no entries"
            panel.text(0.5, 0.5, words, ha="center", va="center", transform=panel.transAxes)
            panel.set_axis_off()
        elif array.entrywise is None:
            _draw_directions(panel, array.parts[0].errors, tolerance)
        else:
            pictures[panel] = _draw_entries(panel, array, array.entrywise.errors, tolerance)
        colour = VERDICT_COLOURS[array.verdict]
        panel.set_title(f"{array.name} {array.shape}: {array.verdict}", color=colour, fontsize=10)
    for panel in panels[len(arrays) :]:
        panel.set_axis_off()
    if pictures:
        bar = figure.colorbar(next(iter(pictures.values())), ax=list(pictures), extend="both")
        bar.set_label(f"relative error; white = tolerance {tolerance:.0e}")
    return figure


def _draw_entries(panel: Axes, array: ArrayCheck, errors: Array, tolerance: float) -> AxesImage:
    """Errors of all entries as a picture, on a logarithmic scale centred at the tolerance."""
    from matplotlib import colormaps
    from matplotlib.colors import LogNorm

    values = np.full(array.size, np.nan)
    values[array.entries] = np.clip(errors, FLOOR, 1e30)
    colours = colormaps["RdBu_r"].with_extremes(bad="0.85")
    reach = tolerance / 1e-16  # as far above the tolerance as rounding lies below it
    norm = LogNorm(tolerance / reach, tolerance * reach)
    rows = values.reshape(-1, array.shape[-1] if array.shape else 1)
    panel.set_xlabel("last index")
    return panel.imshow(rows, cmap=colours, norm=norm, aspect="auto")


def _draw_directions(panel: Axes, errors: Array, tolerance: float) -> None:
    """The error along each random direction."""
    panel.semilogy(np.arange(1, errors.size + 1), np.clip(errors, FLOOR, 1e30), "o", color="0.2")
    panel.axhline(tolerance, color=VERDICT_COLOURS[WRONG], lw=1, label="tolerance")
    panel.set_xlabel("direction")
    panel.set_ylabel("relative error")
    panel.legend(fontsize=8)

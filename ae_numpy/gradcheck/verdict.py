"""What is said of a gradient: the error formula, the three verdicts, and what is wrong.

The error of an entry is `|given - expected| / scale`, where `scale` is the largest expected
entry of its array in absolute value. There is no absolute tolerance: a gradient of size 1e-12 is
held to as many digits as one of size 1. Where everything expected is zero, every other value given
has an infinite error.

An entry that is found wrong although it is small beside the others of its array is measured against
its own size.

A verdict is never stronger than its evidence. `uncertainty` is how far apart a claim and an
expected value may lie because of rounding or of what the numerical derivative left open. An entry
is

* wrong, if its error exceeds the tolerance and the uncertainty,
* right, if it does not, and the uncertainty leaves the digits that were asked for,
* otherwise: cannot tell.

A `Comparison` holds numbers and verdicts, an `ArrayCheck` is a row of the report, and a `Diagnosis`
says what the wrong gradient is.
"""

from __future__ import annotations

import textwrap
import tomllib
from dataclasses import dataclass
from fractions import Fraction
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

RIGHT = "right"
WRONG = "wrong"
CANNOT_TELL = "cannot tell"
COLOURS = {RIGHT: "#1b7837", WRONG: "#b2182b", CANNOT_TELL: "#8a6d00"}


def table(name: str) -> dict[str, Any]:
    """A table of this package."""
    return tomllib.loads(files(__package__).joinpath(name).read_text("utf-8"))


CAUSES = table("causes.toml")
# What can be wrong, in one word each.
KINDS = tuple(dict.fromkeys(words["kind"] for words in CAUSES.values()))


@dataclass(frozen=True, eq=False)
class Comparison:
    """K numbers given, K expected, and what may be said about them.

    Attributes
    ----------
    given, expected : (K,) arrays
        The claim and the numerical derivative.
    uncertainty : (K,) array
        How far apart they may lie without being wrong; infinite where nothing is known.
    scale : (K,) array
        What the error of each is measured against; 0 if everything expected is 0.
    tolerance : float
        Relative error from which on an entry is wrong.
    resolution : float
        Relative uncertainty up to which an entry may be called right.

    Examples
    --------
    >>> given, expected = np.array([1.0, 2.0]), np.array([1.0, 4.0])
    >>> Comparison(given, expected, np.zeros(2), np.full(2, 4.0), 1e-9, 1e-5).errors
    array([0. , 0.5])
    """

    given: NDArray[Any]
    expected: NDArray[Any]
    uncertainty: NDArray[Any]
    scale: NDArray[Any]
    tolerance: float
    resolution: float

    @property
    def difference(self) -> NDArray[Any]:
        """Absolute error of each entry, (K,)."""
        return np.asarray(np.abs(self.given - self.expected))

    @property
    def errors(self) -> NDArray[Any]:
        """Relative error of each entry, (K,)."""
        return _relative(self.difference, self.scale)

    @property
    def verdicts(self) -> NDArray[Any]:
        """One of the three verdicts per entry, (K,) of str."""
        allowed = np.maximum(self.tolerance * self.scale, self.uncertainty)
        known = self.uncertainty <= self.resolution * self.scale
        return np.select([self.difference > allowed, known], [WRONG, RIGHT], CANNOT_TELL)

    @property
    def verdict(self) -> str:
        """The verdict on all of them: one wrong entry is enough, one open one forbids "right"."""
        return overall(self.verdicts)

    @property
    def resolved(self) -> float:
        """Relative size of the smallest error that would have been seen in every entry."""
        seen = np.maximum(self.difference, self.uncertainty)
        return float(np.max(_relative(seen, self.scale), initial=0.0))

    @property
    def worst(self) -> int:
        """Position of the largest error; among entries of the worst verdict there is."""
        of_verdict = self.verdicts == self.verdict
        return int(np.argmax(np.where(of_verdict, self.errors, -1.0)))


def _relative(difference: NDArray[Any], scale: NDArray[Any]) -> NDArray[Any]:
    """Differences in units of the scale; infinite where that is 0 and they are not."""
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        return np.asarray(np.where(difference > 0, difference / scale, 0.0))


def overall(verdicts: NDArray[Any] | list[str]) -> str:
    """The verdict on a collection of verdicts."""
    seen = set(verdicts)
    return next((verdict for verdict in (WRONG, CANNOT_TELL) if verdict in seen), RIGHT)


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
    gradient : array, shape `shape`
        The claimed gradient; with a batch axis in front if it was not summed.
    entries : int array, shape (K,)
        Flat indices of the entries that were looked at one by one.
    entrywise : Comparison or None
        These entries: given and expected.
    directions : Comparison or None
        The whole array along random directions, where not every entry was looked at.
    unsummed : bool
        True if the gradient has the batch axis in front.
    subgradient : bool
        True if some entries lie at a kink, between the slopes on its sides.

    Examples
    --------
    >>> from ae_numpy.gradcheck import check_gradients
    >>> report = check_gradients(lambda w: (np.sum(w**2), 2 * w), np.array([1.0, 2.0]))
    >>> [(array.name, array.verdict, array.checked) for array in report.arrays]
    [('parameters', 'right', 2)]
    """

    name: str
    shape: tuple[int, ...]
    gradient: NDArray[Any]
    entries: NDArray[Any]
    entrywise: Comparison | None
    directions: Comparison | None
    unsummed: bool = False
    subgradient: bool = False

    @property
    def size(self) -> int:
        """Number of entries of the parameter."""
        return int(np.prod(self.shape))

    @property
    def checked(self) -> int:
        """Number of entries that were looked at one by one."""
        return len(self.entries)

    @property
    def verdict(self) -> str:
        """One of "right", "wrong" and "cannot tell"."""
        return WRONG if self.unsummed else overall([part.verdict for part in self.parts])

    @property
    def max_error(self) -> float:
        """Largest relative error; infinite for a gradient of the wrong shape."""
        if self.unsummed:
            return np.inf
        return max((float(np.max(part.errors, initial=0.0)) for part in self.parts), default=0.0)

    @property
    def digits(self) -> int:
        """Decimal digits to which the claimed and the measured gradient are known to agree."""
        resolved = max((part.resolved for part in self.parts), default=0.0)
        return max(0, int(-np.log10(min(max(resolved, 1e-15), 1.0))))

    @property
    def worst(self) -> Worst:
        """The entry (or direction) that the verdict rests on."""
        parts = [part for part in self.parts if part.given.size]
        if not parts:
            return Worst(self.name, None, 0.0, 0.0)
        part = next((part for part in parts if part.verdict == self.verdict), parts[0])
        k = part.worst
        index = None
        if part is self.entrywise:
            index = tuple(int(i) for i in np.unravel_index(self.entries[k], self.shape))
        return Worst(self.name, index, float(part.given[k]), float(part.expected[k]))

    @property
    def claim(self) -> NDArray[Any]:
        """The claimed gradient, or its slopes if only directions were measured."""
        along = self.directions if self.entrywise is None and not self.unsummed else None
        return self.gradient if along is None else along.given

    def known(self, what: str) -> NDArray[Any]:
        """A field of the comparison in the parameter's shape, NaN where nothing can be said.

        Parameters
        ----------
        what : {"given", "expected", "difference", "errors", "uncertainty"}

        Returns
        -------
        array
            Of the parameter's shape, or one number per direction where only these were compared.

        Raises
        ------
        AttributeError
            If the comparison has no such field.

        Examples
        --------
        >>> from ae_numpy.gradcheck import check_gradients
        >>> report = check_gradients(lambda w: (np.sum(w**2), 2 * w), np.array([1.0, 3.0]))
        >>> report.arrays[0].known("expected")
        array([2., 6.])
        """
        part = self.parts[0]
        values = np.where(part.verdicts == CANNOT_TELL, np.nan, getattr(part, what))
        if part is self.directions:
            return values
        result = np.full(self.size, np.nan)
        result[self.entries] = values
        return result.reshape(self.shape)

    @property
    def parts(self) -> list[Comparison]:
        """What was compared: entries, directions, or both."""
        return [part for part in (self.entrywise, self.directions) if part is not None]


class Cause(NamedTuple):
    """A mistake: one of `KINDS`, a label in a few words, and a sentence for a student."""

    kind: str
    label: str
    sentence: str
    certain: bool = True


def cause(key: str, /, **details: Any) -> Cause:
    """The words for a cause, its numbers filled in."""
    words = CAUSES[key]
    details = {k: number(v) if isinstance(v, float) else v for k, v in details.items()}
    label, sentence = (words[part].format(**details) for part in ("label", "sentence"))
    return Cause(words["kind"], label, sentence, words.get("certain", True))


def number(value: float) -> str:
    """A number as people write it: a fraction of small whole numbers where it is one."""
    fraction = Fraction(value).limit_denominator(200)
    same = value and abs(float(fraction) / value - 1) < 1e-6
    return str(fraction) if same else f"{value:.6g}"


def apart(first: float, second: float) -> tuple[str, str]:
    """Two numbers in print, with as many digits as are needed to see that they differ."""
    pairs = ((f"{first:.{digits}g}", f"{second:.{digits}g}") for digits in range(6, 18))
    return next((texts for texts in pairs if texts[0] != texts[1]), (str(first), str(second)))


class Finding(NamedTuple):
    """Causes that explain the same arrays with the same numbers.

    Attributes
    ----------
    arrays : tuple of str
        The parameters whose gradients they explain.
    causes, sentences, kinds : tuple of str
        For each cause its label, a sentence and its kind, one of the words in
        `ae_numpy.gradcheck.verdict.KINDS`.
    certain : bool
        False ("possible") if entries were sampled or something was assumed.

    Examples
    --------
    >>> finding = Finding(
    ...     ("W0",), ("transposed",), ("Rows and columns are exchanged.",), ("transposed",), True
    ... )
    >>> finding.heading
    'W0: transposed'
    """

    arrays: tuple[str, ...]
    causes: tuple[str, ...]
    sentences: tuple[str, ...]
    kinds: tuple[str, ...]
    certain: bool

    @property
    def heading(self) -> str:
        """The arrays and the causes in one line."""
        how = "" if self.certain else "possibly "
        causes = ", or ".join(self.causes)
        same = " (the same numbers here)" if len(self.causes) > 1 and self.certain else ""
        return f"{', '.join(self.arrays)}: {how}{causes}{same}"


@dataclass(frozen=True)
class Diagnosis:
    """What the wrong gradient is: findings, and where the rest is.

    Attributes
    ----------
    findings : tuple of Finding
    located : tuple of str
        Sentences that say where the error is: the first wrong array beside one known to be right,
        or the wrong entries.
    unexplained : tuple of str
        The wrong arrays that no finding explains.

    Examples
    --------
    >>> import numpy as np
    >>> from ae_numpy.gradcheck import check_gradients
    >>> report = check_gradients(lambda w: (np.sum(w**2), -2 * w), np.array([1.0, 2.0]))
    >>> [finding.kinds for finding in report.diagnosis.findings], report.diagnosis.unexplained
    ([('sign',)], ())
    """

    findings: tuple[Finding, ...] = ()
    located: tuple[str, ...] = ()
    unexplained: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.findings or self.located or self.unexplained)

    def __str__(self) -> str:
        def wrapped(text: str, indent: str = "  ") -> str:
            below = max(indent, " " * 4)
            return textwrap.fill(text, 98, initial_indent=indent, subsequent_indent=below)

        lines = []
        for finding in self.findings:
            sentences = dict.fromkeys(finding.sentences)
            lines += [wrapped(finding.heading), *(wrapped(text, " " * 6) for text in sentences)]
        lines += map(wrapped, self.located)
        if self.unexplained:
            lines.append(wrapped(f"{', '.join(self.unexplained)}: no known cause"))
        return "\n".join(["What is wrong:", *lines]) if lines else ""

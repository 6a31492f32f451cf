"""What a diagnosis starts from (`Measured`) and what it says (`Finding`, `Diagnosis`)."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ae_numpy.gradcheck.packing import Array
from ae_numpy.gradcheck.verdict import RIGHT, WRONG


@dataclass(frozen=True, eq=False)
class Measured:
    """Everything a diagnosis may look at: what was measured, and how to measure more.

    Attributes
    ----------
    parameters : dict of arrays
        The point, by name, in the user's order. All other dicts have the same names.
    given : dict of arrays
        The claimed gradients, with the batch axis in front for the names in `unsummed`.
    expected : dict of arrays
        The measured gradients with masks applied; NaN where an entry was not looked at, or where
        nothing can be said about it.
    uncertainty : dict of arrays
        Absolute uncertainty of each expected entry, NaN as in `expected`.
    masks : dict of bool arrays
        True where a parameter is trained.
    verdicts : dict of str
        "right", "wrong" or "cannot tell" for each array.
    unsummed : tuple of str
        Names of the arrays whose claimed gradient has the batch axis in front.
    ignored : tuple of str
        Names of wrong arrays that the loss does not depend on, however far they are moved.
    tolerance : float
        Relative error up to which numbers count as equal.
    entrywise : bool
        False if only random directions were looked at: then `given`, `expected` and `uncertainty`
        hold slopes along them, (directions,), and only factors can be recognised.
    complete : bool
        True if every entry was measured and has a verdict.
    batch : tuple or None
        The function's further arguments; None if `batch` was not given.
    batch_size : int or None
        Rows of the batch, if its arrays agree on them.
    claimed : callable
        `claimed(parameters=None, batch=None)`: the user's gradients, a dict of arrays in the shape
        of their parameters, at other parameters (a dict; missing names stay as they are) and on
        another batch (a tuple). NaN where the function raises.
    numerical : callable
        `numerical(parameters=None, batch=None)`: the measured gradients there; zero where masked,
        NaN where the function raises or an entry was not looked at.
    loss : callable
        `loss(parameters=None, batch=None)`: the loss there; NaN where the function raises.
    jacobians : dict of pairs of arrays
        `check_vjp` only: by name, the claimed and the measured Jacobian, (outputs, inputs) each.
    """

    parameters: dict[str, Array]
    given: dict[str, Array]
    expected: dict[str, Array]
    uncertainty: dict[str, Array]
    masks: dict[str, Array]
    verdicts: dict[str, str]
    unsummed: tuple[str, ...]
    ignored: tuple[str, ...]
    tolerance: float
    entrywise: bool
    complete: bool
    batch: tuple[Any, ...] | None
    batch_size: int | None
    claimed: Callable[..., dict[str, Array]]
    numerical: Callable[..., dict[str, Array]]
    loss: Callable[..., float]
    jacobians: Mapping[str, tuple[Array, Array]] = field(default_factory=dict)

    @property
    def wrong(self) -> tuple[str, ...]:
        """Names of the arrays to be explained."""
        return tuple(name for name, verdict in self.verdicts.items() if verdict == WRONG)

    @property
    def right(self) -> tuple[str, ...]:
        """Names of the arrays that are known to be right."""
        return tuple(name for name, verdict in self.verdicts.items() if verdict == RIGHT)


class Finding(NamedTuple):
    """Causes that explain the same arrays with the same numbers.

    Attributes
    ----------
    arrays : tuple of str
        The parameters whose gradients they explain.
    causes, sentences, kinds : tuple of str
        For each cause its label, a sentence and its kind, one of the words in
        `ae_numpy.gradcheck.mistakes.KINDS`.
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

    def _paragraphs(self) -> list[tuple[str, tuple[str, ...]]]:
        """A heading and sentences for each finding, for the locations, and for what is left."""
        result = [(f.heading, tuple(dict.fromkeys(f.sentences))) for f in self.findings]
        result += [(sentence, ()) for sentence in self.located]
        if self.unexplained:
            result.append((f"{', '.join(self.unexplained)}: no known cause", ()))
        return result

    def __str__(self) -> str:
        lines = ["What is wrong:"] if self else []
        for heading, sentences in self._paragraphs():
            lines.append(textwrap.fill(f"  {heading}", 98, subsequent_indent="    "))
            lines += [
                textwrap.fill(text, 98, initial_indent="      ", subsequent_indent="      ")
                for text in sentences
            ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        if not self:
            return ""
        items = []
        for heading, sentences in self._paragraphs():
            rest = "".join(f"<br>{html.escape(text)}" for text in sentences)
            items.append(f"<li><b>{html.escape(heading)}</b>{rest}</li>")
        return f"<p><b>What is wrong</b></p><ul>{''.join(items)}</ul>"

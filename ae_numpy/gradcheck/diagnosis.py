"""What a wrong gradient *is*: candidate causes are tried one by one until the numbers fit.

Every candidate in the tables of `causes` and `layers` predicts, from the expected gradient, what
a particular mistake would have returned. A prediction that agrees with the claim explains it.
Several may: their numbers are then the same, nobody can tell them apart at this point, and they
are named together. Only what was measured completely is called certain.
"""

from __future__ import annotations

import html
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ae_numpy.gradcheck.evidence import Cause, Evidence, Prediction


class Finding(NamedTuple):
    """Causes that explain the same arrays with the same numbers.

    Attributes
    ----------
    causes, sentences : tuple of str
        The labels, and one sentence for each.
    arrays : tuple of str
        The parameters whose gradients they explain.
    certain : bool
        False ("possible") if entries were sampled or something was assumed.

    Examples
    --------
    >>> finding = Finding(("transposed",), ("Rows and columns are exchanged.",), ("W0",), True)
    >>> finding.heading
    'W0: transposed'
    """

    causes: tuple[str, ...]
    sentences: tuple[str, ...]
    arrays: tuple[str, ...]
    certain: bool

    @property
    def heading(self) -> str:
        """The arrays and the causes in one line."""
        how = "" if self.certain else "possibly "
        causes = ", or ".join(self.causes)
        same = " (the same numbers here)" if len(self.causes) > 1 else ""
        return f"{', '.join(self.arrays)}: {how}{causes}{same}"

    def __str__(self) -> str:
        wrapped = [textwrap.fill(self.heading, 98, subsequent_indent="    ")]
        for sentence in dict.fromkeys(self.sentences):
            wrapped.append(textwrap.fill(sentence, 98, initial_indent="      ",
                                         subsequent_indent="      "))  # fmt: skip
        return "\n".join(wrapped)


@dataclass(frozen=True)
class Diagnosis:
    """All findings, and the arrays that nothing explains.

    Attributes
    ----------
    findings : tuple of Finding
    unexplained : tuple of str

    Examples
    --------
    >>> import numpy as np
    >>> from ae_numpy.gradcheck import check_gradients
    >>> report = check_gradients(lambda w: (np.sum(w**2), -2 * w), np.array([1.0, 2.0]))
    >>> "the wrong sign" in report.diagnosis, report.diagnosis.unexplained
    (True, ())
    """

    findings: tuple[Finding, ...] = ()
    unexplained: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.findings or self.unexplained)

    def __contains__(self, words: str) -> bool:
        """`"transposed" in report.diagnosis`."""
        return words in " ".join(str(self).split())  # whatever lines the text is broken into

    def __str__(self) -> str:
        return "\n".join(["What is wrong:", *self._lines()]) if self else ""

    def _lines(self) -> list[str]:
        lines = [f"  {finding}" for finding in self.findings]
        if self.unexplained:
            lines.append(f"  {', '.join(self.unexplained)}: no known cause gives these numbers")
        return lines

    def _repr_html_(self) -> str:
        if not self:
            return ""
        items = []
        for finding in self.findings:
            sentences = dict.fromkeys(finding.sentences)
            rest = "".join(f"<br>{html.escape(text)}" for text in sentences)
            items.append(f"<li><b>{html.escape(finding.heading)}</b>{rest}</li>")
        if self.unexplained:
            items.append(f"<li>{html.escape(self._lines()[-1].strip())}</li>")
        return f"<p><b>What is wrong</b></p><ul>{''.join(items)}</ul>"


class _Match:
    """A label whose predictions agreed, and the arrays they explain so far."""

    def __init__(self, prediction: Prediction) -> None:
        self.label, self.sentence = prediction.label, prediction.sentence
        self.fitted, self.possible = prediction.fitted, prediction.possible
        self.arrays: list[str] = []

    def add(self, evidence: Evidence, prediction: Prediction) -> None:
        """Count in the wrong arrays among those that the prediction speaks of."""
        self.possible |= prediction.possible
        new = [name for name in prediction.arrays if name in evidence.wrong]
        self.arrays += [name for name in new if name not in self.arrays]

    def compelling(self, evidence: Evidence) -> bool:
        """Was more seen than was fitted?"""
        known = sum(evidence.informative(name) for name in self.arrays)
        return self.fitted == 0 or known > self.fitted


def diagnose(evidence: Evidence, causes: Sequence[Cause]) -> Diagnosis:
    """Try every cause; keep the fewest findings that explain all wrong arrays.

    Parameters
    ----------
    evidence : Evidence
    causes : sequence of callables
        Each takes the evidence and yields `Prediction`s.

    Returns
    -------
    Diagnosis
    """
    matches: dict[str, _Match] = {}
    for cause in causes:
        for prediction in cause(evidence):
            if all(evidence.agrees(*item) for item in prediction.arrays.items()):
                match = matches.setdefault(prediction.label, _Match(prediction))
                match.add(evidence, prediction)
    return _cover(evidence, [match for match in matches.values() if match.arrays])


def _cover(evidence: Evidence, matches: list[_Match]) -> Diagnosis:
    """Findings in the order of how much they explain, until everything is explained."""
    wrong = evidence.wrong
    groups: dict[frozenset[str], list[_Match]] = {}
    for match in matches:
        groups.setdefault(frozenset(match.arrays), []).append(match)
    findings: list[Finding] = []
    open_arrays = set(wrong)
    for arrays in sorted(groups, key=len, reverse=True):
        if not arrays & open_arrays:
            continue
        open_arrays -= arrays
        names = tuple(name for name in wrong if name in arrays)
        for assumed in (False, True):
            group = [match for match in groups[arrays] if match.possible == assumed]
            if group:
                certain = evidence.complete and not assumed
                certain &= any(match.compelling(evidence) for match in group)
                labels = tuple(match.label for match in group)
                findings.append(Finding(labels, tuple(m.sentence for m in group), names, certain))
    return Diagnosis(tuple(findings), tuple(name for name in wrong if name in open_arrays))

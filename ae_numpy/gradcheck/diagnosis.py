"""What a wrong gradient *is*: candidate causes are tried one by one until the numbers fit.

Every candidate in the tables of `mistakes` and `layers` predicts, from the expected gradient, what
a particular mistake would have returned. A prediction that agrees with the claim explains it.
Several may: their numbers are then the same, nobody can tell them apart at this point, and they
are named together. Only what was measured completely is called certain.
"""

from __future__ import annotations

import numpy as np

from ae_numpy.gradcheck.evidence import Diagnosis, Finding, Measured
from ae_numpy.gradcheck.layers import recognised
from ae_numpy.gradcheck.mistakes import CAUSES, FACTORS, Cause, Prediction


def diagnose(measured: Measured) -> Diagnosis:
    """Try every cause; keep the fewest findings that explain all wrong arrays.

    Parameters
    ----------
    measured : Measured
        With at least one wrong array; otherwise the diagnosis is empty.

    Returns
    -------
    Diagnosis
    """
    if not measured.wrong:
        return Diagnosis()
    matches: dict[str, _Match] = {}
    with np.errstate(all="ignore"):  # a prediction may overflow; then it does not fit
        for cause in _causes(measured):
            for prediction in cause(measured):
                if all(measured.agrees(*item) for item in prediction.arrays.items()):
                    match = matches.setdefault(prediction.label, _Match(prediction))
                    match.add(measured, prediction)
    return _cover(measured, [match for match in matches.values() if match.arrays])


def _causes(measured: Measured) -> tuple[Cause, ...]:
    """The causes worth trying: those of `layers` too, if the function is recognised as such."""
    if not measured.entrywise:
        return FACTORS
    layers = recognised(measured)
    return CAUSES if layers is None else (*layers.causes(), *CAUSES)


class _Match:
    """A label whose predictions agreed, and the arrays they explain so far."""

    def __init__(self, prediction: Prediction) -> None:
        self.kind, self.label, self.sentence = prediction[:3]
        self.fitted, self.possible = prediction.fitted, prediction.possible
        self.arrays: list[str] = []

    def add(self, measured: Measured, prediction: Prediction) -> None:
        """Count in the wrong arrays among those that the prediction speaks of."""
        self.possible |= prediction.possible
        new = [name for name in prediction.arrays if name in measured.wrong]
        self.arrays += [name for name in new if name not in self.arrays]

    def compelling(self, measured: Measured) -> bool:
        """Was more seen than was fitted?"""
        known = sum(measured.informative(name) for name in self.arrays)
        return self.fitted == 0 or known > self.fitted


def _cover(measured: Measured, matches: list[_Match]) -> Diagnosis:
    """Findings in the order of how much they explain, until everything is explained."""
    wrong = measured.wrong
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
                certain = measured.complete and not assumed
                certain &= any(match.compelling(measured) for match in group)
                causes, sentences, kinds = zip(
                    *((m.label, m.sentence, m.kind) for m in group), strict=True
                )
                findings.append(Finding(names, causes, sentences, kinds, certain))
    unexplained = tuple(name for name in wrong if name in open_arrays)
    return Diagnosis(tuple(findings), unexplained=unexplained)

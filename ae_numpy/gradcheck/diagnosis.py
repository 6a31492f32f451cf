"""What a wrong gradient *is*, and where: what all the detectives find, in one answer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ae_numpy.gradcheck.causes import Cause
from ae_numpy.gradcheck.evidence import Diagnosis, Finding, Measured
from ae_numpy.gradcheck.forensics import layer_mistakes
from ae_numpy.gradcheck.location import located
from ae_numpy.gradcheck.mistakes import causes
from ae_numpy.gradcheck.samples import (
    broadcast,
    in_time,
    jacobian,
    joined,
    one_sample,
    own_term,
    repeated_rows,
    second_use,
    turned_square,
    updated,
)  # fmt: skip
from ae_numpy.gradcheck.views import Views

# From what says most to what says least: what has a certain name is not looked at again.
DETECTIVES = (
    jacobian, broadcast, one_sample, repeated_rows, updated, layer_mistakes, turned_square,
    in_time, joined, second_use, own_term,
)  # fmt: skip


def diagnose(measured: Measured) -> Diagnosis:
    """Name what is wrong, in at most three ways for an array, and say where it is.

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
    with np.errstate(all="ignore"):  # a formula may overflow; then it does not fit
        views = Views(measured)
        findings = _findings(views)
        sure = {name for finding in findings if finding.certain for name in finding.arrays}
        where = located(views, sure)
    explained = {name for finding in findings for name in finding.arrays}
    unexplained = tuple(name for name in measured.wrong if name not in explained)
    return Diagnosis(tuple(findings), where, unexplained)


def _findings(views: Views) -> list[Finding]:
    """Arrays with the same causes together; possible ones only where none is certain."""
    groups: dict[tuple[Cause, ...], list[str]] = {}
    for name, found in _found(views).items():
        certain_ones = [cause for cause in found if cause.certain]
        if group := tuple((certain_ones or found)[:3]):
            groups.setdefault(group, []).append(name)
    findings = []
    for group, names in groups.items():
        kinds, labels, sentences, sure = zip(*group, strict=True)
        certain = all(sure) and views.measured.complete
        findings.append(Finding(tuple(names), labels, sentences, kinds, certain))
    return findings


def _found(views: Views) -> dict[str, list[Cause]]:
    """The causes of each wrong array, without repetition."""
    found: dict[str, list[Cause]] = {name: [] for name in views.measured.wrong}
    for name, known in found.items():
        known += dict.fromkeys(causes(views, name))
    for detective in DETECTIVES if views.measured.entrywise else ():
        unnamed = {name for name, known in found.items() if not any(c.certain for c in known)}
        for names, cause in detective(views) if unnamed else _nothing():
            for name in unnamed.intersection(names):
                if cause.label not in {known.label for known in found[name]}:
                    found[name].append(cause)
    return found


def _nothing() -> Iterator[tuple[tuple[str, ...], Cause]]:
    return iter(())

"""What a wrong gradient *is*, and where: the findings of all detectives in one answer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ae_numpy.gradcheck.evidence import Diagnosis, Finding, Measured
from ae_numpy.gradcheck.forensics import layer_mistakes
from ae_numpy.gradcheck.location import located
from ae_numpy.gradcheck.mistakes import Cause, causes
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
)
from ae_numpy.gradcheck.views import Views

# From what says most to what says least; what explains an array ends the search for it.
STAGES = (
    jacobian, broadcast, one_sample, repeated_rows, layer_mistakes, turned_square, in_time, joined,
    second_use, own_term,
)  # fmt: skip


def diagnose(measured: Measured) -> Diagnosis:
    """Name what is wrong, at most three ways for an array; locate what has no certain name.

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
        explained = {name for finding in findings for name in finding.arrays}
        sure = {name for finding in findings if finding.certain for name in finding.arrays}
        where = located(views, sure)
    unexplained = tuple(name for name in measured.wrong if name not in explained)
    return Diagnosis(tuple(findings), where, unexplained)


def _findings(views: Views) -> list[Finding]:
    measured = views.measured
    found: dict[str, list[Cause]] = {}
    for names, cause in _all_causes(views, found):
        for name in names:
            if name in measured.wrong and cause not in found.setdefault(name, []):
                found[name].append(cause)
    groups: dict[tuple[Cause, ...], list[str]] = {}
    for name in measured.wrong:
        if found.get(name):
            groups.setdefault(tuple(found[name][:3]), []).append(name)
    return [finding for group, names in groups.items() for finding in _sorted(measured, group, names)]


def _sorted(measured: Measured, group: tuple[Cause, ...], names: list[str]) -> Iterator[Finding]:
    """Certain and possible causes apart."""
    for certain in (True, False):
        part = [cause for cause in group if cause.certain == certain]
        if part:
            kinds, labels, sentences, _ = zip(*part, strict=True)
            yield Finding(tuple(names), labels, sentences, kinds, certain and measured.complete)


def _all_causes(views: Views, found: dict[str, list[Cause]]) -> Iterator[tuple[tuple[str, ...], Cause]]:
    for name in views.measured.wrong:
        for cause in causes(views, name):
            yield (name,), cause
    if not views.measured.entrywise:
        return
    for stage in STAGES:
        open_names = {n for n in views.measured.wrong if not any(c.certain for c in found.get(n, ()))}
        if not open_names:
            return
        for names, cause in stage(views):
            if names := tuple(name for name in names if name in open_names):
                yield names, cause

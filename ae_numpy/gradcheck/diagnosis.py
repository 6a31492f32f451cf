"""What a wrong gradient *is*, and where: what all the detectives find, in one answer."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ae_numpy.gradcheck import samples
from ae_numpy.gradcheck.forensics import layer_mistakes
from ae_numpy.gradcheck.mistakes import causes
from ae_numpy.gradcheck.verdict import Cause, Diagnosis, Finding
from ae_numpy.gradcheck.views import Views, wrong_entries

# From what says most to what says least: what has a certain name is not looked at again.
DETECTIVES = (
    samples.jacobian, samples.broadcast, samples.one_sample, samples.repeated_rows,
    layer_mistakes, samples.turned, samples.inactive, samples.in_time, samples.second_use,
    samples.own_term,
)  # fmt: skip


def diagnose(views: Views) -> Diagnosis:
    """Name what is wrong, in at most three ways for an array, and say where it is."""
    with np.errstate(all="ignore"):  # a formula may overflow; then it does not fit
        findings = _findings(views)
        sure = {name for finding in findings if finding.certain for name in finding.arrays}
        where = located(views, sure) if views.wrong else ()
    explained = {name for finding in findings for name in finding.arrays}
    unexplained = tuple(name for name in views.wrong if name not in explained)
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
        certain = all(sure) and views.complete
        findings.append(Finding(tuple(names), labels, sentences, kinds, certain))
    return findings


def _found(views: Views) -> dict[str, list[Cause]]:
    """The causes of each wrong array, without repetition."""
    found: dict[str, list[Cause]] = {name: [] for name in views.wrong}
    for name, known in found.items():
        known += dict.fromkeys(causes(views, name))
    for detective in DETECTIVES if views.entrywise else ():
        unnamed = {name for name, known in found.items() if not any(c.certain for c in known)}
        for names, cause in detective(views) if unnamed else ():
            for name in unnamed.intersection(names):
                if cause.label not in {known.label for known in found[name]}:
                    found[name].append(cause)
    return found


def located(views: Views, named: set[str]) -> tuple[str, ...]:
    """Sentences that say where the error is; less of what has a certain name."""
    wrong = views.wrong
    names = tuple(name for name in wrong if name not in named)
    sentences = _between(views, names or wrong)
    if views.entrywise:
        sentences += [text for n in wrong if (text := _entries(views, n, everything=n in names))]
        sentences += _samples(views, names) if names else []
    return tuple(sentences)


def _between(views: Views, names: tuple[str, ...]) -> list[str]:
    """The first wrong array on the way back, beside one that is right."""
    order, right = list(views.here.parameters), views.right
    first = max(names, key=order.index)  # the way back goes from the last array to the first
    partner = _partners(views).get(first)
    above = [name for name in order[order.index(first) + 1 :] if name in right]
    if partner in right:
        what = "its input" if views.here.parameters[first].ndim > 1 else "its sum"
        return [f"{partner} is right and {first} is not: delta is right, {what} is not."]
    if above:
        return [f"On the way back from the loss all is right down to {above[0]}: the error enters "
                f"between {above[0]} and {first}."]  # fmt: skip
    if right:
        return [f"{right[0]} is right and {first} is not: the error is in what {first} gets alone."]
    return []


def _partners(views: Views) -> dict[str, str]:
    """Matrix and bias that stand next to each other and have a length in common."""
    result: dict[str, str] = {}
    for (a, A), (b, B) in pairwise(views.here.parameters.items()):
        if A.ndim > 1 and B.ndim == 1 and B.size in A.shape and a not in result:
            result |= {a: b, b: a}
    return result


def _entries(views: Views, name: str, everything: bool) -> str:
    """How many entries are wrong, and which; that all are only if `everything` is wanted."""
    known = np.isfinite(views.here.expected[name])
    wrong = wrong_entries(views.here, name) & known
    count, total = int(wrong.sum()), int(known.sum())
    if count == total:
        many = f"all {total} entries are" if total > 1 else "its one entry is"
        return f"{name}: {many} wrong." if everything else ""
    if count == 0:
        return ""  # so little that it is seen against the uncertainty only
    places = []
    for k, length in enumerate(wrong.shape):
        at = np.unique(np.nonzero(wrong)[k])
        if len(at) < min(length, 6):
            word = ("row", "column")[k] if wrong.ndim == 2 else f"axis {k}, index"
            places.append(f"{word} {', '.join(map(str, at))}")
    where = f", all in {' and '.join(places)}" if places else ""
    return f"{name}: {count} of {total} entries are wrong{where}."


def _samples(views: Views, names: tuple[str, ...]) -> list[str]:
    """Which samples are wrong alone."""
    singles = views.singles if views.rows > 1 else []
    bad = [str(i) for i, view in enumerate(singles) if not all(map(view.right, names))]
    if singles and not bad:
        return ["Each sample alone is right: the error is in how they are put together."]
    if 0 < len(bad) < len(singles):
        return [f"Of the first {len(singles)} samples, each taken alone, {', '.join(bad)} "
                f"{'is' if len(bad) == 1 else 'are'} wrong and the others right: what is special "
                f"about {'it' if len(bad) == 1 else 'them'}?"]  # fmt: skip
    return []

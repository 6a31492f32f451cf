"""Where a wrong gradient is wrong: array beside array, entry beside entry, sample beside sample."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ae_numpy.gradcheck.views import Views, wrong_entries


def located(views: Views, named: set[str]) -> tuple[str, ...]:
    """Sentences that say where the error is; less of what has a certain name."""
    wrong = views.measured.wrong
    names = tuple(name for name in wrong if name not in named)
    sentences = _between(views, names or wrong)
    if views.measured.entrywise:
        sentences += [text for n in wrong if (text := _entries(views, n, everything=n in names))]
        sentences += _samples(views, names) if names else []
    return tuple(sentences)


def _between(views: Views, names: tuple[str, ...]) -> list[str]:
    """The first wrong array on the way back, beside one that is right."""
    order, right = list(views.here.parameters), views.measured.right
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

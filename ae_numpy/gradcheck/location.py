"""Where a wrong gradient is wrong: arrays beside arrays, entries beside entries, samples beside samples."""

from __future__ import annotations

import numpy as np

from ae_numpy.gradcheck.samples import wrong_entries
from ae_numpy.gradcheck.views import Views


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
    order, right = list(views.here.parameters), set(views.measured.right)
    if not right:
        return []
    first = max(names, key=order.index)  # the backward pass goes from the last array to the first
    partners = _partners(views)
    if partners.get(first) in right:
        W, b = first, partners[first]
        if views.here.parameters[first].ndim < 2:
            return [f"{b} is right and {first} is not: look at how {first} is summed up from delta."]
        return [f"{b} is right and {W} is not: delta is right, its input (or the product) is not."]
    above = [name for name in order[order.index(first) + 1 :] if name in right]
    if above:
        return [
            f"Going back from the loss, all is right down to {above[0]}, and {first} is the first "
            f"array that is wrong: the error enters between {above[0]} and {first}."
        ]
    below = [name for name in order if name in right]
    return [f"{first} is wrong although {', '.join(below[:3])} {'is' if len(below) == 1 else 'are'} right: the error is in what {first} alone receives."]


def _partners(views: Views) -> dict[str, str]:
    """Matrix and bias that stand next to each other and have a length in common."""
    order, result = list(views.here.parameters.items()), {}
    for (a, A), (b, B) in zip(order, order[1:]):
        if A.ndim > 1 and B.ndim == 1 and B.size in A.shape and a not in result:
            result |= {a: b, b: a}
    return result


def _entries(views: Views, name: str, everything: bool) -> str:
    """How many entries are wrong, and which; nothing of all being wrong, if that says nothing."""
    wrong = wrong_entries(views.here, name)
    known = np.isfinite(views.here.expected[name])
    wrong &= known
    count, total = int(wrong.sum()), int(known.sum())
    if count == total:
        many = f"all {total} entries are" if total > 1 else "its one entry is"
        return f"{name}: {many} wrong." if everything else ""
    places = []
    for k in range(wrong.ndim):
        at = np.unique(np.nonzero(wrong)[k])
        if len(at) < min(wrong.shape[k], 6):
            word = ("row", "column")[k] if wrong.ndim == 2 else f"axis {k}, index"
            places.append(f"{word} {', '.join(map(str, at))}")
    where = f", all in {' and '.join(places)}" if places else ""
    return f"{name}: {count} of {total} entries are wrong{where}."


def _samples(views: Views, names: tuple[str, ...]) -> list[str]:
    """Which samples are wrong alone."""
    if views.rows < 2 or not views.singles:
        return []
    bad = [i for i, view in enumerate(views.singles) if not all(map(view.right, names))]
    count = len(views.singles)
    if not bad:
        return ["Each sample alone is right: the error is in how they are put together."]
    if len(bad) < count:
        return [f"Alone, sample {', '.join(map(str, bad))} of the first {count} is wrong and the others are right: look at what is special about it."]
    return []

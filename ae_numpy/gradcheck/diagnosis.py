"""What a wrong gradient *is*, and where: what all the detectives find, in one answer.

A detective looks at the function with samples or time steps taken out of the batch, or values
changed: what joins samples is right for one of them, and what is used turned round is right where
it is its own mirror image.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise

import numpy as np

from ae_numpy.gradcheck.forensics import layer_mistakes
from ae_numpy.gradcheck.mistakes import causes, is_one_of
from ae_numpy.gradcheck.packing import largest
from ae_numpy.gradcheck.verdict import Cause, Diagnosis, Finding, cause
from ae_numpy.gradcheck.views import Measured, View, Views, least_squares, near, wrong_entries

Found = Iterator[tuple[tuple[str, ...], Cause]]


def diagnose(measured: Measured) -> Diagnosis:
    """Name what is wrong, in at most three ways for an array, and say where it is."""
    views = Views(measured)
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
        certain = [each for each in found.values() if each.certain]
        if group := tuple((certain or list(found.values()))[:3]):
            groups.setdefault(group, []).append(name)
    findings = []
    for group, names in groups.items():
        kinds, labels, sentences, sure = zip(*group, strict=True)
        certain_here = all(sure) and views.complete
        findings.append(Finding(tuple(names), labels, sentences, kinds, certain_here))
    return findings


def _found(views: Views) -> dict[str, dict[str, Cause]]:
    """The causes of each wrong array, by their labels."""
    found = {name: {each.label: each for each in causes(views, name)} for name in views.wrong}
    for detective in DETECTIVES if views.entrywise else ():
        sure = (name for name, known in found.items() if any(c.certain for c in known.values()))
        unnamed = set(found).difference(sure)
        for names, each in detective(views) if unnamed else ():
            for name in unnamed.intersection(names):
                found[name].setdefault(each.label, each)
    return found


def located(views: Views, named: set[str]) -> tuple[str, ...]:
    """Sentences that say where the error is; less of what has a certain name."""
    names = tuple(name for name in views.wrong if name not in named)
    sentences = _between(views, names or views.wrong)
    for name in views.wrong if views.entrywise else ():
        sentences += _entries(views, name, everything=name in names)
    return tuple(sentences)


def _between(views: Views, names: tuple[str, ...]) -> list[str]:
    """The first wrong array on the way back, beside one that is right."""
    arrays, right = views.here.parameters, views.right
    order = list(arrays)
    first = max(names, key=order.index)  # the way back goes from the last array to the first
    above = [name for name in order[order.index(first) + 1 :] if name in right]
    for W, b in pairwise(order):
        paired = arrays[W].ndim > 1 and arrays[b].ndim == 1 and arrays[b].size in arrays[W].shape
        partner, what = (b, "its input") if first == W else (W, "its sum")
        if paired and first in (W, b) and partner in right:
            return [f"{partner} is right and {first} is not: delta is right, {what} is not."]
    if above:
        where = f"the error enters between {above[0]} and {first}"
        return [f"On the way back from the loss all is right down to {above[0]}: {where}."]
    if right:
        return [f"{right[0]} is right and {first} is not: the error is in what {first} gets alone."]
    return []


def _entries(views: Views, name: str, everything: bool) -> list[str]:
    """How many entries are wrong, and which; that all are only if `everything` is wanted."""
    known = np.isfinite(views.here.expected[name])
    wrong = wrong_entries(views.here, name) & known
    count, total = int(wrong.sum()), int(known.sum())
    if count == total:
        many = f"all {total} entries are" if total > 1 else "its one entry is"
        return [f"{name}: {many} wrong."] if everything else []
    if count == 0:
        return []  # so little that it is seen against the uncertainty only
    places = []
    for k, length in enumerate(wrong.shape):
        at = np.unique(np.nonzero(wrong)[k])
        if len(at) < min(length, 6):
            word = ("row", "column")[k] if wrong.ndim == 2 else f"axis {k}, index"
            places.append(f"{word} {', '.join(map(str, at))}")
    where = f", all in {' and '.join(places)}" if places else ""
    return [f"{name}: {count} of {total} entries are wrong{where}."]


def one_sample(views: Views) -> Found:
    """Only one row of the batch contributes: a loop that overwrites where it should add."""
    for i in [0, views.rows - 1] if views.rows > 1 else []:
        alone = views.part(slice(i, i + 1))
        if alone and (names := _multiples(views, views.full, alone)):
            yield names, cause("one_sample", which="last" if i else "first")


def broadcast(views: Views) -> Found:
    """(N,) against (N, 1): every output is compared with every target, that is with their mean."""
    for name, y in views.arguments.items() if views.rows > 1 else ():
        if name not in views.full.parameters and y.size == views.rows:
            averaged = views.replaced(name, np.full_like(y, y.mean()))
            names = _multiples(views, views.full, averaged) if averaged else ()
            if set(names) - set(_multiples(views, views.full, views.full)):
                yield names, cause("broadcast")


def _multiples(views: Views, view: View, other: View) -> tuple[str, ...]:
    """Wrong arrays whose claimed gradient is 1, B or 1/B times that of another view, plus decay."""
    names, B = [], views.rows
    for name in views.wrong:
        p, e = view.parameters[name], other.expected[name]
        x, fit = least_squares([e, p] if p.size > 3 else [e], view.given[name])
        factor = is_one_of(x[0], 1, B, 1 / B) and near(view.given[name], fit)
        names += [name] if factor and not view.right(name) else []
    return tuple(names)


def repeated_rows(views: Views) -> Found:
    """Indices that occur more than once: only their last contribution is left."""
    for index in views.batch:
        if isinstance(index, np.ndarray) and index.dtype.kind in "iu" and index.size:
            rows, counts = np.unique(index, return_counts=True)
            for name in views.wrong:
                wrong = wrong_entries(views.full, name)
                if not wrong.ndim or rows[0] < 0 or rows[-1] >= len(wrong):
                    continue
                at = set(np.flatnonzero(wrong.reshape(len(wrong), -1).any(axis=1)))
                if at and at <= set(rows[counts > 1]) and (min(counts) == 1 or len(at) > 1):
                    yield (name,), cause("repeated_rows")


def in_time(views: Views) -> Found:
    """Right for the first time step alone, wrong for more of them."""
    for axis in (0, 1):
        first = views.part(steps=slice(1), axis=axis) if views.steps(axis) > 1 else None
        active = [name for name, e in first.expected.items() if np.any(e)] if first else []
        if first is None or not active or not all(map(first.right, active)):
            continue
        backwards = views.cut(steps=slice(None, None, -1), axis=axis)
        batches = (views.batch, backwards)
        a, b = (views.measured.loss(views.full.parameters, batch) for batch in batches)
        same = abs(a - b) <= 1e-9 * abs(a)
        for key in ("joined",) if same else ("steps", "between_steps", "joined"):
            yield views.wrong, cause(key)


def own_term(views: Views) -> Found:
    """An argument that moves the gradient, but not the error of it, or not what is claimed."""
    full, rng = views.full, np.random.default_rng(2)
    moved = {
        other: views.replaced(other, a * rng.uniform(0.7, 1.3, a.shape))
        for other, a in (views.arguments.items() if len(full.parameters) <= 12 else ())
    }
    for name in views.wrong:
        wrong = wrong_entries(full, name)
        for other, view in moved.items():
            if view is None or other == name:
                continue
            g, e, g2, e2 = (
                side[name][wrong] for side in (full.given, full.expected, view.given, view.expected)
            )
            lost, own = near(g, g2, 1e-9), near(g - e, g2 - e2, 1e-5) and not near(g, g2, 1e-4)
            if np.any(g) and not near(e, e2, 1e-4) and (lost or own):
                yield (name,), cause("no_path" if lost else "own_term", name=name, other=other)
                break


def own_input(views: Views) -> Found:
    """The weights of one layer alone, at every unit: delta is right where the rest is."""
    for name in views.wrong if len(views.wrong) == 1 and views.right else ():
        wrong = wrong_entries(views.full, name)
        if wrong.ndim > 1 and wrong.reshape(-1, wrong.shape[-1]).any(axis=0).all():
            yield views.wrong, cause("own_input", W=name)


def turned(views: Views) -> Found:
    """An array used turned round: where it is its own mirror image, nothing is wrong."""
    for name, a in () if views.unsummed else views.arguments.items():
        ways = [("untransposed", a.swapaxes(i, j)) for i, j in combinations(range(a.ndim), 2)]
        axes = [(k,) for k in range(a.ndim)] + [(a.ndim - 2, a.ndim - 1)]
        ways += [("flipped", np.flip(a, k)) for k in axes if a.ndim > 2]
        for key, image in ways:
            same = image.shape == a.shape and not np.array_equal(image, a)
            if same and _vanishes(views, views.replaced(name, (a + image) / 2)):
                yield views.wrong, cause(key, W=name)


def inactive(views: Views) -> Found:
    """Wrong where units are off: with a bias that switches all of them on, nothing is wrong."""
    for name, b in () if views.unsummed else views.full.parameters.items():
        if b.ndim == 1 and _vanishes(views, views.replaced(name, b + 100 * (1 + largest(b)))):
            yield views.wrong, cause("inactive", b=name)


def _vanishes(views: Views, view: View | None) -> bool:
    """Is what is wrong right in a view, and not because everything is zero there?"""
    return view is not None and all(
        view.right(name)
        and largest(view.expected[name]) > 1e-3 * largest(views.full.expected[name])
        for name in views.wrong
    )


def jacobian(views: Views) -> Found:
    """`check_vjp`: each output is differentiated by its own input only, or J is transposed."""
    for name, (claimed, right) in views.measured.jacobians.items():
        if right.shape[0] == right.shape[1]:
            diagonal = np.eye(len(right), dtype=bool)
            if near(claimed, claimed * diagonal) and np.any(right[~diagonal]):
                yield (name,), cause("diagonal")
            elif near(claimed, right.T) and not near(right, right.T):
                yield (name,), cause("jacobian")


# From what says most to what says least: what has a certain name is not looked at again.
DETECTIVES = (
    jacobian, broadcast, one_sample, repeated_rows,
    layer_mistakes, turned, inactive, in_time, own_term, own_input,
)  # fmt: skip

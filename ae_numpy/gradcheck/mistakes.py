"""Mistakes that one array shows by itself: a factor, a penalty, right numbers in wrong places.

`fits` says which formulas turn the right gradient into the claimed one. A formula is believed when
it does so wherever the function was looked at, with the same constants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import permutations
from typing import NamedTuple

import numpy as np

from ae_numpy.gradcheck.packing import Array, largest
from ae_numpy.gradcheck.verdict import Cause, cause, number
from ae_numpy.gradcheck.views import FORMULAS, View, Views, least_squares, near, value

# Formulas without much freedom: where one of them fits, others that fit as well say nothing new.
# Not "unused", which says that nothing was expected, but not what is claimed instead.
SIMPLE = {"factor", "zero", "not_summed", "transposed", "swapped", "rounding"}
# Powers of the batch size that a factor may have.
POWERS = (1, -1, 2, -2)
# What may be added by mistake, and the formula that has these terms.
TERMS = {"p": "weight_decay", "1": "constant", "sign": "l1", "p sign": "l1", "sign 1": "l1"}


class Fit(NamedTuple):
    """A formula that gives the claimed gradient, a detail of it, and its constants."""

    formula: str
    detail: str = ""
    constants: tuple[float, ...] = ()


def fits(view: View, name: str) -> Iterator[Fit]:
    """Every formula that turns the right gradient of an array into the claimed one."""
    g, e, p = view.given[name], view.expected[name], view.parameters[name]
    seen, tolerance = np.isfinite(e), view.tolerance
    if g.ndim > e.ndim:
        yield Fit("not_summed")
        return
    if not np.any(g):
        yield Fit("zero")
    elif not np.any(e[seen]):
        yield Fit("unused")
    else:
        (factor,), multiple = least_squares([e[seen]], g[seen])
        if near(g[seen], multiple, tolerance):
            yield Fit("factor", "", (float(factor),))
    if g.shape != p.shape:
        return  # slopes along directions
    yield from _values(g[seen], e[seen], tolerance)
    yield from _penalties(g[seen], e[seen], p[seen], tolerance)
    if seen.all():
        yield from _places(g, e, p, tolerance)
        yield from _joined(g, e, p)
    for other, there in view.expected.items():
        same = other != name and there.size == g.size
        if same and near(g, there.reshape(g.shape), tolerance):
            yield Fit("swapped", other)


def _values(g: Array, e: Array, tolerance: float) -> Iterator[Fit]:
    """Entries that were cut off, not masked, or rounded."""
    limit, zero = largest(g), np.abs(e) <= 1e-12 * largest(e)
    if g.size > 1 and near(g, np.clip(e, -limit, limit), tolerance):
        yield Fit("clipped")
    if largest(g[zero]) > tolerance * largest(e) and near(g[~zero], e[~zero], tolerance):
        yield Fit("mask")
    for dtype, digits in ((np.float32, 2.0**-21), (np.float16, 2.0**-10)):
        if np.array_equal(g, g.astype(dtype)) and near(g, e, digits):
            yield Fit("rounding", f"to {np.dtype(dtype)}")
    for digits in range(1, 7) if g.size > 1 else ():
        close = largest(g - e) <= 0.51 * 10.0**-digits < 0.1 * limit
        if close and np.array_equal(g, np.round(g, digits)):
            yield Fit("rounding", f"to {digits} decimals")


def _penalties(g: Array, e: Array, p: Array, tolerance: float) -> Iterator[Fit]:
    """Multiples of the parameter, of its sign and of 1, added to a multiple of the right one."""
    columns = {"p": p, "sign": np.sign(p), "1": np.ones_like(p)}
    for words, formula in TERMS.items():
        if p.size > len(words.split()) or words == "p":
            x, extra = least_squares([columns[word] for word in words.split()], g - e)
            # The extra term must be seen itself, not only vanish beside the gradient.
            if near(g, e + extra, tolerance) and near(g - e, extra, 1e-2):
                yield Fit(formula, words, tuple(map(float, x)))
                if words != "1":  # of equal signs, 1 and the sign cannot be told apart
                    return
    for text in FORMULAS["inner"]:
        slope = value(text, p)
        (c,), fit = least_squares([g * slope], e)
        if c and np.ptp(slope) and near(e, fit, tolerance):
            yield Fit("of_parameter", text, (float(c),))
    x, total = least_squares([e, p], g)
    if p.size > 2 and near(g, total, tolerance):
        yield Fit("on_data", "", tuple(map(float, x)))


def _places(g: Array, e: Array, p: Array, tolerance: float) -> Iterator[Fit]:
    """Right numbers in wrong places; a penalty on the parameter may have stayed in its own."""
    for formula, detail, move in _moves(e.shape):
        moved, still = (move(a).reshape(g.shape) for a in (e, p))
        rest = least_squares([p - still], g - moved)[1] if g.size > 2 else 0.0
        trivial = formula == "permuted" and (g.size < 3 or near(g, e, tolerance))
        if not trivial and (near(g, moved, tolerance) or near(g, moved + rest, tolerance)):
            yield Fit(formula, detail)
            return
    same = g.size > 2 and near(np.sort(g, axis=None), np.sort(e, axis=None), tolerance)
    if same and not near(g, e, tolerance):
        yield Fit("permuted", "somewhere else")


def _moves(shape: tuple[int, ...]) -> Iterator[tuple[str, str, Callable[[Array], Array]]]:
    """Exchanged axes, reversed ones and shifts along them."""
    for order in list(permutations(range(len(shape))))[1:]:
        yield "transposed", ", ".join(map(str, order)), partial(np.transpose, axes=order)
    for k, n in enumerate(shape):
        yield "permuted", f"reversed along axis {k}", partial(np.flip, axis=k)
        for shift in range(1, n):
            text = f"shifted by {shift} along axis {k}"
            yield "permuted", text, partial(np.roll, shift=shift, axis=k)


def _joined(g: Array, e: Array, p: Array) -> Iterator[Fit]:
    """A term that joins entries: those of a line along an axis, of a sample, or all."""
    each = [(k,) for k in range(e.ndim)]
    for axes in dict.fromkeys((*each, tuple(range(1, e.ndim)), tuple(range(e.ndim)))):
        if axes and (why := _balance(g, e, p, axes)):
            yield Fit("cross_terms", f"{why} along axis {' and '.join(map(str, axes))}")
            return


def _balance(g: Array, e: Array, p: Array, axes: tuple[int, ...]) -> str:
    """The balance along some axes that the right gradient keeps and the claimed one does not.

    Where moving all entries of a line together changes nothing (softmax, a mean taken off), the
    right gradient sums to 0; where scaling them changes nothing, it is orthogonal to them, up to
    the small number that is added to a norm.
    """
    length = int(np.prod([e.shape[k] for k in axes]))
    for why, weight, zero in (
        ("sums to 0", 0 * p + 1, 1e-7),
        ("is orthogonal to the array", p, 1e-4),
    ):
        size = largest(e * weight)
        if length > 2 and size > 0 and largest(np.sum(e * weight, axis=axes)) <= zero * size:
            off = largest(np.sum(g * weight, axis=axes)) > max(10 * zero, 1e-6) * size
            one = why == "sums to 0" and len(axes) == 1 and length > 3
            if off or (one and linear(g - e, p, axes[0])):
                return why
    return ""


def linear(d: Array, p: Array, k: int) -> bool:
    """Is each line of d along axis k a constant plus a multiple of the line of p?"""
    lines = (np.moveaxis(a, k, -1).reshape(-1, a.shape[k]) for a in (d, p))
    pairs = zip(*lines, strict=True)
    return all(near(x, least_squares([np.ones_like(y), y], x)[1], 1e-6) for x, y in pairs)


def agreed(views: Views, name: str) -> list[tuple[Fit, bool]]:
    """Formulas that hold wherever the array is wrong, and whether with the same constants.

    The user's point has its say if anything fits there; where rounding dominates, nothing does.
    """
    points = [view for view in views.points[1:] if not view.right(name)]
    if name in views.unsummed:
        points = []  # the axis is summed away elsewhere
    clear = np.all(np.isfinite(views.here.expected[name]))
    found = (_common([*points, views.here], name) if clear or not points else []) or (
        _common(points, name) if len(points) > 1 else []
    )
    return [pair for pair in found if pair[1] and pair[0].formula in SIMPLE] or found


def _common(points: list[View], name: str) -> list[tuple[Fit, bool]]:
    """Formulas that fit at all points."""
    found = [{fit[:2]: fit for fit in fits(view, name)} for view in points]
    entries = len(points) * int(np.isfinite(points[-1].expected[name]).sum())
    result = []
    for key, fit in found[0].items():
        if all(key in others for others in found):
            constants = [np.array(others[key].constants) for others in found]
            constant = all(near(c, constants[0], 1e-4) or not len(c) for c in constants)
            # More must have been seen than was fitted.
            if len(fit.constants) < entries or is_one_of(fit.constants[0], -1.0, 2.0, 0.5):
                result.append((fit, constant))
    return result


def is_one_of(value: float, *values: float) -> bool:
    """Is a constant one of these, as far as it can be known?"""
    return any(abs(value / known - 1) < 1e-6 for known in values)


def causes(views: Views, name: str) -> Iterator[Cause]:
    """What the numbers of one array say, in words."""
    found = agreed(views, name)
    for (formula, detail, x), constant in found:
        if formula == "factor":
            yield from _factors(views, name, x[0]) if constant else _clipped_norm(views)
        elif not constant:
            if formula == "weight_decay" and views.here.parameters[name].size > 1:
                yield cause("along")
        elif formula == "on_data":
            yield from _on_data(views, x[0])
        elif formula == "l1":
            terms = {"p": "the parameter", "sign": "its sign", "1": "1"}
            pairs = zip(x, detail.split(), strict=True)
            text = cause("l1", terms=" + ".join(f"{number(c)} * {terms[w]}" for c, w in pairs))
            yield text._replace(certain=not any(f.formula == "constant" for f, _ in found))
        elif formula == "unused":
            yield from _unused(views, name)
        elif formula == "not_summed":
            yield cause("not_summed")._replace(certain=views.rows > 0)
        else:
            yield cause(formula, detail=detail, x=x[0] if x else 0.0)


def _unused(views: Views, name: str) -> Iterator[Cause]:
    """What a derivative of zero means; nothing if it is zero here but not everywhere."""
    if not np.any(views.masks[name]):
        yield cause("mask")
    elif views.measured.ignores(name):
        alone = len(views.wrong) == 1
        yield from () if alone else (cause("shifted"),)
        yield cause("unused")._replace(certain=alone)


def _on_data(views: Views, factor: float) -> Iterator[Cause]:
    """A factor on everything but the penalty."""
    B = float(views.rows or 1)
    meanings = {"batch_on_data": (B, 1 / B), "sign_on_data": (-1.0,), "factor_on_data": (2.0, 0.5)}
    if not is_one_of(factor, 1.0):
        fitting = (key for key, factors in meanings.items() if is_one_of(factor, *factors))
        yield from (cause(key, factor=factor) for key in list(fitting)[:1])


def _clipped_norm(views: Views) -> Iterator[Cause]:
    """Gradients that are right in direction, and of one and the same norm at every point."""
    wrong = [v for v in views.points if not all(map(v.right, views.wrong))]
    norms = [np.sqrt(sum(np.sum(g**2) for g in view.given.values())) for view in wrong]
    if len(norms) > 1 and np.ptp(norms) < 1e-9 * norms[0]:
        yield cause("norm", norm=float(norms[0]))


def _factors(views: Views, name: str, factor: float) -> Iterator[Cause]:
    """Every meaning that a factor between claim and truth can have."""
    if factor < 0:
        yield cause("sign")
    factor, B = abs(factor), float(views.rows)
    if is_one_of(factor, 1.0):
        return
    growth = _growth(views, name, factor)
    pure = [k for k in POWERS if B > 1 and is_one_of(factor, B**k)]
    proof = bool(np.count_nonzero(views.here.expected[name]) > 1) or _shared(views, name, factor)
    if growth not in pure:
        yield from _plain_factor(views, name, factor, proof)
    if pure and (not growth or growth in pure):
        yield cause(_meaning(views, pure[0]), B=views.rows)._replace(certain=proof or growth != 0)


def _plain_factor(views: Views, name: str, factor: float, proof: bool) -> Iterator[Cause]:
    """A factor that has nothing to do with the batch; of one entry alone it proves nothing."""
    if is_one_of(factor, 2.0, 0.5):
        yield cause("two", factor=factor)._replace(certain=proof)
    elif proof or views.here.parameters[name].size > 1:
        yield cause("factor", factor=factor)._replace(certain=proof)
    whole = max(factor, 1 / factor)
    if not views.rows and round(whole) > 1 and is_one_of(whole, round(whole)):
        yield cause("batch_unknown", factor=whole)._replace(certain=proof)


def _growth(views: Views, name: str, factor: float) -> int:
    """The power of the batch size in a factor: with a part of the batch it is another one."""
    part = (views.rows + 1) // 2
    view = views.part(slice(part)) if views.rows > 1 else None
    if view and np.any(view.expected[name]):
        there = float(least_squares([view.expected[name]], view.given[name])[0][0])
        for power in POWERS:
            if is_one_of(abs(there) / factor, (part / views.rows) ** power):
                return power
    return 0


def _shared(views: Views, name: str, factor: float) -> bool:
    """Does the factor of an array with one entry, which proves nothing, explain another array?"""
    others = (fit for n in views.wrong if n != name for fit, _ in agreed(views, n))
    return any(f.formula == "factor" and is_one_of(abs(f.constants[0]), factor) for f in others)


def _meaning(views: Views, power: int) -> str:
    """What a power of the batch size means, which depends on whether the loss is a mean."""
    sums = views.measured.reduction(views.full.parameters) == "sum"
    if power in (1, -1) and sums == (power < 0):
        return "batch_mean" if sums else "batch_missing"
    return "batch_divided" if power < 0 else "batch_multiplied"

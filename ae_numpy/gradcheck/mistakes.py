"""Mistakes that one array shows by itself: a factor, a penalty, right numbers in wrong places.

`fits` says which formulas turn the right gradient into the claimed one. A formula is believed when
it does so wherever the function was looked at, with the same constants. `CAUSES` has the words.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import permutations, product
from typing import NamedTuple

import numpy as np

from ae_numpy.gradcheck.packing import Array, largest
from ae_numpy.gradcheck.views import NEAR, View, Views, least_squares, near

KINDS = (
    "sign", "factor", "batch_factor", "transposed", "permuted", "repeated_rows", "not_summed",
    "zero", "one_sample", "swapped", "weight_decay", "l1", "activation_derivative", "wrong_input",
    "untransposed_weights", "updated_weights", "cross_terms", "time_steps", "broadcast", "mask",
    "missing_term", "clipped", "unused", "rounding", "raw_error",
)  # fmt: skip


FORMULAS = {"p": "weight_decay", "1": "constant"}


class Cause(NamedTuple):
    """A mistake: its kind, a label in a few words, and a sentence for a student."""

    kind: str
    label: str
    sentence: str
    certain: bool = True


class Fit(NamedTuple):
    """A formula that gives the claimed gradient, a detail of it, and its constants."""

    formula: str
    detail: str = ""
    constants: tuple[float, ...] = ()


def fits(view: View, name: str, unsummed: bool = False) -> Iterator[Fit]:
    """Every formula that turns the right gradient of an array into the claimed one."""
    g, e, p = view.given[name], view.expected[name], view.parameters[name]
    seen = np.isfinite(e)
    if unsummed:
        yield Fit("not_summed")
    elif not np.any(g):
        yield Fit("zero")
    elif not np.any(e[seen]):
        yield Fit("unused")
    else:
        entrywise = g.shape == p.shape
        yield from _values(g[seen], e[seen], p[seen] if entrywise else None, view.tolerance)
        if entrywise and seen.all():
            yield from _places(g, e, view.tolerance)
            yield from _lines(g, e, p, view.tolerance)
            for other, there in view.expected.items():
                if other != name and there.size == g.size > 1:
                    if near(g, there.reshape(g.shape), view.tolerance):
                        yield Fit("swapped", other)


def _values(g: Array, e: Array, p: Array | None, tolerance: float) -> Iterator[Fit]:
    """Formulas that look at each entry alone."""
    (factor,), multiple = least_squares([e], g)
    if near(g, multiple, tolerance):
        yield Fit("factor", "", (float(factor),))
    if p is not None:
        limit = largest(g)
        # Two entries at the limit are a limit; one alone is just the largest entry.
        if np.sum(np.abs(g) == limit) > 1 and near(g, np.clip(e, -limit, limit), tolerance):
            yield Fit("clipped", "", (limit,))
        zero = np.abs(e) <= 1e-12 * largest(e)
        if largest(g[zero]) > tolerance * largest(e) and near(g[~zero], e[~zero], tolerance):
            yield Fit("mask")
        yield from _penalties(g, e, p, tolerance)
    if np.array_equal(g, g.astype(np.float32)) and near(g, e, 2.0**-21):
        yield Fit("rounding")


def _penalties(g: Array, e: Array, p: Array, tolerance: float) -> Iterator[Fit]:
    """Multiples of the parameter, of its sign and of 1, added to a multiple of the right one."""
    terms = {"p": p, "sign": np.sign(p), "1": np.ones_like(p)}
    for words in ("p",), ("1",), ("sign",), ("p", "sign"), ("sign", "1"):
        if p.size > len(words) or words == ("p",):
            x, extra = least_squares([terms[word] for word in words], g - e)
            # The extra term must be seen itself, not only vanish beside the gradient.
            if near(g, e + extra, tolerance) and near(g - e, extra, 1e-2):
                formula = FORMULAS.get(words[0], "l1") if len(words) == 1 else "l1"
                yield Fit(formula, " ".join(words), tuple(map(float, x)))
                if words[0] != "1":  # of equal signs, 1 and the sign cannot be told apart
                    return
    if p.size > 2:
        x, total = least_squares([e, p], g)
        if near(g, total, tolerance):
            yield Fit("data_factor", "", tuple(map(float, x)))


def _places(g: Array, e: Array, tolerance: float) -> Iterator[Fit]:
    """Right numbers in wrong places."""
    for axes in permutations(range(e.ndim)):
        if list(axes) != sorted(axes) and near(g, e.transpose(axes).reshape(g.shape), tolerance):
            yield Fit("transposed", ", ".join(map(str, axes)))
            return
    if g.size > 2 and not near(g, e, tolerance):
        if near(np.sort(g, axis=None), np.sort(e, axis=None), tolerance):
            yield Fit("permuted", _arrangement(g, e, tolerance))


def _arrangement(g: Array, e: Array, tolerance: float) -> str:
    """What was done to the places of the numbers."""
    for flipped in product((False, True), repeat=e.ndim):
        axes = tuple(k for k in range(e.ndim) if flipped[k])
        if axes and near(g, np.flip(e, axes), tolerance):
            return f"reversed along axis {' and '.join(map(str, axes))}"
    for k, n in enumerate(e.shape):
        for shift in range(1, n):
            if near(g, np.roll(e, shift, k), tolerance):
                return f"shifted by {shift if 2 * shift <= n else shift - n} along axis {k}"
    return "in other places"


def _lines(g: Array, e: Array, p: Array, tolerance: float) -> Iterator[Fit]:
    """Along each axis: a factor for each line, or a term that joins the entries of a line."""
    for k in range(e.ndim):
        others = tuple(j for j in range(e.ndim) if j != k)
        if e.size > e.shape[k] > 1 and not near(g, least_squares([e], g)[1], tolerance):
            squares = np.sum(e * e, axis=others, keepdims=True)
            factors = np.sum(g * e, axis=others, keepdims=True) / np.where(squares, squares, 1.0)
            if near(g, factors * e, tolerance):
                yield Fit("lines", str(k))
        if e.shape[k] > 2 and (why := _balance(g, e, p, k)):
            sure = e.shape[k] > 3 and e.size > e.shape[k] and linear(g - e, p, k)
            yield Fit("cross_terms" if sure else "unbalanced", f"{why} along axis {k}")


def _balance(g: Array, e: Array, p: Array, k: int) -> str:
    """The balance along axis k that the right gradient keeps and the claimed one does not.

    Where moving all entries of a line together changes nothing (softmax, a mean taken off), the
    right gradient sums to 0; where scaling them changes nothing, it is orthogonal to them.
    """
    for why, weight in ("sums to 0", np.ones_like(p)), ("is orthogonal to the array", p):
        size = largest(e * weight)
        if size > 0 and largest(np.sum(e * weight, axis=k)) <= 1e-7 * size:
            if largest(np.sum(g * weight, axis=k)) > 1e-6 * size:
                return why
            if why == "sums to 0" and e.shape[k] > 3 and linear(g - e, p, k):
                return why
    return ""


def linear(d: Array, p: Array, k: int) -> bool:
    """Is each line of d along axis k a constant plus a multiple of the parameter's line?"""
    lines = (np.moveaxis(a, k, -1).reshape(-1, a.shape[k]) for a in (d, p))
    return all(near(x, least_squares([np.ones_like(y), y], x)[1], 1e-6) for x, y in zip(*lines))


def number(value: float) -> str:
    """A number as people write it: a fraction of small whole numbers where it is one."""
    fraction = Fraction(value).limit_denominator(200)
    if value and abs(float(fraction) / value - 1) < 1e-6:
        return str(fraction)
    return f"{value:.6g}"


def agreed(views: Views, name: str) -> list[tuple[Fit, bool]]:
    """Formulas that hold wherever the array is wrong, and whether with the same constants."""
    unsummed = name in views.measured.unsummed
    here = views.here
    points = [view for view in views.points[1:] if not view.right(name)]
    # Where the user's point is as clear as the others it has its say, too.
    if not points or (here.tolerance <= NEAR and np.all(np.isfinite(here.expected[name]))):
        points.append(here)
    found = [{fit[:2]: fit for fit in fits(view, name, unsummed)} for view in points]
    result = []
    for key, fit in found[0].items():
        if all(key in fitted for fitted in found):
            constants = [np.array(fitted[key].constants) for fitted in found]
            constant = all(near(c, constants[0], 1e-4) or not len(c) for c in constants)
            # What was fitted must be fewer numbers than what was seen of it.
            entries = len(points) * int(np.isfinite(views.here.expected[name]).sum())
            named = fit.formula == "factor" and _is(fit.constants[0], (-1.0, 2.0, 0.5))
            if named or len(fit.constants) < entries:
                result.append((fit, constant))  # of the plainest point: it has the most digits
    simple = [pair for pair in result if pair[1] and pair[0].formula in SIMPLE]
    return simple or result


SIMPLE = {"factor", "zero", "unused", "not_summed", "transposed", "swapped", "rounding"}


def causes(views: Views, name: str) -> Iterator[Cause]:
    """What the numbers of one array say, in words."""
    found = agreed(views, name)
    ambiguous = any(fit.formula == "constant" for fit, _ in found)
    for fit, constant in found:
        if fit.formula == "factor":
            yield from _factors(views, name, fit.constants[0], constant)
        elif fit.formula == "data_factor":
            yield from _data_factor(views, fit, constant)
        elif fit.formula in ("weight_decay", "l1") and (constant or fit.detail == "p"):
            cause = _penalty(views, fit, constant)
            yield cause._replace(certain=cause.certain and not ambiguous)
        elif fit.formula == "clipped" and constant:
            yield Cause(
                "clipped", f"clipped to [-{fit.constants[0]:.6g}, {fit.constants[0]:.6g}]",
                "Clipping belongs in the training step: the gradient itself is not clipped.",
            )  # fmt: skip
        elif fit.formula in WORDS and constant:
            kind, label, sentence, certain = WORDS[fit.formula]
            if fit.formula == "unused" and len(views.measured.wrong) > 1:
                yield Cause(*WORDS["shifted"])
                certain = False
            yield Cause(kind, label.format(fit.detail), sentence.format(fit.detail), certain)


WORDS = {
    "zero": (
        "zero", "a gradient of zero",
        "Nothing arrives: the array was never assigned, or the way back to it is cut.", True,
    ),
    "unused": (
        "unused", "the loss does not depend on it",
        "Moving it changes nothing: does forward use the arrays that it is handed, or others of "
        "the same name?", True,
    ),
    "shifted": (
        "cross_terms", "a shift that a later mean takes away",
        "The right gradient is 0: a mean that is subtracted later (a normalisation, softmax) "
        "takes away whatever is added here, and the derivative of that mean is missing.", False,
    ),
    "not_summed": (
        "not_summed", "not summed over the batch",
        "There is one row per sample. The parameter serves all samples, so its gradient is their "
        "sum: db = delta.sum(axis=0).", True,
    ),
    "transposed": (
        "transposed", "transposed",
        "Its axes are exchanged (right.transpose({})): dW = x.T @ delta, not delta.T @ x.", True,
    ),
    "permuted": (
        "permuted", "the right numbers in the wrong places, {}",
        "Every number is right, but it is {}: look at flips, rolls, reshapes and the order of "
        "indices.", True,
    ),
    "swapped": (
        "swapped", "the gradient of {}",
        "Two results were mixed up: this is what belongs under {!r}.", True,
    ),
    "rounding": (
        "rounding", "rounded to float32",
        "Every entry is a float32 number: a cast, or an array allocated as float32.", True,
    ),
    "mask": (
        "mask", "the mask is ignored",
        "Entries that have no influence, or are held, must have a gradient of exactly 0, and all "
        "others are right: multiply by the mask.", True,
    ),
    "constant": (
        "missing_term", "the same number is added to every entry",
        "All entries are wrong by the same number, here and elsewhere: a term of the loss that is "
        "linear in the parameter is missing, or is there once too often.", False,
    ),
    "lines": (
        "factor", "a factor of its own for each index of axis {}",
        "Everything with the same index on axis {} is wrong by the same factor: look at what is "
        "multiplied or divided along that axis.", False,
    ),
    "cross_terms": (
        "cross_terms", "the entries are treated as if they were independent",
        "The right gradient {}, the claimed one does not: softmax, a mean or a variance joins "
        "these entries, and the terms for that are missing or wrong.", True,
    ),
    "unbalanced": (
        "cross_terms", "a term that joins its entries is missing or wrong",
        "The right gradient {}, the claimed one does not: softmax, a mean or a norm joins these "
        "entries, and not all of its derivative arrives.", False,
    ),
}  # fmt: skip


def _penalty(views: Views, fit: Fit, constant: bool) -> Cause:
    """A term along the parameters or their signs."""
    numbers = dict(zip(fit.detail.split(), map(number, fit.constants), strict=True))
    if not constant:
        return Cause(
            "missing_term", "a term along the parameter is missing or wrong",
            "What is missing points along the parameter, but is not a fixed multiple of it: the "
            "gradient of a norm, for instance, is w / norm(w).", False,
        )  # fmt: skip
    if fit.formula == "weight_decay":
        return Cause(
            "weight_decay", f"{numbers['p']} times the parameter is added",
            "The penalty on the squared weights differs between loss and gradient: it is missing "
            "in one of them, or has another factor there. (rate / 2) * sum(w**2) gives rate * w.",
        )  # fmt: skip
    names = {"p": "the parameter", "sign": "its sign", "1": "1"}
    terms = " and ".join(f"{value} times {names[word]}" for word, value in numbers.items())
    return Cause(
        "l1", f"{terms} is added" if len(numbers) == 1 else f"{terms} are added",
        "The penalty on the absolute weights differs between loss and gradient: "
        "rate * sum(abs(w)) gives rate * sign(w).",
    )  # fmt: skip


def _data_factor(views: Views, fit: Fit, constant: bool) -> Iterator[Cause]:
    """A factor on everything but the penalty."""
    factor, rate = fit.constants
    B = views.rows
    if constant and B > 1 and _is(factor, (B, 1 / B)):
        yield Cause(
            "batch_factor", f"a factor {number(factor)} (the batch size) on the data, not on the "
            f"penalty", "The penalty is right, but the samples are "
            + ("added up: divide their part by the batch size." if factor > 1 else
               "averaged once too often: do not divide their part by the batch size again."),
        )  # fmt: skip
    elif constant and _is(factor, (-1.0, 2.0, 0.5)):
        kind = "sign" if factor < 0 else "factor"
        yield Cause(
            kind, f"a factor {number(factor)} on the data, not on the penalty",
            "The penalty is right; everything else in the gradient has the wrong factor.",
        )  # fmt: skip


def _is(value: float, values: tuple[float, ...]) -> bool:
    return any(abs(value / known - 1) < 1e-6 for known in values)


def _factors(views: Views, name: str, factor: float, constant: bool) -> Iterator[Cause]:
    """Every meaning that a factor between claim and truth can have."""
    if abs(factor - 1) < 1e-9:
        return
    if not constant:
        yield from _clipped_norm(views)
        return
    if factor < 0:
        yield Cause(
            "sign", "the wrong sign",
            "Every entry is negated: output - target, or target - output?",
        )  # fmt: skip
        factor = -factor
        if _is(factor, (1.0,)):
            return
    known = list(_batch_factors(views, name, factor))
    yield from known
    if known and views.rows:
        return
    text = number(factor)
    if _is(factor, (2.0, 0.5)):
        much = "twice" if factor > 1 else "half"
        yield Cause(
            "factor", f"a factor {text}",
            f"Every entry is {much} as large as it should be: the 2 from the derivative of a "
            f"square?",
        )  # fmt: skip
    elif "." not in text or views.here.parameters[name].size > 1:
        shapes = {n: p.shape for n, p in views.here.parameters.items()}
        axes = [n for n, shape in shapes.items() if any(_is(factor, (d, 1 / d)) for d in shape if d)]
        hint = f" That is the length of an axis of {axes[0]}: sum or mean?" if axes else ""
        yield Cause(
            "factor", f"a constant factor {text}",
            f"Every entry is {text} times what it should be.{hint}",
        )  # fmt: skip


def _batch_factors(views: Views, name: str, factor: float) -> Iterator[Cause]:
    """Is the factor made of the batch size? Half the batch shows how it grows."""
    B = views.rows
    if B < 2:
        if not views.rows and _is(max(factor, 1 / factor), (float(round(max(factor, 1 / factor))),)):
            yield Cause(
                "batch_factor", f"the number of samples, if there are {number(max(factor, 1 / factor))}",
                "Then one of loss and gradient averages over the samples and the other adds them up.",
            )  # fmt: skip
        return
    half = views.part(lambda a: a[: (B + 1) // 2]) if views.searchable else None
    for power in (1, -1, 2, -2):
        rest = factor / float(B) ** power
        if half is None:
            if not _is(rest, (1.0,)):
                continue
        else:
            there = least_squares([half.expected[name]], half.given[name])[0][0]
            if not _is(abs(there), (rest * float((B + 1) // 2) ** power,)):
                continue
        if _is(rest, (1.0, 2.0, 0.5)):
            label, sentence = _meaning(views, power)
            yield Cause("batch_factor", label, sentence)
            if not _is(rest, (1.0,)):
                yield Cause("factor", f"a factor {number(rest)}", "Beside the batch size.")
        else:
            other = number(1 / rest) if power > 0 else number(rest)
            way = ("divided", "instead of the batch size") if power > 0 else ("multiplied", "and divided by the batch size")
            sentence = f"It is {way[0]} by {other} {way[1]} ({B})."
            yield Cause("factor", f"a factor {number(factor)}, {other} confused with the batch size {B}", sentence)
            yield Cause("batch_factor", f"the batch size {B} is missing or once too often", sentence)
        return


def _meaning(views: Views, power: int) -> tuple[str, str]:
    """What a power of the batch size means, which depends on whether the loss is a mean."""
    B = views.rows
    if power == 1 and views.averages is not False:
        return "a sum over the batch where a mean belongs", (
            f"The loss averages over the {B} samples, the gradient adds them up: divide by {B}."
        )  # fmt: skip
    if power == -1 and views.averages is False:
        return "a mean over the batch where a sum belongs", (
            f"The loss adds up the {B} samples, the gradient averages them: do not divide by {B}."
        )  # fmt: skip
    what = "divided" if power < 0 else "multiplied"
    often = "once too often" if abs(power) == 1 else "twice too often"
    return f"{what} by the batch size {often}", (
        f"The gradient is {what} by the {B} samples {often}: once in delta and once more below?"
    )  # fmt: skip


def _clipped_norm(views: Views) -> Iterator[Cause]:
    """Gradients that are right in direction, and of one and the same norm at every point."""
    norms = [
        np.sqrt(sum(np.sum(g**2) for g in view.given.values()))
        for view in views.points
        if not all(view.right(name) for name in views.measured.wrong)
    ]
    if len(norms) > 1 and np.ptp(norms) < 1e-9 * norms[0]:
        yield Cause(
            "clipped", f"scaled to the norm {number(norms[0])}",
            "The direction is right, the length is always the same: clipping by norm, or "
            "normalising, belongs in the training step.",
        )  # fmt: skip

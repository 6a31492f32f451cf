"""What the tests of the homework check with: gradients, and values.

A check that fails says what kind of mistake it is, where it is, and gives a hint, one step towards
the solution. What is wrong with a gradient is said by the package's gradient checker.
"""

import numpy as np
from hints import with_hints
from items import line_of

from ae_numpy.gradcheck import check_gradients

# Gradients


def gradient(loss_and_gradients, parameters, batch=(), *, only=None, masks=None):
    """Check gradients by the package's checker; `only` names those that count."""
    counted = only or list(parameters)

    def function(p, *batch):
        J, d = loss_and_gradients(p, *batch)
        return J, without_others(d, p, counted) if isinstance(d, dict) else d

    try:
        report = check_gradients(function, parameters, batch=batch or None, masks=masks)
    except (TypeError, ValueError) as error:
        if line_of(error):
            raise
        raise with_hints(["shape" if "shape" in str(error) else "value"], [str(error)]) from None
    names = [a.name for a in report.arrays if a.verdict != "right" and a.name in counted]
    if names:
        raise explained(report, names)


def without_others(gradients, parameters, counted):
    """The gradients, with 0 for what does not count and is missing, or of another shape."""
    found = {}
    for name, array in parameters.items():
        given = gradients.get(name)
        if name not in counted and not fits(given, array):
            found[name] = 0 * array
        elif name in gradients:
            found[name] = given
    return found


def joined(loss, backward):
    """One function of a loss and of a student's gradients, which get real numbers only."""

    def loss_and_gradients(parameters, *batch):
        J = loss(parameters, *batch)
        return J, parameters if np.iscomplexobj(J) else backward(parameters, *batch)

    return loss_and_gradients


def named(returned, only=None, **like):
    """Gradients by name, from a tuple in this order; `only` names those that count."""
    names = ", ".join(f"d{name}" for name in like)
    parts = returned if isinstance(returned, tuple) else (returned,)
    if all(part is None or part is ... for part in parts):
        require_written(None, names)
    if len(parts) != len(like):
        raise with_hints(["shape"], [f"{len(parts)} results; expected {len(like)}: {names}."])
    shapes, expected = [[np.shape(a) for a in arrays] for arrays in (parts, like.values())]
    if shapes != expected and sorted(shapes) == sorted(expected):
        raise with_hints(["swapped"], [f"The results are not in the order {names}."])
    found = dict(zip(like, parts, strict=True))
    for name, part in found.items():
        if only is None or name == only:
            found[name] = as_numbers(part, f"d{name}")
        elif not fits(part, like[name]):
            found[name] = 0 * like[name]
    return found


def fits(given, like):
    """Are these numbers, of the right shape?"""
    return np.shape(given) == np.shape(like) and np.asarray(given).dtype.kind in "biufc"


def explained(report, names):
    """What a report says about some of its arrays, in its own words, without the right formula."""
    found = [f for f in report.diagnosis.findings if set(f.arrays) & set(names)]
    if len({kind for finding in found for kind in finding.kinds}) > 1:  # then only what is certain
        found = [finding for finding in found if finding.certain]
    lines = [f"The gradient is {report.verdict}: {', '.join(names)}."]
    lines += [f"Kind: {finding.heading}." for finding in found]
    lines += [f"Place: {text}" for text in report.diagnosis.located]
    if not found:
        worst = max((a for a in report.arrays if a.name in names), key=lambda a: a.max_error).worst
        lines.append(f"Worst: {worst.name}{list(worst.index or ())} is {worst.given:.6g}, "
                     f"measured {worst.expected:.6g}.")  # fmt: skip
    return with_hints([kind for finding in found for kind in finding.kinds], lines)


# Values


def value(given, expected, what, *, tolerance=1e-9):
    """Compare a result with the numbers expected of it; several results in a tuple."""
    require_written(given, what)
    if isinstance(expected, tuple):
        if not isinstance(given, tuple) or len(given) != len(expected):
            raise with_hints(["shape"], [f"{what} must return {len(expected)} things, in a tuple."])
        for k, (one, right) in enumerate(zip(given, expected, strict=True)):
            value(one, right, f"result {k} of {what}", tolerance=tolerance)
        return
    given, expected = as_numbers(given, what), np.asarray(expected)
    if given.shape != expected.shape:
        raise with_hints(["shape"], [f"{what} has shape {given.shape}; expected {expected.shape}."])
    scale = max(np.max(np.abs(expected), initial=0), np.finfo(float).tiny)
    wrong = ~(np.abs(given - expected) <= tolerance * scale)  # NaN is wrong, too
    if wrong.any():
        at = tuple(int(k) for k in np.argwhere(wrong)[0])
        place = f"{what}: entry {list(at)}" if at else what
        line = f"{place} is {given[at]:.6g}; expected {expected[at]:.6g}."
        raise with_hints([kind_of(given, expected)], [line])


def require_written(given, what):
    """Fail where nothing was returned."""
    require(given is not None and given is not ..., f"{what}: nothing is returned.", "not_written")


def as_numbers(given, what):
    """The result as an array of numbers, or the answer that it is none."""
    require_written(given, what)
    try:
        array = np.asarray(given)
    except ValueError:
        array = np.asarray(None)
    if array.dtype.kind not in "biuf":
        raise with_hints(["shape"], [f"{what} is {type(given).__name__}; expected numbers."])
    return array


def kind_of(given, expected):
    """What is wrong with an array of at least two different numbers, where that is plain to see."""
    some = expected != 0
    known = np.isfinite(given).all() and len(np.unique(expected[some])) > 1 and given[some].all()
    ratio = given[some] / expected[some] if known and not given[~some].any() else np.arange(2.0)
    if np.ptp(ratio) < 1e-9 * np.max(np.abs(ratio)):
        return "sign" if np.isclose(ratio[0], -1, rtol=1e-9) else "factor"
    square = expected.ndim == 2 and expected.shape[0] == expected.shape[1]
    return "transposed" if square and np.allclose(given, expected.T) else "value"


def unchanged(now, before, what):
    """Fail unless an argument has kept its values."""
    text = f"{what} was changed: the function must leave its arguments as they are."
    require(np.array_equal(now, before), text, "in_place")


def require(condition, message, kind="value"):
    """Fail with a message, and a hint for this kind, unless the condition holds."""
    if not condition:
        raise with_hints([kind], [message])

"""The table of mistakes that can happen in any backward pass.

A cause is a function from the evidence to predictions. To add one: write what the mistake would
return, give it a label and a sentence, and append the function to `CAUSES`. Mistakes that need the
layers of a network stand in `network`.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from ae_numpy.gradcheck.compare import largest
from ae_numpy.gradcheck.evidence import Cause, Evidence, Prediction
from ae_numpy.gradcheck.packing import Array

# An update is searched for by re-measuring the gradient a few times: too slow for large models.
LARGEST_SEARCH = 300


def zero(evidence: Evidence) -> Iterator[Prediction]:
    """A gradient that was never filled in."""
    for name in evidence.wrong:
        yield Prediction(
            "a gradient of zero",
            "Nothing arrives: the array was never assigned, or the way back to it is cut.",
            {name: np.zeros_like(evidence.expected[name])},
        )


def not_used(evidence: Evidence) -> Iterator[Prediction]:
    """A loss that does not look at the parameters it is called with."""
    for name in evidence.wrong:
        if not np.any(evidence.expected[name]) and not np.any(evidence.unmasked[name]):
            yield Prediction(
                "the loss does not depend on it",
                "Moving it changes nothing: does forward use the arrays that it is handed, or "
                "others of the same name?",
                {name: evidence.given[name]},
            )


def named_factors(evidence: Evidence) -> Iterator[Prediction]:
    """Factors with a meaning: sign, 2, the batch size, the number of outputs, their inverses."""
    for label, factor, sentence in _factors(evidence):
        for name in evidence.wrong:
            yield Prediction(label, sentence, {name: factor * evidence.expected[name]})


def _factors(evidence: Evidence) -> Iterator[tuple[str, float, str]]:
    """Label, value and explanation of every factor that has a meaning here."""
    yield "the wrong sign", -1.0, "Every entry is negated: output - target, or target - output?"
    two = "Every entry is {} as large as it should be: the 2 from the derivative of a square."
    yield "a factor 2", 2.0, two.format("twice")
    yield "a factor 1/2", 0.5, two.format("half")
    B, n = evidence.batch_size, evidence.outputs
    if B and B > 1:
        many = f"The loss averages over the {B} samples, the gradient adds them up: divide by {B}."
        yield f"a factor {B} (the batch size)", float(B), many
        yield "a sum over the batch where a mean belongs", float(B), many
        few = f"The loss adds up the {B} samples, the gradient averages them: do not divide by {B}."
        yield f"a factor 1/{B} (one over the batch size)", 1 / B, few
        yield "a mean over the batch where a sum belongs", 1 / B, few
    if n:
        outputs = f"Loss and gradient disagree on whether to average over the {n} outputs."
        yield f"a factor {n} (the number of outputs)", float(n), outputs
        yield f"a factor 1/{n} (one over the number of outputs)", 1 / n, outputs
    if B and B > 1 and n:
        both = f"Loss and gradient disagree on a mean over all {B} x {n} entries of the output."
        yield f"a factor {B * n} (all entries of the output)", float(B * n), both
        yield f"a factor 1/{B * n} (one over all entries of the output)", 1 / (B * n), both


def other_factor(evidence: Evidence) -> Iterator[Prediction]:
    """A constant factor without a name."""
    named = [factor for _, factor, _ in _factors(evidence)]
    for name, factor in _fitted_factors(evidence):
        if not any(abs(factor / known - 1) < 1e-8 for known in named):
            text = _number(factor)
            yield Prediction(
                f"a constant factor {text}",
                f"Every entry is {text} times what it should be.",
                {name: factor * evidence.expected[name]},
                fitted=1,
            )


def unknown_batch(evidence: Evidence) -> Iterator[Prediction]:
    """A whole factor (or one over it) may be the size of a batch that was not given."""
    if evidence.batch_size is not None:
        return
    for name, factor in _fitted_factors(evidence):
        rows = max(factor, 1 / factor)
        if rows > 1.5 and abs(rows - round(rows)) < 1e-6 * rows:
            yield Prediction(
                f"a sum over the batch where a mean belongs or the reverse, if it has "
                f"{round(rows)} rows",
                "Pass batch=(X, ...) to let the check find out.",
                {name: factor * evidence.expected[name]},
                possible=True,
            )


def _fitted_factors(evidence: Evidence) -> Iterator[tuple[str, float]]:
    """Name of a wrong array, and the factor between claim and expectation, if it is not 0."""
    for name in evidence.wrong:
        given, expected = evidence.given[name], evidence.expected[name]
        if name not in evidence.unsummed and (factor := _ratio(given, expected)) != 0.0:
            yield name, factor


def _ratio(given: Array, expected: Array) -> float:
    """The factor between two arrays at the largest expected entry, 0 if there is none."""
    measured = np.nan_to_num(np.ravel(expected))
    k = int(np.argmax(np.abs(measured))) if measured.size else 0
    if not measured.size or measured[k] == 0:
        return 0.0
    ratio = float(np.ravel(given)[k] / measured[k])
    return ratio if np.isfinite(ratio) else 0.0


def _number(value: float) -> str:
    """A number as people write it: a fraction of small whole numbers where it is one."""
    fraction = Fraction(value).limit_denominator(200)
    if value and abs(float(fraction) / value - 1) < 1e-8:
        return str(fraction)
    return f"{value:.10g}"


def transposed(evidence: Evidence) -> Iterator[Prediction]:
    """Rows and columns exchanged, possibly hidden by a reshape."""
    for name in evidence.wrong:
        expected = evidence.expected[name]
        if expected.ndim == 2:
            yield Prediction(
                "transposed",
                "Rows and columns are exchanged: dW = x.T @ delta, not delta.T @ x.",
                {name: expected.T.reshape(expected.shape)},
            )


def another_parameter(evidence: Evidence) -> Iterator[Prediction]:
    """The gradient of a different parameter with as many entries."""
    for name in evidence.wrong:
        shape = evidence.given[name].shape
        for other, expected in evidence.expected.items():
            if other != name and expected.size == evidence.given[name].size:
                yield Prediction(
                    f"the gradient of {other}",
                    f"Two results were mixed up: this is what belongs under {other!r}.",
                    {name: expected.reshape(shape)},
                )


def unsummed(evidence: Evidence) -> Iterator[Prediction]:
    """The batch axis is still there."""
    for name in evidence.unsummed:
        given, expected = evidence.given[name], evidence.expected[name]
        explained = any(
            evidence.close(name, total, expected)
            for total in (given.sum(axis=0), given.mean(axis=0))
        )
        yield Prediction(
            "not summed over the batch",
            f"There is one row per sample, {len(given)} of them. The parameter serves all samples, "
            f"so its gradient is their sum: db = delta.sum(axis=0).",
            {name: given},
            possible=evidence.batch_size is None or not explained,
        )


def ignored_mask(evidence: Evidence) -> Iterator[Prediction]:
    """Entries that are held have a gradient all the same."""
    for name in evidence.wrong:
        if not np.array_equal(evidence.unmasked[name], evidence.expected[name], equal_nan=True):
            yield Prediction(
                "the mask is ignored",
                "Masked entries are held constant, so their gradient is exactly 0: multiply by "
                "the mask.",
                {name: evidence.unmasked[name]},
            )


def rounded(evidence: Evidence) -> Iterator[Prediction]:
    """A detour through single precision."""
    for name in evidence.wrong:
        given = evidence.given[name]
        if name in evidence.unsummed:
            continue
        single = given.astype(np.float32).astype(np.float64)
        difference = largest(np.nan_to_num(given - evidence.expected[name]))
        if np.array_equal(given, single) and difference <= 2.0**-22 * largest(given):
            yield Prediction(
                "rounded to float32",
                "Every entry is a float32 number: a cast, or an array allocated as float32.",
                {name: given},
            )


def one_sample(evidence: Evidence) -> Iterator[Prediction]:
    """Only one row of the batch contributes: a loop that overwrites where it should add."""
    B = evidence.batch_size
    if not B or B == 1:
        return
    shares = {"": 1.0, ", divided by the batch size": 1 / B, ", times the batch size": float(B)}
    for which, rows in (("last", slice(B - 1, B)), ("first", slice(0, 1))):
        slopes = evidence.slopes(rows)
        for share, factor in shares.items():
            if not any(_near(slopes[name], factor) for name in evidence.wrong):
                continue
            alone = evidence.elsewhere(rows=rows)
            for name in evidence.wrong:
                yield Prediction(
                    f"only the {which} sample is used{share}",
                    "The other samples are lost: a loop assigns (dW = ...) where it should add "
                    "(dW += ...).",
                    {name: factor * alone[name]},
                )


def _near(slopes: tuple[float, float], factor: float) -> bool:
    """Might the claimed slope be `factor` times the measured one? A look before the long way."""
    claimed, measured = slopes
    return abs(claimed - factor * measured) <= 1e-5 * max(abs(claimed), abs(factor * measured))


def added_decay(evidence: Evidence) -> Iterator[Prediction]:
    """A multiple of the parameters is added: weight decay on one side only."""
    for name in evidence.wrong:
        parameter = evidence.parameters[name]
        if name in evidence.unsummed:
            continue
        seen = np.isfinite(evidence.expected[name]) & (parameter != 0)
        extra = evidence.given[name] - evidence.expected[name]
        rate = _ratio(np.where(seen, extra, 0.0), np.where(seen, parameter, 0.0))
        yield Prediction(
            f"{_number(rate)} times the parameter is added",
            "Weight decay is in the gradient but not in the loss, or the reverse.",
            {name: evidence.expected[name] + rate * parameter},
            fitted=1,
        )


def clipped(evidence: Evidence) -> Iterator[Prediction]:
    """Large entries were cut off."""
    for name in evidence.wrong:
        limit = largest(evidence.given[name])
        if limit == 0.0 or name in evidence.unsummed:
            continue
        # Two entries at the limit are a limit; one alone is just the largest entry.
        cut = int(np.sum(np.abs(evidence.given[name]) == limit))
        yield Prediction(
            f"clipped to [-{limit:.6g}, {limit:.6g}]",
            "Clipping belongs into the training step: the gradient itself is not clipped.",
            {name: np.clip(evidence.expected[name], -limit, limit)},
            fitted=1 if cut > 1 else evidence.expected[name].size,
        )


def updated_parameters(evidence: Evidence) -> Iterator[Prediction]:
    """The gradient one training step later: everything at p - rate * g, with g at p."""
    size = sum(array.size for array in evidence.expected.values())
    if not evidence.complete or size > LARGEST_SEARCH or evidence.unsummed:
        return
    point = _flat(evidence.parameters)
    expected, given = _flat(evidence.expected), _flat(evidence.given)
    rate = _rate_of_update(evidence, point, expected, given)
    if rate is not None:
        yield Prediction(
            "the weights were already updated",
            f"This is the gradient after a step of learning rate {rate:.6g}: compute all gradients "
            f"first, then update.",
            evidence.elsewhere(parameters=point - rate * expected),
            fitted=1,
        )


def _rate_of_update(
    evidence: Evidence, point: Array, expected: Array, given: Array
) -> float | None:
    """The rate that moves the gradient from `expected` to `given`, by secant steps."""

    def moved(rate: float) -> Array:
        return _flat(evidence.elsewhere(parameters=point - rate * expected)) - expected

    # A first step small enough for the change to be linear, large enough to be seen.
    rate = 1e-4 * largest(point) / (largest(expected) or 1.0)
    for _ in range(12):
        change = moved(rate)
        squared = float(change @ change)
        if not np.isfinite(squared) or squared == 0.0:
            return None
        factor = float(change @ (given - expected)) / squared
        if not factor * np.sqrt(squared) > 0.5 * np.linalg.norm(given - expected):
            return None  # the error does not point where an update would have taken the gradient
        rate *= factor
        if abs(factor - 1) < 1e-13:
            break
    return rate


def _flat(arrays: dict[str, Array]) -> Array:
    return np.concatenate([np.ravel(array) for array in arrays.values()])


# Along random directions alone, only a factor can be recognised.
FACTORS: tuple[Cause, ...] = (
    named_factors, other_factor, unknown_batch, zero, not_used, unsummed,
)  # fmt: skip
CAUSES: tuple[Cause, ...] = (
    *FACTORS,
    transposed,
    another_parameter,
    ignored_mask,
    rounded,
    one_sample,
    added_decay,
    clipped,
    updated_parameters,
)

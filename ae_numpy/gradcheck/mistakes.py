"""The table of mistakes that can happen in any backward pass.

A cause is a function from what was measured to predictions. To add one: write what the mistake
would return, give it a label, a sentence and a kind, and append the function to `CAUSES`. Those in
`FACTORS` can be told along random directions too, where no single entry is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from ae_numpy.gradcheck.evidence import Measured
from ae_numpy.gradcheck.packing import Array, largest

KINDS = (
    "sign", "factor", "batch_factor", "transposed", "permuted", "repeated_rows", "not_summed",
    "zero", "one_sample", "swapped", "weight_decay", "l1", "activation_derivative", "wrong_input",
    "untransposed_weights", "updated_weights", "cross_terms", "time_steps", "broadcast", "mask",
    "missing_term", "clipped", "unused", "rounding", "raw_error",
)  # fmt: skip

# An update is searched for by re-measuring the gradient a few times: too slow for large models.
LARGEST_SEARCH = 300


class Prediction(NamedTuple):
    """What a mistake would have returned.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    label : str
        The mistake in a few words, with its numbers.
    sentence : str
        The mistake explained to a student.
    arrays : dict of arrays
        The gradients it leads to; all of them must agree with the claim.
    fitted : int
        How many constants were fitted to the claim: as many entries explain nothing.
    possible : bool
        True if something is assumed that was not given, such as the number of rows.
    """

    kind: str
    label: str
    sentence: str
    arrays: dict[str, Array]
    fitted: int = 0
    possible: bool = False


Cause = Callable[[Measured], Iterator[Prediction]]


def zero(measured: Measured) -> Iterator[Prediction]:
    """A gradient that was never filled in."""
    for name in measured.wrong:
        yield Prediction(
            "zero",
            "a gradient of zero",
            "Nothing arrives: the array was never assigned, or the way back to it is cut.",
            {name: np.zeros_like(measured.expected[name])},
        )


def not_used(measured: Measured) -> Iterator[Prediction]:
    """A loss that does not look at the parameters it is called with."""
    for name in measured.wrong:
        if not np.any(measured.expected[name]) and not np.any(measured.unmasked[name]):
            yield Prediction(
                "unused",
                "the loss does not depend on it",
                "Moving it changes nothing: does forward use the arrays that it is handed, or "
                "others of the same name?",
                {name: measured.given[name]},
            )


def named_factors(measured: Measured) -> Iterator[Prediction]:
    """Factors with a meaning: sign, 2, the batch size, the number of outputs, their inverses."""
    for kind, label, factor, sentence in _factors(measured):
        for name in measured.wrong:
            yield Prediction(kind, label, sentence, {name: factor * measured.expected[name]})


def _factors(measured: Measured) -> Iterator[tuple[str, str, float, str]]:
    """Kind, label, value and explanation of every factor that has a meaning here."""
    yield (
        "sign",
        "the wrong sign",
        -1.0,
        "Every entry is negated: output - target, or target - output?",
    )
    two = "Every entry is {} as large as it should be: the 2 from the derivative of a square."
    yield "factor", "a factor 2", 2.0, two.format("twice")
    yield "factor", "a factor 1/2", 0.5, two.format("half")
    B, n = measured.batch_size, measured.outputs
    if B and B > 1:
        many = f"The loss averages over the {B} samples, the gradient adds them up: divide by {B}."
        yield "batch_factor", f"a factor {B} (the batch size)", float(B), many
        yield "batch_factor", "a sum over the batch where a mean belongs", float(B), many
        few = f"The loss adds up the {B} samples, the gradient averages them: do not divide by {B}."
        yield "batch_factor", f"a factor 1/{B} (one over the batch size)", 1 / B, few
        yield "batch_factor", "a mean over the batch where a sum belongs", 1 / B, few
    if n:
        outputs = f"Loss and gradient disagree on whether to average over the {n} outputs."
        yield "factor", f"a factor {n} (the number of outputs)", float(n), outputs
        yield "factor", f"a factor 1/{n} (one over the number of outputs)", 1 / n, outputs
    if B and B > 1 and n:
        both = f"Loss and gradient disagree on a mean over all {B} x {n} entries of the output."
        yield "batch_factor", f"a factor {B * n} (all entries of the output)", float(B * n), both
        yield (
            "batch_factor",
            f"a factor 1/{B * n} (one over all entries of the output)",
            1 / (B * n),
            both,
        )


def other_factor(measured: Measured) -> Iterator[Prediction]:
    """A constant factor without a name."""
    named = [factor for _, _, factor, _ in _factors(measured)]
    for name, factor in _fitted_factors(measured):
        if not any(abs(factor / known - 1) < 1e-8 for known in named):
            text = number(factor)
            yield Prediction(
                "factor",
                f"a constant factor {text}",
                f"Every entry is {text} times what it should be.",
                {name: factor * measured.expected[name]},
                fitted=1,
            )


def unknown_batch(measured: Measured) -> Iterator[Prediction]:
    """A whole factor (or one over it) may be the size of a batch that was not given."""
    if measured.batch_size is not None:
        return
    for name, factor in _fitted_factors(measured):
        rows = max(factor, 1 / factor)
        if rows > 1.5 and abs(rows - round(rows)) < 1e-6 * rows:
            yield Prediction(
                "batch_factor",
                f"a sum over the batch where a mean belongs or the reverse, if it has "
                f"{round(rows)} rows",
                "Pass batch=(X, ...) to let the check find out.",
                {name: factor * measured.expected[name]},
                possible=True,
            )


def _fitted_factors(measured: Measured) -> Iterator[tuple[str, float]]:
    """Name of a wrong array, and the factor between claim and expectation, if it is not 0."""
    for name in measured.wrong:
        given, expected = measured.given[name], measured.expected[name]
        if name not in measured.unsummed and (factor := ratio(given, expected)) != 0.0:
            yield name, factor


def ratio(given: Array, expected: Array) -> float:
    """The factor between two arrays at the largest expected entry, 0 if there is none."""
    known = np.nan_to_num(np.ravel(expected))
    k = int(np.argmax(np.abs(known))) if known.size else 0
    if not known.size or known[k] == 0:
        return 0.0
    ratio = float(np.ravel(given)[k] / known[k])
    return ratio if np.isfinite(ratio) else 0.0


def number(value: float) -> str:
    """A number as people write it: a fraction of small whole numbers where it is one."""
    fraction = Fraction(value).limit_denominator(200)
    if value and abs(float(fraction) / value - 1) < 1e-8:
        return str(fraction)
    return f"{value:.10g}"


def unsummed(measured: Measured) -> Iterator[Prediction]:
    """The batch axis is still there."""
    for name in measured.unsummed:
        given, expected = measured.given[name], measured.expected[name]
        explained = any(
            measured.close(name, total, expected)
            for total in (given.sum(axis=0), given.mean(axis=0))
        )
        yield Prediction(
            "not_summed",
            "not summed over the batch",
            f"There is one row per sample, {len(given)} of them. The parameter serves all samples, "
            f"so its gradient is their sum: db = delta.sum(axis=0).",
            {name: given},
            possible=measured.batch_size is None or not explained,
        )


FACTORS: tuple[Cause, ...] = (
    named_factors, other_factor, unknown_batch, zero, not_used, unsummed,
)  # fmt: skip


def transposed(measured: Measured) -> Iterator[Prediction]:
    """Rows and columns exchanged, possibly hidden by a reshape."""
    for name in measured.wrong:
        expected = measured.expected[name]
        if expected.ndim == 2:
            yield Prediction(
                "transposed",
                "transposed",
                "Rows and columns are exchanged: dW = x.T @ delta, not delta.T @ x.",
                {name: expected.T.reshape(expected.shape)},
            )


def another_parameter(measured: Measured) -> Iterator[Prediction]:
    """The gradient of a different parameter with as many entries."""
    for name in measured.wrong:
        shape = measured.given[name].shape
        for other, expected in measured.expected.items():
            if other != name and expected.size == measured.given[name].size:
                yield Prediction(
                    "swapped",
                    f"the gradient of {other}",
                    f"Two results were mixed up: this is what belongs under {other!r}.",
                    {name: expected.reshape(shape)},
                )


def ignored_mask(measured: Measured) -> Iterator[Prediction]:
    """Entries that are held have a gradient all the same."""
    for name in measured.wrong:
        if not np.array_equal(measured.unmasked[name], measured.expected[name], equal_nan=True):
            yield Prediction(
                "mask",
                "the mask is ignored",
                "Masked entries are held constant, so their gradient is exactly 0: multiply by "
                "the mask.",
                {name: measured.unmasked[name]},
            )


def rounded(measured: Measured) -> Iterator[Prediction]:
    """A detour through single precision."""
    for name in measured.wrong:
        given = measured.given[name]
        if name in measured.unsummed:
            continue
        single = given.astype(np.float32).astype(np.float64)
        difference = largest(np.nan_to_num(given - measured.expected[name]))
        if np.array_equal(given, single) and difference <= 2.0**-22 * largest(given):
            yield Prediction(
                "rounding",
                "rounded to float32",
                "Every entry is a float32 number: a cast, or an array allocated as float32.",
                {name: given},
            )


def one_sample(measured: Measured) -> Iterator[Prediction]:
    """Only one row of the batch contributes: a loop that overwrites where it should add."""
    B = measured.batch_size
    if not B or B == 1:
        return
    shares = {"": 1.0, ", divided by the batch size": 1 / B, ", times the batch size": float(B)}
    for which, rows in (("last", slice(B - 1, B)), ("first", slice(0, 1))):
        slopes = measured.slopes(measured.rows(rows))
        for share, factor in shares.items():
            if not any(_near(slopes[name], factor) for name in measured.wrong):
                continue
            alone = measured.numerical(batch=measured.rows(rows))
            for name in measured.wrong:
                yield Prediction(
                    "one_sample",
                    f"only the {which} sample is used{share}",
                    "The other samples are lost: a loop assigns (dW = ...) where it should add "
                    "(dW += ...).",
                    {name: factor * alone[name]},
                )


def _near(slopes: tuple[float, float], factor: float) -> bool:
    """Might the claimed slope be `factor` times the measured one? A look before the long way."""
    claimed, measured = slopes
    return abs(claimed - factor * measured) <= 1e-5 * max(abs(claimed), abs(factor * measured))


def added_decay(measured: Measured) -> Iterator[Prediction]:
    """A multiple of the parameters is added: weight decay on one side only."""
    for name in measured.wrong:
        parameter = measured.parameters[name]
        if name in measured.unsummed:
            continue
        seen = np.isfinite(measured.expected[name]) & (parameter != 0)
        extra = measured.given[name] - measured.expected[name]
        rate = ratio(np.where(seen, extra, 0.0), np.where(seen, parameter, 0.0))
        yield Prediction(
            "weight_decay",
            f"{number(rate)} times the parameter is added",
            "Weight decay is in the gradient but not in the loss, or the reverse.",
            {name: measured.expected[name] + rate * parameter},
            fitted=1,
        )


def clipped(measured: Measured) -> Iterator[Prediction]:
    """Large entries were cut off."""
    for name in measured.wrong:
        limit = largest(measured.given[name])
        if limit == 0.0 or name in measured.unsummed:
            continue
        # Two entries at the limit are a limit; one alone is just the largest entry.
        cut = int(np.sum(np.abs(measured.given[name]) == limit))
        yield Prediction(
            "clipped",
            f"clipped to [-{limit:.6g}, {limit:.6g}]",
            "Clipping belongs into the training step: the gradient itself is not clipped.",
            {name: np.clip(measured.expected[name], -limit, limit)},
            fitted=1 if cut > 1 else measured.expected[name].size,
        )


def updated_parameters(measured: Measured) -> Iterator[Prediction]:
    """The gradient one training step later: everything at p - rate * g, with g at p."""
    size = sum(array.size for array in measured.expected.values())
    if not measured.complete or size > LARGEST_SEARCH or measured.unsummed:
        return
    rate = _rate_of_update(measured)
    if rate is not None:
        yield Prediction(
            "updated_weights",
            "the weights were already updated",
            f"This is the gradient after a step of learning rate {rate:.6g}: compute all gradients "
            f"first, then update.",
            measured.numerical(_updated(measured, rate)),
            fitted=1,
        )


def _updated(measured: Measured, rate: float) -> dict[str, Array]:
    """The parameters after a step along the measured gradient."""
    return {name: p - rate * measured.expected[name] for name, p in measured.parameters.items()}


def _rate_of_update(measured: Measured) -> float | None:
    """The rate that moves the gradient from the expected one to the given one, by secant steps."""
    point = _flat(measured.parameters)
    expected, given = _flat(measured.expected), _flat(measured.given)

    # A first step small enough for the change to be linear, large enough to be seen.
    rate = 1e-4 * largest(point) / (largest(expected) or 1.0)
    for _ in range(12):
        change = _flat(measured.numerical(_updated(measured, rate))) - expected
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

"""The table of mistakes that a few slopes are enough to see: a factor, zero, an axis too many.

They can be told apart along random directions too, where no single entry is known; `causes` has
those that cannot.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from ae_numpy.gradcheck.evidence import Cause, Evidence, Prediction
from ae_numpy.gradcheck.packing import Array


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
            text = number(factor)
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
        if name not in evidence.unsummed and (factor := ratio(given, expected)) != 0.0:
            yield name, factor


def ratio(given: Array, expected: Array) -> float:
    """The factor between two arrays at the largest expected entry, 0 if there is none."""
    measured = np.nan_to_num(np.ravel(expected))
    k = int(np.argmax(np.abs(measured))) if measured.size else 0
    if not measured.size or measured[k] == 0:
        return 0.0
    ratio = float(np.ravel(given)[k] / measured[k])
    return ratio if np.isfinite(ratio) else 0.0


def number(value: float) -> str:
    """A number as people write it: a fraction of small whole numbers where it is one."""
    fraction = Fraction(value).limit_denominator(200)
    if value and abs(float(fraction) / value - 1) < 1e-8:
        return str(fraction)
    return f"{value:.10g}"


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


FACTORS: tuple[Cause, ...] = (
    named_factors, other_factor, unknown_batch, zero, not_used, unsummed,
)  # fmt: skip

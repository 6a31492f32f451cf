"""The table of mistakes that can happen in any backward pass.

A cause is a function from the evidence to predictions. To add one: write what the mistake would
return, give it a label and a sentence, and append the function to `CAUSES`. Mistakes that can be
told by their factor stand in `factors`, those that need the layers of a network in `layers`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ae_numpy.gradcheck.compare import largest
from ae_numpy.gradcheck.evidence import Cause, Evidence, Prediction
from ae_numpy.gradcheck.factors import FACTORS, number, ratio
from ae_numpy.gradcheck.packing import Array

# An update is searched for by re-measuring the gradient a few times: too slow for large models.
LARGEST_SEARCH = 300


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
        rate = ratio(np.where(seen, extra, 0.0), np.where(seen, parameter, 0.0))
        yield Prediction(
            f"{number(rate)} times the parameter is added",
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

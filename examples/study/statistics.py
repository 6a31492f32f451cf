"""The statistics that the study needs: t interval, sign-flip test, Holm, ranks, tails.

SciPy has most of it, but is not a dependency of this library; each function is a few lines, and
the tests compare them with published tables, brute force and SciPy.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import count
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

MOST_FLIPPED = 40
"""The largest sample of the sign-flip test: its half sums take 2 * 8 MB, and a second."""


class Interval(NamedTuple):
    """A mean with its confidence interval; the bounds are NaN for a single value."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def t_quantile(probability: float, dof: int) -> float:
    """Return the quantile of Student's t distribution.

    Parameters
    ----------
    probability : float
        Between 0 and 1, both excluded.
    dof : int
        Degrees of freedom, at least 1.

    Examples
    --------
    >>> round(t_quantile(0.975, 9), 3)
    2.262
    """
    if not 0 < probability < 1 or dof < 1:
        raise ValueError(
            f"expected a probability between 0 and 1 and dof >= 1, got {probability!r}, {dof!r}"
        )
    inside = abs(2 * probability - 1)
    low, high = 0.0, math.pi / 2
    for _ in range(60):  # until the interval is as short as the spacing of floats
        theta = (low + high) / 2
        if _probability_within(theta, dof) < inside:
            low = theta
        else:
            high = theta
    return math.copysign(math.sqrt(dof) * math.tan((low + high) / 2), probability - 0.5)


def _probability_within(theta: float, dof: int) -> float:
    """P(|T| <= t) for theta = arctan(t / sqrt(dof)): Abramowitz & Stegun 26.7.3 and 26.7.4."""
    odd = dof % 2 == 1
    term = 1.0
    if odd:
        term = math.cos(theta) if dof > 1 else 0.0
    series = term
    for k in range(2 + odd, dof - 1, 2):
        term *= (k - 1) / k * math.cos(theta) ** 2
        series += term
    if odd:
        return (theta + math.sin(theta) * series) * 2 / math.pi
    return math.sin(theta) * series


def t_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Return the mean over the first axis with its t interval.

    Parameters
    ----------
    values : array, shape (n,) or (n, ...)
        One row per seed, n >= 1. A single row has a mean, but no interval: its bounds are NaN.
    confidence : float

    Returns
    -------
    Interval
        Of arrays of the shape of a row.
    """
    values = np.asarray(values, dtype=float)
    n = len(values)
    mean = values.mean(axis=0)
    if n == 1:
        return Interval(mean, mean * np.nan, mean * np.nan)
    half = t_quantile((1 + confidence) / 2, n - 1) * values.std(axis=0, ddof=1) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half)


def sign_flip_test(differences: ArrayLike) -> float:
    """Return the exact two-sided p-value of paired differences whose mean is zero by chance.

    If the two of each pair were interchangeable, every difference could as well have had the other
    sign. The p-value is the share of the 2^n choices of signs whose mean is as far from zero as
    the one found. It is counted, not sampled: the sums of both halves' choices are sorted, and
    for each sum of one half a binary search counts those of the other that go far enough.

    Parameters
    ----------
    differences : array, shape (n,)
        1 to 40 of them. A single one gives 1.

    Returns
    -------
    float
        NaN if a difference is not finite.

    Examples
    --------
    >>> sign_flip_test([1.0, 2.0, 3.0, 4.0])  # 2 of 16: all signs as they are, or all turned
    0.125
    """
    d = np.asarray(differences, dtype=float)
    if d.ndim != 1 or not 1 <= d.size <= MOST_FLIPPED:
        raise ValueError(
            f"differences has shape {d.shape}, expected one axis of 1 to {MOST_FLIPPED}: "
            "there are 2^n choices of signs to count"
        )
    return _sign_flip_p(tuple(d.tolist())) if np.isfinite(d).all() else math.nan


@lru_cache(maxsize=4096)  # every page and picture asks for the same few; 40 differences take 0.3 s
def _sign_flip_p(differences: tuple[float, ...]) -> float:
    d = np.array(differences)
    # Sums equal on paper differ by rounding: n * 1e-16 of the sum of the sizes. 1e-12 of it counts
    # them as equal, and is far below any step that an error measured to 7 digits can take.
    least = abs(d.sum()) - 1e-12 * np.abs(d).sum()
    if least <= 0:
        return 1.0
    left, right = (np.sort(_signed_sums(half)) for half in np.array_split(d, 2))
    too_small = np.searchsorted(right, least - left).sum()
    return float(2 * (left.size * right.size - too_small) / 2**d.size)  # 2: the other tail


def _signed_sums(values: np.ndarray) -> np.ndarray:
    """All sums of the values with either sign, shape (2^n,)."""
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums - value, sums + value])
    return sums


def smallest_p(n: int) -> float:
    """Return the smallest p-value that the sign-flip test can give for n differences: 2^(1-n)."""
    return 2.0 ** (1 - n)


def can_reject(n: int, n_tests: int, level: float = 0.05) -> bool:
    """Return whether any of `n_tests` sign-flip tests can reject after Holm's correction.

    Examples
    --------
    >>> can_reject(8, n_tests=7), can_reject(9, n_tests=7)
    (False, True)
    """
    return n_tests * smallest_p(n) <= level


def fewest_that_reject(n_tests: int, level: float = 0.05) -> int:
    """Return how many differences `n_tests` sign-flip tests need for any of them to reject.

    Examples
    --------
    >>> fewest_that_reject(7)
    9
    """
    return next(n for n in count(1) if can_reject(n, n_tests, level))


def holm(p_values: ArrayLike) -> np.ndarray:
    """Return p-values adjusted for their number, by S. Holm's step-down method (1979).

    Rejecting where the adjusted value is at most 0.05 rejects a true hypothesis anywhere among
    them with a probability of at most 0.05.

    Parameters
    ----------
    p_values : array, shape (k,)

    Returns
    -------
    array, shape (k,)
        In the order given. NaN stays NaN, and counts as a test.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p)
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    return np.minimum(adjusted, 1)


def binomial_tail(n_found: int, n: int, probability: float) -> float:
    """Return the probability of this many successes or more in n independent trials.

    Examples
    --------
    >>> binomial_tail(1, 2, 0.5)
    0.75
    """
    return math.fsum(
        math.comb(n, k) * probability**k * (1 - probability) ** (n - k)
        for k in range(n_found, n + 1)
    )


def rank(value: float, sample: ArrayLike) -> int:
    """Return the place of a value among a sample of n: 1 if below all, n + 1 if above all.

    Among equal values it takes the place nearest to the middle: an equal value is not evidence of
    being apart.

    Examples
    --------
    >>> rank(2, [2, 3, 4, 5]), rank(1, [2, 3, 4, 5])
    (2, 1)
    """
    sample = np.asarray(sample)
    lowest, highest = 1 + int(np.sum(sample < value)), 1 + int(np.sum(sample <= value))
    return min(max(lowest, (sample.size + 2) // 2), highest)

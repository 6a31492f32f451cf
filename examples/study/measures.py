"""The numbers that answer the paper's questions.

An interval here is a 95 % t interval over seeds: it covers the mean over all seeds, not the
result of another run, and says nothing about other test images. `answers` puts the numbers into
sentences, and `claims` uses them to judge what the paper says beyond its two answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from study.paper import TABLE_1
from study.results import Results, Trained
from study.statistics import can_reject, holm, rank, sign_flip_test, t_interval

LEVEL = 0.05
"""The level of the tests; intervals have a confidence of 1 - LEVEL."""

BIASES = {False: "without bias", True: "with bias"}
"""What the two models of a pair are called, in the order of Table 1."""

DIGITS_OF_TABLE_1 = 4
"""Digits after the point in Table 1: our errors are rounded to them to be ranked."""


@dataclass(frozen=True)
class Cell:
    """The errors of a cell of Table 1.

    Parameters
    ----------
    protocol : str
    ratio : int
    bias : bool
    values : array, shape (n_seeds,)
    mean, low, high : float
        Over seeds, with the t interval; its bounds are NaN for one seed.
    paper : float
        The paper's value.
    rank : int
        The place of the paper's value among the n values, all at the paper's precision: 1 if
        below all, n + 1 if above all. A value equal to the lowest or highest is not outside.
    """

    protocol: str
    ratio: int
    bias: bool
    values: np.ndarray
    mean: float
    low: float
    high: float
    paper: float
    rank: int

    @property
    def outside(self) -> bool:
        """Whether the paper's value is below all or above all; see `chance_outside`."""
        return self.rank in (1, self.values.size + 1)


@dataclass(frozen=True)
class Step:
    """How much the error rises from one ratio to the next higher, between models of the same seed.

    Parameters
    ----------
    ratios, errors : tuple
        Both ratios, the lower first, and the mean errors over seeds there.
    mean, low, high : float
        Of the rise, with the t interval; its bounds are NaN for one seed.
    """

    ratios: tuple[int, int]
    errors: tuple[float, float]
    mean: float
    low: float
    high: float

    @property
    def rises(self) -> bool | None:
        """Whether the mean over all seeds rises; None where the interval leaves it open."""
        if np.isnan(self.low):  # one run can contradict a rule by a fall, but cannot prove one
            return None if self.mean > 0 else False
        excludes_0 = self.low > 0 or self.high < 0
        return self.low > 0 if excludes_0 else None


@dataclass(frozen=True)
class BiasEffect:
    """The error with trained biases minus that without, of the same ratio and seed.

    Parameters
    ----------
    protocol : str
    ratio : int
    differences : array, shape (n_seeds,)
    mean, low, high : float
        Over seeds, with the t interval; its bounds are NaN for one seed.
    p, p_holm : float
        Of the exact sign-flip test, and adjusted for the number of ratios.
    without : float
        The mean error without bias, which makes a difference large or small.
    """

    protocol: str
    ratio: int
    differences: np.ndarray
    mean: float
    low: float
    high: float
    p: float
    p_holm: float
    without: float

    @property
    def relative(self) -> float:
        """The mean difference as a share of the mean error without bias."""
        return self.mean / self.without


@dataclass(frozen=True)
class ClassErrors:
    """The errors per digit of a cell, arrays of shape (10,); NaN for one without test images.

    `mean`, `low` and `high` are in units of squared pixels; `share`, `share_low` and `share_high`
    are the same as a share of the digit's variance around the mean image: what the mean image in
    place of every image would leave is 1.
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    share: np.ndarray
    share_low: np.ndarray
    share_high: np.ndarray


def ratios_of(results: Results, protocol: str) -> list[int]:
    """Return the ratios that were trained under a protocol, the highest first."""
    found = {m.ratio for m in results.models if m.protocol == protocol}
    return sorted(found, reverse=True)


def cells(results: Results, protocol: str) -> list[Cell]:
    """Return the cells of a protocol in the order of Table 1: without bias first."""
    found = []
    for ratio in ratios_of(results, protocol):
        for bias in BIASES:
            values, paper = results.mse(protocol, ratio, bias), TABLE_1[ratio, bias]
            mean, low, high = map(float, t_interval(values, 1 - LEVEL))
            place = rank(paper, values.round(DIGITS_OF_TABLE_1))
            found.append(Cell(protocol, ratio, bias, values, mean, low, high, paper, place))
    return found


def chance_outside(n_seeds: int) -> float:
    """Return the probability that one more value of the same kind is below or above all seeds'."""
    return 2 / (n_seeds + 1)


def bias_effects(results: Results, protocol: str) -> list[BiasEffect]:
    """Return what trained biases change, per ratio, in the order of Table 1."""
    ratios = ratios_of(results, protocol)
    differences = [
        _differences(results.of(protocol, ratio, True), results.of(protocol, ratio, False))
        for ratio in ratios
    ]
    p_values = [sign_flip_test(d) for d in differences]
    effects = []
    for ratio, d, p, p_holm in zip(ratios, differences, p_values, holm(p_values), strict=True):
        mean, low, high = map(float, t_interval(d, 1 - LEVEL))
        without = float(results.mse(protocol, ratio, False).mean())
        effects.append(BiasEffect(protocol, ratio, d, mean, low, high, p, float(p_holm), without))
    return effects


def testable(effects: list[BiasEffect]) -> bool:
    """Return whether there are enough seeds for the test to reject chance at any of the ratios."""
    return can_reject(effects[0].differences.size, len(effects), LEVEL)


def steps(results: Results, protocol: str, bias: bool) -> list[Step]:
    """Return the steps from every ratio to the next higher, the lowest first."""
    errors = means(results, protocol, bias)
    found = []
    for a, b in pairwise(errors):
        gains = _differences(results.of(protocol, b, bias), results.of(protocol, a, bias))
        interval = map(float, t_interval(gains, 1 - LEVEL))
        found.append(Step((a, b), (errors[a], errors[b]), *interval))
    return found


def _differences(models: list[Trained], subtracted: list[Trained]) -> np.ndarray:
    """The errors of models minus those of others, paired by seed, shape (n_seeds,)."""
    by_seed = {model.seed: model.mse for model in subtracted}
    return np.array([model.mse - by_seed[model.seed] for model in models])


def class_errors(results: Results, protocol: str, ratio: int, bias: bool) -> ClassErrors:
    """Return the errors per digit of a cell."""
    errors = t_interval(results.mse_per_class(protocol, ratio, bias), 1 - LEVEL)
    variance = np.array(results.baselines.mean_image_per_class)
    return ClassErrors(*errors, *(bound / variance for bound in errors))


def means(results: Results, protocol: str, bias: bool) -> dict[int, float]:
    """Return the mean error over seeds by ratio, the lowest ratio first."""
    ratios = reversed(ratios_of(results, protocol))
    return {ratio: float(results.mse(protocol, ratio, bias).mean()) for ratio in ratios}


def below_pca(results: Results, protocol: str, bias: bool) -> list[int]:
    """Return the ratios at which the mean over seeds is below centred PCA."""
    errors = means(results, protocol, bias)
    return [ratio for ratio in errors if errors[ratio] < results.baselines.pca[ratio]]

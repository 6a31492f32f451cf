"""The numbers that answer the paper's questions, and the answers in a sentence each.

RQ1: how does the compression ratio influence the error? RQ2: how does a bias? An interval here is
a 95 % t interval over seeds: it tells how far another set of trainings might come out elsewhere,
and nothing about other test images. What the paper claims beyond that is judged in `claims`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from study.paper import TABLE_1
from study.protocols import PROTOCOLS
from study.results import Results
from study.statistics import can_reject, holm, rank, sign_flip_test, smallest_p, t_interval

LEVEL = 0.05
"""The level of the tests; intervals have a confidence of 1 - LEVEL."""


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
        The place of the paper's value among the n values: 1 if below all, n + 1 if above all.
    outside : bool
        Whether it is below all or above all. One more seed of the same kind would be so with
        probability 2 / (n + 1).
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
    outside: bool


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
        for bias in (False, True):
            values, paper = results.mse(protocol, ratio, bias), TABLE_1[ratio, bias]
            mean, low, high = map(float, t_interval(values, 1 - LEVEL))
            place = rank(paper, values)
            outside = place in (1, values.size + 1)
            found.append(
                Cell(protocol, ratio, bias, values, mean, low, high, paper, place, outside)
            )
    return found


def expected_outside(n_cells: int, n_seeds: int) -> float:
    """Return how many of the paper's values would lie outside all seeds' by chance alone."""
    return n_cells * 2 / (n_seeds + 1)


def bias_effects(results: Results, protocol: str) -> list[BiasEffect]:
    """Return what trained biases change, per ratio, in the order of Table 1."""
    ratios = ratios_of(results, protocol)
    differences = [_differences(results, protocol, ratio) for ratio in ratios]
    p_values = [sign_flip_test(d) for d in differences]
    effects = []
    for ratio, d, p, p_holm in zip(ratios, differences, p_values, holm(p_values), strict=True):
        mean, low, high = map(float, t_interval(d, 1 - LEVEL))
        without = float(results.mse(protocol, ratio, False).mean())
        effects.append(BiasEffect(protocol, ratio, d, mean, low, high, p, float(p_holm), without))
    return effects


def _differences(results: Results, protocol: str, ratio: int) -> np.ndarray:
    """With bias minus without, paired by seed, shape (n_seeds,)."""
    without = {model.seed: model.mse for model in results.of(protocol, ratio, False)}
    with_bias = results.of(protocol, ratio, True)
    return np.array([model.mse - without[model.seed] for model in with_bias])


def class_errors(results: Results, protocol: str, ratio: int, bias: bool) -> ClassErrors:
    """Return the errors per digit of a cell."""
    errors = t_interval(results.mse_per_class(protocol, ratio, bias), 1 - LEVEL)
    variance = np.array(results.baselines.mean_image_per_class)
    return ClassErrors(*errors, *(bound / variance for bound in errors))


def means(results: Results, protocol: str, bias: bool) -> dict[int, float]:
    """Return the mean error over seeds by ratio, the lowest ratio first."""
    ratios = reversed(ratios_of(results, protocol))
    return {ratio: float(results.mse(protocol, ratio, bias).mean()) for ratio in ratios}


def falls(by_ratio: dict[int, float]) -> list[tuple[int, int]]:
    """Return the steps from a ratio to the next higher at which the error does not rise."""
    ratios = sorted(by_ratio)
    return [(a, b) for a, b in pairwise(ratios) if not by_ratio[b] > by_ratio[a]]


def below_pca(results: Results, protocol: str, bias: bool) -> list[int]:
    """Return the ratios at which the mean over seeds lies below centred PCA."""
    errors = means(results, protocol, bias)
    return [ratio for ratio in errors if errors[ratio] < results.baselines.pca[ratio]]


def answer_rq1(results: Results, protocol: str) -> str:
    """Say in a sentence how the ratio influences the error, by the means over seeds."""
    by_bias = {bias: means(results, protocol, bias) for bias in (False, True)}
    first, last = min(by_bias[True]), max(by_bias[True])
    if first == last:
        return f"Only {first}x was trained, which shows no influence of the ratio."
    if not any(falls(errors) for errors in by_bias.values()):
        trend = "The error rises with every step of the compression ratio"
    elif all(errors[last] > errors[first] for errors in by_bias.values()):
        trend = "The error rises with the compression ratio, but not at every step"
    else:
        trend = "The error does not rise with the compression ratio throughout"
    parts = [
        f"{_name(bias)} from {errors[first]:.4f} at {first}x to {errors[last]:.4f} at {last}x"
        f"{_exceptions(errors)}, below centred PCA at "
        f"{_count(below_pca(results, protocol, bias), len(errors))} ratios"
        for bias, errors in by_bias.items()
    ]
    return f"{trend}: {'; '.join(parts)} ({_seeds(results, protocol)})."


def answer_rq2(results: Results, protocol: str) -> str:
    """Say in a sentence what trained biases change, and at how many ratios that is not chance."""
    effects = bias_effects(results, protocol)
    n, k = effects[0].differences.size, len(effects)
    biases = "trained biases"
    if PROTOCOLS[protocol].inherits_biases:
        biases += ", compared with the same biases frozen while the weights are trained anew,"
    if n == 1:
        return (
            "One run of each model can tell nothing of the spread between runs, so only the "
            f"differences found: {biases} {_lower_and_higher(effects)}."
        )
    if not can_reject(n, k, LEVEL):
        return (
            f"With {n} seeds the sign-flip test cannot reject (its smallest p is "
            f"{smallest_p(n):.2g}, times {k} for {k} ratios), so effect sizes only: {biases} "
            f"{_lower_and_higher(effects)} in the mean."
        )
    shown = [effect for effect in effects if effect.p_holm <= LEVEL]
    test = f"sign-flip test over {n} seeds, Holm-corrected over {k} ratios, at {100 * LEVEL:g} %"
    if not shown:
        return (
            f"No effect of {biases} can be told from chance at any ratio ({test}); "
            f"in the mean they {_lower_and_higher(effects)}."
        )
    rest = [f"{effect.ratio}x" for effect in effects if effect not in shown]
    otherwise = f", while no difference is shown at {listing(rest)}" if rest else ""
    return (
        f"{biases[0].upper()}{biases[1:]} change the error at {len(shown)} of {k} ratios "
        f"({test}): in the mean they {_lower_and_higher(shown)}{otherwise}."
    )


def listing(names: Iterable[str]) -> str:
    """Join names for a sentence: ``a, b and c``."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _lower_and_higher(effects: list[BiasEffect]) -> str:
    """Say at which ratios the error is lower or higher, in percent of that without bias."""
    parts: list[str] = []
    for verb, sign in (("lower", -1), ("raise", 1), ("do not change", 0)):
        those = [effect for effect in effects if np.sign(effect.mean) == sign]
        if those:
            names = listing(f"{e.ratio}x ({100 * e.relative:+.1f} %)" for e in those)
            parts.append(f"{verb} {'it' if parts else 'the error'} at {names}")
    return listing(parts)


def _exceptions(errors: dict[int, float]) -> str:
    steps = [f"{a}x to {b}x ({errors[a]:.4f} to {errors[b]:.4f})" for a, b in falls(errors)]
    return f" except from {listing(steps)}" if steps else ""


def _name(bias: bool) -> str:
    return "with bias" if bias else "without bias"


def _count(found: list[int], of: int) -> str:
    return "none of the" if not found else "all" if len(found) == of else f"{len(found)} of {of}"


def _seeds(results: Results, protocol: str) -> str:
    n = len(results.seeds_of(protocol))
    if n == 1:
        return "one run of each model, which can tell nothing of the spread between runs"
    return f"means over {n} seeds"

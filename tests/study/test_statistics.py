"""The study's statistics and baselines, compared with tables, brute force and other programs."""

import doctest
import itertools
import math
import os

import numpy as np
import pytest
from study import statistics
from study.baselines import CHUNK, Baselines, fit_baselines, mean_per_class
from study.data import DataSource, pixels
from study.paper import HIDDEN_UNITS
from study.statistics import (
    MOST_FLIPPED,
    binomial_tail,
    can_reject,
    fewest_that_reject,
    holm,
    rank,
    sign_flip_test,
    smallest_p,
    t_interval,
    t_quantile,
)


def test_the_examples_in_the_docstrings_run():
    failed, tried = doctest.testmod(statistics)
    assert (failed, tried) == (0, 7)


# Student's t: Abramowitz & Stegun, table 26.10, and every textbook's.
TABLE_OF_T = [
    (0.975, 1, 12.706),
    (0.975, 2, 4.303),
    (0.975, 3, 3.182),
    (0.975, 4, 2.776),
    (0.975, 9, 2.262),
    (0.975, 30, 2.042),
    (0.975, 120, 1.980),
    (0.95, 1, 6.314),
    (0.95, 5, 2.015),
    (0.995, 6, 3.707),
    (0.9995, 10, 4.587),
]


@pytest.mark.parametrize(("probability", "dof", "expected"), TABLE_OF_T)
def test_t_quantiles_are_those_of_the_tables(probability, dof, expected):
    assert t_quantile(probability, dof) == pytest.approx(expected, abs=5e-4)
    assert t_quantile(1 - probability, dof) == pytest.approx(-expected, abs=5e-4)


def test_t_quantiles_are_those_of_scipy():
    stats = pytest.importorskip("scipy.stats")
    for dof in (1, 2, 3, 4, 7, 9, 40, 999):
        for probability in (0.01, 0.3, 0.6, 0.975, 0.99999):
            expected = stats.t.ppf(probability, dof)
            assert t_quantile(probability, dof) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("probability", "dof"), [(0, 3), (1, 3), (math.nan, 3), (0.5, 0)])
def test_t_quantile_refuses_what_has_none(probability, dof):
    with pytest.raises(ValueError, match="expected a probability between 0 and 1 and dof >= 1"):
        t_quantile(probability, dof)


def test_t_interval_of_a_worked_example():
    # Mean 3, standard deviation sqrt(2.5), 2.776 * sqrt(2.5 / 5) = 1.963
    mean, low, high = t_interval([1, 2, 3, 4, 5])
    assert (mean, low, high) == pytest.approx((3, 1.0368, 4.9632), abs=1e-4)


def test_t_interval_of_several_columns_is_that_of_each():
    values = np.random.default_rng(0).normal(size=(6, 3))
    together = np.array(t_interval(values, confidence=0.9))
    for column in range(3):
        np.testing.assert_allclose(together[:, column], t_interval(values[:, column], 0.9))


def test_t_interval_of_one_seed_is_a_mean_without_bounds():
    mean, low, high = t_interval([[0.5, math.nan]])
    np.testing.assert_array_equal(mean, [0.5, math.nan])
    assert np.isnan([low, high]).all()


def test_t_interval_covers_as_often_as_it_says():
    samples = np.random.default_rng(1).normal(2.0, 3.0, size=(5, 20_000))
    _, low, high = t_interval(samples)
    # 1 % is more than 6 standard errors, sqrt(0.95 * 0.05 / 20,000) = 0.15 %; a normal
    # quantile instead of Student's would cover 88 %.
    assert np.mean((low < 2.0) & (high > 2.0)) == pytest.approx(0.95, abs=0.01)


def by_enumeration(differences):
    """The p-value by trying all choices of signs, in exact integers."""
    observed = abs(sum(differences))
    choices = itertools.product([-1, 1], repeat=len(differences))
    sums = [abs(sum(s * d for s, d in zip(signs, differences, strict=True))) for signs in choices]
    return sum(value >= observed for value in sums) / len(sums)


@pytest.mark.parametrize("n", range(1, 12))
def test_sign_flips_are_counted_as_by_enumeration(n):
    rng = np.random.default_rng(n)
    # Small integers have many equal sums; large ones have none.
    for bound in (2, 5, 10_000):
        for shift in (0, bound // 2):
            differences = [int(d) for d in rng.integers(-bound, bound + 1, n) + shift]
            expected = by_enumeration(differences)
            assert sign_flip_test(differences) == expected
            # As tenths the sums that were equal differ by rounding: 0.1 + 0.2 is not 0.3.
            assert sign_flip_test(np.array(differences) / 10) == expected
            assert sign_flip_test([-d for d in differences]) == expected


@pytest.mark.parametrize("n", [1, 2, 5, 10, MOST_FLIPPED])
def test_the_smallest_p_is_that_of_differences_of_one_sign(n):
    differences = np.random.default_rng(n).uniform(0.5, 1.5, n)
    assert sign_flip_test(differences) == smallest_p(n) == 2 / 2**n


def test_sign_flips_of_special_cases():
    assert sign_flip_test([0.0, 0.0, 0.0]) == 1
    assert sign_flip_test([0.1, -0.1]) == 1
    assert math.isnan(sign_flip_test([1.0, math.nan]))
    # A difference of nothing changes nothing.
    assert sign_flip_test([3.0, 1.0, 2.0, 0.0]) == sign_flip_test([3.0, 1.0, 2.0])


@pytest.mark.parametrize("differences", [[], [1.0] * (MOST_FLIPPED + 1), [[1.0]]])
def test_sign_flip_test_refuses_what_it_cannot_count(differences):
    with pytest.raises(ValueError, match=f"expected one axis of 1 to {MOST_FLIPPED}"):
        sign_flip_test(differences)


def test_sign_flip_test_rejects_as_often_as_it_may_if_there_is_nothing():
    rng = np.random.default_rng(2)
    p = np.array([sign_flip_test(rng.normal(size=8)) for _ in range(3000)])
    # At most 0.05 by construction, here exactly 6 / 128; four standard errors are 0.015.
    assert np.mean(p <= 0.05) == pytest.approx(6 / 128, abs=0.015)


def test_holm_of_a_worked_example():
    # Holm (1979): 4 * 0.005, 3 * 0.01, then 2 * 0.03, and 0.04 not below the one before.
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.6, 0.5]), [1, 1])
    np.testing.assert_allclose(holm([0.2]), [0.2])
    np.testing.assert_array_equal(holm([0.01, math.nan]), [0.02, math.nan])


def test_seven_tests_can_reject_from_nine_seeds_on():
    assert [n for n in range(1, 13) if can_reject(n, n_tests=7)] == [9, 10, 11, 12]
    assert fewest_that_reject(7) == 9
    assert fewest_that_reject(1, level=1) == 1
    # As the tests themselves say, with differences of one sign throughout.
    for n in (8, 9):
        p = [sign_flip_test(np.arange(1.0, n + 1))] * 7
        assert (holm(p) <= 0.05).all() == can_reject(n, n_tests=7)


def test_signs_are_not_counted_twice_for_the_same_differences():
    differences = np.random.default_rng(3).normal(size=30)
    p = sign_flip_test(differences)
    before = statistics._sign_flip_p.cache_info()
    assert sign_flip_test(differences.copy()) == p
    after = statistics._sign_flip_p.cache_info()
    assert (after.hits, after.misses) == (before.hits + 1, before.misses)
    assert sign_flip_test(differences[:-1]) != p


def test_rank_among_a_sample():
    sample = [0.3, 0.1, 0.2]
    assert [rank(value, sample) for value in (0.0, 0.15, 0.25, 0.9)] == [1, 2, 3, 4]


def test_an_equal_value_has_the_place_nearest_to_the_middle():
    sample = [0.1, 0.1, 0.2, 0.3, 0.4, 0.5]  # places 1 to 7, in the middle 4
    assert [rank(value, sample) for value in (0.1, 0.2, 0.3, 0.4, 0.5)] == [3, 4, 4, 5, 6]
    assert rank(0.1, [0.1] * 4) == 3


def test_binomial_tails_are_those_of_enumeration():
    for q in (0.0, 2 / 11, 1.0):
        for k in range(6):
            outcomes = itertools.product([True, False], repeat=5)
            expected = sum(
                math.prod(q if hit else 1 - q for hit in outcome)
                for outcome in outcomes
                if sum(outcome) >= k
            )
            assert binomial_tail(k, 5, q) == pytest.approx(expected, rel=1e-12)
    assert binomial_tail(0, 14, 0.3) == pytest.approx(1)


# Baselines


def images(n, seed, n_pixels=12):
    """Correlated images far from zero, so that centring makes a difference."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(0).normal(size=(n_pixels, n_pixels))
    return (rng.normal(size=(n, n_pixels)) @ mixing + 2).astype(np.float32)


def by_svd(train, test, h, centred):
    mean = train.mean(axis=0) if centred else 0.0
    _, s, Vt = np.linalg.svd(train - mean, full_matrices=False)
    V = Vt[: min(h, np.sum(s > 1e-6 * s[0]))].T
    X = test - mean
    return ((X - X @ V @ V.T) ** 2).mean()


@pytest.mark.parametrize("n_train", [2 * CHUNK + 1, 300, 5])
def test_principal_components_are_those_of_the_svd(n_train):
    train, test = images(n_train, 1), images(50, 2)
    labels = np.arange(50) % 10
    hidden_units = {12: 1, 4: 3, 2: 6, 1: 12}  # with 5 images there are only 5 directions
    baselines = fit_baselines(train, test, labels, hidden_units)
    train, test = train.astype(float), test.astype(float)
    for name, centred in (("pca", True), ("pca_uncentred", False)):
        errors = getattr(baselines, name)
        expected = {ratio: by_svd(train, test, h, centred) for ratio, h in hidden_units.items()}
        assert errors == pytest.approx(expected, rel=1e-8, abs=1e-12), name  # 9 digits
    squared = ((test - train.mean(axis=0)) ** 2).mean(axis=1)
    assert baselines.mean_image == pytest.approx(squared.mean())
    assert baselines.mean_image_per_class == pytest.approx(
        [squared[labels == digit].mean() for digit in range(10)]
    )


def test_images_all_the_same_have_no_components():
    same = np.full((20, 6), 0.3, np.float32)
    baselines = fit_baselines(same, same + 0.1, np.zeros(20, int), {3: 2})
    assert baselines.mean_image == pytest.approx(0.01, rel=1e-5)
    assert baselines.pca[3] == pytest.approx(baselines.mean_image)
    assert baselines.pca_uncentred[3] < 1e-12  # of the same direction, but for the length


def test_a_digit_without_images_has_no_mean():
    means = mean_per_class(np.array([1.0, 2.0, 4.0]), np.array([0, 0, 9]))
    np.testing.assert_array_equal(means, [1.5, *[math.nan] * 8, 4.0])


@pytest.mark.skipif("AE_NUMPY_DATA" not in os.environ, reason="AE_NUMPY_DATA does not name MNIST")
def test_principal_components_of_mnist():
    digits = DataSource("mnist").load()
    train, test = pixels(digits.train_images), pixels(digits.test_images)
    baselines = fit_baselines(train, test, digits.test_labels, HIDDEN_UNITS)
    assert isinstance(baselines, Baselines)
    expected = [0.0546, 0.0470, 0.0367, 0.0284, 0.0183, 0.0101, 0.0048]
    assert [round(error, 4) for error in baselines.pca.values()] == expected
    for ratio, error in baselines.pca.items():
        assert error < baselines.pca_uncentred[ratio] < baselines.mean_image

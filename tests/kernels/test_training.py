"""Compiled training takes the steps that the plain twin takes, whatever data and network."""

from __future__ import annotations

import os
import tracemalloc
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numeric import assert_close
from strategies import cases, make_case, skip_without_compiler

from ae_numpy import kernels
from ae_numpy.kernels import memory, training
from ae_numpy.training import train_batches


def images(kind, seed, n_samples, n_features, background=0.0):
    """Samples with a background: nearly all of a sample, all of it, or none."""
    rng = np.random.default_rng(seed)
    X = rng.random((n_samples, n_features))
    share = {"mostly background": 0.8, "dense": 0.0, "all background": 1.0}[kind]
    X[rng.random(X.shape) < share] = background
    return X


def fused(case, X, order, rate, background, batch_size=1, target=None):
    return kernels.train_batches(
        case.network,
        case.network.parameters,
        kernels.prepare(X, background),
        order,
        batch_size,
        rate,
        None if target is None else kernels.prepare(target),
    )


def assert_same_training(case, X, order, rate, background, batch_size=1, target=None):
    """Compiled training, and a NumPy step per batch, arrive at the same parameters and errors."""
    start = case.network.parameters
    expected, expected_errors = train_batches(
        case.network, start, X, order, batch_size, rate, target
    )
    trained, errors = fused(case, X, order, rate, background, batch_size, target)
    # The sum of all gradients, of which each has a few dozen roundings of 1e-16. The rate is
    # such that the parameters move by as much as they measure: else they would agree whatever
    # the gradients are.
    assert_close(trained - start, expected - start, 1e-12, "accumulated gradient")
    assert_close(errors, expected_errors, 1e-12, "squared errors")


KINDS = ("mostly background", "dense", "all background")


@pytest.mark.parametrize("backprop", ["exact", "raw_error"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("background", [0.0, 0.01, 1.0, 0.37])
@pytest.mark.parametrize("hidden", [5, 11])
def test_fused_training_equals_a_numpy_step_per_sample(hidden, kind, background, backprop):
    # 21, 11 and 5 are not multiples of the 8 numbers that a register holds; 5 units are narrow.
    case = make_case((21, hidden, 6, 21), 1, bias=True, backprop=backprop)
    X = images(kind, 2, 40, 21, background)
    order = np.random.default_rng(3).permutation(40)
    assert_same_training(case, X, order, 0.5, background)


@pytest.mark.parametrize("backprop", ["exact", "raw_error"])
@pytest.mark.parametrize("batch_size", [1, 2, 3, 8, 9, 65, 128, 129, 257])
@pytest.mark.parametrize("n_samples", [1, 9, 130, 300])
@pytest.mark.parametrize("hidden", [2, 9])
def test_batches_of_any_size_equal_a_numpy_step_per_batch(hidden, n_samples, batch_size, backprop):
    # Around the 8 samples whose foreground is found together, and the 128 that go through the
    # network together; with last batches and last parts of a batch that are a single sample. 70
    # outputs: whole registers and a part.
    case = make_case((70, hidden, 5, 70), 1, bias=True, backprop=backprop)
    X = images("mostly background", 2, n_samples, 70, 0.01)
    assert_same_training(case, X, np.arange(n_samples), 0.5, 0.01, batch_size)


@pytest.mark.parametrize("backprop", ["exact", "raw_error"])
@pytest.mark.parametrize("batch_size", [1, 7, 33])
@pytest.mark.parametrize("hidden", [2, 9])
def test_targets_may_differ_from_the_samples_in_values_and_width(hidden, batch_size, backprop):
    case = make_case((70, hidden, 5, 13), 1, bias=True, backprop=backprop)
    X, target = images("mostly background", 2, 40, 70, 0.01), images("dense", 3, 40, 13)
    order = np.random.default_rng(3).permutation(40)
    assert_same_training(case, X, order, 0.5, 0.01, batch_size, target)


@pytest.mark.parametrize("batch_size", [1, 33])
def test_a_target_equal_to_the_samples_changes_no_bit(batch_size):
    case = make_case((21, 11, 21), 1, bias=True)
    X, order = images("mostly background", 2, 40, 21), np.arange(40)
    without = fused(case, X, order, 0.5, 0.0, batch_size)
    given = fused(case, X, order, 0.5, 0.0, batch_size, X.copy())
    for one, other in zip(without, given, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize("layer_sizes", [(7, 512, 7), (512, 2, 512)])
def test_rows_of_4096_bytes_are_padded_and_trained_like_others(layer_sizes, batch_size):
    case = make_case(layer_sizes, 1, bias=True)
    X = images("mostly background", 2, 12, layer_sizes[0], 0.01)
    assert_same_training(case, X, np.arange(12), 0.05, 0.01, batch_size)


def test_the_most_frequent_value_is_taken_for_the_background():
    X = np.full((10, 4), 0.25)
    X[:, 0] = np.linspace(0, 1, 10)
    inputs = kernels.prepare(X)
    assert inputs.background == 0.25
    assert inputs.is_sparse


@pytest.mark.parametrize("value", [255, -999, 1e20, np.inf, np.nan])
def test_a_large_value_is_not_subtracted_from_others(value):
    X = images("dense", 2, 10, 4)
    X[1:] = value
    assert kernels.prepare(X).background == 0


@pytest.mark.parametrize("n_features", [64, 70_000])
@pytest.mark.parametrize("dense_from", [0, 100])
def test_samples_are_not_copied(n_features, dense_from):
    """Nor is anything kept for each pixel, even if only the first hundred are mostly background."""
    X = np.zeros((400, n_features), np.float32)
    X[dense_from:] = np.linspace(0.1, 1, n_features)
    tracemalloc.start()
    try:
        assert kernels.prepare(X).X is X
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The first hundred, compared, and NumPy's sorted copy of them.
    assert peak < 3 * X[:100].nbytes + 100_000


@pytest.mark.parametrize("background", [0.0, 0.01, 1.0, 0.5, -3.0])
def test_any_background_is_right(background):
    """It decides what is fast, not what is computed: the images' own is 0.01."""
    case = make_case((12, 9, 12), 4)
    X = images("mostly background", 5, 30, 12, 0.01)
    assert_same_training(case, X, np.arange(30), 0.5, background)


@given(
    cases(autoencoder=True),
    st.sampled_from(KINDS),
    st.integers(0, 30),
    st.sampled_from([0.1, 1.0]),
    st.booleans(),
)
def test_fused_training_equals_numpy_for_networks_of_any_depth_and_mask(
    case, kind, n, rate, narrow
):
    X = images(kind, 6, 10, case.network.layer_sizes[0])
    order = np.random.default_rng(7).integers(10, size=n)
    # Networks drawn at random are small: whether the first layer is narrow is drawn separately.
    with mock.patch.object(memory, "_NARROW", 1000 if narrow else 0):
        if n > 0:
            assert_same_training(case, X, order, rate, 0.0)
        else:
            trained, _ = fused(case, X, order, rate, 0.0)
            np.testing.assert_array_equal(trained, case.network.parameters)


def test_fused_training_in_float32_agrees_with_float64():
    case = make_case((21, 11, 6, 21), 1, dtype="float32")
    X = images("mostly background", 2, 40, 21).astype(np.float32)
    order = np.arange(40)
    single, errors = fused(case, X, order, 0.5, 0.0)
    double, expected = fused(case.with_network(dtype="float64"), X.astype(float), order, 0.5, 0.0)
    assert single.dtype == errors.dtype == np.float32
    # 40 steps, each with errors of some 6e-8 of the parameters, which the next step inherits.
    start = case.network.parameters.astype(float)
    assert_close(single - start, double - start, 1e-4)
    assert_close(errors.astype(float), expected, 1e-4)


@given(cases(autoencoder=True))
def test_fused_training_leaves_held_biases_alone_bit_for_bit(case):
    X = images("dense", 8, 6, case.network.layer_sizes[0])
    trained, _ = fused(case, X, np.arange(6), 1.0, 0.0)
    n_biases = case.network.bias_mask.size
    held = ~case.network.bias_mask
    before, after = case.network.parameters[-n_biases:], trained[-n_biases:]
    np.testing.assert_array_equal(after[held].view("u8"), before[held].view("u8"))


def test_fused_training_changes_none_of_its_arguments():
    case = make_case((6, 3, 6), 0)
    X, order = images("mostly background", 1, 10, 6), np.arange(10)
    kept = case.network.parameters.copy(), X.copy(), order.copy()
    trained, _ = fused(case, X, order, 1.0, 0.0)
    for array, copy in zip((case.network.parameters, X, order), kept, strict=True):
        np.testing.assert_array_equal(array, copy)
    assert not np.shares_memory(trained, case.network.parameters)


def test_fused_training_takes_images_that_may_not_be_written_to():
    case = make_case((6, 3, 6), 0)
    X = images("mostly background", 1, 10, 6)
    expected, _ = fused(case, X, np.arange(10), 1.0, 0.0)
    X.setflags(write=False)
    np.testing.assert_array_equal(fused(case, X, np.arange(10), 1.0, 0.0)[0], expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("hidden", [3, 9])
def test_fused_training_lets_nan_be_seen(hidden, dtype):
    """No compiler flag may assume that there is no NaN: divergence would go unnoticed."""
    skip_without_compiler("numba")
    case = make_case((6, hidden, 6), 0, dtype=dtype)
    X = images("dense", 1, 10, 6).astype(dtype)
    X[4, 2] = np.nan
    trained, errors = fused(case, X, np.arange(10), 1.0, 0.0)
    assert np.isfinite(errors[:4]).all()
    assert np.isnan(errors[4:]).all()
    assert np.isnan(trained).any()


@pytest.mark.parametrize("width", [6, 512])  # 512 numbers are 4096 bytes
@pytest.mark.parametrize("hidden", [2, 9])
def test_nan_in_a_sample_leaves_the_others_of_its_batch_alone(hidden, width):
    skip_without_compiler("numba")
    case = make_case((width, hidden, width), 0)
    X = images("dense", 1, 10, width)
    X[4] = np.nan
    _, errors = fused(case, X, np.arange(10), 1.0, 0.0, batch_size=10)
    np.testing.assert_array_equal(np.isnan(errors), np.arange(10) == 4)


@pytest.mark.skipif(os.environ.get("NUMBA_BOUNDSCHECK") != "1", reason="needs NUMBA_BOUNDSCHECK=1")
def test_an_index_out_of_range_raises_where_bounds_are_checked():
    """So a run of the suite with bounds checked proves that no kernel leaves its arrays."""
    case = make_case((6, 3, 6), 0)
    X = images("dense", 1, 10, 6)
    with pytest.raises(IndexError):
        fused(case, X, np.array([10]), 1.0, 0.0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("background", [0.0, 0.37])
@pytest.mark.parametrize("n_samples", [1, 7, 8, 9, 300])
@pytest.mark.parametrize("little", [-(10**5), 10**5], ids=["foreground", "all pixels"])
def test_propagation_equals_numpy_whatever_share_is_background(kind, background, n_samples, little):
    case = make_case((12, 9, 12), 3)
    X = images(kind, 4, n_samples, 12, background)
    expected = case.with_network(engine="numpy").network.propagate(X)
    with mock.patch.object(training, "_LITTLE_WORK", little):  # it would be much for 12 pixels
        output = kernels.propagate(case.network.parameters, (12, 9, 12), X)
    # Two sums of a dozen terms, each rounded to 1e-16.
    assert_close(output, expected, 1e-14)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_size", [1, 3, 200])
@pytest.mark.parametrize("backprop", ["exact", "raw_error"])
@pytest.mark.parametrize("hidden", [2, 9])
def test_memory_that_has_been_used_is_as_good_as_new(hidden, kind, batch_size, backprop):
    case = make_case((12, hidden, 12), 5, backprop=backprop)
    X = kernels.prepare(images(kind, 6, 300, 12, 0.37), 0.37)
    network, used = case.network, kernels.new_memory(case.network, X, batch_size)
    for rows in (np.arange(300), np.arange(7), np.arange(290, -1, -1)):
        arguments = network, network.parameters, X, rows, batch_size, 0.5
        for one, other in zip(
            kernels.train_batches(*arguments, None, used),
            kernels.train_batches(*arguments),
            strict=True,
        ):
            np.testing.assert_array_equal(one, other)

"""The compiled twins compute what `reference` says, and the fused training step too."""

from __future__ import annotations

import inspect
import os
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numeric import assert_close
from strategies import cases, make_case, seeds, skip_without_compiler

from ae_numpy import kernels, reference
from ae_numpy.engine import get_engine
from ae_numpy.training import train_batches

TWINS = sorted(reference.__all__)


# ------------------------------------------------------------------------------------ the twins


def arguments(function):
    """Names of the arguments; a Numba dispatcher keeps its Python function in `py_func`."""
    return list(inspect.signature(getattr(function, "py_func", function)).parameters)


def test_every_public_function_has_a_twin():
    # A training step has none in `reference`: it is made of the pieces, by `training`.
    assert set(kernels.__all__) - {"prepare", "propagate", "train_batches"} == set(TWINS)


@pytest.mark.parametrize("name", TWINS)
def test_twins_take_the_same_arguments(name):
    assert arguments(getattr(kernels, name)) == arguments(getattr(reference, name))


def twin_arguments(rng, name, B, I, O, dtype):
    """Arguments of a public function, for a batch of B, I inputs and O outputs."""
    x, W, b, dz, z, target = (
        rng.normal(size=shape).astype(dtype)
        for shape in ((B, I), (I, O), (O,), (B, O), (B, O), (B, O))
    )
    return {
        "matmul": (x, W),
        "sigmoid_forward": (3 * z,),
        "sigmoid_backward": (dz, 1 / (1 + np.exp(-z))),
        "dense_forward": (x, W, b),
        "dense_backward": (dz, x, W),
        "half_squared_error_forward": (z, target),
        "half_squared_error_backward": (z, target),
        "squared_errors": (z, target),
    }[name]


def results(engine, name, given):
    result = getattr(engine, name)(*given)
    return result if isinstance(result, tuple) else (result,)


# 20 inputs: kernels that take rows by four or by eight have a rest of every length.
dimensions = {
    "seed": seeds,
    "B": st.integers(1, 5),
    "I": st.integers(1, 20),
    "O": st.integers(1, 9),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", TWINS)
@given(**dimensions)
def test_twins_agree(name, dtype, seed, B, I, O):
    arrays = twin_arguments(np.random.default_rng(seed), name, B, I, O, dtype)
    copies = [array.copy() for array in arrays]
    # Sums of up to 45 products, added in another order. No rounding is larger than that of a sum
    # of the largest products there can be; four of them are reached when many add up.
    largest = max(1, *(np.abs(array).max() ** 2 for array in arrays))
    tolerance = 4 * np.finfo(dtype).eps * largest * max(I, O, B)
    for compiled, expected in zip(
        results(kernels, name, arrays), results(reference, name, arrays), strict=True
    ):
        assert np.shape(compiled) == np.shape(expected)
        assert compiled.dtype == expected.dtype
        assert np.abs(compiled - expected).max() <= tolerance
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("name", TWINS)
def test_twins_agree_on_arrays_that_are_not_contiguous(name):
    arrays = twin_arguments(np.random.default_rng(0), name, 5, 7, 3, "float64")
    strided = [np.repeat(array, 2, axis=-1)[..., ::2] for array in arrays]
    fortran = [np.asfortranarray(array) for array in arrays]
    for compiled, also, expected in zip(
        results(kernels, name, strided),
        results(kernels, name, fortran),
        results(reference, name, arrays),
        strict=True,
    ):
        assert_close(compiled, expected, 1e-14, name)  # a dozen roundings, no cancellation here
        assert_close(also, expected, 1e-14, name)


@pytest.mark.parametrize("name", TWINS)
def test_twins_return_new_arrays(name):
    arrays = twin_arguments(np.random.default_rng(0), name, 2, 3, 3, "float64")
    first, second = results(kernels, name, arrays), results(kernels, name, arrays)
    for result, again in zip(first, second, strict=True):
        assert not any(np.shares_memory(result, array) for array in arrays)
        assert not np.shares_memory(result, again)


# -------------------------------------------------------------------------------------- sigmoid


def grid(dtype):
    """Numbers of all magnitudes, densest where the sigmoid changes, and beyond its underflow."""
    end = 110 if dtype == "float32" else 760
    rng = np.random.default_rng(0)
    positive = np.concatenate(
        [np.linspace(0, end, 200_001), np.geomspace(1e-40, end, 50_001), rng.uniform(0, 20, 50_000)]
    )
    return np.concatenate([-positive, positive]).astype(dtype)


def exact_sigmoid(z):
    """In extended precision, with 11 bits to spare over float64."""
    e = np.exp(-np.abs(z.astype(np.longdouble)))
    return np.where(z >= 0, 1, e) / (1 + e)


def errors_in_ulp(a, z):
    """Errors in units of the distance between the numbers that the dtype has there."""
    exact = exact_sigmoid(z)
    return np.abs(a - exact) / np.spacing(exact.astype(z.dtype))


needs_extended_precision = pytest.mark.skipif(
    np.finfo(np.longdouble).nmant < 63, reason="longdouble is no wider than float64 here"
)


@needs_extended_precision
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_compiled_sigmoid_is_within_2_ulp(dtype):
    z = grid(dtype)
    a = kernels.sigmoid_forward(z)
    subnormal = (a > 0) & (a < np.finfo(dtype).tiny)
    assert subnormal.any()
    assert errors_in_ulp(a, z).max() <= 2


@needs_extended_precision
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_reference_sigmoid_is_within_4_ulp(dtype):
    # numpy's exp may be off by 2 ulp and more in float32; sum and quotient add a half each.
    z = grid(dtype)
    assert errors_in_ulp(reference.sigmoid_forward(z), z).max() <= 4


@pytest.mark.parametrize("engine", [kernels, reference])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sigmoid_of_extreme_numbers(engine, dtype):
    largest = np.finfo(dtype).max
    z = np.array([-np.inf, -largest, -1e4, -0.0, 0.0, 1e4, largest, np.inf], dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        a = engine.sigmoid_forward(z)
    np.testing.assert_array_equal(a, np.array([0, 0, 0, 0.5, 0.5, 1, 1, 1], dtype))


@pytest.mark.parametrize("engine", ["numba", "numpy"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("length", [1, 7, 64])  # vector instructions treat 4 to 16 at a time
def test_sigmoid_of_nan_is_nan_and_its_neighbours_do_not_notice(engine, dtype, length):
    skip_without_compiler(engine)
    z = np.zeros(length, dtype)
    z[length // 2] = np.nan
    a = get_engine(engine).sigmoid_forward(z)
    assert np.isnan(a[length // 2])
    np.testing.assert_array_equal(np.delete(a, length // 2), np.full(length - 1, 0.5, dtype))


@pytest.mark.parametrize("engine", [kernels, reference])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0, 3), (2, 3, 4)])
def test_sigmoid_keeps_the_shape(engine, shape):
    z = np.zeros(shape)
    assert np.shape(engine.sigmoid_forward(z)) == shape
    assert np.shape(engine.sigmoid_backward(z, z)) == shape


# ---------------------------------------------------------------------------- the training step


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
    # 21, 11 and 5 are no multiples of the 8 numbers that a register holds; 5 units are narrow.
    case = make_case((21, hidden, 6, 21), 1, bias=True, backprop=backprop)
    X = images(kind, 2, 40, 21, background)
    order = np.random.default_rng(3).permutation(40)
    assert_same_training(case, X, order, 0.5, background)


@pytest.mark.parametrize("backprop", ["exact", "raw_error"])
@pytest.mark.parametrize("batch_size", [1, 2, 3, 31, 32, 33, 64, 65, 97])
@pytest.mark.parametrize("n_samples", [1, 64, 66, 98])
@pytest.mark.parametrize("hidden", [2, 9])
def test_batches_of_any_size_equal_a_numpy_step_per_batch(hidden, n_samples, batch_size, backprop):
    # Around 32 samples, which go through the network together, and with last batches and last
    # parts of a batch that are a single sample. 70 outputs: four whole registers and a part.
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
def test_rows_of_4096_bytes_are_padded_and_trained_like_others(batch_size):
    case = make_case((7, 512, 7), 1, bias=True)
    X = images("mostly background", 2, 12, 7, 0.01)
    assert_same_training(case, X, np.arange(12), 0.05, 0.01, batch_size)


def test_the_most_frequent_value_is_taken_for_the_background():
    X = np.full((10, 4), 0.25)
    X[:, 0] = np.linspace(0, 1, 10)
    inputs = kernels.prepare(X)
    assert inputs.background == 0.25
    np.testing.assert_array_equal(inputs.starts, np.arange(11))
    np.testing.assert_array_equal(inputs.indices[:10], np.zeros(10))


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
    # Networks drawn at random are small: whether the first layer is narrow is drawn beside them.
    with mock.patch.object(kernels, "_NARROW", 1000 if narrow else 0):
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


@pytest.mark.skipif(os.environ.get("NUMBA_BOUNDSCHECK") != "1", reason="needs NUMBA_BOUNDSCHECK=1")
def test_an_index_out_of_range_raises_where_bounds_are_checked():
    """So a run of the suite with bounds checked proves that no kernel leaves its arrays."""
    case = make_case((6, 3, 6), 0)
    X = images("dense", 1, 10, 6)
    with pytest.raises(IndexError):
        fused(case, X, np.array([10]), 1.0, 0.0)

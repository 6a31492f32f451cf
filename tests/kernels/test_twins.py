"""The compiled twins compute what `reference` says."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numeric import assert_close
from strategies import seeds

from ae_numpy import kernels, reference

TWINS = sorted(reference.__all__)


def arguments(function):
    """Names of the arguments; a Numba dispatcher keeps its Python function in `py_func`."""
    return list(inspect.signature(getattr(function, "py_func", function)).parameters)


def test_every_public_function_has_a_twin():
    # Training has none in `reference`: it is made of the pieces.
    training = {"new_memory", "prepare", "propagate", "train_batches"}
    assert set(kernels.__all__) - training == set(TWINS)


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

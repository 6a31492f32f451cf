"""Both sigmoids are right to the last bits, for every number."""

from __future__ import annotations

import numpy as np
import pytest
from strategies import skip_without_compiler

from ae_numpy import kernels, reference
from ae_numpy.engine import get_engine


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

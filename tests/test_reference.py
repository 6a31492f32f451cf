"""The textbook page, compared with numbers worked out by hand and with its own doctests."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from numeric import COMPLEX_STEP

from ae_numpy import reference
from ae_numpy.reference import (
    dense_backward,
    dense_forward,
    half_squared_error_backward,
    half_squared_error_forward,
    matmul,
    sigmoid_backward,
    sigmoid_forward,
    squared_errors,
)

# Two samples, three inputs, two outputs. All numbers are small integers, so no sum is rounded.
x = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
W = np.array([[1.0, 2.0], [0.0, -1.0], [3.0, 1.0]])
b = np.array([10.0, 20.0])
dz = np.array([[1.0, -1.0], [2.0, 3.0]])


def test_examples_in_the_docstrings():
    result = doctest.testmod(reference)
    assert result.attempted >= 8
    assert result.failed == 0


def test_matmul():
    # 1*1 + 2*0 + 3*3 = 10, 1*2 - 2*1 + 3*1 = 3; 4*1 + 5*0 + 6*3 = 22, 4*2 - 5*1 + 6*1 = 9
    np.testing.assert_array_equal(matmul(x, W), [[10, 3], [22, 9]])


def test_dense_forward_adds_the_biases_to_every_sample():
    np.testing.assert_array_equal(dense_forward(x, W, b), [[20, 23], [32, 29]])


def test_dense_backward():
    dx, dW, db = dense_backward(dz, x, W)
    # dx[n, i] = dz[n] . W[i]: sample 0: 1-2, 0+1, 3-1; sample 1: 2+6, 0-3, 6+3
    np.testing.assert_array_equal(dx, [[-1, 1, 2], [8, -3, 9]])
    # dW[i, o] = x[0, i] dz[0, o] + x[1, i] dz[1, o]: 1+8, -1+12; 2+10, -2+15; 3+12, -3+18
    np.testing.assert_array_equal(dW, [[9, 11], [12, 13], [15, 15]])
    # db: 1+2, -1+3. A sum over the batch: the mean is taken once, by the loss.
    np.testing.assert_array_equal(db, [3, 2])


def test_half_squared_error():
    output, target = np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([[0.0, 4.0], [3.0, 2.0]])
    # Errors 1, -2; 0, 3. Squares, summed by sample: 5; 9. J = 14 / (2 * 2).
    np.testing.assert_array_equal(squared_errors(output, target), [5, 9])
    assert half_squared_error_forward(output, target) == 3.5
    np.testing.assert_array_equal(
        half_squared_error_backward(output, target), [[0.5, -1.0], [0.0, 1.5]]
    )


def test_sigmoid_of_simple_numbers():
    # 1 / (1 + exp(-log 3)) = 3/4; a few roundings of 1e-16
    z = np.log([1, 3, 1 / 3, 9])
    np.testing.assert_allclose(sigmoid_forward(z), [1 / 2, 3 / 4, 1 / 4, 9 / 10], rtol=1e-15)


def test_sigmoid_backward_is_the_derivative_at_simple_numbers():
    # da * a * (1 - a): 1 * 1/4; 2 * 3/16; -4 * 3/16
    da, a = np.array([1, 2, -4.0]), np.array([1 / 2, 3 / 4, 1 / 4])
    np.testing.assert_array_equal(sigmoid_backward(da, a), [1 / 4, 3 / 8, -3 / 4])


@pytest.mark.parametrize("z", [-30.0, -5.0, -1e-3, 0.0, 1e-3, 5.0, 30.0])
def test_complex_step_looks_through_the_sigmoid_in_both_branches(z):
    a = sigmoid_forward(np.array([complex(z, COMPLEX_STEP)]))
    exact = np.exp(-abs(z)) / (1 + np.exp(-abs(z))) ** 2  # sigmoid'(z), which is even
    assert a.imag[0] / COMPLEX_STEP == pytest.approx(exact, rel=1e-14, abs=0)  # a few roundings


@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble", "complex128"])
def test_every_function_keeps_the_dtype(dtype):
    xd, Wd, bd, dzd = (array.astype(dtype) for array in (x, W, b, dz))
    results = [
        matmul(xd, Wd),
        sigmoid_forward(dzd),
        sigmoid_backward(dzd, dzd),
        dense_forward(xd, Wd, bd),
        *dense_backward(dzd, xd, Wd),
        half_squared_error_forward(dzd, dzd + 1),
        half_squared_error_backward(dzd, dzd + 1),
        squared_errors(dzd, dzd + 1),
    ]
    assert {result.dtype for result in results} == {np.dtype(dtype)}

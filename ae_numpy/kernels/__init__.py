"""The compiled twins of `reference`, and the training that is made of their pieces.

The public functions have the names, arguments and results of those in ``reference.py``, which
says what they mean. The private ones are their pieces: they fill matrices that the caller owns,
and each names its twin. `train_batches` puts the pieces together.

A kernel is dumb on purpose: arrays and numbers in, filled arrays out. It checks nothing, not even
bounds; whoever calls it has checked. All jitted code of the package stands in this file, because
Numba's cache does not notice that a function changed in another one.

Three things make training fast, each explained where it stands: sums stay in vector registers
("lanes", at the end of the file); the background of images is not multiplied ("background"); and
with a batch of one, gradient and update are one pass over the weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils, config
from numba.extending import intrinsic, models, register_model
from numba.np.arrayobj import populate_array

from ae_numpy.kernels.cache import keep

__all__ = [
    "dense_backward",
    "dense_forward",
    "half_squared_error_backward",
    "half_squared_error_forward",
    "matmul",
    "prepare",
    "propagate",
    "sigmoid_backward",
    "sigmoid_forward",
    "squared_errors",
    "train_batches",
]

# What the compiler may do with floating-point numbers, a reason for each. Never "nnan" or "ninf":
# they would let it assume that there is no NaN, and a diverging training would go unnoticed.
_ELEMENTWISE = {
    "contract",  # a * b + c in one instruction, rounded once: faster and more accurate
    "nsz",  # 0 and -0 are as good as each other: lets select instructions replace branches
}
_SUMS = _ELEMENTWISE | {
    "reassoc",  # add in another order: without it no sum could use vector instructions
}


def _compile(fastmath: set[str], **options: Any) -> Callable:
    """Return the decorator that compiles with these floating-point flags."""
    options |= {
        "fastmath": fastmath,
        "error_model": "numpy",  # a division by zero gives inf, and costs no check in the loop
        # Kernels own no memory. Without reference counts a view is free: a step on one sample makes
        # about fifty of them, which would take a tenth of its time at two hidden units.
        "_nrt": False,
    }
    compiled = numba.njit(**options)
    return lambda function: keep(compiled(function))


_elementwise = _compile(_ELEMENTWISE, forceinline=True)
_sums = _compile(_SUMS, forceinline=True)
_stage = _compile(_SUMS)  # called once per tile: compiled for itself, not into its caller
_view = _compile(_ELEMENTWISE, inline="always")  # may return a view, for want of reference counts

# ------------------------------------------------------------------------------------- sigmoid

# exp(r) = sum of r**k / k!. For |r| <= log(2) / 2 the first term left out is below a tenth of the
# last bit when the sum ends with k = 7 (float32) or k = 13 (float64).
_EXP_TAYLOR = tuple(1 / math.factorial(k) for k in range(14))
_LOG2_E = 1 / math.log(2)


@_elementwise
def _sigmoid_forward(z, a, bits):
    """Twin of sigmoid_forward; `bits` is scratch of z's size, an integer type of its width.

    ``np.exp`` inside a loop is a call per entry. This exponential is arithmetic alone, so that the
    compiler can treat 8 or 16 entries at a time: with t = -|z| and n the integer nearest to
    t / log(2), exp(t) = 2**n * exp(r) where r = t - n log(2) is small enough for Taylor's series.
    """
    real, integer = z.dtype.type, bits.dtype.type
    power = bits.view(z.dtype)
    one, half = real(1), real(0.5)
    single = np.finfo(z.dtype).bits == 32
    degree = 7 if single else 13
    underflow = real(-104 if single else -746)  # exp of anything below rounds to 0
    # log(2) in two parts, the first with so few digits that n times it is exact (Cody and Waite,
    # Software Manual for the Elementary Functions, 1980, chapter 6).
    log2_high = real(0.693359375 if single else 0.6931471803691238)
    log2_low = real(-2.12194440e-4 if single else 1.9082149292705877e-10)
    # An IEEE number whose bits are (k + exponent_bias) << mantissa_bits is 2**k.
    mantissa_bits = integer(23 if single else 52)
    exponent_bias = integer(127 if single else 1023)

    for j in range(z.size):
        t = -abs(z[j])
        t = underflow if t < underflow else t  # in this order, because NaN must stay NaN
        n = np.floor(t * real(_LOG2_E) + half)
        r = (t - n * log2_high) - n * log2_low
        p = real(_EXP_TAYLOR[degree])
        for k in range(degree - 1, 1, -1):
            p = p * r + real(_EXP_TAYLOR[k])
        exp_r = one + (r + r * r * p)
        # 2**n may be too small to be a normal number. So: 2**n = 2**k * 2**k * (1 or 2).
        k = np.floor(half * n)
        bits[j] = (integer(k) + exponent_bias) << mantissa_bits
        a[j] = exp_r * (one + (n - (k + k)))

    for j in range(z.size):
        e = a[j] * power[j] * power[j]
        s = one + e
        y = (one if z[j] >= 0 else e) / s
        # The sum has dropped this much of e; putting it back holds the error below 2 ulp.
        dropped = e - (s - one)
        a[j] = y - y * dropped * (y if z[j] >= 0 else one - y)


def sigmoid_forward(z):
    """Twin of `reference.sigmoid_forward`.

    Examples
    --------
    >>> sigmoid_forward(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    z = np.asarray(z, order="C")
    a = np.empty_like(z)
    _sigmoid_forward(z.reshape(-1), a.reshape(-1), _integer_scratch(z.size, z.dtype))
    return a


def _integer_scratch(size, dtype):
    """Return uninitialised integers as wide as the floating-point numbers of `dtype`."""
    return np.empty(size, np.dtype(f"i{dtype.itemsize}"))


@_elementwise
def _sigmoid_backward(da, a, dz):
    """Twin of sigmoid_backward."""
    one = a.dtype.type(1)  # the integer 1 would turn float32 into float64
    for j in range(a.size):
        dz[j] = da[j] * a[j] * (one - a[j])


def sigmoid_backward(da, a):
    """Twin of `reference.sigmoid_backward`.

    Examples
    --------
    >>> sigmoid_backward(np.array([2.0]), np.array([0.5]))
    array([0.5])
    """
    da, a = np.asarray(da, order="C"), np.asarray(a, order="C")
    dz = np.empty_like(a)
    _sigmoid_backward(da.reshape(-1), a.reshape(-1), dz.reshape(-1))
    return dz


# --------------------------------------------------------------------------------- dense layer
#
# Matrices here have rows of whole lanes: a width that is no multiple of 16 (float32) or 8
# (float64) is padded with zeros, which stay zero.


@_sums
def _add_matmul(a, b, out):
    """Add a @ b to out: the twin of matmul. b and out have rows of whole lanes; a may be larger.

    An entry of a meets a whole row of b, so the product is a sum of rows of b. It is built in
    registers, for two rows and four lanes of out at a time: as many sums as it takes to keep the
    multipliers busy, while each piece of b that is read serves two rows. Lanes that are left over
    have more rows at a time instead.
    """
    lanes = _lanes_in(b)
    four = 4 * lanes
    whole = b.shape[1] // four * four
    for j in range(0, whole, four):
        m = 0
        while m + 2 <= out.shape[0]:
            _add_rows(a, b, out, m, j)
            m += 2
        if m < out.shape[0]:
            _add_row(a, b, out, m, j)
    j = whole
    while j + 2 * lanes <= b.shape[1]:
        m = 0
        while m + 4 <= out.shape[0]:
            _add_two_lanes_of_rows(a, b, out, m, j)
            m += 4
        while m < out.shape[0]:
            _add_lane(a, b, out, m, j)
            _add_lane(a, b, out, m, j + lanes)
            m += 1
        j += 2 * lanes
    if j < b.shape[1]:
        m = 0
        while m + 4 <= out.shape[0]:
            _add_lane_of_rows(a, b, out, m, j)
            m += 4
        while m < out.shape[0]:
            _add_lane(a, b, out, m, j)
            m += 1


@_sums
def _add_rows(a, b, out, m, j):
    """Add to four lanes of two rows of out."""
    s0, s1 = _load(out, m, j, 0), _load(out, m, j, 1)
    s2, s3 = _load(out, m, j, 2), _load(out, m, j, 3)
    t0, t1 = _load(out, m + 1, j, 0), _load(out, m + 1, j, 1)
    t2, t3 = _load(out, m + 1, j, 2), _load(out, m + 1, j, 3)
    for k in range(b.shape[0]):
        u, v = _splat(a[m, k]), _splat(a[m + 1, k])
        b0, b1 = _load(b, k, j, 0), _load(b, k, j, 1)
        b2, b3 = _load(b, k, j, 2), _load(b, k, j, 3)
        s0, s1 = _fma(u, b0, s0), _fma(u, b1, s1)
        s2, s3 = _fma(u, b2, s2), _fma(u, b3, s3)
        t0, t1 = _fma(v, b0, t0), _fma(v, b1, t1)
        t2, t3 = _fma(v, b2, t2), _fma(v, b3, t3)
    _store(out, m, j, 0, s0)
    _store(out, m, j, 1, s1)
    _store(out, m, j, 2, s2)
    _store(out, m, j, 3, s3)
    _store(out, m + 1, j, 0, t0)
    _store(out, m + 1, j, 1, t1)
    _store(out, m + 1, j, 2, t2)
    _store(out, m + 1, j, 3, t3)


@_sums
def _add_row(a, b, out, m, j):
    """Add to four lanes of one row of out."""
    s0, s1 = _load(out, m, j, 0), _load(out, m, j, 1)
    s2, s3 = _load(out, m, j, 2), _load(out, m, j, 3)
    for k in range(b.shape[0]):
        u = _splat(a[m, k])
        s0, s1 = _fma(u, _load(b, k, j, 0), s0), _fma(u, _load(b, k, j, 1), s1)
        s2, s3 = _fma(u, _load(b, k, j, 2), s2), _fma(u, _load(b, k, j, 3), s3)
    _store(out, m, j, 0, s0)
    _store(out, m, j, 1, s1)
    _store(out, m, j, 2, s2)
    _store(out, m, j, 3, s3)


@_sums
def _add_two_lanes_of_rows(a, b, out, m, j):
    """Add to two lanes of four rows of out."""
    s0, t0 = _load(out, m, j, 0), _load(out, m, j, 1)
    s1, t1 = _load(out, m + 1, j, 0), _load(out, m + 1, j, 1)
    s2, t2 = _load(out, m + 2, j, 0), _load(out, m + 2, j, 1)
    s3, t3 = _load(out, m + 3, j, 0), _load(out, m + 3, j, 1)
    for k in range(b.shape[0]):
        b0, b1 = _load(b, k, j, 0), _load(b, k, j, 1)
        u0, u1 = _splat(a[m, k]), _splat(a[m + 1, k])
        u2, u3 = _splat(a[m + 2, k]), _splat(a[m + 3, k])
        s0, t0 = _fma(u0, b0, s0), _fma(u0, b1, t0)
        s1, t1 = _fma(u1, b0, s1), _fma(u1, b1, t1)
        s2, t2 = _fma(u2, b0, s2), _fma(u2, b1, t2)
        s3, t3 = _fma(u3, b0, s3), _fma(u3, b1, t3)
    _store(out, m, j, 0, s0)
    _store(out, m, j, 1, t0)
    _store(out, m + 1, j, 0, s1)
    _store(out, m + 1, j, 1, t1)
    _store(out, m + 2, j, 0, s2)
    _store(out, m + 2, j, 1, t2)
    _store(out, m + 3, j, 0, s3)
    _store(out, m + 3, j, 1, t3)


@_sums
def _add_lane_of_rows(a, b, out, m, j):
    """Add to one lane of four rows of out."""
    s0, s1 = _load(out, m, j, 0), _load(out, m + 1, j, 0)
    s2, s3 = _load(out, m + 2, j, 0), _load(out, m + 3, j, 0)
    for k in range(b.shape[0]):
        b0 = _load(b, k, j, 0)
        s0, s1 = _fma(_splat(a[m, k]), b0, s0), _fma(_splat(a[m + 1, k]), b0, s1)
        s2, s3 = _fma(_splat(a[m + 2, k]), b0, s2), _fma(_splat(a[m + 3, k]), b0, s3)
    _store(out, m, j, 0, s0)
    _store(out, m + 1, j, 0, s1)
    _store(out, m + 2, j, 0, s2)
    _store(out, m + 3, j, 0, s3)


@_sums
def _add_lane(a, b, out, m, j):
    """Add to one lane of one row of out; four sums, because each has to wait for its last term."""
    s0 = _load(out, m, j, 0)
    s1 = s2 = s3 = _splat(out.dtype.type(0))
    k = 0
    while k + 4 <= b.shape[0]:
        s0 = _fma(_splat(a[m, k]), _load(b, k, j, 0), s0)
        s1 = _fma(_splat(a[m, k + 1]), _load(b, k + 1, j, 0), s1)
        s2 = _fma(_splat(a[m, k + 2]), _load(b, k + 2, j, 0), s2)
        s3 = _fma(_splat(a[m, k + 3]), _load(b, k + 3, j, 0), s3)
        k += 4
    while k < b.shape[0]:
        s0 = _fma(_splat(a[m, k]), _load(b, k, j, 0), s0)
        k += 1
    _store(out, m, j, 0, _add(_add(s0, s1), _add(s2, s3)))


@_sums
def _matmul_transposed(a, b, out):
    """Put a @ b.T into out, the way back through a layer: twin of matmul.

    Rows of a and b have whole lanes. Four rows of b serve all rows of a while they are in the
    nearest cache, and share the reading of each.
    """
    lanes = _lanes_in(b)
    zero = _splat(b.dtype.type(0))
    i = 0
    while i + 4 <= b.shape[0]:
        for m in range(a.shape[0]):
            s0 = s1 = s2 = s3 = zero
            for j in range(0, b.shape[1], lanes):
                u = _load(a, m, j, 0)
                s0, s1 = _fma(u, _load(b, i, j, 0), s0), _fma(u, _load(b, i + 1, j, 0), s1)
                s2, s3 = _fma(u, _load(b, i + 2, j, 0), s2), _fma(u, _load(b, i + 3, j, 0), s3)
            out[m, i], out[m, i + 1] = _total(s0), _total(s1)
            out[m, i + 2], out[m, i + 3] = _total(s2), _total(s3)
        i += 4
    while i < b.shape[0]:
        for m in range(a.shape[0]):
            s0 = zero
            for j in range(0, b.shape[1], lanes):
                s0 = _fma(_load(a, m, j, 0), _load(b, i, j, 0), s0)
            out[m, i] = _total(s0)
        i += 1


def matmul(a, b):
    """Twin of `reference.matmul`.

    Examples
    --------
    >>> matmul(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    array([[11.]])
    """
    padded = _whole_lanes(b)
    out = np.zeros((a.shape[0], padded.shape[1]), b.dtype)
    _add_matmul(a, padded, out)
    return out if padded is b else np.ascontiguousarray(out[:, : b.shape[1]])


def _whole_lanes(a):
    """Return a with zeros at the end of its rows, if they are no whole lanes; else a itself."""
    lanes = 64 // a.itemsize
    width = -(-a.shape[1] // lanes) * lanes
    if width == a.shape[1] and a.flags.c_contiguous:
        return a
    padded = np.zeros((a.shape[0], width), a.dtype)
    padded[:, : a.shape[1]] = a
    return padded


def dense_forward(x, W, b):
    """Twin of `reference.dense_forward`.

    Examples
    --------
    >>> dense_forward(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]), np.array([0.5]))
    array([[11.5]])
    """
    z = matmul(x, W)
    z += b
    return z


def dense_backward(dz, x, W):
    """Twin of `reference.dense_backward`.

    Examples
    --------
    >>> dense_backward(np.array([[1.0]]), np.array([[2.0]]), np.array([[3.0]]))
    (array([[3.]]), array([[2.]]), array([1.]))
    """
    return matmul(dz, W.T), matmul(x.T, dz), dz.sum(axis=0)


@_sums
def _dense_backward_and_update(dz, x, W, carried, dx):
    """Twin of dense_backward for one sample, with the update ``W += dW`` in the same pass.

    dx is the product of the rows of W with `carried`: dz itself, or the raw error. Training on one
    sample at a time is bound by the reading of W from the cache. So a row is read once, serves dx
    as it was before the step, and is written back changed.
    """
    lanes = _lanes_in(W)
    four = 4 * lanes
    whole = W.shape[1] // four * four
    zero = _splat(W.dtype.type(0))
    for i in range(W.shape[0]):
        v = _splat(x[0, i])
        s0 = s1 = s2 = s3 = zero
        for j in range(0, whole, four):
            w0, w1 = _load(W, i, j, 0), _load(W, i, j, 1)
            w2, w3 = _load(W, i, j, 2), _load(W, i, j, 3)
            s0, s1 = _fma(w0, _load(carried, 0, j, 0), s0), _fma(w1, _load(carried, 0, j, 1), s1)
            s2, s3 = _fma(w2, _load(carried, 0, j, 2), s2), _fma(w3, _load(carried, 0, j, 3), s3)
            _store(W, i, j, 0, _fma(v, _load(dz, 0, j, 0), w0))
            _store(W, i, j, 1, _fma(v, _load(dz, 0, j, 1), w1))
            _store(W, i, j, 2, _fma(v, _load(dz, 0, j, 2), w2))
            _store(W, i, j, 3, _fma(v, _load(dz, 0, j, 3), w3))
        for j in range(whole, W.shape[1], lanes):
            w0 = _load(W, i, j, 0)
            s0 = _fma(w0, _load(carried, 0, j, 0), s0)
            _store(W, i, j, 0, _fma(v, _load(dz, 0, j, 0), w0))
        dx[0, i] = _total(_add(_add(s0, s1), _add(s2, s3)))


@_elementwise
def _add_bias_gradient(dz, mask, db):
    """Add the sum of dz over samples to db where the mask allows; elsewhere db keeps its bits."""
    for n in range(dz.shape[0]):
        for j in range(db.size):
            if mask[j]:
                db[j] += dz[n, j]


# ---------------------------------------------------------------------- half the squared error


@_sums
def _half_squared_error_backward(output, target, scale, doutput):
    """Twin of half_squared_error_backward for one sample; returns its squared error."""
    squared_error = output.dtype.type(0)
    for j in range(target.size):
        error = output[j] - target[j]
        squared_error += error * error
        doutput[j] = error * scale
    return squared_error


@_sums
def _half_squared_errors_backward(output, target, scale, doutput, squared_errors):
    """Twin of half_squared_error_backward; fills the squared error of each sample, too."""
    for n in range(len(output)):
        squared_errors[n] = _half_squared_error_backward(output[n], target[n], scale, doutput[n])


def half_squared_error_backward(output, target):
    """Twin of `reference.half_squared_error_backward`.

    Examples
    --------
    >>> half_squared_error_backward(np.array([[1.0, 2.0]]), np.array([[0.0, 0.5]]))
    array([[1. , 1.5]])
    """
    doutput, errors = np.empty_like(output), np.empty(len(output), output.dtype)
    _half_squared_errors_backward(
        output, target, output.dtype.type(1 / len(output)), doutput, errors
    )
    return doutput


def squared_errors(output, target):
    """Twin of `reference.squared_errors`.

    Examples
    --------
    >>> squared_errors(np.array([[1.0, 2.0]]), np.array([[0.0, 0.0]]))
    array([5.])
    """
    errors = np.empty(len(output), output.dtype)
    _half_squared_errors_backward(
        output, target, output.dtype.type(1), np.empty_like(output), errors
    )
    return errors


def half_squared_error_forward(output, target):
    """Twin of `reference.half_squared_error_forward`.

    Examples
    --------
    >>> float(half_squared_error_forward(np.array([[1.0, 2.0]]), np.array([[0.0, 0.0]])))
    2.5
    """
    return squared_errors(output, target).sum() / (2 * len(output))


# ----------------------------------------------------------------------------------- background
#
# Most of an image is background: of MNIST's pixels 80 % have one and the same value, g. With x the
# input and W the first layer's weights, x @ W = g * (sum of the rows of W) + sum over the other
# pixels, the foreground, of (x[i] - g) * W[i]. This is exact, and only the rows of the foreground
# are read.
#
# The update W[i] -= rate * x[i] * dz splits in the same way: every row loses rate * g * dz, and the
# foreground's rows lose rate * (x[i] - g) * dz more. What every row loses is kept in one vector,
# `shift`: the true weights are W + shift. `row_sum` is the sum of the true rows.
#
# A layer of few units is "narrow". Its rows would be mostly padding, and to find the foreground's
# would cost more than it saves. So it is kept transposed, a row for each unit, as long as x, and
# these rows are read and updated from end to end, background or not. `shift` and `row_sum` are
# empty then.


class Inputs(NamedTuple):
    """Samples, and where their foreground is.

    Attributes
    ----------
    X : array, shape (n_samples, n_features)
    background : float
        The value that all other pixels have.
    starts : int64 array, shape (n_samples + 1,)
    indices : uint16 or uint32 array, shape (all foreground pixels + 1,)
        ``indices[starts[n]:starts[n + 1]]`` are the pixels of sample n that are foreground.

    Examples
    --------
    >>> inputs = prepare(np.array([[0.0, 0.5, 0.0], [0.0, 0.0, 1.0]]))
    >>> inputs.indices[inputs.starts[1] : inputs.starts[2]]
    array([2], dtype=uint16)
    """

    X: np.ndarray
    background: np.floating
    starts: np.ndarray
    indices: np.ndarray


def prepare(X, background=None):
    """Find the foreground of samples, once for all epochs.

    Parameters
    ----------
    X : array, shape (n_samples, n_features)
    background : float, optional
        The most frequent value in the first hundred samples unless given. Any value is right; it
        decides how many pixels are foreground, and with that how long training takes.

    Returns
    -------
    Inputs

    Examples
    --------
    >>> inputs = prepare(np.array([[0.0, 0.5, 0.0], [0.0, 0.0, 1.0]]))
    >>> float(inputs.background), inputs.starts
    (0.0, array([0, 1, 2]))
    """
    if background is None:
        values, counts = np.unique(X[:100], return_counts=True)
        background = values[np.argmax(counts)]
    background = X.dtype.type(background)
    starts = np.zeros(len(X) + 1, np.int64)
    _count_foreground(X, background, starts)
    # One more than there are, because the search writes before it knows whether to keep.
    indices = np.empty(starts[-1] + 1, np.uint16 if X.shape[1] < 2**16 else np.uint32)
    _find_foreground(X, background, starts, indices)
    return Inputs(X, background, starts, indices)


@_elementwise
def _count_foreground(X, background, starts):
    """Fill `starts`."""
    for n in range(X.shape[0]):
        count = np.int32(0)
        for i in range(X.shape[1]):
            count += np.int32(X[n, i] != background)
        starts[n + 1] = starts[n] + count


@_elementwise
def _find_foreground(X, background, starts, indices):
    """Fill `indices`."""
    for n in range(X.shape[0]):
        end = starts[n]
        for i in range(X.shape[1]):
            indices[end] = i  # always written, only sometimes kept: no branch to mispredict
            end += X[n, i] != background


@_sums
def _foreground_values(x, background, foreground, values):
    """Put what the foreground has above the background into `values`; returns the sum."""
    total = x.dtype.type(0)
    for k in range(foreground.size):
        value = x[foreground[k]] - background
        values[k] = value
        total += value
    return total


@_sums
def _add_foreground_product(values, foreground, W, z, m):
    """Add (x - background) @ W to row m of z, reading the rows of the foreground: twin of matmul.

    Four sums, because each has to wait for its last term.
    """
    for j in range(0, W.shape[1], _lanes_in(W)):
        s0 = _load(z, m, j, 0)
        s1 = s2 = s3 = _splat(z.dtype.type(0))
        k = 0
        while k + 4 <= foreground.size:
            s0 = _fma(_splat(values[k]), _load(W, foreground[k], j, 0), s0)
            s1 = _fma(_splat(values[k + 1]), _load(W, foreground[k + 1], j, 0), s1)
            s2 = _fma(_splat(values[k + 2]), _load(W, foreground[k + 2], j, 0), s2)
            s3 = _fma(_splat(values[k + 3]), _load(W, foreground[k + 3], j, 0), s3)
            k += 4
        while k < foreground.size:
            s0 = _fma(_splat(values[k]), _load(W, foreground[k], j, 0), s0)
            k += 1
        _store(z, m, j, 0, _add(_add(s0, s1), _add(s2, s3)))


@_sums
def _add_foreground_outer(values, foreground, dz, m, W):
    """Add the outer product of (x - background) and row m of dz to W: twin of matmul."""
    for k in range(foreground.size):
        i = foreground[k]
        v = _splat(values[k])
        for j in range(0, W.shape[1], _lanes_in(W)):
            _store(W, i, j, 0, _fma(v, _load(dz, m, j, 0), _load(W, i, j, 0)))


# ------------------------------------------------------------------------------------- training

# So many samples of a batch go through the network together: their activations stay in the cache,
# however large the batch is.
_TILE = 32

# A first layer of so many units or fewer is narrow (see "background"): at 784 inputs, 80 % of them
# background, a step takes as long either way at 8 units, and 0.7 of the time at 2.
_NARROW = 8


def train_batches(network, parameters, X, rows, batch_size, rate, target=None):
    """Take a gradient step after each batch: the twin of `training.train_batches`.

    Parameters
    ----------
    network : object
        Its `layer_sizes` (L + 1 numbers), `bias_mask` (bool array, which of the biases are
        trained) and `backprop` are read.
    parameters : array, shape (P,)
        As `Network` lays them out. Not changed.
    X : Inputs
        What `prepare` has made of the samples.
    rows : int64 array, shape (n,)
        The samples to train on, in this order.
    batch_size : int
        How many make a batch; the last one may be shorter.
    rate : float
        Learning rate.
    target : Inputs, optional
        What `prepare` has made of the targets, of whatever values: X unless given.

    Returns
    -------
    parameters : array, shape (P,)
        The trained parameters.
    squared_errors : array, shape (n,)
        Squared error of each sample, before the step that was taken on it.

    Examples
    --------
    >>> from ae_numpy import Network
    >>> network, X = Network((2, 1, 2)), prepare(np.array([[1.0, 0.0]]))
    >>> parameters, errors = train_batches(network, np.zeros(7), X, np.array([0]), 1, 0.5)
    >>> parameters[-2:].tolist(), errors.tolist()
    ([0.0625, -0.0625], [0.5])
    """
    model = _pack(parameters, network.layer_sizes, network.bias_mask, _is_narrow(network))
    # A batch of several tiles has its gradient added up aside; any other changes the model itself.
    gradient = _zeros_like(model) if batch_size > _TILE else model
    with np.errstate(over="ignore"):  # a rate that is infinite in float32 makes the errors NaN
        rate = parameters.dtype.type(rate)
    errors = np.empty(len(rows), parameters.dtype)
    scratch = _new_scratch(model, min(_TILE, batch_size))
    targets = (X if target is None else target).X
    raw_error = network.backprop == "raw_error"
    _train(model, gradient, X, targets, rows, batch_size, rate, raw_error, scratch, errors)
    return _unpack(model), errors


def _is_narrow(network):
    """Return whether the first layer is kept transposed (see "background")."""
    return network.layer_sizes[1] <= _NARROW


def propagate(parameters, layer_sizes, X):
    """Pass samples through all layers: the last entry of `Network.forward`.

    Parameters
    ----------
    parameters : array, shape (P,)
        As `Network` lays them out.
    layer_sizes : sequence of int
    X : array, shape (n_samples, layer_sizes[0])

    Returns
    -------
    array, shape (n_samples, layer_sizes[-1])

    Examples
    --------
    >>> propagate(np.zeros(7, np.float32), (2, 1, 2), np.ones((1, 2), np.float32))
    array([[0.5, 0.5]], dtype=float32)
    """
    none_trained = np.zeros(sum(layer_sizes[1:]), bool)
    model = _pack(parameters, layer_sizes, none_trained, narrow=False)
    output = np.empty((len(X), layer_sizes[-1]), parameters.dtype)
    _propagate(model, X, _new_scratch(model, _TILE), output)
    return output


class _Model(NamedTuple):
    """A working copy of a network's parameters, or of a gradient, in rows of whole lanes."""

    sizes: np.ndarray  # (L + 1,) units of the input and of each layer
    widths: np.ndarray  # (L + 1,) the same, rounded up to whole lanes
    shapes: np.ndarray  # (L, 2) rows and columns of each layer's W, as it is kept
    narrow: bool  # whether the first layer's W is kept transposed
    weights: np.ndarray  # the layers' W, one after another
    biases: np.ndarray  # the layers' b, each of widths[l + 1]
    bias_mask: np.ndarray  # of the shape of `biases`
    shift: np.ndarray  # (widths[1],) what is to be added to every row of the first layer's W
    row_sum: np.ndarray  # (widths[1],) the sum of its rows, the shift included; or both are empty


class _Scratch(NamedTuple):
    """Memory for what the samples of a tile make on their way: a number per sample and unit."""

    z: np.ndarray
    a: np.ndarray
    da: np.ndarray
    dz: np.ndarray
    bits: np.ndarray
    values: np.ndarray


@_stage
def _train(
    model, gradient, inputs, targets, rows, batch_size, rate, raw_error, scratch, squared_errors
):
    """Take a gradient step after each batch."""
    tile = scratch.a.size // model.biases.size
    in_place = batch_size <= tile  # then `gradient` is the model
    _sum_rows(_weights(model, 0), model.row_sum)
    for start in range(0, rows.size, batch_size):
        batch = rows[start : start + batch_size]
        step = -rate / model.weights.dtype.type(batch.size)
        scale = step if in_place else model.weights.dtype.type(1)
        for first in range(0, batch.size, tile):
            part = batch[first : first + tile]
            errors = squared_errors[start + first : start + first + part.size]
            _forward(model, inputs, part, scratch)
            _fetch_samples(inputs.X, rows[start + first + part.size :][:tile])  # what comes next
            _output_error(model, targets, part, scratch, scale, errors)
            _backward(model, inputs, part, raw_error, scratch, gradient, in_place)
        if not in_place:
            _update(model, step, gradient)
    # What was kept aside is folded in, so that a chunk begins and ends with plain weights.
    _add_to_rows(model.shift, _weights(model, 0))


@_elementwise
def _fetch_samples(X, rows):
    """Ask for samples before their turn, which the machine cannot guess if they are shuffled.

    At batch size 1 the memory then works while the kernels do, which saves up to a tenth of a step.
    """
    for n in range(rows.size):
        x = X[rows[n]]
        for i in range(0, x.size, _lanes_in(X)):
            _fetch(x, i)


@_stage
def _propagate(model, X, scratch, output):
    """Pass samples through all layers, a tile at a time."""
    tile, last = scratch.a.size // model.biases.size, model.sizes.size - 2
    for first in range(0, X.shape[0], tile):
        x = X[first : first + tile]
        for layer in range(last + 1):
            z, a = _units(model, scratch.z, layer, x), _units(model, scratch.a, layer, x)
            _fill_rows(_biases(model, model.biases, layer), z)
            if layer == 0:
                _add_matmul(x, _weights(model, layer), z)
            else:
                _add_matmul(_units(model, scratch.a, layer - 1, x), _weights(model, layer), z)
            _sigmoid_forward(_flat(z), _flat(a), scratch.bits)
        a = _units(model, scratch.a, last, x)
        for n in range(x.shape[0]):
            for j in range(output.shape[1]):
                output[first + n, j] = a[n, j]


@_stage
def _forward(model, inputs, rows, scratch):
    """Pass the samples of a tile through all layers: the twin of `Network.forward`."""
    for layer in range(model.sizes.size - 1):
        b = _biases(model, model.biases, layer)
        z, a = _units(model, scratch.z, layer, rows), _units(model, scratch.a, layer, rows)
        if layer == 0 and model.narrow:
            _narrow_product(inputs.X, rows, _weights(model, 0), b, z)
        elif layer == 0:
            _first_product(model, inputs, rows, b, scratch.values, z)
        else:
            _fill_rows(b, z)
            _add_matmul(_units(model, scratch.a, layer - 1, rows), _weights(model, layer), z)
        _sigmoid_forward(_flat(z), _flat(a), scratch.bits)


@_stage
def _output_error(model, targets, rows, scratch, scale, squared_errors):
    """Put `scale` times the error of a tile into da of the last layer; fill squared errors."""
    last = model.sizes.size - 2
    a, da = _units(model, scratch.a, last, rows), _units(model, scratch.da, last, rows)
    for n in range(rows.size):
        target = targets[rows[n]]
        squared_errors[n] = _half_squared_error_backward(a[n], target, scale, da[n])


@_stage
def _backward(model, inputs, rows, raw_error, scratch, gradient, in_place):
    """Pass the error of a tile back through all layers: the twin of `Network.backward`.

    Adds the gradient, summed over the samples and scaled as the error is, to `gradient`: the model
    itself if `in_place`. A layer's weights are changed after the error has passed through them.
    Everything below the error is linear in it, so it is enough to scale the error.
    """
    last = model.sizes.size - 2
    for layer in range(last, -1, -1):
        a, da = _units(model, scratch.a, layer, rows), _units(model, scratch.da, layer, rows)
        dz = _units(model, scratch.dz, layer, rows)
        _sigmoid_backward(_flat(da), _flat(a), _flat(dz))
        if layer == 0 and model.narrow:
            _add_narrow_gradient(inputs.X, rows, dz, _weights(gradient, 0))
        elif layer == 0:
            _add_first_gradient(inputs, rows, dz, scratch.values, _weights(gradient, 0), gradient)
        else:
            W, x = _weights(model, layer), _units(model, scratch.a, layer - 1, rows)
            dx = _units(model, scratch.da, layer - 1, rows)
            carried = da if raw_error else dz
            if in_place and rows.size == 1:
                _dense_backward_and_update(dz, x, W, carried, dx)
            else:
                _matmul_transposed(carried, W, dx)
                _add_matmul(x.T, dz, _weights(gradient, layer))
        db = _biases(gradient, gradient.biases, layer)
        _add_bias_gradient(dz, _biases(model, model.bias_mask, layer), db)


@_sums
def _first_product(model, inputs, rows, b, values, z):
    """Put x @ W + b of the first layer into z: twin of dense_forward."""
    g = inputs.background
    for n in range(rows.size):
        foreground = _foreground(inputs, rows[n])
        total = _foreground_values(inputs.X[rows[n]], g, foreground, values)
        for j in range(b.size):
            z[n, j] = b[j] + g * model.row_sum[j] + total * model.shift[j]
        _add_foreground_product(values, foreground, _weights(model, 0), z, n)


@_sums
def _add_first_gradient(inputs, rows, dz, values, dW, target):
    """Add x.T @ dz of the first layer to dW and to what is kept beside it: twin of matmul."""
    g = inputs.background
    for n in range(rows.size):
        x, foreground = inputs.X[rows[n]], _foreground(inputs, rows[n])
        total = _foreground_values(x, g, foreground, values) + g * dz.dtype.type(x.size)
        _add_foreground_outer(values, foreground, dz, n, dW)
        for j in range(dz.shape[1]):
            target.shift[j] += g * dz[n, j]
            target.row_sum[j] += total * dz[n, j]


@_sums
def _narrow_product(X, rows, W, b, z):
    """Put x @ W.T + b of a narrow first layer into z: twin of dense_forward."""
    _fill_rows(b, z)
    for n in range(rows.size):
        x = X[rows[n]]
        for o in range(W.shape[0]):
            total = x.dtype.type(0)
            for i in range(x.size):
                total += x[i] * W[o, i]
            z[n, o] += total


@_elementwise
def _add_narrow_gradient(X, rows, dz, dW):
    """Add dz.T @ x of a narrow first layer to dW: twin of matmul."""
    for n in range(rows.size):
        x = X[rows[n]]
        for o in range(dW.shape[0]):
            v = dz[n, o]  # by itself: dW might be where dz is, for all the compiler knows
            for i in range(x.size):
                dW[o, i] += v * x[i]


@_stage
def _update(model, step, gradient):
    """Add `step` times the gradient to the parameters, and set the gradient to zero."""
    _add_to_rows(gradient.shift, _weights(gradient, 0))
    for k in range(model.weights.size):
        model.weights[k] += step * gradient.weights[k]
        gradient.weights[k] = 0
    for k in range(model.biases.size):
        if model.bias_mask[k]:
            model.biases[k] += step * gradient.biases[k]
        gradient.biases[k] = 0
    for j in range(gradient.shift.size):
        gradient.shift[j] = 0
    _sum_rows(_weights(model, 0), model.row_sum)


@_sums
def _sum_rows(a, total):
    """Put the sum of the rows of a into `total`."""
    for j in range(total.size):
        total[j] = 0
    for i in range(a.shape[0]):
        for j in range(total.size):
            total[j] += a[i, j]


@_elementwise
def _fill_rows(b, a):
    """Put b into every row of a; to assign a row as a whole takes Numba ten times longer."""
    for n in range(a.shape[0]):
        for j in range(b.size):
            a[n, j] = b[j]


@_elementwise
def _add_to_rows(b, a):
    """Add b to every row of a."""
    for i in range(a.shape[0]):
        for j in range(b.size):
            a[i, j] += b[j]


@_view
def _weights(model, layer):
    """Return the weights of a layer: a view of shape (I, O), or (O, I) where it is narrow."""
    start = 0
    for k in range(layer):
        start += model.shapes[k, 0] * model.shapes[k, 1]
    I, O = model.shapes[layer, 0], model.shapes[layer, 1]
    return _part(model.weights, start, (I, O))


@_view
def _biases(model, values, layer):
    """Return what `values` has for the units of a layer: a view of shape (O,)."""
    start = 0
    for k in range(layer):
        start += model.widths[k + 1]
    return values[start : start + model.widths[layer + 1]]


@_view
def _units(model, values, layer, rows):
    """Return what `values` has for the units of a layer and these samples: a view (B, O).

    Where it begins does not depend on how many samples there are: so the zeros that pad the rows
    of `da` stay zero.
    """
    tile = values.size // model.biases.size
    start = 0
    for k in range(layer):
        start += tile * model.widths[k + 1]
    O = model.widths[layer + 1]
    return _part(values, start, (len(rows), O))


@_view
def _flat(a):
    """Return a C-contiguous array as a vector."""
    return _part(a, 0, (a.size,))


@_view
def _foreground(inputs, row):
    """Return the indices of a sample's foreground."""
    return inputs.indices[inputs.starts[row] : inputs.starts[row + 1]]


def _pack(parameters, layer_sizes, bias_mask, narrow):
    """Lay parameters out in rows of whole lanes, the rest of a row being zero."""
    sizes = np.array(layer_sizes, np.int64)
    lanes = 64 // parameters.itemsize
    widths = -(-sizes // lanes) * lanes
    # Rows of 4096 bytes would all compete for the same few places in the nearest cache.
    widths += lanes * (widths * parameters.itemsize % 4096 == 0)
    shapes = np.column_stack([sizes[:-1], widths[1:]])
    if narrow:
        shapes[0] = sizes[1], widths[0]
    n_biases, dtype = int(widths[1:].sum()), parameters.dtype
    n_kept = 0 if narrow else int(widths[1])
    model = _Model(
        sizes,
        widths,
        shapes,
        narrow,
        weights=_aligned_zeros(int(shapes.prod(axis=1).sum()), dtype),
        biases=_aligned_zeros(n_biases, dtype),
        bias_mask=np.zeros(n_biases, bool),
        shift=np.zeros(n_kept, dtype),
        row_sum=np.zeros(n_kept, dtype),
    )
    for padded, plain in _matrices(model, parameters):
        padded[...] = plain
    for padded, plain in _vectors(model, model.bias_mask, bias_mask):
        padded[...] = plain
    return model


def _unpack(model):
    """Lay the parameters of a working copy out as `Network` does."""
    size = int((model.sizes[:-1] * model.sizes[1:]).sum() + model.sizes[1:].sum())
    parameters = np.empty(size, model.weights.dtype)
    for padded, plain in _matrices(model, parameters):
        plain[...] = padded
    return parameters


def _matrices(model, parameters):
    """Yield W after W and b after b as they lie in a working copy and in flat parameters."""
    start, padded_start = 0, 0
    for layer, (I, O) in enumerate(pairwise(model.sizes)):
        rows, width = model.shapes[layer]
        padded = model.weights[padded_start : padded_start + rows * width].reshape(rows, width)
        if layer == 0 and model.narrow:
            padded = padded.T
        yield padded[:I, :O], parameters[start : start + I * O].reshape(I, O)
        start, padded_start = start + I * O, padded_start + rows * width
    yield from _vectors(model, model.biases, parameters[start:])


def _vectors(model, padded, plain):
    """Yield a vector per layer as it lies in a padded array and in a plain one."""
    start, padded_start = 0, 0
    for O, width in zip(model.sizes[1:], model.widths[1:], strict=True):
        yield padded[padded_start : padded_start + O], plain[start : start + O]
        start, padded_start = start + O, padded_start + width


def _zeros_like(model):
    """Return a working copy for a gradient."""
    names = ("weights", "biases", "shift", "row_sum")
    return model._replace(**{name: np.zeros_like(getattr(model, name)) for name in names})


def _new_scratch(model, tile):
    """Return scratch for so many samples."""
    dtype, size = model.weights.dtype, tile * model.biases.size
    z, a, da, dz = (_aligned_zeros(size, dtype) for _ in range(4))
    bits = _integer_scratch(tile * int(model.widths.max()), dtype)
    return _Scratch(z, a, da, dz, bits, np.empty(model.sizes[0], dtype))


def _aligned_zeros(size, dtype):
    """Return zeros at an address that is a multiple of 64 bytes.

    A vector register of 64 bytes that straddles two cache lines takes two reads; aligned weights
    make a training step an eighth faster at 112 hidden units.
    """
    memory = np.zeros(size * dtype.itemsize + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size * dtype.itemsize].view(dtype)


# --------------------------------------------------------------------------------------- lanes
#
# A vector register of 64 bytes, as a type that Numba knows: 16 numbers in float32, 8 in float64.
# A machine with narrower registers takes two or four of them. The compiler makes vector
# instructions out of loops by itself, but not such that sums stay in registers from one row of a
# matrix to the next; with the operations below a kernel says so itself.
#
# Each operation is given by what it means, in NumPy, and that is what runs where Numba is told not
# to compile (NUMBA_DISABLE_JIT=1); the compiled meaning follows.


class _Lanes(types.Type):
    """Numba's type of a register full of numbers of one dtype."""

    def __init__(self, dtype):
        self.dtype = dtype
        self.count = 512 // dtype.bitwidth
        super().__init__(name=f"Lanes({dtype})")


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager, lanes):
        super().__init__(manager, lanes, _vector(lanes))


def _vector(lanes):
    """Return LLVM's type of these lanes."""
    return ir.VectorType(
        ir.FloatType() if lanes.dtype.bitwidth == 32 else ir.DoubleType(), lanes.count
    )


def _operation(meaning):
    """Return the decorator for the compiled form of an operation; uncompiled, it is `meaning`."""
    uncompiled = config.DISABLE_JIT  # type: ignore[attr-defined]
    return lambda compiled: meaning if uncompiled else intrinsic(compiled)


@_elementwise
def _lanes_in(a):
    """Return how many numbers of a's dtype a register holds."""
    return 512 // np.finfo(a.dtype).bits


def _address(context, builder, signature, arguments):
    """Return the address of the register that is number `block` from a[i, j] on."""
    matrix = signature.args[0]
    lanes = _Lanes(matrix.dtype)
    a = context.make_array(matrix)(context, builder, arguments[0])
    i, j, block = (
        context.cast(builder, number, kind, types.intp)
        for number, kind in zip(arguments[1:4], signature.args[1:4], strict=True)
    )
    row = builder.mul(i, builder.extract_value(a.shape, 1))
    offset = builder.add(j, builder.mul(block, ir.Constant(block.type, lanes.count)))
    pointer = builder.gep(a.data, [builder.add(row, offset)])
    return builder.bitcast(pointer, _vector(lanes).as_pointer())


@_operation(
    lambda a, i, j, block: a[i, j + block * (64 // a.itemsize) :][: 64 // a.itemsize].copy()
)
def _load(_, a, i, j, block):
    """Read a register from a C-contiguous matrix: number `block` from a[i, j] on."""

    def compiled(context, builder, signature, arguments):
        address = _address(context, builder, signature, arguments)
        return builder.load(address, align=a.dtype.bitwidth // 8)

    return _Lanes(a.dtype)(a, i, j, block), compiled


def _store_meaning(a, i, j, block, lanes):
    start = j + block * (64 // a.itemsize)
    a[i, start : start + 64 // a.itemsize] = lanes


@_operation(_store_meaning)
def _store(_, a, i, j, block, lanes):
    """Write a register to a C-contiguous matrix, where `_load` would read it."""

    def compiled(context, builder, signature, arguments):
        address = _address(context, builder, signature, arguments)
        builder.store(arguments[4], address, align=a.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(a, i, j, block, lanes), compiled


@_operation(lambda a, start, shape: a.reshape(-1)[start : start + math.prod(shape)].reshape(shape))
def _part(_, a, start, shape):
    """View a C-contiguous array, from its entry number `start` on, as one of another shape.

    ``reshape`` means the same, but in Numba it is a call that searches for the strides: some thirty
    of them in a step on one sample, a fifth of its time at two hidden units.
    """

    def compiled(context, builder, signature, arguments):
        whole = context.make_array(a)(context, builder, arguments[0])
        part = context.make_array(signature.return_type)(context, builder)
        first = context.cast(builder, arguments[1], signature.args[1], types.intp)
        sizes = [
            context.cast(builder, size, kind, types.intp)
            for size, kind in zip(cgutils.unpack_tuple(builder, arguments[2]), shape, strict=True)
        ]
        strides = [whole.itemsize]
        for size in sizes[:0:-1]:
            strides.insert(0, builder.mul(size, strides[0]))
        address = builder.gep(whole.data, [first])
        populate_array(part, address, sizes, strides, whole.itemsize, whole.meminfo)
        return part._getvalue()

    return types.Array(a.dtype, len(shape), "C")(a, start, shape), compiled


@_operation(lambda a, i: None)
def _fetch(_, a, i):
    """Ask for the cache line of a[i], to come into the second cache while the work goes on."""

    def compiled(context, builder, signature, arguments):
        vector = context.make_array(a)(context, builder, arguments[0])
        index = context.cast(builder, arguments[1], signature.args[1], types.intp)
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        address = builder.bitcast(builder.gep(vector.data, [index]), byte)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        read, second_cache, data = number(0), number(2), number(1)
        builder.call(prefetch, [address, read, second_cache, data])
        return context.get_dummy_value()

    return types.void(a, i), compiled


@_operation(lambda x: x)
def _splat(_, x):
    """Fill a register with one number."""
    lanes = _Lanes(x)

    def compiled(context, builder, signature, arguments):
        undefined = ir.Constant(_vector(lanes), ir.Undefined)
        first = builder.insert_element(undefined, arguments[0], ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), lanes.count), [0] * lanes.count)
        return builder.shuffle_vector(first, undefined, zeros)

    return lanes(x), compiled


@_operation(lambda x, y, z: x * y + z)
def _fma(_, x, y, z):
    """Multiply and add: x * y + z, rounded once where the machine can."""

    def compiled(context, builder, signature, arguments):
        product = builder.fmul(*arguments[:2], flags=("contract",))
        return builder.fadd(product, arguments[2], flags=("contract",))

    return x(x, y, z), compiled


@_operation(lambda x, y: x + y)
def _add(_, x, y):
    """Add."""
    return x(x, y), lambda context, builder, signature, arguments: builder.fadd(*arguments)


@_operation(lambda x: x.sum())
def _total(_, x):
    """Sum over a register."""
    name = f"llvm.vector.reduce.fadd.v{x.count}f{x.dtype.bitwidth}"

    def compiled(context, builder, signature, arguments):
        vector = _vector(x)
        kind = ir.FunctionType(vector.element, [vector.element, vector])
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        start = ir.Constant(vector.element, 0.0)
        return builder.call(function, [start, arguments[0]], fastmath=("reassoc",))

    return x.dtype(x), compiled

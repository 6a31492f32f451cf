"""The compiled twins of `reference`, and the training step that is made of their pieces.

The public functions have the names, arguments and results of those in ``reference.py``, which
says what they mean. They return fresh arrays. The private functions are their pieces: they fill
arrays that the caller owns, work on one sample, and each names its twin. `train_samples`, the
training of a network on one sample after another, puts the pieces together.

A kernel is dumb on purpose: arrays and numbers in, filled arrays out. It checks nothing, not even
bounds; whoever calls it has checked. All jitted code of the package stands in this file, because
Numba's cache does not notice that a function changed in another one.
"""

from __future__ import annotations

import math

import numba
import numpy as np

__all__ = [
    "dense_backward",
    "dense_forward",
    "half_squared_error_backward",
    "half_squared_error_forward",
    "matmul",
    "sigmoid_backward",
    "sigmoid_forward",
    "squared_errors",
    "train_samples",
]

# What the compiler may do with floating-point numbers, a reason for each. Never "nnan" or "ninf":
# they would let it assume that there is no NaN, and a diverging training would go unnoticed.
_ELEMENTWISE = {
    "contract",  # a * b + c in one instruction, rounded once: faster and more accurate
    "nsz",  # 0 and -0 are as good as each other: lets select instructions replace branches
}
_SUMS = _ELEMENTWISE | {
    "reassoc",  # add in another order: without it no sum could use vector instructions
    "arcp",  # x / c as x * (1 / c)
}


def _compile(fastmath: set[str]):
    """Return the decorator that compiles with these floating-point flags."""
    # error_model="numpy": a division by zero gives inf, and costs no check in the loop.
    return numba.njit(fastmath=fastmath, error_model="numpy", cache=True)


_elementwise = _compile(_ELEMENTWISE)
_sums = _compile(_SUMS)

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
        a[j] = exp_r * (one + (n - 2 * k))

    for j in range(z.size):
        e = a[j] * power[j] * power[j]
        s = one + e
        y = (one if z[j] >= 0 else e) / s
        # The sum has dropped this much of e; putting it back holds the error below 2 ulp.
        dropped = e - (s - one)
        a[j] = y - y * dropped * (y if z[j] >= 0 else one - y)


def sigmoid_forward(z):
    """Twin of `reference.sigmoid_forward`."""
    z = np.ascontiguousarray(z)
    a = np.empty_like(z)
    _sigmoid_forward(z.reshape(-1), a.reshape(-1), _integer_scratch(z.size, z.dtype))
    return a


def _integer_scratch(size, dtype):
    """Uninitialised integers as wide as the floating-point numbers of `dtype`."""
    return np.empty(size, np.dtype(f"i{dtype.itemsize}"))


@_elementwise
def _sigmoid_backward(da, a, dz):
    """Twin of sigmoid_backward."""
    for j in range(a.size):
        dz[j] = da[j] * a[j] * (1 - a[j])


def sigmoid_backward(da, a):
    """Twin of `reference.sigmoid_backward`."""
    da, a = np.ascontiguousarray(da), np.ascontiguousarray(a)
    dz = np.empty_like(a)
    _sigmoid_backward(da.reshape(-1), a.reshape(-1), dz.reshape(-1))
    return dz


# --------------------------------------------------------------------------------- dense layer


@_sums
def _add_product(x, W, z):
    """Add x @ W to z: the twin of matmul for one sample.

    W lies in memory row by row, so the product is taken as a sum of rows, each scaled by its
    input. Eight rows at a time: z is then read and written once for eight rows.
    """
    I, O = W.shape
    i = 0
    while i + 8 <= I:
        x0, x1, x2, x3 = x[i], x[i + 1], x[i + 2], x[i + 3]
        x4, x5, x6, x7 = x[i + 4], x[i + 5], x[i + 6], x[i + 7]
        for j in range(O):
            z[j] += (
                x0 * W[i, j]
                + x1 * W[i + 1, j]
                + x2 * W[i + 2, j]
                + x3 * W[i + 3, j]
                + x4 * W[i + 4, j]
                + x5 * W[i + 5, j]
                + x6 * W[i + 6, j]
                + x7 * W[i + 7, j]
            )
        i += 8
    while i < I:
        for j in range(O):
            z[j] += x[i] * W[i, j]
        i += 1


@_sums
def _matmul(a, b, out):
    """Twin of matmul."""
    out[:] = 0
    for first in range(0, b.shape[0], 8):  # eight rows of b stay in the nearest cache
        last = min(first + 8, b.shape[0])
        for m in range(a.shape[0]):
            _add_product(a[m, first:last], b[first:last], out[m])


def matmul(a, b):
    """Twin of `reference.matmul`."""
    out = np.empty((a.shape[0], b.shape[1]), np.result_type(a, b))
    _matmul(a, np.ascontiguousarray(b), out)
    return out


def dense_forward(x, W, b):
    """Twin of `reference.dense_forward`."""
    z = matmul(x, W)
    z += b
    return z


def dense_backward(dz, x, W):
    """Twin of `reference.dense_backward`."""
    return matmul(dz, W.T), matmul(x.T, dz), dz.sum(axis=0)


@_sums
def _dense_backward_and_update(dz, x, W, rate, carried, dx):
    """Twin of dense_backward for one sample, with the update ``W -= rate * dW`` in the same pass.

    dx is the product of the rows of W with `carried`: dz itself, or the raw error. Training on one
    sample at a time is bound by the reading of W from the cache, so dx is taken and W is updated
    while a row is in the registers; each row still serves dx before it changes.
    Four rows at a time share the reading of dz.
    """
    I, O = W.shape
    zero = W.dtype.type(0)
    i = 0
    while i + 4 <= I:
        r0, r1, r2, r3 = rate * x[i], rate * x[i + 1], rate * x[i + 2], rate * x[i + 3]
        dx0 = dx1 = dx2 = dx3 = zero
        for j in range(O):
            w0, w1, w2, w3 = W[i, j], W[i + 1, j], W[i + 2, j], W[i + 3, j]
            c = carried[j]
            dx0 += w0 * c
            dx1 += w1 * c
            dx2 += w2 * c
            dx3 += w3 * c
            d = dz[j]
            W[i, j] = w0 - r0 * d
            W[i + 1, j] = w1 - r1 * d
            W[i + 2, j] = w2 - r2 * d
            W[i + 3, j] = w3 - r3 * d
        dx[i], dx[i + 1], dx[i + 2], dx[i + 3] = dx0, dx1, dx2, dx3
        i += 4
    while i < I:
        r0, dx0 = rate * x[i], zero
        for j in range(O):
            dx0 += W[i, j] * carried[j]
            W[i, j] -= r0 * dz[j]
        dx[i] = dx0
        i += 1


@_elementwise
def _update_bias(dz, mask, rate, b):
    """Update ``b -= rate * db`` where the mask allows; elsewhere b keeps its bits."""
    for j in range(b.size):
        if mask[j]:
            b[j] -= rate * dz[j]


# ---------------------------------------------------------------------- half the squared error


@_sums
def _half_squared_error_backward(output, target, doutput):
    """Twin of half_squared_error_backward for one sample; returns its squared error."""
    squared_error = output.dtype.type(0)
    for j in range(output.size):
        error = output[j] - target[j]
        squared_error += error * error
        doutput[j] = error
    return squared_error


@_sums
def _half_squared_errors_backward(output, target, doutput, squared_errors):
    """Twin of half_squared_error_backward; fills the squared error of each sample, too."""
    for n in range(len(output)):
        squared_errors[n] = _half_squared_error_backward(output[n], target[n], doutput[n])
        for j in range(output.shape[1]):
            doutput[n, j] /= len(output)


def half_squared_error_backward(output, target):
    """Twin of `reference.half_squared_error_backward`."""
    doutput = np.empty_like(output)
    _half_squared_errors_backward(output, target, doutput, np.empty(len(output), output.dtype))
    return doutput


def squared_errors(output, target):
    """Twin of `reference.squared_errors`."""
    errors = np.empty(len(output), output.dtype)
    _half_squared_errors_backward(output, target, np.empty_like(output), errors)
    return errors


def half_squared_error_forward(output, target):
    """Twin of `reference.half_squared_error_forward`."""
    return squared_errors(output, target).sum() / (2 * len(output))


# ----------------------------------------------------------------------------------- background
#
# Most of an image is background: of MNIST's pixels 80 % have one and the same value, g. Where x
# stands for the input and W for the first layer's weights, x @ W = g * (sum of the rows of W)
# + sum over the other pixels, the foreground, of (x[i] - g) * W[i]. This is exact, and only the
# rows of the foreground are read.
#
# The update W[i] -= rate * x[i] * dz splits in the same way: every row loses rate * g * dz, and the
# foreground's rows lose rate * (x[i] - g) * dz more. What every row loses is kept in one vector,
# `shift`: the true weights are W + shift. `row_sum` is the sum of the true rows.


@_elementwise
def _find_foreground(x, background, foreground):
    """List the indices of the inputs that are not background; returns how many there are."""
    count = 0
    for i in range(x.size):
        foreground[count] = i  # always written, only sometimes kept: no branch to mispredict
        count += x[i] != background
    return count


@_sums
def _add_foreground_product(x, background, foreground, W, z):
    """Add (x - background) @ W to z, reading the rows of the foreground: twin of matmul."""
    O = W.shape[1]
    k = 0
    while k + 4 <= foreground.size:
        i0, i1 = foreground[k], foreground[k + 1]
        i2, i3 = foreground[k + 2], foreground[k + 3]
        x0, x1 = x[i0] - background, x[i1] - background
        x2, x3 = x[i2] - background, x[i3] - background
        for j in range(O):
            z[j] += x0 * W[i0, j] + x1 * W[i1, j] + x2 * W[i2, j] + x3 * W[i3, j]
        k += 4
    while k < foreground.size:
        i = foreground[k]
        for j in range(O):
            z[j] += (x[i] - background) * W[i, j]
        k += 1


@_sums
def _update_foreground(dz, x, background, foreground, rate, W):
    """Update W by the rate times the outer product of (x - background) and dz."""
    for k in range(foreground.size):
        i = foreground[k]
        r = rate * (x[i] - background)
        for j in range(W.shape[1]):
            W[i, j] -= r * dz[j]


# ----------------------------------------------------------------------------- the training step


def train_samples(
    parameters, layer_sizes, bias_mask, X, order, learning_rate, raw_error, background
):
    """Take a gradient step after each sample: the twin of `training.train_batches` of size 1.

    Parameters
    ----------
    parameters : array, shape (P,)
        Parameters of the network, as `Network` lays them out. Not changed.
    layer_sizes : int64 array, shape (L + 1,)
    bias_mask : bool array
        Which of the biases, the last of the parameters, are trained.
    X : array, shape (n_samples, layer_sizes[0])
        Inputs, which are the targets too.
    order : int array
        The rows of X to train on, in this order.
    learning_rate : float
    raw_error : bool
        Whether the published rule takes the place of the exact gradient.
    background : float
        The most frequent value in X, which is what makes this fast; any value is right.

    Returns
    -------
    parameters : array, shape (P,)
        The trained parameters.
    squared_errors : array, shape of `order`
        Squared error of each sample, before the step that was taken on it.
    """
    real = parameters.dtype.type
    trained = aligned_copy(parameters)
    errors = np.empty(order.size, parameters.dtype)
    bits = _integer_scratch(layer_sizes.max(), parameters.dtype)
    _train_samples(
        trained,
        layer_sizes,
        bias_mask,
        X,
        order,
        real(learning_rate),
        raw_error,
        real(background),
        bits,
        errors,
    )
    return trained, errors


def aligned_copy(a):
    """Copy an array to an address that is a multiple of 64 bytes.

    A vector register of 64 bytes that straddles two cache lines takes two reads; aligned weights
    make the training step an eighth faster at 112 hidden units.
    """
    memory = np.empty(a.nbytes + 64, np.uint8)
    start = -memory.ctypes.data % 64
    copy = memory[start : start + a.nbytes].view(a.dtype).reshape(a.shape)
    copy[...] = a
    return copy


@_elementwise
def _weights(parameters, layer_sizes, layer):
    """Return the weights of a layer, a view of shape (I, O)."""
    start = 0
    for k in range(layer):
        start += layer_sizes[k] * layer_sizes[k + 1]
    I, O = layer_sizes[layer], layer_sizes[layer + 1]
    return parameters[start : start + I * O].reshape(I, O)


@_elementwise
def _units(values, layer_sizes, layer):
    """Return what `values`, a number for every unit of every layer, has for this layer: a view."""
    start = 0
    for k in range(layer):
        start += layer_sizes[k + 1]
    return values[start : start + layer_sizes[layer + 1]]


@_sums
def _train_samples(
    parameters, layer_sizes, bias_mask, X, order, rate, raw_error, background, bits, squared_errors
):
    """Take a gradient step after each sample, in place."""
    last = layer_sizes.size - 2
    n_units = layer_sizes[1:].sum()
    biases = parameters[parameters.size - n_units :]
    activations = np.empty(n_units, X.dtype)
    z_buffer, da_buffer = np.empty(layer_sizes.max(), X.dtype), np.empty(n_units, X.dtype)
    dz_buffer = np.empty(layer_sizes.max(), X.dtype)
    indices = np.empty(layer_sizes[0] + 1, np.int64)

    W0 = _weights(parameters, layer_sizes, 0)
    shift, row_sum = np.zeros(W0.shape[1], X.dtype), W0.sum(axis=0)

    for n in range(order.size):
        x = X[order[n]]
        foreground = indices[: _find_foreground(x, background, indices)]
        foreground_sum = X.dtype.type(0)
        for k in range(foreground.size):
            foreground_sum += x[foreground[k]] - background

        # Forward, from the input to the reconstruction.
        for layer in range(last + 1):
            z = z_buffer[: layer_sizes[layer + 1]]
            b = _units(biases, layer_sizes, layer)
            a = _units(activations, layer_sizes, layer)
            if layer == 0:
                for j in range(z.size):
                    z[j] = b[j] + background * row_sum[j] + foreground_sum * shift[j]
                _add_foreground_product(x, background, foreground, W0, z)
            else:
                z[:] = b
                below = _units(activations, layer_sizes, layer - 1)
                _add_product(below, _weights(parameters, layer_sizes, layer), z)
            _sigmoid_forward(z, a, bits)

        # Backward, from the error to the first layer's weights.
        da = _units(da_buffer, layer_sizes, last)
        squared_errors[n] = _half_squared_error_backward(a, x, da)
        for layer in range(last, -1, -1):
            dz = dz_buffer[: layer_sizes[layer + 1]]
            da = _units(da_buffer, layer_sizes, layer)
            _sigmoid_backward(da, _units(activations, layer_sizes, layer), dz)
            if layer > 0:
                _dense_backward_and_update(
                    dz,
                    _units(activations, layer_sizes, layer - 1),
                    _weights(parameters, layer_sizes, layer),
                    rate,
                    da if raw_error else dz,
                    _units(da_buffer, layer_sizes, layer - 1),
                )
            else:
                _update_foreground(dz, x, background, foreground, rate, W0)
                input_sum = foreground_sum + background * x.size
                for j in range(dz.size):
                    shift[j] -= rate * background * dz[j]
                    row_sum[j] -= rate * input_sum * dz[j]
            _update_bias(
                dz,
                _units(bias_mask, layer_sizes, layer),
                rate,
                _units(biases, layer_sizes, layer),
            )

    # What was kept aside is folded in, so that a chunk begins and ends with plain weights.
    for i in range(W0.shape[0]):
        for j in range(W0.shape[1]):
            W0[i, j] += shift[j]

"""The first layer, which does not multiply the background of images.

Most of an image is background: of MNIST's pixels 80 % have one and the same value, g. With x the
input and W the first layer's weights, x @ W = g * (sum of the rows of W) + sum over the other
pixels, the foreground, of (x[i] - g) * W[i]. This is exact, and only the rows of the foreground
are read.

The update W[i] -= rate * x[i] * dz splits in the same way: every row loses rate * g * dz, and the
foreground's rows lose rate * (x[i] - g) * dz more. What every row loses is kept in one vector,
`shift`: the true weights are W + shift. `row_sum` is the sum of the true rows.

A layer of few units is "narrow". Its rows would be mostly padding, and to find the foreground's
would cost more than it saves. So it is kept transposed, a row for each unit, as long as x, and
these rows are read and updated from end to end, background or not. `shift` and `row_sum` are
empty then.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ae_numpy.kernels.compilation import elementwise, sums, view
from ae_numpy.kernels.lanes import add, fma, lanes_in, load, splat, store
from ae_numpy.kernels.layout import fill_rows, weights_of


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


@elementwise
def _count_foreground(X, background, starts):
    """Fill `starts`."""
    for n in range(X.shape[0]):
        count = np.int32(0)
        for i in range(X.shape[1]):
            count += np.int32(X[n, i] != background)
        starts[n + 1] = starts[n] + count


@elementwise
def _find_foreground(X, background, starts, indices):
    """Fill `indices`."""
    for n in range(X.shape[0]):
        end = starts[n]
        for i in range(X.shape[1]):
            indices[end] = i  # always written, only sometimes kept: no branch to mispredict
            end += X[n, i] != background


@sums
def _foreground_values(x, background, foreground, values):
    """Put what the foreground has above the background into `values`; returns the sum."""
    total = x.dtype.type(0)
    for k in range(foreground.size):
        value = x[foreground[k]] - background
        values[k] = value
        total += value
    return total


@sums
def _add_foreground_product(values, foreground, W, z, m):
    """Add (x - background) @ W to row m of z, reading the rows of the foreground: twin of matmul.

    Four sums, because each has to wait for its last term.
    """
    for j in range(0, W.shape[1], lanes_in(W)):
        s0 = load(z, m, j, 0)
        s1 = s2 = s3 = splat(z.dtype.type(0))
        k = 0
        while k + 4 <= foreground.size:
            s0 = fma(splat(values[k]), load(W, foreground[k], j, 0), s0)
            s1 = fma(splat(values[k + 1]), load(W, foreground[k + 1], j, 0), s1)
            s2 = fma(splat(values[k + 2]), load(W, foreground[k + 2], j, 0), s2)
            s3 = fma(splat(values[k + 3]), load(W, foreground[k + 3], j, 0), s3)
            k += 4
        while k < foreground.size:
            s0 = fma(splat(values[k]), load(W, foreground[k], j, 0), s0)
            k += 1
        store(z, m, j, 0, add(add(s0, s1), add(s2, s3)))


@sums
def _add_foreground_outer(values, foreground, dz, m, W):
    """Add the outer product of (x - background) and row m of dz to W: twin of matmul."""
    for k in range(foreground.size):
        i = foreground[k]
        v = splat(values[k])
        for j in range(0, W.shape[1], lanes_in(W)):
            store(W, i, j, 0, fma(v, load(dz, m, j, 0), load(W, i, j, 0)))


@sums
def fill_first_product(model, inputs, rows, b, values, z):
    """Put x @ W + b of the first layer into z: twin of dense_forward."""
    g = inputs.background
    for n in range(rows.size):
        foreground = foreground_of(inputs, rows[n])
        total = _foreground_values(inputs.X[rows[n]], g, foreground, values)
        for j in range(b.size):
            z[n, j] = b[j] + g * model.row_sum[j] + total * model.shift[j]
        _add_foreground_product(values, foreground, weights_of(model, 0), z, n)


@sums
def add_first_gradient(inputs, rows, dz, values, dW, target):
    """Add x.T @ dz of the first layer to dW and to what is kept beside it: twin of matmul."""
    g = inputs.background
    for n in range(rows.size):
        x, foreground = inputs.X[rows[n]], foreground_of(inputs, rows[n])
        total = _foreground_values(x, g, foreground, values) + g * dz.dtype.type(x.size)
        _add_foreground_outer(values, foreground, dz, n, dW)
        for j in range(dz.shape[1]):
            target.shift[j] += g * dz[n, j]
            target.row_sum[j] += total * dz[n, j]


@sums
def fill_narrow_product(X, rows, W, b, z):
    """Put x @ W.T + b of a narrow first layer into z: twin of dense_forward."""
    fill_rows(b, z)
    for n in range(rows.size):
        x = X[rows[n]]
        for o in range(W.shape[0]):
            total = x.dtype.type(0)
            for i in range(x.size):
                total += x[i] * W[o, i]
            z[n, o] += total


@elementwise
def add_narrow_gradient(X, rows, dz, dW):
    """Add dz.T @ x of a narrow first layer to dW: twin of matmul."""
    for n in range(rows.size):
        x = X[rows[n]]
        for o in range(dW.shape[0]):
            v = dz[n, o]  # by itself: dW might be where dz is, for all the compiler knows
            for i in range(x.size):
                dW[o, i] += v * x[i]


@view
def foreground_of(inputs, row):
    """Return the indices of a sample's foreground."""
    return inputs.indices[inputs.starts[row] : inputs.starts[row + 1]]

"""The first layer, which does not multiply the background of images.

Most of an image is background: of MNIST's pixels 81 % have one and the same value, g. With x the
input and W the first layer's weights, x @ W = g * (sum of the rows of W) + sum over the other
pixels, the foreground, of (x[i] - g) * W[i]. This is exact, and only the rows of the foreground
are read.

The update W[i] -= rate * x[i] * dz splits in the same way: every row loses rate * g * dz, and the
foreground's rows lose rate * (x[i] - g) * dz more. What every row loses is kept in one vector,
`shift`: the true weights are W + shift. `row_sum` is the sum of the true rows.

In a batch, pixels are shared: the samples that have a pixel in their foreground are listed beside
it, so that its row of W is read and written once for all of them. That takes half of the time of
an update per sample at 112 hidden units.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ae_numpy.kernels.compilation import elementwise, inlined, sums
from ae_numpy.kernels.dense import add_row_product
from ae_numpy.kernels.layout import part, row_of, weights_of

# With more foreground than this, all pixels are multiplied: a product of whole rows is that much
# faster than one of listed rows.
_DENSE = 0.4


class Inputs(NamedTuple):
    """Samples, and where their foreground is.

    Attributes
    ----------
    X : array, shape (n_samples, n_features)
    background : float
        The value that all other pixels have.
    starts : int64 array, shape (n_samples + 1,)
        Empty where too much is foreground to be worth the distinction.
    indices : uint16 or uint32 array
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
    if np.mean(X[:100] != background) > _DENSE:
        return Inputs(X, background, np.empty(0, np.int64), np.empty(0, _index_type(X)))
    starts = np.zeros(len(X) + 1, np.int64)
    # One more than there can be, because the search writes before it knows whether to keep. What
    # is not written to takes no memory.
    indices = np.empty(X.size + 1, _index_type(X))
    _find_foreground(X, background, starts, indices)
    return Inputs(X, background, starts, indices)


def _index_type(X):
    return np.uint16 if X.shape[1] < 2**16 else np.uint32


@elementwise
def _find_foreground(X, background, starts, indices):
    """Fill `starts` and `indices`."""
    end = 0
    for n in range(X.shape[0]):
        for i in range(X.shape[1]):
            indices[end] = i  # always written, only sometimes kept: no branch to mispredict
            end += X[n, i] != background
        starts[n + 1] = end


class Lists(NamedTuple):
    """The foreground of a tile, sample by sample and pixel by pixel."""

    values: np.ndarray  # (1, I) of one sample, what its foreground has above the background
    totals: np.ndarray  # (tile,) the sum of each sample's values
    counts: np.ndarray  # (I,) how many samples have a pixel in their foreground; zero in between
    samples: np.ndarray  # (I, tile) which ones
    their_values: np.ndarray  # (I, tile) and what they have above the background


def new_lists(n_features, tile, dtype):
    """Return memory for a tile of so many samples."""
    return Lists(
        np.empty((1, n_features), dtype),
        np.empty(tile, dtype),
        np.zeros(n_features, np.int64),
        np.empty((n_features, tile), np.uint16),
        np.empty((n_features, tile), dtype),
    )


@sums
def fill_first_product(model, inputs, rows, lists, z):
    """Put x @ W + b of the first layer into z, and the foreground into lists."""
    g, W = inputs.background, weights_of(model, 0)
    for n in range(rows.size):
        foreground = _foreground_of(inputs, rows[n])
        values = part(lists.values, 0, (1, foreground.size))
        total = _put_values(inputs.X[rows[n]], g, foreground, values)
        if rows.size > 1:
            _list_sample(values, foreground, n, lists)
        lists.totals[n] = total
        out = row_of(z, n)
        for j in range(W.shape[1]):
            out[0, j] = model.biases[j] + g * model.row_sum[j] + total * model.shift[j]
        add_row_product(values, W, foreground, out, 4)


@sums
def _put_values(x, background, foreground, values):
    """Put what the foreground has above the background into `values`; return the sum."""
    total = x.dtype.type(0)
    for k in range(foreground.size):
        value = x[foreground[k]] - background
        values[0, k] = value
        total += value
    return total


@elementwise
def _list_sample(values, foreground, n, lists):
    """List sample n beside the pixels of its foreground."""
    counts, samples, their_values = lists.counts, lists.samples, lists.their_values
    for k in range(foreground.size):
        i = foreground[k]
        count = counts[i]
        samples[i, count] = n
        their_values[i, count] = values[0, k]
        counts[i] = count + 1


@sums
def add_first_gradient(inputs, rows, dz, lists, gradient):
    """Add x.T @ dz of the first layer to its weights, and to what is kept beside them."""
    g, W = inputs.background, weights_of(gradient, 0)
    if rows.size == 1:
        foreground = _foreground_of(inputs, rows[0])
        for k in range(foreground.size):
            add_row_product(part(lists.values, k, (1, 1)), dz, None, row_of(W, foreground[k]), 1)
    else:
        for i in range(W.shape[0]):
            count = lists.counts[i]
            if count > 0:
                lists.counts[i] = 0
                values = part(lists.their_values, i * lists.samples.shape[1], (1, count))
                add_row_product(values, dz, lists.samples[i, :count], row_of(W, i), 1)
    for n in range(rows.size):
        total = lists.totals[n] + g * dz.dtype.type(W.shape[0])
        for j in range(dz.shape[1]):
            gradient.shift[j] += g * dz[n, j]
            gradient.row_sum[j] += total * dz[n, j]


@inlined
def _foreground_of(inputs, row):
    """Return the indices of a sample's foreground."""
    return inputs.indices[inputs.starts[row] : inputs.starts[row + 1]]

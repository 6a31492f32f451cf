"""The first layer, which does not multiply the background of images.

Most of an image is background: 81 % of MNIST's pixels have the same value, g. With x the
input and W the first layer's weights, x @ W = g * (sum of the rows of W) + sum over the other
pixels, the foreground, of (x[i] - g) * W[i]. This is exact, and only the rows of the foreground
are read.

The update W[i] -= rate * x[i] * dz splits in the same way: every row loses rate * g * dz, and the
foreground's rows lose rate * (x[i] - g) * dz more. What every row loses is kept in one vector,
`shift`: the true weights are W + shift. `row_sum` is the sum of the true rows.

The samples of a batch share reads and writes: pixels that are foreground in any sample of a group
are multiplied in all of them, by blocks as fast as those of whole matrices. Of MNIST's pixels 19 %
are foreground in one image, 46 % in any of 8, and 66 % in any of 128. At 112 hidden units this
takes 0.6 of the time that multiplying all pixels takes, and 0.6 of that of each sample by itself.
"""

from typing import NamedTuple

import numpy as np

from ae_numpy.kernels.compilation import elementwise, inlined
from ae_numpy.kernels.dense import add_product
from ae_numpy.kernels.layout import weights_of

# With more foreground than this, all pixels are multiplied: a product of whole rows is that much
# faster than one of listed rows.
_DENSE = 0.4


class Inputs(NamedTuple):
    """Samples, and the positions of their foreground.

    Attributes
    ----------
    X : array, shape (n_samples, n_features)
    background : float
        The value that all other pixels have.
    starts : int64 array, shape (n_samples + 1,)
        Empty if too much is foreground for the distinction to pay off.
    indices : uint32 array
        ``indices[starts[n]:starts[n + 1]]`` are the pixels of sample n that are foreground.

    Examples
    --------
    >>> inputs = prepare(np.array([[0.0, 0.5, 0.0], [0.0, 0.0, 1.0]]))
    >>> inputs.indices[inputs.starts[1] : inputs.starts[2]]
    array([2], dtype=uint32)
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
        The most frequent value in the first hundred samples unless given. Any value is correct; it
        only decides how many pixels are foreground, and so how long training takes.

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
        return Inputs(X, background, np.empty(0, np.int64), np.empty(0, np.uint32))
    starts = np.zeros(len(X) + 1, np.int64)
    # One more than the maximum, because the search writes before it knows whether to keep. Pages
    # that are never written to take no memory.
    indices = np.empty(X.size + 1, np.uint32)
    _find_foreground(X, background, starts, indices)
    return Inputs(X, background, starts, indices)


@elementwise
def _find_foreground(X, background, starts, indices):
    """Fill `starts` and `indices`."""
    end = 0
    for n in range(X.shape[0]):
        for i in range(X.shape[1]):
            indices[end] = i  # always written, only sometimes kept: no branch to mispredict
            end += X[n, i] != background
        starts[n + 1] = end


# This many samples form a group when W is read: whole blocks. Larger groups have more pixels in
# their common foreground, smaller ones read rows of W more often.
_GROUP = 8


@inlined
def fill_first_product(model, inputs, rows, scratch, z):
    """Write x @ W + b of the first layer to z: twin of dense_forward."""
    W, g = weights_of(model, 0), inputs.background
    for n in range(rows.size):
        for j in range(W.shape[1]):
            rest = g * model.row_sum[j] + scratch.totals[n] * model.shift[j]
            z[n, j] = model.biases[j] + rest
    for first in range(0, rows.size, _GROUP):
        group = rows[first : first + _GROUP]
        mark = first // _GROUP + 1
        if rows.size > 1:
            _mark_foreground(inputs, group, mark, scratch.marks)
        terms = _foreground_of(inputs, rows, mark, mark, scratch)
        add_product(scratch.x, W, terms, scratch.every[first : first + group.size], z)


@inlined
def add_first_gradient(inputs, rows, dz, scratch, changed):
    """Add x.T @ dz of the first layer to its weights, shift and sum of rows: twin of matmul."""
    g, W = inputs.background, weights_of(changed, 0)
    places = _foreground_of(inputs, rows, 1, 255, scratch)
    add_product(scratch.x.T, dz, scratch.every[: rows.size], places, W)
    for i in range(scratch.marks.size if rows.size > 1 else 0):
        scratch.marks[i] = 0
    for n in range(rows.size):
        total = scratch.totals[n] + g * dz.dtype.type(W.shape[0])
        for j in range(dz.shape[1]):
            changed.shift[j] += g * dz[n, j]
            changed.row_sum[j] += total * dz[n, j]


@inlined
def copy_samples(X, rows, background, x, totals):
    """Write samples minus the background to the beginning of rows of x, and their sums."""
    for n in range(rows.size):
        sample = X[rows[n]]  # separately: the compiler must assume that x and rows may overlap
        total = sample.dtype.type(0)
        for i in range(sample.size):
            value = sample[i] - background
            x[n, i] = value
            total += value
        totals[n] = total


@inlined
def _mark_foreground(inputs, rows, mark, marks):
    """Mark the pixels that are foreground in any of these samples."""
    for n in range(rows.size):
        for k in range(inputs.starts[rows[n]], inputs.starts[rows[n] + 1]):
            marks[inputs.indices[k]] = mark


@inlined
def _foreground_of(inputs, rows, first, last, scratch):
    """Return the foreground of a sample, or of samples with marks from the first to the last."""
    if rows.size == 1:
        return inputs.indices[inputs.starts[rows[0]] : inputs.starts[rows[0] + 1]]
    return scratch.found[: _list_marked(scratch.marks, first, last, scratch.found)]


@elementwise
def _list_marked(marks, first, last, found):
    """Write the pixels with marks from the first to the last to `found`; return how many."""
    end = 0
    for i in range(marks.size):
        found[end] = i  # always written, only sometimes kept: no branch to mispredict
        end += (marks[i] >= first) & (marks[i] <= last)
    return end

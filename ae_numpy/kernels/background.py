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

from ae_numpy.kernels.compilation import inlined, stage
from ae_numpy.kernels.dense import add_product
from ae_numpy.kernels.layout import weights_of

# With more foreground than this, all pixels are multiplied: a product of whole rows is that much
# faster than one of listed rows.
_DENSE = 0.4


class Inputs(NamedTuple):
    """Samples, and the value of their background.

    Their foreground is found again in each step, while the samples are in the nearest cache: a list
    of it would take half the memory of the samples, and more time to read with mini-batches.

    Attributes
    ----------
    X : array, shape (n_samples, n_features)
    background : float
        The value that all other pixels have.
    is_sparse : bool
        Whether so little is foreground that the distinction pays off.

    Examples
    --------
    >>> prepare(np.array([[0.0, 0.5, 0.0], [0.0, 0.0, 1.0]])).is_sparse
    True
    """

    X: np.ndarray
    background: np.floating
    is_sparse: bool


def prepare(X, background=None):
    """Find the background of samples, once for all epochs; X is not copied.

    Parameters
    ----------
    X : array, shape (n_samples, n_features)
    background : float, optional
        Unless given, the most frequent value in the first hundred samples, or 0 if that is not from
        -1 to 1: subtracting a large value would cost other pixels their digits. Apart from that,
        it only decides how many pixels are foreground, and so how long training takes.

    Returns
    -------
    Inputs

    Examples
    --------
    >>> inputs = prepare(np.array([[0.0, 0.5, 0.0], [0.0, 0.0, 1.0]]))
    >>> float(inputs.background)
    0.0
    """
    if background is None:
        values, counts = np.unique(X[:100], return_counts=True)
        usual = values[np.argmax(counts)] if X.size > 0 else 0
        background = usual if abs(usual) <= 1 else 0  # a large one would cost others their digits
    background = X.dtype.type(background)
    foreground = np.count_nonzero(X[:100] != background)
    return Inputs(X, background, bool(foreground <= _DENSE * X[:100].size))


# This many samples form a group when W is read: whole blocks. Larger groups have more pixels in
# their common foreground, smaller ones read rows of W more often.
_GROUP = 8


@inlined
def fill_first_product(model, inputs, rows, scratch, z):
    """Write x @ W + b of the first layer to z: twin of dense_forward."""
    W, g = weights_of(model, 0), inputs.background
    for n in range(rows.size):
        for j in range(W.shape[1]):
            z[n, j] = model.biases[j] + (g * model.row_sum[j] + scratch.totals[n] * model.shift[j])
    scratch.marks[:] = 0
    for first in range(0, rows.size, _GROUP):
        end = min(first + _GROUP, rows.size)
        mark = z.dtype.type(first + 1)
        _find_foreground(scratch.x[first:end], mark, scratch.marks, scratch.found)
        add_product(scratch.x, W, _listed(scratch.found), scratch.every[first:end], z)


@inlined
def add_first_gradient(inputs, rows, dz, scratch, changed):
    """Add x.T @ dz of the first layer to its weights, shift and sum of rows: twin of matmul."""
    g, W = inputs.background, weights_of(changed, 0)
    if rows.size > 1:  # one sample's foreground is still listed
        _find_foreground(scratch.x[:0], dz.dtype.type(1), scratch.marks, scratch.found)
    add_product(scratch.x.T, dz, scratch.every[: rows.size], _listed(scratch.found), W)
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
            x[n, i] = sample[i] - background
            total += x[n, i]
        totals[n] = total


@inlined
def _listed(found):
    """Return the places that have been found."""
    return found[: found[-1]]


@stage
def _find_foreground(x, mark, marks, found):
    """Mark what is not 0 in any of these samples; list where this mark is, or a later one.

    The list is the beginning of `found`, whose last entry is its length.
    """
    for n in range(len(x)):
        for i in range(marks.size):
            marks[i] = mark if x[n, i] != 0 else marks[i]
    end = 0
    for i in range(marks.size):
        found[end] = i  # always written, only sometimes kept: no branch to mispredict
        end += marks[i] >= mark
    found[-1] = end

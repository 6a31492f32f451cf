"""Matrix products and the dense layer.

Matrices of the working copy (see `layout`) have rows of whole lanes: a width that is not a multiple
of a lane is padded with zeros, which stay zero.

A block (see `blocks`) keeps the multipliers busy if it has about eight sums or more, because each
waits for its last term; every number that is read should be used in as many of them as there are
registers for. Measured on one core of a Zen 5, in float32, products of 32 and 128 x 112 by
112 x 784, in GFLOP/s; OpenBLAS reaches 175 to 230 (AVX-512) and 113 to 124 (AVX2):

=================  ====  ====  ====  ====  ====  ====  ====  ====
rows x lanes       8x1   8x2   6x2   4x4   2x7   4x2   4x3   2x4
=================  ====  ====  ====  ====  ====  ====  ====  ====
AVX-512            214   267   251   270   237
AVX2               106         124               123   137   126
=================  ====  ====  ====  ====  ====  ====  ====  ====

A block takes 0.1 s to compile, so there are few of them: a broad one, and one for every number of
lanes that may remain.
"""

import numpy as np

from ae_numpy.kernels.blocks import add_block, fill_block, update_block
from ae_numpy.kernels.compilation import inlined, stage
from ae_numpy.kernels.lanes import N_REGISTERS, any_layout, lane_size, whole_lanes

# Lanes of broad blocks, which have four rows; rows of blocks of two lanes; lanes of single rows.
# A single row is bound by reading b. The caches prefetch what is read in order: 24 lanes of AVX-512
# at a time take 0.68 of the time that 7 take (112 x 784), although 7 would compile faster.
_BROAD, _MIDDLE_ROWS, _SINGLE = (4, 8, 24) if N_REGISTERS >= 32 else (3, 6, 12)


@inlined
def add_product(a, b, terms, places, out):
    """Add a @ b to out: the twin of matmul. b and out have rows of whole lanes; a may be larger.

    `terms` are the indices of the columns of a and rows of b to use, `places` those of the rows of
    a and out. For whole matrices they cost 1 %, so one function serves both.
    """
    _add_product(any_layout(a), b, terms, places, out)


@stage
def _add_product(a, b, terms, places, out):
    """Add a @ b to out, block by block: compiled once, for a stored as it is or transposed."""
    if places.size == 1:
        j = _add_columns(a, b, terms, places, out, 0, _SINGLE, 1, 1)
        j = _add_columns(a, b, terms, places, out, j, 7, 1, 1)
        j = _add_columns(a, b, terms, places, out, j, 2, 1, 4)
        _add_columns(a, b, terms, places, out, j, 1, 1, 8)
    else:
        j = _add_columns(a, b, terms, places, out, 0, _BROAD, 4, 1)
        if _BROAD > 3:  # 0.88 to 0.93 of the time that two lanes and one take, at 112 columns
            j = _add_columns(a, b, terms, places, out, j, 3, 8, 1)
        j = _add_columns(a, b, terms, places, out, j, 2, _MIDDLE_ROWS, 1)
        _add_columns(a, b, terms, places, out, j, 1, 8, 1)


@inlined
def _add_columns(a, b, terms, places, out, start, lanes, rows, sums):
    """Add the product from column `start` on, `lanes` lanes at a time; return where they end."""
    width = lanes * lane_size(b)
    end = start + (b.shape[1] - start) // width * width
    whole = places.size // rows * rows
    for j in range(start, end, width):
        for m in range(0, whole, rows):
            add_block(a, b, terms, places, out, m, j, rows, lanes, sums)
        for m in range(whole, places.size):
            add_block(a, b, terms, places, out, m, j, 1, lanes, sums)
    return end


@stage
def fill_product_transposed(a, b, out):
    """Write a @ b.T to out, the backward pass through a layer: twin of matmul."""
    whole_rows, whole_columns = a.shape[0] // 4 * 4, b.shape[0] // _BROAD * _BROAD
    for j in range(0, whole_columns, _BROAD):
        for m in range(0, whole_rows, 4):
            fill_block(a, b, out, m, j, 4, _BROAD, 1)
        for m in range(whole_rows, a.shape[0]):
            fill_block(a, b, out, m, j, 1, _BROAD, 1)
    for j in range(whole_columns, b.shape[0]):
        for m in range(a.shape[0]):
            fill_block(a, b, out, m, j, 1, 1, 4)


def every(n):
    """Return the indices of n rows, as `add_product` takes them."""
    return np.arange(n, dtype=np.uint32)


def matmul(a, b):
    """Twin of `reference.matmul`.

    Examples
    --------
    >>> matmul(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    array([[11.]])
    """
    padded = np.zeros((b.shape[0], whole_lanes(b.shape[1], b.dtype)), b.dtype)
    padded[:, : b.shape[1]] = b
    out = np.zeros((a.shape[0], padded.shape[1]), b.dtype)
    add_product(a, padded, every(len(b)), every(len(a)), out)
    return np.ascontiguousarray(out[:, : b.shape[1]])


def dense_forward(x, W, b):
    """Twin of `reference.dense_forward`.

    Examples
    --------
    >>> dense_forward(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]), np.array([0.5]))
    array([[11.5]])
    """
    return matmul(x, W) + b


def dense_backward(dz, x, W):
    """Twin of `reference.dense_backward`.

    Examples
    --------
    >>> dense_backward(np.array([[1.0]]), np.array([[2.0]]), np.array([[3.0]]))
    (array([[3.]]), array([[2.]]), array([1.]))
    """
    return matmul(dz, W.T), matmul(x.T, dz), dz.sum(axis=0)


@stage
def backward_and_update(dz, x, W, carried, dx):
    """Twin of dense_backward for one sample, with the update ``W += dW`` in the same pass.

    dx is the product of the rows of W with `carried`: dz itself, or the raw error. Training on one
    sample at a time is bound by reading W from the cache. So a row is read once, used for dx as it
    was before the step, and written back changed. Four rows at a time share the reading of dz,
    which takes 0.75 of the time of one at a time.
    """
    whole = W.shape[0] // 4 * 4
    for i in range(0, whole, 4):
        update_block(W, carried, x, dz, dx, i, 4)
    for i in range(whole, W.shape[0]):
        update_block(W, carried, x, dz, dx, i, 1)


@inlined
def add_bias_gradient(dz, mask, db):
    """Add the sum of dz over samples to db where the mask allows; elsewhere db keeps its bits."""
    for n in range(dz.shape[0]):
        for j in range(db.size):
            if mask[j]:
                db[j] += dz[n, j]

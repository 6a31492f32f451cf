"""Matrix products and the dense layer.

Matrices of the working copy (see `layout`) have rows of whole lanes: a width that is no multiple
of 16 (float32) or 8 (float64) is padded with zeros, which stay zero.
"""

from __future__ import annotations

import numpy as np

from ae_numpy.kernels.blocks import add_block
from ae_numpy.kernels.compilation import elementwise, sums
from ae_numpy.kernels.lanes import add, fma, lanes_in, load, splat, store, total


@sums
def add_product(a, b, out):
    """Add a @ b to out: the twin of matmul. b and out have rows of whole lanes; a may be larger.

    An entry of a meets a whole row of b, so the product is a sum of rows of b. It is built in
    registers, a block of out at a time: as many sums as it takes to keep the multipliers busy,
    while each piece of b that is read serves several rows. A single lane of a single row has four
    partial sums instead, because each has to wait for its last term.
    """
    lanes = lanes_in(b)
    whole = b.shape[1] // (4 * lanes) * (4 * lanes)
    for j in range(0, whole, 4 * lanes):
        m = 0
        while m + 2 <= out.shape[0]:
            add_block(a, b, out, m, j, 2, 4, 1)
            m += 2
        if m < out.shape[0]:
            add_block(a, b, out, m, j, 1, 4, 1)
    j = whole
    while j + 2 * lanes <= b.shape[1]:
        m = 0
        while m + 4 <= out.shape[0]:
            add_block(a, b, out, m, j, 4, 2, 1)
            m += 4
        while m < out.shape[0]:
            add_block(a, b, out, m, j, 1, 1, 4)
            add_block(a, b, out, m, j + lanes, 1, 1, 4)
            m += 1
        j += 2 * lanes
    if j < b.shape[1]:
        m = 0
        while m + 4 <= out.shape[0]:
            add_block(a, b, out, m, j, 4, 1, 1)
            m += 4
        while m < out.shape[0]:
            add_block(a, b, out, m, j, 1, 1, 4)
            m += 1


@sums
def fill_product_transposed(a, b, out):
    """Put a @ b.T into out, the way back through a layer: twin of matmul.

    Rows of a and b have whole lanes. Four rows of b serve all rows of a while they are in the
    nearest cache, and share the reading of each.
    """
    lanes = lanes_in(b)
    zero = splat(b.dtype.type(0))
    i = 0
    while i + 4 <= b.shape[0]:
        for m in range(a.shape[0]):
            s0 = s1 = s2 = s3 = zero
            for j in range(0, b.shape[1], lanes):
                u = load(a, m, j, 0)
                s0, s1 = fma(u, load(b, i, j, 0), s0), fma(u, load(b, i + 1, j, 0), s1)
                s2, s3 = fma(u, load(b, i + 2, j, 0), s2), fma(u, load(b, i + 3, j, 0), s3)
            out[m, i], out[m, i + 1] = total(s0), total(s1)
            out[m, i + 2], out[m, i + 3] = total(s2), total(s3)
        i += 4
    while i < b.shape[0]:
        for m in range(a.shape[0]):
            s0 = zero
            for j in range(0, b.shape[1], lanes):
                s0 = fma(load(a, m, j, 0), load(b, i, j, 0), s0)
            out[m, i] = total(s0)
        i += 1


def matmul(a, b):
    """Twin of `reference.matmul`.

    Examples
    --------
    >>> matmul(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    array([[11.]])
    """
    padded = whole_lanes(b)
    out = np.zeros((a.shape[0], padded.shape[1]), b.dtype)
    add_product(a, padded, out)
    return out if padded is b else np.ascontiguousarray(out[:, : b.shape[1]])


def whole_lanes(a):
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


@sums
def dense_backward_and_update(dz, x, W, carried, dx):
    """Twin of dense_backward for one sample, with the update ``W += dW`` in the same pass.

    dx is the product of the rows of W with `carried`: dz itself, or the raw error. Training on one
    sample at a time is bound by the reading of W from the cache. So a row is read once, serves dx
    as it was before the step, and is written back changed.
    """
    lanes = lanes_in(W)
    four = 4 * lanes
    whole = W.shape[1] // four * four
    zero = splat(W.dtype.type(0))
    for i in range(W.shape[0]):
        v = splat(x[0, i])
        s0 = s1 = s2 = s3 = zero
        for j in range(0, whole, four):
            w0, w1 = load(W, i, j, 0), load(W, i, j, 1)
            w2, w3 = load(W, i, j, 2), load(W, i, j, 3)
            s0, s1 = fma(w0, load(carried, 0, j, 0), s0), fma(w1, load(carried, 0, j, 1), s1)
            s2, s3 = fma(w2, load(carried, 0, j, 2), s2), fma(w3, load(carried, 0, j, 3), s3)
            store(W, i, j, 0, fma(v, load(dz, 0, j, 0), w0))
            store(W, i, j, 1, fma(v, load(dz, 0, j, 1), w1))
            store(W, i, j, 2, fma(v, load(dz, 0, j, 2), w2))
            store(W, i, j, 3, fma(v, load(dz, 0, j, 3), w3))
        for j in range(whole, W.shape[1], lanes):
            w0 = load(W, i, j, 0)
            s0 = fma(w0, load(carried, 0, j, 0), s0)
            store(W, i, j, 0, fma(v, load(dz, 0, j, 0), w0))
        dx[0, i] = total(add(add(s0, s1), add(s2, s3)))


@elementwise
def add_bias_gradient(dz, mask, db):
    """Add the sum of dz over samples to db where the mask allows; elsewhere db keeps its bits."""
    for n in range(dz.shape[0]):
        for j in range(db.size):
            if mask[j]:
                db[j] += dz[n, j]

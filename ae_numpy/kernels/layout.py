"""The working copy of a network: matrices in rows of whole lanes, and views into them."""

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numba import types
from numba.core import cgutils
from numba.np.arrayobj import populate_array

from ae_numpy.kernels.compilation import elementwise, inlined
from ae_numpy.kernels.lanes import operation, whole_lanes


class Model(NamedTuple):
    """A working copy of a network's parameters, in rows of whole lanes."""

    sizes: np.ndarray  # (L + 1,) units of the input and of each layer
    shapes: np.ndarray  # (L, 2) rows and columns of each layer's W, as it is kept
    weights_at: np.ndarray  # (L,) where each layer's W begins in `weights`
    units_at: np.ndarray  # (L + 1,) where each layer's units begin in `biases`
    narrow: bool  # whether the first layer's W is kept transposed
    bias_mask: np.ndarray  # of the shape of `biases`
    numbers: np.ndarray  # all of the following, which are views
    weights: np.ndarray  # the layers' W, one after another
    biases: np.ndarray  # the layers' b, each as wide as the rows of its W
    shift: np.ndarray  # what is to be added to every row of the first layer's W (see `background`)
    row_sum: np.ndarray  # the sum of its rows, shift included; both are empty if unused


@elementwise
def fill_rows(b, a):
    """Copy b to every row of a; assigning a row as a whole takes Numba ten times longer."""
    for n in range(a.shape[0]):
        for j in range(b.size):
            a[n, j] = b[j]


@elementwise
def copy(a, b):
    """Copy a vector to another."""
    for k in range(a.size):
        b[k] = a[k]


@elementwise
def move(a, b):
    """Add a vector to another, and set it to zero."""
    for k in range(a.size):
        b[k] += a[k]
        a[k] = 0


@elementwise
def add_to_rows(b, a):
    """Add b to every row of a."""
    for i in range(a.shape[0]):
        for j in range(b.size):
            a[i, j] += b[j]


@operation(lambda a, start, shape: a.reshape(-1)[start : start + math.prod(shape)].reshape(shape))
def part(_, a, start, shape):
    """View a C-contiguous array, from its entry number `start` on, as one of another shape.

    ``reshape`` does the same, but in Numba it is a call that searches for the strides: some thirty
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


@inlined
def flat(a):
    """Return a C-contiguous array as a vector."""
    return part(a, 0, (a.size,))


@inlined
def weights_of(model, layer):
    """Return the weights of a layer: a view of shape (I, O), or (O, I) where it is narrow."""
    I, O = model.shapes[layer, 0], model.shapes[layer, 1]
    return part(model.weights, model.weights_at[layer], (I, O))


@inlined
def biases_of(model, values, layer):
    """Return what `values` has for the units of a layer: a view of shape (O,)."""
    return values[model.units_at[layer] : model.units_at[layer + 1]]


@inlined
def units_of(model, values, layer, rows):
    """Return what `values` has for the units of a layer and these samples: a view (B, O).

    Where it begins does not depend on the number of samples, so the zeros that pad the rows stay
    zero.
    """
    tile = values.size // model.biases.size
    O = model.units_at[layer + 1] - model.units_at[layer]
    return part(values, tile * model.units_at[layer], (len(rows), O))


def padded_width(n, dtype):
    """Return the width of rows that hold n numbers: whole lanes, but not a multiple of 4096 bytes.

    Such rows would all compete for the same few places in the nearest cache.
    """
    width = whole_lanes(n, dtype)
    return whole_lanes(width + (width * dtype.itemsize % 4096 == 0), dtype)


def new_model(layer_sizes, dtype, bias_mask, narrow=False, with_shift=False):
    """Return a working copy of a network whose parameters are 0, in rows of whole lanes."""
    sizes = np.array(layer_sizes, np.int64)
    widths = padded_width(sizes, dtype)
    shapes = np.column_stack([sizes[:-1], widths[1:]])
    if narrow:
        shapes[0] = sizes[1], widths[0]
    ends, units_at = np.cumsum(shapes.prod(axis=1)), np.cumsum([0, *widths[1:]])
    n_kept = widths[1] if with_shift else 0
    sections = np.cumsum([ends[-1], units_at[-1], n_kept, n_kept])
    numbers = aligned_zeros(int(sections[-1]), dtype)
    parts = np.split(numbers, sections[:-1])
    mask, at = np.zeros(units_at[-1], bool), ends - shapes.prod(axis=1)
    model = Model(sizes, shapes, at, units_at, narrow, mask, numbers, *parts)
    for padded, plain in _vectors(model, model.bias_mask, bias_mask):
        padded[...] = plain
    return model


def pack(parameters, model):
    """Write parameters, laid out as `Network` does, to a working copy."""
    for padded, plain in _matrices(model, parameters):
        padded[...] = plain


def begin(model):
    """Sum the rows of the first layer's W, from which nothing is kept aside yet."""
    if model.shift.size > 0:
        model.shift[:] = 0
        W = model.weights[: model.shapes[0].prod()].reshape(model.shapes[0])
        W.sum(axis=0, out=model.row_sum)


def unpack(model, parameters):
    """Write a working copy to parameters, laid out as `Network` does."""
    for padded, plain in _matrices(model, parameters):
        plain[...] = padded


def _matrices(model, parameters):
    """Yield each W, then each b, as views of a working copy and of flat parameters."""
    start = 0
    for layer, (I, O) in enumerate(pairwise(model.sizes)):
        rows, width = model.shapes[layer]
        at = model.weights_at[layer]
        padded = model.weights[at : at + rows * width].reshape(rows, width)
        if layer == 0 and model.narrow:
            padded = padded.T
        yield padded[:I, :O], parameters[start : start + I * O].reshape(I, O)
        start += I * O
    yield from _vectors(model, model.biases, parameters[start:])


def _vectors(model, padded, plain):
    """Yield one vector per layer, as views of a padded array and of a plain one."""
    start = 0
    for O, at in zip(model.sizes[1:], model.units_at, strict=False):
        yield padded[at : at + O], plain[start : start + O]
        start += O


def aligned_zeros(size, dtype):
    """Return zeros at an address that is a multiple of 64 bytes.

    A lane of 64 bytes that straddles two cache lines takes two reads; aligned weights make a
    training step an eighth faster at 112 hidden units.
    """
    memory = np.zeros(size * dtype.itemsize + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size * dtype.itemsize].view(dtype)

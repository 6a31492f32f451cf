"""Training and propagation, made of the other files' pieces.

Three things make training fast, each explained where it is: sums stay in vector registers
(`lanes`); the background of images is not multiplied (`background`); and with a batch of one,
gradient and update are one pass over the weights (`dense`).
"""

from __future__ import annotations

import numpy as np

from ae_numpy.kernels.background import (
    add_first_gradient,
    add_narrow_gradient,
    fill_first_product,
    fill_narrow_product,
)
from ae_numpy.kernels.compilation import elementwise, stage
from ae_numpy.kernels.dense import (
    add_bias_gradient,
    add_product,
    dense_backward_and_update,
    fill_product_transposed,
)
from ae_numpy.kernels.lanes import fetch, lanes_in
from ae_numpy.kernels.layout import (
    add_to_rows,
    biases_of,
    fill_rows,
    flat,
    new_scratch,
    pack,
    sum_rows,
    units_of,
    unpack,
    weights_of,
    zeros_like,
)
from ae_numpy.kernels.loss import fill_error
from ae_numpy.kernels.sigmoid import fill_sigmoid, fill_sigmoid_gradient

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
    >>> from ae_numpy.kernels import prepare
    >>> network, X = Network((2, 1, 2)), prepare(np.array([[1.0, 0.0]]))
    >>> parameters, errors = train_batches(network, np.zeros(7), X, np.array([0]), 1, 0.5)
    >>> parameters[-2:].tolist(), errors.tolist()
    ([0.0625, -0.0625], [0.5])
    """
    model = pack(parameters, network.layer_sizes, network.bias_mask, _is_narrow(network))
    # A batch of several tiles has its gradient added up aside; any other changes the model itself.
    gradient = zeros_like(model) if batch_size > _TILE else model
    with np.errstate(over="ignore"):  # a rate that is infinite in float32 makes the errors NaN
        rate = parameters.dtype.type(rate)
    errors = np.empty(len(rows), parameters.dtype)
    scratch = new_scratch(model, min(_TILE, batch_size))
    targets = (X if target is None else target).X
    raw_error = network.backprop == "raw_error"
    _train(model, gradient, X, targets, rows, batch_size, rate, raw_error, scratch, errors)
    return unpack(model), errors


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
    model = pack(parameters, layer_sizes, none_trained, narrow=False)
    output = np.empty((len(X), layer_sizes[-1]), parameters.dtype)
    _propagate(model, X, new_scratch(model, _TILE), output)
    return output


@stage
def _train(
    model, gradient, inputs, targets, rows, batch_size, rate, raw_error, scratch, squared_errors
):
    """Take a gradient step after each batch."""
    tile = scratch.a.size // model.biases.size
    in_place = batch_size <= tile  # then `gradient` is the model
    sum_rows(weights_of(model, 0), model.row_sum)
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
    add_to_rows(model.shift, weights_of(model, 0))


@elementwise
def _fetch_samples(X, rows):
    """Ask for samples before their turn, which the machine cannot guess if they are shuffled.

    At batch size 1 the memory then works while the kernels do, which saves up to a tenth of a step.
    """
    for n in range(rows.size):
        x = X[rows[n]]
        for i in range(0, x.size, lanes_in(X)):
            fetch(x, i)


@stage
def _propagate(model, X, scratch, output):
    """Pass samples through all layers, a tile at a time."""
    tile, last = scratch.a.size // model.biases.size, model.sizes.size - 2
    for first in range(0, X.shape[0], tile):
        x = X[first : first + tile]
        for layer in range(last + 1):
            z, a = units_of(model, scratch.z, layer, x), units_of(model, scratch.a, layer, x)
            fill_rows(biases_of(model, model.biases, layer), z)
            if layer == 0:
                add_product(x, weights_of(model, layer), z)
            else:
                add_product(units_of(model, scratch.a, layer - 1, x), weights_of(model, layer), z)
            fill_sigmoid(flat(z), flat(a), scratch.bits)
        a = units_of(model, scratch.a, last, x)
        for n in range(x.shape[0]):
            for j in range(output.shape[1]):
                output[first + n, j] = a[n, j]


@stage
def _forward(model, inputs, rows, scratch):
    """Pass the samples of a tile through all layers: the twin of `Network.forward`."""
    for layer in range(model.sizes.size - 1):
        b = biases_of(model, model.biases, layer)
        z, a = units_of(model, scratch.z, layer, rows), units_of(model, scratch.a, layer, rows)
        if layer == 0 and model.narrow:
            fill_narrow_product(inputs.X, rows, weights_of(model, 0), b, z)
        elif layer == 0:
            fill_first_product(model, inputs, rows, b, scratch.values, z)
        else:
            fill_rows(b, z)
            add_product(units_of(model, scratch.a, layer - 1, rows), weights_of(model, layer), z)
        fill_sigmoid(flat(z), flat(a), scratch.bits)


@stage
def _output_error(model, targets, rows, scratch, scale, squared_errors):
    """Put `scale` times the error of a tile into da of the last layer; fill squared errors."""
    last = model.sizes.size - 2
    a, da = units_of(model, scratch.a, last, rows), units_of(model, scratch.da, last, rows)
    for n in range(rows.size):
        target = targets[rows[n]]
        squared_errors[n] = fill_error(a[n], target, scale, da[n])


@stage
def _backward(model, inputs, rows, raw_error, scratch, gradient, in_place):
    """Pass the error of a tile back through all layers: the twin of `Network.backward`.

    Adds the gradient, summed over the samples and scaled as the error is, to `gradient`: the model
    itself if `in_place`. A layer's weights are changed after the error has passed through them.
    Everything below the error is linear in it, so it is enough to scale the error.
    """
    last = model.sizes.size - 2
    for layer in range(last, -1, -1):
        a, da = units_of(model, scratch.a, layer, rows), units_of(model, scratch.da, layer, rows)
        dz = units_of(model, scratch.dz, layer, rows)
        fill_sigmoid_gradient(flat(da), flat(a), flat(dz))
        if layer == 0 and model.narrow:
            add_narrow_gradient(inputs.X, rows, dz, weights_of(gradient, 0))
        elif layer == 0:
            add_first_gradient(inputs, rows, dz, scratch.values, weights_of(gradient, 0), gradient)
        else:
            W, x = weights_of(model, layer), units_of(model, scratch.a, layer - 1, rows)
            dx = units_of(model, scratch.da, layer - 1, rows)
            carried = da if raw_error else dz
            if in_place and rows.size == 1:
                dense_backward_and_update(dz, x, W, carried, dx)
            else:
                fill_product_transposed(carried, W, dx)
                add_product(x.T, dz, weights_of(gradient, layer))
        db = biases_of(gradient, gradient.biases, layer)
        add_bias_gradient(dz, biases_of(model, model.bias_mask, layer), db)


@stage
def _update(model, step, gradient):
    """Add `step` times the gradient to the parameters, and set the gradient to zero."""
    add_to_rows(gradient.shift, weights_of(gradient, 0))
    for k in range(model.weights.size):
        model.weights[k] += step * gradient.weights[k]
        gradient.weights[k] = 0
    for k in range(model.biases.size):
        if model.bias_mask[k]:
            model.biases[k] += step * gradient.biases[k]
        gradient.biases[k] = 0
    for j in range(gradient.shift.size):
        gradient.shift[j] = 0
    sum_rows(weights_of(model, 0), model.row_sum)

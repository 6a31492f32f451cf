"""Training and propagation, composed of the other files' pieces.

Five things make training fast, each explained where it is done: sums stay in registers, in blocks
shaped for the machine (`dense`); the background of images is not multiplied (`background`); with a
batch of one, gradient and update are one pass over the weights (`dense`); the output units are
processed sample by sample, while each is in the nearest cache, and samples are prefetched (here).
"""

import numpy as np

from ae_numpy.kernels import background, dense, layout
from ae_numpy.kernels.compilation import elementwise, inlined, stage
from ae_numpy.kernels.lanes import fetch, lane_size
from ae_numpy.kernels.layout import biases_of, flat, units_of, weights_of
from ae_numpy.kernels.loss import fill_error
from ae_numpy.kernels.memory import new_memory, new_scratch
from ae_numpy.kernels.sigmoid import fill_sigmoid, multiply_by_slope

# Reconstruction, too, multiplies the foreground only where that pays: with 112 units, 4000 images
# take 0.8 of the time. With few units, finding the foreground takes as long as what it saves; with
# few samples, finding the background does, which is 0.1 ms.
_FEW_UNITS, _LITTLE_WORK = 32, 40_000


def train_batches(
    network, parameters, X, rows, batch_size, rate, target=None, memory=None, chunk=None
):
    """Take a gradient step after each batch: the twin of `training.train_batches`.

    Parameters
    ----------
    network : object
        Its `layer_sizes` (L + 1 numbers), `bias_mask` (bool array, which of the biases are
        trained) and `backprop` are read.
    parameters : array, shape (P,)
        As `Network` lays them out. Not changed.
    X : Inputs
        The samples, as `prepare` returns them.
    rows : int64 array, shape (n,)
        The samples to train on, in this order.
    batch_size : int
        How many make a batch; the last one may be shorter.
    rate : float
        Learning rate.
    target : Inputs, optional
        The targets, of any values, as `prepare` returns them: X unless given.
    memory : tuple, optional
        What `new_memory` returns for this network, X and batch size: each call allocates its own
        otherwise, which takes a twentieth of the time of a chunk at 112 hidden units.
    chunk : int, optional
        How many samples, in whole batches, pass before what is kept aside is added to the weights:
        all of them unless given.

    Returns
    -------
    parameters : array, shape (P,)
        The trained parameters.
    squared_errors : array, shape (n,)
        Squared error of each sample, before the step taken on it.

    Examples
    --------
    >>> from ae_numpy import Network
    >>> from ae_numpy.kernels import prepare
    >>> network, X = Network((2, 1, 2)), prepare(np.array([[1.0, 0.0]]))
    >>> parameters, errors = train_batches(network, np.zeros(7), X, np.array([0]), 1, 0.5)
    >>> parameters[-2:].tolist(), errors.tolist()
    ([0.0625, -0.0625], [0.5])
    """
    memory = memory or new_memory(network, X, batch_size)
    layout.pack(parameters, memory[0])
    with np.errstate(over="ignore"):  # a rate that is infinite in float32 makes the errors NaN
        rate = parameters.dtype.type(rate)
    trained, errors = np.empty_like(parameters), np.empty(len(rows), parameters.dtype)
    targets, raw_error = (target or X).X, network.backprop == "raw_error"
    for start in range(0, len(rows), chunk or len(rows) or 1):
        part = slice(start, start + (chunk or len(rows)))
        layout.begin(memory[0])
        _train(memory, X, targets, rows[part], batch_size, rate, raw_error, errors[part])
    layout.unpack(memory[0], trained)
    return trained, errors


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
    is_much = len(X) * (layer_sizes[1] - _FEW_UNITS) > _LITTLE_WORK
    inputs = background.prepare(X) if is_much else background.Inputs(X, X.dtype.type(0), False)
    held = np.zeros(sum(layer_sizes[1:]), bool)
    model = layout.new_model(layer_sizes, X.dtype, held, with_shift=inputs.is_sparse)
    layout.pack(parameters, model)
    layout.begin(model)
    output = np.empty((len(X), layer_sizes[-1]), X.dtype)
    scratch = new_scratch(model, len(X), 64)  # the next 64 samples are in the second cache, too
    _propagate(model, inputs, np.arange(len(X)), scratch, output)
    return output


@stage
def _train(memory, inputs, targets, rows, batch_size, rate, raw_error, squared_errors):
    """Take a gradient step after each batch."""
    model, changed, scratch = memory
    tile = scratch.totals.size
    for start in range(0, rows.size, batch_size):
        batch = rows[start : start + batch_size]
        step = -rate / model.numbers.dtype.type(batch.size)
        for first in range(0, batch.size, tile):
            part = batch[first : first + tile]
            end = start + first + part.size
            _forward(model, inputs, part, scratch)
            _fetch_sample(inputs.X, rows[end + 2 :])  # what comes soon
            errors = squared_errors[start + first : end]
            _output_error(model, targets, part, scratch, step, raw_error, errors)
            _backward(model, inputs, part, raw_error, scratch, changed, batch_size == 1)
        if batch_size > tile:
            layout.move(changed.numbers, model.numbers)
    # What was kept separately is folded in, so that a chunk begins and ends with plain weights.
    layout.add_to_rows(model.shift, weights_of(model, 0))


@elementwise
def _fetch_sample(X, rows):
    """Prefetch a sample before its turn: the machine cannot predict where shuffled rows are.

    Memory and kernels then work at the same time. That saves 3 to 10 % of a step at batch size 1,
    5 % with mini-batches, whose targets have left the nearer caches since they were inputs, and 2
    to 9 % of reconstruction.
    """
    if rows.size > 0:
        for i in range(0, X.shape[1], lane_size(X)):
            fetch(X[rows[0]], i)


@inlined
def _forward(model, inputs, rows, scratch):
    """Pass the samples of a tile through all layers, up to z of the output: `Network.forward`."""
    level = inputs.background if model.shift.size > 0 else model.numbers.dtype.type(0)
    background.copy_samples(inputs.X, rows, level, scratch.x, scratch.totals)
    z = units_of(model, scratch.delta, 0, rows)
    if model.narrow:
        dense.fill_product_transposed(scratch.x[: rows.size], weights_of(model, 0), z)
        layout.add_to_rows(biases_of(model, model.biases, 0), z)
    elif model.shift.size > 0:
        background.fill_first_product(model, inputs, rows, scratch, z)
    else:
        _fill_product(model, 0, scratch.x, scratch, z)
    _upper_layers(model, rows, scratch)


@inlined
def _fill_product(model, layer, x, scratch, z):
    """Write x @ W + b of a layer to z: twin of dense_forward."""
    terms, places = scratch.every[: model.sizes[layer]], scratch.every[: len(z)]
    layout.fill_rows(biases_of(model, model.biases, layer), z)
    dense.add_product(x, weights_of(model, layer), terms, places, z)


@inlined
def _upper_layers(model, rows, scratch):
    """Pass a tile from z of the first layer to z of the output."""
    for layer in range(1, model.sizes.size - 1):
        x = units_of(model, scratch.a, layer - 1, rows)
        fill_sigmoid(flat(units_of(model, scratch.delta, layer - 1, rows)), flat(x))
        _fill_product(model, layer, x, scratch, units_of(model, scratch.delta, layer, rows))


@inlined
def _output_error(model, targets, rows, scratch, scale, raw_error, squared_errors):
    """Overwrite z of the output with dz, sample by sample; fill their squared errors.

    Everything below the error is linear in it, so it is enough to multiply it by `scale`.
    """
    last = model.sizes.size - 2
    delta = units_of(model, scratch.delta, last, rows)
    carried = units_of(model, scratch.carried, last, rows)
    a = flat(units_of(model, scratch.a, last, rows[:1]))  # it stays in the nearest cache
    for n in range(rows.size):
        dz = delta[n]
        _fetch_sample(targets, rows[n + 1 :])
        fill_sigmoid(dz, a)
        squared_errors[n] = fill_error(a, targets[rows[n]], scale, dz)
        if raw_error:
            layout.copy(dz, carried[n])
        multiply_by_slope(a, dz)


@inlined
def _backward(model, inputs, rows, raw_error, scratch, changed, at_once):
    """Pass the error of a tile back through all layers: the twin of `Network.backward`.

    Adds the gradient, summed over the samples and scaled like the error, to `changed`. A layer's
    weights are changed after the error has passed through them, or, for single samples, at once.
    """
    for layer in range(model.sizes.size - 2, -1, -1):
        dz = units_of(model, scratch.delta, layer, rows)
        samples, units = scratch.every[: rows.size], scratch.every[: model.sizes[layer]]
        db = biases_of(changed, changed.biases, layer)
        dense.add_bias_gradient(dz, biases_of(model, model.bias_mask, layer), db)
        if layer > 0:
            W, x = weights_of(model, layer), units_of(model, scratch.a, layer - 1, rows)
            dx = units_of(model, scratch.delta, layer - 1, rows)
            carried = units_of(model, scratch.carried, layer, rows) if raw_error else dz
            if at_once:
                dense.backward_and_update(dz, x, W, carried, dx)
            else:
                dense.fill_product_transposed(carried, W, dx)
                dense.add_product(x.T, dz, samples, units, weights_of(changed, layer))
            if raw_error:
                layout.copy(flat(dx), flat(units_of(model, scratch.carried, layer - 1, rows)))
            multiply_by_slope(flat(x), flat(dx))
        elif model.shift.size > 0:
            background.add_first_gradient(inputs, rows, dz, scratch, changed)
        elif model.narrow:
            units = scratch.every[: model.sizes[1]]
            dense.add_product(dz.T, scratch.x, samples, units, weights_of(changed, 0))
        else:
            dense.add_product(scratch.x.T, dz, samples, units, weights_of(changed, 0))


@stage
def _propagate(model, inputs, rows, scratch, output):
    """Pass samples through all layers, a tile at a time."""
    tile = scratch.totals.size
    for first in range(0, rows.size, tile):
        part = rows[first : first + tile]
        if inputs.is_sparse:
            _forward(model, inputs, part, scratch)
        else:  # without a copy of the samples: a tenth of the time at 28 units
            z = units_of(model, scratch.delta, 0, part)
            _fill_product(model, 0, inputs.X[first : first + tile], scratch, z)
            _upper_layers(model, part, scratch)
        z = units_of(model, scratch.delta, model.sizes.size - 2, part)
        for n in range(part.size):
            _fetch_sample(inputs.X, rows[first + tile + n :])
            fill_sigmoid(z[n, : output.shape[1]], output[first + n])

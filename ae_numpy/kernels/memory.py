"""The memory that training and propagation compute in: kernels own none."""

from typing import NamedTuple

import numpy as np

from ae_numpy.kernels import dense, layout

# This many samples of a batch go through the network and change its weights together: the more
# there are, the less often weights are moved, but their own numbers must fit into the second cache.
_TILE = 128

# A first layer of this many units or fewer is narrow: its rows would be mostly padding. So it is
# kept transposed, a row for each unit, as long as x, and all pixels are multiplied. At 784 inputs,
# 81 % of them background, a step takes 0.8 of the time at 2 units and 1.07 at 8; of dense images,
# 0.4 and 0.6.
_NARROW = 8


class Scratch(NamedTuple):
    """Memory for what is computed from the samples of a tile."""

    x: np.ndarray  # (tile, I and more) the samples, less their background, in rows of whole lanes
    totals: np.ndarray  # (tile,) the sums of these rows
    a: np.ndarray  # activations, a number per sample and unit
    delta: np.ndarray  # of this shape, too: z, then da, then dz
    carried: np.ndarray  # of this shape, too: da, where the raw error is passed down
    every: np.ndarray  # the indices of every sample or unit
    marks: np.ndarray  # (I,) the group in which a pixel was last foreground; 0: none of this tile
    found: np.ndarray  # (I + 1,) which pixels are foreground, and how many


def new_scratch(model, n_samples, tile=_TILE):
    """Return scratch memory for a tile, or for fewer samples."""
    dtype, tile, I = model.numbers.dtype, max(min(tile, n_samples), 1), int(model.sizes[0])
    return Scratch(
        layout.aligned_zeros(tile * layout.padded_width(I, dtype), dtype).reshape(tile, -1),
        np.empty(tile, dtype),
        layout.aligned_zeros(tile * model.biases.size, dtype),
        layout.aligned_zeros(tile * model.biases.size, dtype),
        layout.aligned_zeros(tile * model.biases.size, dtype),
        dense.every(max(tile, *model.sizes)),
        np.zeros(I, dtype),
        np.empty(I + 1, np.uint32),
    )


def new_memory(network, X, batch_size):
    """Return what `train_batches` computes in, a working copy of the network included.

    Parameters
    ----------
    network, X, batch_size
        As `train_batches` takes them.

    Returns
    -------
    model : Model
    changed : Model
        Where a batch of several tiles accumulates its changes, so that all tiles see the same
        model; else the model itself.
    scratch : Scratch

    Examples
    --------
    >>> from ae_numpy import Network
    >>> from ae_numpy.kernels import prepare
    >>> model, changed, scratch = new_memory(Network((2, 1, 2)), prepare(np.ones((1, 2))), 1)
    >>> changed is model, scratch.totals.shape
    (True, (1,))
    """
    sizes, narrow = network.layer_sizes, network.layer_sizes[1] <= _NARROW
    settings = sizes, X.X.dtype, network.bias_mask, narrow, not narrow and X.is_sparse
    model = layout.new_model(*settings)
    changed = layout.new_model(*settings) if batch_size > _TILE else model
    return model, changed, new_scratch(model, batch_size)

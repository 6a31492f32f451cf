"""What a network is, without its parameters.

An `Architecture` describes a network and lays out its parameters as one flat vector: the weights of
all layers, then the biases of all layers. A gradient has the same layout, so that a training step,
a gradient check, a checkpoint and a file each deal with one array. It never changes, and functions
that train, draw or store parameters take it along with them; `network` has the passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ae_numpy.reference import Array


@dataclass(frozen=True)
class Dense:
    """One layer: views into parameters (or a gradient) and into the bias mask.

    Attributes
    ----------
    W : array, shape (I, O)
    b : array, shape (O,)
    bias_mask : bool array, shape (O,)
        True where the bias is trained, False where it is frozen.

    Examples
    --------
    >>> architecture = Architecture((3, 2), np.array([True, True]))
    >>> (layer,) = architecture.views(np.arange(8.0))
    >>> layer.W.shape, layer.b
    ((3, 2), array([6., 7.]))
    """

    W: Array
    b: Array
    bias_mask: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Architecture:
    """Dense sigmoid layers, one after another, and how they are computed.

    Nothing is checked here: `Network` and `Autoencoder` have already checked their arguments.

    Attributes
    ----------
    layer_sizes : tuple of int
        Number of units of the input and of each layer: L + 1 numbers for L layers.
    bias_mask : bool array, shape (sum of layer_sizes[1:],)
        Which biases are trained, in the order they have in the parameters.
    backprop : {"exact", "raw_error"}
        The gradient, or the rule of the published code: see `Network.backward`.
    dtype : numpy.dtype
    engine : {"numpy", "numba"}

    Examples
    --------
    >>> architecture = Architecture((3, 2, 3), np.ones(5, bool))
    >>> architecture.n_parameters
    17
    """

    layer_sizes: tuple[int, ...]
    bias_mask: NDArray[np.bool_] = field(repr=False)
    backprop: str = "exact"
    dtype: np.dtype = field(default_factory=lambda: np.dtype("float64"))
    engine: str = "numpy"

    @property
    def n_weights(self) -> int:
        """Weights of all layers: where the biases begin."""
        return self.n_parameters - sum(self.layer_sizes[1:])

    @property
    def n_parameters(self) -> int:
        """Weights and biases of all layers, frozen ones included."""
        return n_parameters(self.layer_sizes)

    def views(self, flat: Array) -> tuple[Dense, ...]:
        """Split a vector laid out like the parameters into layers, without copying.

        Parameters
        ----------
        flat : array, shape (P,)
            Parameters, or a gradient.

        Returns
        -------
        tuple of Dense

        Examples
        --------
        >>> architecture = Architecture((3, 2, 3), np.ones(5, bool))
        >>> [layer.W.shape for layer in architecture.views(np.zeros(17))]
        [(3, 2), (2, 3)]
        """
        layers, start, unit = [], 0, 0
        biases = flat[self.n_weights :]
        for n_in, n_out in pairwise(self.layer_sizes):
            W = flat[start : start + n_in * n_out].reshape(n_in, n_out)
            units = slice(unit, unit + n_out)
            layers.append(Dense(W, biases[units], self.bias_mask[units]))
            start, unit = start + n_in * n_out, unit + n_out
        return tuple(layers)


def n_parameters(layer_sizes: Sequence[int]) -> int:
    """Count the weights and biases of all layers.

    Parameters
    ----------
    layer_sizes : sequence of int

    Returns
    -------
    int

    Examples
    --------
    >>> n_parameters((3, 2, 3))
    17
    """
    return sum(n_in * n_out + n_out for n_in, n_out in pairwise(layer_sizes))


def check_memory(layer_sizes: Sequence[int], dtype: np.dtype, name: str) -> None:
    """Make sure that memory can hold the parameters of a network.

    Parameters
    ----------
    layer_sizes : sequence of int
    dtype : numpy.dtype
    name : str
        Of the parameter that the sizes are from.

    Raises
    ------
    ValueError
        If it cannot; the message names the parameter.

    Examples
    --------
    >>> big = (3, 10**15, 3)
    >>> check_memory(big, np.dtype("float32"), "layer_sizes")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: layer_sizes must give a network that fits into memory: Unable to allocate ...
    """
    try:
        np.empty(n_parameters(layer_sizes), dtype)
    except (MemoryError, ValueError) as error:
        expected = "give a network that fits into memory"
        raise ValueError(f"{name} must {expected}: {error!s:.200}") from None


def by_name(layers: tuple[Dense, ...]) -> dict[str, Array]:
    """Name the arrays of layers: ``"W0"``, ``"b0"``, ``"W1"``, ...

    Parameters
    ----------
    layers : tuple of Dense

    Returns
    -------
    dict of arrays

    Examples
    --------
    >>> list(by_name(Architecture((3, 2, 3), np.ones(5, bool)).views(np.zeros(17))))
    ['W0', 'b0', 'W1', 'b1']
    """
    named = {}
    for index, layer in enumerate(layers):
        named[f"W{index}"], named[f"b{index}"] = layer.W, layer.b
    return named

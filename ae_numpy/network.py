"""A network of dense sigmoid layers whose parameters are one flat vector.

The weights of all layers come first, then the biases of all layers; a layer's ``W`` and ``b`` are
views into that vector. A gradient has the same layout, so that a training step, a gradient check,
a checkpoint and a file each deal with one array. The passes themselves are compositions of what
`reference` defines, forward next to backward.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ae_numpy.engine import get_engine
from ae_numpy.reference import Array
from ae_numpy.validation import BiasMask, bias_mask, checked

# So many samples are reconstructed together when only their errors are wanted: the memory that it
# takes does not grow with the data.
_ROWS_PER_BLOCK = 1024


@dataclass(frozen=True)
class Dense:
    """One layer: views into the network's parameters and bias mask.

    Attributes
    ----------
    W : array, shape (I, O)
    b : array, shape (O,)
    bias_mask : bool array, shape (O,)
        True where the bias is trained, False where it is held.

    Examples
    --------
    >>> layer = Network((3, 2)).layers[0]
    >>> layer.W.shape, layer.bias_mask
    ((3, 2), array([ True,  True]))
    """

    W: Array
    b: Array
    bias_mask: NDArray[np.bool_]


class Network:
    """Dense sigmoid layers, one after another.

    Parameters
    ----------
    layer_sizes : sequence of int
        Number of units of the input and of each layer: L + 1 numbers for L layers.
    bias : bool or sequence of bool arrays
        Which biases are trained: all, none, or one mask per layer, of shape (O,).
    backprop : {"exact", "raw_error"}
        ``"exact"`` is the gradient. ``"raw_error"`` is a rule that passes the error of the output
        down without the derivatives of the activations above, and so is not the gradient below
        the last layer.
    dtype : {"float32", "float64"}
    engine : {"numpy", "numba"}

    Attributes
    ----------
    parameters : array, shape (P,)
        The weights of all layers, then the biases of all layers.
    layers : tuple of Dense
    bias_mask : bool array, shape (sum of layer_sizes[1:],)
        The masks of all layers, in the order of the biases in `parameters`.

    Raises
    ------
    TypeError, ValueError
        If an argument has none of the values listed.

    Examples
    --------
    >>> network = Network((3, 2, 3))
    >>> network.parameters.shape
    (17,)
    >>> network.layers[0].W.shape
    (3, 2)
    >>> network.forward(np.zeros((1, 3)))[-1]
    array([[0.5, 0.5, 0.5]])
    """

    def __init__(
        self,
        layer_sizes: Sequence[int],
        *,
        bias: BiasMask = True,
        backprop: str = "exact",
        dtype: str | np.dtype = "float64",
        engine: str = "numpy",
    ) -> None:
        self.layer_sizes: tuple[int, ...] = checked("layer_sizes", layer_sizes)
        self.bias_mask = bias_mask(checked("bias", bias), self.layer_sizes)
        self.backprop = checked("backprop", backprop)
        self.engine = checked("engine", engine)
        self.dtype = checked("dtype", dtype)
        self.parameters = np.zeros(self._n_weights + self.bias_mask.size, self.dtype)

    @property
    def _n_weights(self) -> int:
        return sum(n_in * n_out for n_in, n_out in pairwise(self.layer_sizes))

    @property
    def layers(self) -> tuple[Dense, ...]:
        """The layers, as views: writing to them writes to `parameters`."""
        return self.views(self.parameters)

    def views(self, flat: Array) -> tuple[Dense, ...]:
        """Cut a vector with the layout of `parameters` into layers, without copying.

        Parameters
        ----------
        flat : array, shape (P,)
            Parameters, or a gradient.

        Returns
        -------
        tuple of Dense

        Examples
        --------
        >>> network = Network((3, 2, 3))
        >>> [layer.W.shape for layer in network.views(network.parameters)]
        [(3, 2), (2, 3)]
        """
        layers, start, unit = [], 0, 0
        biases = flat[self._n_weights :]
        for n_in, n_out in pairwise(self.layer_sizes):
            W = flat[start : start + n_in * n_out].reshape(n_in, n_out)
            units = slice(unit, unit + n_out)
            layers.append(Dense(W, biases[units], self.bias_mask[units]))
            start, unit = start + n_in * n_out, unit + n_out
        return tuple(layers)

    def as_dict(self, flat: Array | None = None) -> dict[str, Array]:
        """Name the arrays of a flat vector: ``"W0"``, ``"b0"``, ``"W1"``, ... are views into it.

        Parameters
        ----------
        flat : array, shape (P,), optional
            `parameters` unless given.

        Returns
        -------
        dict of arrays

        Examples
        --------
        >>> {name: array.shape for name, array in Network((3, 2, 3)).as_dict().items()}
        {'W0': (3, 2), 'b0': (2,), 'W1': (2, 3), 'b1': (3,)}
        """
        named = {}
        for index, layer in enumerate(self.views(self.parameters if flat is None else flat)):
            named[f"W{index}"], named[f"b{index}"] = layer.W, layer.b
        return named

    def flatten(self, named: Mapping[str, Array]) -> Array:
        """Lay out named arrays as one vector, the inverse of `as_dict`.

        Parameters
        ----------
        named : mapping of str to array
            All of ``"W0"``, shape (I, O), ``"b0"``, shape (O,), ``"W1"``, ..., of any floating
            dtype.

        Returns
        -------
        array, shape (P,)
            Of the widest dtype among the arrays; complex if one of them is.

        Raises
        ------
        TypeError
            If the arrays hold integers: a gradient among integers would be cut off.
        ValueError
            If a name is missing or unknown, or a shape is wrong.

        Examples
        --------
        >>> Network((2, 1)).flatten({"W0": np.array([[1.0], [2.0]]), "b0": np.array([3.0])})
        array([1., 2., 3.])
        """
        names = self.as_dict().keys()
        if names != named.keys():
            raise ValueError(f"parameters must be {sorted(names)}, got {sorted(named)}")
        given = np.result_type(*named.values())
        if given.kind not in "fc":
            raise TypeError(f"parameters must hold floating-point numbers, got dtype {given}")
        flat = np.empty(self.parameters.size, np.result_type(given, self.dtype))
        targets = self.as_dict(flat)
        for name, target in targets.items():
            shape = np.shape(named[name])
            if shape != target.shape:
                raise ValueError(f"{name} must have shape {target.shape}, got {shape}")
            target[...] = named[name]
        return flat

    def forward(self, x: Array, parameters: Array | None = None) -> list[Array]:
        """Pass a batch through all layers.

        ``a_0 = x`` and ``a_(l+1) = sigmoid(a_l @ W_l + b_l)``.

        Parameters
        ----------
        x : array, shape (B, I)
        parameters : array, shape (P,), optional
            Used in place of the network's own.

        Returns
        -------
        list of L + 1 arrays, each (B, units of the layer)
            The input, and the activations of every layer. The last one is the output.

        Raises
        ------
        ValueError
            If `x` has another width.

        Examples
        --------
        >>> Network((3, 2, 1)).forward(np.ones((1, 3)))
        [array([[1., 1., 1.]]), array([[0.5, 0.5]]), array([[0.5]])]
        """
        parameters = self.parameters if parameters is None else parameters
        engine = self._engine_for(parameters)
        activations = [_checked_batch(x, "x", self.layer_sizes[0], parameters)]
        for layer in self.views(parameters):
            z = engine.dense_forward(activations[-1], layer.W, layer.b)  # (B, O)
            activations.append(engine.sigmoid_forward(z))  # (B, O)
        return activations

    def backward(
        self, activations: list[Array], target: Array, parameters: Array | None = None
    ) -> Array:
        """Pass the error back through all layers.

        With delta = dJ/dz of each layer, the chain rule says, from the last layer down
        (Rumelhart, Hinton and Williams, Nature 323, 1986, equations 4 to 7) ::

            delta_L = (output - target) / B * sigmoid'(z_L)
            delta_l = (delta_(l+1) @ W_(l+1).T) * sigmoid'(z_l)

        The rule ``"raw_error"`` takes e_(l+1) @ W_(l+1).T instead, with e = output - target at
        the top and that product below: the activations' derivatives on the way down are missing.

        Parameters
        ----------
        activations : list of arrays
            What `forward` returned for the same parameters.
        target : array, shape (B, units of the last layer)
        parameters : array, shape (P,), optional
            Used in place of the network's own.

        Returns
        -------
        array, shape (P,)
            The gradient of half the squared error, averaged over the batch; exactly 0 for the
            biases that are held.

        Raises
        ------
        ValueError
            If `target` has another width.

        Examples
        --------
        >>> network, x = Network((2, 1, 2)), np.array([[1.0, 0.0]])
        >>> network.as_dict(network.backward(network.forward(x), x))["b1"]
        array([-0.125,  0.125])
        """
        parameters = self.parameters if parameters is None else parameters
        engine = self._engine_for(parameters)
        gradient = np.empty_like(parameters)
        target = _checked_batch(target, "target", self.layer_sizes[-1], parameters)
        layers = zip(self.views(parameters), self.views(gradient), strict=True)
        da = engine.half_squared_error_backward(activations[-1], target)  # (B, O)
        for index, (layer, d_layer) in reversed(list(enumerate(layers))):
            x, a = activations[index], activations[index + 1]
            delta = engine.sigmoid_backward(da, a)  # (B, O)
            dx, d_layer.W[...], db = engine.dense_backward(delta, x, layer.W)
            d_layer.b[...] = np.where(layer.bias_mask, db, 0)
            da = dx if self.backprop == "exact" else engine.matmul(da, layer.W.T)  # (B, I)
        return gradient

    def _engine_for(self, parameters: Array):
        """Complex parameters are for complex-step checks, which look at the reference."""
        return get_engine("numpy" if np.iscomplexobj(parameters) else self.engine)

    def loss_and_gradients(
        self, parameters: Mapping[str, Array], X: Array, target: Array | None = None
    ) -> tuple[np.inexact, dict[str, Array]]:
        """Compute the loss J and its gradient, by name: what `check_gradients` asks for.

        Parameters
        ----------
        parameters : mapping of str to array
            ``"W0"``, shape (I, O), ``"b0"``, shape (O,), ``"W1"``, ...; complex arrays are
            computed by the reference, whatever the engine.
        X : array, shape (B, I)
        target : array, shape (B, units of the last layer), optional
            X unless given.

        Returns
        -------
        loss : scalar
            Half the squared error, summed over outputs, averaged over samples.
        gradients : dict of arrays
            Of the shapes and names of `parameters`.

        Raises
        ------
        TypeError
            If `parameters` hold integers.
        ValueError
            If a name is missing or unknown, or a shape is wrong.

        Examples
        --------
        >>> network = Network((2, 1, 2))
        >>> loss, gradients = network.loss_and_gradients(network.as_dict(), np.array([[1.0, 0.0]]))
        >>> float(loss)
        0.25
        >>> gradients["b1"]
        array([-0.125,  0.125])
        """
        flat = self.flatten(parameters)
        x = _checked_batch(X, "X", self.layer_sizes[0], flat)
        if target is None:
            target = x
        target = _checked_batch(target, "target", self.layer_sizes[-1], flat)
        if len(target) != len(x):
            raise ValueError(f"target must have {len(x)} samples, as X, got {len(target)}")
        activations = self.forward(x, flat)
        loss = self._engine_for(flat).half_squared_error_forward(activations[-1], target)
        return loss, self.as_dict(self.backward(activations, target, flat))

    def propagate(
        self,
        x: Array,
        parameters: Array | None = None,
        *,
        first: int = 0,
        last: int | None = None,
    ) -> Array:
        """Return the activations of one layer for any number of samples.

        Parameters
        ----------
        x : array, shape (n_samples, units of layer `first`)
        parameters : array, shape (P,), optional
            Used in place of the network's own.
        first, last : int, optional
            The layers to pass through are those from `first` up to, not including, `last`: all
            unless given. ``propagate(x, last=1)`` are the activations of the first layer.

        Returns
        -------
        array, shape (n_samples, units of layer `last`)

        Raises
        ------
        ValueError
            If `x` has another width.

        Examples
        --------
        >>> Network((3, 2, 3)).propagate(np.ones((1, 3)), last=1)
        array([[0.5, 0.5]])
        """
        parameters = self.parameters if parameters is None else parameters
        layers = self.views(parameters)[first:last]
        x = _checked_batch(x, "x", len(layers[0].W), parameters)
        engine = get_engine(self.engine)
        if self.engine == "numba":
            flat = np.concatenate(
                [*(layer.W.ravel() for layer in layers), *(layer.b for layer in layers)]
            )
            return engine.propagate(
                flat, (len(layers[0].W), *(layer.b.size for layer in layers)), x
            )
        for layer in layers:
            x = engine.sigmoid_forward(engine.dense_forward(x, layer.W, layer.b))
        return x

    def squared_errors(self, X: Array, parameters: Array | None = None) -> NDArray[np.float64]:
        """Squared error of each reconstructed sample, summed over its features.

        Parameters
        ----------
        X : array, shape (n_samples, n_features)
        parameters : array, shape (P,), optional
            Used in place of the network's own.

        Returns
        -------
        float64 array, shape (n_samples,)

        Raises
        ------
        ValueError
            If `X` has another width.

        Examples
        --------
        >>> Network((2, 1, 2)).squared_errors(np.array([[1.0, 0.0]]))
        array([0.5])
        """
        parameters = self.parameters if parameters is None else parameters
        X = _checked_batch(X, "X", self.layer_sizes[0], parameters)
        engine = get_engine(self.engine)
        errors = np.empty(len(X))
        for start in range(0, len(X), _ROWS_PER_BLOCK):
            x = X[start : start + _ROWS_PER_BLOCK]
            output = self.propagate(x, parameters)
            errors[start : start + _ROWS_PER_BLOCK] = engine.squared_errors(output, x)
        return errors


def _checked_batch(x: ArrayLike, name: str, units: int, parameters: Array) -> Array:
    """Return samples of this width, in the precision of the parameters.

    A kernel would read beyond the end of rows that are too short.
    """
    x = np.asarray(x, parameters.real.dtype)
    if x.ndim != 2 or x.shape[1] != units:
        raise ValueError(f"{name} must have shape (n_samples, {units}), got {x.shape}")
    return x

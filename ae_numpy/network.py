"""A network of dense sigmoid layers: an architecture and its parameters.

The passes are compositions of what `reference` defines, forward next to backward. Their arguments
are checked here, once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ae_numpy.architecture import Architecture, Dense, by_name, check_memory
from ae_numpy.engine import get_engine
from ae_numpy.reference import Array
from ae_numpy.validation import BiasMask, bias_mask, checked

# This many samples are reconstructed at a time when only their errors are needed, so that memory
# use does not grow with the data.
_ROWS_PER_BLOCK = 1024


class Network(Architecture):
    """Dense sigmoid layers, one after another, with parameters that can be changed.

    Parameters
    ----------
    layer_sizes : sequence of int
        Number of units of the input and of each layer: L + 1 numbers for L layers.
    bias : bool or sequence of bool arrays
        Which biases are trained: all, none, or one mask per layer, of shape (O,).
    backprop : {"exact", "raw_error"}
        ``"exact"`` is the gradient. ``"raw_error"`` is a rule that passes the output's error down
        without the derivatives of the activations above, so below the last layer it is not the
        gradient.
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
        If an argument is not one of the values listed.

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
        sizes, number = checked("layer_sizes", layer_sizes), checked("dtype", dtype)
        check_memory(sizes, number, "layer_sizes")
        mask = bias_mask(checked("bias", bias), sizes)
        rule, engine = checked("backprop", backprop), checked("engine", engine)
        super().__init__(sizes, mask, rule, number, engine)
        self.parameters = np.zeros(self.n_parameters, self.dtype)

    @classmethod
    def of(cls, architecture: Architecture, parameters: Array) -> Self:
        """Return a network of this architecture that uses these parameters without copying them.

        Parameters
        ----------
        architecture : Architecture
            Already checked.
        parameters : array, shape (P,)

        Returns
        -------
        Network

        Examples
        --------
        >>> Network.of(Network((2, 1), dtype="float32"), np.ones(3)).layers[0].b
        array([1.])
        """
        network, a = cls.__new__(cls), architecture
        Architecture.__init__(network, a.layer_sizes, a.bias_mask, a.backprop, a.dtype, a.engine)
        network.parameters = parameters
        return network

    @property
    def layers(self) -> tuple[Dense, ...]:
        """The layers, as views: writing to them writes to `parameters`."""
        return self.views(self.parameters)

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
        return by_name(self.layers if flat is None else self.views(flat))

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
            Of the widest dtype among the arrays; complex if any of them is.

        Raises
        ------
        TypeError
            If the arrays hold integers, which would truncate a gradient.
        ValueError
            If a name is missing or unknown, or a shape is wrong.

        Examples
        --------
        >>> Network((2, 1)).flatten({"W0": np.array([[1.0], [2.0]]), "b0": np.array([3.0])})
        array([1., 2., 3.])
        """
        names = self.as_dict().keys()
        if names != named.keys():
            raise ValueError(f"parameters must be {sorted(names)}, got {sorted(named)!r:.200}")
        given = np.result_type(*named.values())
        if given.kind not in "fc":
            raise TypeError(f"parameters must hold floating-point numbers, got dtype {given}")
        flat = np.empty(self.n_parameters, np.result_type(given, self.dtype))
        for name, view in self.as_dict(flat).items():
            shape = np.shape(named[name])
            if shape != view.shape:
                raise ValueError(f"{name} must have shape {view.shape}, got {shape}")
            view[...] = named[name]
        return flat

    def forward(self, x: Array, parameters: Array | None = None) -> list[Array]:
        """Pass a batch through all layers.

        ``a0 = sigmoid(x @ W0 + b0)``, ``a1 = sigmoid(a0 @ W1 + b1)``, and so on.

        Parameters
        ----------
        x : array, shape (B, I)
        parameters : array, shape (P,), optional
            Used instead of the network's own.

        Returns
        -------
        list of L + 1 arrays, each (B, units of the layer)
            The input, and the activations of every layer. The last one is the output.

        Raises
        ------
        ValueError
            If `x` has the wrong width.

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

        Layers are numbered from 0, as in ``W0``; with L of them, the last is L - 1. The gradient
        with respect to ``z_l``, called delta in textbooks, follows from that of the layer above
        (Rumelhart, Hinton and Williams, Nature 323, 1986, equations 4 to 7) ::

            dz_(L-1) = (output - target) / B * sigmoid'(z_(L-1))
            dz_l = (dz_(l+1) @ W_(l+1).T) * sigmoid'(z_l)

        and gives ``dW_l`` and ``db_l`` by `reference.dense_backward`. The rule ``"raw_error"``
        passes down e_(l+1) @ W_(l+1).T instead, where e is (output - target) / B at the top and
        that product below: the derivatives of the activations on the way down are missing.

        Parameters
        ----------
        activations : list of arrays
            What `forward` returned for the same parameters.
        target : array, shape (B, units of the last layer)
        parameters : array, shape (P,), optional
            Used instead of the network's own.

        Returns
        -------
        array, shape (P,)
            The gradient of half the squared error, averaged over the batch; exactly 0 for biases
            that are not trained.

        Raises
        ------
        ValueError
            If `target` has the wrong width.

        Examples
        --------
        >>> network, x = Network((2, 1, 2)), np.array([[1.0, 0.0]])
        >>> network.as_dict(network.backward(network.forward(x), x))["b1"]
        array([-0.125,  0.125])
        """
        parameters = self.parameters if parameters is None else parameters
        target = _checked_batch(target, "target", self.layer_sizes[-1], parameters, activations[-1])
        engine = self._engine_for(parameters)
        gradient = np.empty_like(parameters)
        layers = [activations[:-1], activations[1:], self.views(parameters), self.views(gradient)]
        da = engine.half_squared_error_backward(activations[-1], target)  # (B, O)
        for x, a, layer, d_layer in reversed(list(zip(*layers, strict=True))):
            e, dz = da, engine.sigmoid_backward(da, a)  # (B, O)
            da, d_layer.W[...], d_layer.b[...] = engine.dense_backward(dz, x, layer.W)
            if self.backprop == "raw_error":
                da = engine.matmul(e, layer.W.T)  # (B, I)
        gradient[self.n_weights :][~self.bias_mask] = 0  # biases that are not trained
        return gradient

    def _engine_for(self, parameters: Array):
        """Complex parameters come from complex-step checks, which check the reference."""
        return get_engine("numpy" if np.iscomplexobj(parameters) else self.engine)

    def loss_and_gradients(
        self, parameters: Mapping[str, Array], X: Array, target: Array | None = None
    ) -> tuple[np.inexact, dict[str, Array]]:
        """Compute the loss J and its gradient, by name: the form that `check_gradients` expects.

        Parameters
        ----------
        parameters : mapping of str to array
            ``"W0"``, shape (I, O), ``"b0"``, shape (O,), ``"W1"``, ...; complex arrays go to the
            reference, whatever the engine.
        X : array, shape (B, I)
        target : array, shape (B, units of the last layer), optional
            X unless given.

        Returns
        -------
        loss : scalar
            Half the squared error, summed over outputs, averaged over samples.
        gradients : dict of arrays
            With the names and shapes of `parameters`.

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
        activations = self.forward(X, flat)
        target = activations[0] if target is None else np.asarray(target, flat.real.dtype)
        gradient = self.backward(activations, target, flat)
        loss = self._engine_for(flat).half_squared_error_forward(activations[-1], target)
        return loss, self.as_dict(gradient)

    def propagate(
        self, x: Array, parameters: Array | None = None, *, first: int = 0, last: int | None = None
    ) -> Array:
        """Return the activations of one layer for any number of samples.

        Parameters
        ----------
        x : array, shape (n_samples, units of layer `first`)
        parameters : array, shape (P,), optional
            Used instead of the network's own.
        first, last : int, optional
            The layers to pass through are those from `first` up to, not including, `last`: all
            unless given. ``propagate(x, last=1)`` returns the activations of the first layer.

        Returns
        -------
        array, shape (n_samples, units of layer `last`)

        Raises
        ------
        ValueError
            If `x` has the wrong width.

        Examples
        --------
        >>> Network((3, 2, 3)).propagate(np.ones((1, 3)), last=1)
        array([[0.5, 0.5]])
        """
        parameters = self.parameters if parameters is None else parameters
        layers = self.views(parameters)[first:last]
        sizes = (len(layers[0].W), *(layer.b.size for layer in layers))
        x = _checked_batch(x, "x", sizes[0], parameters)
        engine = get_engine(self.engine)
        if self.engine == "numba":
            arrays = [*(layer.W.ravel() for layer in layers), *(layer.b for layer in layers)]
            return engine.propagate(np.concatenate(arrays), sizes, x)
        with np.errstate(under="ignore"):  # what is too small for the dtype is 0
            for layer in layers:
                x = engine.sigmoid_forward(engine.dense_forward(x, layer.W, layer.b))
        return x

    def squared_errors(
        self, X: Array, parameters: Array | None = None, target: Array | None = None
    ) -> NDArray[np.float64]:
        """Squared error of each sample's output, summed over its features.

        Parameters
        ----------
        X : array, shape (n_samples, n_features)
        parameters : array, shape (P,), optional
            Used instead of the network's own.

        target : array, shape (n_samples, n_outputs), optional
            What the outputs are compared with: X unless given.

        Returns
        -------
        float64 array, shape (n_samples,)

        Raises
        ------
        ValueError
            If `X` or `target` has the wrong shape.

        Examples
        --------
        >>> Network((2, 1, 2)).squared_errors(np.array([[1.0, 0.0]]))
        array([0.5])
        """
        parameters = self.parameters if parameters is None else parameters
        X = _checked_batch(X, "X", self.layer_sizes[0], parameters)
        target = X if target is None else target
        target = _checked_batch(target, "target", self.layer_sizes[-1], parameters, X)
        engine = get_engine(self.engine)
        errors = np.empty(len(X))
        for start in range(0, len(X), _ROWS_PER_BLOCK):
            block = slice(start, start + _ROWS_PER_BLOCK)
            output = self.propagate(X[block], parameters)
            with np.errstate(under="ignore"):
                errors[block] = engine.squared_errors(output, target[block])
        return errors


def _checked_batch(
    x: Array, name: str, units: int, parameters: Array, beside: Array | None = None
) -> Array:
    """Return samples of this width, as many as `beside`, in the precision of the parameters.

    A kernel would read past the end of rows that are too short.
    """
    x = np.asarray(x, parameters.real.dtype)
    n_samples = "n_samples" if beside is None else len(beside)
    if x.ndim != 2 or x.shape[1] != units or n_samples not in ("n_samples", len(x)):
        raise ValueError(f"{name} must have shape ({n_samples}, {units}), got {x.shape}")
    return x

"""The parameters that training starts from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from ae_numpy.network import Network
from ae_numpy.reference import Array

WEIGHT_INITS = ("fan_in", "fan_out")


def initial_parameters(
    network: Network,
    weight_init: str,
    seed: int,
    given: Mapping[str, ArrayLike] | None = None,
) -> Array:
    """Draw initial parameters; all are normal with mean 0.

    They depend on nothing but the seed, the layers' sizes and the rule. The weights of all layers
    are drawn before any bias, and biases are drawn whether they are trained or not: networks that
    differ in their bias mask share their weights.

    Parameters
    ----------
    network : Network
        Gives the sizes and the bias mask; not changed.
    weight_init : {"fan_in", "fan_out"}
        ``"fan_in"``: standard deviation 1 / sqrt(I), which gives pre-activations of about 1
        whatever the width (LeCun, Bottou, Orr and Mueller, Efficient BackProp, 1998, section
        4.6); biases 0. ``"fan_out"``: 1 / sqrt(O), and the same for biases that are trained.
    seed : int
    given : mapping of str to array, optional
        Arrays to take in place of drawn ones: any of ``"W0"``, shape (I, O), ``"b0"``, shape
        (O,), ``"W1"``, ...

    Returns
    -------
    array, shape (P,)

    Raises
    ------
    TypeError
        If `given` is no mapping, or holds other things than real numbers.
    ValueError
        If a name in `given` is unknown, a shape is wrong, or a number is not finite.

    Examples
    --------
    >>> network = Network((4, 2, 4))
    >>> parameters = initial_parameters(network, "fan_in", seed=0, given={"b0": [1, 2]})
    >>> network.as_dict(parameters)["b0"], network.as_dict(parameters)["b1"]
    (array([1., 2.]), array([0., 0., 0., 0.]))
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    parameters = np.empty_like(network.parameters)
    layers = network.views(parameters)
    for layer in layers:
        n_in, n_out = layer.W.shape
        scale = (n_in if weight_init == "fan_in" else n_out) ** -0.5
        layer.W[...] = rng.normal(scale=scale, size=layer.W.shape)
    for layer in layers:
        scale = 0.0 if weight_init == "fan_in" else layer.b.size**-0.5
        layer.b[...] = np.where(layer.bias_mask, rng.normal(scale=scale, size=layer.b.size), 0)
    _replace_given(network.as_dict(parameters), {} if given is None else given)
    return parameters


def _replace_given(parameters: dict[str, Array], given: Mapping[str, ArrayLike]) -> None:
    """Overwrite drawn arrays by given ones, once all of them have been checked."""
    if not isinstance(given, Mapping):
        raise TypeError(f"initial_parameters must be a dict of arrays, got {given!r}")
    checked = {}
    for name, value in given.items():
        label = f"initial_parameters[{name!r}]"
        if name not in parameters:
            raise ValueError(f"initial_parameters may name {sorted(parameters)}, got {name!r}")
        try:
            array = np.asarray(value)
        except ValueError as error:  # rows of different lengths
            raise ValueError(f"{label} must be an array, got {value!r}: {error}") from None
        if array.dtype.kind not in "fiub":
            raise TypeError(f"{label} must hold real numbers, got {array.dtype}")
        with np.errstate(over="ignore"):  # too large for the dtype becomes inf, refused below
            array = array.astype(parameters[name].dtype)
        if array.shape != parameters[name].shape:
            raise ValueError(f"{label} must have shape {parameters[name].shape}, got {array.shape}")
        if not np.isfinite(array).all():
            raise ValueError(f"{label} must be finite, got {array}")
        checked[name] = array
    for name, array in checked.items():
        parameters[name][...] = array

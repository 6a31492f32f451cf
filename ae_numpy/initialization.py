"""The parameters that training starts from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from ae_numpy.architecture import Architecture, by_name
from ae_numpy.reference import Array
from ae_numpy.validation import Rule, checked, require


def initial_parameters(
    architecture: Architecture,
    weight_init: str,
    seed: int,
    given: Mapping[str, ArrayLike] | None = None,
) -> Array:
    """Draw initial parameters; all are normal with mean 0.

    They depend only on the seed, the layer sizes and the rule. The weights of all layers
    are drawn before any bias, and biases are drawn whether they are trained or not: networks that
    differ in their bias mask share their weights.

    Parameters
    ----------
    architecture : Architecture
    weight_init : {"fan_in", "fan_out"}
        ``"fan_in"``: standard deviation 1 / sqrt(I), which gives pre-activations of about 1 at any
        width (LeCun, Bottou, Orr and Mueller, Efficient BackProp, 1998, section 4.6); biases 0.
        ``"fan_out"``: 1 / sqrt(O), and the same for biases that are trained.
    seed : int
    given : mapping of str to array, optional
        Arrays to use instead of drawn ones: any of ``"W0"``, shape (I, O), ``"b0"``, shape
        (O,), ``"W1"``, ...

    Returns
    -------
    array, shape (P,)

    Raises
    ------
    TypeError
        If `given` is not a mapping, or holds anything but real numbers.
    ValueError
        If a name in `given` is unknown, a shape is wrong, or a number is not finite.

    Examples
    --------
    >>> architecture = Architecture((4, 2, 4), np.ones(6, bool))
    >>> parameters = initial_parameters(architecture, "fan_in", seed=0, given={"b0": [1, 2]})
    >>> [layer.b.tolist() for layer in architecture.views(parameters)]
    [[1.0, 2.0], [0.0, 0.0, 0.0, 0.0]]
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    parameters = np.empty(architecture.n_parameters, architecture.dtype)
    layers = architecture.views(parameters)
    for layer in layers:
        n_in, n_out = layer.W.shape
        scale = (n_in if weight_init == "fan_in" else n_out) ** -0.5
        layer.W[...] = rng.normal(scale=scale, size=layer.W.shape)
    for layer in layers:
        scale = 0.0 if weight_init == "fan_in" else layer.b.size**-0.5
        layer.b[...] = np.where(layer.bias_mask, rng.normal(scale=scale, size=layer.b.size), 0)
    drawn = by_name(layers)
    for name, value in checked("initial_parameters", given).items():
        if name not in drawn:
            expected = f"name some of {list(drawn)!r:.200}"
            raise ValueError(f"initial_parameters must {expected}, got {name!r:.200}")
        drawn[name][...] = _given(value, name, drawn[name])
    return parameters


def _given(value: ArrayLike, name: str, drawn: Array) -> Array:
    """Return an array that can replace the one that was drawn."""

    def convert(value: ArrayLike) -> Array:
        array = np.asarray(value)  # a ValueError where rows have different lengths
        require(array.dtype.kind in "fiub", TypeError)
        require(not np.ma.is_masked(value))
        # Too large for the dtype becomes inf, refused below; too small becomes 0.
        with np.errstate(over="ignore", under="ignore"):
            array = array.astype(drawn.dtype)
        require(array.shape == drawn.shape and bool(np.isfinite(array).all()))
        return array

    expected = f"finite real numbers of shape {drawn.shape}"
    return Rule(expected, convert)(value, f"initial_parameters[{name!r}]")

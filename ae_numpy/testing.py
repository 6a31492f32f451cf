"""Hypothesis strategies and ready-made properties for testing a backward pass.

A strategy draws networks, batches, masks or arrays at which derivatives are worth checking; a
property is a function that raises an AssertionError unless a condition holds that every gradient
must satisfy. Together they make testing your own layer a matter of a few lines::

    @given(x=well_conditioned((4, 3)))
    def test_my_layer(x):
        layer = MyLayer(3, 5)
        assert_adjoint(layer.forward, layer.backward, x)

The strategies need Hypothesis, which the extra `test` installs; the properties do not.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ae_numpy.gradcheck import check_gradients, check_vjp
from ae_numpy.gradcheck.packing import leaves

if TYPE_CHECKING:
    from ae_numpy.network import Network

try:
    from hypothesis import strategies as st
except ImportError:  # the properties below work without it
    st = None  # type: ignore[assignment]

Array = NDArray[Any]
Loss = Callable[..., tuple[Any, Any]]  # returns a loss and its gradients

# Sums over the batch in another order differ by a few units in the last place of their largest
# term, 1e-15; the mistakes these properties are there to find change the first digits.
ROUNDING = 1e-12


def _strategy(draw_one: Callable[..., Any]) -> Callable[..., Any]:
    """`st.composite`, or a function that says what it needs."""
    if st is not None:
        return st.composite(draw_one)

    @functools.wraps(draw_one)
    def missing(*arguments: Any, **options: Any) -> None:
        raise ImportError(f"{draw_one.__name__} needs Hypothesis: pip install 'ae_numpy[test]'")

    return missing


def _generators() -> st.SearchStrategy[np.random.Generator]:
    """Seeded generators: one drawn integer determines a whole array, and shrinks with it."""
    return st.integers(0, 2**32 - 1).map(np.random.default_rng)


@_strategy
def well_conditioned(
    draw: st.DrawFn, shape: int | tuple[int, ...], *, scale: float = 1.0
) -> NDArray[np.float64]:
    """Arrays at which a derivative is neither tiny nor at a kink.

    Entries have both signs, no two are equal, and their absolute values are between 1/4 and 1
    times `scale`: not near zero, where `abs` and relu bend, and not where a sigmoid saturates.

    Parameters
    ----------
    shape : int or tuple of int
    scale : float

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> @settings(max_examples=5, database=None)
    ... @given(x=well_conditioned((2, 3)))
    ... def property_(x):
    ...     assert x.shape == (2, 3) and np.all(np.abs(x) >= 0.25)
    >>> property_()
    """
    rng = draw(_generators())
    signs = rng.choice([-1.0, 1.0], size=shape)
    return np.asarray(scale * signs * rng.uniform(0.25, 1.0, size=shape))


@_strategy
def bias_masks(draw: st.DrawFn, layer_sizes: Sequence[int]) -> list[NDArray[np.bool_]]:
    """One boolean mask per layer, as `Network(bias=...)` takes them.

    Parameters
    ----------
    layer_sizes : sequence of int
        Inputs, then the units of each layer.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> @settings(max_examples=5, database=None)
    ... @given(masks=bias_masks((3, 2, 3)))
    ... def property_(masks):
    ...     assert [mask.size for mask in masks] == [2, 3]
    >>> property_()
    """
    return [
        np.array(draw(st.lists(st.booleans(), min_size=units, max_size=units)), dtype=bool)
        for units in layer_sizes[1:]
    ]


@_strategy
def networks(
    draw: st.DrawFn,
    *,
    layers: tuple[int, int] = (1, 3),
    units: tuple[int, int] = (1, 5),
    masked: bool = True,
    autoencoder: bool = True,
    scale: float = 1.5,
    **options: Any,
) -> Network:
    """Networks with random parameters, frozen biases included.

    Parameters
    ----------
    layers, units : (int, int)
        Fewest and most layers, and units per layer.
    masked : bool
        Draw bias masks too; otherwise every bias is trained.
    autoencoder : bool
        As many outputs as inputs.
    scale : float
        Of the parameters; 1.5 bends the sigmoids without saturating them.
    **options
        Passed to `Network`: backprop, dtype, engine.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> @settings(max_examples=5, database=None)
    ... @given(network=networks(layers=(2, 2)))
    ... def property_(network):
    ...     assert len(network.layers) == 2
    >>> property_()
    """
    from ae_numpy.network import Network  # here, because gradcheck's part needs NumPy only

    count = draw(st.integers(*layers))
    sizes = draw(st.lists(st.integers(*units), min_size=count + 1, max_size=count + 1))
    if autoencoder:
        sizes[-1] = sizes[0]
    bias = draw(bias_masks(sizes)) if masked else True
    network = Network(tuple(sizes), bias=bias, **options)
    network.parameters[:] = draw(well_conditioned(network.parameters.size, scale=scale))
    return network


@_strategy
def batches(
    draw: st.DrawFn, features: int | Network, *, rows: tuple[int, int] = (1, 6)
) -> NDArray[np.float64]:
    """Batches (B, features) of numbers in [0.05, 0.95], which a sigmoid can reach.

    Parameters
    ----------
    features : int or Network
        Number of columns, or a network whose inputs they are.
    rows : (int, int)
        Fewest and most rows.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> @settings(max_examples=5, database=None)
    ... @given(X=batches(3, rows=(2, 4)))
    ... def property_(X):
    ...     assert X.shape[1] == 3 and 2 <= len(X) <= 4
    >>> property_()
    """
    columns = features if isinstance(features, int) else features.layer_sizes[0]
    count = draw(st.integers(*rows))
    return np.asarray(draw(_generators()).uniform(0.05, 0.95, size=(count, columns)))


def assert_gradient(
    loss_and_gradients: Loss, parameters: Any, batch: Sequence[Any] | None = None, **options: Any
) -> None:
    """The gradients are those of the loss, to rounding (complex step).

    Parameters
    ----------
    loss_and_gradients, parameters, batch, **options
        As for `ae_numpy.gradcheck.check_gradients`.

    Raises
    ------
    AssertionError
        With the report's table and diagnosis.

    Examples
    --------
    >>> assert_gradient(lambda w: (np.sum(w**3), 3 * w**2), np.array([1.0, 2.0]))
    """
    check_gradients(loss_and_gradients, parameters, batch=batch, **options).raise_if_failed()


def assert_adjoint(
    forward: Callable[..., Any], backward: Callable[..., Any], x: Any, **options: Any
) -> None:
    """``<dout, J v> = <backward(dout), v>``: backward is the adjoint of forward's derivative J.

    Parameters
    ----------
    forward, backward, x, **options
        As for `ae_numpy.gradcheck.check_vjp`.

    Raises
    ------
    AssertionError
        With the report's table and diagnosis.

    Examples
    --------
    >>> assert_adjoint(lambda x: 2 * x, lambda dout: 2 * dout, np.array([1.0, -1.0]))
    """
    check_vjp(forward, backward, x, **options).raise_if_failed()


def assert_additive(
    loss_and_gradients: Loss, parameters: Any, batch: Sequence[Array], *, reduction: str = "mean"
) -> None:
    """Loss and gradients of a batch are the mean (or the sum) of those of its rows.

    Parameters
    ----------
    loss_and_gradients : callable
        `loss_and_gradients(parameters, *batch) -> (loss, gradients)`.
    parameters : dict, list or array
    batch : sequence of arrays
        Each with one row per sample.
    reduction : {"mean", "sum"}

    Raises
    ------
    AssertionError
        If they are not, up to rounding.
    ValueError
        If `reduction` is neither, or the arrays of the batch have different lengths or none.

    Examples
    --------
    >>> def mean_square(w, X):
    ...     return np.mean((X @ w) ** 2) / 2, X.T @ (X @ w) / len(X)
    >>> assert_additive(mean_square, np.array([1.0, 2.0]), (np.eye(2),))
    """
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction must be 'mean' or 'sum', got {reduction!r:.200}")
    count = _require_samples(batch)
    whole = _flat(loss_and_gradients(parameters, *batch))
    rows = _of_samples(loss_and_gradients, parameters, batch)
    for name, value in whole.items():
        terms = np.stack([row[name] for row in rows])  # (B, ...)
        expected = terms.sum(axis=0) / (count if reduction == "mean" else 1)
        largest = np.max(np.abs(terms), initial=0.0)
        _assert_close(name, value, expected, largest, f"the {reduction} over the samples")


def assert_permutation_invariant(
    loss_and_gradients: Loss, parameters: Any, batch: Sequence[Array], *, random_state: int = 0
) -> None:
    """The order of the samples in a batch does not matter.

    Parameters
    ----------
    loss_and_gradients, parameters, batch
        As for `assert_additive`.
    random_state : int
        For the permutation.

    Raises
    ------
    AssertionError
        If it does, beyond rounding.
    ValueError
        If the arrays of the batch have different lengths or none.

    Examples
    --------
    >>> def mean_square(w, X):
    ...     return np.mean((X @ w) ** 2) / 2, X.T @ (X @ w) / len(X)
    >>> assert_permutation_invariant(mean_square, np.array([1.0, 2.0]), (np.eye(2),))
    """
    order = np.random.default_rng(random_state).permutation(_require_samples(batch))
    straight = _flat(loss_and_gradients(parameters, *batch))
    shuffled = _flat(loss_and_gradients(parameters, *(array[order] for array in batch)))
    try:  # at a minimum the samples cancel, and what is left of them is rounding of their size
        rows = _of_samples(loss_and_gradients, parameters, batch)
    except Exception:  # a function that takes no single sample; then the sum has to do
        rows = []
    for name, value in straight.items():
        terms = [value * len(order), *(row[name] for row in rows)]
        largest = max(np.max(np.abs(term), initial=0.0) for term in terms)
        _assert_close(name, shuffled[name], value, largest, "the same samples in another order")


def assert_masks_respected(
    loss_and_gradients: Loss,
    parameters: Mapping[str, Array],
    masks: Mapping[str, Array],
    batch: Sequence[Any] = (),
) -> None:
    """Frozen entries have gradient exactly 0, all others the derivative of the loss.

    Parameters
    ----------
    loss_and_gradients : callable
    parameters : dict of arrays
    masks : dict of bool arrays
        True where a parameter is trained, for some of the parameters.
    batch : sequence

    Raises
    ------
    AssertionError
        If this does not hold; the message names the array.

    Examples
    --------
    >>> mask = np.array([True, False])
    >>> assert_masks_respected(
    ...     lambda p: (np.sum(p["b"] ** 2), {"b": 2 * p["b"] * mask}),
    ...     {"b": np.array([1.0, 2.0])}, {"b": mask},
    ... )
    """
    gradients = loss_and_gradients(parameters, *batch)[1]
    for name, mask in masks.items():
        held = np.asarray(gradients[name])[~np.asarray(mask, dtype=bool)]
        if np.any(held != 0):
            what = f"gradient of {name} must be 0 at an entry that is held"
            raise AssertionError(f"{what}, got {held[held != 0][0]:.6g}")
    assert_gradient(loss_and_gradients, parameters, tuple(batch) or None, masks=masks)


def _require_samples(batch: Sequence[Array]) -> int:
    """Number of samples, the same in all arrays and at least 1."""
    lengths = [len(array) for array in batch]
    if len(set(lengths)) != 1 or 0 in lengths:
        expected = "arrays of equal length above 0, with one row per sample"
        raise ValueError(f"batch must hold {expected}, got lengths {lengths}")
    return lengths[0]


def _of_samples(
    loss_and_gradients: Loss, parameters: Any, batch: Sequence[Array]
) -> list[dict[str, Array]]:
    """Loss and gradients of each sample alone."""
    samples = (tuple(array[i : i + 1] for array in batch) for i in range(len(batch[0])))
    return [_flat(loss_and_gradients(parameters, *sample)) for sample in samples]


def _flat(result: tuple[Any, Any]) -> dict[str, Array]:
    """Loss and gradients as arrays by name; copies, because the function may reuse its buffers."""
    loss, gradients = result
    named = {f"gradient of {name}": np.array(value) for name, value in leaves(gradients)}
    return {"the loss": np.array(loss), **named}


def _assert_close(name: str, given: Array, expected: Array, largest: float, meaning: str) -> None:
    """Equal up to rounding of the `largest` term."""
    if given.shape != expected.shape:
        raise AssertionError(f"{name} has shape {given.shape}; {meaning} gives {expected.shape}")
    apart = np.max(np.abs(given - expected), initial=0.0)
    if not apart <= ROUNDING * largest:
        digits = f"{apart:.3g}, where the largest term is {largest:.3g}"
        raise AssertionError(f"{name} differs from {meaning} by {digits}")

"""`check_network`: the gradients of a `Network` against numerical ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ae_numpy.gradcheck.check import check_gradients
from ae_numpy.gradcheck.packing import Array
from ae_numpy.gradcheck.report import GradientReport

if TYPE_CHECKING:
    from ae_numpy.network import Network


def check_network(
    network: Network,
    X: Array,
    target: Array | None = None,
    *,
    loss_and_gradients: Callable[..., Any] | None = None,
    **options: Any,
) -> GradientReport:
    """Check the gradient of a `Network` on a batch, knowing its layers, masks and rule.

    Parameters
    ----------
    network : Network
        Its `loss_and_gradients` is checked at its own parameters. A network with
        `backprop="raw_error"` fails below its last layer, and the diagnosis says so.
    X : array, shape (B, I)
    target : array, shape (B, O), optional
        X if not given.
    loss_and_gradients : callable, optional
        Somebody's own `loss_and_gradients(parameters, X, target)` for the same network, to be
        checked in place of the network's.
    **options
        As for `check_gradients`: method, tolerance, max_entries, directions, random_state.

    Returns
    -------
    GradientReport

    Raises
    ------
    TypeError, ValueError
        For bad input, as `check_gradients`.

    Examples
    --------
    >>> from ae_numpy.network import Network
    >>> network = Network((4, 2, 4), backprop="raw_error")
    >>> network.parameters[:] = np.random.default_rng(0).normal(size=network.parameters.shape)
    >>> report = check_network(network, np.random.default_rng(1).random((3, 4)))
    >>> {array.name: array.verdict for array in report.arrays}
    {'W0': 'wrong', 'b0': 'wrong', 'W1': 'right', 'b1': 'right'}
    >>> report.diagnosis.findings[0].causes
    ('the rule "raw_error"',)
    """
    function = network.loss_and_gradients if loss_and_gradients is None else loss_and_gradients
    X = np.asarray(X)
    batch = (X, X if target is None else np.asarray(target))
    masks = {f"b{i}": layer.bias_mask for i, layer in enumerate(network.layers)}
    return check_gradients(function, network.as_dict(), batch=batch, masks=masks, **options)

"""`check_network`, and the recognition of dense sigmoid layers in somebody else's function.

The mistakes of `layers` can only be looked for where the layers are known: in a `Network`, or in a
function whose arrays chain like weights and biases and whose loss is, to the last digits, that of
dense sigmoid layers with a squared error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ae_numpy.gradcheck.causes import CAUSES, FACTORS
from ae_numpy.gradcheck.evidence import Cause
from ae_numpy.gradcheck.layers import SigmoidLayers
from ae_numpy.gradcheck.options import ENTRYWISE
from ae_numpy.gradcheck.packing import Array
from ae_numpy.gradcheck.problem import Problem
from ae_numpy.gradcheck.report import GradientReport
from ae_numpy.gradcheck.run import Run

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
    run = Run(Problem(function, network.as_dict(), batch), masks=masks, **options)
    return run.report(lambda: causes_of(run))


def causes_of(run: Run) -> tuple[Cause, ...]:
    """The causes worth trying: those of `layers` too, if the function is recognised as such."""
    if run.method not in ENTRYWISE:
        return FACTORS
    layers = recognised(run)
    return CAUSES if layers is None else (*layers.causes(), *CAUSES)


def recognised(run: Run) -> SigmoidLayers | None:
    """The dense sigmoid layers behind the loss, or None if it is something else.

    The arrays must chain, and the loss must be a constant times half the squared error here and
    at two points nearby.
    """
    names, arrays = _chained(run.parameters), run.problem.batch or ()
    if names is None or not 1 <= len(arrays) <= 2:
        return None
    X, target = arrays[0], arrays[-1]
    sizes = (run.parameters[names[0][0]].shape[0], run.parameters[names[-1][0]].shape[1])
    if (np.ndim(X), np.ndim(target)) != (2, 2) or (X.shape[1], target.shape[1]) != sizes:
        return None
    layers = SigmoidLayers(names, run.parameters, run.masks, X, target)
    factors = [np.divide(loss, layers.loss(p)) for p, loss in run.losses_nearby()]
    if not np.all(np.isfinite(factors)) or not np.allclose(
        factors, factors[0], rtol=1e-9, atol=0.0
    ):
        return None
    return replace(layers, factor=float(factors[0]))


def _chained(parameters: dict[str, Array]) -> list[tuple[str, str | None]] | None:
    """Matrices whose shapes chain, each with its bias if there are biases; None if not so."""
    matrices = [name for name, array in parameters.items() if array.ndim == 2]
    vectors = [name for name, array in parameters.items() if array.ndim == 1]
    if not matrices or len(matrices) + len(vectors) != len(parameters):
        return None
    shapes = [parameters[name].shape for name in matrices]
    if any(above[0] != below[1] for below, above in pairwise(shapes)):
        return None
    if not vectors:
        return [(name, None) for name in matrices]
    if [parameters[name].shape for name in vectors] != [(shape[1],) for shape in shapes]:
        return None
    return list(zip(matrices, vectors, strict=True))

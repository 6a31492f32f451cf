"""`check_gradients`: the claimed gradients of any function against numerical ones.

The order: call the function and look at what came back, measure every array, explain what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ae_numpy.gradcheck.diagnosis import diagnose
from ae_numpy.gradcheck.function import Problem
from ae_numpy.gradcheck.measure import Options
from ae_numpy.gradcheck.packing import Array
from ae_numpy.gradcheck.report import GradientReport
from ae_numpy.gradcheck.run import Run


def check_gradients(
    loss_and_gradients: Callable[..., Any],
    parameters: Any,
    *,
    batch: Sequence[Any] | None = None,
    method: str = "complex_step",
    masks: Any = None,
    tolerance: float | None = None,
    max_entries: int = 1000,
    directions: int = 8,
    random_state: int | np.random.Generator = 0,
) -> GradientReport:
    """Check a hand-written gradient against a numerical one, and say what is wrong with it.

    The error of an entry is `|given - expected| / max|expected|`, the maximum over the entries of
    its array; an entry that is small beside the others is held to its own size as well. There is no
    absolute tolerance. Before anything is called wrong it has to stand out from rounding: rounding
    is rough in the parameters, and a bug is smooth.

    Parameters
    ----------
    loss_and_gradients : callable
        `loss_and_gradients(parameters) -> (loss, gradients)`: a scalar and, in a container like
        `parameters`, arrays of the same shapes (a key `dW` will do for `W`). With `batch` it is
        called as `loss_and_gradients(parameters, *batch)`. Its last call is at the real point.
    parameters : one array, or dicts, lists, tuples and dataclasses of arrays, nested as you like
        Where to check. Random numbers are a good choice, zeros a bad one. float32 is widened to
        float64; a function that casts back to float32 is refused.
    batch : tuple, optional
        Further arguments, such as `(X,)` or `(X, y)`, whose rows are samples. With it the diagnosis
        can tell errors that concern the batch.
    method : {"complex_step", "central", "directional"}
        `"complex_step"`: every entry, exact to rounding. Where the loss is not analytic (abs, a
        comparison, a cast to float) the report says so, and central differences are used.
        `"central"`: every entry by Richardson-extrapolated central differences, each with its
        own step and estimated error. `"directional"`: random directions only, for models too
        large for entries; the report states the probability of missing a wrong entry.
    masks : like `parameters`, optional
        Boolean arrays, False where a parameter is held constant: its gradient must be exactly 0
        although the loss depends on it. A dict may name some of the parameters only.
    tolerance : float, optional
        Largest relative error of a right entry. Where the numerical derivative is less certain
        than this, the verdict is "cannot tell". By default 1e-9 for the complex step and 1e-8 for
        central differences, and where rounding leaves fewer digits, five of them must agree: the
        report says how many do.
    max_entries : int
        Larger arrays are sampled, and checked as a whole along random directions.
    directions : int
        Number of random directions per array, where directions are used.
    random_state : int or numpy.random.Generator
        For samples and directions.

    Returns
    -------
    GradientReport
        True if the gradient is right; ``.verdict``, ``.worst``, ``.digits``, ``.diagnosis``,
        ``.raise_if_failed()``; print it.

    Raises
    ------
    TypeError, ValueError
        For bad input: a loss that is not a scalar, a gradient missing or of the wrong shape, NaN,
        integer parameters, a function that changes its arguments or is not deterministic.

    References
    ----------
    Squire and Trapp, "Using complex variables to estimate derivatives of real functions", SIAM
    Review 40 (1998). Richardson, Phil. Trans. A 210 (1911). Ridders, "Accurate computation of F'(x)
    and F'(x) F''(x)", Advances in Engineering Software 4 (1982).

    Examples
    --------
    >>> def half_square(w):
    ...     return 0.5 * np.sum(w**2), w
    >>> check_gradients(half_square, np.array([1.0, 2.0])).ok
    True
    >>> report = check_gradients(lambda w: (np.sum(w**2), w), np.array([1.0, 2.0]))
    >>> report.ok, report.worst
    (False, Worst(name='parameters', index=(1,), given=2.0, expected=4.0))
    """
    run = Run(
        Problem(loss_and_gradients, parameters, batch),
        Options(method, tolerance, max_entries, directions), masks, random_state,
    )  # fmt: skip
    try:
        found = run.measured()
        diagnosis = diagnose(found)
        return GradientReport(found.arrays, found.method, found.tolerance, diagnosis, found.notes)
    finally:
        run.problem.loss(run.problem.point)  # what the function keeps of it is real, and here


def check_network(
    network: Any,
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
    function = loss_and_gradients or network.loss_and_gradients
    batch = tuple(map(np.asarray, (X, X if target is None else target)))
    masks = {f"b{i}": layer.bias_mask for i, layer in enumerate(network.layers)}
    return check_gradients(function, network.as_dict(), batch=batch, masks=masks, **options)

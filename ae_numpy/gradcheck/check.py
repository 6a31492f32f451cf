"""`check_gradients`: the claimed gradients of any function against numerical ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ae_numpy.gradcheck.problem import Problem
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
    its array. There is no absolute tolerance. An array expected to be all zero must be all zero.

    Parameters
    ----------
    loss_and_gradients : callable
        `loss_and_gradients(parameters) -> (loss, gradients)`: a scalar and, in a container like
        `parameters`, arrays of the same shapes. With `batch` it is called as
        `loss_and_gradients(parameters, *batch)`.
    parameters : dict of arrays, list of arrays, or one array
        Where to check. Random numbers are a good choice, zeros a bad one. float32 is widened to
        float64; a function that casts back to float32 is refused.
    batch : tuple, optional
        Further arguments, such as `(X,)` or `(X, y)`, whose rows are samples. With it the diagnosis
        can tell errors that concern the batch.
    method : {"complex_step", "central", "taylor", "directional"}
        `"complex_step"`: every entry, exact to rounding. Where the loss is not analytic (abs, a
        comparison, a cast to float) the report says so, and central differences are used.
        `"central"`: every entry by Richardson-extrapolated central differences, each with its
        own step and estimated error. `"taylor"`: central differences along random directions,
        and the slope of the Taylor remainder. `"directional"`: random directions only, for models
        too large for entries; the report states the probability of missing a wrong entry.
    masks : like `parameters`, optional
        Boolean arrays, False where a parameter is held constant: its gradient must be exactly 0
        although the loss depends on it. A dict may name some of the parameters only.
    tolerance : float, optional
        Largest relative error of a right entry: 1e-9 for the complex step, 1e-8 for central
        differences. Where the numerical derivative is less certain than this, the verdict is
        "cannot tell".
    max_entries : int
        Larger arrays are sampled, and checked as a whole along random directions.
    directions : int
        Number of random directions per array, where directions are used.
    random_state : int or numpy.random.Generator
        For samples and directions.

    Returns
    -------
    GradientReport
        ``.ok``, ``.worst``, ``.diagnosis``, ``.raise_if_failed()``; print it.

    Raises
    ------
    TypeError, ValueError
        For bad input: a loss that is no scalar, a gradient missing or of the wrong shape, NaN,
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
        Problem(loss_and_gradients, parameters, batch), method=method, masks=masks,
        tolerance=tolerance, max_entries=max_entries, directions=directions,
        random_state=random_state,
    )  # fmt: skip
    return run.report()

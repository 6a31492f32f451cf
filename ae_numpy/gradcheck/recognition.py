"""Which mistakes are worth trying, and whether a function is dense sigmoid layers.

The mistakes of `layers` can only be looked for where the layers are known: in a function whose
arrays chain like weights and biases and whose loss is, to the last digits, that of dense sigmoid
layers with a squared error.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ae_numpy.gradcheck.causes import CAUSES
from ae_numpy.gradcheck.evidence import Cause
from ae_numpy.gradcheck.factors import FACTORS
from ae_numpy.gradcheck.layers import SigmoidLayers
from ae_numpy.gradcheck.options import ENTRYWISE
from ae_numpy.gradcheck.packing import Array

if TYPE_CHECKING:
    from ae_numpy.gradcheck.run import Run


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
    X, target = np.asarray(arrays[0]), np.asarray(arrays[-1])
    sizes = (run.parameters[names[0][0]].shape[0], run.parameters[names[-1][0]].shape[1])
    if (X.ndim, target.ndim) != (2, 2) or (X.shape[1], target.shape[1]) != sizes:
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

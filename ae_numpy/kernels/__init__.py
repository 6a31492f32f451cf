"""The compiled twins of `reference`, and training composed of their pieces.

The public functions have the names, arguments and results of those in ``reference.py``, which
defines what they compute. The pieces, public only within this folder, fill matrices that the caller
owns, and each names its twin. `train_batches` combines the pieces.

Kernels check nothing, not even bounds; their callers must.
"""

from ae_numpy.kernels.background import prepare
from ae_numpy.kernels.dense import dense_backward, dense_forward, matmul
from ae_numpy.kernels.loss import (
    half_squared_error_backward,
    half_squared_error_forward,
    squared_errors,
)
from ae_numpy.kernels.memory import new_memory
from ae_numpy.kernels.sigmoid import sigmoid_backward, sigmoid_forward
from ae_numpy.kernels.training import propagate, train_batches

__all__ = [
    "dense_backward",
    "dense_forward",
    "half_squared_error_backward",
    "half_squared_error_forward",
    "matmul",
    "new_memory",
    "prepare",
    "propagate",
    "sigmoid_backward",
    "sigmoid_forward",
    "squared_errors",
    "train_batches",
]

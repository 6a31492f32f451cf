"""A tight step in NumPy: no temporaries, everything in place, no pass that could be avoided.

This is how far NumPy itself goes. Its cost at batch size 1 is that of its matrix-vector products
and of the outer products, which need a matrix of their own before they can be subtracted.
"""

from __future__ import annotations

import numpy as np

from sides import Array, Parameters, Task, Variants

NAME = "NumPy"
COMPARABLE = True
SLOW_STEPS = True
NOTE = "buffers allocated once, `out=` everywhere, updates in place"
_BLOCK = 128


class _Buffers:
    """Where the results of a step on B samples go."""

    def __init__(self, B: int, parameters: Parameters) -> None:
        I, h = parameters["W0"].shape
        self.a, self.da = np.empty((B, h), np.float32), np.empty((B, h), np.float32)
        self.output, self.dz = np.empty((B, I), np.float32), np.empty((B, I), np.float32)
        self.slope_a, self.slope = np.empty_like(self.a), np.empty_like(self.output)
        self.dW0 = np.empty((I, h), np.float32)
        self.dW1 = np.empty((h, I), np.float32)


def training(task: Task) -> Variants:
    """Return the only way to train."""

    def train() -> Parameters:
        parameters = {name: value.copy() for name, value in task.parameters.items()}
        buffers = {}
        with np.errstate(over="ignore"):  # exp(-z) may be inf: the sigmoid is then 0
            for _ in range(task.epochs):
                for first in range(0, len(task.X), task.batch_size):
                    x = task.X[first : first + task.batch_size]
                    if len(x) not in buffers:
                        buffers[len(x)] = _Buffers(len(x), parameters)
                    _step(x, parameters, task.learning_rate / len(x), buffers[len(x)])
        return parameters

    return {"out=": lambda: train}


def _step(x: Array, parameters: Parameters, rate: float, to: _Buffers) -> None:
    """Take one gradient step; `rate` is the learning rate over the number of samples."""
    W0, b0, W1, b1 = (parameters[name] for name in ("W0", "b0", "W1", "b1"))
    _layer(x, W0, b0, to.a)
    _layer(to.a, W1, b1, to.output)
    np.subtract(to.output, x, out=to.dz)
    to.dz *= np.float32(rate)  # the error carries the rate: the matrices need not be scaled
    _times_slope(to.dz, to.output, to.slope)
    np.matmul(to.dz, W1.T, out=to.da)
    _times_slope(to.da, to.a, to.slope_a)
    W1 -= _product_of_columns(to.a, to.dz, to.dW1)
    W0 -= _product_of_columns(x, to.da, to.dW0)
    b1 -= to.dz.sum(axis=0)
    b0 -= to.da.sum(axis=0)


def _layer(x: Array, W: Array, b: Array, out: Array) -> Array:
    """Fill `out` with sigmoid(x @ W + b)."""
    np.matmul(x, W, out=out)
    out += b
    np.negative(out, out=out)
    np.exp(out, out=out)
    out += 1
    return np.reciprocal(out, out=out)


def _times_slope(d: Array, a: Array, scratch: Array) -> None:
    """Multiply d by the sigmoid's derivative, a * (1 - a)."""
    np.subtract(1, a, out=scratch)
    scratch *= a
    d *= scratch


def _product_of_columns(x: Array, dz: Array, out: Array) -> Array:
    """Fill `out` with x.T @ dz; for one sample the products alone are faster than a matmul."""
    if len(x) == 1:
        return np.multiply(x.T, dz, out=out)
    return np.matmul(x.T, dz, out=out)


def reconstruction(task: Task) -> Variants:
    """Reconstruct block by block, so that the hidden activations stay in the cache."""
    W0, b0, W1, b1 = (task.parameters[name] for name in ("W0", "b0", "W1", "b1"))

    def reconstruct() -> Array:
        output = np.empty_like(task.X)
        a = np.empty((_BLOCK, task.hidden), np.float32)
        with np.errstate(over="ignore"):
            for first in range(0, len(task.X), _BLOCK):
                x = task.X[first : first + _BLOCK]
                _layer(_layer(x, W0, b0, a[: len(x)]), W1, b1, output[first : first + _BLOCK])
        return output

    return {"out=": lambda: reconstruct}

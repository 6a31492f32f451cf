"""The programs that are compared: one module each, all with the same two functions.

``training(task)`` and ``reconstruction(task)`` return a dict of variants. A variant is a function
that prepares a task (moves the data, compiles) and returns what is timed: a function that does the
task once and returns the result as NumPy arrays, parameters or reconstructions. Where a framework
offers several ways of writing the same thing, each is a variant, and the one that turns out fastest
counts. A module also has a `NAME`, a `NOTE` for the
reader of the tables, and says whether its results are `COMPARABLE` with ours, to rounding, and
whether its single-sample steps are so slow (`SLOW_STEPS`) that fewer of them are timed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Parameters = dict[str, Array]
Variants = dict[str, Callable[[], Callable[[], Any]]]

PEERS = {
    "jax": "jax_scan",
    "torch": "torch_eager",
    "sklearn": "sklearn_mlp",
    "numpy": "numpy_step",
}
"""Module of each peer, by the name used on the command line."""


@dataclass(frozen=True)
class Task:
    """An autoencoder I-h-I of sigmoid layers with biases, and what to do with it.

    Attributes
    ----------
    X : float32 array, shape (n, I)
    parameters : dict of float32 arrays
        Where training starts: ``"W0"`` (I, h), ``"b0"`` (h,), ``"W1"`` (h, I), ``"b1"`` (I,).
    batch_size, epochs : int
    learning_rate : float
    """

    X: Array
    parameters: Parameters
    batch_size: int
    epochs: int
    learning_rate: float

    @property
    def hidden(self) -> int:
        """Units of the hidden layer."""
        return self.parameters["b0"].size

    def shortened(self, n: int, epochs: int = 1) -> Task:
        """Return the same task with at most n of its samples."""
        return replace(self, X=self.X[:n], epochs=epochs)


def start(inputs: int, hidden: int, seed: int = 0) -> Parameters:
    """Draw parameters to start from: normal, with standard deviation 1 / sqrt(inputs)."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> Array:
        return (rng.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32)

    W0, W1 = normal(inputs, hidden), normal(hidden, inputs)
    b0, b1 = 0.1 * normal(hidden), 0.1 * normal(inputs)
    return {"W0": W0, "b0": b0, "W1": W1, "b1": b1}

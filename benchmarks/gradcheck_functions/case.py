"""The form of a case, and the pieces that several functions share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

CASES: list["Case"] = []


@dataclass
class Case:
    """A function with a hand-written gradient, and the bugs it can be given.

    `make(seed, scale)` returns (parameters, batch); `f(parameters, *batch, bug=None)` the loss and
    its gradients; `bugs` maps the name of a bug to its kind (None: no kind fits); `batch` says
    whether the rows of the batch are samples; `scales`: the sizes of parameters that make sense.
    """

    name: str
    f: Callable[..., Any]
    make: Callable[[int, float], Any]
    bugs: dict[str, str | None]
    batch: bool = True
    scales: tuple[float, ...] = (1.0, 0.001)


def case(
    name: str, make: Callable[..., Any], bugs: dict[str, str | None], **options: Any
) -> Callable[..., Any]:
    """Decorator: adds the function to CASES."""

    def register(f: Callable[..., Any]) -> Callable[..., Any]:
        CASES.append(Case(name, f, make, bugs, **options))
        return f

    return register


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(z, axis=-1):
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def one_hot(y, classes):
    return np.eye(classes)[y]

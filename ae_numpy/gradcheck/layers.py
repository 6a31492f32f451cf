"""The table of mistakes that can happen in the backward pass of dense sigmoid layers.

With x the input of a layer, a its output and e the gradient that arrives at a:

    delta = e * a * (1 - a)      dW = x.T @ delta      db = delta.sum(axis=0)      e <- delta @ W.T

Every mistake here is this line with one piece exchanged: the derivative of the sigmoid, or what is
carried down. The predictions are computed from the network's own weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from ae_numpy.gradcheck.evidence import Cause, Evidence, Prediction
from ae_numpy.gradcheck.packing import Array
from ae_numpy.reference import (
    dense_backward,
    dense_forward,
    half_squared_error_backward,
    half_squared_error_forward,
    sigmoid_backward,
    sigmoid_forward,
)

Derive = Callable[[Array, Array], Array]
Carry = Callable[[Array, Array, Array, Array], Array]

# What stands in place of a * (1 - a); the label, the sentence, the mistake.
WRONG_DERIVATIVES: tuple[tuple[str, str, Derive], ...] = (
    (
        "missing sigmoid derivative",
        "delta = e * a * (1 - a): the factor a * (1 - a) is not there.",
        lambda e, a: e,
    ),
    (
        "the sigmoid derivative taken of the activation",
        "a * (1 - a) already is the derivative: do not apply the sigmoid to a once more.",
        lambda e, a: e * sigmoid_forward(a) * (1 - sigmoid_forward(a)),
    ),
    (
        "the derivative of tanh",
        "1 - a**2 belongs to tanh; the sigmoid has a * (1 - a).",
        lambda e, a: e * (1 - a**2),
    ),
    (
        "half a sigmoid derivative, a without (1 - a)",
        "The product rule gives two factors, a and (1 - a).",
        lambda e, a: e * a,
    ),
    (
        "half a sigmoid derivative, (1 - a) without a",
        "The product rule gives two factors, a and (1 - a).",
        lambda e, a: e * (1 - a),
    ),
    (
        "the sigmoid derivative twice",
        "The factor a * (1 - a) belongs to each layer once.",
        lambda e, a: e * (a * (1 - a)) ** 2,
    ),
)
RAW_ERROR = (
    "The output's raw error e = x' - x is carried down through the weights alone, without the "
    "sigmoid derivatives on the way: e_l = W_(l+1) e_(l+1), delta_l = e_l * a_l * (1 - a_l). The "
    "last layer is right, the layers below it are not."
)


@dataclass(frozen=True, eq=False)
class SigmoidLayers:
    """Dense sigmoid layers at one point, and the batch they see.

    Attributes
    ----------
    names : list of (str, str or None)
        Names of W (I, O) and b (O,) per layer; None for a layer without bias.
    parameters, masks : dict of arrays
        By these names.
    X, target : (B, I) and (B, O) arrays
    factor : float
        The loss in units of half the squared error, averaged over the batch.
    """

    names: list[tuple[str, str | None]]
    parameters: dict[str, Array]
    masks: dict[str, Array]
    X: Array
    target: Array
    factor: float = 1.0

    def gradients(
        self,
        derive: Derive | dict[int, Derive] = sigmoid_backward,
        carry: Carry | None = None,
    ) -> dict[str, Array]:
        """Backpropagation with pieces exchanged; without arguments it is the exact one."""
        activations, result = self._activations(), {}
        e = self.factor * half_squared_error_backward(activations[-1], self.target)  # (B, O)
        for layer in reversed(range(len(self.names))):
            x, a = activations[layer], activations[layer + 1]
            W_name, b_name = self.names[layer]
            W = self.parameters[W_name]
            at_layer = derive.get(layer, sigmoid_backward) if isinstance(derive, dict) else derive
            delta = at_layer(e, a)  # (B, O)
            dx, dW, db = dense_backward(delta, x, W)
            result[W_name] = np.where(self.masks[W_name], dW, 0.0)
            if b_name is not None:
                result[b_name] = np.where(self.masks[b_name], db, 0.0)
            e = dx if carry is None else carry(delta, e, W, dW)  # (B, I)
        return result

    def loss(self, parameters: dict[str, Array]) -> float:
        """The loss at other parameters."""
        output = replace(self, parameters=parameters)._activations()[-1]
        return float(self.factor * half_squared_error_forward(output, self.target))

    def _activations(self) -> list[Array]:
        activations = [self.X]
        for W_name, b_name in self.names:
            W = self.parameters[W_name]
            b = np.zeros(W.shape[1]) if b_name is None else self.parameters[b_name]
            activations.append(sigmoid_forward(dense_forward(activations[-1], W, b)))
        return activations

    def causes(self) -> tuple[Cause, ...]:
        """The mistakes of this module, bound to these layers."""
        return self._raw_error, self._derivatives, self._untransposed, self._updated

    def _raw_error(self, evidence: Evidence) -> Iterator[Prediction]:
        """The published rule."""
        arrays = self.gradients(carry=lambda delta, e, W, dW: e @ W.T)
        yield Prediction('the rule "raw_error"', RAW_ERROR, arrays)

    def _derivatives(self, evidence: Evidence) -> Iterator[Prediction]:
        """A wrong derivative of the activation: in one layer, in all hidden ones, in all."""
        last = len(self.names) - 1
        for label, sentence, derive in WRONG_DERIVATIVES:
            for layer in range(last + 1):
                where = f" in layer {layer}" + (" (the output layer)" if layer == last else "")
                arrays = self.gradients(derive={layer: derive})
                yield Prediction(label + where, sentence, arrays)
            if last > 0:
                yield Prediction(label + " in every layer", sentence, self.gradients(derive))
            if last > 1:
                hidden = dict.fromkeys(range(last), derive)
                arrays = self.gradients(derive=hidden)
                yield Prediction(label + " in every hidden layer", sentence, arrays)

    def _untransposed(self, evidence: Evidence) -> Iterator[Prediction]:
        """W where W.T belongs, which only square layers let pass."""
        shapes = [self.parameters[W].shape for W, _ in self.names[1:]]
        if any(rows == columns for rows, columns in shapes):
            yield Prediction(
                "W carried the error down without being transposed",
                "Forward goes x @ W, so back goes delta @ W.T; a square W hides the mistake.",
                self.gradients(carry=_carry_untransposed),
            )

    def _updated(self, evidence: Evidence) -> Iterator[Prediction]:
        """The layer above was updated before its weights carried the error down."""
        if len(self.names) < 2 or evidence.unsummed:
            return
        name = self.names[-2][0]  # there, the gradient is linear in the learning rate
        exact = self.gradients()[name]
        slope = self.gradients(carry=_carry_updated(1.0))[name] - exact
        seen = np.isfinite(evidence.expected[name])
        error = np.where(seen, evidence.given[name] - exact, 0.0)
        squared = float(np.sum(slope[seen] ** 2))
        rate = float(np.sum(error * slope)) / squared if squared > 0 else 0.0
        yield Prediction(
            "the weights were already updated",
            f"The error came down through weights after their update with learning rate "
            f"{rate:.6g}: compute all gradients first, then update.",
            self.gradients(carry=_carry_updated(rate)),
            fitted=1,
        )


def _carry_untransposed(delta: Array, e: Array, W: Array, dW: Array) -> Array:
    return delta @ (W if W.shape[0] == W.shape[1] else W.T)


def _carry_updated(rate: float) -> Carry:
    return lambda delta, e, W, dW: delta @ (W - rate * dW).T

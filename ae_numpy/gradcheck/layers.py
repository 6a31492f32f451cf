"""The table of mistakes that can happen in the backward pass of dense sigmoid layers.

With x the input of a layer, a its output and e the gradient that arrives at a:

    delta = e * a * (1 - a)      dW = x.T @ delta      db = delta.sum(axis=0)      e <- delta @ W.T

Every mistake here is this line with one piece exchanged: the derivative of the sigmoid, or what is
carried down. The predictions are computed from the network's own weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from ae_numpy.gradcheck.evidence import Measured
from ae_numpy.gradcheck.mistakes import Cause, Prediction
from ae_numpy.gradcheck.packing import Array, root_mean_square
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

    def _raw_error(self, measured: Measured) -> Iterator[Prediction]:
        """The published rule."""
        arrays = self.gradients(carry=lambda delta, e, W, dW: e @ W.T)
        yield Prediction("raw_error", 'the rule "raw_error"', RAW_ERROR, arrays)

    def _derivatives(self, measured: Measured) -> Iterator[Prediction]:
        """A wrong derivative of the activation: in one layer, in all hidden ones, in all."""
        last = len(self.names) - 1
        for label, sentence, derive in WRONG_DERIVATIVES:
            for layer in range(last + 1):
                where = f" in layer {layer}" + (" (the output layer)" if layer == last else "")
                arrays = self.gradients(derive={layer: derive})
                yield Prediction("activation_derivative", label + where, sentence, arrays)
            if last > 0:
                arrays = self.gradients(derive)
                yield Prediction(
                    "activation_derivative", f"{label} in every layer", sentence, arrays
                )
            if last > 1:
                hidden = dict.fromkeys(range(last), derive)
                arrays = self.gradients(derive=hidden)
                where = " in every hidden layer"
                yield Prediction("activation_derivative", label + where, sentence, arrays)

    def _untransposed(self, measured: Measured) -> Iterator[Prediction]:
        """W where W.T belongs, which only square layers let pass."""
        shapes = [self.parameters[W].shape for W, _ in self.names[1:]]
        if any(rows == columns for rows, columns in shapes):
            yield Prediction(
                "untransposed_weights",
                "W carried the error down without being transposed",
                "Forward goes x @ W, so back goes delta @ W.T; a square W hides the mistake.",
                self.gradients(carry=_carry_untransposed),
            )

    def _updated(self, measured: Measured) -> Iterator[Prediction]:
        """The layer above was updated before its weights carried the error down."""
        if len(self.names) < 2 or measured.unsummed:
            return
        name = self.names[-2][0]  # there, the gradient is linear in the learning rate
        exact = self.gradients()[name]
        slope = self.gradients(carry=_carry_updated(1.0))[name] - exact
        seen = np.isfinite(measured.expected[name])
        error = np.where(seen, measured.given[name] - exact, 0.0)
        squared = float(np.sum(slope[seen] ** 2))
        rate = float(np.sum(error * slope)) / squared if squared > 0 else 0.0
        yield Prediction(
            "updated_weights",
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


def recognised(measured: Measured) -> SigmoidLayers | None:
    """The dense sigmoid layers behind the loss, or None if it is something else.

    The arrays must chain, and the loss must be a constant times half the squared error here and
    at two points nearby.
    """
    names, arrays = _chained(measured.parameters), measured.batch or ()
    if names is None or not 1 <= len(arrays) <= 2:
        return None
    X, target = np.asarray(arrays[0]), np.asarray(arrays[-1])
    sizes = (measured.parameters[names[0][0]].shape[0], measured.parameters[names[-1][0]].shape[1])
    if (X.ndim, target.ndim) != (2, 2) or (X.shape[1], target.shape[1]) != sizes:
        return None
    layers = SigmoidLayers(names, measured.parameters, measured.masks, X, target)
    points = [_nearby(measured.parameters, seed) for seed in range(3)]
    factors = [np.divide(measured.loss(point), layers.loss(point)) for point in points]
    if not np.all(np.isfinite(factors)) or not np.allclose(
        factors, factors[0], rtol=1e-9, atol=0.0
    ):
        return None
    return replace(layers, factor=float(factors[0]))


def _nearby(parameters: dict[str, Array], seed: int) -> dict[str, Array]:
    """The point itself for seed 0, another one near it for every other seed."""
    rng = np.random.default_rng(seed)
    return {
        name: p + 0.1 * bool(seed) * (root_mean_square(p) or 1.0) * rng.standard_normal(p.shape)
        for name, p in parameters.items()
    }


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

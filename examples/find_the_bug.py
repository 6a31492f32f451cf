"""Six wrong backward passes, and what the gradient checker says about each.

First a single layer. Then a student writes an autoencoder by hand: one hidden layer, sigmoids,
half the squared error averaged over the batch. The forward pass is right from the start, the
backward pass is not. Each version is checked, the report says what is wrong with it, and the next
one has that repaired. The last bug is that of the code published with the paper this project
reproduces: it trains, its loss falls, and its hidden layer does not follow the gradient. A gradient
check finds it at once.

    python examples/find_the_bug.py
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ae_numpy.gradcheck import check_gradients, check_vjp

Arrays = dict[str, np.ndarray]
Backward = Callable[..., Arrays]


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def forward(p: Arrays, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hidden activations (B, H) and reconstruction (B, I)."""
    h = sigmoid(X @ p["W0"] + p["b0"])
    return h, sigmoid(h @ p["W1"] + p["b1"])


def first_try(p: Arrays, X: np.ndarray, h: np.ndarray, out: np.ndarray) -> Arrays:
    """The bias gradients keep their batch axis."""
    d1 = (out - X) * out * (1 - out)
    d0 = (d1 @ p["W1"].T) * h * (1 - h)
    return {"W0": X.T @ d0, "b0": d0, "W1": h.T @ d1, "b1": d1}


def second_try(p: Arrays, X: np.ndarray, h: np.ndarray, out: np.ndarray) -> Arrays:
    """The biases are summed. But the loss is a mean over the batch, and this is a sum."""
    d1 = (out - X) * out * (1 - out)
    d0 = (d1 @ p["W1"].T) * h * (1 - h)
    return {"W0": X.T @ d0, "b0": d0.sum(axis=0), "W1": h.T @ d1, "b1": d1.sum(axis=0)}


def third_try(p: Arrays, X: np.ndarray, h: np.ndarray, out: np.ndarray) -> Arrays:
    """The mean is there; the hidden layer's own sigmoid derivative got lost on the way."""
    d1 = (out - X) / len(X) * out * (1 - out)
    d0 = d1 @ p["W1"].T
    return {"W0": X.T @ d0, "b0": d0.sum(axis=0), "W1": h.T @ d1, "b1": d1.sum(axis=0)}


def fourth_try(p: Arrays, X: np.ndarray, h: np.ndarray, out: np.ndarray) -> Arrays:
    """The update was moved in between: the error comes down through the updated weights."""
    d1 = (out - X) / len(X) * out * (1 - out)
    W1 = p["W1"] - 0.5 * (h.T @ d1)
    d0 = (d1 @ W1.T) * h * (1 - h)
    return {"W0": X.T @ d0, "b0": d0.sum(axis=0), "W1": h.T @ d1, "b1": d1.sum(axis=0)}


def published(p: Arrays, X: np.ndarray, h: np.ndarray, out: np.ndarray) -> Arrays:
    """The rule of the published code: the raw error is carried down."""
    e1 = (out - X) / len(X)
    d1 = e1 * out * (1 - out)
    d0 = (e1 @ p["W1"].T) * h * (1 - h)
    return {"W0": X.T @ d0, "b0": d0.sum(axis=0), "W1": h.T @ d1, "b1": d1.sum(axis=0)}


def corrected(p: Arrays, X: np.ndarray, h: np.ndarray, out: np.ndarray) -> Arrays:
    """What is carried down is the error with respect to z: delta, not e."""
    d1 = (out - X) / len(X) * out * (1 - out)
    d0 = (d1 @ p["W1"].T) * h * (1 - h)
    return {"W0": X.T @ d0, "b0": d0.sum(axis=0), "W1": h.T @ d1, "b1": d1.sum(axis=0)}


VERSIONS: tuple[tuple[str, Backward], ...] = (
    ("First try", first_try),
    ("Second try: the biases summed", second_try),
    ("Third try: divided by the batch size", third_try),
    ("Fourth try: the derivative put back, the update moved", fourth_try),
    ("The published code", published),
    ("Corrected", corrected),
)


def with_loss(backward: Backward) -> Callable[..., tuple[np.ndarray, Arrays]]:
    """A backward pass as the checker wants it: loss and gradients of the parameters."""

    def loss_and_gradients(p: Arrays, X: np.ndarray) -> tuple[np.ndarray, Arrays]:
        h, out = forward(p, X)
        return np.sum((out - X) ** 2) / (2 * len(X)), backward(p, X, h, out)

    return loss_and_gradients


def one_layer(rng: np.random.Generator) -> None:
    """A layer alone: with as many outputs as inputs, a transposed dW has the right shape."""
    x, W = rng.normal(size=(4, 3)), rng.normal(size=(3, 3))
    title = "A dense layer alone"
    report = check_vjp(lambda x, W: x @ W, lambda dout: (dout @ W.T, dout.T @ x), (x, W))
    print(f"{title}\n{'=' * len(title)}\n\n{report}\n\n")
    check_vjp(lambda x, W: x @ W, lambda dout: (dout @ W.T, x.T @ dout), (x, W)).raise_if_failed()


def main() -> None:
    """Check every version; the last one must pass."""
    rng = np.random.default_rng(0)
    X = rng.random((5, 6))
    shapes = {"W0": (6, 3), "b0": (3,), "W1": (3, 6), "b1": (6,)}
    parameters = {name: rng.normal(size=shape) for name, shape in shapes.items()}

    one_layer(rng)
    for title, backward in VERSIONS:
        report = check_gradients(with_loss(backward), parameters, batch=(X,))
        print(f"{title}\n{'=' * len(title)}\n{backward.__doc__}\n\n{report}\n\n")
    report.raise_if_failed()


if __name__ == "__main__":
    main()

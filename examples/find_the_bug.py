# %% [markdown]
# # Find the bug
#
# Six wrong backward passes, and what the gradient checker says about each. First a single layer.
# Then a student writes an autoencoder by hand: one hidden layer, sigmoids, half the squared error
# averaged over the batch. The forward pass is right from the start, the backward pass is not. Each
# version is checked, the report says what is wrong with it, and the next one has that repaired.
#
# The last bug is that of the code published with the paper this project reproduces: it trains, its
# loss falls, and its hidden layer does not follow the gradient. A gradient check finds it at once.
#
# Read a version before you read its report: do you see the bug?

# %%
from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ae_numpy.gradcheck import GradientReport, check_gradients, check_vjp

Arrays = dict[str, np.ndarray]
Backward = Callable[..., Arrays]

# %% [markdown]
# ## A dense layer alone
#
# The layer has as many outputs as inputs, so a transposed dW has the right shape, and nothing
# crashes.

# %%
rng = np.random.default_rng(0)
x, W = rng.normal(size=(4, 3)), rng.normal(size=(3, 3))
report = check_vjp(lambda x, W: x @ W, lambda dout: (dout @ W.T, dout.T @ x), (x, W))
print(f"{report}\n")
assert report.verdict == "wrong"

# %% [markdown]
# The report names the repair:

# %%
check_vjp(lambda x, W: x @ W, lambda dout: (dout @ W.T, x.T @ dout), (x, W)).raise_if_failed()

# %% [markdown]
# ## The autoencoder
#
# `check` gives a backward pass to the checker as it wants it: as a function that returns the loss
# and the gradients of the parameters.


# %%
def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def forward(p: Arrays, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hidden activations (B, H) and reconstruction (B, I)."""
    h = sigmoid(X @ p["W0"] + p["b0"])
    return h, sigmoid(h @ p["W1"] + p["b1"])


X = rng.random((5, 6))
shapes = {"W0": (6, 3), "b0": (3,), "W1": (3, 6), "b1": (6,)}
parameters = {name: rng.normal(size=shape) for name, shape in shapes.items()}


def check(backward: Backward) -> GradientReport:
    """Check a backward pass and print the report."""

    def loss_and_gradients(p: Arrays, X: np.ndarray) -> tuple[np.ndarray, Arrays]:
        h, out = forward(p, X)
        return np.sum((out - X) ** 2) / (2 * len(X)), backward(p, X, h, out)

    report = check_gradients(loss_and_gradients, parameters, batch=(X,))
    print(f"{backward.__name__}: {report}\n")
    return report


# %% [markdown]
# ## The first try
#
# Two bugs at once. The bias gradients keep their batch axis; and something is missing everywhere.


# %%
def first_try(p: Arrays, X: np.ndarray, h: np.ndarray, out: np.ndarray) -> Arrays:
    d1 = (out - X) * out * (1 - out)
    d0 = (d1 @ p["W1"].T) * h * (1 - h)
    return {"W0": X.T @ d0, "b0": d0, "W1": h.T @ d1, "b1": d1}


assert not check(first_try)

# %% [markdown]
# ## The second try: the biases summed
#
# The loss is a mean over the batch, and this is a sum.


# %%
def second_try(p: Arrays, X: np.ndarray, h: np.ndarray, out: np.ndarray) -> Arrays:
    d1 = (out - X) * out * (1 - out)
    d0 = (d1 @ p["W1"].T) * h * (1 - h)
    return {"W0": X.T @ d0, "b0": d0.sum(axis=0), "W1": h.T @ d1, "b1": d1.sum(axis=0)}


assert not check(second_try)

# %% [markdown]
# ## The third try: divided by the batch size
#
# The mean is there; the hidden layer's own sigmoid derivative got lost on the way.


# %%
def third_try(p: Arrays, X: np.ndarray, h: np.ndarray, out: np.ndarray) -> Arrays:
    d1 = (out - X) / len(X) * out * (1 - out)
    d0 = d1 @ p["W1"].T
    return {"W0": X.T @ d0, "b0": d0.sum(axis=0), "W1": h.T @ d1, "b1": d1.sum(axis=0)}


assert not check(third_try)

# %% [markdown]
# ## The fourth try: the derivative put back, the update moved
#
# The update was moved in between: the error comes down through the updated weights.


# %%
def fourth_try(p: Arrays, X: np.ndarray, h: np.ndarray, out: np.ndarray) -> Arrays:
    d1 = (out - X) / len(X) * out * (1 - out)
    W1 = p["W1"] - 0.5 * (h.T @ d1)
    d0 = (d1 @ W1.T) * h * (1 - h)
    return {"W0": X.T @ d0, "b0": d0.sum(axis=0), "W1": h.T @ d1, "b1": d1.sum(axis=0)}


assert not check(fourth_try)

# %% [markdown]
# ## The published code
#
# What is carried down is the raw error.


# %%
def published(p: Arrays, X: np.ndarray, h: np.ndarray, out: np.ndarray) -> Arrays:
    e1 = (out - X) / len(X)
    d1 = e1 * out * (1 - out)
    d0 = (e1 @ p["W1"].T) * h * (1 - h)
    return {"W0": X.T @ d0, "b0": d0.sum(axis=0), "W1": h.T @ d1, "b1": d1.sum(axis=0)}


assert not check(published)

# %% [markdown]
# ## Corrected
#
# What is carried down is the gradient with respect to z: delta, not the error.


# %%
def corrected(p: Arrays, X: np.ndarray, h: np.ndarray, out: np.ndarray) -> Arrays:
    d1 = (out - X) / len(X) * out * (1 - out)
    d0 = (d1 @ p["W1"].T) * h * (1 - h)
    return {"W0": X.T @ d0, "b0": d0.sum(axis=0), "W1": h.T @ d1, "b1": d1.sum(axis=0)}


check(corrected).raise_if_failed()

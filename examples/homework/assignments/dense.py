# %% [markdown]
# # Assignment 2: a dense layer
#
# Every input is connected to every output, for a whole batch at once. Rows are samples: `B` of
# them, `I` inputs, `O` outputs.
#
# | array | shape | |
# |---|---|---|
# | `x` | (B, I) | inputs |
# | `W` | (I, O) | weights |
# | `b` | (O,) | biases, the same for every sample |
# | `z` | (B, O) | outputs |
#
# A gradient is called `d` and the name of the array, and has its shape. Textbooks, and the messages
# of the tests, call `dz` delta.

# %%
import numpy as np

# %%
from checks import gradient, joined, named, value
from items import items_of

item = items_of("dense")

# %% [markdown]
# ## Forward
#
# Output `o` of sample `n` is the sum over `i` of `x[n, i] * W[i, o]`, plus `b[o]`. NumPy can do
# this in one line, without a loop.


# %%
def forward(x, W, b):
    """Return z, of shape (B, O)."""
    # BEGIN SOLUTION
    return x @ W + b
    # END SOLUTION


# %%
@item(points=1)
def test_forward(forward):
    """The outputs of two samples."""
    x, W = np.array([[1.0, 2.0], [0.0, -1.0]]), np.array([[1.0, 0.0, 2.0], [3.0, -1.0, 0.5]])
    expected = [[7.5, -1.0, 6.0], [-2.5, 2.0, 2.5]]
    value(forward(x, W, np.array([0.5, 1.0, 3.0])), expected, "forward(x, W, b)")


# %% [markdown]
# ## Backward
#
# `dz` comes from above: entry `[n, o]` says how much the loss grows when `z[n, o]` grows. For each
# of `x`, `W` and `b` ask: along which paths does one entry of it reach `z`, and by which number is
# it multiplied on each? Multiply, and add up over all paths.


# %%
def backward(dz, x, W):
    """Return the tuple (dx, dW, db)."""
    # BEGIN SOLUTION
    dx = dz @ W.T
    dW = x.T @ dz
    db = dz.sum(axis=0)
    return dx, dW, db
    # END SOLUTION


# %%
def check_backward(backward, which):
    """Check one result in a network, with equal and other widths: x = tanh(u @ V)."""

    def loss(p, u, dz):
        return np.sum(dz * (np.tanh(u @ p["V"]) @ p["W"] + p["b"]))

    def gradients(p, u, dz):
        x = np.tanh(u @ p["V"])
        d = named(backward(dz, x, p["W"]), which, x=x, W=p["W"], b=p["b"])
        return {"V": u.T @ (d["x"] * (1 - x**2)), "W": d["W"], "b": d["b"]}

    rng = np.random.default_rng(2)
    for I, O in ((3, 3), (4, 2)):
        p = {"V": rng.normal(size=(2, I)), "W": rng.normal(size=(I, O)), "b": rng.normal(size=O)}
        batch = rng.normal(size=(5, 2)), rng.normal(size=(5, O))
        gradient(joined(loss, gradients), p, batch, only=["V" if which == "x" else which])


@item(points=2)
def test_backward_db(backward):
    """The gradient of the biases, db."""
    check_backward(backward, "b")


# %%
@item(points=2)
def test_backward_dW(backward):  # noqa: N802
    """The gradient of the weights, dW."""
    check_backward(backward, "W")


# %%
@item(points=2)
def test_backward_dx(backward):
    """The gradient of the inputs, dx: here V, the weights of the layer below, depends on it."""
    check_backward(backward, "x")


# %% [markdown]
# ## Two layers
#
# Without an activation between them, two dense layers are one. Which weights and biases has it?


# %%
def merged(W0, b0, W1, b1):
    """Return the tuple (W, b) of the one layer that does what layer 0 and then layer 1 do."""
    # BEGIN SOLUTION
    return W0 @ W1, b0 @ W1 + b1
    # END SOLUTION


# %%
@item(points=1)
def test_merged(merged):
    """Two layers as one."""
    W0, W1 = np.array([[1.0, 2.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [1.0, 1.0]])
    expected = (np.array([[3.0, 2.0], [1.0, 1.0]]), np.array([4.5, 0.0]))
    value(merged(W0, np.array([1.0, -1.0]), W1, np.array([4.5, 1.0])), expected, "merged(...)")

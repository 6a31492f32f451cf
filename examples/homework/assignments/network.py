# %% [markdown]
# # Assignment 4: the backward pass of a network, over a batch
#
# Two layers, both with the sigmoid. Rows are samples; `p` is a dict with W0, b0, W1 and b1.
#
#     X --- W0, b0 --- sigmoid ---> h --- W1, b1 --- sigmoid ---> out
#
# The loss is half the squared error, summed over the outputs, averaged over the samples:
# `J = sum((out - T)**2) / (2 * B)`.

# %%
import numpy as np

# %%
from checks import as_numbers, gradient, joined, named, require, unchanged, value
from items import items_of

item = items_of("network")


# %%
def sigmoid(z):
    """Return 1 / (1 + exp(-z)) of each entry."""
    return 1 / (1 + np.exp(-z))


# %%
def forward(p, X):
    """Return the tuple (h, out)."""
    # BEGIN SOLUTION
    h = sigmoid(X @ p["W0"] + p["b0"])
    return h, sigmoid(h @ p["W1"] + p["b1"])
    # END SOLUTION


# %%
@item(points=1)
def test_forward(forward):
    """Hidden activations and outputs of two samples."""
    log3 = np.log(3.0)
    p = {"W0": np.array([[log3]]), "b0": np.array([0.0])}
    p |= {"W1": np.array([[4 * log3, 0.0]]), "b1": np.array([-2 * log3, log3])}
    expected = (np.array([[0.75], [0.5]]), np.array([[0.75, 0.75], [0.5, 0.75]]))
    value(forward(p, np.array([[1.0], [0.0]])), expected, "forward(p, X)")


# %% [markdown]
# ## Loss and gradients
#
# Go back step by step, and keep the gradient of what goes into each sigmoid: it is all that the
# step below needs. Compute all gradients before anything is updated.


# %%
def loss_and_gradients(p, X, T):
    """Return the tuple (J, gradients), where gradients is a dict with the keys of p."""
    # BEGIN SOLUTION
    B = len(X)
    h, out = forward(p, X)
    J = np.sum((out - T) ** 2) / (2 * B)
    dz1 = (out - T) / B * out * (1 - out)
    dz0 = dz1 @ p["W1"].T * h * (1 - h)
    return J, {"W0": X.T @ dz0, "b0": dz0.sum(axis=0), "W1": h.T @ dz1, "b1": dz1.sum(axis=0)}
    # END SOLUTION


# %%
def some_network(H=3):
    """Parameters and a batch: as many inputs as outputs, and as many hidden units unless given."""
    rng = np.random.default_rng(7)
    shapes = {"W0": (3, H), "b0": (H,), "W1": (H, 3), "b1": (3,)}
    p = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    return p, (rng.normal(size=(6, 3)), rng.random((6, 3)))


def check_network(function, only):
    """Check some of the gradients, in a network of equal widths and in another one."""
    for H in (3, 4):
        gradient(function, *some_network(H), only=only)


@item(points=1)
def test_loss(loss_and_gradients):
    """The loss J of one sample, and of three."""
    p = {"W0": np.zeros((2, 1)), "b0": np.zeros(1), "W1": np.zeros((1, 2)), "b1": np.zeros(2)}
    T = np.array([[0.5, 1.5], [2.5, 0.5], [0.5, 0.5]])
    J = [loss_and_gradients(p, np.ones((B, 2)), T[:B])[0] for B in (1, 3)]
    value(J, [0.5, 5 / 6], "J of one sample and of three")


# %%
@item(points=3)
def test_output_layer(loss_and_gradients):
    """The gradients of the output layer, W1 and b1."""
    check_network(loss_and_gradients, ["W1", "b1"])


# %%
@item(points=4)
def test_hidden_layer(loss_and_gradients):
    """The gradients of the hidden layer, W0 and b0."""
    check_network(loss_and_gradients, ["W0", "b0"])


# %% [markdown]
# ## Any number of layers
#
# `layers` is a list of dicts, each with W and b, from the input to the output. Every layer ends
# with tanh. The loss is as above.


# %%
def deep_gradients(layers, X, T):
    """Return the tuple (J, gradients): a list of dicts, in the order of the layers."""
    # BEGIN SOLUTION
    a = [X]
    for layer in layers:
        a.append(np.tanh(a[-1] @ layer["W"] + layer["b"]))
    da, gradients = (a[-1] - T) / len(X), []
    for layer, x, out in reversed(list(zip(layers, a[:-1], a[1:], strict=True))):
        dz = da * (1 - out**2)
        gradients.insert(0, {"W": x.T @ dz, "b": dz.sum(axis=0)})
        da = dz @ layer["W"].T
    return np.sum((a[-1] - T) ** 2) / (2 * len(X)), gradients
    # END SOLUTION


# %%
@item(points=4)
def test_deep_gradients(deep_gradients):
    """Three layers."""
    rng = np.random.default_rng(8)
    shapes = {"W": (3, 3), "b": (3,)}
    p = {f"{n}{k}": rng.normal(size=shape) for k in range(3) for n, shape in shapes.items()}
    X, T = rng.normal(size=(5, 3)), rng.random((5, 3))

    def layers(p):
        return [{"W": p[f"W{k}"], "b": p[f"b{k}"]} for k in range(3)]

    def loss(p, X, T):
        for layer in layers(p):
            X = np.tanh(X @ layer["W"] + layer["b"])
        return np.sum((X - T) ** 2) / (2 * len(X))

    def gradients(p, X, T):
        found = deep_gradients(layers(p), X, T)[1]
        require(len(found) == 3, f"{len(found)} gradients for 3 layers.", "shape")
        return {f"{name}{k}": layer[name] for k, layer in enumerate(found) for name in layer}

    value(deep_gradients(layers(p), X, T)[0], loss(p, X, T), "J of five samples")
    gradient(joined(loss, gradients), p, (X, T))


# %% [markdown]
# ## A penalty on large weights
#
# Add `rate / 2` times the sum of all squared weights to the loss. The biases pay nothing.


# %%
def with_penalty(p, X, T, rate):
    """Return loss and gradients as above, penalty included."""
    # BEGIN SOLUTION
    J, gradients = loss_and_gradients(p, X, T)
    for name in ("W0", "W1"):
        J = J + rate / 2 * np.sum(p[name] ** 2)
        gradients[name] = gradients[name] + rate * p[name]
    return J, gradients
    # END SOLUTION


# %%
@item(points=2)
def test_with_penalty(with_penalty):
    """The penalty in the loss, and in the gradients."""
    p, (X, T) = some_network()
    J = with_penalty(p, X, T, 0.2)[0] - with_penalty(p, X, T, 0.0)[0]
    value(J, 0.1 * (np.sum(p["W0"] ** 2) + np.sum(p["W1"] ** 2)), "the penalty in J")
    gradient(lambda p, X, T: with_penalty(p, X, T, 0.2), p, (X, T))


# %% [markdown]
# ## One step


# %%
def step(p, X, T, rate):
    """Return new parameters, after a step of gradient descent; p itself stays as it is."""
    # BEGIN SOLUTION
    gradients = loss_and_gradients(p, X, T)[1]
    return {name: p[name] - rate * gradients[name] for name in p}
    # END SOLUTION


# %%
@item(points=2)
def test_step(step):
    """A small step: the loss falls as the gradients say, and p stays as it is."""
    p, (X, T) = some_network()
    before = {name: array.copy() for name, array in p.items()}

    def loss(p):
        h = 1 / (1 + np.exp(-X @ p["W0"] - p["b0"]))
        return np.sum((1 / (1 + np.exp(-h @ p["W1"] - p["b1"])) - T) ** 2) / (2 * len(X))

    rate = 1e-4
    new = step(p, X, T, rate)
    for name, array in before.items():
        unchanged(p[name], array, f"p[{name!r}]")
    require(isinstance(new, dict) and new.keys() == p.keys(), f"expected a dict of {', '.join(p)}.")
    moved = {name: as_numbers(new[name], name) - p[name] for name in p}
    moved = named((*moved.values(),), **p)
    for name, change in moved.items():
        require(change.any(), f"{name} has not moved.", "zero")
    # What a step along the gradient takes from the loss, up to rate**2: |moved|**2 / rate.
    fall, expected = loss(p) - loss(new), sum(np.sum(m**2) for m in moved.values()) / rate
    uphill = abs(fall / expected + 1) < 0.01
    require(not uphill, f"the loss rises by {-fall:.3g}, as much as it should fall.", "sign")
    text = f"the loss changes by {-fall:.4g}; a step of this length and rate against the gradients"
    require(abs(fall / expected - 1) < 0.01, f"{text} would change it by {-expected:.4g}.")

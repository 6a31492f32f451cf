# %% [markdown]
# # Assignment 5: bias masks, and a published rule found wrong
#
# A mask says which biases are trained: 1 for trained, 0 for held. A held bias must keep its value,
# bit for bit. In the second half you write a gradient checker, and find with it what is wrong with
# the backward pass of a published program.

# %%
import numpy as np

# %%
from checks import gradient, joined, named, require, unchanged, value
from items import items_of

item = items_of("bias_mask")

# %% [markdown]
# ## A bias is a weight whose input is always 1


# %%
def as_one_matrix(x, W, b):
    """Return the tuple (x1, W1) for which x1 @ W1 is x @ W + b; b becomes the last row of W1."""
    # BEGIN SOLUTION
    return np.column_stack([x, np.ones(len(x))]), np.vstack([W, b])
    # END SOLUTION


# %%
@item(points=1)
def test_as_one_matrix(as_one_matrix):
    """Weights and biases in one matrix."""
    x, W, b = np.array([[1.0, 2.0]]), np.array([[3.0, 4.0], [5.0, 6.0]]), np.array([7.0, 8.0])
    expected = (np.array([[1.0, 2.0, 1.0]]), np.array([[3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]))
    value(as_one_matrix(x, W, b), expected, "as_one_matrix(x, W, b)")


# %% [markdown]
# ## The mask
#
# `z = x @ W + b` as in assignment 2; `mask` has the shape of `b`.


# %%
def masked_backward(dz, x, W, mask):
    """Return the tuple (dx, dW, db); db is exactly 0 where the mask is."""
    # BEGIN SOLUTION
    return dz @ W.T, x.T @ dz, dz.sum(axis=0) * mask
    # END SOLUTION


# %%
@item(points=3)
def test_masked_backward(masked_backward):
    """Gradients of W and b, with the second of four biases held."""
    mask = np.array([1.0, 0.0, 1.0, 1.0])

    def gradients(p, x, dz):
        d = named(masked_backward(dz, x, p["W"], mask), x=x, W=p["W"], b=p["b"])
        return {"W": d["W"], "b": d["b"]}

    rng = np.random.default_rng(9)
    p = {"W": rng.normal(size=(3, 4)), "b": rng.normal(size=4)}
    batch = rng.normal(size=(5, 3)), rng.normal(size=(5, 4))
    loss = joined(lambda p, x, dz: np.sum(dz * (x @ p["W"] + p["b"])), gradients)
    gradient(loss, p, batch, masks={"b": mask.astype(bool)})


# %% [markdown]
# ## Your own gradient checker
#
# Move one entry of `p` by `h` up and by `h` down, and divide the difference of the two losses by
# `2 * h`. `loss` takes an array like `p` and returns a number.


# %%
def numerical_gradient(loss, p, h=1e-5):
    """Return the gradient by central differences, of p's shape; p itself stays as it is."""
    # BEGIN SOLUTION
    result = np.zeros(p.shape)
    for index in np.ndindex(p.shape):
        up, down = p.copy(), p.copy()
        up[index] += h
        down[index] -= h
        result[index] = (loss(up) - loss(down)) / (2 * h)
    return result
    # END SOLUTION


# %%
@item(points=3)
def test_numerical_gradient(numerical_gradient):
    """Central differences of a sum of cubes."""
    p = np.array([[1.0, -2.0, 3.0], [0.5, 0.0, 4.0]])
    before = p.copy()
    # ((p + h)**3 - (p - h)**3) / (2 h) = 3 p**2 + h**2; terms near 100 are rounded at 1e-14.
    found = numerical_gradient(lambda p: np.sum(p**3), p, h=0.1)
    unchanged(p, before, "p")
    value(found, 3 * p**2 + 0.01, "the gradient")


# %% [markdown]
# Two gradients are compared by the largest difference of any two entries, divided by the largest
# absolute value in `expected`.


# %%
def relative_error(given, expected):
    """Return one number; 0 where the arrays are equal."""
    # BEGIN SOLUTION
    return np.max(np.abs(given - expected)) / np.max(np.abs(expected))
    # END SOLUTION


# %%
@item(points=1)
def test_relative_error(relative_error):
    """Small entries are compared with the largest."""
    given, expected = np.array([1.0, -8.5, 0.25]), np.array([1.5, -8.0, 0.0])
    value(relative_error(given, expected), 0.0625, "relative_error(given, expected)")
    value(relative_error(-expected, expected), 2.0, "relative_error(-expected, expected)")


# %%
def wrong_arrays(loss_and_gradients, p):
    """Return a list of the names of the arrays in p whose gradients are wrong, in p's order.

    loss_and_gradients takes a dict like p, and returns the loss and a dict of gradients. A gradient
    is wrong if its relative error is more than 1e-6.
    """
    # BEGIN SOLUTION
    gradients, wrong = loss_and_gradients(p)[1], []
    for name in p:

        def loss(array, name=name):
            return loss_and_gradients({**p, name: array})[0]

        if relative_error(gradients[name], numerical_gradient(loss, p[name])) > 1e-6:
            wrong.append(name)
    return wrong
    # END SOLUTION


# %%
def some_parameters(seed):
    """Parameters of a network with three inputs, two hidden units and three outputs."""
    rng = np.random.default_rng(seed)
    shapes = {"W0": (3, 2), "b0": (2,), "W1": (2, 3), "b1": (3,)}
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


@item(points=3)
def test_wrong_arrays(wrong_arrays):
    """What is wrong with four functions, one of which is right."""
    for broken in ([], ["b"], ["a", "c"], ["a", "b", "c"]):

        def function(p, broken=broken):
            J = sum(np.sum(np.sin(array)) for array in p.values())
            return J, {n: np.cos(x) * (1.01 if n in broken else 1) for n, x in p.items()}

        p = {name: np.linspace(0.1, 1.0, 4) + k for k, name in enumerate("abc")}
        found = wrong_arrays(function, p)
        require(found == broken, f"found {found}; the wrong gradients are {broken}.")


# %% [markdown]
# ## The published rule
#
# This is the backward pass of a program that was published with a paper on autoencoders. It trains,
# and its loss falls. Try `wrong_arrays(lambda p: published(p, X), p)` on it.


# %%
def sigmoid(z):
    """Return 1 / (1 + exp(-z)) of each entry."""
    return 1 / (1 + np.exp(-z))


def published(p, X):
    """Loss and gradients as published: half the squared error, averaged over the samples."""
    h = sigmoid(X @ p["W0"] + p["b0"])
    out = sigmoid(h @ p["W1"] + p["b1"])
    e1 = (out - X) / len(X)
    e0 = e1 @ p["W1"].T
    dz1 = e1 * out * (1 - out)
    dz0 = e0 * h * (1 - h)
    gradients = {"W0": X.T @ dz0, "b0": dz0.sum(axis=0), "W1": h.T @ dz1, "b1": dz1.sum(axis=0)}
    return np.sum((out - X) ** 2) / (2 * len(X)), gradients


# %%
def first_wrong_layer():
    """Return the number of the layer, 0 or 1, in which the published gradients are wrong."""
    # BEGIN SOLUTION
    return 0
    # END SOLUTION


# %%
@item(points=1)
def test_first_wrong_layer(first_wrong_layer):
    """Where the published rule is wrong."""
    layer = first_wrong_layer()
    require(layer in (0, 1), f"{layer} is neither 0 nor 1.")
    require(layer == 0, "The gradients of that layer are right: let wrong_arrays show it.")


# %%
def repaired(p, X):
    """Return loss and gradients like published, but right."""
    # BEGIN SOLUTION
    h = sigmoid(X @ p["W0"] + p["b0"])
    out = sigmoid(h @ p["W1"] + p["b1"])
    dz1 = (out - X) / len(X) * out * (1 - out)
    dz0 = dz1 @ p["W1"].T * h * (1 - h)
    gradients = {"W0": X.T @ dz0, "b0": dz0.sum(axis=0), "W1": h.T @ dz1, "b1": dz1.sum(axis=0)}
    return np.sum((out - X) ** 2) / (2 * len(X)), gradients
    # END SOLUTION


# %%
@item(points=4)
def test_repaired(repaired):
    """The rule repaired, with the same loss."""
    p, X = some_parameters(10), np.random.default_rng(11).random((5, 3))
    zero = {name: np.zeros(array.shape) for name, array in p.items()}
    value(repaired(zero, X)[0], np.sum((X - 0.5) ** 2) / 10, "the loss where all parameters are 0")
    gradient(repaired, p, (X,))

# %% [markdown]
# # Assignment 1: one neuron and its graph
#
# A neuron multiplies its inputs by weights, adds the products and a bias, and squashes the sum:
#
#     x[i] -- * w[i] --> p[i] -- sum, + b --> z -- sigmoid --> a -- (a - t)**2 / 2 --> J
#
# On the way back every node gets the gradient of its output and hands on the gradients of its
# inputs. A gradient is called `d` and the name of the number: `dz` says how much the loss `J` grows
# when `z` grows by a little, divided by that little.

# %%
import numpy as np

# %%
from checks import gradient, joined, named, unchanged, value
from items import items_of

item = items_of("neuron")

# %% [markdown]
# ## Forward
#
# `sigmoid(z)` is 1 / (1 + exp(-z)).


# %%
def forward(x, w, b):
    """Return the tuple (z, a) for inputs x (I,), weights w (I,) and the number b."""
    # BEGIN SOLUTION
    z = np.sum(x * w) + b
    return z, 1 / (1 + np.exp(-z))
    # END SOLUTION


# %%
@item(points=1)
def test_forward(forward):
    """The sum z and the activation a."""
    x, log3 = np.array([1.0, 2.0]), np.log(3.0)
    value(forward(x, np.array([0.5, -0.25]), 0.0), (0.0, 0.5), "forward(x, w, 0)")
    value(forward(x, np.array([log3, -log3]), 2 * log3), (log3, 0.75), "forward(x, w, b)")


# %% [markdown]
# ## Node by node
#
# A product `p = x * w`: if `w` grows by 1, by how much does `p` grow?


# %%
def product_backward(dp, x, w):
    """Return the tuple (dx, dw) for p = x * w, entry by entry."""
    # BEGIN SOLUTION
    return dp * w, dp * x
    # END SOLUTION


# %%
@item(points=2)
def test_product_backward(product_backward):
    """Back through a product."""
    dp = np.array([2.0, -3.0, 0.5])

    def gradients(p):
        return named(product_backward(dp, p["x"], p["w"]), **p)

    p = {"x": np.array([0.5, 2.0, -1.0]), "w": np.array([1.5, -0.3, 0.7])}
    gradient(joined(lambda p: np.sum(dp * p["x"] * p["w"]), gradients), p)


# %% [markdown]
# The sigmoid `a = sigmoid(z)`. Its slope can be written with `a` alone.


# %%
def sigmoid_backward(da, a):
    """Return dz, given da and what came out of the sigmoid."""
    # BEGIN SOLUTION
    return da * a * (1 - a)
    # END SOLUTION


# %%
@item(points=2)
def test_sigmoid_backward(sigmoid_backward):
    """Back through the sigmoid: here z = x @ W + b of a batch goes in."""

    def activations(p, x):
        return 1 / (1 + np.exp(-x @ p["W"] - p["b"]))

    def gradients(p, x, da):
        a = activations(p, x)
        dz = named(sigmoid_backward(da, a), z=a)["z"]
        return {"W": x.T @ dz, "b": dz.sum(axis=0)}

    rng = np.random.default_rng(1)
    p = {"W": rng.normal(size=(3, 2)), "b": rng.normal(size=2)}
    batch = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    gradient(joined(lambda p, x, da: np.sum(da * activations(p, x)), gradients), p, batch)


# %% [markdown]
# ## All the way back
#
# Now the whole neuron, with the loss `J = (a - t)**2 / 2`. Use the functions above.


# %%
def gradients(x, w, b, t):
    """Return the tuple (J, dw, db)."""
    # BEGIN SOLUTION
    a = forward(x, w, b)[1]
    dz = sigmoid_backward(a - t, a)
    dw = product_backward(dz, x, w)[1]
    return (a - t) ** 2 / 2, dw, dz
    # END SOLUTION


# %%
@item(points=1)
def test_loss(gradients):
    """The loss J."""
    x, w = np.array([1.0, 2.0]), np.array([0.5, -0.25])
    J = [gradients(x, w, 0.0, t)[0] for t in (1.0, -0.5)]
    value(J, [0.125, 0.5], "J for the targets 1 and -0.5")


# %%
@item(points=3)
def test_gradients(gradients):
    """The gradients dw and db of the whole neuron, added up over five samples."""

    def loss(p, X, t):
        return np.sum((1 / (1 + np.exp(-X @ p["w"] - p["b"])) - t) ** 2) / 2

    def added_up(p, X, t):
        results = [gradients(x, p["w"], p["b"], u) for x, u in zip(X, t, strict=True)]
        return {name: sum(named(r, J=0.0, **p)[name] for r in results) for name in p}

    rng = np.random.default_rng(0)
    p = {"w": rng.normal(size=3), "b": rng.normal(size=())}
    gradient(joined(loss, added_up), p, (rng.normal(size=(5, 3)), rng.random(5)))


# %% [markdown]
# ## A number that is used twice
#
# In `y = w * x + w**2` the number `w` reaches `y` along two paths.


# %%
def twice_backward(dy, x, w):
    """Return the tuple (dx, dw) for y = w * x + w**2, entry by entry."""
    # BEGIN SOLUTION
    return dy * w, dy * (x + 2 * w)
    # END SOLUTION


# %%
@item(points=2)
def test_twice_backward(twice_backward):
    """Two paths from w to y."""
    dy = np.array([1.0, -2.0, 0.5])

    def gradients(p):
        return named(twice_backward(dy, p["x"], p["w"]), **p)

    p = {"x": np.array([0.5, 2.0, -1.0]), "w": np.array([1.5, -0.3, 0.7])}
    gradient(joined(lambda p: np.sum(dy * (p["w"] * p["x"] + p["w"] ** 2)), gradients), p)


# %% [markdown]
# ## One step downhill
#
# The gradient points to where the loss grows.


# %%
def descend(w, dw, rate):
    """Return the weights after a step of gradient descent; w itself stays as it is."""
    # BEGIN SOLUTION
    return w - rate * dw
    # END SOLUTION


# %%
@item(points=1)
def test_descend(descend):
    """A step that makes the loss smaller."""
    w, dw = np.array([1.0, 2.0]), np.array([0.5, -4.0])
    value(descend(w, dw, 0.1), [0.95, 2.4], "descend(w, dw, 0.1)")
    unchanged(w, [1.0, 2.0], "w")

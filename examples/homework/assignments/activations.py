# %% [markdown]
# # Assignment 3: activations and losses
#
# What goes into an activation is called `z`, what comes out `a`, both of shape (B, O). A backward
# function gets `da`, the gradient of what came out, and returns `dz`, of the same shape.

# %%
import numpy as np

# %%
from checks import gradient, joined, named, require, value
from items import items_of

item = items_of("activations")

# %% [markdown]
# ## The sigmoid, for large numbers too
#
# 1 / (1 + exp(-z)) is right, but exp(1000) is too large for a float. Choose for each entry, with
# `np.where` or `np.abs`, an exponential of a number that is not positive.


# %%
def sigmoid(z):
    """Return the sigmoid of each entry, without overflow."""
    # BEGIN SOLUTION
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, e) / (1 + e)
    # END SOLUTION


# %%
@item(points=1)
def test_sigmoid(sigmoid):
    """The sigmoid of small numbers."""
    log3 = np.log(3.0)
    z = np.array([[0.0, log3], [-log3, 2 * log3]])
    value(sigmoid(z), [[0.5, 0.75], [0.25, 0.9]], "sigmoid(z)")


# %%
@item(points=1)
def test_sigmoid_far_out(sigmoid):
    """The sigmoid of -1000 and 1000: no overflow."""
    try:
        with np.errstate(over="raise", invalid="raise"):
            a = sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    except FloatingPointError as error:
        require(False, f"sigmoid of -1000, 0 and 1000: {error}.")
    value(a, [0.0, 0.5, 1.0], "sigmoid of -1000, 0 and 1000")


# %% [markdown]
# ## Backward through three activations
#
# - sigmoid: `dz` from `da` and `a`
# - tanh: `dz` from `da` and `a = np.tanh(z)`
# - relu: `a = np.maximum(z, 0)`, and `dz` from `da` and `z`


# %%
def sigmoid_backward(da, a):
    """Return dz."""
    # BEGIN SOLUTION
    return da * a * (1 - a)
    # END SOLUTION


# %%
def tanh_backward(da, a):
    """Return dz."""
    # BEGIN SOLUTION
    return da * (1 - a**2)
    # END SOLUTION


# %%
def relu_backward(da, z):
    """Return dz."""
    # BEGIN SOLUTION
    return da * (z > 0)
    # END SOLUTION


# %%
def check_activation(activation, backward):
    """Check it between two layers: W and b, those below, show whether dz is right."""

    def loss(p, x, t):
        return np.sum((activation(x @ p["W"] + p["b"]) @ p["V"] - t) ** 2) / 2

    def gradients(p, x, t):
        z = x @ p["W"] + p["b"]
        a = activation(z)
        dout = a @ p["V"] - t
        dz = named(backward(dout @ p["V"].T, z), z=z)["z"]
        return {"W": x.T @ dz, "b": dz.sum(axis=0), "V": a.T @ dout}

    rng = np.random.default_rng(3)
    p = {"W": rng.normal(size=(4, 5)), "b": rng.normal(size=5), "V": rng.normal(size=(5, 2))}
    gradient(joined(loss, gradients), p, (rng.normal(size=(7, 4)), rng.normal(size=(7, 2))))


@item(points=2)
def test_sigmoid_backward(sigmoid_backward):
    """Back through the sigmoid, after a layer with W and b."""

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    check_activation(sigmoid, lambda da, z: sigmoid_backward(da, sigmoid(z)))


# %%
@item(points=2)
def test_tanh_backward(tanh_backward):
    """Back through tanh, after a layer with W and b."""
    check_activation(np.tanh, lambda da, z: tanh_backward(da, np.tanh(z)))


# %%
@item(points=2)
def test_relu_backward(relu_backward):
    """Back through relu, after a layer with W and b."""
    check_activation(lambda z: z * (z.real > 0), relu_backward)


# %% [markdown]
# ## Half the squared error
#
# Half the squared error, summed over the outputs of a sample, averaged over the samples. `a` and
# `t`, the target, have the shape (B, O).


# %%
def squared_error(a, t):
    """Return the tuple (J, da)."""
    # BEGIN SOLUTION
    return np.sum((a - t) ** 2) / (2 * len(a)), (a - t) / len(a)
    # END SOLUTION


# %%
@item(points=1)
def test_squared_error(squared_error):
    """The loss J of one sample, and of three."""
    a, t = np.array([[1.0, 2.0], [0.0, 3.0], [1.0, 1.0]]), np.array([[0.0, 4.0], [1, 1], [1, 3]])
    J = [squared_error(a[:B], t[:B])[0] for B in (1, 3)]
    value(J, [2.5, 14 / 6], "J of one sample and of three")


# %%
@item(points=2)
def test_squared_error_backward(squared_error):
    """Its gradient: here the outputs are a = x @ W + b."""

    def loss(p, x, t):
        return np.sum((x @ p["W"] + p["b"] - t) ** 2) / (2 * len(x))

    def gradients(p, x, t):
        a = x @ p["W"] + p["b"]
        da = named(squared_error(a, t)[1], a=a)["a"]
        return {"W": x.T @ da, "b": da.sum(axis=0)}

    rng = np.random.default_rng(4)
    p = {"W": rng.normal(size=(3, 2)), "b": rng.normal(size=2)}
    gradient(joined(loss, gradients), p, (rng.normal(size=(7, 3)), rng.normal(size=(7, 2))))


# %% [markdown]
# ## Softmax and cross-entropy
#
# Softmax turns the scores of a sample, a row of `z`, into probabilities: exp(z) divided by the sum
# of exp(z) over the row. The cross-entropy is minus the logarithm of the probability of the right
# class, averaged over the samples. `labels` (B,) has the number of the right class of each sample.


# %%
def softmax(z):
    """Return the probabilities, of shape (B, O); each row adds up to 1, for large z too."""
    # BEGIN SOLUTION
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)
    # END SOLUTION


# %%
def softmax_backward(da, a):
    """Return dz, where a = softmax(z): each score of a row moves all probabilities of that row."""
    # BEGIN SOLUTION
    return a * (da - np.sum(da * a, axis=1, keepdims=True))
    # END SOLUTION


# %%
def cross_entropy(z, labels):
    """Return the tuple (J, dz) for scores z, which have not been through softmax."""
    # BEGIN SOLUTION
    rows = np.arange(len(z))
    a = softmax(z)
    J = -np.mean(np.log(a[rows, labels]))
    dz = a.copy()
    dz[rows, labels] -= 1
    return J, dz / len(z)
    # END SOLUTION


# %%
@item(points=1)
def test_softmax(softmax):
    """Probabilities of three classes, and of scores near 1000."""
    log2 = np.log(2.0)
    z = np.log([[1.0, 1.0, 2.0], [4.0, 3.0, 3.0]])
    value(softmax(z), [[0.25, 0.25, 0.5], [0.4, 0.3, 0.3]], "softmax(z)")
    with np.errstate(over="ignore", invalid="ignore"):
        far = softmax(np.array([[1000.0, 1000.0, 1000.0 + log2]]))
    value(far, [[0.25, 0.25, 0.5]], "softmax of scores near 1000")


# %%
def probabilities(z):
    """Softmax of small numbers, complex ones too."""
    return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)


@item(points=3)
def test_softmax_backward(softmax_backward):
    """Back through softmax, to the scores z."""
    rng = np.random.default_rng(5)
    da, z = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))

    def gradients(p):
        return named(softmax_backward(da.copy(), probabilities(p["z"])), z=z)

    gradient(joined(lambda p: np.sum(da * probabilities(p["z"])), gradients), {"z": z})


# %%
@item(points=1)
def test_cross_entropy(cross_entropy):
    """The loss J of one sample, and of two."""
    z = np.log([[1.0, 2.0, 1.0], [4.0, 2.0, 2.0]])
    J = [cross_entropy(z[:1], np.array([1]))[0], cross_entropy(z, np.array([1, 2]))[0]]
    value(J, [np.log(2.0), 1.5 * np.log(2.0)], "J of one sample and of two")


# %%
@item(points=3)
def test_cross_entropy_backward(cross_entropy):
    """Its gradient: here the scores are z = x @ W + b."""

    def loss(p, x, labels):
        a = probabilities(x @ p["W"] + p["b"])
        return -np.mean(np.log(a[np.arange(len(x)), labels]))

    def gradients(p, x, labels):
        z = x @ p["W"] + p["b"]
        dz = named(cross_entropy(z, labels)[1], z=z)["z"]
        return {"W": x.T @ dz, "b": dz.sum(axis=0)}

    rng = np.random.default_rng(6)
    p = {"W": rng.normal(size=(4, 3)), "b": rng.normal(size=3)}
    gradient(joined(loss, gradients), p, (rng.normal(size=(7, 4)), rng.integers(0, 3, size=7)))

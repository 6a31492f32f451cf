# %% [markdown]
# # Assignment 6: train an autoencoder, and quantise its codes
#
# An autoencoder squeezes an image through a few numbers, its code, and draws it again from them:
#
#     X --- W0, b0 --- sigmoid ---> Z, the codes --- W1, b1 --- sigmoid ---> X again
#
# Rows are images; the target is the input. The codes lie between 0 and 1, so they can be rounded to
# a few levels: then an image is a few bits.

# %%
import numpy as np

# %%
from checks import gradient, require, unchanged, value
from items import items_of

item = items_of("autoencoder")


# %%
def sigmoid(z):
    """Return 1 / (1 + exp(-z)) of each entry."""
    return 1 / (1 + np.exp(-z))


# %%
def encode(p, X):
    """Return the codes Z."""
    # BEGIN SOLUTION
    return sigmoid(X @ p["W0"] + p["b0"])
    # END SOLUTION


# %%
def decode(p, Z):
    """Return the images that are drawn from codes."""
    # BEGIN SOLUTION
    return sigmoid(Z @ p["W1"] + p["b1"])
    # END SOLUTION


# %%
@item(points=1)
def test_encode_and_decode(encode, decode):
    """Codes of two images, and images of two codes."""
    log3 = np.log(3.0)
    p = {"W0": np.array([[log3], [0.0]]), "b0": np.array([-log3])}
    p |= {"W1": np.array([[2 * log3, -log3]]), "b1": np.array([0.0, log3])}
    value(encode(p, np.array([[1.0, 9.0], [2.0, 5.0]])), [[0.5], [0.75]], "encode(p, X)")
    value(decode(p, np.array([[1.0], [0.5]])), [[0.9, 0.5], [0.75, 0.5 * 3**0.5 * (3**0.5 - 1)]],
          "decode(p, Z)")  # fmt: skip


# %% [markdown]
# ## Loss and gradients
#
# The loss is half the squared error, summed over the pixels, averaged over the images.


# %%
def loss_and_gradients(p, X):
    """Return the tuple (J, gradients), where gradients is a dict with the keys of p."""
    # BEGIN SOLUTION
    Z = encode(p, X)
    out = decode(p, Z)
    dz1 = (out - X) / len(X) * out * (1 - out)
    dz0 = dz1 @ p["W1"].T * Z * (1 - Z)
    gradients = {"W0": X.T @ dz0, "b0": dz0.sum(axis=0), "W1": Z.T @ dz1, "b1": dz1.sum(axis=0)}
    return np.sum((out - X) ** 2) / (2 * len(X)), gradients
    # END SOLUTION


# %%
def start(pixels, codes, seed=12):
    """Random parameters."""
    rng = np.random.default_rng(seed)
    shapes = {"W0": (pixels, codes), "b0": codes, "W1": (codes, pixels), "b1": pixels}
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


@item(points=4)
def test_loss_and_gradients(loss_and_gradients):
    """The loss, and its gradients."""
    X = np.random.default_rng(13).random((6, 4))
    zero = {name: 0 * array for name, array in start(4, 3).items()}
    J = [loss_and_gradients(zero, X[:B])[0] for B in (1, 6)]
    value(J, [np.sum((X[:B] - 0.5) ** 2) / (2 * B) for B in (1, 6)], "J of one image and of six")
    gradient(loss_and_gradients, start(4, 3), (X,))


# %% [markdown]
# ## Training
#
# In every epoch, put the images in a new order, `rng.permutation(len(X))`, and take them in batches
# of `batch_size`; the last batch may be smaller. After each batch take a step against the gradients
# that `loss_and_gradients` returns.


# %%
def train(p, X, epochs, rate, batch_size, rng):
    """Return new parameters, trained; p itself stays as it is."""
    # BEGIN SOLUTION
    p = {name: array.copy() for name, array in p.items()}
    for _ in range(epochs):
        order = rng.permutation(len(X))
        for first in range(0, len(X), batch_size):
            gradients = loss_and_gradients(p, X[order[first : first + batch_size]])[1]
            for name in p:
                p[name] -= rate * gradients[name]
    return p
    # END SOLUTION


# %%
def batches_seen(train, X, epochs, batch_size):
    """The batches that train hands to loss_and_gradients, which is another one for that time."""
    names, seen = train.__globals__, []
    own = names.get("loss_and_gradients")

    def watched(p, batch):
        seen.append(np.array(batch))
        return 0.0, {name: 0 * array for name, array in p.items()}

    names["loss_and_gradients"] = watched
    try:
        train(start(X.shape[1], 2), X, epochs, 0.1, batch_size, np.random.default_rng(14))
    finally:
        names["loss_and_gradients"] = own
    return seen


@item(points=2)
def test_batches(train):
    """Every image is in one batch of an epoch, and the order is a new one each time."""
    X = np.arange(20.0).reshape(10, 2)
    seen = batches_seen(train, X, 2, 4)
    sizes = [len(batch) for batch in seen]
    require(sizes == [4, 4, 2] * 2, f"the batches of two epochs have {sizes} images; "
            f"expected [4, 4, 2, 4, 4, 2].")  # fmt: skip
    first, second = np.concatenate(seen[:3]), np.concatenate(seen[3:])
    for epoch in (first, second):
        value(np.sort(epoch, axis=0), X, "the images of an epoch, sorted")
    require((first != second).any(), "the order of the images is the same in both epochs.")


# %%
def bars():
    """Eight images of 4 x 4 pixels: a bright row or a bright column."""
    images = np.full((8, 4, 4), 0.1)
    for k in range(4):
        images[k, k], images[4 + k, :, k] = 0.9, 0.9
    return images.reshape(8, 16)


@item(points=2)
def test_train(train):
    """After 2000 epochs the images are drawn much better than by their mean."""
    X, before = bars(), start(16, 3)
    p = train(before, X, 2000, 1.0, 4, np.random.default_rng(15))
    for name, array in start(16, 3).items():
        unchanged(before[name], array, f"p[{name!r}]")
    Z = 1 / (1 + np.exp(-X @ p["W0"] - p["b0"]))
    mse = np.mean((1 / (1 + np.exp(-Z @ p["W1"] - p["b1"])) - X) ** 2)
    mean = np.mean((X.mean(axis=0) - X) ** 2)
    require(mse < mean / 3, f"the mse is {mse:.3g}, that of the mean image {mean:.3g}.")


# %% [markdown]
# ## Codes as bits
#
# `levels` numbers, equally spaced from 0 to 1: with 5 levels 0, 0.25, 0.5, 0.75 and 1. A code is
# replaced by the index of the nearest level: 0, 1, ..., levels - 1.


# %%
def quantise(Z, levels):
    """Return the index of the level nearest to each code, as an array of integers."""
    # BEGIN SOLUTION
    return np.rint(Z * (levels - 1)).astype(int)
    # END SOLUTION


# %%
def dequantise(indices, levels):
    """Return the levels that belong to these indices, between 0 and 1."""
    # BEGIN SOLUTION
    return indices / (levels - 1)
    # END SOLUTION


# %%
def bits_per_image(codes, levels):
    """Return how many bits the codes of an image take; levels is a power of two."""
    # BEGIN SOLUTION
    return codes * np.log2(levels)
    # END SOLUTION


# %%
@item(points=2)
def test_quantise(quantise):
    """Codes from 0 to 1, with 5 levels and with 2."""
    Z = np.array([[0.0, 0.1, 0.3], [0.6, 0.9, 1.0]])
    found = quantise(Z, 5)
    value(found, [[0, 0, 1], [2, 4, 4]], "quantise(Z, 5)")
    require(np.asarray(found).dtype.kind in "iu", f"the indices are {np.asarray(found).dtype}, "
            f"not integers.")  # fmt: skip
    value(quantise(Z, 2), [[0, 0, 0], [1, 1, 1]], "quantise(Z, 2)")


# %%
@item(points=1)
def test_dequantise(dequantise):
    """Back to numbers between 0 and 1."""
    value(dequantise(np.array([[0, 1], [2, 4]]), 5), [[0.0, 0.25], [0.5, 1.0]], "dequantise(., 5)")


# %%
@item(points=1)
def test_bits_per_image(bits_per_image):
    """The size of a code."""
    found = [bits_per_image(codes, levels) for codes, levels in ((3, 2), (10, 8), (28, 256))]
    value(found, [3, 30, 224], "the bits of 3 codes of 2 levels, 10 of 8, 28 of 256")

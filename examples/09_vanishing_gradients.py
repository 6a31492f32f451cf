# %% [markdown]
# # 9. Vanishing gradients: eight sigmoids in a row
#
# A deeper network can compute more. For two decades hardly anybody could train one: the gradient
# gets smaller with every layer that it passes on its way back, and the first layers learn nothing.
# Here we measure how fast it shrinks, why, and what helps.
#
# **At the end you will understand** why a gradient shrinks fourfold or more in each sigmoid layer;
# that the differences between digits shrink in the same way on their way forward; and what larger
# initial weights, other activations and skip connections do about it.
#
# **You need** [chapter 4](04_the_chain_rule_for_matrices.py): the backward pass of a layer;
# [chapter 8](08_saturation.py): slopes, `fan_in`, saturated units.
#
# **This explains**, in the textbook page of the package, what happens when
# [`sigmoid_backward`](../ae_numpy/reference.py#sigmoid_backward) and
# [`dense_backward`](../ae_numpy/reference.py#dense_backward) are applied eight times in a row.

# %%
from collections.abc import Callable
from itertools import pairwise

import numpy as np
from tour import save
from tour_pictures_training import vanishing_gradients

from ae_numpy import Autoencoder, Network
from ae_numpy.datasets import load_stroke_digits
from ae_numpy.gradcheck import check_network
from ae_numpy.reference import dense_backward, dense_forward, sigmoid_forward

# %% [markdown]
# ## A network of eight layers
#
# 784 pixels, seven hidden layers of 32 units, 784 outputs: `W0` to `W7`, all started with `fan_in`.
# For each of them, take the mean size of its gradient over all its entries.

# %%
digits = load_stroke_digits(n_train=2000, n_test=250)
X = digits.train_images.reshape(-1, 784) / 255
X_test = digits.test_images.reshape(-1, 784) / 255
LAYERS, HIDDEN = 8, 32
SIZES = (784, *[HIDDEN] * (LAYERS - 1), 784)

rng = np.random.default_rng(0)
weights = [rng.normal(scale=i**-0.5, size=(i, o)) for i, o in pairwise(SIZES)]
biases = [np.zeros(o) for o in SIZES[1:]]

deep = Network(SIZES)
for layer, W in zip(deep.layers, weights, strict=True):
    layer.W[...] = W
activations = deep.forward(X[:200])
gradient = deep.as_dict(deep.backward(activations, X[:200]))
mean_dW = np.array([np.abs(gradient[f"W{i}"]).mean() for i in range(LAYERS)])
print("mean |dW| of layers 0 to 7:", " ".join(f"{size:.0e}" for size in mean_dW))
print("each over the one before:  ", (mean_dW[1:] / mean_dW[:-1]).round(1))
assert mean_dW[6] > 10_000 * mean_dW[0]

# %% [markdown]
# The first layer's gradient is more than ten thousand times smaller than that of layer 6. From
# layer 1 to layer 6 the layers are all alike, 32 units to 32 units, and each has about four times
# the gradient of the one before it. (The first and the last have other sizes.)
#
# ## Where the factor 4 comes from
#
# Call the gradient with respect to a layer's pre-activations its *delta*. One layer further back,
# it is
#
# $$ \text{delta}_{l} = (\text{delta}_{l+1} \, W_{l+1}^T) \cdot a_{l} (1 - a_{l}) $$
#
# The product adds up 32 numbers, each multiplied by a weight of standard deviation 1/sqrt(32): this
# keeps their size, on average. The slope a (1 - a) is at most 1/4. So a delta is about a quarter of
# the next one, *at best*, and after six such layers 1/4096.
#
# The same happens forward. Two digits that differ give pre-activations that differ; the sigmoid
# shrinks the difference to a quarter, and the next product keeps it. The standard deviation of
# an activation over the digits says how much of a difference is left.

# %%
different = np.array([a.std(axis=0).mean() for a in activations[1:-1]])  # the hidden layers
print("standard deviation over the digits:", " ".join(f"{size:.0e}" for size in different))
shrinks = different[:-1] / different[1:]
grows = (mean_dW[2:7] / mean_dW[1:6]).mean()
print(f"forward each layer divides by {shrinks.mean():.1f}, backward by {grows:.1f}")
assert all(3 < shrink < 7 for shrink in shrinks)
assert 3 < grows < 7
assert different[-1] < 1.5e-5

# %% [markdown]
# The last hidden layer gives nearly the same 32 numbers for every digit: they differ by 0.00001.
# What goes back to the first layer is tiny, and what comes forward from it no longer matters.
#
# Is such a gradient still right? The check measures relative errors, so a small gradient is checked
# as strictly as a large one. Here is a network with the same depth, but narrow, so that every entry
# can be checked.

# %%
narrow = Network((12, *[6] * 7, 12))
narrow.parameters[:] = rng.normal(scale=0.4, size=narrow.parameters.size)
report = check_network(narrow, rng.random((5, 12)))
print(report.verdict, f"(largest relative error {report.max_relative_error:.0e})")
assert report.ok

# %% [markdown]
# ## What helps
#
# The product of the weights' scale and the slope must be near 1. So use weights four times as
# large, or an activation with a larger slope. At 0, *tanh* has slope 1. *ReLU*, max(z, 0), has
# slope 1 for half of the units and 0 for the others; standard deviation sqrt(2/I) makes up for the
# half that is lost (He et al., 2015). Our network only has sigmoids, but it takes few lines to
# write the passes for any activation, with the slope as a function of a.

# %%
Activation = tuple[Callable, Callable]
SIGMOID: Activation = (sigmoid_forward, lambda a: a * (1 - a))
TANH: Activation = (np.tanh, lambda a: 1 - a**2)
RELU: Activation = (lambda z: np.maximum(z, 0), lambda a: (a > 0) * 1.0)


def mean_gradients(activation: Activation, scale: float = 1.0, skip: bool = False) -> np.ndarray:
    """Mean |dW| of each layer, with the weights multiplied by `scale`, for 200 digits."""
    x, squashed, sizes = [X[:200]], [], []
    hidden = range(1, LAYERS - 1)  # the layers with as many outputs as inputs
    functions = [*[activation] * (LAYERS - 1), SIGMOID]
    for i, (squash, _) in enumerate(functions):  # forward
        a = squash(dense_forward(x[i], weights[i] * scale, biases[i]))
        squashed.append(a)
        x.append(a + x[i] if skip and i in hidden else a)
    da = (x[-1] - X[:200]) / 200
    for i, (_, slope) in reversed(list(enumerate(functions))):  # backward
        dx, dW, _ = dense_backward(da * slope(squashed[i]), x[i], weights[i] * scale)
        da = dx + da if skip and i in hidden else dx
        sizes.append(np.abs(dW).mean())
    return np.array(sizes[::-1])


cases = {
    "sigmoid": mean_gradients(SIGMOID),
    "sigmoid, weights x 4": mean_gradients(SIGMOID, 4.0),
    "tanh": mean_gradients(TANH),
    "ReLU, weights x 1.4": mean_gradients(RELU, 2**0.5),
}
for name, sizes in cases.items():
    print(f"{name:21} layer 6 over layer 1: {sizes[6] / sizes[1]:6.1f}")
np.testing.assert_allclose(cases["sigmoid"], mean_dW, rtol=1e-9)  # the same sums, reordered
assert cases["sigmoid"][6] > 400 * cases["sigmoid"][1]
assert all(sizes[6] < 25 * sizes[1] for name, sizes in cases.items() if name != "sigmoid")

# %% [markdown]
# ## Does it matter for training?
#
# Train three networks for 15 epochs with the same learning rate: the deep one, the deep one with
# weights four times as large, and a *shallow* one, with a single hidden layer of 32 units.

# %%
recipe = {"learning_rate": 0.5, "batch_size": 10, "epochs": 15, "random_state": 0}
errors, moved = {}, {}
for name, depth, scale in (("deep", 7, 1.0), ("deep, weights x 4", 7, 4.0), ("shallow", 1, 1.0)):
    start = Autoencoder((HIDDEN,) * depth, **{**recipe, "epochs": 0}).fit(X).network_.as_dict()
    given = {key: scale * array for key, array in start.items()}
    ae = Autoencoder((HIDDEN,) * depth, initial_parameters=given, **recipe)
    ae.fit(X, validation_data=X_test)
    errors[name] = np.array(ae.history_["val_mse"])
    moved[name] = float(np.abs(ae.network_.layers[0].W - given["W0"]).mean())
    print(f"{name:18} mse {errors[name][-1]:.4f}, W0 moved by {moved[name]:.4f} on average")
error_of_mean = float(((X.mean(axis=0) - X_test) ** 2).mean())
print(f"an output that is always the mean digit: {error_of_mean:.4f}")

# %% [markdown]
# ## The picture
#
# Left: the gradient of each layer at the start. Note the scale: each line of the grid is a factor
# of ten. Right: the error in training.

# %%
figure = vanishing_gradients(cases, errors, error_of_mean)
save(figure, "09_vanishing_gradients")

# %% [markdown]
# The deep network learns one thing: to draw the mean digit, which its last biases can do by
# themselves. Its
# first layer has hardly moved. With larger weights, the same network learns. But look at the
# shallow one: it beats both. Depth is no end in itself, and on this task one layer is enough.

# %%
assert errors["deep"][-1] > 0.98 * error_of_mean
assert moved["deep"] < moved["deep, weights x 4"] / 100
assert errors["deep, weights x 4"][-1] < 0.8 * error_of_mean
assert errors["shallow"][-1] < 0.7 * errors["deep, weights x 4"][-1]

# %% [markdown]
# The effect was found in networks that run through time, where every step is a layer (Hochreiter,
# 1991). That the initial weights decide whether deep networks of sigmoids and tanh train was
# measured by Glorot and Bengio (2010).
#
# ## Exercises
#
# 1. If a factor of 4 helps, does a factor of 40 help more? Compute `mean_gradients`, and explain.
# 2. The first layer's gradient is 10,000 times too small. Can a larger learning rate make up for
#    it? Train the deep network with rate 5.
# 3. Add to each hidden layer's output its input: a = squash(z) + x, a *skip connection* (He et al.,
#    2016). What is da/dx then? What does `mean_gradients(SIGMOID, skip=True)` show?
#
# Try them before you read on.

# %% [markdown]
# ## Solutions
#
# **1.** No. Now the gradient *grows* on its way back: it is largest in layers 0 and 1.
# Most units are saturated ([chapter 8](08_saturation.py)) and let nothing through; the few that are
# not multiply by weights that are 40 times too large. This is an *exploding* gradient. The first
# layer takes huge steps, in a direction that only a few units have asked for.

# %%
too_large = mean_gradients(SIGMOID, 40.0)
print("weights x  4:", " ".join(f"{size:.0e}" for size in cases["sigmoid, weights x 4"]))
print("weights x 40:", " ".join(f"{size:.0e}" for size in too_large))
z = dense_forward(X[:200], weights[0] * 40, biases[0])
a = sigmoid_forward(z)
print(f"slope below 0.01 in layer 0: {(a * (1 - a) < 0.01).mean():.0%}")
assert (a * (1 - a) < 0.01).mean() > 0.6
assert too_large[:2].min() > too_large[2:].max()

# %% [markdown]
# **2.** No. There is one rate for all layers. What is too small for the first is much too large for
# the last: its biases overshoot the mean digit again and again, and the first layer still does not
# move to anywhere useful.

# %%
fast = Autoencoder((HIDDEN,) * 7, **{**recipe, "learning_rate": 5.0}).fit(X, validation_data=X_test)
print(f"rate 5: mse {fast.history_['val_mse'][-1]:.4f}, the mean digit {error_of_mean:.4f}")
assert min(fast.history_["val_mse"]) > 0.98 * error_of_mean

# %% [markdown]
# **3.** da/dx is 1, from the skip, plus what the layer itself contributes. A product of such
# numbers does not vanish: whatever the slopes are, the gradient has a path back that multiplies it
# by 1.

# %%
with_skip = mean_gradients(SIGMOID, skip=True)
print("with skips:", " ".join(f"{size:.0e}" for size in with_skip))
assert with_skip[6] < 4 * with_skip[1]

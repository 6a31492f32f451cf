# %% [markdown]
# # 15. Denoising
#
# An autoencoder repeats what it is given. Give it noisy images, and it learns to repeat noisy
# images, noise included, as far as its code has room. Compare its output with the *clean* image
# instead, and it learns something else: what digits look like.
#
# **At the end you will understand** what changes in training when the target is not the input,
# why the best guess is an average, what a narrow code does to noise by itself, and how good a plain
# linear filter is.
#
# **You need** [chapter 7](07_training_an_autoencoder.py) and [chapter
# 14](14_the_linear_autoencoder_is_pca.py).
#
# **This explains**, in the textbook page of the package, why
# [`half_squared_error_backward`](../ae_numpy/reference.py#half_squared_error_backward) takes an
# output *and a target*.

# %%
import numpy as np
from tour import save
from tour_pictures_codes import denoising

from ae_numpy import Autoencoder, Network
from ae_numpy.datasets import load_stroke_digits
from ae_numpy.reference import half_squared_error_backward, sigmoid_backward, sigmoid_forward

# %% [markdown]
# ## Noise
#
# Add to every pixel a normal random number with standard deviation 0.3, where ink is 1 and
# background is 0. Clip what leaves the interval from 0 to 1.

# %%
NOISE = 0.3
digits = load_stroke_digits(n_train=3000, n_test=500)
X = (digits.train_images.reshape(-1, 784) / 255).astype(np.float32)
X_test = (digits.test_images.reshape(-1, 784) / 255).astype(np.float32)
rng = np.random.default_rng(0)


def add_noise(x: np.ndarray, noise: float = NOISE) -> np.ndarray:
    return np.clip(x + noise * rng.standard_normal(x.shape, np.float32), 0, 1)


def error(images: np.ndarray) -> float:
    """The mean squared error against the clean test images."""
    return float(((images - X_test) ** 2).mean())


noisy, noisy_test = add_noise(X), add_noise(X_test)
mean_image = X.mean(axis=0)
print(f"mse of the noisy test images {error(noisy_test):.4f}, of the mean image", end=" ")
print(f"{error(np.tile(mean_image, (500, 1))):.4f}")

# %% [markdown]
# ## Repeating against denoising
#
# Train two kinds of networks, for five code sizes, from the same start: *repeating* ones with the
# noisy images as target, and *denoising* ones with the clean images, `fit(noisy, target=clean)`.

# %%
SIZES = (8, 16, 32, 64, 128)
bright = mean_image.clip(0.005, 0.995)
settings = {
    "batch_size": 10,
    "learning_rate": 0.5,
    "epochs": 20,
    "random_state": 0,
    "initial_parameters": {"b1": np.log(bright / (1 - bright))},
}
repeat = {h: Autoencoder(h, **settings).fit(noisy) for h in SIZES}
denoise = {h: Autoencoder(h, **settings).fit(noisy, target=X) for h in SIZES}
errors = {
    "repeating": {h: error(model.reconstruct(noisy_test)) for h, model in repeat.items()},
    "denoising": {h: error(model.reconstruct(noisy_test)) for h, model in denoise.items()},
}
for name, of in errors.items():
    print(name, {h: round(value, 4) for h, value in of.items()})

# %% [markdown]
# And a mark to compare with: the best *linear* filter. Each output pixel is a weighted sum of all
# noisy pixels and a bias, and the weights that minimize the squared error solve a system of linear
# equations, A W = B with A = n.T @ n and B = n.T @ x, where n are the noisy and x the clean
# images, both without their means.

# %%
n = (noisy - noisy.mean(axis=0)).astype(np.float64)
W = np.linalg.solve(n.T @ n, n.T @ (X - mean_image))  # (784, 784)
filtered = (mean_image + (noisy_test - noisy.mean(axis=0)) @ W).clip(0, 1)
print(f"linear filter, clipped to [0, 1]: {error(filtered):.4f}")

# %% [markdown]
# ## The picture
#
# Left: the error against the clean test images. Right: six test images, and what becomes of them.

# %%
marks = {"noisy images": error(noisy_test), "linear filter": error(filtered)}
shown = slice(0, 6)
rows = {
    "clean": X_test[shown],
    "noisy": noisy_test[shown],
    "repeating, 16": repeat[16].reconstruct(noisy_test[shown]),
    "repeating, 128": repeat[128].reconstruct(noisy_test[shown]),
    "denoising, 128": denoise[128].reconstruct(noisy_test[shown]),
    "linear filter": filtered[shown],
}
figure = denoising(errors, marks, rows)
save(figure, "15_denoising")

# %% [markdown]
# - The denoising network is better at every size, and at 128 its error is half that of the
#   repeating one.
# - Repeating removes noise, too: a narrow code has no room for it. But it has no room for the digit
#   either. With 8 numbers, the output is farther from the clean image than the noisy image is.
# - At 128 numbers the repeating network is hardly better than a denoising one with 32. More
#   than a third of the noise passes through it, against a ninth in the denoising one.
# - The linear filter is hard to beat. It has no *bottleneck*, no narrow code: 784 numbers may pass.
#   Our network of 128 units comes near it.

# %%
assert all(errors["denoising"][h] < 0.9 * errors["repeating"][h] for h in SIZES)
assert errors["denoising"][128] < 0.55 * errors["repeating"][128]
assert 0.9 * errors["denoising"][32] < errors["repeating"][128]
assert errors["repeating"][8] > error(noisy_test)
assert error(filtered) < errors["denoising"][128] < 1.3 * error(filtered)

noise = noisy_test - X_test
passes = {  # the slope of the remaining error over the noise
    name: float(((model.reconstruct(noisy_test) - X_test) * noise).sum() / (noise**2).sum())
    for name, model in (("repeating", repeat[128]), ("denoising", denoise[128]))
}
print("share of the noise that passes:", {name: f"{share:.0%}" for name, share in passes.items()})
assert passes["repeating"] > 1 / 3
assert 0 < passes["denoising"] < 1 / 8

# %% [markdown]
# ## Another target
#
# The forward pass does not change. The loss compares the output with the target, and so the
# backward pass begins with output - target, where the target is now the clean image. Nothing else
# in backpropagation knows of it. In the package, the target is an argument: of
# `loss_and_gradients`, and of `fit(noisy, target=clean)`.

# %%
network = Network((784, 16, 784))
network.parameters[:] = rng.normal(scale=0.1, size=network.parameters.size)
_, gradients = network.loss_and_gradients(network.as_dict(), noisy[:5], target=X[:5])
output = network.forward(noisy[:5])[-1]
db1 = sigmoid_backward(half_squared_error_backward(output, X[:5]), output).sum(axis=0)
np.testing.assert_allclose(gradients["b1"], db1, rtol=1e-9, atol=1e-15)  # sums, reordered
_, repeating = network.loss_and_gradients(network.as_dict(), noisy[:5])
print(f"db1[400] with the clean target {gradients['b1'][400]:.5f}, with the noisy one", end=" ")
print(f"{repeating['b1'][400]:.5f}")

# %% [markdown]
# ## The best guess is an average
#
# What is the best that *any* function of the noisy input can do? It cannot know the noise. Many
# clean values could have given what it sees. The squared error is smallest for their average, each
# weighted by how likely it is: the *conditional mean*. Take a single pixel that is 0 or 1, equally
# often, with noise of standard deviation 0.3 added and nothing clipped. If we see x, the average of
# the clean values is
#
# $$ \text{mean of } t \text{ given } x = \frac{e^{-(x - 1)^2 / 2 s^2}}
#    {e^{-(x - 1)^2 / 2 s^2} + e^{-x^2 / 2 s^2}} = \text{sigmoid}\left(\frac{x - 1/2}{s^2}\right) $$
#
# A sigmoid! Check it with a million pixels: sort them by x, and average t in each interval.

# %%
t = rng.integers(0, 2, 1_000_000)
x = t + NOISE * rng.standard_normal(t.size)
edges = np.linspace(-0.1, 1.1, 25)
interval = np.digitize(x, edges)
seen = np.array([t[interval == i].mean() for i in range(1, 25)])
best_guess = sigmoid_forward(((edges[1:] + edges[:-1]) / 2 - 0.5) / NOISE**2)
print(
    "mean of t, from 0.4 to 0.6:", seen[10:14].round(3), " the sigmoid:", best_guess[10:14].round(3)
)
# 10,000 pixels in an interval: 3 standard deviations are 0.015, and the interval is not a point.
assert np.abs(seen - best_guess).max() < 0.02

# %% [markdown]
# A network does this for whole images: it guesses the mean of all digits that fit what it sees.
# Where it is unsure, the guess is grey.
#
# Denoising autoencoders were proposed by Vincent and others (2008), and not for cleaning images:
# to remove noise, a code has to say what is typical, and such codes are good for other tasks.
#
# ## Exercises
#
# 1. We drew the noise once. Draw fresh noise at every epoch, with `partial_fit(add_noise(X),
#    target=X)`. Does the network of 128 units get better?
# 2. Give the denoising network clean images, and images with twice the noise that it was trained
#    with. What happens?
# 3. Now the *target* is damaged: every pixel has been replaced by its opposite, 1 - x, with
#    probability 0.2, and the input is clean. What does the network learn, and can you repair it?
#
# Try them before you read on.

# %% [markdown]
# ## Solutions
#
# **1.** Yes. The same 3,000 images, but 20 different sets of noise: it is harder to learn the noise
# by heart.

# %%
fresh = Autoencoder(128, **{**settings, "epochs": 0}).fit(noisy, target=X)
for _ in range(20):
    fresh.partial_fit(add_noise(X), target=X)
fresh_error = error(fresh.reconstruct(noisy_test))
print(f"fresh noise {fresh_error:.4f}, the same noise {errors['denoising'][128]:.4f}")
assert fresh_error < 0.95 * errors["denoising"][128]

# %% [markdown]
# **2.** Clean images come out *worse* than noisy ones! Clipped noise makes the background brighter,
# by 0.12 on average. The network has learned to expect that, and takes away what is not there. With
# twice the noise, the error is several times as large. It has learned one amount of noise.

# %%
clean_in = error(denoise[128].reconstruct(X_test))
twice = error(denoise[128].reconstruct(add_noise(X_test, 2 * NOISE)))
brighter = float((noisy_test - X_test)[X_test == 0].mean())
print(
    f"clean input {clean_in:.4f}, noise 0.3 {errors['denoising'][128]:.4f}, noise 0.6 {twice:.4f}"
)
print(f"background pixels are brighter by {brighter:.2f}")
assert clean_in > errors["denoising"][128]
assert twice > 3 * errors["denoising"][128]
assert round(brighter, 2) == 0.12

# %% [markdown]
# **3.** The mean of the target given the input: 0.8 x + 0.2 (1 - x) = 0.2 + 0.6 x. That is a
# picture with less contrast, and it is easily undone. No target was clean, and yet the error is
# only a quarter or so above that of a network trained with clean ones.

# %%
flip = rng.random(X.shape) < 0.2
learned = Autoencoder(32, **settings).fit(X, target=np.where(flip, 1 - X, X))
drawn = learned.reconstruct(X_test)
repaired = ((drawn - 0.2) / 0.6).clip(0, 1)
with_clean = error(Autoencoder(32, **settings).fit(X).reconstruct(X_test))
print(f"as drawn {error(drawn):.4f}, repaired {error(repaired):.4f}, clean target {with_clean:.4f}")
assert error(drawn) > 1.8 * error(repaired)
assert error(repaired) < 1.35 * with_clean

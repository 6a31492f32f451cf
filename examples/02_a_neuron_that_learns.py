# %% [markdown]
# # 2. A neuron that learns
#
# Chapter 1 found out which way every weight should move. Here they do move, again and again, until
# a neuron can tell a 0 from a 1: by two numbers, or by all the pixels of an image.
#
# **At the end you will understand** what a *step*, a *learning rate* and a *sample* are, why
# gradients are added up over samples, why they must be cleared before the next step, and what
# the weights of a neuron that has learned look like.
#
# **You need** [chapter 1](01_one_neuron.py): a gradient says how strongly the loss responds.
#
# **This explains**, in the textbook page of the package, what its first twenty lines do with the
# gradients, and why [`dense_backward`](../ae_numpy/reference.py#L142) adds up over samples.

# %%
import numpy as np
from tour import save
from tour_pictures import neuron_learns

from ae_numpy import Network, reference
from ae_numpy.datasets import load_stroke_digits


def sigmoid(z: float) -> float:
    return 1 / (1 + np.exp(-z))


# %% [markdown]
# ## The samples
#
# A *sample* is an input, with the target that belongs to it. Ours are images of handwritten zeros
# and ones, which the package draws itself. Of each image we take two numbers: the mean brightness
# of all its pixels, and that of the 36 pixels in its centre, where a 0 is mostly empty. The target
# is 0 for a zero and 1 for a one.

# %%
digits = load_stroke_digits(n_train=500, n_test=500)


def zeros_and_ones(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The images of a 0 or a 1, one a row of 784 numbers between 0 and 1; and their targets."""
    wanted = labels <= 1
    return images[wanted].reshape(-1, 784) / 255, labels[wanted].astype(float)


def two_numbers(pixels: np.ndarray) -> np.ndarray:
    images = pixels.reshape(-1, 28, 28)
    return np.stack([images.mean(axis=(1, 2)), images[:, 11:17, 11:17].mean(axis=(1, 2))], axis=1)


pixels, targets = zeros_and_ones(digits.train_images, digits.train_labels)
new_pixels, new_targets = zeros_and_ones(digits.test_images, digits.test_labels)
points = two_numbers(pixels)
print(f"{len(points)} samples to learn from, the first one: {points[0].round(3)}, {targets[0]:g}")
print(f"{len(new_targets)} others to be judged by")

# %% [markdown]
# ## The picture
#
# Two neurons learn from these samples: one sees the two numbers, the other all 784 pixels. The code
# is explained below; look at the picture first.


# %%
def mean_gradient(
    w: np.ndarray, b: float, samples: np.ndarray, targets: np.ndarray
) -> tuple[float, np.ndarray, float]:
    """The mean loss, and its gradient: dw and db."""
    J, dw, db = 0.0, np.zeros(len(w)), 0.0  # cleared: nothing is left from the last step
    for x, t in zip(samples, targets, strict=True):
        a = sigmoid(x @ w + b)
        delta = (a - t) * a * (1 - a)
        J += (a - t) ** 2 / 2
        dw += delta * x
        db += delta
    return J / len(samples), dw / len(samples), db / len(samples)


def train(samples: np.ndarray, learning_rate: float, steps: int) -> list[tuple]:
    """Start from zeros; for every step, the weights, the bias and the loss before it."""
    w, b, states = np.zeros(samples.shape[1]), 0.0, []
    for _ in range(steps):
        J, dw, db = mean_gradient(w, b, samples, targets)
        states.append((w, b, J))
        w = w - learning_rate * dw
        b = b - learning_rate * db
    return states


by_two = train(points, learning_rate=10.0, steps=1001)
by_pixels = train(pixels, learning_rate=0.3, steps=61)

figure = neuron_learns(
    points,
    targets,
    lines={step: by_two[step][:2] for step in (10, 100, 1000)},
    losses=np.array([J for _, _, J in by_two]),
    weights={step: by_pixels[step][0] for step in (1, 60)},
)
save(figure, "02_a_neuron_that_learns")

# %% [markdown]
# Left: the samples, and the line on which the neuron says 1/2, above it more, below it less.
# Middle: its loss. Right: the 784 weights of the other neuron as an image, blue where a weight is
# positive, red where it is negative.
#
# The line turns and moves until all ones are above it, and all but a few zeros below. The loss
# falls with every step, fast at first, then slowly. And nobody told the neuron of 784 weights what
# a digit is; yet its weights show one: ink in the middle counts for a 1, ink in the ring around it
# against it.
#
# Does it know these images only, or zeros and ones? Ask it about images that it has not seen.


# %%
def share_right(w: np.ndarray, b: float, samples: np.ndarray) -> float:
    """The share of the new images for which the neuron is on the right side of 1/2."""
    return float(((samples @ w + b > 0) == new_targets).mean())


right_by_two = share_right(*by_two[-1][:2], two_numbers(new_pixels))
right_by_pixels = share_right(*by_pixels[-1][:2], new_pixels)
print(f"right about new images: {right_by_two:.1%} by two numbers, {right_by_pixels:.1%} by pixels")
two_losses = [J for _, _, J in by_two]
assert np.all(np.diff(two_losses) < 0)
assert two_losses[0] - two_losses[100] > 5 * (two_losses[100] - two_losses[1000])
w, b, _ = by_two[-1]
assert (points[targets == 1] @ w + b > 0).all()
assert (points[targets == 0] @ w + b > 0).sum() <= 4
assert right_by_two > 0.95
assert right_by_pixels == 1.0
weights = by_pixels[-1][0].reshape(28, 28)
assert weights[11:17, 13:15].mean() > 0 > weights[11:17, 7:9].mean()  # the middle, and the ring

# %% [markdown]
# ## One step, again and again
#
# One *step* is: compute the gradient, then move every weight and the bias a little against it.
# How little, says the *learning rate*:
#
# $$ w \leftarrow w - \text{learning rate} \cdot dw, \qquad
#    b \leftarrow b - \text{learning rate} \cdot db $$
#
# Chapter 1 took one such step. Here are a hundred of them, for its neuron and its single sample.
# For two rows of numbers, `x @ w` is the sum of the products of their entries.

# %%
x, t = np.array([2.0, 3.0]), 0.0
w, b = np.array([0.5, -0.25]), 0.75
learning_rate = 0.1

losses = []
for _ in range(100):
    a = sigmoid(x @ w + b)
    losses.append((a - t) ** 2 / 2)
    delta = (a - t) * a * (1 - a)  # dJ/dz
    w = w - learning_rate * delta * x  # delta times the input
    b = b - learning_rate * delta
print(f"J is {losses[0]:.4f} at first, {losses[10]:.4f} after 10 steps, {losses[-1]:.4f} after 99")
assert round(losses[0], 4) == 0.2672  # as in chapter 1
assert np.all(np.diff(losses) < 0)
assert losses[-1] < losses[0] / 10

# %% [markdown]
# ## Many samples
#
# With many samples the loss is the *mean* of theirs. Its gradient is the mean of their gradients:
# **add up** over the samples, and divide by their number. The sum is there because a weight is used
# once for every sample; move it, and the loss of each responds. Small responses add up. This is
# what `mean_gradient` does above, and `train` takes a step after each call.
#
# ## Why gradients must be cleared
#
# `mean_gradient` begins with zeros. That matters, because it adds: whatever is in `dw` before stays
# there. In this package a backward function returns a new array, so that nothing can be left
# over. In others (PyTorch is one) gradients are added to what is there, and each step begins by
# clearing them, `optimizer.zero_grad()`. Here is what happens if you forget: the step then follows
# the sum of *all gradients since the start*, and it does not stop where the slope is zero.


# %%
def activations_on_the_way(clear: bool, steps: int = 60) -> np.ndarray:
    """The activation of chapter 1's neuron, step by step, on its way to the target 0.6."""
    x, w, b, dw, db, found = np.array([2.0, 3.0]), np.array([0.5, -0.25]), 0.75, 0.0, 0.0, []
    for _ in range(steps):
        a = sigmoid(x @ w + b)
        found.append(a)
        delta = (a - 0.6) * a * (1 - a)
        if clear:
            dw, db = 0.0, 0.0
        dw, db = dw + delta * x, db + delta
        w, b = w - 0.1 * dw, b - 0.1 * db
    return np.array(found)


cleared, forgotten = activations_on_the_way(clear=True), activations_on_the_way(clear=False)
for step in (0, 5, 10, 15, 20, 59):
    print(f"step {step:2}: a = {cleared[step]:.3f} cleared, {forgotten[step]:.3f} not cleared")
assert abs(cleared[-1] - 0.6) < 0.002
assert np.abs(forgotten[-20:] - 0.6).max() > 0.1  # it swings about the target
assert (np.diff(np.sign(forgotten - 0.6)) != 0).sum() >= 4

# %% [markdown]
# ## The same in the package
#
# All samples at once, one a row, as chapter 5 will explain: the gradient is the same.

# %%
w, b, J = by_two[10]
A = reference.sigmoid_forward(reference.dense_forward(points, w[:, None], np.array([b])))
dA = reference.half_squared_error_backward(A, targets[:, None])
_, dW, db = reference.dense_backward(reference.sigmoid_backward(dA, A), points, w[:, None])
J_by_hand, dw_by_hand, db_by_hand = mean_gradient(w, b, points, targets)
# Sums of about a hundred terms in another order: some roundings of 1e-16 each.
np.testing.assert_allclose(dW[:, 0], dw_by_hand, rtol=1e-11)
np.testing.assert_allclose(db[0], db_by_hand, rtol=1e-11)
print("dW =", dW[:, 0], "  db =", db)

# %% [markdown]
# ## Exercises
#
# 1. Take learning rates of 0.01 and 100 in place of 10 for the two numbers. What goes wrong with
#    each?
# 2. The neuron is started with w = (30, -30) and b = 0, so that it is wrong about nearly
#    everything, and sure of it. Train for 100 steps as before. Why does it learn so slowly?
# 3. Four samples: (0, 0), (0, 1), (1, 0) and (1, 1), with target 1 where the two numbers are
#    equal, and 0 otherwise. Can one neuron learn this?


# %% [markdown]
# ## Solutions
#
# **1.** With 0.01 next to nothing happens in 100 steps: the loss falls by less than a thousandth of
# itself a step. With 100 the steps are so long that some jump over the valley, and the loss rises.
# Here it comes down all the same; with still longer steps it would not.

# %%
for rate in (0.01, 10.0, 100.0):
    of_rate = np.array([J for _, _, J in train(points, rate, 101)])
    print(f"learning rate {rate:6}: J from {of_rate[0]:.4f} to {of_rate[-1]:.4f}")
    rises = bool((np.diff(of_rate) > 0).any())
    assert rises == (rate == 100)
    if rate == 0.01:
        assert of_rate[-1] > 0.99 * of_rate[0]

# %% [markdown]
# **2.** Where the neuron is sure, a is near 0 or 1, and the slope a (1 - a) is near 0: so is delta,
# however wrong the neuron is. [Chapter 8](08_saturation.py) is about this.

# %%
w, b = np.array([30.0, -30.0]), 0.0
A = sigmoid(points @ w + b)
slopes = A * (1 - A)
first = mean_gradient(w, b, points, targets)[0]
for _ in range(100):
    J, dw, db = mean_gradient(w, b, points, targets)
    w, b = w - 10.0 * dw, b - 10.0 * db
print(
    f"J from {first:.3f} to {J:.3f}; the median of the slopes is {np.median(slopes):.4f} at first"
)
assert first > 3 * by_two[0][2]  # worse than always saying 1/2
assert by_two[0][2] * 2 < J  # and still so after 100 steps
assert np.median(slopes) < 0.001  # it is 1/4 where the neuron says 1/2

# %% [markdown]
# **3.** No. The neuron divides the plane by a line, and no line has (0, 0) and (1, 1) on one side,
# (0, 1) and (1, 0) on the other. The best that it finds is to say 1/2 to all four. A network of
# two *layers* can do it, in which neurons read what other neurons say: the next chapter joins them.

# %%
corners, equal = (
    np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]),
    np.array([1, 0, 0, 1.0]),
)
w, b = np.array([1.0, -0.5]), 0.2
for _ in range(2000):
    _, dw, db = mean_gradient(w, b, corners, equal)
    w, b = w - dw, b - db
print("one neuron says", sigmoid(corners @ w + b).round(3))
np.testing.assert_allclose(sigmoid(corners @ w + b), 0.5, atol=0.01)

network = Network((2, 4, 1))
network.parameters[:] = np.random.default_rng(0).normal(size=network.parameters.size)
for _ in range(5000):
    network.parameters -= network.backward(network.forward(corners), equal[:, None])
says = network.forward(corners)[-1].ravel()
print("two layers say ", says.round(3))
assert np.abs(says - equal).max() < 0.2

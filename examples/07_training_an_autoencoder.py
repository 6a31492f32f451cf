# %% [markdown]
# # 7. Training an autoencoder on digits
#
# Everything is there now: forward, backward, batches, a check. What is left is a loop. We first let
# the package squeeze 784 pixels into 28 numbers, and look at what comes of it. Then we write the
# loop by hand, in a few lines around the functions of the textbook page, and get the same numbers.
#
# **At the end you will understand** what an epoch and a batch are, what the curve of a training run
# tells, what the learning rate decides, and that `Autoencoder.fit` holds no secret.
#
# **You need** [chapter 5](05_batches_are_matrix_products.py) (batches) and
# [chapter 2](02_a_neuron_that_learns.py) (steps and the learning rate).
#
# **This explains**, in the textbook page of the package:
# [`dense_forward`](../ae_numpy/reference.py#L117),
# [`sigmoid_forward`](../ae_numpy/reference.py#L59),
# [`half_squared_error_backward`](../ae_numpy/reference.py#L209),
# [`sigmoid_backward`](../ae_numpy/reference.py#L91),
# [`dense_backward`](../ae_numpy/reference.py#L142), all five in a row, and
# [`squared_errors`](../ae_numpy/reference.py#L230), which keeps the score.

# %%
import numpy as np
from tour import save
from tour_pictures import training_curves

from ae_numpy import Autoencoder
from ae_numpy.datasets import load_stroke_digits
from ae_numpy.reference import (
    dense_backward,
    dense_forward,
    half_squared_error_backward,
    sigmoid_backward,
    sigmoid_forward,
    squared_errors,
)

# %% [markdown]
# ## The data
#
# An autoencoder has no teacher. Its target is its own input: the image goes in as x, and the output
# x' should be x again. This would be easy if the image did not have to pass through a hidden layer
# of 28 numbers on its way: 784 / 28 = 28 times fewer than it has pixels. These 28 numbers are the
# *code*. The first layer is the *encoder*, the second the *decoder*, which makes an image of the
# code again, the *reconstruction*.
#
# The images are drawn by the package itself. A network is judged by *test* images, which it has not
# been trained on.

# %%
digits = load_stroke_digits(n_train=2000, n_test=500)
X = digits.train_images.reshape(-1, 784) / 255  # (2000, 784), values in [0, 1]
X_test = digits.test_images.reshape(-1, 784) / 255  # (500, 784)
print(f"{len(X)} images to train on, {len(X_test)} to test with, {X.shape[1]} pixels each")
assert X.min() == 0
assert X.max() == 1

# %% [markdown]
# ## The start
#
# The weights start random, as chapter 3 found that equal units stay equal, and small: their
# *standard deviation*, which is their typical size, is 1 / sqrt(number of inputs), so that the sum
# over many inputs is neither tiny nor huge. [Chapter 8](08_saturation.py) has the reasons.
#
# The biases of the decoder start so that the network first says the *mean image*, whatever it is
# shown. That takes the inverse of the sigmoid, called *logit*: sigmoid(log(m / (1 - m))) = m. A
# pixel that is black in all images would need minus infinity, so the mean is held to at least
# 0.005.
#
# The error is reported as **mse**, the mean squared error: the mean of (x' - x)^2 over all pixels
# of all images.

# %%
I, H = 784, 28  # inputs and hidden units
rng = np.random.default_rng(0)
mean_image = X.mean(axis=0)
bright = np.clip(mean_image, 0.005, 0.995)
start = {
    "W0": rng.normal(scale=I**-0.5, size=(I, H)),
    "b0": np.zeros(H),
    "W1": rng.normal(scale=H**-0.5, size=(H, I)),
    "b1": np.log(bright / (1 - bright)),
}
n_parameters = sum(array.size for array in start.values())
print(f"{n_parameters} parameters to train")
assert n_parameters == 2 * I * H + H + I
np.testing.assert_allclose(sigmoid_forward(start["b1"]), bright, rtol=1e-12)


def reconstruct(parameters: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    code = sigmoid_forward(dense_forward(x, parameters["W0"], parameters["b0"]))
    return sigmoid_forward(dense_forward(code, parameters["W1"], parameters["b1"]))


def mse(parameters: dict[str, np.ndarray], x: np.ndarray) -> float:
    return float(squared_errors(reconstruct(parameters, x), x).sum() / x.size)


mse_of_mean = float(((mean_image - X_test) ** 2).mean())
print(f"mse of the mean image {mse_of_mean:.4f}, of the start {mse(start, X_test):.4f}")
assert 0.9 * mse_of_mean < mse(start, X_test) < 1.2 * mse_of_mean

# %% [markdown]
# ## The picture
#
# - A **batch** is a few samples that are averaged over for one step: here 8. Their mean gradient is
#   a rough guess at the mean gradient of all 2,000, at 1/250 of the price.
# - An **epoch** is one pass over all samples: here 250 steps.
#
# The package trains for 12 epochs, with three learning rates, and judges the network by the test
# images after each epoch. Left: the mse of the test images. Right: ten of them, and what the
# network makes of them as it learns, with the learning rate 0.2.

# %%
EPOCHS = 12
recipe = {"learning_rate": 0.2, "batch_size": 8, "epochs": EPOCHS, "shuffle": False}


def trained(**changes) -> Autoencoder:
    """Train from the start above, by the recipe with these changes."""
    model = Autoencoder(H, initial_parameters=start, **{**recipe, **changes})
    return model.fit(X, validation_data=X_test)


by_rate = {rate: trained(learning_rate=rate) for rate in (0.01, 0.2, 20.0)}
curve = {rate: model.history_["val_mse"] for rate, model in by_rate.items()}

originals = X_test[[int(np.flatnonzero(digits.test_labels == digit)[0]) for digit in range(10)]]
rows = {"original": originals, "start": reconstruct(start, originals)}
for epochs in (1, 3, EPOCHS):
    rows[f"epoch {epochs}"] = trained(epochs=epochs).reconstruct(originals)
words = {0.01: "too small", 0.2: "good", 20.0: "too large"}
figure = training_curves({r: (words[r], curve[r]) for r in curve}, mse_of_mean, rows)
save(figure, "07_training_an_autoencoder")

# %% [markdown]
# At the start the network knows the mean image alone, grainy from the random weights. Then digits
# appear that could be anybody's, and then the slant of this one. The mean image, given whatever
# comes in, is the mark to beat:

# %%
print(f"mean image {mse_of_mean:.4f}, after {EPOCHS} epochs {curve[0.2][-1]:.4f}")
assert curve[0.2][-1] < 0.5 * mse_of_mean
assert curve[0.2][0] < 0.8 * mse_of_mean  # after the first epoch already: early epochs do most

# %% [markdown]
# ## The loop
#
# Now by hand. Read the body of the inner loop slowly. It is all there is to it: forward, backward,
# step.


# %%
def train_by_hand(
    start: dict[str, np.ndarray], learning_rate: float, batch_size: int, epochs: int
) -> tuple[list[dict[str, np.ndarray]], list[float]]:
    """The parameters after each epoch, the start first, and the training error of each epoch."""
    W0, b0, W1, b1 = (array.copy() for array in start.values())
    after, train_mse = [start], []
    for _ in range(epochs):
        squared_error = 0.0
        for first in range(0, len(X), batch_size):
            x = X[first : first + batch_size]  # (B, I)

            code = sigmoid_forward(dense_forward(x, W0, b0))  # (B, H)
            output = sigmoid_forward(dense_forward(code, W1, b1))  # (B, I)
            squared_error += squared_errors(output, x).sum()

            dz1 = sigmoid_backward(half_squared_error_backward(output, x), output)  # (B, I)
            dcode, dW1, db1 = dense_backward(dz1, code, W1)
            dz0 = sigmoid_backward(dcode, code)  # (B, H)
            _, dW0, db0 = dense_backward(dz0, x, W0)

            W0 -= learning_rate * dW0
            b0 -= learning_rate * db0
            W1 -= learning_rate * dW1
            b1 -= learning_rate * db1
        train_mse.append(squared_error / X.size)
        after.append({"W0": W0.copy(), "b0": b0.copy(), "W1": W1.copy(), "b1": b1.copy()})
    return after, train_mse


after, train_mse = train_by_hand(start, learning_rate=0.2, batch_size=8, epochs=EPOCHS)
val_mse = [mse(parameters, X_test) for parameters in after[1:]]
for epoch in (1, 2, 4, 8, EPOCHS):
    print(f"epoch {epoch:2}: train {train_mse[epoch - 1]:.4f}, test {val_mse[epoch - 1]:.4f}")

# %% [markdown]
# The loss J that is made small is half of the *sum* over the pixels, averaged over the batch. The
# mse is a *mean* over the pixels. They differ by a factor, mse = 2 J / 784, and have two names, so
# that nobody confuses them.
#
# ## The same with the package
#
# `Autoencoder.fit` runs the same loop. Given the same start and the same order (`shuffle=False`),
# with `engine="numpy"` and `dtype="float64"`, it ends at the same parameters.

# %%
ae = trained(engine="numpy", dtype="float64")
of_package = ae.network_.as_dict()
difference = max(np.abs(of_package[name] - after[-1][name]).max() for name in start)
print(f"largest difference of {n_parameters} parameters after {EPOCHS * 250} steps: {difference:g}")
# The same operations; but BLAS, the library behind @, may add up in another order, and rounding
# is carried along.
assert difference < 1e-6
np.testing.assert_allclose(ae.history_["train_mse"], train_mse, rtol=1e-7)
np.testing.assert_allclose(ae.history_["val_mse"], val_mse, rtol=1e-7)

# %% [markdown]
# The compiled engine, which is the default and made the picture, computes in single precision
# (float32), with 7 digits in place of 16. Along thousands of steps the small differences grow, so
# that the parameters are not the same any more. The error is, to the digits that matter.

# %%
print(f"test mse by hand {val_mse[-1]:.6f}, compiled {curve[0.2][-1]:.6f}")
assert np.isclose(curve[0.2][-1], val_mse[-1], rtol=0.02)

# %% [markdown]
# ## Learning rate
#
# *Too small* a learning rate wastes epochs. *Too large* a one overshoots: the gradient is that of
# the place where you are, and says nothing about places far away. With sigmoids a far step ends
# where their slopes are nearly 0, and so are the gradients. It need not look dramatic. Here it is
# a curve that lies flat, above the others: most hidden units give the same number for every
# image, so the network says little more than the mean image.

# %%
for rate, model in by_rate.items():
    constant = int((model.encode(X_test).std(axis=0) < 0.02).sum())
    print(f"learning rate {rate:4g}: test mse {curve[rate][-1]:.4f}, ", end="")
    print(f"{constant} of {H} hidden units give nearly the same number for every image")

assert curve[0.2][-1] < 0.75 * curve[0.01][-1]
assert max(curve[20.0]) < 1.25 * min(curve[20.0])  # flat
assert all(
    large > max(others) for large, *others in zip(curve[20.0], curve[0.01], curve[0.2], strict=True)
)
assert constant > H / 2  # with the last rate, 20

# %% [markdown]
# ## Batch size
#
# A batch of 1 steps after every image, in a direction that this image alone suggests. A batch of
# 100 steps after a hundred, in the direction that they agree on. With the *same learning rate* and
# the *same number of epochs*, small batches take 100 times as many steps and get further. A larger
# batch tolerates a larger rate, and gains much by it. But it does not catch up: 20 steps an epoch,
# however long, do not do here what 2,000 short ones do.

# %%
by_batch = {}
for batch_size, rate in ((1, 0.05), (100, 0.05), (100, 1.0), (100, 2.0), (100, 5.0)):
    model = trained(batch_size=batch_size, learning_rate=rate)
    by_batch[batch_size, rate] = model.history_["val_mse"][-1]
    print(f"batch {batch_size:3}, rate {rate:4}: test mse {by_batch[batch_size, rate]:.4f}")
best_of_100 = min(error for (batch_size, _), error in by_batch.items() if batch_size == 100)
assert by_batch[1, 0.05] < 0.7 * by_batch[100, 0.05]
assert best_of_100 < 0.7 * by_batch[100, 0.05]
assert by_batch[1, 0.05] < 0.9 * best_of_100
assert best_of_100 < by_batch[100, 5.0]  # the best rate is among those tried, not beyond them

# %% [markdown]
# ## Exercises
#
# 1. The training error of epoch 1 in `history_` is far above the test error of epoch 1. Are the
#    test images easier? (Look at *when* each of the two is measured.)
# 2. Sort the training images by digit, all zeros first, and train on one image at a time without
#    shuffling. What does the network know best at the end of an epoch?
# 3. Train with a learning rate of 0.5. The error soon hardly falls. Then let the rate fall: 0.5
#    for the first eight epochs, 0.1 for the last four. Does it pay?
# 4. Train on 50 images for 400 epochs. Compare the errors of training and test images.
#
# Try them before you read on.

# %% [markdown]
# ## Solutions
#
# **1.** No. The training error is collected *during* the epoch, each batch before its own step; so
# it averages over everything from the untrained to the trained network. The test error is taken at
# the end. Measured at the end, the two agree.

# %%
at_the_end = mse(after[1], X)
print(f"epoch 1: collected {train_mse[0]:.4f}, at its end {at_the_end:.4f}, test {val_mse[0]:.4f}")
assert train_mse[0] > 1.1 * val_mse[0]
assert abs(at_the_end - val_mse[0]) < 0.05 * val_mse[0]

# %% [markdown]
# **2.** Nines, which it saw last; what it had learned of zeros is partly lost. This is why
# `shuffle` is True unless you say otherwise.

# %%
by_digit = np.argsort(digits.train_labels, kind="stable")
one_epoch = {**recipe, "epochs": 1, "batch_size": 1}
in_order = Autoencoder(H, initial_parameters=start, **one_epoch).fit(X[by_digit])
mixed = Autoencoder(H, initial_parameters=start, **one_epoch).fit(X)
change = {}
for digit in (0, 9):
    of_digit = X_test[digits.test_labels == digit]
    change[digit] = in_order.mse(of_digit) / mixed.mse(of_digit)
    print(f"digit {digit}: sorted order has {change[digit]:.2f} times the error of mixed order")
assert change[0] > 1.2 > 1.1 > change[9]

# %% [markdown]
# **3.** Yes. The mean gradient of 8 images is a rough guess, and large steps undo part of what they
# have reached. Small steps let the network settle. But do not begin with them: the curve of 0.01
# shows where that leads.

# %%
error = {}
for name, rate in (("constant", 0.5), ("falling", [0.5] * 8 + [0.1] * 4)):
    error[name] = trained(learning_rate=rate).history_["val_mse"]
    print(f"{name:8}  epoch 8: {error[name][7]:.4f}, epoch 12: {error[name][11]:.4f}")
assert error["constant"][11] > 0.93 * error["constant"][7]  # four epochs for next to nothing
assert error["falling"][11] < 0.95 * error["constant"][11]

# %% [markdown]
# **4.** It knows the 50 images almost by heart, and the others not. It has *overfitted*: 44,716
# parameters can hold 50 images. More images, not more epochs, close such a gap.

# %%
few = Autoencoder(H, initial_parameters=start, **{**recipe, "epochs": 400}).fit(X[:50])
print(f"50 images: train mse {few.mse(X[:50]):.4f}, test mse {few.mse(X_test):.4f}")
assert few.mse(X_test) > 3 * few.mse(X[:50])
assert few.mse(X_test) > 1.2 * val_mse[-1]

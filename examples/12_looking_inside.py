# %% [markdown]
# # 12. Looking inside
#
# A trained network is a long list of numbers. This one has 19,612 of them, and nobody told any of
# them what to do. But in an autoencoder of images, many of the numbers belong to pixels. Put them
# where their pixels are, and they are pictures.
#
# **At the end you will understand** what a hidden unit looks for, what it draws, how twelve units
# together make a digit, and which parts of such pictures mean something.
#
# **You need** [chapter 7](07_training_an_autoencoder.py), which trains such a network.
#
# **This explains**, in the textbook page of the package:
# [`dense_forward`](../ae_numpy/reference.py#dense_forward), read as "compare with a picture" in the
# encoder and as "add up pictures" in the decoder, and
# [`dense_backward`](../ae_numpy/reference.py#dense_backward), whose `dW = x.T @ dz` decides which
# weights move at all.

# %%
import numpy as np
from tour import save
from tour_pictures_codes import looking_inside

from ae_numpy import Autoencoder
from ae_numpy.datasets import load_stroke_digits
from ae_numpy.reference import dense_backward, dense_forward, sigmoid_forward

# %% [markdown]
# ## A network to look into
#
# Twelve hidden units, trained on 3,000 digits for 30 epochs, with the mean image as a start
# ([chapter 11](11_bias_and_mask.py)). We compute in double precision, so that sums can be
# checked to the last digits.

# %%
H = 12
digits = load_stroke_digits(n_train=3000, n_test=500)
X = digits.train_images.reshape(-1, 784) / 255
X_test = digits.test_images.reshape(-1, 784) / 255
mean_image = X.mean(axis=0)
bright = np.clip(mean_image, 0.005, 0.995)

settings = {
    "learning_rate": [0.2] * 20 + [0.05] * 10,
    "batch_size": 4,
    "dtype": "float64",
    "random_state": 0,
    "initial_parameters": {"b1": np.log(bright / (1 - bright))},
}
untrained = Autoencoder(H, **{**settings, "epochs": 0, "learning_rate": 0.2}).fit(X)
ae = Autoencoder(H, epochs=30, **settings).fit(X)

parameters = ae.network_.as_dict()
W0, b0, W1, b1 = (parameters[name] for name in ("W0", "b0", "W1", "b1"))
mse_of_mean = float(((mean_image - X_test) ** 2).mean())
print(
    f"{ae.network_.parameters.size} numbers; mse {ae.mse(X_test):.4f}, mean image {mse_of_mean:.4f}"
)
assert ae.network_.parameters.size == 19_612
assert ae.mse(X_test) < 0.6 * mse_of_mean

# %% [markdown]
# ## The picture
#
# Top: one column for each hidden unit, with the weights it sees by, the weights it draws with, and
# the test image that drives it most. Red is for positive weights, blue for negative ones, white for
# zero. Bottom: one digit is built, from the average code, unit by unit, to all twelve; at the
# right, the original. What all this means, and how a digit is "built", is what this chapter is
# about.

# %%
A, codes = ae.encode(X), ae.encode(X_test)  # (3000, H), (500, H)
mean_code = A.mean(axis=0)  # (H,)
contributions = (codes - mean_code)[:, :, None] * W1  # (500, H, 784)
baseline = b1 + mean_code @ W1  # (784,)

sizes = np.linalg.norm(contributions, axis=2)  # (500, H)
largest_first = np.argsort(-sizes, axis=1)
ordered = np.take_along_axis(contributions, largest_first[:, :, None], axis=1)
steps = np.concatenate([np.zeros((500, 1, 784)), ordered.cumsum(axis=1)], axis=1)
drawings = sigmoid_forward(baseline + steps)  # (500, H + 1, 784)

shown = int(np.flatnonzero(digits.test_labels == 3)[0])
added = (0, 1, 2, 3, 4, 6, 8, 12)
most = X_test[np.argmax(codes, axis=0)]  # (H, 784)
figure = looking_inside(W0.T, W1, most, added, drawings[shown, list(added)], X_test[shown])
save(figure, "12_looking_inside")

# %% [markdown]
# ## What a unit looks for: a column of W0
#
# Hidden unit j computes one number from an image x:
#
# $$ z_j = \sum_i x_i \, W0_{ij} + b0_j $$
#
# The weights that it uses are *column j* of `W0`: 784 numbers, one for each pixel. So a column has
# the shape of an image. Where it is positive, ink makes z larger; where it is negative, ink makes
# it smaller. The sum compares the image with this *template*.

# %%
z = dense_forward(X_test, W0, b0)  # (500, H)
template = W0[:, 3]  # what unit 3 looks for
by_hand = [float(sum(image * template) + b0[3]) for image in X_test[:5]]
print("unit 3 on five images:", np.round(by_hand, 3))
np.testing.assert_allclose(by_hand, z[:5, 3], rtol=0, atol=1e-9)  # sums of 784 terms near 1

# %% [markdown]
# Which digits agree with the template most? For each unit, take its mean activation for the images
# of each class. If a unit did not care about the class, its ten means would be equal.

# %%
mean_by_class = np.array([A[digits.train_labels == digit].mean(axis=0) for digit in range(10)])
for j in range(H):
    order = np.argsort(mean_by_class[:, j])
    print(
        f"unit {j:2}: most for {order[-1]} ({mean_by_class[order[-1], j]:.2f}) "
        f"and {order[-2]}, least for {order[0]} ({mean_by_class[order[0], j]:.2f})"
    )
spread = mean_by_class.max(axis=0) - mean_by_class.min(axis=0)
assert (spread > 0.5).sum() >= 6  # half of the units, or more, care a lot

# But no unit is "the unit of one digit": each is above 0.5, on average, for two classes or more.
high = (mean_by_class > 0.5).sum(axis=0)
print("for how many classes is the mean activation above 0.5?", high)
assert high.min() >= 2

# %% [markdown]
# Nobody told the network that there are classes. Units care about them, because knowing which kind
# of stroke is there helps to draw the image. What they share out among themselves are strokes, and
# a stroke belongs to several digits. A code of this kind is called *distributed*.
#
# ## What a unit draws: a row of W1
#
# The decoder turns this around. Unit j sends its activation a[j] along *row j* of `W1`: again 784
# numbers, one for each pixel. Before the last sigmoid, the output is a sum of such pictures:
#
# $$ z1 = b1 + \sum_j a_j \, W1_j $$
#
# Does a unit draw what it looks for? Compare column j of `W0` with row j of `W1` by the cosine of
# the angle between them: 1 for the same direction, near 0 for pictures that have nothing to do
# with each other. For 784 random numbers it is within about 1 / sqrt(784) = 0.04 of zero.


# %%
def cosines(network_parameters: dict[str, np.ndarray]) -> np.ndarray:
    sees, draws = network_parameters["W0"].T, network_parameters["W1"]  # (H, 784) each
    lengths = np.linalg.norm(sees, axis=1) * np.linalg.norm(draws, axis=1)
    return (sees * draws).sum(axis=1) / lengths


before, after = cosines(untrained.network_.as_dict()), cosines(parameters)
print(
    f"cosine of seeing and drawing: untrained {before.min():+.2f} to {before.max():+.2f}, ", end=""
)
print(f"trained {after.min():+.2f} to {after.max():+.2f}")
assert np.abs(before).max() < 0.2  # five standard deviations
assert after.min() > 0.3

# %% [markdown]
# Before training, they have nothing to do with each other. Afterwards every one of the twelve draws
# something like what it looks for. Again nobody asked for this; it is what reconstruction needs.
#
# ## Building one digit
#
# Let us watch the sum grow. Every unit says *something* for every image, so begin with what the
# network draws for the average code: b1 + mean of a @ W1. Then each unit adds how much *more* or
# *less* than average it says, times its picture:
#
# $$ z1 = \left(b1 + \bar a \, W1\right) + \sum_j (a_j - \bar a_j) \, W1_j $$
#
# This is the same sum, sorted differently. The units with the largest contribution come first.

# %%
np.testing.assert_allclose(
    baseline + contributions.sum(axis=1), dense_forward(codes, W1, b1), rtol=0, atol=1e-9
)  # a sum in another order; terms are below 100, so rounding is far below 1e-9
mse_of_first = ((drawings - X_test[:, None]) ** 2).mean(axis=(0, 2))  # (H + 1,)
for units in (0, 1, 2, 4, 8, 12):
    print(f"{units:2} units added: mse {mse_of_first[units]:.4f}")
assert np.isclose(mse_of_first[-1], ae.mse(X_test), rtol=1e-9)
assert mse_of_first[0] > 0.9 * mse_of_mean  # no unit yet: no better than the mean image
assert mse_of_first[0] > mse_of_first[4] > mse_of_first[8] > mse_of_first[12]

# %% [markdown]
# No single unit holds the digit. Each addition also draws things that do not belong there, and the
# next ones take them away again.
#
# ## Which parts of the pictures mean nothing
#
# Look at the corners of the templates in the picture: noise. It is easy to read something
# into such noise. Where does it come from?
# The gradient of the encoder is dW = x.T @ dz, so for pixel i
#
# $$ dW_{ij} = \sum_n x_{ni} \, dz_{nj} $$
#
# A corner pixel is 0 in every training image. All terms are 0, the gradient is exactly 0, and the
# weights stay where chance has put them, bit for bit.

# %%
never_inked = (X == 0).all(axis=0)  # (784,)
dz = np.random.default_rng(0).normal(size=(len(X), H))
_, dW, _ = dense_backward(dz, X, W0)
W0_start = untrained.network_.layers[0].W
print(f"{never_inked.sum()} pixels are 0 in all {len(X)} images")
assert (dW[never_inked] == 0).all()  # whatever dz is
assert W0[never_inked].tobytes() == W0_start[never_inked].tobytes()  # after 22,500 steps
assert (W0[~never_inked] != W0_start[~never_inked]).all()

# %% [markdown]
# So a part of every template is the start, not the training. In the decoder it is different: the
# error of a corner pixel is small, but not 0, as long as the output there is not exactly 0. Those
# weights do move.

# %%
W1_start = untrained.network_.layers[1].W
assert (W1[:, never_inked] != W1_start[:, never_inked]).all()

# %% [markdown]
# ## Exercises
#
# 1. Of all images with pixels in [0, 1], which one drives unit 3 most? Does it look like a digit?
# 2. Turn the sign of a unit: W0[:, j] and b0[j] times -1. Its activation becomes 1 - a[j], because
#    sigmoid(-z) = 1 - sigmoid(z). How must the decoder change, so that the reconstructions stay the
#    same?
# 3. Swap two units, with all that belongs to them. What happens to the reconstructions? What does
#    this say about the name "unit 3"?
# 4. Take what a unit says out of the code: hold its activation at its mean. How much worse do the
#    reconstructions get, for each of the twelve? Is there one that is not needed, or one that does
#    it all?
#
# Try them before you read on.

# %% [markdown]
# ## Solutions
#
# **1.** Each pixel acts on its own, so make it 1 where its weight is positive and 0 elsewhere. The
# result is a scribble, the noise in the corners included. It drives the unit far more than any
# digit. *What a unit answers to most* and *what it usually sees* are different questions.

# %%
ideal = (W0[:, 3] > 0).astype(float)
z_ideal = float(ideal @ W0[:, 3] + b0[3])
print(f"z of unit 3: {z_ideal:.1f} for the ideal image, at most {z[:, 3].max():.1f} for a digit")
assert z_ideal > 1.5 * z[:, 3].max()
assert ideal[never_inked].any()

# %% [markdown]
# **2.** a W1[j] = W1[j] - (1 - a) W1[j]. So row j of `W1` changes its sign, and `b1` takes up
# W1[j]. The network computes the same from other numbers: the sign of a template means nothing on
# its own.

# %%
flipped = {name: array.copy() for name, array in parameters.items()}
flipped["W0"][:, 3] *= -1
flipped["b0"][3] *= -1
flipped["b1"] += flipped["W1"][3]
flipped["W1"][3] *= -1
output = ae.network_.propagate(X_test, ae.network_.flatten(flipped))
difference = np.abs(output - ae.reconstruct(X_test)).max()
print(f"one unit turned: outputs differ by at most {difference:.0e}")
np.testing.assert_allclose(output, ae.reconstruct(X_test), rtol=0, atol=1e-9)

# %% [markdown]
# **3.** Nothing. The units are added up, and a sum does not mind the order. "Unit 3" is a place
# in memory: another seed puts another unit there. Do not compare unit 3 of two training runs.

# %%
order = np.arange(H)
order[[3, 7]] = 7, 3
swapped = {"W0": W0[:, order], "b0": b0[order], "W1": W1[order], "b1": b1}
output = ae.network_.propagate(X_test, ae.network_.flatten(swapped))
np.testing.assert_allclose(output, ae.reconstruct(X_test), rtol=0, atol=1e-9)
print("two units swapped: the same outputs")

# %% [markdown]
# **4.** Every one of them is needed, and none is needed for everything: the work is shared out
# rather evenly. It need not be like this. Had units died at the start
# ([chapter 8](08_saturation.py)), holding those at their mean would cost
# next to nothing.

# %%
cost = []
for j in range(H):
    held = codes.copy()
    held[:, j] = mean_code[j]
    cost.append(float(((ae.decode(held) - X_test) ** 2).mean() / ae.mse(X_test)))
print("error with unit j held, over the error with all:", np.round(cost, 2))
assert min(cost) > 1.02
assert max(cost) < 1.3

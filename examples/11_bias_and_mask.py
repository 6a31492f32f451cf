# %% [markdown]
# # 11. Bias and mask
#
# A bias looks like the smallest part of a network: one number per unit, added at the end. Yet a
# decoder without biases has to begin every picture from a grey sheet. And a bias that is *not
# trained* is not the same as a bias that is *not there*. Mixing the two up has spoiled a published
# experiment.
#
# **At the end you will understand** what a bias does for a unit, why its gradient is a plain sum,
# how a mask holds a number fast, and why "frozen" and "absent" are different experiments.
#
# **You need** [chapter 5](05_batches_are_matrix_products.py) (batches) and
# [chapter 8](08_saturation.py) (saturation).
#
# **This explains**, in the textbook page of the package:
# [`dense_forward`](../ae_numpy/reference.py#L112), where `b` is added, and
# [`dense_backward`](../ae_numpy/reference.py#L137), where `db` is summed over the samples. The mask
# is applied in one line of `Network.backward`.

# %%
import numpy as np
from matplotlib.figure import Figure
from tour import BACKWARD, FORWARD, save

from ae_numpy import Autoencoder, Network, reference
from ae_numpy.datasets import load_stroke_digits

# %% [markdown]
# ## What a unit says when it hears nothing
#
# A unit computes z = x @ W + b and squashes it. Let every input be 0. Then the weights have nothing
# to multiply, and z = b. So the bias is *what the unit says when it hears nothing*.
#
# Without a bias it says sigmoid(0) = 0.5: grey, whatever the weights.

# %%
rng = np.random.default_rng(0)
silence = np.zeros((1, 3))
for scale in (0.1, 10.0, 1000.0):
    W = rng.normal(scale=scale, size=(3, 4))
    a = reference.sigmoid_forward(reference.dense_forward(silence, W, np.zeros(4)))
    print(f"weights of size {scale:6g}, input 0, no bias: a =", a[0])
    assert (a == 0.5).all()  # exactly: a sum of zeros is 0, and 1 / (1 + exp(0)) is 1/2

# %% [markdown]
# Digits are mostly background. The paper that this package reproduces scales its pixels to
# [0.01, 1], so the background is 0.01. Which z does an output need, to say 0.01? Turn the sigmoid
# around:
#
# $$ a = \frac{1}{1 + e^{-z}} \quad\Longleftrightarrow\quad z = \ln \frac{a}{1 - a} $$
#
# The right-hand side is called the *logit* of a.


# %%
def logit(a: np.ndarray | float) -> np.ndarray:
    return np.log(a / (1 - np.asarray(a)))


z_background = float(logit(0.01))
print(f"an output of 0.01 needs z = {z_background:.3f}")
assert round(z_background, 1) == -4.6
assert np.isclose(reference.sigmoid_forward(np.array(z_background)), 0.01, rtol=1e-12)

# %% [markdown]
# With a bias this costs one number: b = -4.6. Without one, the hidden activations have to provide
# it, in every picture, through their weights: sum over j of a[j] * W1[j, o] = -4.6. But those
# activations also carry the code, and so they vary. If the sum is to stay near -4.6 while they
# vary, part of the code has to be spent on it.
#
# Here is the trouble in one dimension: one hidden activation a, one output pixel. Without a bias,
# the line z = a w is nailed to the origin. Nobody can choose w so that the pixel is dark at a = 0.2
# *and* bright at a = 0.8, because z = 0.2 w and z = 0.8 w have the same sign. With a bias it is
# easy.

# %%
a_dark, a_bright = 0.2, 0.8
for w in np.linspace(-1000, 1000, 2001):
    assert not (a_dark * w < 0 < a_bright * w)  # dark below 0.5, bright above it: impossible

# Two equations, a w + b = z, for two unknowns.
w_pixel, b_pixel = np.linalg.solve(
    [[a_dark, 1], [a_bright, 1]], [z_background, -z_background]
)  # z = -4.6 at 0.2, and +4.6 at 0.8
pixel = reference.sigmoid_forward(np.array([a_dark, a_bright]) * w_pixel + b_pixel)
print(f"w = {w_pixel:.2f}, b = {b_pixel:.2f}: the pixel is {pixel[0]:.2f} and {pixel[1]:.2f}")
np.testing.assert_allclose(pixel, [0.01, 0.99], rtol=1e-9)  # a 2 x 2 system: well-conditioned

# %% [markdown]
# ## A bias is a weight whose input is always 1
#
# Put a column of ones beside the inputs, and the bias below the weights. Then
# x @ W + b is one matrix product, and the rule for `dW` gives `db` for free: the last row of
# `x.T @ dz` is `ones.T @ dz`, the sum of `dz` over the samples. *Each sample has its own opinion
# on where the bias should go; the gradient adds the opinions up.*

# %%
x = rng.normal(size=(5, 3))  # (B, I)
W = rng.normal(size=(3, 2))  # (I, O)
b = rng.normal(size=2)  # (O,)
dz = rng.normal(size=(5, 2))  # (B, O)

x_and_one = np.column_stack([x, np.ones(5)])  # (B, I + 1)
W_and_b = np.vstack([W, b])  # (I + 1, O)
dx, dW, db = reference.dense_backward(dz, x, W)
_, gradient_of_both, _ = reference.dense_backward(dz, x_and_one, W_and_b)

# Sums of the same few numbers, in another order: equal but for the last digits.
np.testing.assert_allclose(x_and_one @ W_and_b, reference.dense_forward(x, W, b), rtol=1e-12)
np.testing.assert_allclose(gradient_of_both[:3], dW, rtol=1e-12)
np.testing.assert_allclose(gradient_of_both[3], db, rtol=1e-12)
print("db                              ", db)
print("last row of dW with a ones column", gradient_of_both[3])

# %% [markdown]
# ## The best picture that biases alone can draw
#
# Switch the hidden layer off and train the decoder's bias b1 alone. Every output is then the same
# picture, sigmoid(b1). Which one is best? At the best b1 the gradient is zero:
#
# $$ db = \sum_n dz_n = a (1 - a) \cdot \frac{1}{B} \sum_n (a - x_n) = 0
#    \quad\Longleftrightarrow\quad a = \text{mean of } x $$
#
# So b1 = logit(mean image), and the best single picture is the mean image. Remember its error: a
# network with a hidden layer that does not beat it has learnt nothing else.

# %%
digits = load_stroke_digits(n_train=2000, n_test=500)
X = digits.train_images.reshape(-1, 784) / 255 * 0.99 + 0.01  # the paper's scale: [0.01, 1]
X_test = digits.test_images.reshape(-1, 784) / 255 * 0.99 + 0.01
mean_image = X.mean(axis=0)  # (784,)
b1_mean = logit(mean_image)

output = np.tile(reference.sigmoid_forward(b1_mean), (len(X), 1))  # (B, 784), all rows the same
dz = reference.sigmoid_backward(reference.half_squared_error_backward(output, X), output)
print(f"largest |db1| at b1 = logit(mean image): {np.abs(dz.sum(axis=0)).max():.1e}")
assert np.abs(dz.sum(axis=0)).max() < 1e-12  # single terms are near 1e-4: the rest is rounding

error_of_grey = ((0.5 - X_test) ** 2).mean()
error_of_mean = ((mean_image - X_test) ** 2).mean()
print(f"mse of a grey sheet {error_of_grey:.4f}, of the mean image {error_of_mean:.4f}")
assert error_of_mean < error_of_grey / 2

# %% [markdown]
# ## A mask holds a number fast
#
# How do you switch biases off? You could delete them from the code. It is simpler to keep them, at
# 0, and not to train them: for that, their gradient is set to exactly 0. The array that says which
# ones are trained is the *mask*: True for trained, False for held. In `Network.backward`:
#
#     d_layer.b[...] = np.where(layer.bias_mask, db, 0)
#
# A step subtracts learning_rate * 0 from a held bias. It keeps its value not "nearly" but *bit for
# bit*, after any number of steps. Every layer can have a mask of its own; here half of the
# biases of the hidden layer are held, at values that we give.

# %%
mask0 = np.array([True, False, True, False])
mask1 = np.ones(784, bool)
held = np.array([0.1, 0.2, 0.3, 0.4])
network = Network((784, 4, 784), bias=[mask0, mask1])
network.parameters[:] = rng.normal(scale=0.1, size=network.parameters.size)
_, gradients = network.loss_and_gradients(network.as_dict(), X[:10])
print("db0, two of four held:", gradients["b0"])
assert (gradients["b0"][~mask0] == 0).all()  # exactly
assert (gradients["b0"][mask0] != 0).all()

ae = Autoencoder(4, bias=[mask0, mask1], initial_parameters={"b0": held}, epochs=2, random_state=0)
b0 = ae.fit(X[:500]).network_.layers[0].b
print("b0 after 1,000 steps: ", b0)
held_in_float32 = held.astype(np.float32)  # what the network, which is in float32, was given
assert b0[~mask0].tobytes() == held_in_float32[~mask0].tobytes()  # bit for bit
assert (b0[mask0] != held_in_float32[mask0]).all()

# %% [markdown]
# ## Frozen is not absent
#
# A held bias keeps the value that it *has*. If that value is 0, the network has no bias. If it is
# not, the network has one; it is only not trained. This happened in the paper. Its models
# "without bias" were each built from the settings of a finished model *with* bias, and took that
# model's trained biases along, frozen. The mask was right. The values behind it were not.
#
# Let us train four models of 8 hidden units, from the same initial weights, and each of them five
# times, from five seeds:
#
# - **absent**: biases 0 and held. This is what "no bias" says.
# - **trained**: biases that start at 0, trained.
# - **frozen**: biases held at the values where the *trained* model ended; new weights.
# - **good start**: trained, and b1 starts at logit(mean image), the best picture that biases alone
#   can draw.

# %%
SEEDS = range(5)
settings = {"learning_rate": 0.1, "batch_size": 4, "epochs": 20}
curves: dict[str, list[list[float]]] = {
    name: [] for name in ("absent", "trained", "frozen", "good start")
}
silent = dict.fromkeys(curves, 0)  # units that say nearly the same, whatever the picture


def fit(name: str, seed: int, **options) -> Autoencoder:
    model = Autoencoder(8, random_state=seed, **settings, **options)
    model.fit(X, validation_data=X_test)
    curves[name].append(model.history_["val_mse"])
    silent[name] += int((model.encode(X_test).std(axis=0) < 0.02).sum())
    return model


for seed in SEEDS:
    absent = fit("absent", seed, bias=False)
    trained = fit("trained", seed)
    trained_biases = {f"b{i}": layer.b for i, layer in enumerate(trained.network_.layers)}
    frozen = fit("frozen", seed, bias=False, initial_parameters=trained_biases)
    good_start = fit("good start", seed, initial_parameters={"b1": b1_mean})

    for model in (absent, frozen):  # both were fitted with bias=False, and neither bias moved
        expected = trained_biases if model is frozen else {"b0": np.zeros(8), "b1": np.zeros(784)}
        for i, layer in enumerate(model.network_.layers):
            np.testing.assert_array_equal(layer.b, expected[f"b{i}"])

final = {name: float(np.mean([curve[-1] for curve in of])) for name, of in curves.items()}
for name, error in final.items():
    print(f"{name:10}  mse {error:.4f}   (mean of {len(SEEDS)} seeds)")

# The gaps that we rely on are about 0.006; a mean of five seeds is good to about 0.001.
assert final["absent"] > final["trained"] + 0.0015
assert final["absent"] > final["frozen"] + 0.003
assert final["trained"] > final["good start"] + 0.004
assert all(error < error_of_mean for error in final.values())

# %% [markdown]
# *Absent* is the worst of the four, and *frozen* is far better, about as good as the *trained*
# model that its biases came from. Who calls both of them "no bias" compares two different things.
#
# The biases help *frozen* from the first step: they hold a sheet that is already much darker than
# grey. The others have to get there by training. While they do, all outputs are too bright at once.
# This common error pushes all hidden units in the same direction, and some of them into saturation
# ([chapter 8](08_saturation.py)), from where they may never come back. The *good start* shows it
# without any detour: give b1 the mean image, and no unit has to die for it.

# %%
sheet = float(reference.sigmoid_forward(trained_biases["b1"]).mean())
print(f"mean brightness: grey sheet 0.5, sheet of the frozen biases {sheet:.2f}, ", end="")
print(f"mean image {mean_image.mean():.2f}")
assert sheet < 0.4
print(f"silent units, of {8 * len(SEEDS)}:", silent)
assert silent["good start"] <= 1
assert silent["absent"] > silent["frozen"] + 3 > silent["good start"] + 3

# %% [markdown]
# ## The picture
#
# Left: what a pixel can do as one hidden activation varies. Without a bias, every curve passes
# through 0.5 at a = 0. Middle: what the decoders draw when the code is 0 (*frozen* and *trained*
# the same, of course). Right: the four trainings.

# %%
GREEN, PINK = "#009E73", "#CC79A7"
figure = Figure(figsize=(10, 4.3), layout="constrained")
left, middle, right = figure.subfigures(1, 3, width_ratios=[3.2, 2.9, 3.9])

axes = left.subplots()
blank_box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
a = np.linspace(0, 1, 101)
for w in (-9, -3, 3, 9):
    axes.plot(a, reference.sigmoid_forward(a * w), color="0.55", lw=1.5)
axes.plot(a, reference.sigmoid_forward(a * w_pixel + b_pixel), color=FORWARD, lw=2.5)
axes.plot(0, 0.5, "o", color="black", ms=7)
axes.text(0.04, 0.5, "no bias: all\nstart here", fontsize=10, va="center", bbox=blank_box)
axes.text(0.66, 0.78, "with\na bias", color=FORWARD, fontsize=11, ha="left", va="top")
axes.set(xlabel="hidden activation a", ylabel="output pixel", ylim=(-0.02, 1.02))
axes.set_title("one pixel", fontsize=12)

blank = np.zeros((1, 8))
sheets = {"absent": absent, "trained": trained, "frozen": frozen, "good start": good_start}
grid = middle.subplots(2, 2)
for panel, (name, model) in zip(grid.flat, sheets.items(), strict=True):
    picture = model.decode(blank).reshape(28, 28)
    panel.imshow(picture, cmap="gray", vmin=0, vmax=1)
    panel.set_xticks([])
    panel.set_yticks([])
    panel.set_xlabel(name, fontsize=10)
middle.suptitle("drawn from code 0", fontsize=12)

axes = right.subplots()
looks = {
    "absent": ("black", "-", "s"),
    "trained": (BACKWARD, "--", "o"),
    "frozen": (PINK, "-.", "D"),
    "good start": (GREEN, "-", "^"),
}
epochs = np.arange(1, settings["epochs"] + 1)
for name, (color, style, marker) in looks.items():
    mean_curve = np.mean(curves[name], axis=0)
    axes.plot(epochs, mean_curve, style, color=color, marker=marker, ms=5, markevery=3, label=name)
axes.axhline(error_of_mean, color="0.5", lw=1)
axes.text(20, error_of_mean + 0.0002, "mean image", ha="right", va="bottom", color="0.35")
axes.set(xlabel="epoch", ylabel="mse on test images", ylim=(0.04, 0.07), xticks=[1, 5, 10, 15, 20])
axes.set_title("8 hidden units, mean of 5 seeds", fontsize=12)
axes.legend(loc="upper right", bbox_to_anchor=(1.0, 0.93), frameon=False)
save(figure, "11_bias_and_mask")

# %% [markdown]
# ## Exercises
#
# 1. The background of the paper is 0.01, not 0. Which z would an output need, to say exactly 0?
#    What is the slope of the sigmoid at 0.01, and what at 0.0001?
# 2. An encoder bias b0 says where a unit is undecided: at z0 = 0. Shift all pixels by a constant,
#    x + c. Which b0 gives the same z0 as before? (So a network *with* bias does not mind a shift of
#    the data. One without does.)
# 3. A held bias is exact because its gradient is exactly 0. Would it do to multiply the gradient
#    by the mask in place of `np.where`? Try it with a gradient that is infinite.
# 4. Somebody wants to reproduce "no bias" and writes `db = 0` into the backward pass of a model
#    that has been trained before. What have they built, and which one-line test would have told
#    them?
#
# Try them before you read on.

# %% [markdown]
# ## Solutions
#
# **1.** None: logit(a) goes to minus infinity as a goes to 0. The closer the output comes, the
# flatter the sigmoid: its slope a (1 - a) is 0.0099 at 0.01, and 0.0001 at 0.0001. This is why the
# paper keeps its pixels away from 0.

# %%
for a_out in (0.01, 0.0001):
    slope = float(reference.sigmoid_backward(np.array(1.0), np.array(a_out)))
    print(f"a = {a_out:g}: z = {logit(a_out):.2f}, slope {slope:.6f}")
    assert np.isclose(slope, a_out, rtol=0.011)  # a (1 - a) is a, but for a**2

# %% [markdown]
# **2.** (x + c) @ W + b = x @ W + (b + c * sum of W over the inputs). So the bias that makes up for
# the shift is b - c * W.sum(axis=0).

# %%
c = 0.3
shifted = reference.dense_forward(x + c, W, b - c * W.sum(axis=0))
np.testing.assert_allclose(shifted, reference.dense_forward(x, W, b), rtol=0, atol=1e-12)
print(
    "a shift of the data, undone by the bias: largest difference",
    f"{np.abs(shifted - reference.dense_forward(x, W, b)).max():.1e}",
)

# %% [markdown]
# **3.** As long as every gradient is finite, yes. But 0 times infinity is not 0, it is NaN, "not a
# number", and would then be subtracted from the bias that was to be held. `np.where` chooses; it
# does not compute.

# %%
wild = np.array([1.0, np.inf])
keep = np.array([True, False])
with np.errstate(invalid="ignore"):
    print("multiplied:", wild * keep, "  chosen:", np.where(keep, wild, 0))
    assert np.isnan((wild * keep)[1])
assert np.where(keep, wild, 0)[1] == 0

# %% [markdown]
# **4.** A model with frozen trained biases, as the paper did. The test: feed zeros through the
# decoder. Without bias, the answer must be 0.5, exactly, for every pixel. It is so for *absent*,
# and not for *frozen*.

# %%
assert (absent.decode(blank) == 0.5).all()
assert not (frozen.decode(blank) == 0.5).any()
print(
    "code 0 through 'absent':",
    absent.decode(blank)[0, :3],
    " through 'frozen':",
    frozen.decode(blank)[0, :3],
)

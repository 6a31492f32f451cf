# %% [markdown]
# # 11. Bias and mask: what a bias buys
#
# A bias looks like the smallest part of a network: one number per unit, added at the end. What is
# it worth? The paper that this package reproduces asks this, and finds no clear answer. There is
# one: a decoder's biases are worth one hidden unit. On the way we meet a mistake that spoiled the
# published experiment: a bias that is *not trained* is not the same as a bias that is *not there*.
#
# **At the end you will understand** what a bias does for a unit, why its gradient is a plain sum,
# how a mask holds a number fast, why "frozen" and "absent" are different experiments, and how a
# network without biases makes one for itself.
#
# **You need** [chapter 5](05_batches_are_matrix_products.py) (batches) and
# [chapter 8](08_saturation.py) (dead units, the logit).
#
# **This explains**, in the textbook page of the package:
# [`dense_forward`](../ae_numpy/reference.py#dense_forward), where `b` is added, and
# [`dense_backward`](../ae_numpy/reference.py#dense_backward), where `db` is summed over the
# samples. The mask is applied in one line of `Network.backward`.

# %%
import inspect

import numpy as np
from tour import save
from tour_pictures_training import bias_and_mask, constant_units

from ae_numpy import Autoencoder, Network, reference
from ae_numpy.datasets import load_stroke_digits
from ae_numpy.initialization import initial_parameters

# %% [markdown]
# ## What a bias does for one unit
#
# A unit computes z = x @ W + b and squashes it. If all inputs are 0, the weights have nothing to
# multiply: z is b, and the activation is sigmoid(b). Without a bias it is then sigmoid(0) = 0.5,
# grey, whatever the weights are.

# %%
rng = np.random.default_rng(0)
zeros = np.zeros((1, 3))
for scale in (0.1, 10.0, 1000.0):
    W = rng.normal(scale=scale, size=(3, 4))
    a = reference.sigmoid_forward(reference.dense_forward(zeros, W, np.zeros(4)))
    print(f"weights of size {scale:6g}, input 0, no bias: a =", a[0])
    assert (a == 0.5).all()  # exactly: a sum of zeros is 0, and 1 / (1 + exp(0)) is 1/2

# %% [markdown]
# Digits are mostly background. The paper scales its pixels to [0.01, 1], so the background is 0.01,
# and an output that should be 0.01 needs z = logit(0.01) = -4.6.


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
# the line z = a w passes through the origin. Nobody can choose w so that the pixel is dark at a =
# 0.2 *and* bright at a = 0.8, because z = 0.2 w and z = 0.8 w have the same sign. With a bias it is
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
# `x.T @ dz` is `ones.T @ dz`, the sum of `dz` over the samples. *Each sample has its own wish
# for the bias; the gradient adds them up.*

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
# network with a hidden layer that does not beat it has learned nothing else.

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
#     gradient[self.n_weights :][~self.bias_mask] = 0
#
# A step subtracts learning_rate * 0 from a held bias. It keeps its value not "nearly" but *bit for
# bit*, after any number of steps. Every layer can have a mask of its own; here half of the
# biases of the hidden layer are held, at values that we give.

# %%
line = "gradient[self.n_weights :][~self.bias_mask] = 0"
assert line in inspect.getsource(Network.backward)

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
# Let us train four models of 8 hidden units, from the same initial weights, and each of them with
# three seeds:
#
# - **absent**: biases 0 and held. This is what "no bias" says.
# - **trained**: biases that start at 0, trained.
# - **frozen**: biases held at the values where the *trained* model ended; new weights.
# - **good start**: trained, and b1 starts at logit(mean image), the best picture that biases alone
#   can draw.

# %%
SEEDS = range(3)
settings = {"learning_rate": 0.1, "batch_size": 4, "epochs": 20}
curves: dict[str, list[list[float]]] = {
    name: [] for name in ("absent", "trained", "frozen", "good start")
}
dead = dict.fromkeys(curves, 0)


def fit(name: str, seed: int, **options) -> Autoencoder:
    model = Autoencoder(8, random_state=seed, **settings, **options)
    model.fit(X, validation_data=X_test)
    curves[name].append(model.history_["val_mse"])
    a = model.encode(X_test)
    dead[name] += int(((a * (1 - a)).mean(axis=0) < 0.01).sum())  # as in chapter 8
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
    print(f"{name:10}  mse {error:.4f} (mean of {len(SEEDS)} seeds),", end="")
    print(f" dead units {dead[name]} of {8 * len(SEEDS)}")

# The gaps that we rely on are about 0.006; a mean of three seeds is good to about 0.001.
assert final["absent"] > final["trained"] + 0.0015
assert final["absent"] > final["frozen"] + 0.003
assert final["trained"] > final["good start"] + 0.004
assert all(error < error_of_mean for error in final.values())
assert dead["good start"] == 0
assert dead["absent"] > dead["frozen"]

# %% [markdown]
# ## The picture
#
# Left: what a pixel can do as one hidden activation varies. Without a bias, every curve passes
# through 0.5 at a = 0. Middle: what the four models draw when every unit has its mean
# activation; all of them something like the mean image. Right: how they train.

# %%
drawings = {
    name: model.decode(model.encode(X_test).mean(axis=0, keepdims=True))[0]
    for name, model in zip(curves, (absent, trained, frozen, good_start), strict=True)
}
mean_curves = {name: np.mean(of, axis=0) for name, of in curves.items()}
figure = bias_and_mask((w_pixel, b_pixel), drawings, mean_curves, error_of_mean)
save(figure, "11_bias_and_mask")

# %% [markdown]
# *Absent* is the worst of the four, and *frozen* is far better, about as good as the *trained*
# model that its biases came from. Calling both of them "no bias" compares two different things.
#
# The biases help *frozen* from the first step: they hold a picture that is already much darker than
# grey. The others have to get there by training. While they do, all outputs are too bright at once.
# This common error pushes all hidden units in the same direction, and some of them die ([chapter
# 8](08_saturation.py)). The *good start* shows it directly: give b1 the mean image, and no unit
# dies.
#
# So part of what a bias seems to be worth is only a matter of the start. Is there a start that is
# good for a network *without* biases?
#
# ## A constant unit is a bias
#
# **Proposition.** Take an autoencoder without biases, and a set of images for which hidden unit 0
# has the same activation c. For these images it computes the same as the autoencoder without unit
# 0 whose decoder has the bias b1 = c W1[0]. If the activation only stays within e of c, no output
# differs by more than e |W1[0]| / 4.
#
# *Proof.* The outputs' pre-activations are a sum over the hidden units,
#
# $$ z1 = \sum_{j} a_j \, W1_j = a_0 \, W1_0 + \sum_{j > 0} a_j \, W1_j , $$
#
# and with a[0] = c the first term is c W1[0], for every image. That is what a bias is. If
# a[0] is off by e, z1 is off by e W1[0], and the sigmoid's slope is at most 1/4.
#
# **Conversely**, a network without biases can come as close as you like to any given decoder
# bias: take W0[:, 0] = k and W1[0] = b1. Every digit has some ink, so z0 = k times the sum of its
# pixels, and with a large k the sigmoid of that is nearly 1, for every digit.
#
# So a decoder's biases, all 784 of them, are worth *one hidden unit*: without biases, h units
# can do at least what h - 1 units with decoder biases can.
#
# ## Train it, find it, cut it out
#
# Start a network without biases with one such unit, W0[:, 0] = 0.05 and W1[0] = -2, and all other
# weights drawn as usual. Train. The constant unit is the one whose activation varies least over the
# test images. Cut it out, and move its row of W1 into the decoder's bias.

# %%
CONSTANT = 1e-3  # the largest activation minus the smallest, over the test images


def with_a_constant_unit(h: int, seed: int) -> dict[str, np.ndarray]:
    network = Network((784, h, 784), bias=False)
    drawn = network.as_dict(initial_parameters(network, "fan_in", seed))
    drawn["W0"][:, 0] = 0.05
    drawn["W1"][0] = -2
    return {"W0": drawn["W0"], "W1": drawn["W1"]}


def ranges(model: Autoencoder) -> np.ndarray:
    a = model.encode(X_test)
    return a.max(axis=0) - a.min(axis=0)  # of each unit


def without(model: Autoencoder, unit: int) -> Network:
    """The network without one unit, whose row of W1 becomes a bias."""
    W0, W1 = (layer.W for layer in model.network_.layers)
    smaller = Network((784, len(W1) - 1, 784))
    layer0, layer1 = smaller.layers  # biases start at 0
    layer0.W[...] = np.delete(W0, unit, axis=1)
    layer1.W[...] = np.delete(W1, unit, axis=0)
    layer1.b[...] = model.encode(X_test)[:, unit].mean() * W1[unit]
    return smaller


model = Autoencoder(
    8, bias=False, initial_parameters=with_a_constant_unit(8, 0), random_state=0, **settings
)
model.fit(X)
unit = int(ranges(model).argmin())
smaller = without(model, unit)
moved = np.abs(smaller.propagate(X_test) - model.reconstruct(X_test)).max()
mse_smaller = float(((smaller.propagate(X_test) - X_test) ** 2).mean())
print(f"unit {unit}: activation {model.encode(X_test)[:, unit].mean():.5f}, ", end="")
print(f"constant to {ranges(model)[unit]:.1e}")
print(f"mse with 8 units and no bias   {model.mse(X_test):.6f}")
print(f"mse with 7 units and b1        {mse_smaller:.6f}; no pixel moved by more than {moved:.0e}")
assert ranges(model)[unit] < CONSTANT
assert round(mse_smaller, 6) == round(model.mse(X_test), 6)
assert moved < 0.001

# %% [markdown]
# The same error to six digits, with 7 units and a bias. Now compare at several sizes. Models
# with biases get a good start, too: b1 = -2. In the picture, left: the errors. Right: how much each
# hidden unit varies after plain training without biases.

# %%
SIZES = (2, 4, 8)


def train(h: int, seed: int, **options) -> Autoencoder:
    return Autoencoder(h, random_state=seed, **settings, **options).fit(X)


dark = {"initial_parameters": {"b1": np.full(784, -2.0)}}
by_size: dict[str, dict[int, list[float]]] = {}
plain = {}
for h in SIZES:
    runs = {
        "no bias, plain start": [train(h, seed, bias=False) for seed in SEEDS],
        "no bias, one constant unit": [
            train(h, seed, bias=False, initial_parameters=with_a_constant_unit(h, seed))
            for seed in SEEDS
        ],
        "bias, one unit fewer": [train(h - 1, seed, **dark) for seed in SEEDS],
        "bias": [train(h, seed, **dark) for seed in SEEDS],
    }
    plain[h] = np.concatenate([ranges(run) for run in runs["no bias, plain start"]])
    assert all(ranges(run).min() < CONSTANT for run in runs["no bias, one constant unit"])
    for name, models in runs.items():
        by_size.setdefault(name, {})[h] = [run.mse(X_test) for run in models]
means = {name: [float(np.mean(of[h])) for h in SIZES] for name, of in by_size.items()}
print("mse, mean of 3 seeds, at h =", *SIZES)
for name, of in means.items():
    print(f"{name:27}", np.round(of, 4))

figure = constant_units(SIZES, means, plain, CONSTANT)
save(figure, "11_bias_and_mask_constant_units")

# %% [markdown]
# With a constant unit, the network without biases does what the network with biases and one unit
# fewer does, to a few per cent. What biases are worth at equal h is what *one unit* is worth. They
# are cheaper, though: 784 numbers instead of the 1,568 weights of a unit.

# %%
fewer = np.array(means["bias, one unit fewer"])
constant = np.array(means["no bias, one constant unit"])
print("no bias with a constant unit, over bias with one unit fewer:", (constant / fewer).round(3))
assert (np.abs(constant / fewer - 1) < 0.05).all()  # seeds differ by about 3 %
assert (np.array(means["no bias, plain start"]) > 1.02 * constant).all()
assert (np.array(means["bias"]) < constant).all()

# %% [markdown]
# ## Does plain training find this by itself?
#
# Nobody sets up a constant unit in practice. Does plain training, without biases, make one?

# %%
for h in SIZES:
    at_most = {limit: int((plain[h] < limit).sum()) for limit in (CONSTANT, 1e-2)}
    print(f"h = {h}, 3 models: {at_most[CONSTANT]} of {3 * h} units constant to 0.001, ", end="")
    print(f"{at_most[1e-2]} to 0.01")
    nearly = (plain[h].reshape(3, h) < 1e-2).sum(axis=1)
    assert nearly.min() >= 1  # every model has a unit that hardly varies
assert (plain[2] < CONSTANT).sum() >= 1
assert nearly.min() >= 2  # and at h = 8, more than one
for run in runs["no bias, plain start"]:  # of h = 8, the last size
    assert (run.encode(X_test).mean(axis=0)[ranges(run) < 1e-2] > 0.99).all()  # all say 1
assert means["no bias, plain start"][-1] - constant[-1] > constant[-1] - means["bias"][-1]

# %% [markdown]
# Yes, and it overdoes it. Every model ends with at least one unit that is constant to 0.01, and
# some to 0.001. But with 8 units, several are nearly constant, all of them at 1: they were pushed
# in the same direction, and died together. One would have been enough. The others are lost to the
# code, and at h = 8 this costs more than the missing bias.
#
# ## And the encoder's bias?
#
# The proposition left it out. In the paper's scale it is worth nothing that the weights could not
# do. Some pixels are background in every image: inputs that are always 0.01. Their weights add
# 0.01 times their sum to z0, for every image, and that is a bias. So move b0 there.

# %%
never_inked = (np.vstack([X, X_test]) < 0.0101).all(axis=0)
parameters = {name: array.astype(np.float64) for name, array in trained.network_.as_dict().items()}
moved_b0 = parameters | {"W0": parameters["W0"].copy(), "b0": np.zeros(8)}
moved_b0["W0"][never_inked] += parameters["b0"] / (0.01 * never_inked.sum())
network = Network((784, 8, 784))
same = network.propagate(X_test, network.flatten(moved_b0))
expected = network.propagate(X_test, network.flatten(parameters))
print(f"{never_inked.sum()} pixels are always 0.01; b0 moved into their weights: ", end="")
print(f"outputs differ by {np.abs(same - expected).max():.0e}")
np.testing.assert_allclose(same, expected, rtol=0, atol=1e-9)  # sums, reordered

# %% [markdown]
# Training does not use this path much: the gradient of such a weight is 0.01 times that of the
# bias, and so 200 of these weights move z0 by 200 * 0.01 ** 2 = 0.02 of what the bias would. What
# does the error say? Train with decoder biases only, through a mask.

# %%
decoder_only = [np.zeros(8, bool), np.ones(784, bool)]
both, only = (
    float(np.mean([train(8, seed, bias=mask, **dark).mse(X_test) for seed in SEEDS]))
    for mask in (True, decoder_only)
)
print(f"biases in both layers {both:.4f}, in the decoder only {only:.4f}")
assert 1.02 < only / both < 1.1

# %% [markdown]
# So the encoder's biases do help, by some 6 % here: not because they allow more, but because they
# are easier to train.

# %% [markdown]
# ## Exercises
#
# 1. The background of the paper is 0.01, not 0. Which z would an output need, to say exactly 0?
#    What is the slope of the sigmoid at 0.01, and what at 0.0001?
# 2. An encoder bias b0 says where a unit is undecided: at z0 = 0. Shift all pixels by a constant,
#    x + c. Which b0 gives the same z0 as before? (So a network *with* bias does not mind a shift of
#    the data. One without does.)
# 3. A held bias is exact because its gradient is exactly 0. Would it do to multiply the gradient
#    by the mask, True being 1 and False 0,
#    instead of setting entries to 0? Try it with a gradient that is infinite.
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
# number", and would then be subtracted from the bias that was to be held. Setting an
# entry to 0 does not look at what was there.

# %%
wild = np.array([1.0, np.inf])
keep = np.array([True, False])
with np.errstate(invalid="ignore"):
    multiplied = wild * keep
wild[~keep] = 0
print("multiplied:", multiplied, "  set:", wild)
assert np.isnan(multiplied[1])
assert wild[1] == 0

# %% [markdown]
# **4.** A model with frozen trained biases, as the paper did. The test: feed zeros through the
# decoder. Without bias, the answer must be 0.5, exactly, for every pixel. It is so for *absent*,
# and not for *frozen*.

# %%
blank = np.zeros((1, 8))
assert (absent.decode(blank) == 0.5).all()
assert not (frozen.decode(blank) == 0.5).any()
print(
    "code 0 through 'absent':",
    absent.decode(blank)[0, :3],
    " through 'frozen':",
    frozen.decode(blank)[0, :3],
)

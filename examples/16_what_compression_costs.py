# %% [markdown]
# # 16. What compression costs
#
# How many numbers does a digit need? The smaller the code, the larger the error: this is the first
# question of the paper that this package reproduces, here in a size that takes seconds. But an
# error means little on its own. Large, compared with what? We put three marks beside it: a
# model that knows nothing, the best *linear* code of the same size, and the same network trained
# with less care.
#
# **At the end you will understand** how the error depends on the compression ratio, what principal
# components have to do with autoencoders, and why a comparison of architectures is only as good as
# the training behind it.
#
# **You need** [chapter 7](07_training_an_autoencoder.py); a little linear algebra for the PCA.
#
# **This explains**, in the textbook page of the package:
# [`squared_errors`](../ae_numpy/reference.py#L225), from which every `mse` here is made, and
# [`dense_forward`](../ae_numpy/reference.py#L112): without its sigmoid, an autoencoder could be
# replaced by PCA.

# %%
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure
from tour import BACKWARD, FORWARD, save

from ae_numpy import Autoencoder
from ae_numpy.datasets import load_stroke_digits
from ae_numpy.reference import squared_errors

digits = load_stroke_digits(n_train=3000, n_test=500)
X = digits.train_images.reshape(-1, 784) / 255
X_test = digits.test_images.reshape(-1, 784) / 255
SIZES = (2, 4, 8, 16, 32)


def mse(output: np.ndarray, target: np.ndarray) -> float:
    return float(squared_errors(output, target).sum() / target.size)


# %% [markdown]
# ## The first mark: a model that knows nothing
#
# A code of *no* numbers: the same picture for every image. The best such picture is the mean image
# ([chapter 11](11_bias_and_mask.py)). Its error is the variance of the pixels. Whoever does not
# beat it has compressed nothing.

# %%
mean_image = X.mean(axis=0)
mse_of_mean = mse(np.tile(mean_image, (len(X_test), 1)), X_test)
print(f"code size  0: mean image, mse {mse_of_mean:.4f}")
assert np.isclose(mse(np.tile(mean_image, (len(X), 1)), X), X.var(axis=0).mean(), rtol=1e-9)

# %% [markdown]
# ## The second mark: the best linear code
#
# A *linear* autoencoder has no sigmoids: the code is (x - mean) @ V, and the output is
# mean + code @ V.T. No training is needed to find the best V of h columns. It is the beginning of
# what the singular value decomposition gives:
#
# $$ X - \text{mean} = U \, S \, V^T, \qquad V_h = \text{first } h \text{ columns of } V $$
#
# These columns are the *principal components*, and the method is called PCA. On the data that it
# was made from, its error is exactly what is left over: the sum of the other singular values
# squared.
#
# `np.linalg.svd` finds all 784 components. We need the first 32, and a short way to them shows why
# they are the ones. Since
#
# $$ C = (X - \text{mean})^T (X - \text{mean}) = V \, S^2 \, V^T , $$
#
# multiplying by C stretches each component by its own S^2. Multiply again and again, and what is
# stretched most wins: this is *power iteration*. To find many at once, keep them perpendicular on
# the way, which is what `qr` does.
#
# One thing more, to be fair. PCA draws pixels below 0 and above 1; a sigmoid cannot. We know
# that pixels lie in [0, 1], so we may cut off what sticks out. This can only help.


# %%
C = (X - mean_image).T @ (X - mean_image)  # (784, 784)
C4 = np.linalg.matrix_power(C, 4)  # four multiplications in one
V = np.random.default_rng(0).normal(size=(784, 48))  # 16 to spare: the last ones come slowly
for _ in range(6):
    V, _ = np.linalg.qr(C4 @ V)
S_squared, rotation = np.linalg.eigh(V.T @ C @ V)  # (48, 48): sorts what V spans, smallest first
S_squared, V = S_squared[::-1][:32], (V @ rotation[:, ::-1])[:, :32]
np.testing.assert_allclose(C @ V, V * S_squared, rtol=0, atol=1e-4 * S_squared[0])


def pca(x: np.ndarray, h: int) -> np.ndarray:
    return mean_image + (x - mean_image) @ V[:, :h] @ V[:, :h].T


pca_mse = {h: mse(pca(X_test, h), X_test) for h in SIZES}
clipped_mse = {h: mse(pca(X_test, h).clip(0, 1), X_test) for h in SIZES}
for h in SIZES:
    print(f"code size {h:2}: PCA {pca_mse[h]:.4f}, cut to [0, 1] {clipped_mse[h]:.4f}")
    left_over = (np.trace(C) - S_squared[:h].sum()) / X.size
    assert np.isclose(mse(pca(X, h), X), left_over, rtol=1e-6)  # on the training images
    assert clipped_mse[h] <= pca_mse[h] < mse_of_mean

# %% [markdown]
# ## The autoencoder
#
# Five sizes, trained in the same way: 30 epochs, batches of 4, the learning rate falling at the
# end, the mean image as a start.

# %%
bright = np.clip(mean_image, 0.005, 0.995)
good_start = {"b1": np.log(bright / (1 - bright))}
EPOCHS = 30
recipe = {
    "learning_rate": [0.2] * 20 + [0.04] * 10,
    "epochs": EPOCHS,
    "batch_size": 4,
    "random_state": 0,
}

models = {}
for h in SIZES:
    models[h] = Autoencoder(h, initial_parameters=good_start, **recipe)
    models[h].fit(X, validation_data=X_test)
ae_mse = {h: model.history_["val_mse"][-1] for h, model in models.items()}
early_mse = {h: model.history_["val_mse"][0] for h, model in models.items()}

print("code size  ratio  epoch 1  epoch 30     PCA  PCA, cut")
for h in SIZES:
    print(f"{h:9}  {784 / h:5g}  {early_mse[h]:7.4f}  {ae_mse[h]:8.4f}", end="")
    print(f"  {pca_mse[h]:6.4f}  {clipped_mse[h]:8.4f}")
    assert models[h].compression_ratio_ == 784 / h

# Halving the code always costs something.
for smaller, larger in pairwise(SIZES):
    assert 1.1 < ae_mse[smaller] / ae_mse[larger] < 2.0
assert ae_mse[2] > 3 * ae_mse[32]

# The autoencoder and PCA go side by side.
assert all(0.8 < ae_mse[h] / pca_mse[h] < 1.2 for h in SIZES)
assert ae_mse[32] < 0.98 * pca_mse[32]
assert all(ae_mse[h] > 0.95 * clipped_mse[h] for h in SIZES)

# %% [markdown]
# Read the table slowly, for it is a sober one.
#
# - From 32 numbers to 2, the error grows more than threefold: each halving of the code makes it
#   larger by a sixth at the small end, and by three quarters at the large end.
# - With few numbers, PCA is a little better than our autoencoder. With 32, the autoencoder is
#   better than plain PCA: its sigmoid knows that there is nothing below black.
# - Tell PCA the same, by cutting to [0, 1], and it is ahead again, or level. *This* autoencoder,
#   one hidden layer, 3,000 images, 30 epochs, does not beat a method from 1901.
#
# It is no disgrace. The autoencoder has found by small steps, from samples, what PCA gets from a
# whole matrix at once. With all of MNIST and 50 epochs it does pass plain PCA, at codes of 56 and
# 112 numbers. With more layers it can do what PCA never will. But one has to look at the mark to
# know.
#
# ## The third mark: the same network, trained with less care
#
# Two numbers in a table differ. Is it the code size, or the training? Here are the errors after one
# epoch, and after 30 epochs of a careless training: all biases start at 0, and the learning rate
# is 0.05, because it was right for some other network.

# %%
careless_mse, silent = {}, {}
for h in (16, 32):
    model = Autoencoder(h, **{**recipe, "learning_rate": 0.05}).fit(X, validation_data=X_test)
    careless_mse[h] = model.history_["val_mse"][-1]
    silent[h] = int((model.encode(X_test).std(axis=0) < 0.02).sum())
    print(f"code size {h:2}: one epoch {early_mse[h]:.4f}, with care {ae_mse[h]:.4f}, ", end="")
    print(f"careless {careless_mse[h]:.4f} ({silent[h]} silent units)")

assert early_mse[32] > 1.1 * ae_mse[16]
assert all(careless_mse[h] > 1.1 * ae_mse[h] for h in careless_mse)
assert sum(silent.values()) >= 5
assert careless_mse[32] > 0.7 * ae_mse[16]

# %% [markdown]
# After one epoch, 32 numbers do *worse* than 16 numbers after 30 epochs. Whoever stopped there
# could report that a larger code is a worse one. The careless training loses a good part of what a
# code of twice the size brings, much of it through hidden units that fell silent early: a code of
# 32 of which some say nothing is a smaller code.
#
# So a table of compression ratios measures two things at once: what the code can hold, and
# how far the training has come. The paper's table is of this kind. To separate them, look at the
# curves (do they still fall?), at several seeds (how wide is chance?), and at a mark like PCA.
#
# ## The picture
#
# Left: the error against the size of the code. Right: five test images, and what is left of them.

# %%
figure = Figure(figsize=(10, 5.2), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=[5.6, 4.4])

axes = left.subplots()
axes.axhline(mse_of_mean, color="0.55", lw=1)
axes.text(32, mse_of_mean * 1.02, "mean image", ha="right", va="bottom", color="0.35")
lines = (
    ("autoencoder, 1 epoch", early_mse, "0.45", ":", "v"),
    ("autoencoder, careless", careless_mse, "#CC79A7", "none", "X"),
    (f"autoencoder, {EPOCHS} epochs", ae_mse, FORWARD, "-", "o"),
    ("PCA", pca_mse, BACKWARD, "--", "s"),
    ("PCA, cut to [0, 1]", clipped_mse, "black", "-.", "D"),
)
for name, points, color, style, marker in lines:
    axes.plot(
        *zip(*points.items(), strict=True),
        linestyle=style,
        color=color,
        marker=marker,
        ms=7,
        lw=2,
        mfc="white" if marker in "sD" else color,
        label=name,
    )
axes.set(xscale="log", yscale="log", xlabel="numbers in the code", ylabel="mse on test images")
axes.set_xticks(SIZES, SIZES)
axes.set_ylim(0.0108, 0.08)
axes.set_yticks([0.02, 0.03, 0.05, 0.07], ["0.02", "0.03", "0.05", "0.07"])
axes.minorticks_off()
axes.legend(loc="lower left", frameon=False, fontsize=10.5)
ratios = axes.secondary_xaxis("top")
ratios.set_xticks(SIZES, [f"{784 / h:g}" for h in SIZES])
ratios.minorticks_off()
ratios.set_xlabel("compression ratio")

shown = [int(np.flatnonzero(digits.test_labels == digit)[1]) for digit in (0, 2, 4, 5, 8)]
rows = {"original": X_test[shown]}
for h in reversed(SIZES):
    rows[f"{h} numbers"] = models[h].reconstruct(X_test[shown])
mosaic = np.ones((30 * len(rows) - 2, 30 * len(shown) - 2))
for line, images in enumerate(rows.values()):
    for column, image in enumerate(images):
        tile = mosaic[30 * line : 30 * line + 28, 30 * column : 30 * column + 28]
        tile[:] = image.reshape(28, 28)
axes = right.subplots()
axes.imshow(mosaic, cmap="gray", vmin=0, vmax=1)
axes.set_yticks(30 * np.arange(len(rows)) + 14, rows, fontsize=11)
axes.set_xticks([])
axes.tick_params(length=0)
axes.spines[:].set_visible(False)
save(figure, "16_what_compression_costs")

# %% [markdown]
# ## Exercises
#
# 1. A compression ratio of 24.5 counts numbers: 784 pixels against 32. But a pixel is one byte, and
#    a number of the code is stored in four. How coarsely can the code be rounded, before it hurts?
# 2. Leave out the mean in `pca`: the output is x @ V @ V.T. By how much does the error on the
#    training images grow? Can you tell without computing the outputs?
# 3. Compare the errors on training and test images for all five sizes. Where does it begin to
#    matter that there are only 3,000 images?
# 4. The decoder has to be stored as well, if somebody is to unpack the codes. From how many images
#    on does the code of 32 numbers save anything?
#
# Try them before you read on.

# %% [markdown]
# ## Solutions
#
# **1.** Down to 4 bits, nearly for nothing. The codes lie in (0, 1); cut this into 16 equal steps
# and keep the middle of each. Then a code of 32 numbers is 16 bytes, and the ratio in bytes is
# 784 / 16 = 49. Rounded to one bit, it is no code of 32 numbers any more.


# %%
def rounded(codes: np.ndarray, bits: int) -> np.ndarray:
    steps = 2**bits
    return (np.minimum(np.floor(codes * steps), steps - 1) + 0.5) / steps


codes = models[32].encode(X_test)
price = {}
for bits in (8, 4, 2, 1):
    price[bits] = mse(models[32].decode(rounded(codes, bits)), X_test) / ae_mse[32]
    print(f"{bits} bits, {32 * bits / 8:4g} bytes: {price[bits]:.3f} times the error")
assert price[8] < 1.01
assert price[4] < 1.1
assert price[1] > 1.5

# %% [markdown]
# **2.** The components were made to draw what *differs* between images. What all images share, the
# mean image m, is drawn only as far as it happens to lie in their span. The rest of it is missing
# in every output, so the error grows by |m - m V V^T|^2 / 784, exactly: the differences have mean
# 0, and so the mixed terms cancel. This is a linear decoder *without bias*
# ([chapter 11](11_bias_and_mask.py)).

# %%
extra = {}
for h in (2, 32):
    V_h = V[:, :h]
    missing = mean_image - mean_image @ V_h @ V_h.T
    grown = mse(X @ V_h @ V_h.T, X) - mse(pca(X, h), X)
    extra[h] = grown / mse(pca(X, h), X)
    print(f"code size {h:2}: without the mean the error grows by {grown:.4f}, or {extra[h]:.0%}")
    assert np.isclose(grown, (missing**2).mean(), rtol=1e-6)
assert extra[2] > 0.1

# %% [markdown]
# **3.** With the large codes. Up to 8 numbers the two errors agree within some percent. With 32,
# the network does clearly better on the images that it was trained on: it has 50,992 numbers to
# fit to 3,000 images.

# %%
gap = {h: ae_mse[h] / models[h].mse(X) for h in SIZES}
print("error on test over training images:", {h: round(value, 2) for h, value in gap.items()})
assert gap[8] < 1.06 < gap[32]
assert models[32].network_.parameters.size == 50_992

# %% [markdown]
# **4.** The decoder of 32 units has 32 * 784 + 784 numbers of 4 bytes. Each image saves 784 - 128
# bytes, with codes of 4 bytes a number. So the savings begin at 158 images. A compression ratio
# says nothing about this: it pays for the codes, and takes the decoder for granted.

# %%
decoder_bytes = 4 * (32 * 784 + 784)
saved_per_image = 784 - 4 * 32
images_needed = int(np.ceil(decoder_bytes / saved_per_image))
print(
    f"{decoder_bytes} bytes of decoder, {saved_per_image} saved per image: {images_needed} images"
)
assert images_needed == 158

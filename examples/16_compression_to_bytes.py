# %% [markdown]
# # 16. Compression to bytes
#
# "784 pixels in 32 numbers: a compression ratio of 24.5." But a pixel is one byte, and a number of
# the code is stored in four. 32 numbers are 128 bytes, so the ratio is 6. A program that loses
# nothing at all comes close to that. If an autoencoder is to compress, its numbers have to become
# few *bits*.
#
# **At the end you will understand** how rounding turns a code into symbols, how many bits a symbol
# costs, what the codec of this package does, why a popular gradient for rounding is not a gradient,
# and what a compression ratio leaves out.
#
# **You need** [chapter 14](14_the_linear_autoencoder_is_pca.py), logarithms to base 2, and the
# package's codec: `pip install -e ".[plot,codec]"`.
#
# **This explains**, around the textbook page of the package: what comes between the
# [`sigmoid_forward`](../ae_numpy/reference.py#sigmoid_forward) of the encoder and the
# [`dense_forward`](../ae_numpy/reference.py#dense_forward) of the decoder when codes are stored.

# %%
import lzma
import tempfile
import warnings
from pathlib import Path

import numpy as np
from tour import save
from tour_pictures_codes import compression

from ae_numpy import Autoencoder
from ae_numpy.codec import Codec
from ae_numpy.datasets import load_stroke_digits
from ae_numpy.gradcheck import check_vjp
from ae_numpy.reference import dense_backward, dense_forward, sigmoid_backward, sigmoid_forward

digits = load_stroke_digits(n_train=3000, n_test=500)
X = (digits.train_images.reshape(-1, 784) / 255).astype(np.float32)
X_test = (digits.test_images.reshape(-1, 784) / 255).astype(np.float32)


def mse(output: np.ndarray) -> float:
    return float(((output - X_test) ** 2).mean())


lossless = len(lzma.compress(digits.test_images.tobytes())) / 500
print(
    f"an image: 784 bytes; packed by xz, without loss: {lossless:.0f} bytes, {784 / lossless:.1f}x"
)
assert 5 < 784 / lossless < 784 / (4 * 32)

# %% [markdown]
# ## Rounding, by hand
#
# Each number z of the code is between 0 and 1. Choose L *levels*, 0 to 1 in equal steps. The
# nearest one is number round(z (L - 1)): this whole number is the *symbol* that is stored. The
# decoder turns it back into symbol / (L - 1). This is *quantisation*.


# %%
def to_symbols(z: np.ndarray, levels: int) -> np.ndarray:
    return np.rint(z * (levels - 1)).astype(int)


mean_image = X.mean(axis=0)
bright = mean_image.clip(0.005, 0.995)
recipe = {
    "learning_rate": [0.2] * 20 + [0.04] * 10,
    "epochs": 30,
    "batch_size": 4,
    "random_state": 0,
    "initial_parameters": {"b1": np.log(bright / (1 - bright))},
}
models = {h: Autoencoder(h, **recipe).fit(X) for h in (8, 16, 32)}
ae = models[32]
exact = ae.mse(X_test)

LEVELS = (2, 3, 4, 6, 8, 16)
codes, codes_test = ae.encode(X), ae.encode(X_test)
rounded = {}
for levels in (256, *reversed(LEVELS)):
    rounded[levels] = mse(ae.decode(to_symbols(codes_test, levels) / (levels - 1)))
    print(f"{levels:3} levels: mse {rounded[levels]:.4f}, {rounded[levels] / exact:.2f} times")
assert rounded[256] < 1.01 * exact
assert rounded[8] < 1.05 * exact
assert 1.8 * exact < rounded[2] < 2 * exact

# %% [markdown]
# 256 levels, one byte for each number, cost nothing. And 8 cost very little. With 2 levels, the
# error is almost twice as large.
#
# ## What a level costs
#
# With 8 levels, a symbol takes log2(8) = 3 bits. Fewer are possible, if some levels are more
# frequent than others: give short names to the frequent ones. A symbol that occurs in a share p of
# all cases costs -log2(p) bits, and no code does better on average (Shannon, 1948). The average
# cost of a unit's symbols is then the *entropy* of its *histogram*, which says how often each level
# occurs:
#
# $$ H = -\sum_k p_k \log_2 p_k \le \log_2 L $$


# %%
def entropy(symbols: np.ndarray, levels: int) -> float:
    """Bits of one unit's symbols, on average."""
    p = np.bincount(symbols, minlength=levels) / len(symbols)
    p = p[p > 0]
    return float((p * np.log2(1 / p)).sum())


symbols = to_symbols(codes, 8)
per_unit = np.array([entropy(symbols[:, unit], 8) for unit in range(32)])
print(f"8 levels: {per_unit.min():.2f} to {per_unit.max():.2f} bits a unit, 3 at most; ", end="")
print(f"{per_unit.sum() / 8:.2f} bytes an image, 12 at most")
assert per_unit.max() < 3
assert round(1 - per_unit.sum() / (8 * 12), 2) == 0.04

# %% [markdown]
# The training images use all the levels, almost equally. So little is saved here, 4 %. (More can be
# saved, because the numbers of a code depend on each other: exercise 2.)
#
# ## The codec at work
#
# `ae_numpy.codec.Codec` does the same: it rounds, counts the symbols of the training images, and
# then writes the symbols of other images into bytes, with an *entropy coder*, which finds such
# short names. The sum of -log2(p) is called the *ideal length*; the codec's is at most 1 % larger,
# but for 64 bytes at the beginning and 32 for each block of 256 images.

# %%
codec = Codec(ae, levels=8).fit(digits.train_images)
data = codec.compress(digits.test_images)
images = codec.decompress(data)  # uint8, as they were
again = images.reshape(-1, 784) / 255
ideal = codec.bits(digits.test_images).mean() / 8
print(f"{len(data)} bytes for 500 images: {len(data) / 500:.2f} each, ideally {ideal:.2f}")
print(f"mse {mse(again):.4f}; ratio in bytes {784 * 500 / len(data):.0f}x")
assert images.shape == digits.test_images.shape
assert np.isclose(mse(again), rounded[8], rtol=0.005)  # pixels are rounded to grey levels, too
assert np.isclose(ideal, per_unit.sum() / 8, rtol=0.02)  # test images are not the training images
assert len(data) <= 1.01 * 500 * ideal + 64 + 2 * 32
assert mse(again) < 1.03 * exact
assert round(784 * 500 / len(data)) == 67

# %% [markdown]
# 12 bytes an image: the ratio is 67 *in bytes*, and the error is less than 3 % above that of the
# exact codes. The ratio of the numbers, 24.5, said nothing about this.
#
# How to spend bytes best: on many units with few levels, or on few units with many? Try all, for 8,
# 16 and 32 units.

# %%
points: dict[int, list[tuple[float, float]]] = {}
for h, model in models.items():
    for levels in LEVELS:
        each = Codec(model, levels=levels).fit(digits.train_images)
        packed = each.compress(digits.test_images)
        unpacked = each.decompress(packed).reshape(-1, 784) / 255
        points.setdefault(h, []).append((len(packed) / 500, mse(unpacked)))
    row = "  ".join(f"{size:5.2f}: {error:.4f}" for size, error in points[h])
    print(f"{h:2} units, bytes: mse  {row}")

# %% [markdown]
# ## The picture
#
# Left: rounding to 4 levels. The dashed line is explained below. Middle: what autoencoders with 8,
# 16 and 32 units reach, with 2 to 16 levels. Right: what is left of five digits.

# %%
shown = [int(np.flatnonzero(digits.test_labels == digit)[1]) for digit in (0, 2, 4, 5, 8)]
rows = {"784 bytes": X_test[shown]}
for h, levels in ((32, 8), (32, 4), (16, 4), (8, 4)):
    each = Codec(models[h], levels=levels).fit(digits.train_images)
    size = len(each.compress(digits.test_images)) / 500
    values = to_symbols(models[h].encode(X_test[shown]), levels) / (levels - 1)
    rows[f"{size:.0f} bytes"] = models[h].decode(values)
figure = compression(points, LEVELS, rows)
save(figure, "16_compression_to_bytes")

# %% [markdown]
# - Going from 16 levels to 6 saves a third of the bytes, and costs next to nothing.
# - At 4 bytes there are three ways: 8 units with 16 levels, 16 with 4, 32 with 2. The first is the
#   worst by far. It spends its bits on precision that the picture does not need.
# - With 2 levels, 32 units are no better than 16 with 4.

# %%
at = {(h, levels): p for h, of in points.items() for levels, p in zip(LEVELS, of, strict=True)}
assert at[32, 6][0] < 0.7 * at[32, 16][0]
assert at[32, 6][1] < 1.05 * at[32, 16][1]
three_ways = [at[8, 16], at[16, 4], at[32, 2]]
assert max(size for size, _ in three_ways) < 4.5
assert three_ways[0][1] > 1.25 * max(error for _, error in three_ways[1:])
assert at[16, 4][1] < at[32, 2][1]

# %% [markdown]
# ## A gradient that is not one
#
# The networks were trained without rounding. Would they not do better if training knew about it?
# Put the rounding between encoder and decoder, and ask for its gradient. The staircase in the
# picture is flat between its steps: a small change of z changes nothing. The derivative is 0
# everywhere, but at the steps, where there is none. With the true gradient, the encoder never
# learns anything.
#
# A popular way out is the *straight-through* gradient (Bengio, Léonard and Courville, 2013): round
# in the forward pass, and pretend in the backward pass that nothing has been rounded: dz = dout.
# That is the slope of the dashed line. What does the checker say?

# %%
FOUR = 4


def round_forward(z: np.ndarray) -> np.ndarray:
    return np.rint(z * (FOUR - 1)) / (FOUR - 1)


def straight_through(dout: np.ndarray) -> np.ndarray:
    return dout


def true_backward(dout: np.ndarray) -> np.ndarray:
    return np.zeros_like(dout)


z = np.random.default_rng(0).random((5, 4))
for backward in (straight_through, true_backward):
    report = check_vjp(round_forward, backward, z)
    print(f"{backward.__name__}: {report.verdict}")
assert not check_vjp(round_forward, straight_through, z).ok
print(check_vjp(round_forward, straight_through, z))

# %% [markdown]
# *Wrong*: it gives 1 where 0 is measured. It is not the gradient of what the forward pass computes.
# That does not prove that it is useless: it may point in a good direction all the same. So try. Go
# on training the 32 units with 2 levels, where rounding costs most, for 10 epochs: once with
# straight-through gradients for the encoder, and once the decoder alone, whose gradient is
# right, since nothing is rounded behind it.


# %%
def train_with_rounding(levels: int, train_encoder: bool, learning_rate: float = 0.1) -> float:
    """Go on training the 32 units with rounded codes; the error on the test images."""
    W0, b0, W1, b1 = (ae.network_.as_dict()[name].copy() for name in ("W0", "b0", "W1", "b1"))
    for first in [*range(0, len(X), 4)] * 10:
        x = X[first : first + 4]
        a = sigmoid_forward(dense_forward(x, W0, b0))
        code = np.rint(a * (levels - 1)) / np.float32(levels - 1)
        output = sigmoid_forward(dense_forward(code, W1, b1))
        dz = sigmoid_backward((output - x) / len(x), output)
        dcode, dW1, db1 = dense_backward(dz, code, W1)
        if train_encoder:  # straight through the rounding: da = dcode
            _, dW0, db0 = dense_backward(sigmoid_backward(dcode, a), x, W0)
            W0 -= learning_rate * dW0
            b0 -= learning_rate * db0
        W1 -= learning_rate * dW1
        b1 -= learning_rate * db1
    a = sigmoid_forward(dense_forward(X_test, W0, b0))
    code = np.rint(a * (levels - 1)) / (levels - 1)
    return mse(sigmoid_forward(dense_forward(code, W1, b1)))


through, decoder_only = train_with_rounding(2, True), train_with_rounding(2, False)
print(f"2 levels: before {rounded[2]:.4f}, straight-through {through:.4f}, ", end="")
print(f"the decoder alone {decoder_only:.4f}")
assert decoder_only < 0.97 * rounded[2]
assert through > decoder_only

# %% [markdown]
# Here the decoder alone, with its right gradient, does better than encoder and decoder together
# with a made-up one. This is one experiment, not a law: elsewhere, networks that round have been
# trained with such gradients. But it is a reason to check a gradient before trusting it, and to
# compare with the plain alternative.
#
# ## What a ratio leaves out
#
# To unpack the codes, one needs the decoder, and the decoder is large. A ratio counts the codes
# and takes the decoder for granted. From how many images on does all of it save bytes, compared
# with the lossless program?

# %%
with tempfile.TemporaryDirectory() as folder:
    codec.save(Path(folder, "codec.npz"))
    size = Path(folder, "codec.npz").stat().st_size
needed = size / (lossless - len(data) / 500)
print(f"the codec's own file: {size:,} bytes; it pays off from {needed:,.0f} images on")
assert 1_000 < needed < 3_000

# %% [markdown]
# ## Exercises
#
# 1. A unit that is always 1 is stored like the others. What does it cost, in bits?
# 2. `Codec(ae, levels=8, contexts=16)` sorts the images into 16 clusters, with a histogram for each
#    cluster and unit. Why can that save bytes? How many?
# 3. Change one byte in the middle of `data`. What does `decompress` say, and what with
#    `damaged="skip"`?
# 4. Store PCA's 32 numbers in the same way: scale each to [0, 1] by its smallest and largest value
#    in the training images, use 8 levels, and count bits by the entropy. Which is better, at how
#    many bytes?
#
# Try them before you read on.

# %% [markdown]
# ## Solutions
#
# **1.** Nothing: p is 1, and -log2(1) = 0. The entropy of its histogram is 0. (The codec reserves
# a little for symbols that it has never seen.)

# %%
constant = np.full(3000, 7)
print(f"a constant unit: {entropy(constant, 8):.2f} bits")
assert entropy(constant, 8) == 0

# %% [markdown]
# **2.** The numbers of a code depend on each other: what unit 3 says tells something about unit 7.
# The cluster says, in at most 4 bits, what kind of digit it is, and within a kind each unit's
# histogram is narrower. What the codec counts has 16 times as many numbers, though, and they have
# to be learned from the same images, and stored.

# %%
clustered = Codec(ae, levels=8, contexts=16).fit(digits.train_images)
saved = 1 - len(clustered.compress(digits.test_images)) / len(data)
print(f"16 clusters save {saved:.0%} of the bytes")
assert 0.02 < saved < 0.2

# %% [markdown]
# **3.** Every block of 256 images has a checksum. `decompress` finds the damaged one and refuses;
# with "skip", its images stay black, and a warning names them. The other block is intact.

# %%
damaged = bytearray(data)
damaged[len(data) // 4] ^= 1  # turns one bit
try:
    codec.decompress(damaged)
except ValueError as problem:
    print("refused:", problem)
else:
    raise AssertionError("a damaged byte was not noticed")
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    partly = codec.decompress(damaged, damaged="skip")
print("skipped:", said[0].message)
assert (partly[:256] == 0).all()
assert (partly[256:] == images[256:]).all()

# %% [markdown]
# **4.** They are nearly level. PCA's numbers are not spread evenly, most are near the middle of
# their range, and so their entropy is far below 3 bits; but coarse levels harm them more. For about
# the same error, PCA needs 8 to 10 % more bytes.

# %%
C = (X - mean_image).T @ (X - mean_image)
V = np.random.default_rng(0).normal(size=(784, 48))
C4 = np.linalg.matrix_power(C, 4)
for _ in range(6):  # power iteration, as in chapter 14
    V, _ = np.linalg.qr(C4 @ V)
V = V[:, :32]
numbers, numbers_test = (X - mean_image) @ V, (X_test - mean_image) @ V
low, high = numbers.min(axis=0), numbers.max(axis=0)
for levels, levels_of_ae in ((8, 4), (12, 6), (16, 8)):
    of_pca = to_symbols((numbers - low) / (high - low), levels)
    size = sum(entropy(of_pca[:, unit], levels) for unit in range(32)) / 8
    scaled = ((numbers_test - low) / (high - low)).clip(0, 1)
    values = low + (high - low) * to_symbols(scaled, levels) / (levels - 1)
    pca_error = mse((mean_image + values @ V.T).clip(0, 1))
    size_of_ae, ae_error = at[32, levels_of_ae]
    print(f"PCA, {levels:2} levels: {size:5.2f} bytes, mse {pca_error:.4f}; autoencoder, ", end="")
    print(f"{levels_of_ae} levels: {size_of_ae:5.2f} bytes, {ae_error:.4f}")
    assert np.isclose(pca_error, ae_error, rtol=0.02)
    assert 1.05 < size / size_of_ae < 1.12

# %% [markdown]
# # 14. The linear autoencoder is PCA
#
# Take the sigmoids out of an autoencoder. What is left can be solved with a method from 1901,
# without any training, and the best possible result is known. That gives us two things: a test of
# whether training finds what it should, and a mark to measure real autoencoders by.
#
# **At the end you will understand** what principal components are, that a linear autoencoder finds
# the same space but not the same numbers, that it has no bad minima, and how our autoencoders
# compare.
#
# **You need** [chapter 7](07_training_an_autoencoder.py) and [chapter 11](11_bias_and_mask.py);
# from linear algebra, eigenvectors: directions v that a matrix only stretches, C v = s v.
#
# **This explains**, in the textbook page of the package:
# [`dense_forward`](../ae_numpy/reference.py#dense_forward), which alone cannot do more than PCA,
# and [`squared_errors`](../ae_numpy/reference.py#squared_errors), from which every `mse` here is
# made.

# %%
from itertools import pairwise

import numpy as np
from tour import save
from tour_pictures_codes import linear_is_pca

from ae_numpy import Autoencoder
from ae_numpy.datasets import load_stroke_digits
from ae_numpy.reference import (
    dense_backward,
    dense_forward,
    half_squared_error_backward,
    squared_errors,
)

digits = load_stroke_digits(n_train=3000, n_test=500)
X = digits.train_images.reshape(-1, 784) / 255
X_test = digits.test_images.reshape(-1, 784) / 255


def mse(output: np.ndarray, target: np.ndarray) -> float:
    return float(squared_errors(output, target).sum() / target.size)


# %% [markdown]
# ## Principal components
#
# Subtract the mean image from every image. The *covariance matrix* C = x.T @ x / n says how pixels
# vary together, and its eigenvectors are the *principal components*; to find them is principal
# component analysis, PCA. Along the component v, the images vary with *variance* s (the square of
# the standard deviation), which is its *eigenvalue*. The components are perpendicular to each
# other, and the one with the largest s comes first.
#
# Keep the first h components as the columns of V. The code of an image x is x @ V, h numbers; the
# output is code @ V.T. What gets lost is the variance along all the other components:
#
# $$ \text{mse} = \frac{1}{784} \sum_{j > h} s_j $$
#
# No other h directions lose less: all directions together have the sum of all eigenvalues, and h
# perpendicular directions cannot keep more of it than the h largest.
#
# We need the first 32 of 784, and there is a short way to them. Multiplying by C stretches each
# component by its own s. Multiply again and again, and what is stretched most wins: this is *power
# iteration*. To find many at once, make them perpendicular on the way, which is what `qr` does.


# %%
def components(images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mean image, the variances along the first 32 components, and these components."""
    mean = images.mean(axis=0)
    C = (images - mean).T @ (images - mean) / len(images)  # (784, 784)
    V = np.random.default_rng(0).normal(size=(784, 48))  # 16 to spare: the last ones come slowly
    C4 = np.linalg.matrix_power(C, 4)  # four multiplications in one
    for _ in range(6):
        V, _ = np.linalg.qr(C4 @ V)
    s, rotation = np.linalg.eigh(V.T @ C @ V)  # (48, 48): sorts what V spans, smallest first
    s, V = s[::-1][:32], (V @ rotation[:, ::-1])[:, :32]
    np.testing.assert_allclose(C @ V, V * s, rtol=0, atol=1e-4 * s[0])  # they are eigenvectors
    return mean, s, V


few = X[:1000]
mean, s, V = components(few)
x = few - mean  # (1000, 784)
H = 6
V_h = V[:, :H]
pca_mse = mse(x @ V_h @ V_h.T, x)
left_over = (x.var(axis=0).sum() - s[:H].sum()) / 784
print(f"{H} components of 1,000 images: mse {pca_mse:.6f}, left over {left_over:.6f}")
assert np.isclose(pca_mse, left_over, rtol=1e-9)

# %% [markdown]
# ## A linear autoencoder, trained
#
# No sigmoids, no biases (the mean is already subtracted), 784-6-784. It knows nothing of
# eigenvectors. It starts with small random weights and follows the gradient, with all 1,000 images
# in every step. *Momentum* makes it faster: each step also repeats 0.9 of the step before.

# %%
rng = np.random.default_rng(0)
W0 = rng.normal(scale=1 / 280, size=(784, H))
W1 = rng.normal(scale=1 / 280, size=(H, 784))
step0, step1 = np.zeros_like(W0), np.zeros_like(W1)
LEARNING_RATE, STEPS = 0.02, 300


def gradients(W0: np.ndarray, W1: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The output, and the gradients of the half squared error."""
    code = dense_forward(x, W0, 0)
    output = dense_forward(code, W1, 0)
    dcode, dW1, _ = dense_backward(half_squared_error_backward(output, x), code, W1)
    _, dW0, _ = dense_backward(dcode, x, W0)
    return output, dW0, dW1


excess = []  # how much larger the error is than that of PCA
for _ in range(STEPS):
    output, dW0, dW1 = gradients(W0, W1)
    excess.append(mse(output, x) / pca_mse - 1)
    step0, step1 = 0.9 * step0 - LEARNING_RATE * dW0, 0.9 * step1 - LEARNING_RATE * dW1
    W0, W1 = W0 + step0, W1 + step1

trained_mse = mse(x @ W0 @ W1, x)
print(f"after {STEPS} steps: mse {trained_mse:.6f}, PCA {pca_mse:.6f}")
assert trained_mse / pca_mse - 1 < 5e-5  # half a unit of the fourth digit, or less
assert min(excess) > 0  # and never better

# %% [markdown]
# The same to four digits. Does it also draw the same? Compare the outputs for test images, and the
# spaces: the *span* of some directions is everything that can be mixed from them, and the 6
# components should have the same span as the 6 rows of W1. (The cosines below are those of the
# angles between the two spaces: 1 if they are one and the same.)

# %%
x_test = X_test - mean
apart = np.abs(x_test @ W0 @ W1 - x_test @ V_h @ V_h.T)
rows, _ = np.linalg.qr(W1.T)  # perpendicular directions with the same span
between = np.linalg.svd(rows.T @ V_h, compute_uv=False)
print(f"outputs for test images differ by {apart.mean():.5f} on average; cosines {between}")
assert apart.mean() < 0.001
assert between.min() > 0.9999

# %% [markdown]
# ## The same space, other numbers
#
# But the weights are not the components. Unit 2 is not component 2. Take any matrix M that has an
# inverse: the weights W0 M and M^-1 W1 give exactly the same outputs, since M M^-1 = 1 in between.
# Nothing in the loss prefers one M to another. So do not look for a meaning in a single unit of a
# linear autoencoder, other than in its space as a whole.

# %%
M = rng.normal(size=(H, H))
other = x_test @ (W0 @ M) @ (np.linalg.inv(M) @ W1)
np.testing.assert_allclose(other, x_test @ W0 @ W1, rtol=0, atol=1e-9)  # rounding
overlaps = np.abs(W1 @ V_h) / np.linalg.norm(W1, axis=1, keepdims=True)
print("cosine of each row of W1 with the component that is most like it:", overlaps.max(1).round(2))
assert overlaps.max(axis=1).min() < 0.9

# %% [markdown]
# ## No bad minima
#
# How did training, which only ever goes downhill, find the best result of all? Could it get
# stuck? Any set of components gives a point where the gradient is zero, for instance 1 to 5
# and 7. But that is not a minimum. It is a *saddle*: turn component 7 a little towards component 6,
# and the error falls. Baldi and Hornik (1989) proved that every point with zero
# gradient, other than the best, is a saddle.

# %%
wrong = V[:, [0, 1, 2, 3, 4, 6]]
_, dW0, dW1 = gradients(wrong, wrong.T)
largest = max(np.abs(dW0).max(), np.abs(dW1).max())
print(f"components 1 to 5 and 7: mse {mse(x @ wrong @ wrong.T, x):.6f}, gradient {largest:.0e}")
assert largest < 1e-12
for angle in (0.1, 0.2):  # radians
    turned = wrong.copy()
    turned[:, 5] = np.cos(angle) * V[:, 6] + np.sin(angle) * V[:, 5]
    print(f"turned by {angle}: mse {mse(x @ turned @ turned.T, x):.6f}")
    assert mse(x @ turned @ turned.T, x) < mse(x @ wrong @ wrong.T, x)

# %% [markdown]
# ## What the sigmoids change
#
# Now real autoencoders, with sigmoids, on 3,000 images. Five code sizes, all trained in the same
# way: 30 epochs, batches of 4, the learning rate falling at the end, the mean image as a start
# ([chapter 11](11_bias_and_mask.py)). Next to them:
#
# - the **mean image**, a code of no numbers. Its error is the variance of the pixels.
# - **PCA**, and PCA with its outputs **clipped** to [0, 1]. This is only fair: PCA draws pixels
#   below 0 and above 1, a sigmoid cannot.
# - the same networks after **one epoch**.
# - the same networks, trained **carelessly**: all biases start at 0, the learning rate is 0.05.

# %%
SIZES = (2, 4, 8, 16, 32)
mean_image, _, V_all = components(X)
mse_of_mean = mse(np.tile(mean_image, (500, 1)), X_test)


def pca(images: np.ndarray, h: int) -> np.ndarray:
    return mean_image + (images - mean_image) @ V_all[:, :h] @ V_all[:, :h].T


bright = mean_image.clip(0.005, 0.995)
good_start = {"b1": np.log(bright / (1 - bright))}
recipe = {"epochs": 30, "batch_size": 4, "random_state": 0}
careful_recipe = recipe | {
    "learning_rate": [0.2] * 20 + [0.04] * 10,
    "initial_parameters": good_start,
}

errors: dict[str, dict[int, float]] = {
    name: {} for name in ("one epoch", "careless", "30 epochs", "PCA", "PCA, clipped")
}
models, dead = {}, {}
for h in SIZES:
    models[h] = Autoencoder(h, **careful_recipe).fit(X, validation_data=X_test)
    careless = Autoencoder(h, learning_rate=0.05, **recipe).fit(X)
    a = careless.encode(X_test)
    dead[h] = int(((a * (1 - a)).mean(axis=0) < 0.01).sum())  # as in chapter 8
    errors["one epoch"][h] = models[h].history_["val_mse"][0]
    errors["careless"][h] = careless.mse(X_test)
    errors["30 epochs"][h] = models[h].mse(X_test)
    errors["PCA"][h] = mse(pca(X_test, h), X_test)
    errors["PCA, clipped"][h] = mse(pca(X_test, h).clip(0, 1), X_test)
print("numbers in the code ", *(f"{h:6}" for h in SIZES))
for name, of in errors.items():
    print(f"{name:20}", *(f"{error:.4f}" for error in of.values()))
print(f"mean image {mse_of_mean:.4f}; dead units after careless training: {dead}")

# %% [markdown]
# ## The picture
#
# Top left: training gets the linear autoencoder as close to PCA as you like. Top right: the first
# six components, and the six rows of W1, which span the same space (red is positive, blue
# negative). Bottom: what autoencoders with sigmoids reach.

# %%
shown = [int(np.flatnonzero(digits.test_labels == digit)[1]) for digit in (0, 2, 4, 5, 8)]
figure = linear_is_pca(excess, V_h.T, W1, errors, mse_of_mean, X_test[shown], models)
save(figure, "14_the_linear_autoencoder_is_pca")

# %% [markdown]
# - From 32 numbers to 2, the error grows more than threefold.
# - With few numbers, PCA is a little better than our autoencoder. With 32, the autoencoder is
#   better than plain PCA: it knows that there is nothing below black. Clip PCA, and it is ahead
#   again, or equal. *These* autoencoders, with 3,000 images and 30 epochs, do not beat a method
#   from 1901. (With all of MNIST and the best recipe that we found, those with biases beat plain
#   PCA at all seven sizes of the paper: see the table in the [README](../README.md).)
# - After one epoch, 32 numbers do *worse* than 16 numbers after 30 epochs. Careless training loses
#   much of what a larger code could bring, through hidden units that died early: a code of 32
#   numbers of which some never change is a smaller code.
#
# So a table of errors against compression ratios measures two things at once: what the code can
# hold, and how good the training was. To separate them, look at the curves (do they still fall?),
# at several seeds (how much do they differ?), and at a mark like PCA.

# %%
careful, plain, clipped = (errors[name] for name in ("30 epochs", "PCA", "PCA, clipped"))
assert careful[2] > 3 * careful[32]
for smaller, larger in pairwise(SIZES):
    assert 1.1 < careful[smaller] / careful[larger] < 2.0
assert all(0.9 < careful[h] / plain[h] < 1.1 for h in SIZES)
assert all(careful[h] > plain[h] for h in (2, 4, 8, 16))
assert careful[32] < 0.98 * plain[32]
assert all(careful[h] > 0.98 * clipped[h] for h in SIZES)
assert errors["one epoch"][32] > 1.1 * careful[16]
assert all(errors["careless"][h] > 1.1 * careful[h] for h in (8, 16, 32))
assert dead[32] >= 5
assert errors["careless"][32] > 0.85 * careful[16]

# %% [markdown]
# ## Exercises
#
# 1. Leave out the mean: the output is x @ V @ V.T for images x that still have their mean. By how
#    much does the error on the training images grow? Can you tell without computing the outputs?
# 2. Get the six components back out of the trained W1. (They have two properties that the rows of
#    W1 lack: they are perpendicular, and the code's numbers do not vary together.)
# 3. Compare the errors on training and test images for all five sizes. Where does it begin to
#    matter that there are only 3,000 images?
#
# Try them before you read on.

# %% [markdown]
# ## Solutions
#
# **1.** The components were made to draw what *differs* between images. What all images share, the
# mean image m, is drawn only as far as it happens to be in their span. The rest of it is missing
# in every output, so the error grows by |m - m V V^T|^2 / 784, exactly: the differences have mean
# 0, and so the mixed terms cancel. This is a linear decoder *without bias*
# ([chapter 11](11_bias_and_mask.py)).

# %%
for h in (2, 32):
    V_few = V_all[:, :h]
    missing = mean_image - mean_image @ V_few @ V_few.T
    grown = mse(X @ V_few @ V_few.T, X) - mse(pca(X, h), X)
    print(f"code size {h:2}: without the mean the error grows by {grown:.4f}")
    assert np.isclose(grown, (missing**2).mean(), rtol=1e-6)

# %% [markdown]
# **2.** `rows`, above, are perpendicular and span the same space. Within it, find the eigenvectors
# of the covariance of the code: a problem of 6 x 6. Each component comes back but for its sign.

# %%
small = (x @ rows).T @ (x @ rows) / len(x)  # (6, 6)
_, rotation = np.linalg.eigh(small)
recovered = rows @ rotation[:, ::-1]
cosines = np.abs((recovered * V_h).sum(axis=0))
print("cosine with the components:", cosines.round(5))
assert cosines.min() > 0.999

# %% [markdown]
# **3.** With the large codes. Up to 8 numbers the two errors agree within some per cent. With 32,
# the network does clearly better on the images that it was trained on: it has 50,992 numbers to
# fit to 3,000 images.

# %%
gap = {h: careful[h] / models[h].mse(X) for h in SIZES}
print("error on test over training images:", {h: round(value, 2) for h, value in gap.items()})
assert gap[8] < 1.06 < gap[32]
assert models[32].network_.parameters.size == 50_992

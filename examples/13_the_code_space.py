# %% [markdown]
# # 13. The two-number code space
#
# Squeeze 784 pixels into *two* numbers. Much is lost, and the reconstructions show it. But two
# numbers are a point in the plane, and so the whole code can be seen at a glance: every digit is a
# place on a map, and every place on the map is a picture.
#
# **At the end you will understand** what it means that two codes are neighbours, what lies between
# two digits, and why a decoder answers everywhere, also where it was never trained.
#
# **You need** [chapter 12](12_looking_inside.py) (what a row of W1 draws).
#
# **This explains**, in the textbook page of the package:
# [`sigmoid_forward`](../ae_numpy/reference.py#sigmoid_forward), which folds the encoder's whole
# plane into a square, and [`dense_forward`](../ae_numpy/reference.py#dense_forward), which makes
# the decoder's map as simple as it is.

# %%
import numpy as np
from tour import save
from tour_pictures_codes import code_space

from ae_numpy import Autoencoder
from ae_numpy.datasets import load_stroke_digits
from ae_numpy.reference import dense_forward, sigmoid_forward

# %% [markdown]
# ## A map of the digits
#
# Two hidden units, trained on 3,000 digits, with the mean image as a start ([chapter
# 11](11_bias_and_mask.py)).

# %%
digits = load_stroke_digits(n_train=3000, n_test=500)
X = digits.train_images.reshape(-1, 784) / 255
X_test = digits.test_images.reshape(-1, 784) / 255
mean_image = X.mean(axis=0)
bright = np.clip(mean_image, 0.005, 0.995)
start = {"b1": np.log(bright / (1 - bright))}

ae = Autoencoder(
    2,
    learning_rate=[0.1] * 40 + [0.02] * 20,
    epochs=60,
    batch_size=4,
    dtype="float64",
    random_state=0,
    initial_parameters=start,
)
ae.fit(X)
codes, codes_test = ae.encode(X), ae.encode(X_test)  # (3000, 2) and (500, 2)

mse_of_mean = float(((mean_image - X_test) ** 2).mean())
print(f"compression ratio {ae.compression_ratio_:g}")
print(f"mse with two numbers {ae.mse(X_test):.4f}, with none (the mean image) {mse_of_mean:.4f}")
assert ae.compression_ratio_ == 392
assert 0.8 < ae.mse(X_test) / mse_of_mean < 0.87

# %% [markdown]
# ## The picture
#
# Top: a walk in nine steps, from the code of a 0 straight to the code of a 1, and what is drawn on
# the way; below it, the plain blend of the two images for comparison. Left: the codes of the test
# images, with those of the classes 0, 1, 4 and 9 marked. Right: what the decoder draws, on a grid
# over the same square, and the walk.

# %%
labels = digits.test_labels


def best_of(digit: int) -> int:
    """The test image of this class that is reconstructed best."""
    errors = np.where(labels == digit, ae.network_.squared_errors(X_test), np.inf)
    return int(errors.argmin())


first, last = best_of(0), best_of(1)
t = np.linspace(0, 1, 9)[:, None]
line = (1 - t) * codes_test[first] + t * codes_test[last]  # (9, 2)
walk = ae.decode(line)  # (9, 784)
blend = (1 - t) * X_test[first] + t * X_test[last]

SIDE = 12
centres = (np.arange(SIDE) + 0.5) / SIDE
places = np.stack(np.meshgrid(centres, centres[::-1]), axis=-1).reshape(-1, 2)  # top row first
figure = code_space(walk, blend, t[:, 0], codes_test, labels, line, ae.decode(places))
save(figure, "13_the_code_space")

# %% [markdown]
# Two numbers take away about a sixth of the error of the mean image. Most of each digit is lost.
#
# The code is what the encoder's sigmoids let through. So it is between 0 and 1 in both
# directions: all the images there are, and all that there could be, fall into one square. Is the
# square used? Cut it into 10 x 10 cells and count the training images in each.

# %%
counts, _, _ = np.histogram2d(*codes.T, bins=10, range=[[0, 1], [0, 1]])
edge_cells = np.ones((10, 10), bool)
edge_cells[1:-1, 1:-1] = False
print(f"images in a cell: median {np.median(counts):g}, most {counts.max():g}, ", end="")
print(f"{(counts == 0).sum()} cells are empty")
print(f"in the rim, 36 cells of 100, are {counts[edge_cells].sum() / counts.sum():.0%} of them")
assert (counts == 0).sum() <= 5
assert counts[edge_cells].sum() > 0.45 * counts.sum()

# %% [markdown]
# It is used up to its corners, and most of all along the rim: where a sigmoid is near 0 or 1.
#
# ## What neighbours have in common
#
# Are neighbours on the map alike? Ask the 15 nearest training images of every test image for their
# label, and take a vote. Chance would be right in 10 % of the cases. In the full space of 784
# pixels the nearest image alone is right in more than 9 cases of 10.


# %%
def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Distance of every row of a to every row of b."""
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    return np.sqrt(np.maximum(squares, 0))


def right_votes(of: np.ndarray, among: np.ndarray, voters: int) -> float:
    nearest = np.argsort(distances(of, among), axis=1)[:, :voters]
    votes = digits.train_labels[nearest]  # (500, voters)
    winners = [np.bincount(row, minlength=10).argmax() for row in votes]
    return float((np.array(winners) == digits.test_labels).mean())


in_code, in_pixels = right_votes(codes_test, codes, 15), right_votes(X_test, X, 1)
print(f"right: chance 10 %, two numbers {in_code:.0%}, 784 pixels {in_pixels:.0%}")
assert 0.3 < in_code < 0.6  # far above chance, far below the pixels
assert in_pixels > 0.9

# %% [markdown]
# So the map keeps a good part of what makes a digit, though nobody mentioned labels. Zeros and ones
# live far apart; fours and nines, which are drawn alike, live together.

# %%
centre = np.array([codes[digits.train_labels == digit].mean(axis=0) for digit in range(10)])
apart_0_1 = float(np.linalg.norm(centre[0] - centre[1]))
apart_4_9 = float(np.linalg.norm(centre[4] - centre[9]))
print(f"middle of the zeros to that of the ones {apart_0_1:.2f}, fours to nines {apart_4_9:.2f}")
assert apart_4_9 < 0.5 * apart_0_1

# %% [markdown]
# But read the map in the right direction. *Similar images get similar codes*, because the encoder
# is smooth: the slope of a sigmoid is at most 1/4, so unit j moves by no more than
#
# $$ |\Delta a_j| \le \tfrac14 \; \|W0_j\| \; \|\Delta x\| $$
#
# The converse does not hold. *Similar codes do not mean similar images*: 784 directions have to
# go into 2, so most changes of an image do not change the code at all. Here are the two test
# images of different classes that come closest to each other on the map.

# %%
W0, W1 = (layer.W for layer in ae.network_.layers)
b0, b1 = (layer.b for layer in ae.network_.layers)
steps_x, steps_a = X_test[1:] - X_test[:-1], np.abs(codes_test[1:] - codes_test[:-1])
limit = np.linalg.norm(W0, axis=0) * np.linalg.norm(steps_x, axis=1)[:, None] / 4
assert (steps_a <= limit).all()

apart = distances(codes_test, codes_test) + 9.0 * (labels[:, None] == labels)
n, m = np.unravel_index(apart.argmin(), apart.shape)
of_images = float(((X_test[n] - X_test[m]) ** 2).mean())
of_drawings = float(((ae.reconstruct(X_test[[n]]) - ae.reconstruct(X_test[[m]])) ** 2).mean())
print(f"a {labels[n]} and a {labels[m]} are {apart[n, m]:.4f} apart on the map")
print(f"mse between the images {of_images:.4f}, between their reconstructions {of_drawings:.1e}")
assert of_drawings < of_images / 1000

# %% [markdown]
# The decoder cannot draw them differently: it is given the same two numbers. Whatever the encoder
# does not tell apart is lost for good.
#
# ## What lies between two digits
#
# Walk from one code to another in a straight line, c(t) = (1 - t) c + t c', and decode on the way.
# With one layer the decoder's pre-activations are linear in the code, so they walk straight, too:
#
# $$ z1(t) = c(t) \, W1 + b1 = (1 - t) \, z1(0) + t \, z1(1) $$
#
# The picture at t is the sigmoid of this. So the walk blends the *logits* of two drawings, pixel
# by pixel. It does not move strokes; but neither is it the blend of the two *images*, where one
# shines through the other. And it passes through codes that other digits use, so what it
# draws on the way is like them.


# %%
z1 = dense_forward(line, W1, b1)
np.testing.assert_allclose(z1, (1 - t) * z1[0] + t * z1[-1], rtol=0, atol=1e-9)  # rounding
np.testing.assert_allclose(walk, sigmoid_forward(z1), rtol=0, atol=1e-9)

to_map = distances(line, codes).min(axis=1)
print(f"on the walk, the nearest training code is never farther than {to_map.max():.3f}")
assert to_map.max() < 0.08

# %% [markdown]
# ## Where the decoder was never trained
#
# In the square we found no empty land worth mentioning. That is so in two dimensions, and does not
# last. Take 28 hidden units, and choose codes at random in [0, 1]^28. Compare them with the codes
# of test images: how far is it to the nearest training code? And how far is it from what the
# decoder draws there, to the nearest training image?

# %%
wide = Autoencoder(
    28,
    learning_rate=[0.2] * 8 + [0.04] * 4,
    epochs=12,
    batch_size=4,
    random_state=0,
    initial_parameters=start,
)
wide.fit(X)
rng = np.random.default_rng(0)
farther = {}
for model in (ae, wide):
    trained_codes, real = model.encode(X), model.encode(X_test)
    random = rng.random(real.shape)
    to_code = [float(np.median(distances(c, trained_codes).min(axis=1))) for c in (real, random)]
    to_image = [
        float((distances(model.decode(c), X).min(axis=1) ** 2).mean() / 784) for c in (real, random)
    ]
    farther[model.code_size_] = to_code[1] / to_code[0], to_image[1] / to_image[0]
    print(
        f"{model.code_size_} numbers: to the nearest code {to_code[0]:.3f}, random {to_code[1]:.3f}"
    )
    print(f"   from the drawing to the nearest image {to_image[0]:.4f}, random {to_image[1]:.4f}")

assert farther[2][1] < 1.2  # in the square, random codes draw what digits draw
assert farther[28][0] > 1.25
assert farther[28][1] > 1.25

# %% [markdown]
# With 28 numbers a random code is far from every code that the decoder was trained with. The
# decoder draws something there as well, but it is less of a digit. Nothing in the loss depends on
# such a place: J is a sum over training images alone. An autoencoder learns to *reconstruct*. To
# *invent* digits, it would have to be trained so that its codes fill their space.

# %% [markdown]
# ## Exercises
#
# 1. Change an image so that its code does *not* change: take random noise, and remove from it what
#    the two columns of W0 can see. How large may the change be?
# 2. Decode the code of an image, and encode the drawing again. Do you come back to the same code?
#    Must you?
# 3. The decoder takes any two numbers, also (-0.5, 1.5). What does it draw there? Can the encoder
#    ever give this code?
# 4. Is the mean image on the map? Encode it, decode the code, and compare with the decoded mean
#    of all codes.
#
# Try them before you read on.

# %% [markdown]
# ## Solutions
#
# **1.** As large as you like. A change that is perpendicular to both columns of W0 adds nothing to
# either z. (`lstsq` finds what the columns can see of the noise; the rest is invisible.)

# %%
noise = rng.normal(size=784)
noise -= W0 @ np.linalg.lstsq(W0, noise, rcond=None)[0]
changed = X_test[first] + noise
z_before, z_after = (dense_forward(x[None], W0, b0) for x in (X_test[first], changed))
difference = np.abs(z_after - z_before).max()
print(f"pixels moved by {np.abs(noise).mean():.2f} on average, z by at most {difference:.0e}")
assert np.abs(noise).mean() > 0.5
np.testing.assert_allclose(z_after, z_before, rtol=0, atol=1e-9)

# %% [markdown]
# **2.** Not exactly: the drawing is not the image, so its code is another one. Training wants x' to
# be near x, and nothing else. But near x means near its code, since the encoder is smooth: you
# come back into the neighbourhood.

# %%
again = ae.encode(ae.decode(codes_test))
moved = np.linalg.norm(again - codes_test, axis=1)
strangers = np.linalg.norm(codes_test[1:] - codes_test[:-1], axis=1)
print(f"moved by {moved.mean():.3f}; two images are {strangers.mean():.3f} apart on average")
assert moved.min() > 0
assert moved.mean() < 0.4 * strangers.mean()

# %% [markdown]
# **3.** Something harder, with less grey than in the corner of the square: z1 goes on growing in
# the same direction. The encoder cannot give this code, because a sigmoid stays within (0, 1). The
# package would warn; so we go through the textbook page here.

# %%
corner_code = np.array([[0.0, 1.0], [-0.5, 1.5]])
z_inside, z_outside = dense_forward(corner_code, W1, b1)
grey = [float((a * (1 - a)).mean()) for a in map(sigmoid_forward, (z_inside, z_outside))]
print(f"greyness a (1 - a): {grey[0]:.3f} in the corner (0, 1), {grey[1]:.3f} beyond it")
assert grey[1] < grey[0]
assert 0 < codes.min() < codes.max() < 1

# %% [markdown]
# **4.** Nearly. The mean image has a code like every image, and what is drawn from it is close to
# the mean image. But the code *of the mean* is not the *mean of the codes*, for the encoder is not
# linear.

# %%
code_of_mean, mean_of_codes = ae.encode(mean_image[None])[0], codes.mean(axis=0)
error = float(((ae.decode(code_of_mean[None]) - mean_image) ** 2).mean())
print(f"code of the mean {code_of_mean.round(3)}, mean of the codes {mean_of_codes.round(3)}")
print(f"mse between the mean image and what is drawn from its code: {error:.4f}")
assert error < 0.1 * mse_of_mean
assert np.abs(code_of_mean - mean_of_codes).max() > 1e-3

"""Stroke digits: a stand-in for MNIST that is drawn, not downloaded.

Ten digits in several ways of writing each, varied at random and drawn with a round pen, then
normalised as MNIST was: fitted into 20x20 pixels, centred by mass in 28x28. A model trained on
them meets a task of MNIST's size and difficulty. The glyphs are in `glyphs.toml`, their
variation in `handwriting`; here is the ink.
"""

import numpy as np
from numpy.typing import NDArray

from ae_numpy.datasets.digits import Digits
from ae_numpy.datasets.handwriting import Paths, n_uniform, write
from ae_numpy.validation import checked_integer

Images = NDArray[np.uint8]

SIDE = 28  # of an image, in pixels
BOX = 20  # the longer side of a digit, in pixels

# Images drawn side by side: enough to amortise NumPy's calls, few enough to stay in the cache.
BATCH = 128


def load_stroke_digits(n_train: int = 60_000, n_test: int = 10_000, *, seed: int = 0) -> Digits:
    """Draw the stroke digits.

    The classes come in random order, each image's class as likely as the others. Training and
    test set are independent, and image k of either depends on the seed alone: a smaller set is
    the beginning of a larger one, and takes proportionally less time.

    Parameters
    ----------
    n_train, n_test : int
        Number of training and of test images, 0 or more.
    seed : int
        0 or more. The same seed gives the same images, bit for bit.

    Returns
    -------
    Digits
        uint8 images of shape ``(n_train, 28, 28)`` and ``(n_test, 28, 28)`` with their labels,
        and the name ``"stroke-digits"``.

    Raises
    ------
    TypeError
        If an argument is not an integer.
    ValueError
        If an argument is negative.

    Notes
    -----
    They are about as hard as MNIST. The nearest of 5,000 training images has the right label for
    94 % of 2,000 test images (MNIST: 91 % to 93 %), and a centred PCA's test error is within 4 %
    of MNIST's at 2 to 112 components.

    Examples
    --------
    >>> digits = load_stroke_digits(1000, 200, seed=0)
    >>> digits.train_images.shape, digits.train_images.dtype, digits.train_images.max()
    ((1000, 28, 28), dtype('uint8'), np.uint8(255))
    >>> digits.train_labels[:10]
    array([9, 0, 7, 3, 1, 5, 8, 8, 5, 3], dtype=uint8)
    """
    n_train = checked_integer(n_train, "n_train", 0)
    n_test = checked_integer(n_test, "n_test", 0)
    seed = checked_integer(seed, "seed", 0)
    train_seed, test_seed = np.random.SeedSequence(seed).spawn(2)
    return Digits(*_draw(n_train, train_seed), *_draw(n_test, test_seed), name="stroke-digits")


def _draw(n_images: int, seed: np.random.SeedSequence) -> tuple[Images, Images]:
    """Return n images, (n, 28, 28), and their labels, (n,)."""
    rng = np.random.Generator(np.random.PCG64(seed))  # named, because NumPy's default may change
    images = np.empty((n_images, SIDE, SIDE), dtype=np.uint8)
    labels = np.empty(n_images, dtype=np.uint8)
    for start in range(0, n_images, BATCH):
        batch = slice(start, min(start + BATCH, n_images))
        # One row of numbers an image, whatever the batch: what makes a set a beginning of another.
        uniform = rng.random((batch.stop - batch.start, n_uniform()))
        labels[batch], paths = write(uniform)
        images[batch] = _centre(_ink(_fit(paths)))
    return images, labels


def _fit(paths: Paths) -> Paths:
    """Scale the paths so that the ink fills a BOX x BOX square, keeping the aspect ratio."""
    x, y, radius = paths
    left, right = (x - radius).min(axis=1), (x + radius).max(axis=1)
    top, bottom = (y - radius).min(axis=1), (y + radius).max(axis=1)
    scale = (BOX / np.maximum(right - left, bottom - top))[:, None]
    middle_x, middle_y = (left + right)[:, None] / 2, (top + bottom)[:, None] / 2
    return Paths((x - middle_x) * scale + BOX / 2, (y - middle_y) * scale + BOX / 2, radius * scale)


def _ink(paths: Paths) -> Images:
    """Draw paths as grey levels, (BOX, BOX, B), stamping a disc at every point.

    With d the distance of a pixel to the nearest point and r the pen's radius there, coverage is
    r + 1/2 - d, held to [0, 1]: an edge one pixel wide. Squared distances are a sum of a column's
    part and a row's part, so each stamp costs one addition and one minimum a pixel. The radius
    changes along the path: min(d^2 - r^2) + mean(r)^2 takes the place of d^2, and mean(r) of r.
    """
    # (P, B) each: with images along the last axis every operation runs over contiguous memory.
    x, y, radius = (np.ascontiguousarray(part.T, dtype=np.float32) for part in paths)
    pixel = np.arange(BOX, dtype=np.float32)[:, None] + np.float32(0.5)
    power = np.full((BOX, BOX, x.shape[1]), np.inf, dtype=np.float32)
    stamp = np.empty_like(power)
    for x_k, y_k, radius_k in zip(x, y, radius, strict=True):
        across, down = pixel - x_k, pixel - y_k  # (BOX, B)
        across *= across
        down *= down
        down -= radius_k * radius_k
        np.add(down[:, None], across, out=stamp)
        np.minimum(power, stamp, out=power)
    pen = sum(radius) / np.float32(len(radius))  # row by row: `mean` may reorder
    distance = np.sqrt(np.maximum(power + pen * pen, 0))
    coverage = np.clip(pen + np.float32(0.5) - distance, 0, 1)
    grey: Images = np.rint(255 * coverage).astype(np.uint8)
    return grey


def _centre(grey: Images) -> Images:
    """Place drawings, (BOX, BOX, B), with their centre of mass in the middle of (B, 28, 28)."""
    n_images = grey.shape[2]
    top, left = _margin(grey.sum(axis=1)), _margin(grey.sum(axis=0))  # (B,)
    side = np.arange(BOX)
    row = top[:, None, None] + side[:, None]  # (B, BOX, 1)
    column = left[:, None, None] + side  # (B, 1, BOX)
    images = np.zeros((n_images, SIDE, SIDE), dtype=np.uint8)
    images[np.arange(n_images)[:, None, None], row, column] = np.moveaxis(grey, 2, 0)
    return images


def _margin(mass: NDArray[np.unsignedinteger]) -> NDArray[np.intp]:
    """Return the whole pixels, (B,), before a box of mass (BOX, B) that put its mass mid-image."""
    position = np.arange(BOX)[:, None] + 0.5
    # Sums of half-integers below 2**53 are exact, in any order.
    centre = (position * mass).sum(axis=0) / mass.sum(axis=0)
    margin: NDArray[np.intp] = np.floor(SIDE / 2 - centre + 0.5).astype(np.intp)
    # One digit in some thousands is so lopsided that it would leave the image: it stops short.
    return np.clip(margin, 0, SIDE - BOX)

"""The images that benchmarks train on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ae_numpy.datasets import DataUnavailableError, load_mnist, load_stroke_digits

DATA = ("mnist", "stroke-digits")
_BACKGROUND = 0.01  # the paper's pixels are p / 255 * 0.99 + 0.01
_RUN = 7  # pixels of foreground come in runs: in MNIST's images 6 to 8 together


def digits(name: str | None, n: int) -> tuple[str, NDArray[np.float32]]:
    """Return the first n training images, (n, 784), and what they are.

    Parameters
    ----------
    name : {"mnist", "stroke-digits"} or None
        None takes MNIST if a copy is found, and does not download one.
    n : int
    """
    if name is None:
        try:
            return digits("mnist", n)
        except DataUnavailableError:
            return digits("stroke-digits", n)
    if name == "mnist":
        images = load_mnist(download=False).train_images[:n]
    else:
        images = load_stroke_digits(n, 1).train_images
    x = images.reshape(len(images), -1) / 255 * 0.99 + _BACKGROUND
    share = np.mean(images == 0)
    return f"{name}, {share:.0%} of the pixels background", x.astype(np.float32)


def made_up(n: int, width: int, *, background: bool) -> NDArray[np.float32]:
    """Return n images of any width: noise, of which background covers 80 % or nothing.

    Parameters
    ----------
    n, width : int
    background : bool

    Returns
    -------
    float32 array, shape (n, width)
    """
    rng = np.random.default_rng(0)
    x = rng.random((n, width), np.float32)
    if background:
        runs = rng.random((n, width // _RUN + 1)) < 0.8
        x[np.repeat(runs, _RUN, axis=1)[:, :width]] = _BACKGROUND
    return x

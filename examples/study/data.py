"""The images: where they come from, and the scale in which they are trained on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Self

import numpy as np

from ae_numpy.datasets import Digits, load_idx_digits, load_mnist, load_stroke_digits
from ae_numpy.datasets.idx import idx_sha256
from ae_numpy.datasets.mnist import SHA256, TRAIN_IMAGES

N_TRAIN, N_TEST = 60_000, 10_000
TITLES = {"mnist": "MNIST", "stroke-digits": "stroke digits (not MNIST)"}
N_CLASSES = 10  # as many as the figures have room for


@dataclass(frozen=True)
class DataSource:
    """Where the images come from: small enough to be sent to a process that loads them."""

    name: str  # "mnist", "stroke-digits", or that of another data set in `directory`
    directory: str | None = None
    n_train: int = N_TRAIN
    n_test: int = N_TEST

    @property
    def title(self) -> str:
        """The human-readable name: results of other data never pass for MNIST's."""
        return TITLES.get(self.name, f"{self.name} (not MNIST)")

    @classmethod
    def of_folder(cls, folder: str, n_train: int, n_test: int) -> Self:
        """Name the data set of four IDX files by its folder; MNIST's files are MNIST anywhere."""
        digits = load_idx_digits(folder)
        if idx_sha256(digits.train_images) == SHA256[TRAIN_IMAGES]:
            return cls("mnist", folder, n_train, n_test)
        highest = max(digits.train_labels.max(), digits.test_labels.max())
        if highest >= N_CLASSES:
            raise ValueError(
                f"{folder}: found the label {highest}, expected labels from 0 to {N_CLASSES - 1}"
            )
        name = f"folder {digits.name}" if digits.name in TITLES else digits.name
        n_train = min(n_train, len(digits.train_images))
        return cls(name, folder, n_train, min(n_test, len(digits.test_images)))

    def load(self) -> Digits:
        """Load the digits, the first `n_train` and `n_test` of them."""
        if self.name == "mnist":
            digits = load_mnist(self.directory)
        elif self.name == "stroke-digits":
            digits = load_stroke_digits(self.n_train, self.n_test)
        else:
            digits = replace(load_idx_digits(self.directory), name=self.name)
        train, test = slice(self.n_train), slice(self.n_test)
        return Digits(
            digits.train_images[train],
            digits.train_labels[train],
            digits.test_images[test],
            digits.test_labels[test],
            name=digits.name,
        )

    def describe(self) -> dict[str, Any]:
        """Return what identifies the data: names, sizes, SHA-256 of the content."""
        digest = SHA256 if self.name == "mnist" else _sha256(self.load())
        return {
            "name": self.name,
            "title": self.title,
            "n_train": self.n_train,
            "n_test": self.n_test,
            "sha256": dict(digest),
        }


def _sha256(digits: Digits) -> dict[str, str]:
    names = ("train_images", "train_labels", "test_images", "test_labels")
    return {name: hashlib.sha256(getattr(digits, name).tobytes()).hexdigest() for name in names}


def pixels(images: np.ndarray) -> np.ndarray:
    """Scale grey levels to the paper's pixels, ``x = p / 255 * 0.99 + 0.01``.

    Parameters
    ----------
    images : uint8 array, shape (N, 28, 28)

    Returns
    -------
    float32 array, shape (N, 784)
    """
    x = images.reshape(len(images), -1).astype(np.float32)
    x *= 0.99 / 255
    x += 0.01
    return x


@lru_cache(maxsize=1)
def training_and_test_pixels(source: DataSource) -> tuple[np.ndarray, np.ndarray]:
    """Load the images of a source as pixels, once in a process.

    Returns
    -------
    float32 arrays, shapes (n_train, 784) and (n_test, 784)
    """
    digits = source.load()
    return pixels(digits.train_images), pixels(digits.test_images)

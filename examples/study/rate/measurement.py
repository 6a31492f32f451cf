"""What is measured: how many bytes images take, how far they are off, how many can be read."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import Any

import numpy as np

from ae_numpy.codec import stream
from ae_numpy.codec.tables import Symbols, Tables
from ae_numpy.datasets import Digits
from study.rate.classifier import Classifier
from study.rate.grid import Grid

Measured = dict[str, Any]
"""A measured setting, as JSON: see `Bench.measure`."""


@dataclass(frozen=True)
class Bench:
    """What all measurements share: the grid, the digits and who reads them."""

    grid: Grid
    digits: Digits
    classifier: Classifier

    def measure(self, rebuilt: np.ndarray) -> Measured:
        """Compare images with the first test images.

        Parameters
        ----------
        rebuilt : uint8 array, shape (N, 28, 28)

        Returns
        -------
        dict
            ``mse``, with pixels from 0 to 1; ``mse_sd``, the standard deviation of the images'
            errors; ``accuracy``, the share that the classifier reads; ``n_images``; ``sample``, the
            images of `first_of_each` in base64.
        """
        n = len(rebuilt)
        images, labels = self.digits.test_images[:n], self.digits.test_labels[:n]
        difference = (rebuilt.astype(np.float64) - images) / 255
        squares = (difference**2).mean(axis=(1, 2))  # (N,)
        shown = [k for k in first_of_each(self.digits.test_labels) if k < n]
        return {
            "n_images": n,
            "mse": float(squares.mean()),
            "mse_sd": float(squares.std()),
            "accuracy": float((self.classifier.read(rebuilt) == labels).mean()),
            "sample": b64encode(rebuilt[shown].tobytes()).decode(),
        }


def first_of_each(labels: np.ndarray) -> list[int]:
    """Return which images are the first of each digit that there is, in their order."""
    return [int(np.flatnonzero(labels == digit)[0]) for digit in np.unique(labels)]


def coded_bytes(tables: Tables, symbols: Symbols) -> int:
    """Count the bytes of images in the package's stream, head and checksums included.

    Parameters
    ----------
    tables : Tables
    symbols : uint8 array, shape (N, n_units)

    Returns
    -------
    int
        As long as what `Codec.compress` returns.
    """
    rows = stream.blocks_of(len(symbols))
    blocks = [tables.encode(symbols[of_block]) for of_block in rows]
    shape, fingerprint = (len(symbols), 28, 28), bytes(stream.FINGERPRINT_BYTES)
    return len(stream.pack(fingerprint, np.dtype(np.uint8), shape, blocks))


def table_bytes(tables: Tables) -> int:
    """Count the bytes of the counts, which the decoder must have."""
    return tables.counts.nbytes + tables.sizes.nbytes

"""Principal components at their best, under the coder of the autoencoders' codes.

One quantiser step serves all components: that is optimal at high rates, and drops by itself the
components that vary less than the step. A cell of the quantiser is decoded to the mean of the
training images in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ae_numpy.codec.tables import MAX_LEVELS, Tables
from study.rate.classifier import unit_pixels
from study.rate.measurement import Bench, Measured, coded_bytes, table_bytes


@dataclass(frozen=True)
class Components:
    """The mean of the training images, and their principal components as columns."""

    mean: np.ndarray  # (I,)
    V: np.ndarray  # (I, I), the component of most variance first

    @classmethod
    def of(cls, images: np.ndarray) -> Self:
        """Find them from the covariance of the pixels."""
        X = unit_pixels(images)
        mean = X.mean(axis=0, dtype=np.float64)
        X -= mean.astype(np.float32)
        _, V = np.linalg.eigh((X.T @ X).astype(np.float64))
        return cls(mean, V[:, ::-1])

    def project(self, images: np.ndarray) -> np.ndarray:
        """Return the coordinates of images, shape (N, I), float32."""
        X = unit_pixels(images)
        return (X - self.mean.astype(np.float32)) @ self.V.astype(np.float32)

    def rebuild(self, coordinates: np.ndarray, kept: np.ndarray) -> np.ndarray:
        """Return the images of the coordinates of the components that are kept."""
        X = np.clip(self.mean + coordinates @ self.V[:, kept].T, 0, 1)
        return np.rint(255 * X).astype(np.uint8).reshape(-1, 28, 28)


@dataclass(frozen=True)
class Quantiser:
    """Cells of one width along all components that take more than one cell.

    Parameters
    ----------
    step : float
    kept : integer array, shape (K,)
        Which components.
    lowest : integer array, shape (K,)
        The first cell of each.
    centres : array, shape (K, levels)
        The mean of the training images in each cell.
    """

    step: float
    kept: np.ndarray
    lowest: np.ndarray
    centres: np.ndarray

    @classmethod
    def fit(cls, coordinates: np.ndarray, step: float) -> Self:
        """Lay cells over the coordinates of the training images, shape (N, I)."""
        cells = np.rint(coordinates / step)
        lowest, highest = cells.min(axis=0), cells.max(axis=0)
        kept = np.flatnonzero(highest > lowest)
        levels = int((highest - lowest).max()) + 1
        if levels > MAX_LEVELS:
            raise ValueError(f"step must make at most {MAX_LEVELS} cells, got {step} for {levels}")
        lowest = lowest[kept].astype(int)
        plain = float(step) * (lowest[:, np.newaxis] + np.arange(levels))  # (K, levels)
        quantiser = cls(step, kept, lowest, plain)
        for unit, symbols in enumerate(quantiser.symbols(coordinates).T):
            sums = np.bincount(symbols, coordinates[:, kept[unit]], levels)
            counts = np.bincount(symbols, minlength=levels)
            np.divide(sums, counts, out=plain[unit], where=counts > 0)
        return quantiser

    def symbols(self, coordinates: np.ndarray) -> np.ndarray:
        """Return the number of each kept coordinate's cell; the outermost cells have no end."""
        cells = np.rint(coordinates[:, self.kept] / self.step) - self.lowest
        return np.clip(cells, 0, self.centres.shape[1] - 1).astype(np.uint8)

    def coordinates(self, symbols: np.ndarray) -> np.ndarray:
        """Return what the cells are decoded to, shape (N, K)."""
        return np.take_along_axis(self.centres, symbols.T.astype(int), axis=1).T


def measure(bench: Bench) -> Iterator[Measured]:
    """Measure PCA at all steps, with all contexts."""
    train, test = bench.digits.train_images, bench.digits.test_images
    components = Components.of(train)
    coordinates = [components.project(images) for images in (train, test)]
    for step in bench.grid.steps:
        quantiser = Quantiser.fit(coordinates[0], step)
        of_train, of_test = (quantiser.symbols(each) for each in coordinates)
        rebuilt = components.rebuild(quantiser.coordinates(of_test), quantiser.kept)
        seen = bench.measure(rebuilt)
        levels, n_kept = quantiser.centres.shape[1], len(quantiser.kept)
        for contexts in bench.grid.contexts:
            tables = possible(Tables.fit(of_train, levels, contexts))
            numbers = 784 * (n_kept + 1) + quantiser.centres.size
            yield {
                "method": "PCA",
                "setting": f"step={step:g} components={n_kept} contexts={contexts}",
                "bytes_per_image": coded_bytes(tables, of_test) / len(of_test),
                "decoder_bytes": 4 * numbers + table_bytes(tables),
                **seen,
            }


def possible(tables: Tables) -> Tables:
    """Make cells that a component never reaches cost next to nothing.

    All components have as many symbols as the widest, where the units of an autoencoder take all
    of theirs; PCA shall not pay for that.
    """
    reached = tables.counts.sum(axis=0) > len(tables.counts)  # each count is 1 or more
    return Tables(np.where(reached, 64 * tables.counts, 1).astype(np.uint32), tables.sizes)

"""What needs no training: the mean image, and principal components (PCA).

Reference lines for the trained models. They are not bounds: PCA is the best that a code of this
size and a *linear* decoder can do on the training images, and these decoders end in a
sigmoid.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

CHUNK = 4096  # images: 26 MB as 784 float64 each, so that the 60,000 are never copied at once


@dataclass(frozen=True)
class Baselines:
    """Test errors of models fitted to the training images in closed form.

    Parameters
    ----------
    mean_image : float
        Mean squared error if every test image is replaced by the mean training image.
    mean_image_per_class : list of float
        The same over the test images of each digit: how far they are from the mean image. NaN for
        a digit without test images.
    pca, pca_uncentred : dict
        Mean squared error of the best linear code, by compression ratio: with and
        without the mean image subtracted first.
    """

    mean_image: float
    mean_image_per_class: list[float]
    pca: dict[int, float]
    pca_uncentred: dict[int, float]

    @classmethod
    def from_json(cls, content: dict) -> Baselines:
        """Read what JSON holds; its keys are strings."""
        by_ratio = {
            name: {int(ratio): mse for ratio, mse in content[name].items()}
            for name in ("pca", "pca_uncentred")
        }
        return cls(**{**content, **by_ratio})


def fit_baselines(
    train_pixels: np.ndarray,
    test_pixels: np.ndarray,
    test_labels: np.ndarray,
    hidden_units: Mapping[int, int],
) -> Baselines:
    """Fit the mean image and the principal components, and measure both on the test images.

    Parameters
    ----------
    train_pixels : float array, shape (N, I)
    test_pixels : float array, shape (M, I)
    test_labels : integer array, shape (M,)
    hidden_units : mapping
        Numbers of principal components, by compression ratio.

    Returns
    -------
    Baselines
    """
    mean = train_pixels.mean(axis=0, dtype=np.float64)  # (I,)
    second_moment = np.zeros((mean.size, mean.size))
    for X in _chunks(train_pixels):
        second_moment += X.T @ X
    second_moment /= len(train_pixels)

    energy = np.trace(second_moment)
    centred = _components(second_moment - np.outer(mean, mean), energy)
    uncentred = _components(second_moment, energy)
    squared = np.concatenate([((X - mean) ** 2).mean(axis=1) for X in _chunks(test_pixels)])
    return Baselines(
        mean_image=_rounded(squared.mean()),
        mean_image_per_class=[_rounded(mse) for mse in mean_per_class(squared, test_labels)],
        pca=_errors(test_pixels, mean, centred, hidden_units),
        pca_uncentred=_errors(test_pixels, np.zeros_like(mean), uncentred, hidden_units),
    )


def mean_per_class(values: np.ndarray, labels: np.ndarray) -> list[float]:
    """Return the mean of the values over each digit's images; NaN for a digit without images."""
    by_digit = (values[labels == digit] for digit in range(10))
    return [float(own.mean(dtype=np.float64)) if own.size else float("nan") for own in by_digit]


def _chunks(pixels: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the images in float64, a chunk at a time."""
    for start in range(0, len(pixels), CHUNK):
        yield pixels[start : start + CHUNK].astype(np.float64)


def _components(moment: np.ndarray, energy: float) -> np.ndarray:
    """Return the eigenvectors of a moment matrix as columns, largest eigenvalue first.

    K training images determine only K of them: the rest are rounding, whose directions are an
    accident of the eigensolver and would explain test images by luck.
    """
    values, vectors = np.linalg.eigh(moment)
    return vectors[:, values > 1e-10 * energy][:, ::-1]


def _errors(
    pixels: np.ndarray, mean: np.ndarray, components: np.ndarray, hidden_units: Mapping[int, int]
) -> dict[int, float]:
    """Return the mean squared error of the first h components, by compression ratio.

    The error is what the projection on an orthonormal basis leaves of ||x||^2, so the images need
    not be rebuilt.
    """
    V = components[:, : max(hidden_units.values())]  # (I, H)
    total, explained = 0.0, np.zeros(V.shape[1] + 1)
    for X in _chunks(pixels):
        X -= mean
        total += np.vdot(X, X)
        explained[1:] += ((X @ V) ** 2).sum(axis=0)
    left = total - np.cumsum(explained)  # after 0, 1, 2, ... components
    return {
        ratio: _rounded(left[min(h, V.shape[1])] / pixels.size) for ratio, h in hidden_units.items()
    }


def _rounded(mse: float) -> float:
    """Round to 9 digits: the last of 16 depend on the order in which BLAS's threads add."""
    return float(f"{mse:.9g}")

"""Find images of a kind that the model has never seen, by how badly it reconstructs them.

An autoencoder is trained on nine of the ten digits. ``score_samples`` is minus the error of each
test image: images of the tenth digit should score lower. How well that tells them apart is the area
under the ROC curve, the share of pairs of a known and an unknown image that are in this order: 0.5
by chance, 1 without a mistake. It depends on the digit: a 1 has so little ink that it is
reconstructed better than what the model knows, and its area is below 0.5.

    python examples/anomalies.py [DIGIT]

takes MNIST from the directory that AE_NUMPY_DATA names, or else digits that the package draws, and
writes results/anomalies.png.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
from study.data import DataSource, pixels

from ae_numpy import Autoencoder
from ae_numpy.plots import plot_images

N_TRAIN, N_TEST = 6000, 1000
N_SHOWN = 20


def main(unknown: int = 2, picture: Path = Path("results", "anomalies.png")) -> float:
    """Train without a digit, and look for it; return the area under the ROC curve."""
    name = "mnist" if os.environ.get("AE_NUMPY_DATA") else "stroke-digits"
    source = DataSource(name, None, N_TRAIN, N_TEST)
    digits = source.load()
    known = pixels(digits.train_images[digits.train_labels != unknown])
    ae = Autoencoder(28, batch_size=10, learning_rate=0.5, epochs=15, random_state=0).fit(known)

    scores = ae.score_samples(pixels(digits.test_images))
    is_unknown = digits.test_labels == unknown
    area = roc_area(scores[~is_unknown], scores[is_unknown])
    print(f"{source.title}: a model that knows no {unknown}; area under the ROC curve {area:.3f}")

    strangest = np.argsort(scores)[:N_SHOWN]
    found = int(is_unknown[strangest].sum())
    print(f"  {found} of the {N_SHOWN} test images with the lowest scores are a {unknown}")
    ax = plot_images(digits.test_images[strangest], limits=(0, 255))
    ax.set_title(f"The {N_SHOWN} strangest for a model that knows no {unknown}: {source.title}")
    picture.parent.mkdir(parents=True, exist_ok=True)
    ax.figure.savefig(picture)
    print(f"picture: {picture}")
    return area


def roc_area(usual: np.ndarray, unusual: np.ndarray) -> float:
    """Return the share of pairs in which the unusual one scores lower; a tie counts half."""
    usual = np.sort(usual)
    lower = np.searchsorted(usual, unusual, "left") + np.searchsorted(usual, unusual, "right")
    return float(1 - lower.mean() / (2 * len(usual)))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

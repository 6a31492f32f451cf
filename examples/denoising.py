"""A denoising autoencoder: noise goes in, and the clean image is what the output is compared with.

A network that is trained to repeat noisy images repeats their noise, as far as its code has room.
With ``fit(noisy, target=clean)`` it learns what digits look like instead (Vincent et al.,
Extracting and composing robust features with denoising autoencoders, 2008).

    python examples/denoising.py

takes MNIST from the directory that AE_NUMPY_DATA names, or else digits that the package draws, and
writes results/denoising.png.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from study.data import DataSource, training_and_test_pixels

from ae_numpy import Autoencoder
from ae_numpy.plots import plot_reconstructions

N_TRAIN, N_TEST = 6000, 1000
NOISE = 0.3  # standard deviation, where white is 0 and ink is 1
N_SHOWN = 6


def main(picture: Path = Path("results", "denoising.png")) -> dict[str, float]:
    """Train both models and compare them; return the errors against the clean test images."""
    name = "mnist" if os.environ.get("AE_NUMPY_DATA") else "stroke-digits"
    source = DataSource(name, None, N_TRAIN, N_TEST)
    X, X_test = training_and_test_pixels(source)
    rng = np.random.default_rng(0)
    noisy, noisy_test = add_noise(X, rng), add_noise(X_test, rng)

    print(f"{source.title}: mean squared error against the clean test images")
    images = {
        "noisy": noisy_test,
        "repeating": untrained().fit(noisy).reconstruct(noisy_test),
        "denoising": untrained().fit(noisy, target=X).reconstruct(noisy_test),
    }
    errors = {name: float(np.mean((image - X_test) ** 2)) for name, image in images.items()}
    for name, error in errors.items():
        print(f"  {name:<9} {error:.4f}")

    shown = {name: image[:N_SHOWN] for name, image in images.items()}
    ax = plot_reconstructions(X_test[:N_SHOWN], shown, limits=(0, 1))
    picture.parent.mkdir(parents=True, exist_ok=True)
    ax.figure.savefig(picture)
    print(f"picture: {picture}")
    return errors


def add_noise(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add normal noise to pixels, and cut off what leaves the interval from 0 to 1."""
    return np.clip(x + NOISE * rng.standard_normal(x.shape, np.float32), 0, 1)


def untrained() -> Autoencoder:
    """A network with a code of 128 numbers: enough room for noise, too."""
    return Autoencoder(128, batch_size=10, learning_rate=0.5, epochs=15, random_state=0)


if __name__ == "__main__":
    main()

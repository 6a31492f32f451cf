"""What "legible" means in numbers: a classifier that was trained on originals reads digits."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from ae_numpy.datasets import Digits
from study.files import write

_HIDDEN_UNITS, _EPOCHS = 128, 12


class Classifier(NamedTuple):
    """A network of one hidden layer of rectifiers, as scikit-learn trains it."""

    W0: np.ndarray
    b0: np.ndarray
    W1: np.ndarray
    b1: np.ndarray

    @classmethod
    def trained_on(cls, digits: Digits) -> Self:
        """Train on the training images; the same digits give the same classifier."""
        try:
            from sklearn.exceptions import ConvergenceWarning
            from sklearn.neural_network import MLPClassifier
        except ImportError as error:
            raise ImportError("no scikit-learn: pip install 'ae_numpy[bench]'") from error
        model = MLPClassifier((_HIDDEN_UNITS,), max_iter=_EPOCHS, random_state=0)
        with warnings.catch_warnings():
            # It warns that more epochs would lower the training loss: more than is needed here.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(unit_pixels(digits.train_images), digits.train_labels)
        (W0, W1), (b0, b1) = model.coefs_, model.intercepts_
        return cls(W0, b0, W1, b1)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` has written."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(**arrays)

    def save(self, path: Path) -> None:
        """Write it to an .npz file."""
        file = io.BytesIO()
        np.savez(file, **self._asdict())
        write(path, file.getvalue())

    def read(self, images: np.ndarray) -> np.ndarray:
        """Return the label that each image looks like.

        Parameters
        ----------
        images : uint8 array, shape (N, 28, 28)

        Returns
        -------
        integer array, shape (N,)
        """
        hidden = np.maximum(unit_pixels(images) @ self.W0 + self.b0, 0)  # (N, H)
        return (hidden @ self.W1 + self.b1).argmax(axis=1)


def unit_pixels(images: np.ndarray) -> np.ndarray:
    """Scale grey levels to pixels from 0 to 1, as the package's codec does: not the paper's."""
    return images.reshape(len(images), -1) / np.float32(255)

"""The type every loader of 28x28 digits returns.

One frozen record of four arrays and a name. It holds images as they were stored, grey levels 0-255;
scaling them to a model's input range is left to whoever trains on them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Digits:
    """Digit images and their labels, split into a training and a test set.

    Parameters
    ----------
    train_images : uint8 array, shape (N, 28, 28)
        Grey levels, 0 is background and 255 full ink.
    train_labels : uint8 array, shape (N,)
        What each image shows: for digits, 0 to 9.
    test_images : uint8 array, shape (M, 28, 28)
        As ``train_images``, for the test set.
    test_labels : uint8 array, shape (M,)
        As ``train_labels``, for the test set.
    name : str
        Which data set this is, for figures and result files.

    Raises
    ------
    TypeError
        If an array is not uint8.
    ValueError
        If images are not ``(N, 28, 28)`` or labels not ``(N,)`` with the same N.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.zeros((3, 28, 28), dtype=np.uint8)  # (N, 28, 28)
    >>> labels = np.array([5, 0, 4], dtype=np.uint8)  # (N,)
    >>> digits = Digits(images, labels, images[:1], labels[:1], name="blank")
    >>> digits.train_images.shape, digits.test_labels.shape
    ((3, 28, 28), (1,))
    """

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.uint8]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]
    name: str

    def __post_init__(self) -> None:
        """Check dtypes and shapes; the contents are not looked at."""
        for split in ("train", "test"):
            images, labels = getattr(self, f"{split}_images"), getattr(self, f"{split}_labels")
            for array, kind in ((images, "images"), (labels, "labels")):
                given = getattr(array, "dtype", type(array).__name__)
                if not isinstance(array, np.ndarray) or given != np.uint8:
                    raise TypeError(f"{split}_{kind} must be a uint8 array, got {given}")
            if images.ndim != 3 or images.shape[1:] != (28, 28):
                raise ValueError(f"{split}_images must have shape (N, 28, 28), got {images.shape}")
            if labels.shape != images.shape[:1]:
                expected = f"({len(images)},), one label per image"
                raise ValueError(f"{split}_labels must have shape {expected}, got {labels.shape}")

"""Data sets of handwritten digits, as images of 28 x 28 grey levels."""

from ae_numpy.datasets.digits import Digits
from ae_numpy.datasets.download import DataUnavailableError
from ae_numpy.datasets.folder import load_idx_digits
from ae_numpy.datasets.idx import read_idx
from ae_numpy.datasets.mnist import load_mnist
from ae_numpy.datasets.stroke_digits import load_stroke_digits

__all__ = [
    "DataUnavailableError",
    "Digits",
    "load_idx_digits",
    "load_mnist",
    "load_stroke_digits",
    "read_idx",
]

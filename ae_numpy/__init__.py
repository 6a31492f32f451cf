"""Autoencoders from first principles: hand-written backpropagation in NumPy and Numba.

Read `reference` for the mathematics, use `Autoencoder` for the work.
"""

from ae_numpy.autoencoder import Autoencoder
from ae_numpy.network import Network

__all__ = ["Autoencoder", "Network"]
__version__ = "0.1.0"

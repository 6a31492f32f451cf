"""Autoencoders from first principles: hand-written backpropagation in NumPy and Numba."""

__version__ = "0.1.0"

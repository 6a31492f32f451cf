"""Data sets of handwritten digits, as images of 28 x 28 grey levels."""

"""What the paper published: sizes, Table 1, and the claims of its text.

H. R. S. Andrabi, "High-ratio image compression: an exploration of autoencoder hyperparameter
selection to minimise reconstruction error". Fourteen autoencoders, 784-h-784: seven sizes of the
code, each with and without trained biases.
"""

from __future__ import annotations

HIDDEN_UNITS = {392: 2, 196: 4, 98: 8, 56: 14, 28: 28, 14: 56, 7: 112}
"""Units of the hidden layer, by compression ratio."""

RATIOS = tuple(HIDDEN_UNITS)
"""Compression ratios, the highest first, as in Table 1."""

EPOCHS = 50

TABLE_1 = {
    (392, False): 0.0621,
    (392, True): 0.0624,
    (196, False): 0.0547,
    (196, True): 0.0548,
    (98, False): 0.0516,
    (98, True): 0.0551,
    (56, False): 0.0488,
    (56, True): 0.0463,
    (28, False): 0.0395,
    (28, True): 0.0446,
    (14, False): 0.0160,
    (14, True): 0.0208,
    (7, False): 0.0138,
    (7, True): 0.0085,
}
"""The paper's mean squared errors, by compression ratio and bias."""

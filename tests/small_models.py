"""Small models that train quickly, and samples for them."""

from __future__ import annotations

import numpy as np

from ae_numpy import Autoencoder

X = np.random.default_rng(0).random((23, 6))
X_TEST = np.random.default_rng(1).random((9, 6))


def make(**settings) -> Autoencoder:
    """An estimator with these settings, the others small; NumPy unless the engine matters."""
    small = {
        "hidden_layer_sizes": 3,
        "learning_rate": 0.5,
        "epochs": 3,
        "random_state": 0,
        "engine": "numpy",
    }
    return Autoencoder(**(small | settings))


def parameters(model) -> np.ndarray:
    """A copy of what a fitted model has learned."""
    return model.network_.parameters.copy()

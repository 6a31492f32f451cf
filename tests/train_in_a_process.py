"""A training in a process of its own, to be interrupted: what `test_long_training` runs.

Its arguments are a checkpoint file, the settings as JSON and a number of samples. It says when it
trains, and, once it is interrupted, when that reached it and what its estimator is worth.
"""

import json
import sys
import time

import numpy as np

from ae_numpy import Autoencoder
from ae_numpy.storage import checkpoint


def samples(n_samples: int) -> np.ndarray:
    """Noise on a background, of the size and the sparsity of handwritten digits."""
    rng = np.random.default_rng(0)
    X = rng.random((n_samples, 784), dtype=np.float32)
    X[rng.random(X.shape, dtype=np.float32) < 0.8] = 0.01
    return X


def main() -> None:
    path, settings, n_samples = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
    checkpoint._SECONDS_BETWEEN_WRITES = 0.02  # nobody has time for five seconds
    X = samples(n_samples)
    Autoencoder(**settings | {"epochs": 1}).fit(X[:50])  # compile
    model = Autoencoder(**settings)
    print("trains", flush=True)
    try:
        model.fit(X, checkpoint=path)
    except KeyboardInterrupt:
        print(time.monotonic(), model.n_iter_, float(model.mse(X[:100])), flush=True)


if __name__ == "__main__":
    main()

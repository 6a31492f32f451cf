"""What a training tells the person who waits for it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ae_numpy.autoencoder import Autoencoder


def report_epoch(model: Autoencoder) -> None:
    """Write one line about the last epoch to the standard error stream: a callback of `fit`."""
    history, epochs = model.history_, len(model.learning_rates_)
    parts = [f"epoch {history['epoch'][-1]}/{epochs}", f"train mse {history['train_mse'][-1]:.5f}"]
    if "val_mse" in history:
        parts.append(f"validation mse {history['val_mse'][-1]:.5f}")
    parts.append(f"{history['seconds'][-1]:.2f} s")
    print(", ".join(parts), file=sys.stderr, flush=True)

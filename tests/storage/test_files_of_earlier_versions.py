"""Files that an earlier version wrote still load: tests/data has one model and one checkpoint."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from ae_numpy import Autoencoder
from ae_numpy.storage.checkpoint import read_checkpoint

DATA = Path(__file__).parents[1] / "data"
X = np.random.default_rng(0).random((12, 6))


def test_a_model_file_loads():
    model = Autoencoder.load(DATA / "model.npz")
    assert model.network_.layer_sizes == (6, 3, 2, 3, 6)
    assert model.n_iter_ == 2
    # Kernels of another version, or machine, add in another order: a few roundings of 1e-16.
    np.testing.assert_allclose(model.mse(X[:5]), model.history_["val_mse"][-1], rtol=1e-13)


def test_a_checkpoint_is_continued(tmp_path):
    path = shutil.copy(DATA / "checkpoint.npz", tmp_path)
    stored = read_checkpoint(path)
    assert (stored.state.epoch, stored.seed) == (2, 5)
    assert np.array_equal(stored.state.parameters, stored.state.best_parameters)
    # It says nothing of the processor, and goes on without a word: a warning would be an error.
    description = dict(stored.description, processor=["another"])
    rates = tuple(stored.learning_rates)
    assert stored.state_for(description, rates) is stored.state

"""One unit of work: the models of a protocol, a seed and a ratio, trained and kept.

Each model is written to its own file as soon as it is trained; a missing file is work still to
be done.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ae_numpy import Autoencoder
from study.data import DataSource, training_and_test_pixels
from study.files import naming
from study.paper import HIDDEN_UNITS
from study.protocols import protocol_named


class SettingsDifferError(ValueError):
    """A results folder holds models with other settings than those asked for."""


@dataclass(frozen=True)
class Progress:
    """What a process reports after every epoch of a model."""

    model: str
    epoch: int
    epochs: int
    mse: float
    work: float


@dataclass(frozen=True)
class Pair:
    """A unit of work: the model with bias and the one without, of one protocol, seed and ratio.

    A study may have only one of the two.
    """

    protocol: str
    seed: int
    ratio: int
    epochs: int
    source: DataSource
    folder: Path

    @property
    def name(self) -> str:
        """A short human-readable name."""
        return f"{self.protocol} seed {self.seed} {self.ratio}x"

    @property
    def biases(self) -> tuple[bool, ...]:
        """Which of the two there are, the one with bias first."""
        return protocol_named(self.protocol).biases

    @property
    def work_per_epoch(self) -> float:
        """Estimate how long an epoch of one of the models takes, in arbitrary units."""
        return 25 + HIDDEN_UNITS[self.ratio]

    @property
    def model_bytes(self) -> int:
        """Return the size of the weights in the larger of the files, most of it.

        A start that was given is stored as float64, besides the trained float32.
        """
        itemsize = np.dtype(np.float32).itemsize + np.dtype(np.float64).itemsize
        return 2 * 784 * HIDDEN_UNITS[self.ratio] * itemsize

    def path(self, bias: bool) -> Path:
        """Return the file of one of the models."""
        kind = "bias" if bias else "no-bias"
        return self.folder / f"{self.protocol}-seed{self.seed}-{self.ratio}x-{kind}.npz"

    def model(self, bias: bool, twin: Autoencoder | None = None) -> Autoencoder:
        """Return one of the models, untrained."""
        protocol = protocol_named(self.protocol)
        return protocol.model(self.ratio, bias, self.seed, self.epochs, twin)

    def finished(self) -> dict[bool, Autoencoder]:
        """Read the models that are trained, by bias."""
        models: dict[bool, Autoencoder] = {}
        for bias in self.biases:
            model = self.load(bias, models.get(True))
            if model is not None:
                models[bias] = model
        return models

    def load(self, bias: bool, twin: Autoencoder | None = None) -> Autoencoder | None:
        """Read a trained model; None if it is missing or cannot be used.

        A damaged file cannot be used, and neither can a model without bias whose twin has since
        been trained again, to other biases: a warning says so.

        Raises
        ------
        SettingsDifferError
            If the file is that of a model with other settings.
        """
        path = self.path(bias)
        try:
            model = Autoencoder.load(path)
        except FileNotFoundError:
            return None
        except ValueError as error:
            warnings.warn(f"training again what cannot be read: {error}", stacklevel=2)
            return None
        # Without the twin at hand, take the biases that the model holds as those it was given.
        expected = self.model(bias, twin or model)
        _check_settings(model, expected, path)
        if _start_alike(model, expected):
            return model
        if bias or not protocol_named(self.protocol).inherits_biases:
            raise SettingsDifferError(f"{path} has other initial_parameters than expected")
        warnings.warn(f"training again, for other biases than its twin's: {path}", stacklevel=2)
        return None


def _check_settings(model: Autoencoder, expected: Autoencoder, path: Path) -> None:
    """Compare all settings but the arrays."""
    found = model.get_params()
    for name, value in expected.get_params().items():
        if name != "initial_parameters" and found[name] != value:
            raise SettingsDifferError(f"{path} has {name} {found[name]!r}, expected {value!r}")


def _start_alike(model: Autoencoder, expected: Autoencoder) -> bool:
    """Whether the same initial parameters were given to both."""
    given, due = model.initial_parameters or {}, expected.initial_parameters or {}
    return given.keys() == due.keys() and all(np.array_equal(given[k], due[k]) for k in due)


def train_pair(pair: Pair, report: Callable[[Progress], None]) -> list[Progress]:
    """Train the missing models of a pair, and store them in the pair's folder.

    Parameters
    ----------
    pair : Pair
    report : callable
        Called with a `Progress` after every epoch.

    Returns
    -------
    list of Progress
        The last one of every model that was trained.
    """
    trained, twin = [], None
    for bias in pair.biases:
        model = pair.load(bias, twin)
        if model is None:
            model = pair.model(bias, twin)
            trained.append(_train(pair, model, report))
        twin = model
    return trained


def _train(pair: Pair, model: Autoencoder, report: Callable[[Progress], None]) -> Progress:
    X, X_test = training_and_test_pixels(pair.source)
    bias = model.bias is True
    name = f"{pair.name} {'bias' if bias else 'no bias'}"

    def progress(model: Autoencoder) -> Progress:
        mse = model.history_["val_mse"][-1]
        return Progress(name, model.n_iter_, pair.epochs, mse, pair.work_per_epoch)

    model.fit(X, validation_data=X_test, callbacks=[lambda model: report(progress(model))])
    with naming(pair.path(bias)):
        model.save(pair.path(bias))
    return progress(model)

"""One unit of work: the two models of a protocol, a seed and a ratio, trained and kept.

A finished model is a file of its own, written at once when it is trained; what is not there is
what is still to be done.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ae_numpy import Autoencoder
from study.data import DataSource, training_and_test_pixels
from study.paper import HIDDEN_UNITS
from study.protocols import PROTOCOLS


class SettingsDifferError(ValueError):
    """A results folder holds trainings of other settings than those asked for."""


@dataclass(frozen=True)
class Progress:
    """What a process tells after every epoch of a model."""

    model: str
    epoch: int
    epochs: int
    mse: float
    work: float


@dataclass(frozen=True)
class Pair:
    """A unit of work: the model with bias and the one without, of one protocol, seed and ratio."""

    protocol: str
    seed: int
    ratio: int
    epochs: int
    source: DataSource
    folder: Path

    @property
    def name(self) -> str:
        """A short name for people."""
        return f"{self.protocol} seed {self.seed} {self.ratio}x"

    @property
    def work_per_epoch(self) -> float:
        """Estimate how long an epoch of one of the models takes, in arbitrary units."""
        return 25 + HIDDEN_UNITS[self.ratio]

    def path(self, bias: bool) -> Path:
        """Return the file of one of the models."""
        kind = "bias" if bias else "no-bias"
        return self.folder / f"{self.protocol}-seed{self.seed}-{self.ratio}x-{kind}.npz"

    def missing(self) -> list[bool]:
        """Return for which of the models, by bias, there is no file."""
        return [bias for bias in (True, False) if not self.path(bias).exists()]

    def model(self, bias: bool, twin: Autoencoder | None = None) -> Autoencoder:
        """Return one of the models, untrained."""
        protocol = PROTOCOLS[self.protocol]
        return protocol.model(self.ratio, bias, self.seed, self.epochs, twin)

    def load(self, bias: bool) -> Autoencoder | None:
        """Read a finished model; None if there is none, or its file is damaged.

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
        expected = PROTOCOLS[self.protocol].model(
            self.ratio, bias, self.seed, self.epochs, twin=model
        )
        _check_settings(path, model, expected)
        return model


def _check_settings(path: Path, model: Autoencoder, expected: Autoencoder) -> None:
    found = model.get_params()
    for name, value in expected.get_params().items():
        if name != "initial_parameters" and found[name] != value:
            raise SettingsDifferError(f"{path} has {name} {found[name]!r}, expected {value!r}")


def train_pair(pair: Pair, report: Callable[[Progress], None]) -> list[Progress]:
    """Train what is missing of a pair, and keep it in the pair's folder.

    Parameters
    ----------
    pair : Pair
    report : callable
        Is told a `Progress` after every epoch.

    Returns
    -------
    list of Progress
        The last one of every model that was trained.
    """
    trained = []
    with_bias = pair.load(True)
    if with_bias is None:
        with_bias = pair.model(True)
        trained.append(_train(pair, with_bias, report))
    if pair.load(False) is None:
        trained.append(_train(pair, pair.model(False, twin=with_bias), report))
    return trained


def _train(pair: Pair, model: Autoencoder, report: Callable[[Progress], None]) -> Progress:
    X, X_test = training_and_test_pixels(pair.source)
    bias = model.bias is True
    name = f"{pair.name} {'bias' if bias else 'no bias'}"

    def progress(model: Autoencoder) -> Progress:
        mse = model.history_["val_mse"][-1]
        return Progress(name, model.n_iter_, pair.epochs, mse, pair.work_per_epoch)

    model.fit(X, validation_data=X_test, callbacks=[lambda model: report(progress(model))])
    model.save(pair.path(bias))
    return progress(model)

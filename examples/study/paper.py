"""The paper's experiment: its models, its protocols, its Table 1.

H. R. S. Andrabi, "High-ratio image compression: an exploration of autoencoder hyperparameter
selection to minimise reconstruction error". Fourteen autoencoders, 784-h-784: seven sizes of the
code, each with and without trained biases.

What the published code did departs from the paper's text in two ways, hence two protocols:

``published``
    As the code ran. The error is passed to the hidden layer by the rule ``"raw_error"``, which is
    not the gradient; and a model "without bias" holds the trained biases of the model with bias
    of the same size, frozen.
``corrected``
    As the text describes it: the exact gradient, and no biases where it says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ae_numpy import Autoencoder
from ae_numpy.datasets import Digits, load_mnist, load_stroke_digits
from ae_numpy.sweep import Report

HIDDEN_UNITS = {392: 2, 196: 4, 98: 8, 56: 14, 28: 28, 14: 56, 7: 112}
"""Units of the hidden layer, by compression ratio."""

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

PROTOCOLS = ("published", "corrected")
EPOCHS = 50


@dataclass(frozen=True)
class DataSource:
    """Where the images come from: small enough to be sent to a process that loads them."""

    name: str
    directory: str | None = None
    n_train: int | None = None
    n_test: int | None = None

    def load(self) -> Digits:
        """Load the digits, the first `n_train` and `n_test` of them."""
        if self.name == "mnist":
            digits = load_mnist(self.directory)
        else:
            digits = load_stroke_digits(self.n_train or 60_000, self.n_test or 10_000)
        train, test = slice(self.n_train), slice(self.n_test)
        return Digits(
            digits.train_images[train],
            digits.train_labels[train],
            digits.test_images[test],
            digits.test_labels[test],
            name=digits.name,
        )


@dataclass(frozen=True)
class Pair:
    """A unit of work: the model with bias and the one without, of one ratio, protocol and seed."""

    protocol: str
    ratio: int
    seed: int
    epochs: int
    source: DataSource

    @property
    def work_per_epoch(self) -> float:
        """Estimate how long an epoch of one of the models takes, in arbitrary units."""
        return 25 + HIDDEN_UNITS[self.ratio]


@dataclass(frozen=True)
class Progress:
    """What a process tells after every epoch of a model."""

    model: str
    epoch: int
    epochs: int
    mse: float
    work: float


def pixels(images: np.ndarray) -> np.ndarray:
    """Scale grey levels to the paper's pixels, ``x = p / 255 * 0.99 + 0.01``.

    Parameters
    ----------
    images : uint8 array, shape (N, 28, 28)

    Returns
    -------
    float32 array, shape (N, 784)
    """
    x = images.reshape(len(images), -1).astype(np.float32)
    x *= 0.99 / 255
    x += 0.01
    return x


@lru_cache(maxsize=1)
def _pixels_of(source: DataSource) -> tuple[np.ndarray, np.ndarray]:
    digits = source.load()
    return pixels(digits.train_images), pixels(digits.test_images)


def train_pair(pair: Pair, report: Report) -> list[dict]:
    """Train both models of a pair; return what table1.json says of each.

    Parameters
    ----------
    pair : Pair
    report : callable
        Is told a `Progress` after every epoch.

    Returns
    -------
    list of dict
        Of the model without bias, and of the one with it.
    """
    with_bias = _train(pair, True, None, report)
    frozen = None
    if pair.protocol == "published":
        first, second = with_bias.network_.layers
        frozen = {"b0": first.b, "b1": second.b}
    without_bias = _train(pair, False, frozen, report)
    return [_entry(pair, False, without_bias), _entry(pair, True, with_bias)]


def _train(pair: Pair, bias: bool, frozen: dict | None, report: Report) -> Autoencoder:
    X, X_test = _pixels_of(pair.source)
    name = model_name(pair.protocol, pair.ratio, bias)

    def tell(model: Autoencoder) -> None:
        history = model.history_
        mse = history["val_mse"][-1]
        report(Progress(name, history["epoch"][-1], pair.epochs, mse, pair.work_per_epoch))

    model = Autoencoder(
        HIDDEN_UNITS[pair.ratio],
        bias=bias,
        learning_rate=0.01,
        epochs=pair.epochs,
        batch_size=1,
        shuffle=False,
        weight_init="fan_out",
        backprop="raw_error" if pair.protocol == "published" else "exact",
        random_state=pair.seed,
        initial_parameters=frozen,
    )
    return model.fit(X, validation_data=X_test, callbacks=[tell])


def model_name(protocol: str, ratio: int, bias: bool) -> str:
    """Return a short name for people."""
    return f"{protocol} {ratio}x {'bias' if bias else 'no bias'}"


def _entry(pair: Pair, bias: bool, model: Autoencoder) -> dict:
    mse_per_epoch = model.history_["val_mse"]
    return {
        "protocol": pair.protocol,
        "ratio": pair.ratio,
        "hidden_units": HIDDEN_UNITS[pair.ratio],
        "bias": bias,
        "seed": pair.seed,
        "mse": mse_per_epoch[-1],
        "mse_per_epoch": mse_per_epoch,
        "seconds": sum(model.history_["seconds"]),
    }

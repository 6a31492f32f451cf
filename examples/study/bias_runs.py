"""The models of the bias study: all that `tuned` trained, and what they are compared with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ae_numpy import Autoencoder
from study.protocols import protocol_named
from study.training import Pair


@dataclass(frozen=True)
class BiasRun:
    """One model of the bias study, all of which are trained by the recipe of `tuned`.

    Parameters
    ----------
    hidden_units : int
    bias : bool
    start : str
        "decoder biases", "constant unit" or "plain": see `Protocol.start`.
    seed : int
    mse : float
        Over all test images and pixels.
    """

    hidden_units: int
    bias: bool
    start: str
    seed: int
    mse: float


@dataclass(frozen=True)
class ConstantUnit:
    """The hidden unit of a model without bias that comes nearest to a constant.

    Parameters
    ----------
    hidden_units : int
    start : str
    seed : int
    spread : float
        Its highest activation over the test images minus the lowest, as a share of the highest: a
        unit that is always off gives the decoder nothing, and its share is large.
    """

    hidden_units: int
    start: str
    seed: int
    spread: float


def read_bias_study(
    pairs: Iterable[Pair], X: np.ndarray
) -> tuple[list[BiasRun], list[ConstantUnit]]:
    """Read the trained models of pairs of `tuned` and of the bias study.

    Parameters
    ----------
    pairs : iterable of Pair
    X : float array, shape (N, 784)
        The test images.

    Returns
    -------
    list of BiasRun
        Ordered as the pairs, without bias first.
    list of ConstantUnit
    """
    runs, units = [], []
    for pair in pairs:
        for bias, model in sorted(pair.finished().items()):
            start = protocol_named(pair.protocol).start(bias)
            mse = model.history_["val_mse"][-1]
            runs.append(BiasRun(model.code_size_, bias, start, pair.seed, mse))
            if not bias:
                spread = least_spread(model, X)
                units.append(ConstantUnit(model.code_size_, start, pair.seed, spread))
    return runs, units


def least_spread(model: Autoencoder, X: np.ndarray) -> float:
    """Return the spread of the hidden unit that comes nearest to a constant."""
    codes = model.encode(X)  # (N, h)
    highest = codes.max(axis=0)
    return float(((highest - codes.min(axis=0)) / highest).min())

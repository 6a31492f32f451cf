"""The models of the two studies, and what they are compared with, as table1.json holds them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ae_numpy import Autoencoder
from study.protocols import BIAS_STUDY, START_STUDY, protocol_named
from study.training import Pair


@dataclass(frozen=True)
class BiasRun:
    """One model of a study.

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


def read_studies(pairs: Iterable[Pair], X: np.ndarray) -> dict[str, list[Any]]:
    """Read the trained models of the studies, and what they are compared with.

    Parameters
    ----------
    pairs : iterable of Pair
        Those of other protocols than these are left out.
    X : float array, shape (N, 784)
        The test images.

    Returns
    -------
    dict
        ``bias_study`` and ``start_study``, lists of BiasRun, and ``constant_units``, a list of
        ConstantUnit, in the order of the pairs; empty lists for a study that was not trained.
    """
    of: dict[str, list[Pair]] = {}
    for pair in pairs:
        of.setdefault(pair.protocol, []).append(pair)
    compared = of["tuned"] + of[BIAS_STUDY.name] if BIAS_STUDY.name in of else []
    started = of.get(START_STUDY.name, [])
    studied = [_read(pair, X) for pair in compared]
    return {
        "bias_study": [run for runs, _ in studied for run in runs],
        "constant_units": [unit for _, unit in studied],
        "start_study": [run for pair in started for run in _read(pair, X)[0]],
    }


def _read(pair: Pair, X: np.ndarray) -> tuple[list[BiasRun], ConstantUnit]:
    """Read the models of a pair, and the most constant unit of the one without bias."""
    models, protocol = pair.finished(), protocol_named(pair.protocol)
    runs = [
        BiasRun(m.code_size_, bias, protocol.start(bias), pair.seed, m.history_["val_mse"][-1])
        for bias, m in sorted(models.items())
    ]
    plain = models[False]
    start, spread = protocol.start(False), least_spread(plain, X)
    return runs, ConstantUnit(plain.code_size_, start, pair.seed, spread)


def least_spread(model: Autoencoder, X: np.ndarray) -> float:
    """Return the spread of the hidden unit that comes nearest to a constant."""
    codes = model.encode(X)  # (N, h)
    highest = codes.max(axis=0)
    return float(((highest - codes.min(axis=0)) / highest).min())

"""The results of training, as table1.json holds them.

Everything here is read from the models' files, so it is the same whether they were trained in one
go or in many.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ae_numpy import Autoencoder
from study.baselines import Baselines, mean_per_class
from study.bias_runs import BiasRun, ConstantUnit
from study.data import pixels
from study.training import Pair


@dataclass(frozen=True)
class Trained:
    """One trained model.

    `mse` is over all test images and pixels, `mse_per_class` over those of each digit, and
    `mse_per_epoch` over all after each epoch. `seconds` is how long the training took.
    """

    protocol: str
    ratio: int
    hidden_units: int
    bias: bool
    seed: int
    mse: float
    mse_per_epoch: list[float]
    mse_per_class: list[float]
    seconds: float


@dataclass(frozen=True)
class Results:
    """All trained models of a run, and what is needed to read them.

    Parameters
    ----------
    models : list of Trained
        Ordered by protocol, seed, ratio and bias (without, then with).
    baselines : Baselines
    settings : dict
        ``protocols``, ``seeds``, ``ratios``, ``epochs``, ``quick``.
    data, versions : dict
    date : str
    wall_seconds : float
    bias_study : list of BiasRun
        By the recipe of `tuned`, half of them its own models. Empty if the study was not asked for;
        so are the two below.
    constant_units : list of ConstantUnit
        One of each model of the bias study that has no bias.
    start_study : list of BiasRun
        Under `corrected`: without biases, started with a constant unit.
    """

    models: list[Trained]
    baselines: Baselines
    settings: dict[str, Any]
    data: dict[str, Any]
    versions: dict[str, str]
    date: str
    wall_seconds: float
    bias_study: list[BiasRun] = field(default_factory=list)
    constant_units: list[ConstantUnit] = field(default_factory=list)
    start_study: list[BiasRun] = field(default_factory=list)

    @property
    def protocols(self) -> list[str]:
        return self.settings["protocols"]

    @property
    def seeds(self) -> list[int]:
        return self.settings["seeds"]

    @property
    def ratios(self) -> list[int]:
        return self.settings["ratios"]

    @property
    def n_trained(self) -> int:
        """How many models were trained: those of Table 1, and the others of the studies."""
        in_table_1 = len(self.bias_study) // 2
        return len(self.models) + len(self.bias_study) - in_table_1 + len(self.start_study)

    def seeds_of(self, protocol: str) -> list[int]:
        """Return the seeds that have models of this protocol."""
        return sorted({model.seed for model in self.models if model.protocol == protocol})

    def of(self, protocol: str, ratio: int, bias: bool) -> list[Trained]:
        """Return the models of a cell, one per seed."""
        cell = (protocol, ratio, bias)
        return [m for m in self.models if (m.protocol, m.ratio, m.bias) == cell]

    def mse(self, protocol: str, ratio: int, bias: bool) -> np.ndarray:
        """Return the errors of a cell, shape (n_seeds,)."""
        return np.array([model.mse for model in self.of(protocol, ratio, bias)])

    def mse_per_class(self, protocol: str, ratio: int, bias: bool) -> np.ndarray:
        """Return the errors of a cell per digit, shape (n_seeds, 10)."""
        return np.array([model.mse_per_class for model in self.of(protocol, ratio, bias)])

    def to_json(self) -> str:
        """Return all of it as JSON."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Results:
        """Read what `to_json` has written."""
        content = json.loads(text)
        content["models"] = [Trained(**model) for model in content["models"]]
        kinds = {"bias_study": BiasRun, "constant_units": ConstantUnit, "start_study": BiasRun}
        for name, kind in kinds.items():
            content[name] = [kind(**row) for row in content.get(name, [])]
        content["baselines"] = Baselines.from_json(content["baselines"])
        return cls(**content)


def read_models(pair: Pair, images: np.ndarray, labels: np.ndarray) -> list[Trained]:
    """Read the trained models of a pair, and measure them on the test images.

    Parameters
    ----------
    pair : Pair
    images : uint8 array, shape (N, 28, 28)
    labels : uint8 array, shape (N,)

    Returns
    -------
    list of Trained
        Without bias, and with it.

    Raises
    ------
    ValueError
        If one is not trained.
    """
    models = pair.finished()
    if len(models) < 2:
        raise ValueError(f"{pair.name} is not trained in {pair.folder}: start again")
    X = pixels(images)
    return [_measure(pair, bias, models[bias], X, labels) for bias in (False, True)]


def _measure(
    pair: Pair, bias: bool, model: Autoencoder, X: np.ndarray, labels: np.ndarray
) -> Trained:
    errors = model.network_.squared_errors(X) / X.shape[1]  # (N,)
    mse_per_epoch = model.history_["val_mse"]
    return Trained(
        protocol=pair.protocol,
        ratio=pair.ratio,
        hidden_units=model.code_size_,
        bias=bias,
        seed=pair.seed,
        mse=mse_per_epoch[-1],
        mse_per_epoch=mse_per_epoch,
        mse_per_class=mean_per_class(errors, labels),
        seconds=sum(model.history_["seconds"]),
    )

"""ae_numpy through its public interface: the whole `fit`, checks and preparation included."""

from __future__ import annotations

from ae_numpy import Autoencoder
from sides import Parameters, Task, Variants

NAME = "ae_numpy"
COMPARABLE = True
SLOW_STEPS = False
NOTE = "the whole `fit`: checks and preparation of X, training, the history of the errors"


def training(task: Task) -> Variants:
    """Return the only way to train."""

    def fit() -> Parameters:
        network = _model(task, task.epochs).network_
        return network.as_dict(network.parameters)

    return {"fit": lambda: fit}


def reconstruction(task: Task) -> Variants:
    """Return the only way to reconstruct."""

    def prepare():
        model = _model(task, 0)
        return lambda: model.reconstruct(task.X)

    return {"reconstruct": prepare}


def _model(task: Task, epochs: int) -> Autoencoder:
    return Autoencoder(
        task.hidden,
        learning_rate=task.learning_rate,
        epochs=epochs,
        batch_size=task.batch_size,
        shuffle=False,
        dtype="float32",
        random_state=0,
        initial_parameters=task.parameters,
    ).fit(task.X)

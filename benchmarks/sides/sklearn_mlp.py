"""scikit-learn's MLPRegressor, the nearest thing it has to an autoencoder.

Its output layer is linear and it draws its own initial weights, so it does a little less than the
others do, and its parameters cannot be compared with theirs.
"""

from __future__ import annotations

import warnings

from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from sides import Task, Variants

NAME = "scikit-learn"
COMPARABLE = False
SLOW_STEPS = True
NOTE = "`MLPRegressor`, plain SGD; its output layer is linear: one layer of sigmoids less to take"


def training(task: Task) -> Variants:
    """Return the only way to train."""

    def fit() -> None:
        _fitted(task, task.epochs)

    return {"fit": lambda: fit}


def reconstruction(task: Task) -> Variants:
    """Return the only way to reconstruct; how it was trained does not matter."""

    def prepare():
        model = _fitted(task.shortened(task.batch_size), 1)
        return lambda: model.predict(task.X)

    return {"predict": prepare}


def _fitted(task: Task, epochs: int) -> MLPRegressor:
    model = MLPRegressor(
        hidden_layer_sizes=(task.hidden,),
        activation="logistic",
        solver="sgd",
        learning_rate_init=task.learning_rate,
        momentum=0,
        nesterovs_momentum=False,
        alpha=0,
        shuffle=False,
        batch_size=min(task.batch_size, len(task.X)),
        max_iter=epochs,
        tol=0,
        n_iter_no_change=epochs + 1,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(task.X, task.X)

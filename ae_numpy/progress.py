"""What a training tells the person who waits for it."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Self

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


class SweepDisplay:
    """One display for many trainings: a line per model that is trained, and one for all.

    On a terminal, with tqdm, these are bars; elsewhere a line is written whenever a model is done.

    Parameters
    ----------
    work : float
        How much there is to do.
    n_models : int
        How many models there are.
    """

    def __init__(self, work: float, n_models: int) -> None:
        self._work, self._n_models = work, n_models
        self._done, self._models_done = 0.0, 0
        self._started = time.monotonic()
        self._bars: dict[str, Any] = {}
        self._new_bar: Any = _tqdm() if sys.stderr.isatty() else None
        if self._new_bar:
            form = "{l_bar}{bar}| {elapsed} gone, {remaining} left{postfix}"
            self._total = self._new_bar(total=work, desc="all models", bar_format=form)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._new_bar:
            for bar in (*self._bars.values(), self._total):
                bar.close()

    def update(self, message: Any) -> None:
        """Take in what a model tells after an epoch.

        Parameters
        ----------
        message : object
            With ``model``, ``epoch``, ``epochs``, ``mse`` and ``work``, the share of this epoch.
        """
        self._done += message.work
        self._models_done += message.epoch == message.epochs
        if self._new_bar:
            self._draw(message)
        elif message.epoch == message.epochs:
            elapsed = time.monotonic() - self._started
            left = elapsed * (self._work / self._done - 1)
            print(
                f"{message.model}: mse {message.mse:.4f} after epoch {message.epoch}; "
                f"{self._models_done} of {self._n_models} models, about {left:.0f} s left",
                file=sys.stderr,
                flush=True,
            )

    def _draw(self, message: Any) -> None:
        if message.model not in self._bars:
            self._bars[message.model] = self._new_bar(
                total=message.epochs,
                desc=message.model,
                leave=False,
                bar_format="{desc:24}{bar}| epoch {n_fmt}/{total_fmt}{postfix}",
            )
        bar = self._bars[message.model]
        bar.set_postfix_str(f"mse {message.mse:.4f}", refresh=False)
        bar.update()
        self._total.set_postfix_str(f"{self._models_done}/{self._n_models} models", refresh=False)
        self._total.update(message.work)
        if message.epoch == message.epochs:
            self._bars.pop(message.model).close()


def _tqdm() -> Any:
    """Return tqdm's class, or None where it is not installed."""
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm

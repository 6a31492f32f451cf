"""What the user sees while many models are trained."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any, Self

from ae_numpy.progress import bar_class, tell


class SweepDisplay:
    """A line for each model that is being trained, and one for all of them.

    On a terminal, with tqdm, these are bars; elsewhere a line is written whenever a model is done.
    If the stream can no longer be written, the display ends but the training does not.

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
        self._epochs: dict[str, int] = {}  # the last one reported, by model
        self._started = time.monotonic()
        self._bars: dict[str, Any] = {}
        self._total: Any = None
        if new_bar := bar_class():
            self._new_bar = new_bar
            form = "{l_bar}{bar}| {elapsed} gone, {remaining} left{postfix}"
            with suppress(OSError, ValueError):
                self._total = new_bar(total=work, desc="all models", bar_format=form)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for bar in filter(None, (*self._bars.values(), self._total)):
            with suppress(OSError, ValueError):
                bar.close()

    def update(self, message: Any) -> None:
        """Process the report of a model after an epoch, or after several.

        An epoch that is reported again, because the process training the model died, counts once.

        Parameters
        ----------
        message : object
            With ``model``, ``epoch``, ``epochs``, ``mse`` and ``work``, the share of one epoch.
        """
        n_new = message.epoch - self._epochs.get(message.model, 0)
        if n_new <= 0:
            return
        self._epochs[message.model] = message.epoch
        self._done += n_new * message.work
        self._models_done += message.epoch == message.epochs
        if self._total is not None:
            with suppress(OSError, ValueError):
                self._draw(message, n_new)
        elif message.epoch == message.epochs:
            elapsed = time.monotonic() - self._started
            left = elapsed * (self._work / self._done - 1)
            tell(
                f"{message.model}: mse {message.mse:.4f} after epoch {message.epoch}; "
                f"{self._models_done} of {self._n_models} models, about {left:.0f} s left"
            )

    def _draw(self, message: Any, n_new: int) -> None:
        if message.model not in self._bars:
            self._bars[message.model] = self._new_bar(
                total=message.epochs,
                desc=message.model,
                leave=False,
                bar_format="{desc:32}{bar}| epoch {n_fmt}/{total_fmt}{postfix}",
            )
        bar = self._bars[message.model]
        bar.set_postfix_str(f"mse {message.mse:.4f}", refresh=False)
        bar.update(n_new)
        self._total.set_postfix_str(f"{self._models_done}/{self._n_models} models", refresh=False)
        self._total.update(n_new * message.work)
        if message.epoch == message.epochs:
            self._bars.pop(message.model).close()

"""What a training tells the person who waits for it."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from ae_numpy.training import State


class TrainingDisplay:
    """One display for one training, on the standard error stream.

    On a terminal, with tqdm, a bar that moves within an epoch too; elsewhere a line per epoch. A
    stream that cannot be written any more ends the display, not the training.

    Parameters
    ----------
    epochs : int
        How many there are to be, those included that `state` has completed.
    shape : tuple of int
        Of the samples: (n_samples, n_features).
    state : State
        Where the training starts.
    """

    def __init__(self, epochs: int, shape: tuple[int, int], state: State) -> None:
        self._epochs, self._shape = epochs, shape
        self._done = self._epochs_of(state)
        self._bar: Any = None

    def __enter__(self) -> Self:
        if new_bar := _tqdm():
            form = "{desc}: {percentage:3.0f}%|{bar}| {elapsed} gone, {remaining} left{postfix}"
            with suppress(OSError, ValueError):
                self._bar = new_bar(total=self._epochs, initial=self._done, bar_format=form)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            with suppress(OSError, ValueError):
                self._bar.close()

    def update(self, state: State) -> None:
        """Take in the next state.

        Parameters
        ----------
        state : State
        """
        with suppress(OSError, ValueError):  # of a stream that has been closed
            if self._bar is not None:
                self._draw(state)
            elif state.position == 0 and sys.stderr is not None:
                seconds = state.history["seconds"][-1]
                line = f"epoch {state.epoch}/{self._epochs}, {self._errors(state)}, {seconds:.2f} s"
                print(line, file=sys.stderr, flush=True)

    def _draw(self, state: State) -> None:
        done = self._epochs_of(state)
        epoch = min(state.epoch + 1, self._epochs)
        self._bar.set_description_str(f"epoch {epoch}/{self._epochs}", refresh=False)
        self._bar.set_postfix_str(self._errors(state), refresh=False)
        self._bar.update(done - self._done)
        self._done = done

    def _epochs_of(self, state: State) -> float:
        return state.epoch + state.position / self._shape[0]

    def _errors(self, state: State) -> str:
        """The errors of the current epoch as far as it has come, or of the last one."""
        history = state.history
        if state.position:
            train_mse = state.squared_error / (state.position * self._shape[1])
        else:
            train_mse = history["train_mse"][-1]
        text = f"train mse {train_mse:.5f}"
        if history.get("val_mse"):
            text += f", validation mse {history['val_mse'][-1]:.5f}"
        return text


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
        self._epochs: dict[str, int] = {}  # of every model, the last that was told of
        self._started = time.monotonic()
        self._bars: dict[str, Any] = {}
        self._new_bar = _tqdm()
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
        """Take in what a model tells after an epoch, or after several.

        An epoch that is told of again, because the process that trained the model has died, counts
        once.

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
        if self._new_bar:
            self._draw(message, n_new)
        elif message.epoch == message.epochs:
            elapsed = time.monotonic() - self._started
            left = elapsed * (self._work / self._done - 1)
            print(
                f"{message.model}: mse {message.mse:.4f} after epoch {message.epoch}; "
                f"{self._models_done} of {self._n_models} models, about {left:.0f} s left",
                file=sys.stderr,
                flush=True,
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


def _tqdm() -> Any:
    """Return tqdm's class, or None where it is not installed or there is no terminal."""
    with suppress(ImportError, ValueError):  # a stream that has been closed raises the latter
        if sys.stderr is not None and sys.stderr.isatty():
            from tqdm import tqdm

            return tqdm
    return None

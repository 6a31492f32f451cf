"""Progress of long work, as bars or lines on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from threading import Timer
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

if TYPE_CHECKING:
    from ae_numpy.training import State

_SECONDS_BETWEEN_LINES = 5.0
_SECONDS_OF_COMPILATION = 1.0
Step = TypeVar("Step")


@contextmanager
def compilation_notice() -> Iterator[None]:
    """Say so if compiling kernels takes longer than a second; once per process."""
    try:
        from numba.core.event import Listener as Base
        from numba.core.event import install_listener
    except ImportError:  # an inner part of Numba
        yield
        return

    class Listener(Base):
        """Receives the compilation events of every function, nested ones included."""

        timers: ClassVar[list[Timer]] = []

        def on_start(self, _: Any) -> None:
            timer = Timer(_SECONDS_OF_COMPILATION, _say_compiling)
            timer.daemon = True
            timer.start()
            self.timers.append(timer)

        def on_end(self, _: Any) -> None:
            if self.timers:  # none of a compilation that began before this notice
                self.timers.pop().cancel()

    with install_listener("numba:compile", Listener()):
        yield


@cache
def _say_compiling() -> None:
    tell("compiling kernels for this machine; the next start finds them done")


class TrainingDisplay:
    """The progress display of one training run, on the standard error stream.

    On a terminal, with tqdm, a bar that also moves within an epoch; elsewhere a line per epoch. A
    stream that can no longer be written to ends the display, not the training run.

    Parameters
    ----------
    epochs : int
        Their total number, including those that `state` has completed.
    shape : tuple of int
        Of the samples: (n_samples, n_features).
    state : State
        Where training starts.
    """

    def __init__(self, epochs: int, shape: tuple[int, int], state: State) -> None:
        self._epochs, self._shape = epochs, shape
        self._done = self._epochs_of(state)
        self._bar: Any = None

    def __enter__(self) -> Self:
        if new_bar := bar_class():
            form = "{desc}: {percentage:3.0f}%|{bar}| {elapsed} gone, {remaining} left{postfix}"
            with suppress(OSError, ValueError):
                self._bar = new_bar(total=self._epochs, initial=self._done, bar_format=form)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            with suppress(OSError, ValueError):
                self._bar.close()

    def update(self, state: State) -> None:
        """Receive the next state.

        Parameters
        ----------
        state : State
        """
        with suppress(OSError, ValueError):  # of a stream that has been closed
            if self._bar is not None:
                self._draw(state)
            elif state.position == 0:
                seconds = state.history["seconds"][-1]
                tell(f"epoch {state.epoch}/{self._epochs}, {self._errors(state)}, {seconds:.2f} s")

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
        """The errors of the current epoch so far, or of the last one."""
        history = state.history
        if state.position:
            train_mse = state.squared_error / (state.position * self._shape[1])
        else:
            train_mse = history["train_mse"][-1]
        text = f"train mse {train_mse:.5f}"
        if history.get("val_mse"):
            text += f", validation mse {history['val_mse'][-1]:.5f}"
        return text


def tracked(steps: list[Step], what: str) -> Iterator[Step]:
    """Yield steps one by one, and show progress if they take more than a moment.

    On a terminal, with tqdm, a bar; elsewhere a line now and then. A stream that can no longer be
    written to ends the display, not the steps.

    Parameters
    ----------
    steps : list
    what : str
        What the steps do, as shown in the display.

    Yields
    ------
    step

    Examples
    --------
    >>> list(tracked([1, 2, 3], "counting"))
    [1, 2, 3]
    """
    if new_bar := bar_class():
        waiting = iter(steps)
        with suppress(OSError, ValueError):  # of the bar's stream, as nothing else is raised here
            yield from new_bar(waiting, total=len(steps), desc=what, delay=1, leave=False)
        yield from waiting
        return
    shown = time.monotonic()
    for done, step in enumerate(steps):
        if time.monotonic() > shown + _SECONDS_BETWEEN_LINES:
            shown = time.monotonic()
            tell(f"{what}: {done / len(steps):.0%}")
        yield step


def tell(line: str) -> None:
    """Write a line to the standard error stream, if possible.

    A stream that is full, closed, missing or not read is not a reason to stop the work.

    Parameters
    ----------
    line : str

    Examples
    --------
    >>> tell("3 of 4 models are there")
    """
    if sys.stderr is not None:
        with suppress(OSError, ValueError):
            print(line, file=sys.stderr, flush=True)


def bar_class() -> Any:
    """Return a class of bars like tqdm's, or None without tqdm or without a terminal."""
    with suppress(ImportError, OSError, ValueError):  # the latter two of a stream that is closed
        if sys.stderr is not None and sys.stderr.isatty():
            from tqdm import tqdm

            class Bar(tqdm):
                # No thread: a stream that breaks leaves tqdm locked, and older versions would wait
                # for the thread, which waits for the lock, at the end of the process.
                monitor_interval = 0

                def __del__(self) -> None:
                    """Leave closing to the owner: a half-built bar cannot be closed."""

            return Bar
    return None

"""The tasks of the processes that startup.py starts, one each; the result is printed as JSON.

    python benchmarks/startup_tasks.py import | first_fit | overhead N EPOCHS | memory RATIO EPOCHS

Imports are inside the functions, because they are part of what is measured.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

_STARTED = time.perf_counter()
_EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
_OVERHEAD_OF = ((2, 1), (28, 1), (112, 1), (28, 128), (112, 128))


def import_time() -> dict[str, float]:
    """Return what importing the package adds to importing NumPy."""
    import numpy  # noqa: F401

    started = time.perf_counter()
    import ae_numpy  # noqa: F401

    return {"seconds": time.perf_counter() - started}


def first_fit() -> dict[str, float]:
    """Return how long the imports and an `Autoencoder().fit` take, on a hundred small images."""
    import numpy as np

    from ae_numpy import Autoencoder

    X = np.random.default_rng(0).random((100, 784))
    imported = time.perf_counter()
    Autoencoder(random_state=0).fit(X)
    ended = time.perf_counter()
    return {
        "import_seconds": imported - _STARTED,
        "fit_seconds": ended - imported,
        "process_seconds": ended - _STARTED,
    }


def overhead(samples: int, epochs: int) -> list[dict[str, float]]:
    """Return, for several training runs, how much time is neither steps nor evaluation."""
    from images import digits

    _, X = digits(None, samples + samples // 6)
    X, X_validation = X[:samples], X[samples:]
    return [_shares(h, B, epochs, X, X_validation) for h, B in _OVERHEAD_OF]


def _shares(hidden: int, batch_size: int, epochs: int, X, X_validation) -> dict[str, float]:
    """Train once to warm up and once with a clock around the steps and the evaluation."""
    from ae_numpy import Autoencoder, Network, kernels

    model = Autoencoder(hidden, batch_size=batch_size, epochs=1, random_state=0)
    model.fit(X[: 2 * batch_size], validation_data=X_validation)
    model.epochs = epochs
    steps = [_Clock(kernels, "train_batches")]
    evaluation = _Clock(Network, "squared_errors")
    started = time.perf_counter()
    model.fit(X, validation_data=X_validation)
    total = time.perf_counter() - started
    for clock in (*steps, evaluation):
        clock.remove()
    in_steps = sum(clock.seconds for clock in steps)
    return {
        "hidden": hidden,
        "batch_size": batch_size,
        "seconds": total,
        "steps": in_steps,
        "evaluation": evaluation.seconds,
        "other_share": 1 - (in_steps + evaluation.seconds) / total,
    }


class _Clock:
    """Adds up the time spent in a function, which it replaces until it is removed."""

    def __init__(self, owner: Any, name: str) -> None:
        self.owner, self.name, self.seconds = owner, name, 0.0
        self.function = getattr(owner, name)
        setattr(owner, name, self._timed())

    def _timed(self):
        def timed(*arguments, **keywords):
            started = time.perf_counter()
            try:
                return self.function(*arguments, **keywords)
            finally:
                self.seconds += time.perf_counter() - started

        return timed

    def remove(self) -> None:
        """Put the function back."""
        setattr(self.owner, self.name, self.function)


def memory(ratio: int, epochs: int) -> dict[str, Any]:
    """Train both published models of a ratio; return the most memory the process has held."""
    import resource

    sys.path.insert(0, str(_EXAMPLES))
    from images import digits
    from study.data import DataSource
    from study.training import Pair, train_pair

    data = digits(None, 1)[0].split(",")[0]
    with tempfile.TemporaryDirectory() as folder:
        pair = Pair("published", 0, ratio, epochs, DataSource(data), Path(folder))
        train_pair(pair, lambda progress: None)
    unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, kilobytes on Linux
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return {"ratio": ratio, "data": data, "megabytes": peak / 1e6}


_TASKS = {
    "import": import_time,
    "first_fit": first_fit,
    "overhead": overhead,
    "memory": memory,
}

if __name__ == "__main__":
    print(json.dumps(_TASKS[sys.argv[1]](*map(int, sys.argv[2:]))))

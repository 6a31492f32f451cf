"""How the cost of training grows with the network, the batch and the foreground of the images.

    python benchmarks/scaling.py --out benchmarks/results/scaling.json

prints a table per sweep, names the cliffs, and writes the numbers and a plot. A point is the
median time of an epoch (`history_["seconds"]`) over the number of samples, after a warm-up; every
point is measured in several passes, of which the best counts.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from images import made_up
from machine import as_markdown, describe, restart_on_one_core
from scaling_report import plot, table
from timing import write_json

from ae_numpy import Autoencoder

_CLIFF = 1.5
_MAX_EPOCHS = 200


@dataclass(frozen=True)
class Setting:
    """What is trained: a network, a batch size, and images with background or without."""

    inputs: int = 784
    hidden: tuple[int, ...] = (28,)
    batch_size: int = 1
    background: bool = True

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of a step on one sample without background: three for each weight.

        One in the forward pass, one for its gradient, one for the gradient of its input; the first
        layer's input needs none, and has one less.
        """
        sizes = (self.inputs, *self.hidden, self.inputs)
        weights = [n_in * n_out for n_in, n_out in pairwise(sizes)]
        return 3 * sum(weights) - weights[0]


@dataclass(frozen=True)
class Sweep:
    """Settings along one axis; `smooth` where neighbours should cost the same either way."""

    title: str
    axis: str
    settings: dict[int, Setting]
    smooth: bool = False


def sweeps() -> Iterator[Sweep]:
    """Yield everything that is measured, with background and without."""
    widths = (2, 4, 8, 14, 28, 56, 112, 224, 448, 1024)
    batches = [2**k for k in range(11)]
    for kind in ("background", "dense"):
        base = Setting(background=kind == "background")
        wide = replace(base, hidden=(112,))
        yield _sweep(base, f"hidden units, {kind}", "hidden", widths)
        for centre, near in ((32, (27, 28, 29, 31, 32, 33)), (112, (111, 112, 113))):
            yield _sweep(base, f"hidden units near {centre}, {kind}", "hidden", near, smooth=True)
        sizes = (64, 128, 256, 512, 784, 1024, 2048, 3072)
        yield _sweep(base, f"inputs, {kind}", "inputs", sizes)
        yield _sweep(base, f"inputs near 784, {kind}", "inputs", (783, 784, 785), smooth=True)
        yield _sweep(base, f"hidden layers of 56, {kind}", "layers", (1, 2, 3, 4))
        yield _sweep(base, f"batch size, h = 28, {kind}", "batch_size", batches)
        yield _sweep(wide, f"batch size, h = 112, {kind}", "batch_size", batches)


def _sweep(base: Setting, title: str, axis: str, values: Sequence[int], smooth=False) -> Sweep:
    settings = {value: replace(base, **_along(axis, value)) for value in values}
    return Sweep(title, axis, settings, smooth)


def _along(axis: str, value: int) -> dict[str, Any]:
    """Return the field of a setting that an axis varies."""
    if axis == "hidden":
        return {"hidden": (value,)}
    if axis == "layers":
        return {"hidden": (56,) * value}
    return {axis: value}


def measure_sweep(sweep: Sweep, passes: int, samples: int, seconds: float) -> dict[int, float]:
    """Measure every point, pass after pass; keep the shortest time of each.

    What disturbs the machine for a second would otherwise look like a cliff at a single point.
    """
    times = dict.fromkeys(sweep.settings, float("inf"))
    for _ in range(passes):
        for value, setting in sweep.settings.items():
            times[value] = min(times[value], measure(setting, samples, seconds / passes))
    return times


def measure(setting: Setting, samples: int, seconds: float) -> float:
    """Return microseconds per sample: the median of the epochs that fit into these seconds.

    Parameters
    ----------
    setting : Setting
    samples : int
        Images of an epoch; at least a batch.
    seconds : float
        How long to measure, roughly: there are at least three epochs.
    """
    n = max(samples, setting.batch_size)
    X = made_up(n, setting.inputs, background=setting.background)
    warm_up = min(_epochs(setting, X, 2))
    epochs = int(min(_MAX_EPOCHS, max(3, seconds / warm_up)))
    return 1e6 * median(_epochs(setting, X, epochs)) / n


def _epochs(setting: Setting, X, epochs: int) -> list[float]:
    model = Autoencoder(
        setting.hidden,
        batch_size=setting.batch_size,
        epochs=epochs,
        shuffle=False,
        random_state=0,
    )
    return model.fit(X).history_["seconds"]


def cliffs(sweep: Sweep, microseconds: dict[int, float]) -> list[str]:
    """Name the neighbours whose time per multiply-add differs too much.

    Where work grows along the axis, time per multiply-add falls as fixed costs lose their weight;
    only a rise is a cliff. Where neighbours are nearly the same size, a fall is one as well.
    """
    costs = {
        value: microseconds[value] / setting.multiply_adds
        for value, setting in sweep.settings.items()
    }
    found = []
    for first, second in pairwise(costs):
        change = costs[second] / costs[first]
        if change > _CLIFF or (sweep.smooth and change < 1 / _CLIFF):
            found.append(
                f"{sweep.title}: from {sweep.axis} {first} to {second} the time per multiply-add "
                f"changes {change:.2f}x"
            )
    return found


def main() -> int:
    """Do what the command line says; return the exit status."""
    options = _options()
    description = describe()
    print(as_markdown(description))
    results, found = [], []
    chosen = [sweep for sweep in sweeps() if options.only in sweep.title]
    for sweep in chosen:
        print(f"{sweep.title} ...", file=sys.stderr, flush=True)
        times = measure_sweep(sweep, options.passes, options.samples, options.seconds)
        results.append(_result(sweep, times))
        found += cliffs(sweep, times)
        print(f"\n### {sweep.title}\n\n{table(results[-1])}", flush=True)
    print("\n### Cliffs\n\n" + "\n".join(f"- {cliff}" for cliff in found or ["none"]))
    write_json(options.out, {"machine": description, "cliffs": found, "sweeps": results})
    try:
        plot(results, options.out.with_suffix(".png"))
    except ImportError:
        print("no plot: it needs matplotlib", file=sys.stderr)
    return 0


def _result(sweep: Sweep, times: dict[int, float]) -> dict[str, Any]:
    points = [
        {"value": value, "us": times[value], "multiply_adds": setting.multiply_adds}
        | {"setting": asdict(setting)}
        for value, setting in sweep.settings.items()
    ]
    return {"title": sweep.title, "axis": sweep.axis, "points": points}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=4096, help="images of an epoch")
    parser.add_argument("--seconds", type=float, default=1.0, help="time spent on a point")
    parser.add_argument("--passes", type=int, default=3, help="times that a point is visited")
    parser.add_argument("--only", default="", help="sweeps with this in their title")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/scaling.json"))
    return parser.parse_args()


if __name__ == "__main__":
    restart_on_one_core()
    raise SystemExit(main())

"""Where the time goes: the training step against the best that the machine can do.

    python benchmarks/limits.py --out benchmarks/results/limits.json

A step on a batch of B samples of an autoencoder I-h-I, of whose pixels a share f is foreground,
does at least this per sample (4 bytes a number, 2 FLOP a multiply-add):

==================  =========================  ===========================  ==================
pass                bytes read                 bytes updated in place       FLOP
==================  =========================  ===========================  ==================
encoder, forward    4 f I h / B                                             2 f I h
decoder, forward    4 I h / B                                               2 I h
decoder, backward                              4 I h / B                    4 I h
encoder, update                                4 f I h / B                  2 f I h
sigmoids                                                                    30 (I + h)
==================  =========================  ===========================  ==================

A weight updated in place is read once and written once. "Decoder, backward" is two products, the
gradients of its weights and of its input, in one pass over the weights. A sigmoid is counted as
30 FLOP: range reduction, a polynomial of degree 7, a division. Vectors (inputs, activations, their
gradients) stay in the nearest cache and are left out. In a batch each weight moves once for all.

The time is at least bytes over bandwidth, measured in the cache that holds the weights, and by
FLOP over the speed of the fastest matrix product found, NumPy's or ours. The larger of the two is
the limit.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bandwidth import Bandwidth, measure_bandwidth, measure_matmul
from images import DATA, digits
from machine import as_markdown, describe, restart_on_one_core
from timing import markdown_table, write_json

from ae_numpy import Autoencoder

_FLOP_OF_SIGMOID = 30
_SIZES = tuple(2**k for k in range(13, 27))  # 8 KB to 64 MB


@dataclass(frozen=True)
class Step:
    """A training step: see the module's table. Everything is per sample."""

    inputs: int
    hidden: int
    batch_size: int
    foreground: float

    @property
    def weight_bytes(self) -> int:
        """The working set: both weight matrices."""
        return 2 * 4 * self.inputs * self.hidden

    @property
    def bytes_read(self) -> float:
        """Bytes of weights read by the two forward passes."""
        return 4 * (1 + self.foreground) * self.inputs * self.hidden / self.batch_size

    @property
    def bytes_updated(self) -> float:
        """Bytes of weights read and written by the two backward passes."""
        return self.bytes_read

    @property
    def flop(self) -> float:
        """Floating-point operations."""
        products = (4 * self.foreground + 6) * self.inputs * self.hidden
        return products + _FLOP_OF_SIGMOID * (self.inputs + self.hidden)

    def seconds_by_bandwidth(self, bandwidth: Bandwidth) -> float:
        """Return the least time that moving the weights can take."""
        read, update = bandwidth.at(self.weight_bytes)
        return self.bytes_read / read + self.bytes_updated / update


def main() -> int:
    """Do what the command line says; return the exit status."""
    options = _options()
    description = describe()
    data, X = digits(options.data, options.samples)
    print(f"{as_markdown(description)}\n- data: {data}\n")
    bandwidth = measure_bandwidth(_SIZES, options.seconds)
    products = measure_matmul()
    flop_rate = max(products.values())
    print(f"### Bandwidth\n\n{bandwidth.table()}\n")
    print("### Products\n\n" + markdown_table(["product", "GFLOP/s"], _in_giga(products)) + "\n")
    rows = [
        _row(h, B, X, bandwidth, flop_rate) for B in options.batch_sizes for h in options.hidden
    ]
    print(f"### The training step\n\n{_table(rows)}")
    results = {"machine": description, "data": data, "bandwidth": bandwidth.points}
    write_json(options.out, results | {"products_flop_per_s": products, "steps": rows})
    return 0


def _in_giga(rates: dict[str, float]) -> list[list]:
    return [[name, rate / 1e9] for name, rate in rates.items()]


def _row(
    hidden: int, batch_size: int, X: np.ndarray, bandwidth: Bandwidth, flop_rate: float
) -> dict[str, float]:
    """Measure one step, and compare it with its limits."""
    step = Step(X.shape[1], hidden, batch_size, float(np.mean(X.min() < X)))
    by_bytes = 1e6 * step.seconds_by_bandwidth(bandwidth)
    by_flop = 1e6 * step.flop / flop_rate
    measured = _microseconds(hidden, batch_size, X)
    return {
        "hidden": hidden,
        "batch_size": batch_size,
        "weights_kb": step.weight_bytes / 1024,
        "bytes_kb": (step.bytes_read + 2 * step.bytes_updated) / 1024,
        "kflop": step.flop / 1000,
        "measured_us": measured,
        "bandwidth_us": by_bytes,
        "arithmetic_us": by_flop,
        "fraction": max(by_bytes, by_flop) / measured,
    }


def _microseconds(hidden: int, batch_size: int, X: np.ndarray) -> float:
    """Return the shortest time of an epoch, per sample."""
    model = Autoencoder(hidden, epochs=5, batch_size=batch_size, shuffle=False, random_state=0)
    model.fit(X)
    return 1e6 * min(model.history_["seconds"]) / len(X)


def _table(rows: list[dict[str, float]]) -> str:
    headers = {
        "hidden": "h",
        "batch_size": "B",
        "weights_kb": "weights, KB",
        "bytes_kb": "moved, KB",
        "kflop": "kFLOP",
        "measured_us": "measured, µs",
        "bandwidth_us": "limit by bytes, µs",
        "arithmetic_us": "limit by FLOP, µs",
        "fraction": "limit / measured",
    }
    return markdown_table(list(headers.values()), [[row[key] for key in headers] for row in rows])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hidden", type=int, nargs="+", default=[2, 4, 8, 14, 28, 56, 112, 448])
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 128])
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=0.02, help="a bandwidth, per try")
    parser.add_argument("--data", choices=DATA, help="MNIST unless there is no copy of it")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/limits.json"))
    return parser.parse_args()


if __name__ == "__main__":
    restart_on_one_core()
    raise SystemExit(main())

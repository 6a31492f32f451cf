"""How fast this core reads, copies and updates memory, and multiplies matrices.

The loops are compiled by Numba, so that the cost of calling NumPy does not dominate for small
arrays. Each measures one way of using a cache: reading (a sum), copying, and updating in place,
which is what a training step does to its weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numba
import numpy as np
from timing import best_of, markdown_table

from ae_numpy.kernels import dense

_compiled = numba.njit(fastmath={"reassoc", "contract", "nsz"}, error_model="numpy")
_TRIES = 5
_PRODUCTS = {
    "1024 x 1024 by 1024 x 1024": (1024, 1024, 1024),
    "128 x 112 by 112 x 784": (128, 112, 784),
}
_FLOP_OF_A_TRY = 2e9


@_compiled
def _read(a, b, times):
    """Sum a, several times; the writes in between keep the compiler from doing it once."""
    for t in range(times):
        total = a.dtype.type(0)
        for j in range(a.size):
            total += a[j]
        b[t % b.size] = total
        a[t % a.size] = total


@_compiled
def _copy(a, b, times):
    """Copy a to b and back, alternating."""
    for t in range(times):
        source, destination = (b, a) if t % 2 else (a, b)
        for j in range(a.size):
            destination[j] = source[j]


@_compiled
def _update(a, b, times):
    """Read, change and write every entry of a."""
    factor = a.dtype.type(0.999)
    for _ in range(times):
        for j in range(a.size):
            a[j] = a[j] * factor + factor


@dataclass(frozen=True)
class Bandwidth:
    """Bytes of an array dealt with per second, by the bytes of the working set.

    Attributes
    ----------
    points : list of dict
        ``bytes``, and per second ``read``, ``copied`` (each byte is read and written) and
        ``updated`` (likewise).
    """

    points: list[dict[str, float]]

    def at(self, working_set: int) -> tuple[float, float]:
        """Return reading and updating speed for a working set, between the sizes measured."""
        sizes = np.log([point["bytes"] for point in self.points])
        read, updated = (
            np.interp(np.log(working_set), sizes, [point[key] for point in self.points])
            for key in ("read", "updated")
        )
        return float(read), float(updated)

    def table(self) -> str:
        """Return a Markdown table in gigabytes per second."""
        rows = [
            [f"{point['bytes'] // 1024} KB", *(point[key] / 1e9 for key in _KERNELS)]
            for point in self.points
        ]
        return markdown_table(["working set", *(f"{key}, GB/s" for key in _KERNELS)], rows)


_KERNELS: dict[str, Callable] = {"read": _read, "copied": _copy, "updated": _update}


def measure_bandwidth(sizes: tuple[int, ...], seconds: float) -> Bandwidth:
    """Measure how fast arrays that take this many bytes together are processed.

    Parameters
    ----------
    sizes : tuple of int
        A copy halves it: source and destination share the working set.
    seconds : float
        Time of one try, roughly; the best of a few is reported.
    """
    points = []
    for size in sizes:
        point: dict[str, float] = {"bytes": size}
        for name, kernel in _KERNELS.items():
            entries = size // 8 if name == "copied" else size // 4
            point[name] = _bytes_per_second(kernel, entries, seconds)
        points.append(point)
    return Bandwidth(points)


def _bytes_per_second(kernel: Callable, entries: int, seconds: float) -> float:
    a, b = np.ones(entries, np.float32), np.ones(entries, np.float32)
    kernel(a, b, 2)
    once = best_of(lambda: kernel(a, b, 2), 3) / 2
    times = max(2, int(seconds / once))
    return times * a.nbytes / best_of(lambda: kernel(a, b, times), _TRIES)


def measure_matmul() -> dict[str, float]:
    """Return FLOP per second of float32 products, ours among them; the fastest is the limit."""
    rates = {}
    for name, (m, k, n) in _PRODUCTS.items():
        a, b = np.full((m, k), 0.5, np.float32), np.full((k, n), 0.5, np.float32)
        out, terms, places = np.zeros((m, n), np.float32), dense.every(k), dense.every(m)
        for whose, multiply in (
            ("NumPy", lambda a=a, b=b, out=out: np.matmul(a, b, out=out)),
            ("ours", lambda a=a, b=b, t=terms, p=places, o=out: dense.add_product(a, b, t, p, o)),
        ):
            multiply()
            times = max(1, int(_FLOP_OF_A_TRY / (2 * m * k * n)))
            seconds = best_of(lambda f=multiply, n=times: [f() for _ in range(n)], _TRIES)
            rates[f"{whose}, {name}"] = times * 2 * m * k * n / seconds
    return rates

"""Timing, and how its results are written down.

Two programs are compared in pairs: one run of ours, then one of the peer's, and so on. Whatever
disturbs the machine for longer than a run then affects both, and hardly changes the ratio of a
pair. Medians are reported, with the smallest and the largest ratio.
"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any


def seconds(function: Callable[[], Any]) -> float:
    """Return how long one call takes, garbage collected beforehand."""
    gc.collect()
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def best_of(function: Callable[[], Any], times: int) -> float:
    """Return the time of the fastest of several calls: for limits, which disturbances only hide."""
    return min(seconds(function) for _ in range(times))


@dataclass(frozen=True)
class Job:
    """Something to time, and how many samples it processes."""

    run: Callable[[], Any]
    samples: int

    def microseconds_per_sample(self) -> float:
        """Run it once."""
        return 1e6 * seconds(self.run) / self.samples


@dataclass(frozen=True)
class Paired:
    """Microseconds per sample, ours and a peer's, of each round.

    Attributes
    ----------
    ours, peer : list of float
    """

    ours: list[float]
    peer: list[float]

    @property
    def ratios(self) -> list[float]:
        """How many times as long the peer took, round by round: above 1, we are faster."""
        return [peer / ours for ours, peer in zip(self.ours, self.peer, strict=True)]

    def summary(self) -> dict[str, Any]:
        """Return the medians, the range of the ratios, and every time measured."""
        return {
            "ours_us": median(self.ours),
            "peer_us": median(self.peer),
            "ratio": median(self.ratios),
            "ratio_min": min(self.ratios),
            "ratio_max": max(self.ratios),
            "ours_us_rounds": self.ours,
            "peer_us_rounds": self.peer,
        }


def paired(ours: Job, peer: Job, rounds: int) -> Paired:
    """Time ours, then the peer, as often as there are rounds."""
    times = [
        (ours.microseconds_per_sample(), peer.microseconds_per_sample()) for _ in range(rounds)
    ]
    return Paired([first for first, _ in times], [second for _, second in times])


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a Markdown table, its first column flush left and the numbers flush right."""
    cells = [[_cell(value) for value in row] for row in (headers, *rows)]
    widths = [max(2, *(len(row[column]) for row in cells)) for column in range(len(headers))]
    rule = [
        "-" * width if column == 0 else "-" * (width - 1) + ":"
        for column, width in enumerate(widths)
    ]
    lines = []
    for row in (cells[0], rule, *cells[1:]):
        first = row[0].ljust(widths[0])
        rest = [value.rjust(width) for value, width in zip(row[1:], widths[1:], strict=True)]
        lines.append(f"| {' | '.join([first, *rest])} |")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    """Format with three digits: a timing is no more precise."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def write_json(path: Path, results: dict[str, Any]) -> None:
    """Write results, creating the folder if necessary."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")

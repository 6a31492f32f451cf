"""The results of the sweeps, as Markdown tables and as a plot with a panel per sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from timing import markdown_table

_COLOURS = {"background": "#0072B2", "dense": "#D55E00"}


def table(result: dict[str, Any]) -> str:
    """Return the points of one sweep: time per sample, and per multiply-add."""
    rows = [
        [point["value"], float(point["us"]), 1e6 * point["us"] / point["multiply_adds"]]
        for point in result["points"]
    ]
    return markdown_table([result["axis"], "µs per sample", "ps per multiply-add"], rows)


def plot(results: list[dict[str, Any]], path: Path) -> None:
    """Draw a panel per sweep, images with background and dense ones together.

    Parameters
    ----------
    results : list of dict
    path : Path
        The file to write.

    Raises
    ------
    ImportError
        Without matplotlib.
    """
    from matplotlib.figure import Figure

    panels: dict[str, dict[str, dict]] = {}
    for result in results:
        title, kind = result["title"].rsplit(", ", 1)
        panels.setdefault(title, {})[kind] = result
    rows = -(-len(panels) // 3)
    figure = Figure(figsize=(11, 2.8 * rows), layout="constrained")
    grid = figure.subplots(rows, 3, squeeze=False).ravel()
    for axes, (title, kinds) in zip(grid, panels.items(), strict=False):
        _panel(axes, title, kinds)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def _panel(axes, title: str, kinds: dict[str, dict]) -> None:
    for kind, result in kinds.items():
        values = [point["value"] for point in result["points"]]
        times = [point["us"] for point in result["points"]]
        axes.plot(values, times, "o-", ms=4, lw=1.2, color=_COLOURS[kind], label=kind)
    wide = values[-1] / values[0] > 4
    if wide:
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
    else:
        axes.set_xticks(values)
        axes.set_ylim(bottom=0)
    axes.set_title(title, fontsize=10)
    axes.set_ylabel("µs per sample")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)

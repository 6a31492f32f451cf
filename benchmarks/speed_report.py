"""The results of a comparison, as Markdown tables and as a plot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from timing import markdown_table

Results = list[dict[str, Any]]

_GROUPS: dict[str, Callable[[dict], bool]] = {
    "Training, batch size 1": lambda r: r["kind"] == "training" and r["batch_size"] == 1,
    "Training, mini-batches": lambda r: r["kind"] == "training" and r["batch_size"] > 1,
    "Reconstruction": lambda r: r["kind"] == "reconstruction",
}
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")


def tables(results: Results) -> str:
    """Return a table for each kind of work, and what was chosen for each peer.

    Times are medians in microseconds per sample. ``2.5x (2.4-2.7)`` is the median, the smallest and
    the largest of the ratios of the rounds: above 1, the peer takes longer than ae_numpy.
    """
    parts = []
    for title, belongs in _GROUPS.items():
        group = [result for result in results if belongs(result)]
        if group:
            parts += [f"### {title}", _table(group)]
    if any(len(result["tried_us"]) > 1 for result in results):
        parts += ["### Variants tried", _variants(results)]
    return "\n\n".join(parts)


def _table(group: Results) -> str:
    peers = _names(group, "peer")
    rows = []
    for case in _names(group, "case"):
        of_case = [result for result in group if result["case"] == case]
        cells = {result["peer"]: _cell(result) for result in of_case}
        own = median(result["ours_us"] for result in of_case)
        rows.append([case, own, *(cells.get(peer, "-") for peer in peers)])
    return markdown_table(["µs per sample", "ae_numpy", *peers], rows)


def _cell(result: dict[str, Any]) -> str:
    lowest, highest = result["ratio_min"], result["ratio_max"]
    return f"{result['peer_us']:.3g}: **{result['ratio']:.2f}x** ({lowest:.2f}-{highest:.2f})"


def _variants(results: Results) -> str:
    """List the warm-up time of each variant, the chosen one first."""
    rows = []
    for result in results:
        tried = sorted(result["tried_us"].items(), key=lambda item: item[1])
        if len(tried) > 1:
            text = "; ".join(f"{name} {time:.3g}" for name, time in tried)
            rows.append([result["case"], result["peer"], text])
    return markdown_table(["case", "peer", "µs per sample on a part of the work"], rows)


def _names(results: Results, key: str) -> list[str]:
    """Return the values of a key, in order, each once."""
    return list(dict.fromkeys(result[key] for result in results))


def plot(results: Results, path: Path) -> None:
    """Draw every ratio with its range, a row per case.

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

    cases, peers = _names(results, "case"), _names(results, "peer")
    figure = Figure(figsize=(7, 1.2 + 0.4 * len(cases)), layout="constrained")
    axes = figure.add_subplot()
    for index, peer in enumerate(peers):
        of_peer = [result for result in results if result["peer"] == peer]
        rows = [cases.index(result["case"]) + 0.15 * index for result in of_peer]
        ratios = [result["ratio"] for result in of_peer]
        below = [result["ratio"] - result["ratio_min"] for result in of_peer]
        above = [result["ratio_max"] - result["ratio"] for result in of_peer]
        colour = _COLOURS[index]
        axes.errorbar(
            ratios, rows, xerr=[below, above], fmt="o", ms=5, capsize=2, color=colour, label=peer
        )
    axes.axvline(1, color="0.4", lw=1)
    axes.set_xscale("log")
    axes.set_yticks([row + 0.15 * (len(peers) - 1) / 2 for row in range(len(cases))], cases)
    axes.invert_yaxis()
    axes.set_xlabel("time of the peer / time of ae_numpy (right of the line: ae_numpy is faster)")
    axes.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside upper center", ncols=len(peers), frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)

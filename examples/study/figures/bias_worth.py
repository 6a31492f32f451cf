"""Figure 12: what a bias is worth, where each kind of model has a good start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ae_numpy.plots import new_figure
from study.bias_worth import MARGIN, Worth, worths
from study.figures.style import (
    GREY,
    INK,
    RATIO_COLOURS,
    REFERENCE,
    WIDTH,
    Drawing,
    data_title,
    draw_intervals,
    interval_words,
    made_of,
    mark_ratios,
    marker,
    several_seeds,
    stamp,
)
from study.results import Results
from study.words import count, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KIND_STYLES: dict[str, dict[str, Any]] = {
    "bias": {"ls": "-", "color": INK, **marker(True)},
    "bias, one unit fewer": {"ls": "--", "color": INK, **marker(True, "s")},
    "no bias": {"ls": "-", "color": REFERENCE, **marker(False)},
    "no bias, plain start": {"ls": ":", "color": GREY, **marker(False, "^")},
}


def bias_worth(results: Results) -> Drawing:
    """Figure 12: all kinds of models against those with bias, and two against each other."""
    found = worths(results)[::-1]
    figure = new_figure(WIDTH, 6.8)
    above, below = figure.subplots(2, sharex=True, height_ratios=(3, 2))
    for k, kind in enumerate(KIND_STYLES):
        _draw_kind(above, found, kind, aside=0.08 * (k - 1.5))
    above.set_ylabel("error above that with bias, %")
    above.set_title("Four kinds of models")
    above.legend(loc="upper left", handlelength=3)
    _draw_differences(below, found)
    mark_ratios(below.xaxis, range(len(found)), [w.ratio for w in found])
    below.set_xlim(-0.5, len(found) - 0.5)
    for ax in (above, below):
        ax.grid(axis="y")
    stamp(figure, made_of(results, "tuned"))
    return Drawing(12, "What a bias is worth", _caption(results), figure)


def _draw_kind(ax: Axes, found: list[Worth], kind: str, aside: float) -> None:
    """Draw a line through the means of a kind, its intervals, and a dot for every seed."""
    look, excesses = KIND_STYLES[kind], [w.excess(kind) for w in found]
    x = np.arange(len(found)) + aside
    ax.plot(x, [100 * e.mean for e in excesses], ms=6, label=kind, zorder=3, **look)
    low, high = ([100 * e[k] for e in excesses] for k in (1, 2))
    draw_intervals(ax, x, low, high, color=look["color"], zorder=2.6)
    for place, worth in zip(x, found, strict=True):
        shares = 100 * (worth.errors[kind] / worth.errors["bias"].mean() - 1)
        dots = np.full(shares.size, place + 0.03)
        ax.plot(dots, shares, ".", ms=4, mew=0, alpha=0.4, color=look["color"], zorder=2.5)


def _draw_differences(ax: Axes, found: list[Worth]) -> None:
    """Draw the differences of the two kinds that should be equal, in the margin."""
    ax.axhspan(-100 * MARGIN, 100 * MARGIN, color="0.93", zorder=0, label="margin")
    ax.axhline(0, color=INK, lw=1, zorder=0.5)
    for k, worth in enumerate(found):
        mean, low, high = (100 * value for value in worth.difference)
        look = {"color": RATIO_COLOURS[worth.ratio]}
        draw_intervals(ax, k, low, high, lw=1.8, **look)
        ax.plot([k], [mean], "D", ms=7, **look)
    ax.set_ylabel("difference, %")
    ax.set_title("No bias against bias and one unit fewer")


def _caption(results: Results) -> str:
    several = several_seeds(results, ["tuned"])
    seeds = (
        f"means over the seeds, with {interval_words(results, ['tuned'])}; faint dots are the seeds"
        if several
        else "one seed"
    )
    return (
        "What a bias is worth, by the recipe of the protocol tuned. Above: by how much the mean "
        f"squared error on {count(results.data['n_test'], 'test image')} of {data_title(results)} "
        f"after {count(results.settings['epochs'], 'epoch')} exceeds that of models with biases, "
        f"{seeds}. Models without biases start with one constant hidden unit or, dotted, plainly. "
        "Below: the error without biases minus that with biases and one unit fewer, as a share of "
        f"the latter, with the margin of {percent(MARGIN)} in grey within which the two count as "
        "equal."
    )

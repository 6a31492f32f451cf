"""Figures 8 and 11: the error of each digit, as it is and as a share of the digit's variance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ae_numpy.plots import new_figure
from study.figures.style import (
    DIGITS,
    GREY,
    INK,
    RATIO_COLOURS,
    REFERENCE,
    WIDTH,
    Drawing,
    about,
    data_title,
    draw_intervals,
    interval_words,
    made_of,
    ratio_label,
    several_seeds,
    stamp,
)
from study.measures import class_errors, ratios_of
from study.results import Results
from study.words import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BAR_WIDTH = 0.38
OVERALL = {False: (0, (2, 2)), True: (0, (5, 2))}  # dashes of the error over all digits


def per_class(results: Results, protocol: str, *, share: bool) -> Drawing:
    """Figure 8, and 11 with `share`: a panel per ratio, two bars per digit."""
    ratios = sorted(ratios_of(results, protocol))
    figure = new_figure(WIDTH, 1.55 * len(ratios) + 1.2)
    panels = figure.subplots(len(ratios), sharex=True, squeeze=False)[:, 0]
    for ax, ratio in zip(panels, ratios, strict=True):
        _draw_ratio(ax, results, protocol, ratio, share=share)
    panels[-1].set_xticks(DIGITS)
    panels[-1].set_xlabel("digit")
    what = "MSE, as a share of that of the mean image" if share else "MSE on the test images"
    figure.supylabel(what, fontsize=10)
    _draw_legend(figure, share=share)
    stamp(figure, made_of(results, protocol))
    return Drawing(
        11 if share else 8,
        "Error of each digit, as a share of its variance" if share else "Error of each digit",
        _caption(results, protocol, share=share),
        figure,
        protocol,
    )


def _draw_ratio(ax: Axes, results: Results, protocol: str, ratio: int, *, share: bool) -> None:
    colour, tops = RATIO_COLOURS[ratio], []
    for bias in (False, True):
        errors = class_errors(results, protocol, ratio, bias)
        overall = results.mse(protocol, ratio, bias).mean()
        heights, low, high = errors.mean, errors.low, errors.high
        if share:
            overall /= results.baselines.mean_image
            heights, low, high = errors.share, errors.share_low, errors.share_high
        x = np.array(DIGITS) + (BAR_WIDTH / 2 if bias else -BAR_WIDTH / 2)
        look = {"facecolor": colour} if bias else {"facecolor": "white", "hatch": "////"}
        ax.bar(x, heights, BAR_WIDTH - 0.04, edgecolor=colour, linewidth=0.9, **look)
        draw_intervals(ax, x, low, high)
        ax.axhline(overall, color=colour, lw=1.3, zorder=0.5, ls=OVERALL[bias])
        # The interval of two seeds may be too wide for anything else to be seen.
        tallest = np.nanmax(heights)
        tops += [overall, tallest, *np.minimum(high, 2 * tallest)[np.isfinite(high)]]
    if share:
        ax.axhline(1, color=REFERENCE, lw=1.2, ls=":", zorder=0.4)
        ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    ax.set_ylim(0, 1.08 * max(tops))
    ax.locator_params(axis="y", nbins=4)
    ax.set_title(ratio_label(ratio), pad=3)


def _draw_legend(figure: Figure, *, share: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles = [
        Patch(fc="white", ec=GREY, hatch="////", label="no bias"),
        Patch(fc=GREY, ec=GREY, label="bias"),
        Line2D([], [], color=INK, lw=1.3, ls=OVERALL[False], label="no bias, all digits"),
        Line2D([], [], color=INK, lw=1.3, ls=OVERALL[True], label="bias, all digits"),
    ]
    if share:
        handles += [Line2D([], [], color=REFERENCE, lw=1.2, ls=":", label="mean image")]
    figure.legend(handles=handles, loc="outside upper right", ncols=len(handles))


def _caption(results: Results, protocol: str, *, share: bool) -> str:
    data = f"{count(results.data['n_test'], 'test image')} of {data_title(results)}"
    what = (
        "Mean squared error of the images of each digit, divided by that of the mean training "
        f"image in their place ({data}): at 100 % a model is no better than always giving the "
        "mean image, whatever ink a digit needs. The broken lines are the same over all images."
        if share
        else f"Mean squared error of the images of each digit ({data}). The broken lines are the "
        "errors over all images."
    )
    seeds = (
        f"bars are means over the seeds, with {interval_words(results, [protocol])}"
        if several_seeds(results, [protocol])
        else "one seed"
    )
    return (
        f"{what} A panel for each compression ratio, with a scale of its own. Hatched: without "
        f"biases; full: with. After {count(results.settings['epochs'], 'epoch')}"
        f"; {seeds}. {about(protocol)}"
    )

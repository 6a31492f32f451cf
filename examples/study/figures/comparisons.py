"""Figures 9 and 10: the protocols side by side, with all seeds, PCA, and what biases change.

The paper has no such figures: it trained each model once, under one protocol.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ae_numpy.plots import new_figure
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
    plain_numbers,
    several_seeds,
    stamp,
)
from study.measures import LEVEL, BiasEffect, Cell, bias_effects, cells, testable
from study.protocols import PROTOCOLS
from study.results import Results
from study.words import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PROTOCOL_STYLES = dict(zip(PROTOCOLS, (("o", "-"), ("s", "--"), ("^", ":")), strict=True))
"""Marker and line of each protocol: colours are for ratios."""


def error_against_ratio(results: Results, protocols: list[str]) -> Drawing:
    """Figure 9: all protocols, and what is fitted in closed form."""
    figure = new_figure(WIDTH, 6.6)
    ax = figure.add_subplot()
    series = [(protocol, bias) for protocol in protocols for bias in (False, True)]
    shown = []
    for k, (protocol, bias) in enumerate(series):
        aside = 1.06 ** (k - (len(series) - 1) / 2)  # so that they do not hide each other
        points = [cell for cell in reversed(cells(results, protocol)) if cell.bias == bias]
        _draw_series(ax, points, aside, label=f"{protocol}, {'bias' if bias else 'no bias'}")
        shown += [value for cell in points for value in cell.values]
    for name, ratios, errors, style in _references(results):
        ax.plot(ratios, errors, color=REFERENCE, lw=1.2, ls=style, zorder=1.5, label=name)
        shown += errors
    ax.set(xscale="log", yscale="log", ylim=(0.8 * min(shown), 1.2 * max(shown)))
    ratios = sorted(results.ratios)
    mark_ratios(ax.xaxis, ratios, ratios)
    ax.set_xticks([], minor=True)
    ax.set_xlim(0.8 * ratios[0], 1.25 * ratios[-1])
    plain_numbers(ax.yaxis)
    ax.grid(axis="y")
    ax.set_ylabel("MSE on the test images")
    ax.legend(loc="lower right", handlelength=3)
    stamp(figure, made_of(results))
    seeds = (
        f"through the means over the seeds, with {interval_words(results, protocols)}; faint "
        "dots are the seeds"
        if several_seeds(results, protocols)
        else "one seed"
    )
    return Drawing(
        9,
        "Error against compression ratio: the protocols and PCA",
        f"Mean squared error on {count(results.data['n_test'], 'test image')} of "
        f"{data_title(results)} after {count(results.settings['epochs'], 'epoch')}, both axes "
        f"logarithmic. A line for each protocol with and without biases, {seeds}. The "
        "series stand a little beside each other so that all can be seen. Red: principal "
        "components, as many as the code has units, with the mean image taken off first and "
        "without, and the mean image alone. They are references, not bounds: the networks end in "
        "a sigmoid.",
        figure,
    )


def _draw_series(ax: Axes, points: list[Cell], aside: float, label: str) -> None:
    """Draw a line through the means, and at each its interval and its seeds."""
    shape, line = PROTOCOL_STYLES[points[0].protocol]
    look = {"ms": 6.5, **marker(points[0].bias, shape)}
    in_ink = {"markerfacecolor": INK, "mec": INK, **look}
    x = [cell.ratio * aside for cell in points]
    means = [cell.mean for cell in points]
    ax.plot(x, means, color=GREY, ls=line, lw=1.1, zorder=2, label=label, **in_ink)
    for place, cell in zip(x, points, strict=True):
        colour = RATIO_COLOURS[cell.ratio]
        dots = np.full(len(cell.values), 1.025 * place)
        ax.plot(dots, cell.values, ".", ms=5, mew=0, alpha=0.5, color=colour, zorder=2.5)
        draw_intervals(ax, place, cell.low, cell.high, color=colour, zorder=2.6)
        ax.plot([place], [cell.mean], ls="", color=colour, zorder=3, **look)


def _references(results: Results) -> Iterator[tuple[str, list[float], list[float], object]]:
    """Give what is fitted in closed form: name, ratios, errors, line."""
    baselines, ratios = results.baselines, sorted(results.ratios)
    for name, by_ratio, style in (
        ("PCA, centred", baselines.pca, "-"),
        ("PCA, not centred", baselines.pca_uncentred, "--"),
    ):
        yield name, ratios, [by_ratio[ratio] for ratio in ratios], style
    yield "mean image", [0.5 * ratios[0], 2 * ratios[-1]], [baselines.mean_image] * 2, (0, (1, 2))


def bias_effect(results: Results, protocols: list[str]) -> Drawing:
    """Figure 10: what biases change, in pairs of models of one seed."""
    figure = new_figure(WIDTH, 2.5 * len(protocols) + 0.8)
    panels = figure.subplots(len(protocols), sharex=True, squeeze=False)[:, 0]
    ratios = sorted(results.ratios)
    for ax, protocol in zip(panels, protocols, strict=True):
        effects = bias_effects(results, protocol)
        for effect in effects:
            _draw_effect(ax, ratios.index(effect.ratio), effect)
        shown = np.hstack([[*effect.differences, effect.low, effect.high] for effect in effects])
        _dress(ax, protocol, np.nanmin([0, *shown]), np.nanmax([0, *shown]))
    mark_ratios(panels[-1].xaxis, range(len(ratios)), ratios)
    panels[-1].set_xlim(-0.5, len(ratios))
    figure.supylabel("MSE with bias minus MSE without", fontsize=10)
    stamp(figure, made_of(results))
    return Drawing(10, "What biases change", _caption(results, protocols), figure)


def _draw_effect(ax: Axes, place: int, effect: BiasEffect) -> None:
    """Draw a diamond with its interval, and next to it a dot per seed."""
    colour, differences = RATIO_COLOURS[effect.ratio], effect.differences
    beside = place + np.linspace(0.16, 0.36, len(differences))
    if len(differences) > 1:
        ax.plot(beside, differences, ".", ms=6, alpha=0.6, mew=0, color=colour)
    draw_intervals(ax, place, effect.low, effect.high, color=colour, lw=1.8)
    inside = colour if effect.p_holm <= LEVEL else "white"
    ax.plot([place], [effect.mean], "D", ms=7, color=colour, markerfacecolor=inside)


def _dress(ax: Axes, protocol: str, low: float, high: float) -> None:
    """Give a panel its limits, its zero, and words that say which side is which."""
    margin = 0.2 * max(high - low, 1e-6)
    ax.set_ylim(low - margin, high + margin)
    ax.axhline(0, color=INK, lw=1, zorder=0.5)
    ax.grid(axis="y")
    ax.locator_params(axis="y", nbins=5)
    ax.set_title(protocol)
    for place, side, words in ((0.97, "top", "worse"), (0.03, "bottom", "better")):
        look = {"va": side, "ha": "right", "color": GREY, "fontsize": 9}
        ax.text(1, place, f"bias is {words}", transform=ax.transAxes, **look)


def _caption(results: Results, protocols: list[str]) -> str:
    words = (
        "Mean squared error with biases minus that without, of two models of the same seed, on "
        f"{count(results.data['n_test'], 'test image')} of {data_title(results)} after "
        f"{count(results.settings['epochs'], 'epoch')}: below zero, biases help. A panel for each "
        "protocol, with a scale of its own. "
    )
    if not several_seeds(results, protocols):
        words += "One seed, which tells nothing of chance. "
        return words + _about_twins(protocols)
    words += (
        "Diamonds are means over the seeds, with 95 % t intervals; the dots beside them are the "
        "seeds. "
    )
    enough = [testable(bias_effects(results, protocol)) for protocol in protocols]
    if any(enough):
        words += (
            "A diamond is full where the sign-flip test tells the difference from chance "
            f"(p at most {LEVEL:g}, corrected by Holm's method for the ratios of a protocol). "
        )
    if not any(enough):
        words += "All are hollow: there are too few seeds to tell a difference from chance. "
    elif not all(enough):
        words += "For that test some of these protocols have too few seeds: theirs are hollow. "
    return words + _about_twins(protocols)


def _about_twins(protocols: list[str]) -> str:
    """Explain "no bias" where it means that biases are there but not trained."""
    those = [f"the protocol {name}" for name in protocols if PROTOCOLS[name].inherits_biases]
    if not those:
        return "Without biases, all biases are 0."
    return (
        f"Under {' and '.join(those)}, the models without trained biases hold those of their "
        "twins, frozen."
    )

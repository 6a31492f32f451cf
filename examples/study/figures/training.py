"""Figures 5 to 7: errors during training, and what the trained models make of digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ae_numpy import Autoencoder
from ae_numpy.datasets import Digits
from ae_numpy.plots import new_figure, plot_history, plot_reconstructions
from study.data import pixels
from study.figures.setting import first_of_each_class
from study.figures.style import (
    INK,
    RATIO_COLOURS,
    WIDTH,
    Drawing,
    about,
    data_title,
    made_of,
    marker,
    ratio_label,
    stamp,
)
from study.measures import ratios_of
from study.paper import HIDDEN_UNITS
from study.results import Results
from study.words import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Models = Callable[[str, int, bool], Autoencoder]


def training_curves(results: Results, protocol: str) -> Drawing:
    """Figure 5: the error on the test images after each epoch."""
    figure = new_figure(WIDTH, 6.2)
    ax = figure.add_subplot()
    epochs, n_seeds = results.settings["epochs"], len(results.seeds_of(protocol))
    span = max(epochs - 1, 1)
    ratios = sorted(ratios_of(results, protocol))
    models = [(ratio, bias) for ratio in ratios for bias in (False, True)]
    for k, model in enumerate(models):
        _draw_training(ax, results, protocol, *model)
        if n_seeds > 1:
            place = epochs + span * (0.05 + 0.16 * (k + 0.5) / len(models))
            _draw_seeds(ax, results, protocol, *model, place)
    if n_seeds > 1:
        above = {"ha": "center", "fontsize": 9, "transform": ax.get_xaxis_transform()}
        ax.text(epochs + 0.13 * span, 1.01, f"all {n_seeds} seeds", **above)
    ax.set_ylim(bottom=0)
    ax.set_ylabel("MSE on the test images")
    ax.grid(axis="y")
    ax.set_xticks([tick for tick in ax.get_xticks() if 1 <= tick <= epochs])
    ax.set_xlim(1 - 0.03 * span, epochs + span * (0.24 if n_seeds > 1 else 0.03))
    _training_legend(figure, ratios)
    stamp(figure, made_of(results, protocol))
    several = (
        f"The lines are those of seed {first_seed(results, protocol)}; at the right end, a mark "
        f"for each of the {n_seeds} seeds after the last epoch, from the lowest to the highest. "
        if n_seeds > 1
        else ""
    )
    return Drawing(
        5,
        "Error during the training",
        f"Mean squared error on {count(results.data['n_test'], 'test image')} of "
        f"{data_title(results)} after each of {count(epochs, 'epoch')}. A colour for each "
        "compression ratio; full lines with dots for models with biases, broken lines with rings "
        f"for those without. {several}{about(protocol)}",
        figure,
        protocol,
    )


def first_seed(results: Results, protocol: str) -> int:
    """Return the seed whose models are drawn."""
    return next(model.seed for model in results.models if model.protocol == protocol)


def _draw_training(ax: Axes, results: Results, protocol: str, ratio: int, bias: bool) -> None:
    """Draw the line of the first seed, with a marker every now and then."""
    epochs = results.settings["epochs"]
    style = {
        **marker(bias),
        "color": RATIO_COLOURS[ratio],
        "ls": "-" if bias else "--",
        "markersize": 5,
        "markevery": (epochs // 20 if bias else 0, max(epochs // 10, 1)),
    }
    name = f"{ratio}x, {'bias' if bias else 'no bias'}"
    errors = results.of(protocol, ratio, bias)[0].mse_per_epoch
    plot_history({name: errors}, styles={name: style}, ax=ax)


def _draw_seeds(
    ax: Axes, results: Results, protocol: str, ratio: int, bias: bool, place: float
) -> None:
    """Draw the last errors of all seeds, one above the other."""
    colour, ends = RATIO_COLOURS[ratio], results.mse(protocol, ratio, bias)
    ax.vlines(place, ends.min(), ends.max(), color=colour, lw=1.2)
    ax.plot([place] * len(ends), ends, ls="", ms=3, color=colour, **marker(bias))


def _training_legend(figure: Figure, ratios: list[int]) -> None:
    """A legend of colours and one of markers: 7 + 2 entries tell 14 lines apart."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=RATIO_COLOURS[ratio], lw=4, label=ratio_label(ratio))
        for ratio in reversed(ratios)
    ]
    handles += [
        Line2D([], [], color=INK, ls=ls, markersize=5, label=label, **marker(bias))
        for bias, ls, label in ((False, "--", "no bias"), (True, "-", "bias"))
    ]
    figure.legend(handles=handles, loc="outside right upper")


def reconstructions(
    results: Results, digits: Digits, model: Models, protocol: str, bias: bool
) -> Drawing:
    """Figures 6 and 7: a digit of each class, and what the models make of it."""
    first = first_of_each_class(digits.test_labels)
    x = pixels(digits.test_images[list(first.values())])
    ratios = sorted(ratios_of(results, protocol))
    columns = {
        f"{ratio}x\nh = {HIDDEN_UNITS[ratio]}": model(protocol, ratio, bias).reconstruct(x)
        for ratio in ratios
    }
    figure = new_figure(WIDTH, 1.0 * len(x) + 0.9)
    ax = figure.add_subplot()
    labels = [str(digit) for digit in first]
    plot_reconstructions(x, columns, row_labels=labels, limits=(0, 1), ax=ax)
    ax.tick_params(axis="x", pad=8)
    for place, ratio in zip(ax.get_xticks()[1:], ratios, strict=True):
        look = {"color": RATIO_COLOURS[ratio], "lw": 4, "solid_capstyle": "butt"}
        ax.plot([place - 14, place + 14], [-3.5, -3.5], clip_on=False, **look)
    side = x.shape[1] ** 0.5
    ax.axvline(side + 0.5, color=INK, lw=0.8)
    ax.set_xlim(-0.5, ax.images[0].get_array().shape[1] - 0.5)
    ax.set_ylim(ax.images[0].get_array().shape[0] - 0.5, -5.5)
    ax.set_ylabel("digit")
    seed = first_seed(results, protocol)
    stamp(figure, f"{made_of(results, protocol)} · drawn: seed {seed}")
    with_or_without = "with" if bias else "without"
    return Drawing(
        7 if bias else 6,
        f"Reconstructions by the models {with_or_without} biases",
        f"On the left the first test image of each digit of {data_title(results)}, then what "
        f"the models {with_or_without} biases make of it, by compression ratio, the lowest first. "
        f"They were trained for {count(results.settings['epochs'], 'epoch')}, from seed {seed}. "
        f"White is 0 and black is 1 in all images. {about(protocol)}",
        figure,
        protocol,
    )

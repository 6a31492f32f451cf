"""The pictures of chapters 8 to 11 of the tour: how training goes. Each draws computed results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from tour import BACKWARD, FORWARD

Array = NDArray[np.floating]

GREEN, PINK = "#009E73", "#CC79A7"  # of Okabe and Ito, as the two colours of `tour`
TITLE = {"fontsize": 12}
# Colour, line and marker, in the order in which a picture needs them: the same in grey.
STYLES = ((BACKWARD, "--", "o"), (FORWARD, "-", "s"), (GREEN, ":", "^"), (PINK, "-.", "D"))


def saturation(
    z: Mapping[str, Array],
    slopes: Mapping[str, Array],
    seen: Array,
    traces: Mapping[str, Sequence[tuple[Array, Array]]],
    error_of_mean: float,
) -> Figure:
    """Chapter 8: where units start on the sigmoid; dead units and the error, a line a seed."""
    figure = Figure(figsize=(10, 7.6), layout="constrained")
    ((of_z, of_slope), (of_dead, of_error)) = figure.subplots(2, 2)
    _shares(of_z, z, np.linspace(-11, 11, 45))
    line = np.linspace(-11, 11, 200)
    of_z.plot(line, 25 / (1 + np.exp(-line)), color="0.6")
    of_z.text(10.8, 26, "the sigmoid", color="0.4", fontsize=11, ha="right")
    of_z.set(xlabel="pre-activation z", ylabel="% of digits and units")
    of_z.set_title("at the start: fan_out spreads over the sigmoid", **TITLE)
    _shares(of_slope, slopes, np.linspace(0, 0.25, 26))
    of_slope.set(xlabel="slope a (1 - a)", ylabel="% of digits and units", xlim=(0, 0.25))
    of_slope.set_title("at the start: no unit is dead", **TITLE)
    of_slope.legend(fontsize=11, loc="upper left")

    for axes, which in ((of_dead, 0), (of_error, 1)):
        _traces(axes, seen, {name: [run[which] for run in runs] for name, runs in traces.items()})
        axes.set_xlabel("digits seen")
    of_dead.set(ylabel="dead units, of 8", ylim=(-0.3, 8.5))
    of_dead.set_title("in training: units die, and some wake again", **TITLE)
    of_dead.legend(fontsize=11, loc="lower right", bbox_to_anchor=(1, 0.06))
    _level(of_error, seen[-1], error_of_mean, "the mean digit")
    of_error.set(ylabel="mean squared error", ylim=(0.045, 0.08))
    of_error.set_title("the error waits for the units", **TITLE)
    return figure


def _shares(axes: Axes, values: Mapping[str, Array], edges: Array) -> None:
    """Histograms in per cent."""
    for (name, of_name), (colour, line, _) in zip(values.items(), STYLES, strict=False):
        weights = np.full(of_name.size, 100 / of_name.size)
        axes.hist(
            of_name.ravel(),
            edges,
            weights=weights,
            label=name,
            color=colour,
            linestyle=line,
            linewidth=2,
            histtype="step",
        )


def _traces(
    axes: Axes, at: Array, traces: Mapping[str, Sequence[Array]], styles: Sequence = STYLES
) -> None:
    """One line a seed; the first of a name in the legend."""
    for (name, runs), (colour, line, _) in zip(traces.items(), styles, strict=False):
        for i, run in enumerate(runs):
            label = name if i == 0 else None
            axes.plot(at, run, color=colour, linestyle=line, lw=1.6, label=label)


def _level(axes: Axes, right: float, height: float, name: str, *, below: bool = False) -> None:
    """A horizontal line to compare with, named above or below its right end."""
    axes.axhline(height, color="0.5", lw=1)
    axes.annotate(
        name,
        (right, height),
        (0, -3 if below else 3),
        textcoords="offset points",
        ha="right",
        va="top" if below else "bottom",
        color="0.35",
        fontsize=11,
    )


def vanishing_gradients(
    cases: Mapping[str, Array], errors: Mapping[str, Array], error_of_mean: float
) -> Figure:
    """Chapter 9: mean |dW| of every layer, and the error of deep and shallow networks."""
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    of_gradient, of_error = figure.subplots(1, 2)
    for (name, sizes), (colour, line, marker) in zip(cases.items(), STYLES, strict=True):
        layers = np.arange(len(sizes))
        of_gradient.plot(layers, sizes, line, color=colour, marker=marker, lw=2, label=name)
    of_gradient.set(xlabel="layer (0: the pixels come in)", ylabel="mean |dW|", yscale="log")
    of_gradient.grid(axis="y", color="0.9")
    of_gradient.legend(fontsize=11, loc="lower right")
    of_gradient.set_title("the gradient at the start, by layer", **TITLE)

    for (name, of_epochs), (colour, line, marker) in zip(errors.items(), STYLES, strict=False):
        epochs = np.arange(1, len(of_epochs) + 1)
        of_error.plot(epochs, of_epochs, line, color=colour, marker=marker, lw=2, label=name)
    _level(of_error, len(of_epochs), error_of_mean, "the mean digit", below=True)
    of_error.set(xlabel="epoch", ylabel="mse on test images", ylim=(0.02, 0.075))
    of_error.legend(fontsize=11, loc="center right", bbox_to_anchor=(1, 0.36))
    of_error.set_title("training 8 layers, and 2", **TITLE)
    return figure


def which_loss(
    z: Array,
    losses: Mapping[str, Array],
    seen: Array,
    runs: Mapping[str, Sequence[Array]],
    error_of_mean: float,
) -> Figure:
    """Chapter 10: two losses of one output whose target is 0; errors and dead units in training."""
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    of_loss, of_error, of_dead = figure.subplots(1, 3)
    for (name, loss), (colour, line, _) in zip(losses.items(), STYLES, strict=False):
        of_loss.plot(z, loss, line, color=colour, lw=2, label=name)
    of_loss.set(xlabel="pre-activation z of the output", ylabel="loss", ylim=(-0.1, 5))
    of_loss.legend(fontsize=11, loc="upper left")
    of_loss.set_title("one output, target 0", **TITLE)

    for axes, which in ((of_error, 0), (of_dead, 1)):
        _traces(
            axes, seen / 1000, {name: [run[:, which] for run in of] for name, of in runs.items()}
        )
        axes.set_xlabel("digits seen, in thousands")
    _level(of_error, seen[-1] / 1000, error_of_mean, "the mean digit")
    of_error.set(ylabel="mean squared error", ylim=(0.045, 0.085))
    of_error.legend(fontsize=9.5, loc="upper right")
    of_error.set_title("error in training", **TITLE)
    of_dead.set(ylabel="dead units, of 8", ylim=(-0.3, 8.5))
    of_dead.set_title("units in training", **TITLE)
    return figure


def bias_and_mask(
    line_of_pixel: tuple[float, float],
    drawings: Mapping[str, Array],
    curves: Mapping[str, Array],
    error_of_mean: float,
) -> Figure:
    """Chapter 11: what a bias does for a pixel, and four models in training."""
    figure = Figure(figsize=(10, 4.3), layout="constrained")
    left, middle, right = figure.subfigures(1, 3, width_ratios=[3.2, 2.9, 3.9])
    _one_pixel(left.subplots(), *line_of_pixel)

    for panel, (name, picture) in zip(middle.subplots(2, 2).flat, drawings.items(), strict=True):
        panel.imshow(picture.reshape(28, 28), cmap="gray", vmin=0, vmax=1)
        panel.set(xticks=[], yticks=[])
        panel.set_xlabel(name, fontsize=10)
    middle.suptitle("drawn from the mean code", **TITLE)

    axes = right.subplots()
    for (name, curve), (colour, line, marker) in zip(curves.items(), DARK_STYLES, strict=True):
        epochs = np.arange(1, len(curve) + 1)
        axes.plot(epochs, curve, line, color=colour, marker=marker, ms=5, markevery=3, label=name)
    _level(axes, len(curve), error_of_mean, "mean image")
    axes.set(xlabel="epoch", ylabel="mse on test images", xticks=[1, 5, 10, 15, 20])
    axes.set(ylim=(0.04, 0.07))
    axes.set_title("8 hidden units, mean of 3 seeds", **TITLE)
    axes.legend(loc="upper right", bbox_to_anchor=(1.0, 0.92), frameon=False)
    return figure


def constant_units(
    sizes: Sequence[int],
    errors: Mapping[str, Sequence[float]],
    ranges: Mapping[int, Array],
    limit: float,
) -> Figure:
    """Chapter 11: errors with and without biases; how much units vary without them."""
    figure = Figure(figsize=(10, 4.1), layout="constrained")
    of_size, of_range = figure.subplots(1, 2)
    for (name, of), (colour, line, marker) in zip(errors.items(), DARK_STYLES, strict=True):
        of_size.plot(sizes, of, line, color=colour, marker=marker, ms=6, label=name)
    of_size.set(xscale="log", xlabel="hidden units h", ylabel="mse on test images")
    of_size.set_xticks(sizes, sizes)
    of_size.minorticks_off()
    of_size.set_title("one constant unit does what biases do", **TITLE)
    of_size.legend(fontsize=10, loc="lower left", frameon=False)
    _ranges(of_range, ranges, limit)
    return figure


DARK_STYLES = (("black", "-", "s"), (BACKWARD, "--", "o"), (PINK, "-.", "D"), (GREEN, "-", "^"))


def _one_pixel(axes: Axes, w: float, b: float) -> None:
    a = np.linspace(0, 1, 101)
    for weight in (-9, -3, 3, 9):
        axes.plot(a, 1 / (1 + np.exp(-a * weight)), color="0.55", lw=1.5)
    axes.plot(a, 1 / (1 + np.exp(-(a * w + b))), color=FORWARD, lw=2.5)
    axes.plot(0, 0.5, "o", color="black", ms=7)
    blank = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    axes.text(0.04, 0.5, "no bias: all\nstart here", fontsize=10, va="center", bbox=blank)
    axes.text(0.66, 0.78, "with\na bias", color=FORWARD, fontsize=11, ha="left", va="top")
    axes.set(xlabel="hidden activation a", ylabel="output pixel", ylim=(-0.02, 1.02))
    axes.set_title("one pixel", **TITLE)


def _ranges(axes: Axes, ranges: Mapping[int, Array], limit: float) -> None:
    """A mark for each unit, at the difference of its largest and its smallest activation."""
    for row, of_units in enumerate(ranges.values()):
        colour, _, marker = DARK_STYLES[row]
        height = row + np.linspace(-0.25, 0.25, len(of_units))
        axes.plot(of_units, height, marker, color=colour, ms=7, mfc="none", mew=1.6)
    axes.axvline(limit, color="0.5", lw=1)
    axes.text(limit * 0.93, len(ranges) - 0.45, "constant", ha="right", color="0.35", fontsize=11)
    axes.set(xscale="log", xlabel="largest activation minus smallest, over the test images")
    axes.set(xlim=(limit / 6, 1.6), ylim=(-0.5, len(ranges) - 0.25))
    axes.set_yticks(range(len(ranges)), [f"h = {h}" for h in ranges])
    axes.set_title("units after plain training without bias, 3 seeds", **TITLE)

"""The pictures of chapters 12 to 16 of the tour: codes, and the images that come out of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from tour import BACKWARD, FORWARD

from ae_numpy import Autoencoder

Array = NDArray[np.floating]

GREEN, PINK = "#009E73", "#CC79A7"  # of Okabe and Ito, as the two colours of `tour`
TITLE = {"fontsize": 12}
GREY = {"cmap": "gray", "vmin": 0, "vmax": 1}
BLANK = {"facecolor": "white", "edgecolor": "none", "pad": 1}
GAP = 2  # pixels between two images


def looking_inside(
    sees: Array, draws: Array, most: Array, added: Sequence[int], building: Array, original: Array
) -> Figure:
    """Chapter 12: the weights of every unit as images; below, a digit built unit by unit."""
    figure = Figure(figsize=(10, 5.2), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=[3.4, 1.75])
    signed = {"cmap": "RdBu_r", "vmin": -1, "vmax": 1}
    units = top.subplots(3, 1)
    for axes, name, images, look in (
        (units[0], "it sees\n$W0[:, j]$", sees / np.quantile(np.abs(sees), 0.995), signed),
        (units[1], "it draws\n$W1[j]$", draws / np.quantile(np.abs(draws), 0.995), signed),
        (units[2], "driven\nmost by", most, GREY),
    ):
        _row(axes, images, look, name)
    _columns(units[0], range(len(sees)))
    units[0].xaxis.tick_top()
    top.suptitle("hidden unit j", **TITLE)

    axes = bottom.subplots()
    _row(axes, np.vstack([building, original]), GREY, "one digit\nis built")
    _columns(axes, (*added, "original"))
    axes.set_xlabel("number of units added", fontsize=12)
    return figure


def mosaic(rows: Sequence[Array]) -> Array:
    """Images in rows and columns, with gaps that are NaN, which no colour map draws."""
    step = 28 + GAP
    tiles = np.full((step * len(rows) - GAP, step * len(rows[0]) - GAP), np.nan)
    for i, images in enumerate(rows):
        for j, image in enumerate(images):
            tiles[step * i : step * i + 28, step * j : step * j + 28] = image.reshape(28, 28)
    return tiles


def _row(axes: Axes, images: Array, look: Mapping, name: str) -> None:
    """Images side by side, with a name at the left."""
    axes.imshow(mosaic([images]), **look)
    axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=12)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _columns(axes: Axes, labels: Sequence) -> None:
    """A label for each column of a mosaic."""
    axes.set_xticks((28 + GAP) * np.arange(len(labels)) + 14, labels, fontsize=11)
    axes.tick_params(length=0)


def code_space(
    walk: Array, blend: Array, t: Array, codes: Array, labels: Array, line: Array, drawings: Array
) -> Figure:
    """Chapter 13: a walk between two codes; where test images are; what is drawn on a grid."""
    figure = Figure(figsize=(10, 7.4), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=[2.3, 5.1])
    strips = top.subplots(2, 1)
    for axes, images, name in zip(
        strips,
        (walk, blend),
        ("walk in the code,\ndecoded", "blend of the\ntwo images"),
        strict=True,
    ):
        _row(axes, images, GREY, name)
    _columns(strips[1], [f"t = {step:g}" for step in t])

    left, right = bottom.subplots(1, 2)
    marked = {0: ("black", "o"), 1: (BACKWARD, "^"), 4: (FORWARD, "s"), 9: (GREEN, "X")}
    others = codes[~np.isin(labels, [*marked])]
    left.plot(*others.T, ".", color="0.75", ms=6, label="others")
    for digit, (colour, marker) in marked.items():
        of_digit = codes[labels == digit]
        left.plot(*of_digit.T, marker, color=colour, ms=6.5, mfc="none", mew=1.3, label=f"{digit}")
    left.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
    above = {"loc": "lower center", "bbox_to_anchor": (0.5, 0.985), "ncols": 5, "frameon": False}
    left.legend(fontsize=11, handletextpad=0.1, columnspacing=1, **above)
    left.set_title("where 500 test images are", pad=25, **TITLE)

    side = round(len(drawings) ** 0.5)
    tiles = drawings.reshape(side, side, 28, 28)[:, :, 4:24, 4:24]  # without the margin
    right.imshow(tiles.swapaxes(1, 2).reshape(side * 20, -1), extent=(0, 1, 0, 1), **GREY)
    right.plot(*line.T, color=BACKWARD, lw=1.5, marker="o", mfc="white", ms=7)
    right.set_title("what the decoder draws there, and the walk", **TITLE)
    for axes in (left, right):
        axes.set(xlabel="first number of the code", ylabel="second number of the code")
    return figure


def linear_is_pca(
    excess: Sequence[float],
    components: Array,
    rows: Array,
    errors: Mapping[str, Mapping[int, float]],
    mse_of_mean: float,
    images: Array,
    models: Mapping[int, Autoencoder],
) -> Figure:
    """Chapter 14: how training nears PCA; components and weights; errors and digits by size."""
    figure = Figure(figsize=(10, 8.4), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=[3.1, 5.3])
    left, right = top.subfigures(1, 2, width_ratios=[5.2, 4.8])
    axes = left.subplots()
    axes.plot(100 * np.array(excess), color="black", lw=2)
    axes.set(yscale="log", xlabel="step", ylabel="% above the error of PCA")
    axes.grid(axis="y", color="0.9")
    axes.set_title("a linear autoencoder in training", **TITLE)
    strips = right.subplots(2, 1)
    for panel, of, name in zip(strips, (components, rows), ("PCA", "rows\nof W1"), strict=True):
        reach = np.abs(of).max()
        _row(panel, of, {"cmap": "RdBu_r", "vmin": -reach, "vmax": reach}, name)
    right.suptitle("two ways to span one space", **TITLE)

    left, right = bottom.subfigures(1, 2, width_ratios=[5.6, 4.4])
    _errors_by_size(left.subplots(), errors, mse_of_mean)
    lines = {"original": images}
    for h, model in reversed(models.items()):
        lines[f"{h} numbers"] = model.reconstruct(images)
    _labelled_mosaic(right.subplots(), lines)
    return figure


def _errors_by_size(
    axes: Axes, errors: Mapping[str, Mapping[int, float]], mse_of_mean: float
) -> None:
    looks = (
        ("0.45", ":", "v"),
        (PINK, "--", "X"),
        (FORWARD, "-", "o"),
        (BACKWARD, "--", "s"),
        ("black", "-.", "D"),
    )
    sizes = [*next(iter(errors.values()))]
    for (name, of), (colour, line, marker) in zip(errors.items(), looks, strict=True):
        fill = "white" if marker in "sD" else colour
        axes.plot(sizes, [*of.values()], line, color=colour, marker=marker, mfc=fill, lw=2, ms=7)
        axes.lines[-1].set_label(name)
    axes.axhline(mse_of_mean, color="0.55", lw=1)
    axes.text(sizes[-1], mse_of_mean * 1.02, "mean image", ha="right", va="bottom", color="0.35")
    axes.set(xscale="log", yscale="log", xlabel="numbers in the code", ylabel="mse on test images")
    axes.set_xticks(sizes, sizes)
    axes.set(ylim=(0.0108, 0.08))
    axes.set_yticks([0.02, 0.03, 0.05, 0.07], ["0.02", "0.03", "0.05", "0.07"])
    axes.minorticks_off()
    axes.legend(loc="lower left", frameon=False, fontsize=11)
    ratios = axes.secondary_xaxis("top")
    ratios.set_xticks(sizes, [f"{784 / h:g}" for h in sizes])
    ratios.minorticks_off()
    ratios.set_xlabel("compression ratio")


def _labelled_mosaic(axes: Axes, rows: Mapping[str, Array]) -> None:
    """Rows of images, with a name at the left of each."""
    axes.imshow(mosaic([*rows.values()]), **GREY)
    axes.set_yticks((28 + GAP) * np.arange(len(rows)) + 14, rows, fontsize=11)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def denoising(
    errors: Mapping[str, Mapping[int, float]],
    marks: Mapping[str, float],
    rows: Mapping[str, Array],
) -> Figure:
    """Chapter 15: errors against the size of the code, and what becomes of noisy images."""
    figure = Figure(figsize=(10, 4.9), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[4.8, 5.2])
    axes = left.subplots()
    for (name, of), (colour, line, marker) in zip(
        errors.items(), ((BACKWARD, "--", "s"), (FORWARD, "-", "o")), strict=True
    ):
        axes.plot([*of], [*of.values()], line, color=colour, marker=marker, lw=2, ms=7, label=name)
    sizes = [*of]
    lowest = min(of[sizes[0]] for of in errors.values())
    for name, height in marks.items():
        axes.axhline(height, color="0.55", lw=1)
        x, ha = (sizes[0], "left") if height < lowest else (sizes[-1], "right")  # off the curves
        axes.text(x, height + 0.0005, name, ha=ha, va="bottom", color="0.35", fontsize=11)
    axes.set(xscale="log", xlabel="numbers in the code", ylabel="mse against clean images")
    axes.set(ylim=(0, None))
    axes.set_xticks(sizes, sizes)
    axes.minorticks_off()
    axes.legend(loc="upper right", bbox_to_anchor=(1, 0.8), fontsize=11)
    _labelled_mosaic(right.subplots(), rows)
    return figure


def compression(
    points: Mapping[int, Sequence[tuple[float, float]]],
    levels: Sequence[int],
    rows: Mapping[str, Array],
) -> Figure:
    """Chapter 16: a staircase; bytes and errors by units and levels; digits at some sizes."""
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    left, middle, right = figure.subfigures(1, 3, width_ratios=[2.8, 3.7, 3.5])
    axes = left.subplots()
    z = np.linspace(0, 1, 601)
    axes.plot(z, z, "--", color=BACKWARD, lw=2, label="straight through")
    steps = np.rint(3 * z)
    for symbol in range(4):
        on = steps == symbol
        label = "rounded" if symbol == 0 else None
        axes.plot(z[on], steps[on] / 3, color=FORWARD, lw=2.5, label=label)
        axes.text(
            z[on].mean(), symbol / 3 + 0.03, f"{symbol}", ha="center", fontsize=12, bbox=BLANK
        )
    axes.set(xlabel="number z of the code", ylabel="what the decoder gets", ylim=(-0.27, 1.14))
    axes.legend(fontsize=10, loc="lower right")
    axes.set_title("4 levels, symbols 0 to 3", **TITLE)

    axes = middle.subplots()
    looks = ((BACKWARD, "--", "s"), (FORWARD, "-", "o"), (GREEN, ":", "^"))
    for (h, of), (colour, line, marker) in zip(points.items(), looks, strict=True):
        axes.plot(*zip(*of, strict=True), line, color=colour, marker=marker, lw=2, ms=6)
        axes.lines[-1].set_label(f"{h} units")
    for (size, error), number in zip(of, levels, strict=True):  # of the last curve
        axes.annotate(f"{number}", (size, error), (5, 4), textcoords="offset points", fontsize=10)
    axes.set(xlabel="bytes an image", ylabel="mse on test images", ylim=(0.01, 0.05))
    axes.set(xlim=(0, 17))
    axes.legend(fontsize=11)
    axes.set_title("2 to 16 levels", **TITLE)
    _labelled_mosaic(right.subplots(), rows)
    return figure

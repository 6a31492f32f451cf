"""The pictures of chapters 12 to 16 of the tour: codes, and the images that come out of them."""

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
GREY = {"cmap": "gray", "vmin": 0, "vmax": 1}
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
    left.legend(fontsize=11, loc="upper center", bbox_to_anchor=(0.55, 0.8), framealpha=0.95)
    left.set_title("where 500 test images are", **TITLE)

    side = round(len(drawings) ** 0.5)
    tiles = drawings.reshape(side, side, 28, 28)[:, :, 4:24, 4:24]  # without the margin
    right.imshow(tiles.swapaxes(1, 2).reshape(side * 20, -1), extent=(0, 1, 0, 1), **GREY)
    right.plot(*line.T, color=BACKWARD, lw=1.5, marker="o", mfc="white", ms=7)
    right.set_title("what the decoder draws there, and the walk", **TITLE)
    for axes in (left, right):
        axes.set(xlabel="first number of the code", ylabel="second number of the code")
    return figure

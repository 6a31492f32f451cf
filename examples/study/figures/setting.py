"""Figures 1 to 4: the images, and the network."""

from __future__ import annotations

import numpy as np

from ae_numpy.datasets import Digits
from ae_numpy.plots import new_figure, plot_images, plot_network
from study.data import N_TEST, N_TRAIN
from study.figures.style import DIGITS, GREY, INK, WIDTH, Drawing, stamp
from study.paper import HIDDEN_UNITS
from study.words import count


def first_of_each_class(labels: np.ndarray) -> dict[int, int]:
    """Return the index of the first image of each digit that occurs."""
    found, where = np.unique(labels, return_index=True)
    return {int(digit): int(index) for digit, index in zip(found, where, strict=True)}


def example_digits(digits: Digits, data: str) -> Drawing:
    """Figure 1: ten digits, two rows of five."""
    first = first_of_each_class(digits.train_labels)
    images = digits.train_images[list(first.values())]
    figure = new_figure(WIDTH, 3.6)
    plot_images(images, columns=5, limits=(0, 255), ax=figure.add_subplot())
    stamp(figure, data)
    return Drawing(
        1,
        "Examples of the digits",
        f"The first training image of each digit of {data}: 28 x 28 pixels in 256 grey levels, "
        "the ink drawn dark here. The networks see every image as 784 numbers between 0.01 and 1.",
        figure,
    )


def class_counts(digits: Digits, data: str) -> Drawing:
    """Figure 2: how many images there are of each digit."""
    counts = [
        np.bincount(labels, minlength=len(DIGITS))
        for labels in (digits.train_labels, digits.test_labels)
    ]
    totals = counts[0] + counts[1]
    figure = new_figure(WIDTH, 4.2)
    ax = figure.add_subplot()
    ax.bar(DIGITS, counts[0], color="0.4", width=0.75, label="training")
    look = {"color": "0.82", "edgecolor": "0.4", "linewidth": 0.6}
    ax.bar(DIGITS, counts[1], bottom=counts[0], width=0.75, label="test", **look)
    above = {"xytext": (0, 3), "textcoords": "offset points", "ha": "center", "fontsize": 9}
    for digit, total in enumerate(totals):
        backing = {"fc": "white", "ec": "none", "pad": 0.6}
        ax.annotate(f"{total:,}", (digit, total), bbox=backing, **above)
    ax.axhline(totals.mean(), color=INK, ls="--", lw=1, zorder=0, label="mean of the classes")
    ax.set_xticks(DIGITS)
    ax.set_xlabel("digit")
    ax.set_ylabel("images")
    ax.yaxis.set_major_formatter("{x:,.0f}")
    ax.margins(y=0.1)
    figure.legend(loc="outside upper right", ncols=3)
    n_train, n_test = len(digits.train_labels), len(digits.test_labels)
    if (n_train, n_test) != (N_TRAIN, N_TEST):
        data = f"{data}, {n_train + n_test:,} images only"
    stamp(figure, data)
    return Drawing(
        2,
        "How many images there are of each digit",
        f"Training ({n_train:,}) and test images ({n_test:,}) of {data}, stacked, by digit; "
        f"the number above a bar is their sum. The smallest class has "
        f"{totals.min():,}, the largest {count(int(totals.max()), 'image')}.",
        figure,
    )


def network(bias: bool) -> Drawing:
    """Figures 3 and 4: the network, without and with biases."""
    figure = new_figure(WIDTH, 4.6)
    ax = figure.add_subplot()
    sizes = sorted(HIDDEN_UNITS.values())
    several = ", ".join(map(str, sizes[:-1])) + f" or {sizes[-1]} units"
    labels = ["784 units", several, "784 units"]
    plot_network((784, 28, 784), bias=bias, labels=labels, most=(8, 4, 8), ax=ax)
    for k, title in enumerate(("input: pixels", "hidden: the code", "output: pixels")):
        ax.text(k, 5.0, title, ha="center", fontsize=11, weight="bold")
    for k, title in enumerate(("encoder", "decoder")):
        ax.text(k + 0.5, 5.0, f"{title} \N{RIGHTWARDS ARROW}", ha="center", color=GREY)
    ax.set_ylim(top=5.6)
    with_or_without = "with biases" if bias else "without biases"
    constant = (
        "The squares are units of constant output 1; the dashed lines from them are the biases, "
        "one for each unit of the next layer. "
        if bias
        else "No trained bias is added to the weighted sums. "
    )
    return Drawing(
        4 if bias else 3,
        f"The network, {with_or_without}",
        "Circles are units, lines weights; the dots stand for the units left out. "
        "Every unit of a layer is connected to all of the next, and hidden and output units "
        f"apply the sigmoid to the weighted sum. {constant}"
        f"The hidden layer has {several}, which is a compression ratio of 784 divided by that.",
        figure,
    )

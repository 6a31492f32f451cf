"""The other pictures of chapters 2 to 7 of the tour: each draws what its chapter has computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from tour import BACKWARD, FORWARD

Array = NDArray[np.float64]
LIGHT = {"color": "0.9"}


def neuron_learns(
    points: Array,
    targets: Array,
    lines: Mapping[int, tuple[Array, float]],
    losses: Array,
    weights: Mapping[int, Array],
) -> Figure:
    """Chapter 2: a line that turns between two kinds of points, its loss, weights as images."""
    figure = Figure(figsize=(10, 4.0), layout="constrained")
    left, middle, right = figure.subfigures(1, 3, width_ratios=[4.1, 3.2, 2.7])

    axes = left.subplots()
    for digit, colour, mark in ((0, BACKWARD, "o"), (1, FORWARD, "x")):
        x = points[targets == digit]
        axes.plot(*x.T, mark, color=colour, ms=5, fillstyle="none", label=f"a {digit}")
    across = np.array([0.0, 0.3])
    for (step, (w, b)), style in zip(lines.items(), (":", "--", "-"), strict=True):
        up = -(w[0] * across + b) / w[1]  # where z = 0, so a = 1/2
        axes.plot(across, up, style, color="black", label=f"step {step}")
    axes.set(xlim=(0.02, 0.29), ylim=(-0.04, 1.1))
    axes.set(xlabel="x[0]: mean brightness", ylabel="x[1]: brightness of the centre")
    axes.legend(fontsize=10, loc="upper right", framealpha=1)
    axes.set_title("one line for two numbers", fontsize=12)

    axes = middle.subplots()
    axes.plot(losses, color="black")
    axes.set(xlabel="step", ylabel="J, mean over the samples", ylim=(0, None))
    axes.grid(**LIGHT)
    axes.set_title("its loss", fontsize=12)

    panels = right.subplots(len(weights), 1)
    for axes, (step, w) in zip(panels, weights.items(), strict=True):
        reach = np.abs(w).max()
        axes.imshow(w.reshape(28, 28), cmap="RdBu", vmin=-reach, vmax=reach)
        axes.set_title(f"784 weights, step {step}", fontsize=11)
        axes.axis("off")
    return figure


def shapes_of_the_passes(sizes: tuple[int, int, int]) -> Figure:
    """Chapter 4: the shapes of a forward and a backward pass, one sample, drawn to scale."""
    n_in, hidden, n_out = sizes
    figure = Figure(figsize=(10, 5.0))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 30), ylim=(0, 15))
    axes.axis("off")
    forward = (
        ("x", (1, n_in), FORWARD, "@"),
        ("W0", (n_in, hidden), "0.6", "="),
        ("z0", (1, hidden), FORWARD, r"$\sigma\rightarrow$"),
        ("a0", (1, hidden), FORWARD, "@"),
        ("W1", (hidden, n_out), "0.6", "="),
        ("z1", (1, n_out), FORWARD, ""),
    )
    backward = (
        ("dz1", (1, n_out), BACKWARD, "@"),
        ("W1.T", (n_out, hidden), "0.6", "="),
        ("da0", (1, hidden), BACKWARD, r"$\times$"),
        ("slopes\na0 (1 - a0)", (1, hidden), "0.6", "="),
        ("dz0", (1, hidden), BACKWARD, "@"),
        ("W0.T", (hidden, n_in), "0.6", "="),
        ("dx", (1, n_in), BACKWARD, ""),
    )
    for height, title, blocks in (
        (11.0, "Forward: values, from left to right", forward),
        (3.8, "Backward: gradients, also written from left to right", backward),
    ):
        axes.text(0.6, height + 3.1, title, fontsize=13)
        left = 0.7
        for name, shape, colour, sign in blocks:
            _cells(axes, (left, height), shape, colour)
            at = left + shape[1] * _SIDE / 2, height - shape[0] * _SIDE / 2 - 0.3
            axes.text(*at, f"{name}\n{shape}", ha="center", va="top", size=11)
            left += shape[1] * _SIDE + 1.6
            axes.text(left - 0.8, height, sign, ha="center", va="center", fontsize=15)
    return figure


_SIDE = 0.95  # of a cell


def _cells(axes: Axes, at: tuple[float, float], shape: tuple[int, int], colour: str) -> None:
    """A matrix as empty cells, from its left edge on and centred at a height."""
    style = {"facecolor": colour, "edgecolor": "white", "linewidth": 1.5, "alpha": 0.75}
    for row in range(shape[0]):
        for column in range(shape[1]):
            corner = at[0] + column * _SIDE, at[1] + (shape[0] / 2 - row - 1) * _SIDE
            axes.add_patch(Rectangle(corner, _SIDE, _SIDE, **style))


def sum_of_tables(x: Array, dz: Array) -> Figure:
    """Chapter 5: dW = x.T @ dz, and the same as the sum of one table a sample."""
    figure = Figure(figsize=(10, 7.2))
    n_samples, shades = len(x), np.array([0.12, 0.45, 0.8])  # one for each sample
    tall = _CELL * 10 / 7.2
    (n_in, n_out), none = (x.shape[1], dz.shape[1]), np.zeros(1)

    def sign(text: str, left: float, height: float) -> None:
        figure.text(left, height, text, fontsize=20, ha="center", va="center")

    top, low = 0.56, 0.06
    _table(figure, x.T, shades, 0.15, top, f"x.T  (I, B) = ({n_in}, {n_samples})")
    sign("@", 0.38, top + 2 * tall)
    title = f"dz  (B, O) = ({n_samples}, {n_out})"
    _table(figure, dz, shades[:, None], 0.45, top + 0.5 * tall, title)
    sign("=", 0.63, top + 2 * tall)
    _table(figure, x.T @ dz, none, 0.72, top, f"dW  (I, O) = ({n_in}, {n_out})")
    for n in range(n_samples):
        title = f"sample {n}:\nx[{n}] times dz[{n}]"
        _table(figure, np.outer(x[n], dz[n]), shades[n : n + 1], 0.10 + 0.21 * n, low, title)
        sign("+" if n < n_samples - 1 else "=", 0.26 + 0.21 * n, low + 2 * tall)
        style = {"ha": "center", "va": "center", "color": "0.4", "fontsize": 11}
        figure.text(0.15 + (n + 0.5) * _CELL, top - 0.025, f"{n}", **style)
        figure.text(0.435, top + (3 - n) * tall, f"{n}", **style)
    _table(figure, x.T @ dz, none, 0.74, low, "their sum:\ndW")
    figure.text(0.5, 0.955, "A weight's gradient adds up over the samples", ha="center", size=15)
    return figure


_CELL = 0.058  # the width of a cell, as a part of the figure's


def _table(
    figure: Figure, matrix: Array, shades: Array, left: float, bottom: float, title: str
) -> None:
    """A matrix as shaded cells with their numbers."""
    rows, columns = matrix.shape
    height = rows * _CELL * figure.get_figwidth() / figure.get_figheight()
    axes = figure.add_axes((left, bottom, columns * _CELL, height))
    cells = np.broadcast_to(shades, matrix.shape)[::-1]
    axes.pcolormesh(cells, cmap="Blues", vmin=0, vmax=1.8, edgecolors="0.8", linewidth=1)
    for (row, column), entry in np.ndenumerate(matrix):
        text = f"{entry + 0.0:g}"  # adding 0.0 makes 0 of -0
        axes.text(column + 0.5, rows - row - 0.5, text, ha="center", va="center", fontsize=12)
    axes.set_title(title, fontsize=12)
    axes.axis("off")


def measuring_errors(nudges: Array, forward: Array, central: Array, complex_: Array) -> Figure:
    """Chapter 6: how exactly a derivative can be measured, against the nudge."""
    figure = Figure(figsize=(10, 5.8), layout="constrained")
    axes = figure.subplots()
    axes.loglog(nudges, forward, "o-", color=FORWARD, label="forward difference")
    axes.loglog(nudges, central, "s-", color=BACKWARD, label="central difference")
    axes.loglog(nudges, complex_, "^-", color="black", label="complex step")
    axes.invert_xaxis()
    axes.set(ylim=(1e-17, 1e4))
    axes.set_xlabel("nudge: smaller to the right", fontsize=12)
    axes.set_ylabel("largest error of the measured gradient (relative)", fontsize=12)
    axes.tick_params(labelsize=11)
    axes.grid(**LIGHT)
    axes.legend(fontsize=12, loc="upper left", bbox_to_anchor=(0.3, 1), framealpha=1)
    axes.text(8e-4, 1e0, "truncation:\nthe nudge is too large", fontsize=12, ha="center")
    axes.text(1.5e-11, 2e-1, "rounding:\ntoo few digits are left", fontsize=12, ha="center")
    axes.text(1e-11, 1.5e-14, "nothing is subtracted, no digits are lost", fontsize=12, ha="center")
    for error, colour, beside in ((forward, FORWARD, -16), (central, BACKWARD, -20)):
        best = error.argmin()
        axes.annotate(
            f"best at {nudges[best]:.0e}",
            (nudges[best], error[best]),
            (16, beside),
            textcoords="offset points",
            fontsize=12,
            color=colour,
            va="center",
        )
    axes.set_title("How exactly a derivative can be measured", fontsize=14)
    return figure


def first_order_errors(lengths: Array, errors: Mapping[str, Array]) -> Figure:
    """Chapter 6: the Taylor plot, what a gradient leaves unexplained against the step's length."""
    figure = Figure(figsize=(10, 5.4), layout="constrained")
    axes = figure.subplots()
    grey = iter(("s--", "^--", "v--", "D--"))
    for name, error in errors.items():
        right = name == "right"
        look, colour = ("o-", FORWARD) if right else (next(grey), BACKWARD)
        label = "the gradient: error falls with the square" if right else f"wrong: {name}"
        axes.loglog(lengths, error, look, color=colour, ms=5, label=label)
    axes.invert_xaxis()
    axes.set_xlabel("length of the step: shorter to the right", fontsize=12)
    axes.set_ylabel("error of the predicted change of J", fontsize=12)
    axes.tick_params(labelsize=11)
    axes.grid(**LIGHT)
    axes.legend(fontsize=11, loc="lower left", framealpha=1)
    axes.set_title("What a gradient promises, and how far J is from it", fontsize=14)
    return figure


def training_curves(
    curves: Mapping[float, tuple[str, Sequence[float]]],
    mse_of_mean: float,
    rows: Mapping[str, Array],
) -> Figure:
    """Chapter 7: the test error for several learning rates, and images as they improve."""
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[3.9, 6.1])
    axes = left.subplots()
    looks = ((BACKWARD, "--"), (FORWARD, "-"), ("0.3", ":"))
    for (rate, (word, curve)), (colour, style) in zip(curves.items(), looks, strict=True):
        epochs = np.arange(1, len(curve) + 1)
        axes.plot(epochs, curve, style, color=colour, lw=2.5, label=f"rate {rate:g}: {word}")
    axes.axhline(mse_of_mean, color="0.6", lw=1, label="the mean image")
    axes.set(xlabel="epoch", ylabel="mse on test images", ylim=(0, 0.077), xticks=epochs[1::2])
    axes.legend(loc="lower left", frameon=False)

    mosaic = np.ones((len(rows) * 30 - 2, 10 * 30 - 2))  # 28 pixels, and 2 between images
    for line, images in enumerate(rows.values()):
        for column, image in enumerate(images):
            tile = mosaic[30 * line : 30 * line + 28, 30 * column : 30 * column + 28]
            tile[:] = image.reshape(28, 28)
    axes = right.subplots()
    axes.imshow(mosaic, cmap="gray", vmin=0, vmax=1)
    axes.set_yticks(30 * np.arange(len(rows)) + 14, rows, fontsize=11)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure

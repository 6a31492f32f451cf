"""The study's figure: error against bytes, and the same ten digits at four sizes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from study.figures.style import DPI, GREY, INK, RATIO_COLOURS, our_style, plain_numbers
from study.rate.findings import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BYTES_SHOWN = (8, 16, 32, 64)
_FARTHEST = 1.35
"""By which factor the bytes of a digit in the strip may differ from those of its column."""

_COLOURS = {
    "autoencoder": "#1e5fa8",
    "PCA": "#b3261e",
    "JPEG": "#8c6d1f",
    "WebP": "#3a8f4f",
    "AVIF": "#7d4bb0",
    "JPEG XL": "#d07b13",
    "JPEG 2000": "#0c8a98",
}
_WIDTH, _HEIGHT = 10.0, 8.6  # inches


def draw(study: Study, originals: np.ndarray, words: str) -> Figure:
    """Draw the figure.

    Parameters
    ----------
    study : Study
    originals : uint8 array, shape (N, 28, 28)
        The images of `study.rate.measurement.first_of_each`.
    words : str
        What it is made of.
    """
    from matplotlib.figure import Figure

    with our_style():
        figure = Figure(figsize=(_WIDTH, _HEIGHT), dpi=DPI, layout="constrained")
        above, below = figure.subfigures(2, 1, height_ratios=(2.4, 1))
        _curves(above.subplots(), study)
        _strips(below.subplots(), study, originals)
        figure.supxlabel(words, x=0.995, ha="right", fontsize=8, color=GREY)
        return figure


def _curves(ax: Axes, study: Study) -> None:
    for name, curve in study.curves.items():
        wide = 2.6 if name == "autoencoder" else 1.5
        ax.plot(curve.bytes, curve.errors, color=_COLOURS[name], lw=wide, label=name, zorder=3)
        if name not in ("autoencoder", "PCA"):
            ax.plot(curve.bytes, curve.errors, ".", color=_COLOURS[name], ms=6, zorder=3)
    for best in study.best:
        colour = RATIO_COLOURS[best.ratio]
        levels = [p for p in study.of("autoencoder") if p.value("h") == best.hidden_units]
        levels = [p for p in levels if p.value("contexts") == 1]
        xs, ys = ([getattr(p, name) for p in levels] for name in ("bytes_per_image", "mse"))
        ax.plot(xs, ys, "o-", color=colour, ms=3.2, lw=0.7, alpha=0.9, zorder=2)
        plain = best.plain
        ax.plot(plain.bytes_per_image, plain.mse, "D", color=colour, mec="white", ms=7, zorder=4)
        ax.annotate(
            f"{best.ratio}x\nh = {best.hidden_units}",
            (plain.bytes_per_image, plain.mse),
            xytext=(7, 0),
            textcoords="offset points",
            fontsize=8,
            va="center",
        )
    best = min((p for p in study.points if not p.mse), key=lambda p: p.bytes_per_image)
    ax.axvline(best.bytes_per_image, color=GREY, lw=1, ls=":")
    ax.text(
        best.bytes_per_image,
        0.99,
        f"without loss: {best.method.partition(',')[0]} ",
        transform=ax.get_xaxis_transform(),
        fontsize=8,
        ha="right",
        va="top",
    )
    ax.plot(
        [], [], "D", color=GREY, mec="white", ms=7, label="the paper's models, codes in float32"
    )
    ax.plot([], [], "o-", color=GREY, ms=3.2, lw=0.7, label="the same, 3 to 32 levels, no contexts")
    ax.set(xscale="log", yscale="log", xlabel="bytes an image", ylabel="mean squared error")
    plain_numbers(ax.xaxis)
    plain_numbers(ax.yaxis)
    ax.grid(True)
    ax.legend(loc="lower left")
    ax.set_title("Error against bytes; image codecs on one mosaic of all images")


def _strips(ax: Axes, study: Study, originals: np.ndarray) -> None:
    """Draw a row for each method, and a block of digits for each number of bytes."""
    n, gap = len(originals), 20
    names, block = ["original", *study.curves], 28 * n + gap
    sheet = np.full((30 * len(names), block * len(BYTES_SHOWN) - gap), np.nan)
    for row, name in enumerate(names):
        for column, n_bytes in enumerate(BYTES_SHOWN):
            left, top = column * block, 30 * row
            images, label = _shown(study, name, n_bytes, originals)
            if images is None:
                look = {"x": left + 14 * n, "ha": "center", "fontsize": 7}
            else:
                sheet[top : top + 28, left : left + 28 * n] = np.hstack(list(images))
                look = {"x": left + 28 * n + 3, "ha": "left", "fontsize": 5.5, "rotation": 90}
            ax.text(y=top + 14, s=label, va="center", color=GREY, **look)
    ax.imshow(sheet, cmap="gray_r", vmin=0, vmax=255, interpolation="nearest", aspect="equal")
    ax.set_yticks([30 * row + 14 for row in range(len(names))], names)
    centres = [column * block + 14 * n for column in range(len(BYTES_SHOWN))]
    ax.set_xticks(centres, [f"about {n_bytes} bytes" for n_bytes in BYTES_SHOWN])
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    for label in ax.get_yticklabels():
        label.set_color(_COLOURS.get(label.get_text(), INK))
    ax.spines[:].set_visible(False)


def _shown(
    study: Study, name: str, n_bytes: float, originals: np.ndarray
) -> tuple[np.ndarray | None, str]:
    """Return a method's images nearest to a number of bytes, if it has some, and a label."""
    if name == "original":
        return originals, ""
    curve = study.curves[name]
    point = curve.nearest(n_bytes)
    if abs(math.log(point.bytes_per_image / n_bytes)) > math.log(_FARTHEST):
        return None, f"nearest: {point.bytes_per_image:.0f} bytes"
    return point.images(), f"{point.bytes_per_image:.0f}"

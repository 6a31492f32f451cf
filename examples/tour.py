"""What the scripts of the tour share: two colours, nodes and edges to draw with, and `save`."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

# The blue and the vermillion of Okabe and Ito, which colour-blind readers tell apart. In grey the
# place does it: a value stands above, its gradient below.
FORWARD = "#0072B2"
BACKWARD = "#D55E00"

_PIXELS = 1000  # the width of every picture

Point = tuple[float, float]


def save(figure: Figure, name: str) -> None:
    """Write ``results/tour/<name>.png`` below the current directory; a notebook shows it instead.

    The picture is 1000 pixels wide. With ``Figure(figsize=(10, ...))`` a font of 10 points is
    14 pixels high.
    """
    dpi = _PIXELS / figure.get_figwidth()
    if _in_a_notebook():
        from IPython.display import Image, display

        png = io.BytesIO()
        figure.savefig(png, dpi=dpi, format="png")
        display(Image(png.getvalue()))
        return
    path = Path("results", "tour", f"{name}.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=dpi)
    print(f"picture: {path}")


def _in_a_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")


def node(axes: Axes, at: Point, symbol: str, *, round_: bool = True, size: float = 12) -> None:
    """Draw a symbol in a circle (an operation), or in a box (a number that is given)."""
    shape = "circle,pad=0.45" if round_ else "round,pad=0.45"
    box = {"boxstyle": shape, "facecolor": "white", "edgecolor": "black", "linewidth": 1.2}
    axes.text(*at, symbol, ha="center", va="center", fontsize=size, bbox=box, zorder=3)


def edge(
    axes: Axes,
    start: Point,
    end: Point,
    forward: str,
    backward: str,
    *,
    along: float = 0.5,
    size: float = 11,
) -> None:
    """Draw an arrow with the value above it and the gradient below it.

    `along` is where the two numbers stand: 0 at the start, 1 at the end.
    """
    axes.annotate(
        "",
        end,
        start,
        arrowprops={"arrowstyle": "-|>", "color": "0.55", "shrinkA": 14, "shrinkB": 17},
        zorder=1,
    )
    x, y = (s + along * (e - s) for s, e in zip(start, end, strict=True))
    for text, colour, va, lift in (
        (forward, FORWARD, "bottom", 3),
        (backward, BACKWARD, "top", -3),
    ):
        axes.annotate(
            text,
            (x, y),
            (0, lift),
            textcoords="offset points",
            ha="center",
            va=va,
            fontsize=size,
            color=colour,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
            zorder=2,
        )

"""How all figures look, and how they are written: the same bytes for the same results."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from study.data import DataSource
from study.files import write
from study.paper import HIDDEN_UNITS, RATIOS
from study.protocols import PROTOCOLS
from study.results import Results
from study.words import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

WIDTH = 8.2  # inches; 902 pixels
DPI = 110

DIGITS = range(10)

RATIO_COLOURS = dict(
    zip(
        sorted(RATIOS),
        ("#440154", "#46307e", "#38598c", "#287c8e", "#1e9d89", "#40bd72", "#8ed645"),
        strict=True,
    )
)
"""A colour for each ratio, in every figure: viridis from 0 to 0.83, darker for more units."""

INK, GREY = "0.15", "0.45"
REFERENCE = "#b3261e"  # what is not one of the paper's models: PCA, the mean image

_SETTINGS = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "grid.color": "0.9",
    "grid.linewidth": 0.7,
    "hatch.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.4,
    "text.color": INK,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
}


@dataclass(frozen=True)
class Drawing:
    """A drawn figure and the text about it."""

    number: int
    title: str
    caption: str
    figure: Figure
    protocol: str | None = None

    @property
    def name(self) -> str:
        """The name of its files, without their suffixes."""
        return f"figure{self.number}" + (f"-{self.protocol}" if self.protocol else "")


@dataclass(frozen=True)
class Drawn:
    """A figure in its files.

    Parameters
    ----------
    name : str
        That of the files, such as ``"figure5-published"``.
    number : int
        1 to 8 as in the paper; the others are not in it.
    title, caption : str
        Plain text.
    protocol : str or None
        Whose models it shows; None for a figure of all protocols, or of no models.
    png, pdf : Path
    """

    name: str
    number: int
    title: str
    caption: str
    protocol: str | None
    png: Path
    pdf: Path


@contextmanager
def our_style() -> Iterator[None]:
    """Draw in the style of the study, whatever the user's matplotlib settings are."""
    from matplotlib import style

    with style.context(["default", _SETTINGS]):
        yield


def save(drawing: Drawing, folder: Path) -> Drawn:
    """Write a figure as PNG and PDF, without dates or versions in them."""
    png, pdf = (folder / f"{drawing.name}.{end}" for end in ("png", "pdf"))
    _write(drawing.figure, png, {"Software": None}, dpi=DPI, pil_kwargs={"optimize": True})
    drawing.figure.set_layout_engine("none")  # as in the PNG, and not computed again
    _write(drawing.figure, pdf, {"CreationDate": None, "Creator": None, "Producer": None})
    said = (drawing.name, drawing.number, drawing.title, drawing.caption, drawing.protocol)
    return Drawn(*said, png, pdf)


def _write(figure: Figure, path: Path, metadata: dict[str, None], **options: Any) -> None:
    drawn = io.BytesIO()
    figure.savefig(drawn, format=path.suffix[1:], metadata=metadata, **options)
    write(path, drawn.getvalue())


def stamp(figure: Figure, words: str) -> None:
    """Say below a figure what it is made of."""
    figure.supxlabel(words, x=0.995, ha="right", fontsize=8, color=GREY)


def made_of(results: Results, protocol: str | None = None) -> str:
    """Describe the results in a line: data, epochs, seeds, and whether they are only a check."""
    epochs, n_test = results.settings["epochs"], results.data["n_test"]
    protocols = results.protocols if protocol is None else [protocol]
    seeds = [len(results.seeds_of(name)) for name in protocols if results.seeds_of(name)]
    fewest = f"{min(seeds)} to " if min(seeds) < max(seeds) else ""
    parts = [
        f"{data_title(results)}, {count(n_test, 'test image')}",
        count(epochs, "epoch"),
        fewest + count(max(seeds), "seed"),
    ]
    if protocol is not None:
        parts.insert(0, f"protocol {protocol}")
    if results.settings["quick"]:
        parts.append("QUICK CHECK, not a result")
    return " · ".join(parts)


def data_title(results: Results) -> str:
    """Return the human-readable name of the data."""
    return DataSource(results.data["name"]).title


def ratio_label(ratio: int) -> str:
    """Name a ratio, and the units of its code."""
    return f"{ratio}x (h = {HIDDEN_UNITS[ratio]})"


def mark_ratios(axis: Axis, places: Sequence[float], ratios: Sequence[int]) -> None:
    """Write ratios at an axis, and below them the units of the code."""
    axis.set_ticks(places, [f"{ratio}x\n{HIDDEN_UNITS[ratio]}" for ratio in ratios])
    axis.set_label_text("compression ratio, and units of the code")


def about(protocol: str) -> str:
    """Say in a sentence of a caption what a protocol is."""
    return f"Protocol {protocol}, {PROTOCOLS[protocol].summary}."


def several_seeds(results: Results, protocols: list[str]) -> bool:
    """Whether any of these protocols has more than one seed."""
    return any(len(results.seeds_of(protocol)) > 1 for protocol in protocols)


def interval_words(results: Results, protocols: list[str]) -> str:
    """Name the intervals; those of few seeds may be longer than a panel is high."""
    counts = [len(results.seeds_of(protocol)) for protocol in protocols]
    few = any(1 < n < 5 for n in counts)
    return "95 % t intervals" + (" (of few seeds: some go on beyond the panel)" if few else "")


def draw_intervals(ax: Axes, x: ArrayLike, low: ArrayLike, high: ArrayLike, **style: Any) -> None:
    """Draw intervals as lines, rimmed to be seen on bars too; none where a bound is NaN."""
    from matplotlib.patheffects import withStroke

    x, low, high = (np.atleast_1d(np.asarray(values, float)) for values in (x, low, high))
    there = np.isfinite(low) & np.isfinite(high)
    if there.any():
        rim = [withStroke(linewidth=2.6, foreground="white")]
        look = {"color": INK, "lw": 1.2, "path_effects": rim, **style}
        ax.vlines(x[there], low[there], high[there], **look)


def marker(bias: bool, shape: str = "o") -> dict[str, str]:
    """Full markers stand for biases, hollow ones for none, in all figures."""
    return {"marker": shape} if bias else {"marker": shape, "markerfacecolor": "white"}


def plain_numbers(axis: Axis) -> None:
    """Write numbers out on a logarithmic axis: 0.02 and not 2 x 10^-2."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())

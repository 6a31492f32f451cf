"""The report as a picture (needs matplotlib, the extra `plot`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ae_numpy.gradcheck.packing import Array
from ae_numpy.gradcheck.verdict import COLOURS, RIGHT, WRONG, ArrayCheck

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

# Smallest error worth a colour of its own: the rounding error of float64.
FLOOR = 1e-17
VERDICT_COLOURS = COLOURS | {RIGHT: "#2166ac"}  # the blue that errors below the tolerance have


def plot_arrays(arrays: tuple[ArrayCheck, ...], tolerance: float, title: str) -> Figure:
    """One panel per parameter: errors as a picture, or as dots along directions.

    Blue is below the tolerance, red above it, grey was not looked at. Higher-dimensional
    parameters are laid out with their last axis across.

    Returns
    -------
    matplotlib.figure.Figure
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        message = "report.plot() needs matplotlib: pip install 'ae_numpy[plot]'"
        raise ImportError(message) from error
    columns = 2 if len(arrays) in (2, 4) else min(len(arrays), 3)
    rows = -(-len(arrays) // columns)
    figure = Figure(figsize=(4.2 * columns + 0.6, 3.0 * rows + 0.5), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    pictures = []
    for panel, array in zip(panels, arrays, strict=False):
        if array.size == 0:
            _write(panel, "no entries")
        elif array.entrywise is None or array.unsummed:
            _draw_directions(panel, array, tolerance)
        else:
            pictures.append((panel, _draw_entries(panel, array, tolerance)))
        colour = VERDICT_COLOURS[array.verdict]
        panel.set_title(f"{array.name} {array.shape}: {array.verdict}", color=colour, fontsize=10)
    for panel in panels[len(arrays) :]:
        panel.set_axis_off()
    if pictures:
        bar = figure.colorbar(pictures[0][1], ax=[panel for panel, _ in pictures], extend="both")
        bar.set_label(f"relative error; white = tolerance {tolerance:.0e}")
    figure.suptitle(title)
    return figure


def _draw_entries(panel: Axes, array: ArrayCheck, tolerance: float) -> AxesImage:
    """Errors of all entries as a picture, on a logarithmic scale centred at the tolerance."""
    from matplotlib import colormaps
    from matplotlib.colors import LogNorm

    errors = np.full(array.size, np.nan)
    if array.entrywise is not None:
        errors[array.entries] = np.clip(array.entrywise.errors, FLOOR, 1e30)
    colours = colormaps["RdBu_r"].with_extremes(bad="0.85")
    reach = tolerance / 1e-16  # as far above the tolerance as rounding lies below it
    norm = LogNorm(tolerance / reach, tolerance * reach)
    picture = panel.imshow(_as_matrix(errors, array.shape), cmap=colours, norm=norm, aspect="auto")
    panel.set_xlabel("last index")
    panel.locator_params(integer=True)
    if len(array.shape) < 2:
        panel.set_yticks([])
    return picture


def _as_matrix(values: Array, shape: tuple[int, ...]) -> Array:
    """Any shape as rows and columns, the last axis across."""
    return values.reshape(-1, shape[-1] if shape and shape[-1] else 1)


def _write(panel: Axes, words: str) -> None:
    """Words in place of a picture."""
    panel.text(0.5, 0.5, words, ha="center", va="center", transform=panel.transAxes)
    panel.set_axis_off()


def _draw_directions(panel: Axes, array: ArrayCheck, tolerance: float) -> None:
    """The error along each random direction."""
    if array.unsummed:
        _write(panel, f"shape {array.gradient.shape}:\nnot summed over the batch")
        return
    errors = np.zeros(0) if array.directions is None else array.directions.errors
    panel.semilogy(np.arange(1, errors.size + 1), np.clip(errors, FLOOR, 1e30), "o", color="0.2")
    panel.axhline(tolerance, color=VERDICT_COLOURS[WRONG], lw=1, label="tolerance")
    panel.set_xlabel("direction")
    panel.set_ylabel("relative error")
    panel.legend(fontsize=8)

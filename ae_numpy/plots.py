"""Pictures of networks, trainings and reconstructions (needs matplotlib, the extra `plot`).

Every function draws into the Axes given as `ax`, or else into those of a new Figure, and returns
the Axes: ``plot_history(...).figure.savefig("history.png")``. Nothing here touches pyplot, so
nothing has to be closed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ae_numpy.validation import checked_integer, flag

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "new_figure",
    "plot_history",
    "plot_images",
    "plot_network",
    "plot_reconstructions",
]

Styles = Mapping[str, Mapping[str, Any]]

_GAP = 3  # pixels between images
_INK, _FAINT = "0.15", "0.65"


def new_figure(width: float = 6.4, height: float = 4.8) -> Figure:
    """Return an empty figure of a size in inches that makes room for all its labels.

    Parameters
    ----------
    width, height : float
        In inches.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> new_figure(8, 3).subplots(1, 2).shape
    (2,)
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        message = "ae_numpy.plots needs matplotlib: pip install 'ae_numpy[plot]'"
        raise ImportError(message) from error
    return Figure(figsize=(width, height), layout="constrained")


def _axes(ax: Axes | None, *size: float) -> Axes:
    return new_figure(*size).add_subplot() if ax is None else ax


def plot_history(
    histories: Mapping[str, ArrayLike], *, styles: Styles | None = None, ax: Axes | None = None
) -> Axes:
    """Draw errors against the epoch: a line per training, or per group of trainings.

    Parameters
    ----------
    histories : mapping of str to array-like, shape (n_epochs,) or (n_runs, n_epochs)
        Errors after each epoch, such as ``ae.history_["val_mse"]``, by the name for the legend.
        Of several runs, the line is their mean, and a faint band reaches from the lowest of each
        epoch to the highest.
    styles : mapping of str to dict, optional
        Arguments of `Axes.plot`, by name.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If errors have another shape, or are no numbers.

    Examples
    --------
    >>> ax = plot_history({"one run": [0.3, 0.2], "two runs": [[0.4, 0.2], [0.3, 0.1]]})
    >>> [len(line.get_ydata()) for line in ax.lines]
    [2, 2]
    """
    curves = {name: _runs(errors, name) for name, errors in histories.items()}
    ax = _axes(ax)
    for name, runs in curves.items():
        epochs = np.arange(1, runs.shape[1] + 1)
        style = {"label": name, **(styles or {}).get(name, {})}
        (line,) = ax.plot(epochs, runs.mean(axis=0), **style)
        if len(runs) > 1:
            lowest, highest = runs.min(axis=0), runs.max(axis=0)
            ax.fill_between(epochs, lowest, highest, color=line.get_color(), alpha=0.15, lw=0)
    ax.set_xlabel("epoch")
    ax.set_ylabel("mean squared error")
    ax.locator_params(axis="x", integer=True)
    return ax


def _runs(errors: ArrayLike, name: str) -> NDArray[np.floating]:
    """Errors as a matrix, a row per run."""
    expected = f"histories[{name!r}] must have shape (n_epochs,) or (n_runs, n_epochs)"
    try:
        runs = np.atleast_2d(np.asarray(errors, float))
    except (TypeError, ValueError):
        raise ValueError(f"{expected} and hold numbers, got {errors!r}") from None
    if runs.ndim != 2 or runs.size == 0:
        raise ValueError(f"{expected}, got {np.shape(errors)}")
    return runs


def plot_images(
    images: ArrayLike,
    *,
    columns: int = 10,
    limits: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw images in rows, dark where their values are high.

    Parameters
    ----------
    images : array-like, shape (N, height, width) or (N, side * side)
    columns : int
        Images in a row.
    limits : (lowest, highest), optional
        Values drawn white and black; those of the images by default.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
        With one picture of all images.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError, ValueError
        If `images` have another shape or are no numbers, or `columns` is below 1.

    Examples
    --------
    >>> plot_images(np.eye(9), columns=5).images[0].get_array().shape
    (9, 27)
    """
    columns = checked_integer(columns, "columns", 1)
    pictures = _pictures(images, "images")
    rows = -(-len(pictures) // columns)
    grid = np.full((rows * columns, *pictures.shape[1:]), np.nan)
    grid[: len(pictures)] = pictures
    return _draw_grid(grid.reshape(rows, columns, *pictures.shape[1:]), limits, ax)


def plot_reconstructions(
    images: ArrayLike,
    reconstructions: Mapping[str, ArrayLike],
    *,
    row_labels: Sequence[str] | None = None,
    limits: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a row per image: the original, then what each model makes of it.

    Parameters
    ----------
    images : array-like, shape (N, height, width) or (N, side * side)
    reconstructions : mapping of str to array-like
        Of the shape of `images`, such as ``ae.reconstruct(X)``, by the title of the column.
    row_labels : sequence of str, optional
    limits : (lowest, highest), optional
        Values drawn white and black; the same for all images.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
        With one picture of all images, and the titles of the columns as its upper tick labels.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If `images` have another shape or are no numbers, or reconstructions or labels do not match
        them.

    Examples
    --------
    >>> X = np.random.default_rng(0).random((3, 16))
    >>> ax = plot_reconstructions(X, {"a mean": np.full_like(X, X.mean())})
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['original', 'a mean']
    """
    originals = _pictures(images, "images")
    columns = [originals]
    for name, images_again in reconstructions.items():
        columns.append(_pictures(images_again, f"reconstructions[{name!r}]"))
        if columns[-1].shape != originals.shape:
            raise ValueError(
                f"reconstructions[{name!r}] must be images like those of images, "
                f"{originals.shape}, got {columns[-1].shape}"
            )
    if row_labels is not None and len(row_labels) != len(originals):
        raise ValueError(f"row_labels must be {len(originals)} labels, got {row_labels!r}")
    grid = np.stack(columns, axis=1)  # (N, 1 + n_models, height, width)
    ax = _draw_grid(grid, limits, ax)
    height, width = originals.shape[1:]
    ax.set_xticks(_middles(len(columns), width), ["original", *reconstructions])
    if row_labels is not None:
        ax.set_yticks(_middles(len(originals), height), row_labels)
    return ax


def _middles(count: int, side: int) -> list[float]:
    """Where, in pixels, the middles of images in a row or a column are."""
    return [k * (side + _GAP) + (side - 1) / 2 for k in range(count)]


def _pictures(images: ArrayLike, name: str) -> NDArray[np.floating]:
    """Images of shape (N, height, width)."""
    given = np.asarray(images)
    if given.dtype.kind not in "fiub":
        raise ValueError(f"{name} must hold numbers, got dtype {given.dtype}")
    side = round(given.shape[1] ** 0.5) if given.ndim == 2 else 0
    if given.ndim == 2 and side**2 == given.shape[1]:
        given = given.reshape(-1, side, side)
    if given.ndim != 3 or given.size == 0:
        expected = "(N, height, width) or (N, side * side) with at least one image"
        raise ValueError(f"{name} must have shape {expected}, got {np.shape(images)}")
    return given.astype(float)


def _draw_grid(grid: NDArray, limits: tuple[float, float] | None, ax: Axes | None) -> Axes:
    """One picture of all images, shape (rows, columns, height, width), with gaps between them."""
    rows, columns, height, width = grid.shape
    padded = np.pad(
        grid, ((0, 0), (0, 0), (0, _GAP), (0, _GAP)), constant_values=np.nan
    )  # (rows, columns, height + gap, width + gap)
    mosaic = padded.transpose(0, 2, 1, 3).reshape(rows * (height + _GAP), -1)[:-_GAP, :-_GAP]
    lowest, highest = (np.nanmin(grid), np.nanmax(grid)) if limits is None else limits
    ax = _axes(ax, 0.9 * columns + 0.6, 0.9 * rows * height / width + 0.6)
    ax.imshow(mosaic, cmap="gray_r", vmin=lowest, vmax=highest, interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    ax.spines[:].set_visible(False)
    return ax


def plot_network(
    layer_sizes: Sequence[int],
    *,
    bias: bool = False,
    labels: Sequence[str] | None = None,
    most: int | Sequence[int] = 8,
    ax: Axes | None = None,
) -> Axes:
    """Draw a network of dense layers: circles for units, lines for weights.

    Parameters
    ----------
    layer_sizes : sequence of int
        Units of every layer, the input's first, such as ``(784, 28, 784)``.
    bias : bool
        Whether to draw, below all layers but the last, a constant unit that the biases weight.
    labels : sequence of str, optional
        What is written below the layers; their sizes by default.
    most : int or sequence of int
        A layer with more units than this is drawn with so many, and dots for the others. One
        number, or one for each layer.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
        Its collections have names (`get_gid`): ``"units 0"``, ``"weights 0"``, ``"bias 0"``,
        ``"bias weights 0"``, ``"dots 0"``, and so on.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError, ValueError
        If `layer_sizes` are not two or more positive integers, or `most` or `labels` are not one
        for each layer.

    Examples
    --------
    >>> ax = plot_network((784, 3, 784), bias=True)
    >>> {c.get_gid(): len(c.get_offsets()) for c in ax.collections if "units" in c.get_gid()}
    {'units 0': 8, 'units 1': 3, 'units 2': 8}
    """
    sizes = [checked_integer(size, f"layer_sizes[{k}]", 1) for k, size in enumerate(layer_sizes)]
    if len(sizes) < 2:
        raise ValueError(f"layer_sizes must have two layers or more, got {layer_sizes!r}")
    bias = flag(bias, "bias")
    limits = list(most) if isinstance(most, Sequence) else [most] * len(sizes)
    limits = [checked_integer(limit, "most", 2) for limit in limits]
    labels = [f"{size} units" for size in sizes] if labels is None else labels
    for name, values in (("most", limits), ("labels", labels)):
        if len(values) != len(sizes):
            expected = f"one for each of the {len(sizes)} layers"
            raise ValueError(f"{name} must be {expected}, got {values!r}")
    ax = _axes(ax, 2.6 * len(sizes), 5)
    layers = [_heights(size, limit) for size, limit in zip(sizes, limits, strict=True)]
    floor = min(heights[-1] for heights in layers) - 1
    below = floor - (0.7 if bias else -0.2)
    for k, heights in enumerate(layers):
        places = np.full(len(heights), k), heights
        ax.scatter(*places, s=220, color="white", edgecolor=_INK, zorder=3, gid=f"units {k}")
        if sizes[k] > limits[k]:
            ax.scatter([k] * 3, [-0.25, 0, 0.25], s=7, color=_INK, gid=f"dots {k}")
        ax.text(k, below, labels[k], ha="center", va="top", color=_INK)
    for k, (heights, following) in enumerate(pairwise(layers)):
        _connect(ax, k, heights, following, f"weights {k}", color=_FAINT, lw=0.5)
        if bias:
            ax.scatter([k], [floor], s=260, marker="s", color=_INK, zorder=3, gid=f"bias {k}")
            ax.text(k, floor, "1", ha="center", va="center_baseline", color="white", zorder=4)
            _connect(ax, k, [floor], following, f"bias weights {k}", color=_INK, lw=0.8, ls="--")
    ax.set_axis_off()
    ax.margins(0.12, 0.04)
    ax.set_ylim(bottom=below - 0.5)
    return ax


def _heights(size: int, most: int) -> list[float]:
    """Where the units of a layer stand; more than `most` of them leave a gap for dots."""
    if size <= most:
        return [(size - 1) / 2 - k for k in range(size)]
    above = (most + 1) // 2
    return [float(above - k) if k < above else float(above - k - 1) for k in range(most)]


def _connect(
    ax: Axes, k: int, left: Sequence[float], right: Sequence[float], name: str, **style: Any
) -> None:
    """Lines from each unit of layer k to each of the next."""
    from matplotlib.collections import LineCollection

    lines = [((k, start), (k + 1, end)) for start in left for end in right]
    ax.add_collection(LineCollection(lines, gid=name, zorder=1, **style))

"""Pictures of networks, trainings and reconstructions (needs matplotlib, the extra `plot`).

Every function draws into the Axes given as `ax`, or else into those of a new figure of pyplot,
which notebooks and ``plt.show()`` show, and returns the Axes:
``plot_history(...).figure.savefig("history.png")``. What cannot be drawn is refused before a
figure is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ae_numpy.validation import Rule, checked, checked_integer, either, flag, of, require, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Styles = Mapping[str, Mapping[str, Any]]
Limits = tuple[float, float] | None

_GAP = 3  # pixels between images
_INK, _FAINT = "0.15", "0.65"


def new_figure(width: float = 6.4, height: float = 4.8) -> Figure:
    """Return an empty figure of a size in inches that makes room for all its labels.

    It is not one of pyplot's: it need not be closed, and ``plt.show()`` does not show it.

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
    return _matplotlib().figure.Figure(figsize=(width, height), layout="constrained")


def _matplotlib() -> ModuleType:
    """Import matplotlib with its figures and pyplot."""
    try:
        import matplotlib.figure
        import matplotlib.pyplot
    except ImportError as error:
        message = "ae_numpy.plots needs matplotlib: pip install 'ae_numpy[plot]'"
        raise ImportError(message) from error
    return matplotlib


def _axes(ax: Axes | None, width: float = 6.4, height: float = 4.8) -> Axes:
    """The Axes that are given, or those of a new figure of pyplot."""
    plt = _matplotlib().pyplot
    if ax is None:
        return plt.figure(figsize=(width, height), layout="constrained").add_subplot()
    if not isinstance(ax, plt.Axes):
        raise TypeError(f"ax must be Axes of matplotlib, got {shown(ax)}")
    return ax


def plot_history(histories: Any, *, styles: Styles | None = None, ax: Axes | None = None) -> Axes:
    """Draw errors against the epoch: a line per training run, or per group of runs.

    Parameters
    ----------
    histories : mapping of str to array-like, shape (n_epochs,) or (n_runs, n_epochs)
        Errors after each epoch, such as ``ae.history_["val_mse"]``, by the name for the legend.
        Of several runs, the line is their mean, and a faint band reaches from the lowest of each
        epoch to the highest. In place of errors there may be a fitted estimator or its
        ``history_`` (or a frame made from it), of which all errors are drawn, and in place of the
        mapping any of these, or a list of them.
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
    TypeError, ValueError
        If errors have another shape, or are not numbers, or `styles` are not a mapping.

    Examples
    --------
    >>> ax = plot_history({"one run": [0.3, 0.2], "two runs": [[0.4, 0.2], [0.3, 0.1]]})
    >>> [len(line.get_ydata()) for line in ax.lines]
    [2, 2]
    >>> history = {"epoch": [1, 2], "train_mse": [0.3, 0.2], "seconds": [0.1, 0.1]}
    >>> [line.get_label() for line in plot_history([history, history]).lines]
    ['1 train_mse', '2 train_mse']
    """
    curves = _curves(histories, "histories")
    if not curves:
        raise ValueError(f"histories must hold errors to draw, got {shown(histories)}")
    if not isinstance(styles or {}, Mapping):
        raise TypeError(f"styles must be a mapping by name, such as a dict, got {shown(styles)}")
    styles = {str(name): style for name, style in (styles or {}).items()}
    ax = _axes(ax)
    for name, runs in curves.items():
        epochs = np.arange(1, runs.shape[1] + 1)
        (line,) = ax.plot(epochs, runs.mean(axis=0), **{"label": name, **styles.get(name, {})})
        if len(runs) > 1:
            lowest, highest = runs.min(axis=0), runs.max(axis=0)
            ax.fill_between(epochs, lowest, highest, color=line.get_color(), alpha=0.15, lw=0)
    ax.set_xlabel("epoch")
    ax.set_ylabel("mean squared error")
    ax.locator_params(axis="x", integer=True)
    if len(curves) > 1:
        ax.legend()
    return ax


def _curves(given: Any, name: str, label: str = "") -> dict[str, NDArray[np.floating]]:
    """Errors as matrices, a row per run, by the label of their line."""
    parts = _parts(given)
    if parts is None:
        return {label or "mse": _runs(given, name)}
    curves: dict[str, NDArray] = {}
    for key, part in parts.items():
        curves |= _curves(part, f"{name}[{key!r}]", f"{label} {key}".strip())
    return curves


def _parts(given: Any) -> dict[Any, Any] | None:
    """What an estimator, a mapping, a frame or a list of these has to draw; None for errors."""
    given = getattr(given, "history_", given)
    if isinstance(given, list | tuple) and any(_parts(part) is not None for part in given):
        return dict(enumerate(given, 1))
    if not (isinstance(given, Mapping) or hasattr(given, "columns")):
        return None
    names = getattr(given, "columns", given)
    return {name: given[name] for name in names if name not in ("epoch", "seconds")}


def _runs(errors: ArrayLike, name: str) -> NDArray[np.floating]:
    """Errors as a matrix, a row per run."""
    with suppress(TypeError, ValueError):
        given = np.asarray(errors)
        if given.dtype.kind in "fiuO" and given.ndim in (1, 2) and given.size > 0:
            return np.atleast_2d(given.astype(float))
    raise ValueError(
        f"{name} must have shape (n_epochs,) or (n_runs, n_epochs) and hold numbers, or be a "
        f"fitted estimator, its history_, or a mapping or a list of these, got {shown(errors)}"
    )


def plot_images(
    images: ArrayLike, *, columns: int = 10, limits: Limits = None, ax: Axes | None = None
) -> Axes:
    """Draw images in rows, dark where their values are high.

    Parameters
    ----------
    images : array-like, shape (N, height, width) or (N, side * side)
        Masked and NaN entries stay blank.
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
    blank = np.full((-len(pictures) % columns, *pictures.shape[1:]), np.nan)
    grid = np.concatenate([pictures, blank]).reshape(-1, columns, *pictures.shape[1:])
    return _draw_grid(grid, limits, ax)


def plot_reconstructions(
    images: ArrayLike,
    reconstructions: Any,
    *,
    row_labels: Sequence[str] | None = None,
    limits: Limits = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a row per image: the original, then what each model makes of it.

    Parameters
    ----------
    images : array-like, shape (N, height, width) or (N, side * side)
    reconstructions : mapping of str to array-like
        Of the shape of `images`, such as ``ae.reconstruct(X)``, by the title of the column. A
        fitted estimator stands for what it makes of `images`; one alone needs no mapping.
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
    TypeError, ValueError
        If `images` have another shape or are not numbers, or reconstructions or labels do not
        match them.

    Examples
    --------
    >>> X = np.random.default_rng(0).random((3, 16))
    >>> ax = plot_reconstructions(X, {"a mean": np.full_like(X, X.mean())})
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['original', 'a mean']
    """
    originals = _pictures(images, "images")
    if not isinstance(reconstructions, Mapping):
        reconstructions = {"reconstruction": reconstructions}
    columns = [originals]
    for title, again in reconstructions.items():
        name = f"reconstructions[{title!r}]"
        columns.append(_pictures(_reconstructed(again, images), name))
        if columns[-1].shape != originals.shape:
            expected = f"images like those of images, {originals.shape}"
            raise ValueError(f"{name} must be {expected}, got {columns[-1].shape}")
    labels = [""] * len(originals) if row_labels is None else row_labels
    labels = _listed(labels, "row_labels", len(originals), "images")
    grid = np.stack(columns, axis=1)  # (N, 1 + n_models, height, width)
    ax = _draw_grid(grid, limits, ax)
    height, width = originals.shape[1:]
    ax.set_xticks(_middles(len(columns), width), ["original", *reconstructions])
    ax.set_yticks(_middles(len(labels), height), labels)
    return ax


def _middles(count: int, side: int) -> list[float]:
    """Where, in pixels, the middles of images in a row or a column are."""
    return [k * (side + _GAP) + (side - 1) / 2 for k in range(count)]


def _reconstructed(given: Any, images: ArrayLike) -> ArrayLike:
    """What an estimator makes of the images; anything else is a reconstruction already."""
    if not hasattr(given, "reconstruct"):
        return given
    shape = np.shape(images)
    again = given.reconstruct(images if len(shape) == 2 else np.reshape(images, (shape[0], -1)))
    return np.reshape(again, shape)


def _pictures(images: ArrayLike, name: str) -> NDArray[np.floating]:
    """Images of shape (N, height, width), NaN where they are masked."""
    expected = f"{name} must have shape (N, height, width) or (N, side * side)"
    try:
        given = np.asarray(images)
    except ValueError:
        raise ValueError(f"{expected}, got rows of different shapes") from None
    if given.dtype.kind not in "fiub":
        raise ValueError(f"{name} must hold numbers, got dtype {given.dtype}: {shown(images)}")
    given = np.where(np.ma.getmask(images), np.nan, given)
    side = round(given.shape[1] ** 0.5) if given.ndim == 2 else 0
    if given.ndim == 2 and side**2 == given.shape[1]:
        given = given.reshape(-1, side, side)
    if given.ndim != 3 or given.size == 0:
        raise ValueError(f"{expected} with at least one image, got {np.shape(images)}")
    return given.astype(float)


def _ascending(limits: Any) -> tuple[float, float]:
    lowest, highest = map(float, limits)
    require(lowest < highest)
    return lowest, highest


_LIMITS = Rule("two numbers, the lower first", either(of(type(None)), _ascending))


def _listed(values: Any, name: str, count: int, what: str) -> list:
    """A list of `count` values, which must be there: one for each of what there is."""
    if isinstance(values, str) or not np.iterable(values) or len(listed := list(values)) != count:
        raise ValueError(f"{name} must be one for each of the {count} {what}, got {shown(values)}")
    return listed


def _draw_grid(grid: NDArray, limits: Limits, ax: Axes | None) -> Axes:
    """One picture of all images, shape (rows, columns, height, width), with gaps between them."""
    rows, columns, height, width = grid.shape
    behind = (0, 0), (0, 0), (0, _GAP), (0, _GAP)
    padded = np.pad(grid, behind, constant_values=np.nan)  # (.., height + gap, width + gap)
    mosaic = padded.transpose(0, 2, 1, 3).reshape(rows * (height + _GAP), -1)[:-_GAP, :-_GAP]
    lowest, highest = _LIMITS(limits, "limits") or (np.nanmin(grid), np.nanmax(grid))
    ax = _axes(ax, 0.9 * columns + 0.6, 0.9 * rows * height / width + 0.6)
    ax.imshow(mosaic, cmap="gray_r", vmin=lowest, vmax=highest, interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    ax.spines[:].set_visible(False)
    return ax


def plot_network(
    layer_sizes: Any,
    *,
    bias: bool | None = None,
    labels: Sequence[str] | None = None,
    most: int | Sequence[int] = 8,
    ax: Axes | None = None,
) -> Axes:
    """Draw a network of dense layers: circles for units, lines for weights.

    Parameters
    ----------
    layer_sizes : sequence of int
        Units of every layer, the input's first, such as ``(784, 28, 784)``; or a `Network` or a
        fitted estimator, which has them.
    bias : bool, optional
        Whether to draw, below all layers but the last, a constant unit that the biases weight. By
        default, whether the network that is given trains biases; sizes alone have none.
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
    network = getattr(layer_sizes, "network_", layer_sizes)
    sizes = checked("layer_sizes", getattr(network, "layer_sizes", network))
    has_biases = np.any(getattr(network, "bias_mask", False))
    bias = flag(has_biases if bias is None else bias, "bias")
    limits = most if np.iterable(most) else [most] * len(sizes)
    limits = _listed(limits, "most", len(sizes), "layers")
    limits = [checked_integer(limit, "most", 2) for limit in limits]
    labels = [f"{size} units" for size in sizes] if labels is None else labels
    labels = _listed(labels, "labels", len(sizes), "layers")
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
    lines = [((k, start), (k + 1, end)) for start in left for end in right]
    collections = _matplotlib().collections
    ax.add_collection(collections.LineCollection(lines, gid=name, zorder=1, **style))

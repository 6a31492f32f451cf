"""The computation graphs of chapters 1 and 3 of the tour: values forward, gradients backward."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, TextArea, VPacker
from tour import BACKWARD, FORWARD

from ae_numpy import Network

Point = tuple[float, float]
SLOPE = {"style": "italic", "color": "0.25", "ha": "center", "va": "bottom"}


def operation(axes: Axes, at: Point, symbol: str, *, size: float = 15) -> None:
    """Draw an operation: a symbol in a circle."""
    box = {"boxstyle": "circle,pad=0.35", "facecolor": "white", "edgecolor": "black"}
    axes.text(*at, symbol, ha="center", va="center", fontsize=size, bbox=box, zorder=3)


def number(axes: Axes, at: Point, name: str, value: str, gradient: str, *, size: float) -> None:
    """Draw a number in a box: its name, its value and its gradient."""
    lines = ((name, "black"), (value, FORWARD), (gradient, BACKWARD))
    areas = [
        TextArea(text, textprops={"color": colour, "fontsize": size})
        for text, colour in lines
        if text
    ]
    stack = VPacker(children=areas, align="center", pad=0, sep=1.5)
    style = {"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": "black"}
    axes.add_artist(AnnotationBbox(stack, at, pad=0, bboxprops=style, zorder=3))


def edge(
    axes: Axes,
    start: Point,
    end: Point,
    forward: str = "",
    backward: str = "",
    *,
    along: float = 0.5,
    size: float = 11,
    shrink: float = 14,
) -> None:
    """Draw an arrow with the value above it and the gradient below it, at a part of its way."""
    arrow = {"arrowstyle": "-|>", "color": "0.6", "shrinkA": 0, "shrinkB": shrink}
    axes.annotate("", end, start, arrowprops=arrow, zorder=1)
    at = tuple(s + along * (e - s) for s, e in zip(start, end, strict=True))
    for text, colour, va, lift in (
        (forward, FORWARD, "bottom", 2),
        (backward, BACKWARD, "top", -2),
    ):
        style = {"color": colour, "fontsize": size, "ha": "center", "va": va, "zorder": 2}
        white = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
        axes.annotate(text, at, (0, lift), textcoords="offset points", bbox=white, **style)


def paper(height: float, xlim: Point, ylim: Point) -> tuple[Figure, Axes]:
    """An empty figure, ten inches wide, with axes that fill it and are not seen."""
    figure = Figure(figsize=(10, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=xlim, ylim=ylim)
    axes.axis("off")
    return figure, axes


def neuron_graph(x: Sequence[float], w: Sequence[float], b: float, t: float) -> Figure:
    """Chapter 1: one neuron of two inputs, its loss, and the slope of every operation."""
    network = Network((2, 1))
    network.parameters[:] = *w, b
    X, target = np.array([x]), np.array([[t]])
    _, a = network.forward(X)
    J, d = network.loss_and_gradients(network.as_dict(), X, target)
    a, dz, J = a.item(), d["b0"].item(), float(J)
    z = x[0] * w[0] + x[1] * w[1] + b

    figure, axes = paper(5.3, (-0.9, 13.7), (0.0, 7.1))
    times = [(3.0, 5.3), (3.0, 1.7)]
    plus, sigma, loss, end = (5.6, 3.5), (7.9, 3.5), (10.7, 3.5), (13.5, 3.5)
    for i, (w_at, x_at) in enumerate((((0, 6.2), (0, 4.4)), ((0, 2.6), (0, 0.8)))):
        for at, name, value, gradient in (
            (w_at, f"w[{i}]", w[i], dz * x[i]),
            (x_at, f"x[{i}]", x[i], dz * w[i]),
        ):
            edge(axes, at, times[i])
            number(axes, at, name, f"{value:g}", f"{gradient:.4f}", size=11)
        edge(axes, times[i], plus, f"{x[i] * w[i]:g}", f"{dz:.4f}")
        operation(axes, times[i], r"$\times$")
        axes.text(3.0, times[i][1] + 0.5, "the other\nfactor", fontsize=11, **SLOPE)
    edge(axes, (5.6, 0.8), plus)
    edge(axes, plus, sigma, f"z = {z:g}", f"dz = {dz:.4f}")
    edge(axes, sigma, loss, f"a = {a:.4f}", f"da = {a - t:.4f}", along=0.43, shrink=42)
    edge(axes, loss, end, f"J = {J:.4f}", "dJ = 1", along=0.64, shrink=0)
    edge(axes, (10.7, 0.8), loss, shrink=22)
    number(axes, (5.6, 0.8), "b", f"{b:g}", f"{dz:.4f}", size=11)
    number(axes, (10.7, 0.8), "t", f"{t:g}", "", size=11)
    operation(axes, plus, "$+$")
    operation(axes, sigma, r"$\sigma$")
    box = {"boxstyle": "round,pad=0.4", "facecolor": "white", "edgecolor": "black"}
    formula = r"$\frac{1}{2}(a-t)^2$"
    axes.text(*loss, formula, ha="center", va="center", fontsize=14, bbox=box, zorder=3)
    for at, slope in (
        (plus, "1"),
        (sigma, f"a (1 - a)\n= {a * (1 - a):.4f}"),
        (loss, f"a - t\n= {a - t:.4f}"),
    ):
        axes.text(at[0], at[1] + 0.6, slope, fontsize=11, **SLOPE)
    axes.text(6.4, 6.6, "blue, forward: the value", color=FORWARD, fontsize=12)
    axes.text(6.4, 6.15, "orange, backward: its gradient", color=BACKWARD, fontsize=12)
    words = "italic: the slope that a gradient is multiplied by"
    axes.text(6.4, 5.7, words, fontsize=11, style="italic", color="0.25")
    return figure


def network_graph(x: Sequence[float], layers: Sequence[tuple[list, list]]) -> Figure:
    """Chapter 3: a network of 2-2-2 units that is to give back its input."""
    network = Network((2, 2, 2))
    named = {}
    for n, (W, b) in enumerate(layers):
        named |= {f"W{n}": np.array(W), f"b{n}": np.array(b)}
    X = np.array([x])
    activations = network.forward(X, network.flatten(named))
    J, d = network.loss_and_gradients(named, X)

    figure, axes = paper(7.6, (-0.8, 17.8), (-1.3, 10.8))
    rows = (6.6, 1.8)  # unit 0 and unit 1
    source, left = "x", 0.0
    for n in (0, 1):
        a, out, dz = activations[n][0], activations[n + 1][0], d[f"b{n}"]
        _draw_layer(axes, left, rows, n, a, named[f"W{n}"], named[f"b{n}"], d[f"W{n}"], dz)
        da = dz @ named[f"W{n}"].T
        for i in (0, 1):
            number(axes, (left, rows[i]), f"{source}[{i}]", f"{a[i]:.3f}", f"{da[i]:.3f}", size=10)
        source, left = f"a{n}", left + 7.8
    da1 = activations[2][0] - X[0]
    for o in (0, 1):
        end = (16.9, (rows[0] + rows[1]) / 2)
        edge(axes, (14.3, rows[o]), end, f"{out[o]:.3f}", f"{da1[o]:.3f}", size=10, shrink=26)
        operation(axes, (14.3, rows[o]), r"$\sigma$", size=12)
    number(axes, end, "J", f"{float(J):.3f}", "1", size=10)
    axes.text(-0.6, 10.3, "blue, forward: the value", color=FORWARD, fontsize=12)
    axes.text(-0.6, 9.85, "orange, backward: its gradient", color=BACKWARD, fontsize=12)
    words = "x and a0 are used twice: what comes back on their two arrows adds up (rounded here)"
    axes.text(5.2, 10.3, words, fontsize=11, color="0.25")
    return figure


def _draw_layer(axes: Axes, left, rows, n, a, W, b, dW, dz) -> None:
    """The products, sums and sigmoids of one layer, with the numbers on their edges."""
    z = a @ W + b
    for o in (0, 1):
        outwards = 1 if o == 0 else -1  # weights and biases on the outer side
        plus, sigma = (left + 4.9, rows[o]), (left + 6.5, rows[o])
        for i in (0, 1):
            times = (left + 2.7, rows[o] + (1.05 if i == 0 else -1.05))
            path = f"{a[i]:.3f}", f"{dz[o] * W[i, o]:.3f}"
            edge(axes, (left, rows[i]), times, *path, along=0.6 if i == o else 0.76, size=9)
            weight = (times[0], times[1] + 1.0 * outwards)
            edge(axes, weight, times, shrink=11)
            numbers = f"{W[i, o]:g}", f"{dW[i, o]:.3f}"
            number(axes, weight, f"W{n}[{i}][{o}]", *numbers, size=8.5)
            edge(axes, times, plus, f"{a[i] * W[i, o]:.3f}", f"{dz[o]:.3f}", along=0.63, size=9)
            operation(axes, times, r"$\times$", size=10)
        bias = (plus[0], rows[o] + 2.05 * outwards)
        edge(axes, bias, plus, shrink=11)
        number(axes, bias, f"b{n}[{o}]", f"{b[o]:g}", f"{dz[o]:.3f}", size=8.5)
        edge(axes, plus, sigma, f"{z[o]:.3f}", f"{dz[o]:.3f}", along=0.48, size=9)
        operation(axes, plus, "$+$", size=12)
        if n == 0:
            edge(axes, sigma, (left + 7.8, rows[o]), shrink=20)
        operation(axes, sigma, r"$\sigma$", size=12)

"""Small pictures between the numbers, as SVG: they use the page's colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, floor, isnan, log10

from study.report.markup import Html, tag

WIDTH, HEIGHT, MARGIN = 190, 34, 7


def strip(values: Mapping[str, Sequence[float]], paper: float, highest: float) -> Html:
    """Draw a row of Table 1: a dot for every model, a diamond for the paper's value.

    Parameters
    ----------
    values : mapping
        The errors of a cell, by protocol; each protocol has its own lane.
    paper : float
    highest : float
        The error at the right end; 0 is at the left.
    """

    def x(value: float) -> float:
        return round(MARGIN + (WIDTH - 2 * MARGIN) * value / highest, 1)

    lane = HEIGHT / len(values)
    marks = [
        tag("circle", cx=x(value), cy=round(lane * (k + 0.5), 1), r=3.2, class_=f"dot {protocol}")
        for k, (protocol, of_cell) in enumerate(values.items())
        for value in of_cell
    ]
    at = x(paper)
    diamond = (
        f"M{at - 5} {HEIGHT / 2}L{at} {HEIGHT / 2 - 8}L{at + 5} {HEIGHT / 2}L{at} {HEIGHT / 2 + 8}Z"
    )
    return tag(
        "svg",
        tag("line", x1=x(0), x2=x(highest), y1=HEIGHT / 2, y2=HEIGHT / 2, class_="axis"),
        *marks,
        tag("path", d=diamond, class_="paper"),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        width=WIDTH,
        height=HEIGHT,
        aria_hidden="true",
        class_="strip",
    )


def intervals(rows: Sequence[tuple[str, float, float, float]], furthest: float) -> list[Html]:
    """Draw one line per row: an interval and its mean, about a zero in the middle.

    Parameters
    ----------
    rows : sequence of (class, mean, low, high)
        Without an interval, `low` and `high` are NaN.
    furthest : float
        The distance from zero at both ends.
    """

    def x(value: float) -> float:
        return round(WIDTH / 2 + (WIDTH / 2 - MARGIN) * value / furthest, 1)

    pictures = []
    for class_, mean, low, high in rows:
        line = [tag("line", x1=x(low), x2=x(high), y1=9, y2=9, class_=f"interval {class_}")]
        pictures.append(
            tag(
                "svg",
                tag("line", x1=x(0), x2=x(0), y1=0, y2=18, class_="axis"),
                *([] if isnan(low) else line),
                tag("circle", cx=x(mean), cy=9, r=4, class_=f"dot {class_}"),
                viewBox=f"0 0 {WIDTH} 18",
                width=WIDTH,
                height=18,
                aria_hidden="true",
                class_="strip",
            )
        )
    return pictures


@dataclass(frozen=True)
class Series:
    """What a plot shows under one name, by compression ratio: values, and intervals if any.

    `joined` draws a line, and `dots` a dot for every value.
    """

    name: str
    values: Mapping[int, float]
    bounds: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    joined: bool = True
    dots: bool = True

    @property
    def class_(self) -> str:
        """Its class in the page's style, which gives the colour."""
        return self.name.lower().replace(" ", "-")


def plot(series: Sequence[Series], ratios: Sequence[int], title: str) -> Html:
    """Draw series over compression ratios, with 0 on the axis.

    Parameters
    ----------
    series : sequence of Series
    ratios : sequence of int
        From left to right.
    title : str
    """
    width, height, left, right, top, bottom = 560, 262, 56, 24, 14, 52
    shown = [0.0, *(v for one in series for v in one.values.values())]
    shown += [v for one in series for pair in one.bounds.values() for v in pair]
    lowest, highest = min(shown), max(shown)
    step = _tick(highest - lowest)
    lowest = floor(lowest / step) * step
    highest = max(ceil(highest / step) * step, lowest + step)

    def x(ratio: int) -> float:
        return round(left + (ratios.index(ratio) + 0.5) * (width - left - right) / len(ratios), 1)

    def y(value: float) -> float:
        share = (value - lowest) / (highest - lowest)
        return round(height - bottom - share * (height - top - bottom), 1)

    parts = []
    for k in range(round((highest - lowest) / step) + 1):
        tick = lowest + k * step
        class_ = "axis" if abs(tick) < step / 2 else "grid"
        at = y(tick)
        parts.append(tag("line", x1=left, x2=width - right, y1=at, y2=at, class_=class_))
        label = f"{tick:.3f}" if step < 0.01 else f"{tick:.2f}"
        parts.append(tag("text", label, x=left - 8, y=at + 4, text_anchor="end"))
    for ratio in ratios:
        parts.append(tag("text", f"{ratio}x", x=x(ratio), y=height - bottom + 18, class_="middle"))
    for k, one in enumerate(series):
        # Series of separate dots are drawn side by side.
        shift = 0 if one.joined else 9 * (k - (len(series) - 1) / 2)
        points = {r: (x(r) + shift, y(one.values[r])) for r in ratios if r in one.values}
        parts += _marks(one, points, {r: (y(a), y(b)) for r, (a, b) in one.bounds.items()})
    at = 12.0
    room = (width - at) / sum(map(_key_length, series))
    for one in series:
        parts += _key(one, round(at, 1), height - 8)
        at += room * _key_length(one)
    return tag(
        "svg",
        *parts,
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_label=title,
        class_="plot",
    )


def _marks(
    one: Series,
    points: Mapping[int, tuple[float, float]],
    bounds: Mapping[int, tuple[float, float]],
) -> list[Html]:
    class_, marks = one.class_, []
    if one.joined:
        path = "M" + "L".join(f"{a} {b}" for a, b in points.values())
        marks.append(tag("path", d=path, class_=f"curve {class_}"))
    for ratio, (a, b) in points.items():
        if ratio in bounds:
            low, high = bounds[ratio]
            marks.append(tag("line", x1=a, x2=a, y1=low, y2=high, class_=f"interval {class_}"))
        if one.dots:
            marks.append(tag("circle", cx=a, cy=b, r=3.4, class_=f"dot {class_}"))
    return marks


def _key_length(one: Series) -> float:
    """Return the width of a key in letters: its sign and the gap after it take about six."""
    return len(one.name) + 6


def _key(one: Series, x: float, y: float) -> list[Html]:
    class_ = one.class_
    sign = (
        tag("line", x1=x, x2=x + 13, y1=y, y2=y, class_=f"curve {class_}")
        if one.joined
        else tag("circle", cx=x + 8, cy=y, r=4, class_=f"dot {class_}")
    )
    return [sign, tag("text", one.name, x=x + 18, y=y + 4)]


def _tick(extent: float) -> float:
    """Return a round distance of which three to seven go into the extent."""
    power = 10.0 ** floor(log10(extent or 1.0))
    return next(power * k for k in (0.2, 0.5, 1, 2) if extent <= 5 * power * k)

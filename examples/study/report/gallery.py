"""All figures, embedded in the page; those of the three protocols share a place."""

from __future__ import annotations

import struct
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from study.report.markup import Html, tabs, tag

N_SMALL_FIGURES = 4
"""The paper's first figures show data and networks: two of them fit side by side."""


def figures(drawn: Sequence[Any]) -> Html:
    """Show all figures; those drawn once per protocol share a place."""
    if not drawn:
        return tag(
            "p",
            "No figures were drawn, because matplotlib is missing. Install it with ",
            tag("code", "pip install 'ae_numpy[plot]'"),
            " and run the study again: no model is trained twice.",
        )
    groups: dict[int, list[Any]] = {}
    for figure in drawn:
        groups.setdefault(figure.number, []).append(figure)
    return tag("div", *map(_group, groups.values()), class_="gallery")


def place(number: int) -> str:
    """Return the name of a figure's place in the page."""
    return f"figure-{number}"


def _group(group: Sequence[Any]) -> Html:
    first = group[0]
    name, title = place(first.number), f"Figure {first.number}. {first.title}"
    panels = [(figure.protocol or "all", picture(figure.png, figure.caption)) for figure in group]
    panels.sort(key=lambda panel: panel[0] != "corrected")
    class_ = "figure small" if first.number <= N_SMALL_FIGURES else "figure"
    return tag("article", tag("h3", title), tabs(name, title, panels), class_=class_, id=name)


def picture(png: str | Path, caption: str) -> Html:
    """Embed a picture, with its caption."""
    content = Path(png).read_bytes()
    width, height = struct.unpack(">II", content[16:24])
    source = f"data:image/png;base64,{b64encode(content).decode()}"
    image = tag("img", src=source, alt=caption, width=width, height=height)
    return tag("figure", image, tag("figcaption", caption))

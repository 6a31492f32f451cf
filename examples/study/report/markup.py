"""HTML from Python: what is not markup already gets escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

_VOID = {"img", "input"}


class Html(str):
    """Markup that is safe as it stands."""

    __slots__ = ()


def html(value: Any) -> Html:
    """Return the markup that shows a value: itself if it is `Html`, else escaped."""
    return value if isinstance(value, Html) else Html(escape(str(value)))


def join(parts: Iterable[Any], between: str = "\n") -> Html:
    """Show values one after the other."""
    return Html(html(between).join(html(part) for part in parts))


def tag(element: str, /, *children: Any, **attributes: Any) -> Html:
    """Return an element. ``class_`` stands for class, ``aria_label`` for aria-label.

    An attribute that is None or False is left out, one that is True has no value.
    """
    opening = [element]
    for key, value in attributes.items():
        key = key.rstrip("_").replace("_", "-")
        if value is True:
            opening.append(key)
        elif value is not None and value is not False:
            opening.append(f'{key}="{escape(str(value))}"')
    start = f"<{' '.join(opening)}>"
    return Html(start if element in _VOID else f"{start}{join(children, '')}</{element}>")


def prose(text: str) -> Html:
    """Return text in which backticks mark code, as in Markdown."""
    return join(
        (tag("code", part) if k % 2 else part for k, part in enumerate(text.split("`"))), ""
    )


def items(lines: Iterable[Any], **attributes: Any) -> Html:
    """Return a list with bullets."""
    return tag("ul", join(tag("li", line) for line in lines), **attributes)


def table(
    caption: str,
    heads: Sequence[Any],
    rows: Iterable[Sequence[Any]],
    n_row_heads: int = 1,
    class_: str | None = None,
) -> Html:
    """Return a table in its own box, which scrolls where the page is too narrow for it.

    Parameters
    ----------
    caption : str
    heads : sequence
        The heads of the columns.
    rows : iterable of sequences
    n_row_heads : int
        How many cells at the beginning of a row say what the row is of.
    class_ : str, optional
    """

    def row(cells: Sequence[Any]) -> Html:
        heads, values = cells[:n_row_heads], cells[n_row_heads:]
        return tag(
            "tr",
            *(tag("th", cell, scope="row") for cell in heads),
            *(tag("td", cell) for cell in values),
        )

    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption),
            tag("thead", tag("tr", *(tag("th", head, scope="col") for head in heads))),
            tag("tbody", join(map(row, rows))),
        ),
        class_=f"scroller {class_ or ''}".strip(),
        role="region",
        aria_label=caption,
        tabindex=0,
    )


def tabs(name: str, legend: str, panels: Sequence[tuple[str, Any]]) -> Html:
    """Show one of several panels: radio buttons, so that arrow keys work and no script is needed.

    On paper all panels are shown. A single panel needs no buttons. No two tabs of a page may have
    the same name.
    """
    if len(panels) == 1:
        return html(panels[0][1])
    # Not the name alone: radio buttons of one name exclude each other all over the page.
    name = f"tabs-{name}"
    buttons = [
        tag("input", type="radio", name=name, id=f"{name}-{k}", checked=k == 0)
        + tag("label", title, for_=f"{name}-{k}")
        for k, (title, _) in enumerate(panels)
    ]
    bodies = [
        tag("div", tag("p", title, class_="tab-title"), panel, class_="panel")
        for title, panel in panels
    ]
    return tag(
        "fieldset",
        tag("legend", legend, class_="visually-hidden"),
        *(Html(button) for button in buttons),
        *bodies,
        class_="tabs",
    )

"""Numbers and lists, as written in sentences."""

from __future__ import annotations

from collections.abc import Iterable


def listing(names: Iterable[str]) -> str:
    """Join names for a sentence.

    >>> listing("a"), listing("abc")
    ('a', 'a, b and c')
    """
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def plural(number: int, thing: str) -> str:
    """Return a thing's name in the singular or the plural."""
    return thing if number == 1 else f"{thing}s"


def count(number: int, thing: str) -> str:
    """Say how many there are.

    >>> count(1, "epoch"), count(10_000, "image")
    ('1 epoch', '10,000 images')
    """
    return f"{number:,} {plural(number, thing)}"


def percent(share: float, form: str = ".0f") -> str:
    """Write a share as a percentage."""
    return f"{100 * share:{form}} %"


def signed(share: float) -> str:
    """Write a share in percent with its sign, and nothing as 0 rather than as -0.0.

    >>> signed(0.052), signed(-0.00001)
    ('+5.2', '0')
    """
    text = f"{100 * share:+.1f}"
    return "0" if float(text) == 0 else text


def extent(shares: Iterable[float]) -> str:
    """Give the range of the sizes of shares, whatever their signs, as precisely as it matters.

    >>> extent([0.034, -0.381]), extent([0.2]), extent([0.004, 0.0004])
    ('3 to 38 %', '20 %', 'less than 0.1 to 0.4 %')
    """
    sizes = sorted(100 * abs(share) for share in shares)
    ends = dict.fromkeys(map(_size, (sizes[0], sizes[-1])))
    return f"{' to '.join(ends)} %"


def _size(in_percent: float) -> str:
    if in_percent < 0.1:
        return "less than 0.1"
    return f"{in_percent:.1f}" if in_percent < 1 else f"{in_percent:.0f}"

"""The report's section on bytes: what the rate-distortion study found, if it was run."""

from __future__ import annotations

import json
from pathlib import Path

from study.report import gallery
from study.report.markup import Html, items, join, tag

CAPTION = (
    "Mean squared error against bytes an image, both logarithmic. Below, the first test image of "
    "each digit at about 8, 16, 32 and 64 bytes, with the bytes of the nearest setting beside it."
)


def section(folder: Path) -> Html:
    """Show what `rate_distortion.py` has left in the folder of the report.

    Parameters
    ----------
    folder : path
        May have rate_distortion.json and rate_distortion.png.
    """
    path = folder / "rate_distortion.json"
    if not path.exists():
        program = tag("code", "examples/rate_distortion.py")
        return tag("p", "Not measured here. Run ", program, " first, with the same folder.")
    parts = [items(json.loads(path.read_text(encoding="utf-8"))["findings"])]
    if (picture := path.with_suffix(".png")).exists():
        parts.append(gallery.picture(picture, CAPTION))
    return join(parts)

"""What the scripts of the tour share: two colours, and `save`."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from matplotlib.figure import Figure

# The blue and the vermillion of Okabe and Ito, which colour-blind readers tell apart. In grey the
# place does it: a value is above, its gradient below.
FORWARD = "#0072B2"
BACKWARD = "#D55E00"

_PIXELS = 1000  # the width of every picture


def save(figure: Figure, name: str) -> None:
    """Write ``results/tour/<name>.png`` below the current directory; a notebook shows it instead.

    The picture is 1000 pixels wide. With ``Figure(figsize=(10, ...))`` a font of 10 points is
    14 pixels high.
    """
    dpi = _PIXELS / figure.get_figwidth()
    if _in_a_notebook():
        from IPython.display import Image, display

        png = io.BytesIO()
        figure.savefig(png, dpi=dpi, format="png")
        display(Image(png.getvalue()))
        return
    path = Path("results", "tour", f"{name}.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=dpi)
    print(f"picture: {path}")


def _in_a_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")

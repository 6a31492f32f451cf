"""Autoencoders from first principles: hand-written backpropagation in NumPy and Numba.

Read `reference` for the mathematics, use `Autoencoder` for the work.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ae_numpy.autoencoder import Autoencoder
    from ae_numpy.network import Network

__all__ = ["Autoencoder", "Network"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import what is asked for, and nothing before: the gradient checker needs neither."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{name.lower()}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

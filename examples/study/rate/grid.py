"""What the study measures: which models, settings and images."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from study.paper import EPOCHS, HIDDEN_UNITS

# Besides the paper's: where its sizes are far apart, and one beyond them.
_OTHER_UNITS = (40, 80, 160)


@dataclass(frozen=True)
class Grid:
    """All settings of the study.

    Parameters
    ----------
    hidden_units : tuple of int
        Sizes of the autoencoders' codes.
    epochs : int
        For which they are trained.
    levels, contexts : tuple of int
        Of their codecs; PCA has the same contexts.
    steps : tuple of float
        Of PCA's quantiser, in pixels from 0 to 1, the coarsest first.
    settings_of_codecs : int
        Every how many-th setting of an image codec is measured.
    n_single : int
        How many images are compressed one by one.
    """

    hidden_units: tuple[int, ...] = tuple(sorted((*HIDDEN_UNITS.values(), *_OTHER_UNITS)))
    epochs: int = EPOCHS
    levels: tuple[int, ...] = (3, 4, 6, 8, 12, 16, 32)
    contexts: tuple[int, ...] = (1, 64, 256)
    steps: tuple[float, ...] = (4, 2.8, 2, 1.5, 1.1, 0.8, 0.6, 0.45, 0.35)
    settings_of_codecs: int = 1
    n_single: int = 250

    def describe(self) -> dict[str, Any]:
        """Return what JSON can hold of it, and gives back."""
        return {name: _listed(value) for name, value in asdict(self).items()}


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


FULL = Grid()
QUICK = replace(
    FULL,
    hidden_units=(8, 28),
    epochs=2,
    levels=(4, 8),
    contexts=(1, 4),
    steps=(3, 1.4),
    settings_of_codecs=4,
    n_single=10,
)

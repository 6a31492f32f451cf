"""What the explorer counts bytes with: how often each unit takes each of a few levels."""

from __future__ import annotations

import numpy as np

from ae_numpy.codec.tables import Tables

LEVELS = (2, 3, 4, 6, 8, 16, 32)
"""The stops of the page's slider, before codes that are not rounded."""

N_COUNTED = 10_000
"""How many training images are counted: all 60,000 change the bytes by half a thousandth, and take
the main job some seconds."""


def counts(codes: np.ndarray) -> list[np.ndarray]:
    """Count levels as the package's `Codec` does, without contexts.

    Parameters
    ----------
    codes : array, shape (N, h)
        In [0, 1], of the training images.

    Returns
    -------
    list of uint32 arrays, shape (h, levels)
        One for each of `LEVELS`.
    """
    symbols = ((levels, np.rint(codes * (levels - 1)).astype(np.uint8)) for levels in LEVELS)
    return [Tables.fit(rounded, levels).counts[0] for levels, rounded in symbols]

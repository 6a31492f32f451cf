"""The options of a check, validated before anything is computed."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np

from ae_numpy.gradcheck.packing import Array, Packing, named_arrays

ENTRYWISE = {"complex_step", "central"}
METHODS = {*ENTRYWISE, "taylor", "directional"}


def checked_masks(masks: Any, packing: Packing) -> dict[str, Array]:
    """One boolean array per parameter, True where it is trained; missing ones are all True."""
    result: dict[str, Array] = {
        name: np.ones(packing.shapes[name], dtype=bool) for name in packing.names
    }
    if masks is None:
        return result
    for name, value in named_arrays(masks)[1].items():
        mask = np.asarray(value)
        if name not in result:
            raise ValueError(f"masks names {name!r}; the parameters are {list(result)}")
        if mask.shape != packing.shapes[name] or not np.all((mask == 0) | (mask == 1)):
            raise ValueError(
                f"mask {name!r} must hold booleans in shape {packing.shapes[name]}; got dtype "
                f"{mask.dtype} and shape {mask.shape}"
            )
        result[name] = mask.astype(bool)
    return result


def require_options(
    method: str, tolerance: float | None, max_entries: int, directions: int
) -> None:
    if not isinstance(method, str) or method not in METHODS:
        raise ValueError(f"method={method!r}: expected one of {sorted(METHODS)}")
    if tolerance is not None and not (isinstance(tolerance, Real) and 0 < tolerance < 1):
        raise ValueError(f"tolerance={tolerance!r}: a relative error between 0 and 1 was expected")
    require_count("max_entries", max_entries)
    require_count("directions", directions)


def require_count(name: str, value: int) -> None:
    if not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name}={value!r}: a whole number of at least 1 was expected")

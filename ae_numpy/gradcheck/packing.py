"""The user's parameters as one flat vector, and back again.

A gradient check perturbs one number at a time. It does not want to know whether those numbers
live in a dict of arrays, in a list or in one array, so this module turns all three into one flat
float64 vector with named sections. What goes back to the user's function is always a fresh copy in
the container it came in: nothing the function does can reach the checker's numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Packing:
    """Names, shapes and places of the arrays inside one flat vector.

    Parameters
    ----------
    parameters : dict of arrays, list or tuple of arrays, or one array
        Floating point. float32 and float16 are widened to float64, see `widened`.

    Raises
    ------
    TypeError
        For an array that is not of a real floating type, by name.
    ValueError
        For a NaN or an infinity, by name and index, and for a container without arrays.

    Examples
    --------
    >>> packing = Packing({"W": np.ones((2, 3)), "b": np.zeros(3)})
    >>> packing.names, packing.size
    (('W', 'b'), 9)
    >>> packing.section("b")
    slice(6, 9, None)
    """

    def __init__(self, parameters: Any) -> None:
        self._kind, named = named_arrays(parameters)
        self._make = getattr(parameters, "_make", self._kind)  # a namedtuple takes no iterable
        arrays = {name: _real_array(name, value) for name, value in named.items()}
        if not arrays:
            raise ValueError("parameters holds no array: there is nothing to check")
        if len(arrays) < len(_keys(parameters)):
            raise ValueError(f"two keys of parameters read the same as text: {_keys(parameters)}")
        self.keys = dict(zip(arrays, _keys(parameters), strict=True))
        self.names = tuple(arrays)
        self.shapes = {name: array.shape for name, array in arrays.items()}
        self.widened = tuple(name for name, a in arrays.items() if a.dtype.itemsize < 8)
        self.vector = np.concatenate([np.ravel(a).astype(np.float64) for a in arrays.values()])
        ends = np.cumsum([array.size for array in arrays.values()])
        self._sections = {
            name: slice(int(end) - array.size, int(end))
            for (name, array), end in zip(arrays.items(), ends, strict=True)
        }

    @property
    def size(self) -> int:
        """Number of parameters in all arrays together."""
        return int(self.vector.size)

    def section(self, name: str) -> slice:
        """Where array `name` lies in the flat vector."""
        return self._sections[name]

    def unpack(self, vector: Array, wrap: Callable[[Array], Array] = np.copy) -> Any:
        """The flat `vector` in the user's own container, as fresh arrays."""
        arrays = {name: wrap(array) for name, array in self.by_name(vector).items()}
        if self._kind is dict:
            return {self.keys[name]: array for name, array in arrays.items()}
        if self._kind is None:
            return arrays[self.names[0]]
        return self._make(arrays.values())

    def by_name(self, vector: Array) -> dict[str, Array]:
        """The arrays of the flat `vector` under their names, as views."""
        return {name: vector[self.section(name)].reshape(self.shapes[name]) for name in self.names}

    def items_of(self, container: Any) -> Iterator[tuple[str, Array]]:
        """Name and array of each member of a container that `unpack` made."""
        for name in self.names:
            yield name, container if self._kind is None else container[self.keys[name]]

    def gradients_of(self, gradients: Any) -> dict[str, Any]:
        """The user's gradients by name; ValueError or TypeError says what is missing."""
        if self._kind is None:
            return {self.names[0]: gradients}
        if self._kind is dict:
            return self._gradients_of_dict(gradients)
        if not isinstance(gradients, (list, tuple)):
            raise TypeError(
                f"gradients is a {type(gradients).__name__}; parameters is a list, so a list of "
                f"{len(self.names)} gradients was expected"
            )
        if len(gradients) != len(self.names):
            raise ValueError(
                f"gradients holds {len(gradients)} arrays; parameters holds {len(self.names)}"
            )
        return dict(zip(self.names, gradients, strict=True))

    def _gradients_of_dict(self, gradients: Any) -> dict[str, Any]:
        if not isinstance(gradients, Mapping):
            raise TypeError(
                f"gradients is a {type(gradients).__name__}; parameters is a dict, so a dict of "
                f"gradients with the same keys was expected"
            )
        missing = [key for key in self.keys.values() if key not in gradients]
        if missing:
            raise ValueError(
                f"gradients has no entry for {missing}; it has {list(gradients)}, and every "
                f"parameter needs a gradient of the same name"
            )
        return {name: gradients[key] for name, key in self.keys.items()}


def named_arrays(parameters: Any) -> tuple[Any, dict[str, Any]]:
    """Kind of container (None for a single array) and its arrays by name."""
    if isinstance(parameters, Mapping):
        return dict, {str(key): value for key, value in parameters.items()}
    if isinstance(parameters, (list, tuple)):
        kind = tuple if isinstance(parameters, tuple) else list
        return kind, {f"parameters[{i}]": value for i, value in enumerate(parameters)}
    return None, {"parameters": parameters}


def _keys(parameters: Any) -> list[Any]:
    """The user's own keys, in the order of the names."""
    if isinstance(parameters, Mapping):
        return list(parameters)
    return list(range(len(parameters))) if isinstance(parameters, (list, tuple)) else [0]


def _real_array(name: str, value: Any) -> Array:
    """`value` as an array of a real floating type, or an error that names it."""
    array = as_array(f"parameter {name!r}", value)
    if array.dtype == object:
        raise TypeError(
            f"parameter {name!r} is a {type(value).__name__}; parameters is one array, or a flat "
            f"dict or list of arrays"
        )
    if array.dtype.kind != "f":
        raise TypeError(
            f"parameter {name!r} has dtype {array.dtype}; a derivative needs real floating point "
            f"numbers: pass it as float64, or, if it is an index or a label, not as a parameter"
        )
    require_finite(f"parameter {name!r}", array)
    return array


def as_array(what: str, value: Any) -> Array:
    """`np.asarray`, whose error for a ragged list names the culprit."""
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{what} is no array of one shape: {error}") from error


def require_finite(what: str, array: Array) -> None:
    """ValueError that names the first NaN or infinity in `array`."""
    bad = np.argwhere(~np.isfinite(array))
    if bad.size or (array.ndim == 0 and not np.isfinite(array)):
        index = tuple(int(i) for i in bad[0]) if array.ndim else ()
        raise ValueError(
            f"{what} contains {array[index]} at index {index}: no derivative can be compared there"
        )


def largest(values: Array) -> float:
    """Largest absolute value, 0 of an empty array."""
    return float(np.max(np.abs(values), initial=0.0))


def root_mean_square(values: Array) -> float:
    """Root of the mean square, 0 of an empty array."""
    peak = largest(values)
    if peak == 0.0:
        return 0.0
    # Scaled first: the square of 1e-200 would be zero.
    return peak * float(np.sqrt(np.mean((values / peak) ** 2)))

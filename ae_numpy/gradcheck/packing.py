"""The user's parameters as one flat vector, and back again.

A gradient check perturbs one number at a time. It does not want to know whether those numbers live
in a dict of arrays, in dataclasses in lists or in one array, so this module turns all of them into
one flat float64 vector with named sections. What goes back to the user's function is always a fresh
copy in the container it came in: nothing the function does can reach the checker's numbers.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Packing:
    """Names, shapes and places of the arrays inside one flat vector.

    Parameters
    ----------
    parameters : one array, or dicts, lists, tuples and dataclasses of arrays, nested as you like
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
    >>> packing.names, packing.vector.size
    (('W', 'b'), 9)
    >>> packing.sections["b"]
    slice(6, 9, None)
    """

    def __init__(self, parameters: Any) -> None:
        pairs = list(leaves(parameters))
        arrays = {name: _real_array(name, value) for name, value in pairs}
        if not arrays:
            raise ValueError("parameters holds no array: there is nothing to check")
        if len(arrays) < len(pairs):
            names = ", ".join(name for name, _ in pairs)
            raise ValueError(f"two keys of parameters read the same as text: {names}")
        self._template = parameters
        self.names = tuple(arrays)
        self.shapes = {name: array.shape for name, array in arrays.items()}
        self.widened = tuple(name for name, a in arrays.items() if a.dtype.itemsize < 8)
        self.vector = np.concatenate([np.ravel(a).astype(np.float64) for a in arrays.values()])
        ends = np.cumsum([array.size for array in arrays.values()])
        self.sections = {
            name: slice(int(end) - array.size, int(end))
            for (name, array), end in zip(arrays.items(), ends, strict=True)
        }

    def unpack(self, vector: Array, wrap: Callable[[Array], Array] = np.copy) -> Any:
        """The flat `vector` in the user's own container, as fresh arrays."""
        arrays = iter([wrap(array) for array in self.by_name(vector).values()])
        return _filled(self._template, arrays, top=True)

    def by_name(self, vector: Array) -> dict[str, Array]:
        """The arrays of the flat `vector` under their names, as views."""
        return {name: vector[self.sections[name]].reshape(self.shapes[name]) for name in self.names}

    def flat(self, named: Mapping[str, Array]) -> Array:
        """Arrays by name as one vector."""
        return np.concatenate([np.ravel(named[name]) for name in self.names])

    def gradients_of(self, gradients: Any) -> tuple[dict[str, Any], dict[str, str]]:
        """The user's gradients by name, and the keys of those that were found as `dW` for `W`.

        Raises
        ------
        TypeError, ValueError
            Saying what is missing.
        """
        renamed: dict[str, str] = {}
        found = _gradients(self._template, gradients, "", renamed)
        return dict(zip(self.names, found, strict=True)), renamed


def leaves(container: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Name and value of each array in nested containers."""
    children = _children(container, top=not name)
    if children is None:
        yield name or "parameters", container
        return
    for key, child in children:
        yield from leaves(child, _named(container, name, key))


def _members(container: Any) -> dict[Any, Any] | None:
    """What a container holds, by key, index or field; None for what is no container."""
    if isinstance(container, Mapping):
        return dict(container)
    if isinstance(container, (list, tuple)):
        return dict(enumerate(container))
    if dataclasses.is_dataclass(container) and not isinstance(container, type):
        return {f.name: getattr(container, f.name) for f in dataclasses.fields(container)}
    return None


def _children(container: Any, top: bool = False) -> list[tuple[Any, Any]] | None:
    """Keys and members of a container; None for what is to be an array.

    A list of numbers inside a container is an array that was not made one yet. What a dataclass
    holds beside arrays, such as a name or a size, is no parameter.
    """
    members = _members(container)
    if members is None or isinstance(container, Mapping):
        return None if members is None else list(members.items())

    def holds(member: Any) -> bool:
        return isinstance(member, np.ndarray) or bool(_children(member))

    if isinstance(container, (list, tuple)):
        return list(members.items()) if top or any(map(holds, members.values())) else None
    return [(k, m) for k, m in members.items() if isinstance(m, float) or holds(m)]


def _named(container: Any, name: str, key: Any) -> str:
    if isinstance(container, (list, tuple)):
        return f"{name or 'parameters'}[{key}]"
    return f"{name}.{key}" if name else str(key)


def _filled(template: Any, arrays: Iterator[Any], top: bool = False) -> Any:
    """A container like `template` with the next arrays in it."""
    children = _children(template, top)
    if children is None:
        return next(arrays)
    filled = {key: _filled(child, arrays) for key, child in children}
    if isinstance(template, Mapping):
        return filled
    if isinstance(template, (list, tuple)):
        plain = list if isinstance(template, list) else tuple
        make: Any = getattr(type(template), "_make", plain)  # a namedtuple takes no iterable
        return make(filled.values())
    result = copy.copy(template)
    for key, value in filled.items():
        object.__setattr__(result, key, value)
    return result


def _gradients(template: Any, gradients: Any, name: str, renamed: dict[str, str]) -> Iterator[Any]:
    """The gradients of the template's arrays, in their order."""
    children = _children(template, top=not name)
    if children is None:
        yield gradients
        return
    where = f"gradients of {name!r}" if name else "gradients"
    found, listed = _members(gradients), isinstance(template, (list, tuple))
    if found is None or isinstance(gradients, (list, tuple)) != listed:
        kind = "list" if listed else "dict"
        got = f"{where} is a {type(gradients).__name__}"
        raise TypeError(f"{got}; a {kind} of {len(children)} gradients was expected")
    if listed and len(found) != len(children):
        raise ValueError(f"{where} holds {len(found)} arrays; parameters holds {len(children)}")
    missing = [key for key, _ in children if key not in found and f"d{key}" not in found]
    if missing:
        has = f"it has {list(found)}, and every parameter needs a gradient of the same name"
        raise ValueError(f"{where} has no entry for {missing}; {has}")
    for key, child in children:
        path = _named(template, name, key)
        if key not in found:
            renamed[path] = f"d{key}"
        yield from _gradients(child, found[renamed.get(path, key)], path, renamed)


def _real_array(name: str, value: Any) -> Array:
    """`value` as an array of a real floating type, or an error that names it."""
    array = as_array(f"parameter {name!r}", value)
    if array.dtype == object:
        wanted = "parameters is one array, or dicts, lists, tuples and dataclasses of arrays"
        raise TypeError(f"parameter {name!r} is a {type(value).__name__}; {wanted}")
    if array.dtype.kind != "f":
        advice = "pass it as float64, or, if it is an index or a label, not as a parameter"
        raise TypeError(f"parameter {name!r} has dtype {array.dtype}, not floating point: {advice}")
    require_finite(f"parameter {name!r}", array)
    return array


def as_array(what: str, value: Any) -> Array:
    """`np.asarray`, with an error that names what is none of one shape, or not an ordinary one."""
    if isinstance(value, (np.matrix, np.ma.MaskedArray)):
        kind = "matrix" if isinstance(value, np.matrix) else "masked array"
        advice = "pass an ordinary array (np.asarray, or .filled(...))"
        raise TypeError(f"{what} is a NumPy {kind}, whose operators differ: {advice}")
    try:
        return np.asarray(value)
    except ValueError:
        kind = f"a {type(value).__name__} whose rows differ in length, or in kind"
        raise ValueError(f"{what} is not an array of one shape: {kind}") from None


def require_finite(what: str, array: Array) -> None:
    """ValueError that names the first NaN or infinity in `array`."""
    for bad in np.argwhere(~np.isfinite(array))[:1]:
        index, why = tuple(map(int, bad)), "no derivative can be compared there"
        raise ValueError(f"{what} contains {array[index]} at index {index}: {why}")


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

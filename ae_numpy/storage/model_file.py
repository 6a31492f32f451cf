"""Model files: a trained network, how it was trained, and the settings of its estimator.

What a file holds and what each part must be; `npz` reads and writes it. A file is checked when it
is written too, by the same rules: what has been saved can be loaded. The estimator builds itself
from a `StoredModel`; nothing here knows it.
"""

from __future__ import annotations

import math
import os
import reprlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ae_numpy.engine import ENGINES
from ae_numpy.network import BACKPROP_RULES, DTYPES, Network
from ae_numpy.storage.npz import Shapes, read_npz, write_npz

_FORMAT, _VERSION = "ae_numpy model", 1

# Of what types the settings are in a file; of those not named, of any that is no dict. Whether a
# number is in range is for the next `fit` to say, as for any other estimator.
_SETTING_TYPES: dict[str, tuple[type, ...]] = {
    "hidden_layer_sizes": (int, list),
    "bias": (bool, list),
    "learning_rate": (int, float, list),
    "epochs": (int,),
    "batch_size": (int,),
    "shuffle": (bool,),
    "weight_init": (str,),
    "backprop": (str,),
    "engine": (str,),
    "dtype": (str,),
    "random_state": (int, type(None)),
    "verbose": (int,),
    "early_stopping": (bool,),
    "n_iter_no_change": (int,),
    "tol": (int, float),
}
_ANY_TYPE = (bool, int, float, str, list, type(None))


@dataclass(frozen=True)
class StoredModel:
    """What a model file holds.

    Attributes
    ----------
    network : Network
    history : dict of lists
    learning_rates : tuple of float
        One per epoch of `fit`.
    seed : int
    settings : dict
        The parameters of the estimator's constructor, by name.
    feature_names : array of str, shape (n_features,), or None

    Examples
    --------
    >>> history = {"epoch": [], "train_mse": [], "seconds": []}
    >>> StoredModel(Network((3, 2, 3)), history, (), seed=0, settings={}).feature_names is None
    True
    """

    network: Network
    history: dict[str, list]
    learning_rates: tuple[float, ...]
    seed: int
    settings: dict[str, Any]
    feature_names: NDArray | None = None


def write_model(path: str | os.PathLike, model: StoredModel) -> None:
    """Write a model file.

    Parameters
    ----------
    path : str or path
    model : StoredModel

    Raises
    ------
    ValueError
        If a setting has a value that no file can hold.
    OSError
        If the file cannot be written; what was there is as it was.

    Examples
    --------
    >>> import os, tempfile
    >>> history = {"epoch": [], "train_mse": [], "seconds": []}
    >>> model = StoredModel(Network((3, 2, 3)), history, (), seed=0, settings={"epochs": 0})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_model(os.path.join(folder, "model.npz"), model)
    ...     read_model(os.path.join(folder, "model.npz"), ["epochs"]).settings
    {'epochs': 0}
    """
    network, settings = model.network, dict(model.settings)
    given = settings.pop("initial_parameters", None) or {}
    initial = {name: _as_floats(array) for name, array in given.items()}
    if callable(settings.get("learning_rate")):
        settings["learning_rate"] = model.learning_rates
    names = model.feature_names
    header: dict[str, Any] = {
        "layer_sizes": list(network.layer_sizes),
        "dtype": network.dtype.name,
        "backprop": network.backprop,
        "engine": network.engine,
        "history": model.history,
        "learning_rates": list(model.learning_rates),
        "seed": model.seed,
        "initial_parameters": {name: list(array.shape) for name, array in initial.items()},
        "feature_names": None if names is None else [str(name) for name in names],
        "settings": {name: _as_json(value) for name, value in settings.items()},
    }
    _check_header(header, settings)
    arrays = {"parameters": network.parameters, "bias_mask": network.bias_mask}
    arrays |= {f"initial_{name}": array for name, array in initial.items()}
    write_npz(path, _FORMAT, _VERSION, header, arrays)


def _as_floats(array: Any) -> NDArray[np.float64]:
    """Return an array as it is in a file: float64 holds every float32."""
    return np.array(array, np.float64, order="C")


def _as_json(value: Any) -> Any:
    """Turn a setting into what JSON can hold; a random generator becomes None."""
    if isinstance(value, np.random.Generator | np.random.RandomState):
        return None
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    if isinstance(value, np.dtype | type):
        return np.dtype(value).name
    if isinstance(value, bool):
        return value
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else value


def read_model(path: str | os.PathLike, setting_names: Collection[str]) -> StoredModel:
    """Read what `write_model` has written.

    Parameters
    ----------
    path : str or path
    setting_names : collection of str
        The settings that must be there, all and no others; `initial_parameters` may be among
        them.

    Returns
    -------
    StoredModel

    Raises
    ------
    ValueError
        If the file is not such a model.
    OSError
        If it cannot be read.

    Examples
    --------
    >>> read_model("no such file", ["epochs"])
    Traceback (most recent call last):
        ...
    FileNotFoundError: [Errno 2] No such file or directory: 'no such file'
    """

    def expected(header: dict[str, Any]) -> Shapes:
        _check_header(header, [name for name in setting_names if name != "initial_parameters"])
        return _shapes(header)

    header, arrays = read_npz(path, _FORMAT, _VERSION, expected)
    network = Network(
        header["layer_sizes"],
        backprop=header["backprop"],
        dtype=header["dtype"],
        engine=header["engine"],
    )
    network.parameters, network.bias_mask = arrays["parameters"], arrays["bias_mask"]
    settings, names = header["settings"], header["feature_names"]
    if isinstance(settings.get("hidden_layer_sizes"), list):
        settings["hidden_layer_sizes"] = tuple(settings["hidden_layer_sizes"])
    if "initial_parameters" in setting_names:
        given = {name: arrays[f"initial_{name}"] for name in header["initial_parameters"]}
        settings["initial_parameters"] = given or None
    return StoredModel(
        network,
        header["history"],
        tuple(header["learning_rates"]),
        header["seed"],
        settings,
        None if names is None else np.asarray(names, object),
    )


def _shapes(header: dict[str, Any]) -> Shapes:
    """Return dtype and shape of every array that a file with this header holds."""
    sizes = header["layer_sizes"]
    n_weights = sum(I * O for I, O in pairwise(sizes))
    n_biases = sum(sizes[1:])
    shapes: dict[str, tuple[np.dtype, tuple[int, ...]]] = {
        "parameters": (np.dtype(header["dtype"]), (n_weights + n_biases,)),
        "bias_mask": (np.dtype(bool), (n_biases,)),
    }
    for name, shape in header["initial_parameters"].items():
        shapes[f"initial_{name}"] = (np.dtype(np.float64), tuple(shape))
    return shapes


# ------------------------------------------------------------------------------------ the header


def _check_header(header: Mapping[str, Any], setting_names: Collection[str]) -> None:
    """Raise ValueError unless this is a header, down to the last number."""
    _check_keys(header, _FIELDS, "header")
    for name, (is_right, expected) in _FIELDS.items():
        if not is_right(header[name]):
            raise ValueError(f"found {name} {reprlib.repr(header[name])}, expected {expected}")
    names, n_features = header["feature_names"], header["layer_sizes"][0]
    if names is not None and len(names) != n_features:
        raise ValueError(f"found {len(names)} feature names, expected {n_features}")
    settings = header["settings"]
    _check_keys(settings, setting_names, "settings")
    for name, value in settings.items():
        types = _SETTING_TYPES.get(name, _ANY_TYPE)
        if type(value) not in types:
            expected = " or ".join(kind.__name__ for kind in types)
            raise ValueError(f"found {name} {reprlib.repr(value)}, expected {expected}")


def _check_keys(given: Mapping[str, Any], expected: Collection[str], where: str) -> None:
    missing, unknown = [n for n in expected if n not in given], sorted(given.keys() - set(expected))
    if missing or unknown:
        what = f"no {missing[0]!r}" if missing else f"an unknown {unknown[0]!r:.60}"
        raise ValueError(f"found {what} in {where}, expected {', '.join(expected)}")


def _are_sizes(value: Any) -> bool:
    return type(value) is list and all(type(size) is int and size > 0 for size in value)


def _are_layer_sizes(value: Any) -> bool:
    return _are_sizes(value) and len(value) >= 3 and value[0] == value[-1]


def _are_numbers(value: Any) -> bool:
    return type(value) is list and all(
        type(number) is float and math.isfinite(number) and number >= 0 for number in value
    )


def _is_history(value: Any) -> bool:
    if type(value) is not dict or value.keys() - {"val_mse"} != {"epoch", "train_mse", "seconds"}:
        return False
    if not all(type(entries) is list for entries in value.values()):
        return False
    n_epochs, evaluated = len(value["epoch"]), value.get("val_mse", [])
    # A `partial_fit` after a `fit` with validation data leaves NaN, the only one there may be.
    known = [mse for mse in evaluated if not (type(mse) is float and math.isnan(mse))]
    return (
        all(len(entries) == n_epochs for entries in value.values())
        and _are_sizes(value["epoch"])
        and value["epoch"] == list(range(1, n_epochs + 1))
        and all(_are_numbers(numbers) for numbers in (value["train_mse"], value["seconds"], known))
    )


def _are_named_shapes(value: Any) -> bool:
    return type(value) is dict and all(
        name[:1] in ("W", "b") and name[1:].isdecimal() and _are_sizes(shape)
        for name, shape in value.items()
    )


def _are_names(value: Any) -> bool:
    return value is None or (type(value) is list and all(type(name) is str for name in value))


# What a header holds: whether a value is right, and what is, in words.
_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "layer_sizes": (_are_layer_sizes, "three or more positive integers, the last as the first"),
    "dtype": (lambda value: value in DTYPES, f"one of {DTYPES}"),
    "backprop": (lambda value: value in BACKPROP_RULES, f"one of {BACKPROP_RULES}"),
    "engine": (lambda value: value in tuple(ENGINES), f"one of {tuple(ENGINES)}"),
    "history": (_is_history, "lists of equal length: epoch from 1 on, train_mse, seconds, val_mse"),
    "learning_rates": (_are_numbers, "finite numbers of at least 0"),
    "seed": (lambda value: type(value) is int and value >= 0, "an integer of at least 0"),
    "initial_parameters": (_are_named_shapes, "shapes under W0, b0, W1, ..."),
    "feature_names": (_are_names, "null or a list of strings"),
    "settings": (lambda value: type(value) is dict, "an object"),
}

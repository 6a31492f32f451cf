"""Model files: a trained network, how it was trained, and the settings of its estimator.

Defines what a file holds and what each part must be; `npz` reads and writes it. A file is also
checked when written, by the same rules: whatever has been saved can be loaded. The estimator builds
itself from a `StoredModel`; nothing here depends on it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from types import NoneType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ae_numpy.architecture import Architecture, n_parameters
from ae_numpy.network import Network
from ae_numpy.storage.npz import Names, Shapes, check_header, check_keys, read_npz, write_npz
from ae_numpy.validation import PARAMETERS, Rule, each, either, integer, number, of, require

_FORMAT, _VERSION = "ae_numpy model", 1


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
    container : {"default", "pandas", "polars"} or None
        The choice made with `set_output`.

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
    container: str | None = None


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
        If the file cannot be written; an existing file is unchanged.

    Examples
    --------
    >>> import os, tempfile
    >>> history = {"epoch": [], "train_mse": [], "seconds": []}
    >>> model = StoredModel(Network((3, 2, 3)), history, (), seed=0, settings={"epochs": 0})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_model(os.path.join(folder, "model.npz"), model)
    ...     read_model(os.path.join(folder, "model.npz"), ["epochs"], ["epochs"]).settings
    {'epochs': 0}
    """
    network, settings = model.network, dict(model.settings)
    given = settings.pop("initial_parameters", None) or {}
    # float64 holds every float32.
    initial = {name: np.array(array, np.float64, order="C") for name, array in given.items()}
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
        "container": model.container,
    }
    _check_header(header, settings, settings)
    arrays = {"parameters": network.parameters, "bias_mask": network.bias_mask}
    arrays |= {f"initial_{name}": array for name, array in initial.items()}
    write_npz(path, _FORMAT, _VERSION, header, arrays)


def _as_json(value: Any) -> Any:
    """Convert a setting to JSON-compatible values; a random generator becomes None."""
    if value is np.random or isinstance(value, np.random.Generator | np.random.RandomState):
        return None
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    if isinstance(value, np.dtype | type):
        return np.dtype(value).name
    if isinstance(value, Real) and not isinstance(value, bool):
        return int(value) if isinstance(value, Integral) else float(value)
    return value


def read_model(path: str | os.PathLike, needed: Names, known: Names) -> StoredModel:
    """Read what `write_model` has written.

    Parameters
    ----------
    path : str or path
    needed : collection of str
        The settings that must be present.
    known : collection of str
        Those that may be present.

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
    >>> read_model("no such file", ["epochs"], ["epochs"])
    Traceback (most recent call last):
        ...
    FileNotFoundError: [Errno 2] No such file or directory: 'no such file'
    """

    def expected(header: dict[str, Any]) -> Shapes:
        header.setdefault("container", None)  # in files of earlier versions
        _check_header(header, needed, known)
        return _shapes(header)

    header, arrays = read_npz(path, _FORMAT, _VERSION, expected)
    sizes, dtype = tuple(header["layer_sizes"]), np.dtype(header["dtype"])
    rule, engine = header["backprop"], header["engine"]
    architecture = Architecture(sizes, arrays["bias_mask"], rule, dtype, engine)
    settings, names = header["settings"], header["feature_names"]
    if isinstance(settings.get("hidden_layer_sizes"), list):
        settings["hidden_layer_sizes"] = tuple(settings["hidden_layer_sizes"])
    if "initial_parameters" in known:
        given = {name: arrays[f"initial_{name}"] for name in header["initial_parameters"]}
        settings["initial_parameters"] = given or None
    return StoredModel(
        Network.of(architecture, arrays["parameters"]),
        header["history"],
        tuple(header["learning_rates"]),
        header["seed"],
        settings,
        None if names is None else np.asarray(names, object),
        header["container"],
    )


def _shapes(header: dict[str, Any]) -> Shapes:
    """Return the dtype and shape of every array that a file with this header holds."""
    sizes, initial = header["layer_sizes"], header["initial_parameters"]
    return {
        "parameters": (np.dtype(header["dtype"]), (n_parameters(sizes),)),
        "bias_mask": (np.dtype(bool), (sum(sizes[1:]),)),
        **{f"initial_{name}": (np.dtype(float), tuple(shape)) for name, shape in initial.items()},
    }


# ------------------------------------------------------------------------------------ the header


def _check_header(header: Mapping[str, Any], needed: Names, known: Names) -> None:
    """Raise ValueError unless this is a valid header, down to the last number."""
    try:
        check_header(header, _HEADER)
        check_keys(header["settings"], needed, known, "settings")
        for name, value in header["settings"].items():
            PARAMETERS.get(name, _OTHER_SETTING)(value, name)
    except TypeError as error:
        raise ValueError(str(error)) from None
    names, n_features = header["feature_names"], header["layer_sizes"][0]
    if names is not None and len(names) != n_features:
        raise ValueError(f"feature_names must be {n_features} names, got {len(names)}")


def _layer_sizes(value: Any) -> None:
    sizes = PARAMETERS["layer_sizes"].convert(value)
    require(len(sizes) >= 3 and sizes[0] == sizes[-1])


def _history(value: Any) -> None:
    require(value.keys() - {"val_mse"} == {"epoch", "train_mse", "seconds"})
    epochs = each(integer(1).convert)(value["epoch"])
    require(epochs == tuple(range(1, len(epochs) + 1)))
    require(all(len(each(float)(entries)) == len(epochs) for entries in value.values()))
    # A `partial_fit` after a `fit` with validation data leaves NaN, the only one allowed.
    known = [mse for mse in value.get("val_mse", []) if mse == mse]
    for numbers in (value["train_mse"], value["seconds"], known):
        each(number.convert)(numbers)


def _named_shapes(value: Any) -> None:
    for name, shape in value.items():
        require(name[:1] in ("W", "b") and name[1:].isdecimal())
        each(integer(1).convert)(shape)


HISTORY = Rule(
    "lists of equal length: epoch from 1 on, train_mse, seconds, val_mse", of(dict, to=_history)
)
RATES = Rule("finite numbers of at least 0", each(number.convert))
_HEADER: dict[str, Rule] = {
    "layer_sizes": Rule("three or more positive integers, the last as the first", _layer_sizes),
    "dtype": PARAMETERS["dtype"],
    "backprop": PARAMETERS["backprop"],
    "engine": PARAMETERS["engine"],
    "history": HISTORY,
    "learning_rates": RATES,
    "seed": integer(0),
    "initial_parameters": Rule("shapes under W0, b0, W1, ...", of(dict, to=_named_shapes)),
    "feature_names": Rule("null or a list of strings", either(of(NoneType), each(of(str)))),
    "settings": Rule("an object", of(dict)),
    "container": Rule("a container or null", either(of(NoneType), PARAMETERS["container"].convert)),
}
# Of a class derived from the estimator.
_OTHER_SETTING = Rule("no object", of(object, lambda value: not isinstance(value, dict)))
